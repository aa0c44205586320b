//! One switch's connection: a task that reads, a task that writes.
//!
//! What waits for a switch is bounded in bytes. Behind the first bound the switch is heard less,
//! since mostly it is answers to its own messages that pile up; behind the second it is let go, for
//! what it should hold is worked out anew when it comes back. Nobody else waits for it in either
//! case.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nearcast_fabric::{ConnectionId, Ending, Input};
use rust_openflow::Framer;
use rust_openflow::v13::Message;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Bytes waiting for a switch beyond which it is heard less.
const HIGH: usize = 256 << 10;
/// Bytes waiting for a switch beyond which it is let go: more than bringing a full one to what it
/// should hold takes.
const MAX: usize = 16 << 20;
/// How long a switch with that much waiting for it is not heard at a time. For ever would not do: a
/// switch may take nothing until it is heard.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes written at once.
const BATCH: usize = 64 << 10;
/// Bytes read at once. A thousand switches have as many buffers of it.
const READ: usize = 16 << 10;
/// How long a closing connection may take to send what is left.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// An input and when it was read.
pub(crate) type Arrival = (Instant, Input);

/// A switch's byte stream, bare or in TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The writing end of a connection.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Bounded by the bytes in it.
    queue: mpsc::UnboundedSender<Vec<u8>>,
    depth: Arc<Depth>,
    reader: tokio::task::AbortHandle,
    writer: Option<JoinHandle<()>>,
    /// What had been taken when that was last asked.
    taken: usize,
}

/// How much waits.
#[derive(Debug, Default)]
struct Depth {
    bytes: AtomicUsize,
    /// Bytes that were taken, modulo 2^64.
    taken: AtomicUsize,
    /// Told when it is below [`HIGH`] again.
    drained: Notify,
    /// Told when nothing more will be queued.
    closing: Notify,
}

/// The switch does not take what it is sent.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl Writer {
    /// Queues encoded messages.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Result<(), TooSlow> {
        let queued = self.depth.bytes.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if queued > MAX {
            return Err(TooSlow);
        }
        // If the writing task has ended, the reading one says why.
        let _ = self.queue.send(bytes);
        Ok(())
    }

    /// Bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.depth.bytes.load(Ordering::Relaxed)
    }

    /// Whether bytes wait, and some were taken since this was last asked.
    pub(crate) fn is_taken(&mut self) -> bool {
        let taken = self.depth.taken.load(Ordering::Relaxed);
        self.queued() > 0 && std::mem::replace(&mut self.taken, taken) != taken
    }

    /// Ends the connection at once, and with it what is queued.
    pub(crate) fn cut(self) {
        if let Some(writer) = &self.writer {
            writer.abort();
        }
    }

    /// Ends the connection once what is queued is sent, or [`LINGER`] is over; the task that does
    /// so.
    pub(crate) fn finish(mut self) -> Option<JoinHandle<()>> {
        self.writer.take()
    }
}

impl Drop for Writer {
    /// What is queued is still sent; nothing is read any more.
    fn drop(&mut self) {
        self.reader.abort();
        self.depth.closing.notify_one();
    }
}

/// Makes a socket one for small messages whose other end may vanish.
pub(crate) fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Starts the tasks of a connection.
pub(crate) fn start(
    id: ConnectionId,
    stream: Box<dyn Stream>,
    arrivals: mpsc::Sender<Arrival>,
) -> Writer {
    let (read, write) = tokio::io::split(stream);
    let (queue, queued) = mpsc::unbounded_channel();
    let depth = Arc::new(Depth::default());
    let writer = tokio::spawn({
        let depth = Arc::clone(&depth);
        async move {
            let sending = send_all(write, queued, &depth);
            tokio::pin!(sending);
            tokio::select! {
                () = &mut sending => {}
                () = depth.closing.notified() => {
                    let _ = tokio::time::timeout(LINGER, sending).await;
                }
            }
        }
    });
    let reader = tokio::spawn({
        let depth = Arc::clone(&depth);
        async move {
            let (cause, reason) = receive_all(id, read, &arrivals, &depth).await;
            // If nobody listens any more the controller is stopping.
            let _ = arrivals.send((Instant::now(), Input::Gone(id, cause, reason))).await;
        }
    });
    Writer { queue, depth, reader: reader.abort_handle(), writer: Some(writer), taken: 0 }
}

/// Reads until the connection ends; says why it did.
async fn receive_all(
    id: ConnectionId,
    mut read: impl AsyncRead + Unpin,
    arrivals: &mpsc::Sender<Arrival>,
    depth: &Depth,
) -> (Ending, String) {
    let mut framer = Framer::new();
    let mut buffer = vec![0; READ];
    loop {
        if depth.bytes.load(Ordering::Relaxed) > HIGH {
            let _ = tokio::time::timeout(PAUSE, depth.drained.notified()).await;
        }
        let read_at = match read.read(&mut buffer).await {
            Ok(0) if framer.pending() > 0 => {
                let pending = framer.pending();
                let reason = format!("it closed the connection {pending} bytes into a message");
                return (Ending::Closed, reason);
            }
            Ok(0) => return (Ending::Closed, "it closed the connection".to_owned()),
            Ok(n) => {
                framer.push(&buffer[..n]);
                Instant::now()
            }
            Err(error) => return (Ending::Closed, error.to_string()),
        };
        loop {
            let frame = match framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    let reason = format!("its messages cannot be told apart: {error}");
                    return (Ending::Protocol, reason);
                }
            };
            let input = match Message::parse(&frame) {
                Ok(message) => Input::Message(id, message),
                Err(error) => Input::Undecodable(id, frame, error),
            };
            if arrivals.send((read_at, input)).await.is_err() {
                return (Ending::Closed, "the controller is stopping".to_owned());
            }
        }
    }
}

/// Writes what is queued, several messages at once, until the queue's other end is dropped.
async fn send_all(
    mut write: impl AsyncWrite + Unpin,
    mut queued: mpsc::UnboundedReceiver<Vec<u8>>,
    depth: &Depth,
) {
    while let Some(mut bytes) = queued.recv().await {
        while bytes.len() < BATCH
            && let Ok(more) = queued.try_recv()
        {
            bytes.extend(more);
        }
        // A failed write shows at the reading end too, which reports it. TLS holds bytes back until
        // it is told to flush.
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
        depth.taken.fetch_add(bytes.len(), Ordering::Relaxed);
        let before = depth.bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        if before > HIGH && before - bytes.len() <= HIGH {
            depth.drained.notify_one();
        }
    }
    let _ = write.shutdown().await;
}
