use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use nearcast_media::rtmp::{Client, Server};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What is read at once. A connection that sends without end yields to the others after each.
const READ: usize = 64 << 10;
/// Above this the session takes no more media; it waits in the reader's queue, which is bounded.
const UNSENT: usize = 128 << 10;
/// How long the last bytes may take.
const LAST: Duration = Duration::from_secs(1);

/// The end of an RTMP connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The other side closed it.
    #[error("the other side closed the connection")]
    Closed,
    /// The network did.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side does not speak RTMP.
    #[error("this is not RTMP: {0}")]
    Protocol(#[from] nearcast_media::Error),
}

/// An RTMP session, of either end.
pub(crate) trait Session {
    /// Takes bytes from the network.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), nearcast_media::Error>;
    /// Bytes for the network.
    fn output(&mut self) -> Option<Bytes>;
    /// How many.
    fn pending(&self) -> usize;
}

macro_rules! session {
    ($($end:ty),*) => {$(
        impl Session for $end {
            fn receive(&mut self, bytes: &[u8]) -> Result<(), nearcast_media::Error> {
                <$end>::receive(self, bytes)
            }
            fn output(&mut self) -> Option<Bytes> {
                <$end>::output(self)
            }
            fn pending(&self) -> usize {
                <$end>::pending(self)
            }
        }
    )*};
}
session!(Client, Server);

/// A session on its TCP connection.
pub(crate) struct Link<S> {
    /// The protocol. After each [`step`](Link::step) its events are to be drained.
    pub(crate) session: S,
    tcp: TcpStream,
    /// What the session gave and the kernel did not take yet.
    unsent: Bytes,
    buffer: Box<[u8]>,
}

impl<S: Session> Link<S> {
    /// Speaks `session` on `tcp`, without Nagle's delay.
    pub(crate) fn new(tcp: TcpStream, session: S) -> io::Result<Link<S>> {
        tcp.set_nodelay(true)?;
        Ok(Link { session, tcp, unsent: Bytes::new(), buffer: vec![0; READ].into() })
    }

    /// Whether more media may be given to the session.
    pub(crate) fn has_room(&self) -> bool {
        self.unsent.len() + self.session.pending() < UNSENT
    }

    /// Sends what the kernel takes without waiting.
    pub(crate) fn write(&mut self) -> Result<(), Broken> {
        loop {
            if self.unsent.is_empty() {
                match self.session.output() {
                    Some(bytes) => self.unsent = bytes,
                    None => return Ok(()),
                }
            }
            match self.tcp.try_write(&self.unsent) {
                Ok(length) => self.unsent.advance(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends what waits, and waits until something was read or more can be sent. May be abandoned
    /// at any moment without losing a byte.
    ///
    /// # Errors
    ///
    /// The connection is over; the session may still hold events.
    pub(crate) async fn step(&mut self) -> Result<(), Broken> {
        self.write()?;
        let interest = match self.unsent.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = self.tcp.ready(interest).await?;
        if ready.is_readable() {
            match self.tcp.try_read(&mut self.buffer) {
                Ok(0) => return Err(Broken::Closed),
                Ok(length) => {
                    let taken = self.session.receive(&self.buffer[..length]);
                    // Also after an error: what the session still has to say explains it.
                    self.write()?;
                    taken?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.write()
    }

    /// Keeps the connection going until `wish` is fulfilled.
    pub(crate) async fn until<T>(&mut self, wish: impl Future<Output = T>) -> Result<T, Broken> {
        tokio::pin!(wish);
        loop {
            tokio::select! {
                answer = &mut wish => return Ok(answer),
                stepped = self.step() => stepped?,
            }
        }
    }

    /// Sends the last bytes, if the other side takes them within a second, and closes.
    pub(crate) async fn close(mut self) {
        let rest = async {
            while self.write().is_ok() && !self.unsent.is_empty() {
                if self.tcp.writable().await.is_err() {
                    break;
                }
            }
            // A reset, which unread input would cause, could overtake what was just sent.
            let mut tcp = self.tcp;
            tokio::io::AsyncWriteExt::shutdown(&mut tcp).await.ok();
            while let Ok(()) = tcp.readable().await {
                match tcp.try_read(&mut self.buffer) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(LAST, rest).await.ok();
    }
}
