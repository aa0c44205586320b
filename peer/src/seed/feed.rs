use std::sync::Arc;
use std::time::Duration;

use nearcast_media::rtmp::{Client, ClientEvent};
use nearcast_media::{Role, StreamName};
use tokio::time::interval;

use super::node::{FeedId, SeedNode};
use crate::address::CdnUrl;
use crate::life::Life;
use crate::link::{Broken, Link};
use crate::pump::Shared;
use crate::upstream::connect;

/// nginx-rtmp asks us before it admits the publisher, so at first the stream is not there yet; it
/// is a moment later, and every moment is one that the seed lacks.
const SOON: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];
/// The pause between attempts after those.
const LATER: Duration = Duration::from_millis(250);
/// After so many attempts in a row the publish is taken for over although nobody said so.
const ATTEMPTS: usize = 120;
/// How often it is looked at whether the publish still goes on.
const LOOK: Duration = Duration::from_millis(250);

/// Plays one publish from the CDN's server, over loopback.
pub(super) struct Feed {
    pub(super) node: Arc<Shared<SeedNode>>,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
    pub(super) stream: StreamName,
    pub(super) id: FeedId,
}

impl Feed {
    /// Plays until the publish is over.
    pub(super) async fn run(self) {
        let mut failures = 0;
        while failures < ATTEMPTS && self.node.with(|node, _| node.is_fed(self.id)) {
            let pause = SOON.get(failures).copied().unwrap_or(LATER);
            failures += 1;
            if self.life.during(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            let key = self.stream.key();
            let connecting = connect(&self.cdn, &self.stream, key, Role::Viewer);
            match self.life.during(connecting).await {
                None => return,
                Some(Err(refusal)) => tracing::debug!("{}: {refusal}", self.stream),
                Some(Ok(mut link)) => {
                    failures = 0;
                    self.node.with(|node, _| node.playing(self.id));
                    match self.play(&mut link).await {
                        Ok(()) => link.session.finish(),
                        Err(broken) => {
                            self.node.with(|node, _| node.broken(self.id, broken.to_string()));
                        }
                    }
                    link.close().await;
                    if self.life.is_closing() {
                        return;
                    }
                }
            }
        }
        self.node.with(|node, now| {
            if node.is_fed(self.id) {
                node.end(now, &self.stream, "it cannot be played");
            }
        });
    }

    /// Plays until the publish is over or the program ends (`Ok`), or the connection does.
    async fn play(&self, link: &mut Link<Client>) -> Result<(), Broken> {
        let mut look = interval(LOOK);
        loop {
            while let Some(event) = link.session.poll() {
                match event {
                    ClientEvent::Media(media) => {
                        self.node.with(|node, now| node.media(now, self.id, media));
                    }
                    ClientEvent::Ended | ClientEvent::Refused { .. } => return Err(Broken::Closed),
                    ClientEvent::Accepted | ClientEvent::Paused(_) => {}
                }
            }
            tokio::select! {
                stepped = link.step() => stepped?,
                _ = look.tick() => if !self.node.with(|node, _| node.is_fed(self.id)) {
                    return Ok(());
                },
                () = self.life.closing() => return Ok(()),
            }
        }
    }
}
