use std::time::Duration;

use nearcast_media::rtmp::{Client, ClientConfig, ClientEvent, Settings};
use nearcast_media::{Role, StreamName};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpStream;

use crate::address::CdnUrl;
use crate::link::{Broken, Link};

/// How long the CDN may take to accept or refuse. A path of 600 ms needs about three seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before the second attempt; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The CDN did not take us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It said no.
    #[error("the CDN refused: {description} ({code})")]
    Refused {
        /// Such as NetStream.Play.StreamNotFound.
        code: String,
        /// Its words.
        description: String,
    },
    /// It hung up, which is how nginx-rtmp says no when on_publish does.
    #[error("the CDN closed the connection instead of accepting")]
    HungUp,
    /// It is not there, or does not speak RTMP.
    #[error("the CDN at {cdn} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        cdn: String,
        /// Why.
        why: String,
    },
}

/// Connects to the CDN and publishes or plays `stream`. `key` is the key as the publisher or player
/// gave it, with a token if there is one.
pub(crate) async fn connect(
    cdn: &CdnUrl,
    stream: &StreamName,
    key: &str,
    role: Role,
) -> Result<Link<Client>, Refusal> {
    let unreachable = |why: String| Refusal::Unreachable { cdn: cdn.to_string(), why };
    let attempt = async {
        let url = cdn.url(stream.app(), key).map_err(|error| unreachable(error.to_string()))?;
        let tcp = TcpStream::connect(cdn.authority())
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        watch_over(&tcp).map_err(|error| unreachable(error.to_string()))?;
        let config = ClientConfig { url, role, pipeline: true, settings: Settings::default() };
        let mut link =
            Link::new(tcp, Client::new(config)).map_err(|error| unreachable(error.to_string()))?;
        loop {
            let stepped = link.step().await;
            // What was said before hanging up counts.
            while let Some(event) = link.session.poll() {
                match event {
                    ClientEvent::Accepted => return Ok(link),
                    ClientEvent::Refused { code, description } => {
                        return Err(Refusal::Refused { code, description });
                    }
                    ClientEvent::Ended => return Err(Refusal::HungUp),
                    ClientEvent::Media(_) | ClientEvent::Paused(_) => {}
                }
            }
            match stepped {
                Ok(()) => {}
                Err(Broken::Closed) => return Err(Refusal::HungUp),
                Err(error) => return Err(unreachable(error.to_string())),
            }
        }
    };
    match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(answer) => answer,
        Err(_) => Err(unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// Makes the kernel notice within about ten seconds that the CDN is gone without a word, whether we
/// send or only listen (`tcp(7)`).
fn watch_over(tcp: &TcpStream) -> nix::Result<()> {
    setsockopt(tcp, sockopt::TcpUserTimeout, &10_000)?;
    setsockopt(tcp, sockopt::KeepAlive, &true)?;
    setsockopt(tcp, sockopt::TcpKeepIdle, &4)?;
    setsockopt(tcp, sockopt::TcpKeepInterval, &2)?;
    setsockopt(tcp, sockopt::TcpKeepCount, &3)
}

/// Growing pauses between attempts.
pub(crate) struct Backoff(Duration);

impl Backoff {
    /// Before the first attempt.
    pub(crate) fn new() -> Backoff {
        Backoff(FIRST_PAUSE)
    }

    /// How long to wait now.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (2 * pause).min(LONGEST_PAUSE);
        pause
    }
}
