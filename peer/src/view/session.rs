use std::sync::Arc;
use std::time::Duration;

use nearcast_engine::viewer::CdnState;
use nearcast_media::rtmp::{Client, ClientEvent};
use nearcast_media::{Role, StreamName};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::node::{Pause, PlayId, ViewNode};
use crate::address::CdnUrl;
use crate::life::Life;
use crate::link::{Broken, Link};
use crate::pump::Shared;
use crate::upstream::{Backoff, Refusal, connect};

/// How long a stream is kept without a reader: players that probe connect twice.
const UNWATCHED: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The session with the CDN of one stream that is played here. It begins with the first player and
/// ends with the last, or with the stream.
pub(super) struct Session {
    pub(super) node: Arc<Shared<ViewNode>>,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
    pub(super) stream: StreamName,
    /// As the player gave it, with its token.
    pub(super) key: String,
    pub(super) id: PlayId,
    /// Closed when the stream is over.
    pub(super) pauses: mpsc::UnboundedReceiver<Pause>,
    /// Since when nobody reads.
    pub(super) unwatched: Option<Instant>,
}

/// Why the playing of one connection ended.
enum End {
    /// The connection broke.
    Broken(Broken),
    /// The CDN says that the stream is over. The switch may still bring it.
    Ended,
    /// Nobody wants it any more, or nothing of it is left.
    Over,
}

impl Session {
    /// Plays until nobody watches or the stream is over.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        let mut accepted = false;
        loop {
            let connecting = connect(&self.cdn, &self.stream, &self.key, Role::Viewer);
            match self.life.during(connecting).await {
                None => break,
                Some(Ok(mut link)) => {
                    accepted = true;
                    backoff = Backoff::new();
                    // Orders from before this connection; the machine gives them again.
                    while self.pauses.try_recv().is_ok() {}
                    self.node.with(|node, now| node.accepted(now, self.id));
                    let end = self.play(&mut link).await;
                    let state = match &end {
                        End::Broken(broken) => {
                            tracing::debug!("{} from the CDN: {broken}", self.stream);
                            Some(CdnState::Lost)
                        }
                        End::Ended => Some(CdnState::Ended),
                        End::Over => None,
                    };
                    match state {
                        Some(state) => {
                            self.node.with(|node, now| node.cdn_state(now, self.id, state));
                        }
                        None => link.session.finish(),
                    }
                    link.close().await;
                    if state.is_none() {
                        break;
                    }
                }
                Some(Err(refusal)) if !accepted => {
                    self.node.with(|node, _| node.refused(self.id, refusal.to_string()));
                    return;
                }
                // A server that knew the stream and does not any more says that it is over;
                // nginx-rtmp hangs up on a paused player without saying so, which is why it is
                // asked again.
                Some(Err(refusal)) => {
                    tracing::debug!("{}: {refusal}", self.stream);
                    if let Refusal::Refused { .. } = refusal {
                        self.node.with(|node, now| node.cdn_state(now, self.id, CdnState::Ended));
                    }
                }
            }
            if !self.wait(backoff.pause()).await {
                break;
            }
        }
        self.node.with(|node, now| node.close(now, self.id));
    }

    async fn play(&mut self, link: &mut Link<Client>) -> End {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(event) = link.session.poll() {
                match event {
                    ClientEvent::Media(media) => {
                        self.node.with(|node, now| node.cdn_media(now, self.id, media));
                    }
                    ClientEvent::Paused(paused) => {
                        let state = if paused { CdnState::Paused } else { CdnState::Playing };
                        self.node.with(|node, now| node.cdn_state(now, self.id, state));
                    }
                    ClientEvent::Ended | ClientEvent::Refused { .. } => return End::Ended,
                    ClientEvent::Accepted => {}
                }
            }
            tokio::select! {
                stepped = link.step() => if let Err(broken) = stepped {
                    return End::Broken(broken);
                },
                order = self.pauses.recv() => match order {
                    Some(Pause { pause, at }) => if let Err(error) = link.session.pause(pause, at) {
                        return End::Broken(error.into());
                    },
                    None => return End::Over,
                },
                _ = look.tick() => if !self.is_watched() {
                    return End::Over;
                },
                () = self.life.closing() => return End::Over,
            }
        }
    }

    /// Waits before the next attempt; `false` when there is no reason for one any more.
    async fn wait(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            if !self.is_watched() {
                return false;
            }
            let next = until.min(Instant::now() + LOOK);
            tokio::select! {
                () = tokio::time::sleep_until(next) => if next == until {
                    return self.is_watched();
                },
                order = self.pauses.recv() => if order.is_none() {
                    return false;
                },
                () = self.life.closing() => return false,
            }
        }
    }

    /// Whether somebody reads the stream, or did a moment ago.
    fn is_watched(&mut self) -> bool {
        match self.node.with(|node, _| node.readers(self.id)) {
            None => false,
            Some(0) => self.unwatched.get_or_insert_with(Instant::now).elapsed() < UNWATCHED,
            Some(_) => {
                self.unwatched = None;
                true
            }
        }
    }
}
