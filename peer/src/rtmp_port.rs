use std::future::Future;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use nearcast_media::rtmp::{Server, Settings};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::life::Life;
use crate::link::Link;

/// How long a connection may stay without publishing or playing.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections at a time; further ones wait in the kernel.
const CONNECTIONS: usize = 256;

/// Where encoders or players connect.
pub(crate) struct RtmpPort {
    listener: TcpListener,
}

impl RtmpPort {
    /// Listens at `address`.
    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<RtmpPort> {
        Ok(RtmpPort { listener: listen(address)? })
    }

    /// Hands each connection to `serve`, in a task of its own, until the program is to end.
    pub(crate) fn serve<F, S>(self, life: Life, mut serve: F)
    where
        F: FnMut(Link<Server>, SocketAddr) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::spawn(async move {
            loop {
                let permit = Arc::clone(&room).acquire_owned();
                let Some(Ok(permit)) = life.during(permit).await else { return };
                let Some(accepted) = life.during(self.listener.accept()).await else { return };
                let (tcp, from) = match accepted {
                    Ok(accepted) => accepted,
                    // Out of descriptors, or the other side has gone again: the next may do better.
                    Err(error) => {
                        tracing::warn!("a connection could not be accepted: {error}");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                let Ok(link) = Link::new(tcp, Server::new(Settings::default())) else { continue };
                let conversation = serve(link, from);
                let life = life.clone();
                tokio::spawn(async move {
                    conversation.await;
                    drop((permit, life));
                });
            }
        });
    }
}

/// A listener that is there again at once after a restart (SO_REUSEADDR).
pub(crate) fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
