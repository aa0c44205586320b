//! The other controller, over TCP or TLS.
//!
//! Each of the two serves its own claim to whoever connects, a JSON line several times in a lease, and
//! reads the other's by a connection of its own. So what is believed always comes from the end that was
//! asked for, whose certificate names a controller; nothing is read from those that connect.

use std::net::SocketAddr;
use std::time::Duration;

use nearcast_fabric::Claim;
use nearcast_machine::Span;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::connection::Stream;
use crate::tls::Tls;

/// Claims in a lease: four may be late or lost.
const BEATS: u32 = 5;
/// A claim is shorter.
const LINE: u64 = 256;
/// Those who may listen to our claim at once.
const LISTENERS: usize = 8;
/// How long connecting and TLS may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The other controller and how the two know of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// Where our claim is served.
    pub listen: SocketAddr,
    /// Where the other's is.
    pub controller: SocketAddr,
    /// The higher one goes first when both start.
    pub priority: u8,
    /// How long the other is not heard before it counts as gone.
    pub takeover: Span,
}

/// Serves what `claim` holds.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    claim: watch::Receiver<Claim>,
    lease: Span,
) {
    let listeners = std::sync::Arc::new(tokio::sync::Semaphore::new(LISTENERS));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(permit) = listeners.clone().try_acquire_owned() else { continue };
        let (tls, claim) = (tls.clone(), claim.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let ended = match tls {
                None => tell(stream, claim, lease).await,
                Some(tls) => match timeout(PATIENCE, tls.acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => tell(stream, claim, lease).await,
                    Ok(Err(error)) => Err(error),
                    Err(late) => Err(late.into()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!("the controller at {peer} listens no more: {error}");
            }
        });
    }
}

async fn tell(
    mut stream: impl AsyncWrite + Unpin,
    mut claim: watch::Receiver<Claim>,
    lease: Span,
) -> std::io::Result<()> {
    loop {
        let now = *claim.borrow_and_update();
        let mut line = serde_json::to_string(&now)?;
        line.push('\n');
        timeout(PATIENCE, stream.write_all(line.as_bytes())).await??;
        timeout(PATIENCE, stream.flush()).await??;
        // A change is told at once.
        if let Ok(Err(_)) = timeout(Duration::from(lease / u64::from(BEATS)), claim.changed()).await
        {
            return Ok(());
        }
    }
}

/// Listens to the other controller for ever, and hands on what it claims.
pub(crate) async fn listen_to(
    address: SocketAddr,
    tls: Option<Tls>,
    lease: Span,
    claims: mpsc::Sender<Claim>,
) {
    let mut known = None;
    loop {
        let ended = async {
            let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
            let mut stream: Box<dyn Stream> = match &tls {
                None => Box::new(stream),
                Some(tls) => Box::new(timeout(PATIENCE, tls.connect(stream)).await??),
            };
            hear(&mut stream, lease, &claims).await
        };
        let ended: std::io::Result<()> = ended.await;
        let reason =
            ended.err().map_or_else(|| "it closed the connection".to_owned(), |e| e.to_string());
        if known.as_ref() != Some(&reason) {
            tracing::warn!("the controller at {address} is not heard: {reason}");
            known = Some(reason);
        }
        if claims.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from(lease / u64::from(BEATS))).await;
    }
}

async fn hear(
    stream: &mut (impl AsyncRead + Unpin),
    lease: Span,
    claims: &mpsc::Sender<Claim>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut bounded = (&mut lines).take(LINE);
        if timeout(Duration::from(lease), bounded.read_line(&mut line)).await?? == 0 {
            return Ok(());
        }
        let claim = serde_json::from_str(&line)?;
        if claims.send(claim).await.is_err() {
            return Ok(());
        }
    }
}
