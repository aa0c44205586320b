//! One switch's TCP connection: a task that reads, a task that writes.

use std::time::{Duration, Instant};

use nearcast_fabric::{ConnectionId, Input};
use rust_openflow::Framer;
use rust_openflow::v13::Message;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Batches of messages that may wait for a slow switch. Beyond that it is let go: what it should
/// hold is worked out anew when it comes back, and nobody else waits for it.
const QUEUE: usize = 4096;

/// How long a closing connection may take to send what is left.
const LINGER: Duration = Duration::from_secs(2);

/// An input and when it was read.
pub(crate) type Arrival = (Instant, Input);

/// The writing end of a connection.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Vec<u8>>,
    reader: tokio::task::AbortHandle,
}

/// The switch does not take what it is sent.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl Writer {
    /// Queues encoded messages.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Result<(), TooSlow> {
        self.queue.try_send(bytes).map_err(|_| TooSlow)
    }
}

impl Drop for Writer {
    /// What is queued is still sent; nothing is read any more.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Starts the tasks of a connection.
pub(crate) fn start(
    id: ConnectionId,
    stream: TcpStream,
    arrivals: mpsc::Sender<Arrival>,
) -> std::io::Result<Writer> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let (read, write) = stream.into_split();
    let (queue, queued) = mpsc::channel(QUEUE);
    tokio::spawn(send_all(write, queued));
    let reader = tokio::spawn(async move {
        let reason = receive_all(id, read, &arrivals).await;
        // If nobody listens any more the controller is stopping.
        let _ = arrivals.send((Instant::now(), Input::Gone(id, reason))).await;
    });
    Ok(Writer { queue, reader: reader.abort_handle() })
}

/// Reads until the connection ends; says why it did.
async fn receive_all(
    id: ConnectionId,
    mut read: OwnedReadHalf,
    arrivals: &mpsc::Sender<Arrival>,
) -> String {
    let mut framer = Framer::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read_at = match read.read(&mut buffer).await {
            Ok(0) if framer.pending() > 0 => {
                let pending = framer.pending();
                return format!("it closed the connection {pending} bytes into a message");
            }
            Ok(0) => return "it closed the connection".to_owned(),
            Ok(n) => {
                framer.push(&buffer[..n]);
                Instant::now()
            }
            Err(error) => return error.to_string(),
        };
        loop {
            let frame = match framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return format!("its messages cannot be told apart: {error}"),
            };
            let input = match Message::parse(&frame) {
                Ok(message) => Input::Message(id, message),
                Err(error) => Input::Undecodable(id, frame, error),
            };
            if arrivals.send((read_at, input)).await.is_err() {
                return "the controller is stopping".to_owned();
            }
        }
    }
}

/// Writes what is queued, as much at once as there is, until the queue's other end is dropped.
async fn send_all(mut write: OwnedWriteHalf, mut queued: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut bytes) = queued.recv().await {
        while let Ok(more) = queued.try_recv() {
            bytes.extend(more);
        }
        let all = write.write_all(&bytes);
        let done = if queued.is_closed() {
            tokio::time::timeout(LINGER, all).await.unwrap_or(Ok(()))
        } else {
            all.await
        };
        // A failed write shows at the reading end too, which reports it.
        if done.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}
