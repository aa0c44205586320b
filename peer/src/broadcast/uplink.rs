use std::sync::Arc;

use nearcast_media::rtmp::{Client, ClientEvent};
use nearcast_media::{Role, StreamName};
use tokio::sync::oneshot;

use super::node::{BroadcastNode, PublishId};
use crate::address::CdnUrl;
use crate::events::Event;
use crate::journal::Journal;
use crate::life::Life;
use crate::link::{Broken, Link};
use crate::pump::Shared;
use crate::queue::{Item, Outlet};
use crate::upstream::{Backoff, Refusal, connect};

/// The way of one publish to the CDN. If the CDN goes away the publish goes on without it, by the
/// switch alone, until the CDN is back; it is then given the current group of pictures first.
pub(super) struct Uplink {
    pub(super) node: Arc<Shared<BroadcastNode>>,
    pub(super) journal: Journal,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
    pub(super) stream: StreamName,
    /// As the publisher gave it, with its token.
    pub(super) key: String,
    pub(super) publish: PublishId,
    /// The last unit that was handed to a connection.
    pub(super) last: Option<u64>,
}

impl Uplink {
    /// Publishes at the CDN, says by `verdict` whether that was accepted at first, and forwards
    /// until the publish ends.
    pub(super) async fn run(mut self, verdict: oneshot::Sender<Result<(), Refusal>>) {
        let mut link = match self.life.during(self.connect()).await {
            Some(Ok(link)) => {
                verdict.send(Ok(())).ok();
                link
            }
            Some(Err(refusal)) => {
                verdict.send(Err(refusal)).ok();
                return;
            }
            None => return,
        };
        loop {
            // Nothing to read means that the publish is over.
            let Some(outlet) = self.node.with(|node, _| node.read(self.publish)) else { return };
            match self.forward(&mut link, outlet).await {
                Ok(()) => {
                    link.session.finish();
                    link.close().await;
                    return;
                }
                Err(broken) => {
                    self.node.with(|node, _| node.cdn_lost(self.publish));
                    let (stream, reason) = (self.stream.to_string(), broken.to_string());
                    self.journal.note(Event::CdnLost { stream, reason });
                }
            }
            match self.reconnect().await {
                Some(anew) => link = anew,
                None => return,
            }
        }
    }

    async fn connect(&self) -> Result<Link<Client>, Refusal> {
        connect(&self.cdn, &self.stream, &self.key, Role::Broadcaster).await
    }

    /// Tries until it works; `None` when the publish is over before.
    async fn reconnect(&mut self) -> Option<Link<Client>> {
        let mut backoff = Backoff::new();
        loop {
            self.life.during(tokio::time::sleep(backoff.pause())).await?;
            if !self.node.with(|node, _| node.is_live(self.publish)) {
                return None;
            }
            match self.life.during(self.connect()).await? {
                Ok(link) => return Some(link),
                Err(refusal) => tracing::debug!("{}: {refusal}", self.stream),
            }
        }
    }

    /// Forwards until the publish ends.
    async fn forward(&mut self, link: &mut Link<Client>, mut outlet: Outlet) -> Result<(), Broken> {
        let mut returning = self.last.is_some();
        loop {
            while let Some(event) = link.session.poll() {
                match event {
                    ClientEvent::Ended | ClientEvent::Refused { .. } => return Err(Broken::Closed),
                    ClientEvent::Accepted | ClientEvent::Media(_) | ClientEvent::Paused(_) => {}
                }
            }
            tokio::select! {
                biased;
                item = outlet.next(), if link.has_room() => match item {
                    Some(item) => {
                        let skipped = self.send(link, &item)?;
                        if let Some(skipped) = skipped && returning {
                            returning = false;
                            let stream = self.stream.to_string();
                            self.journal.note(Event::CdnRestored { stream, skipped });
                        }
                    }
                    // The CDN takes less than comes: it continues with the current pictures.
                    None if outlet.was_cut_off() => {
                        match self.node.with(|node, _| node.read(self.publish)) {
                            Some(current) => outlet = current,
                            None => return Ok(()),
                        }
                    }
                    None => return Ok(()),
                },
                stepped = link.step() => stepped?,
            }
        }
    }

    /// Sends one message; answers how many units before it were never sent, if it is a unit.
    fn send(&mut self, link: &mut Link<Client>, item: &Item) -> Result<Option<u64>, Broken> {
        link.session.send(&item.media)?;
        link.write()?;
        let Some(unit) = item.unit else { return Ok(None) };
        let skipped = match self.last {
            // The group of pictures that a connection begins with may have been sent before.
            Some(last) => unit.saturating_sub(last + 1),
            None => 0,
        };
        self.last = self.last.max(Some(unit));
        if skipped > 0 {
            self.node.with(|node, _| node.skipped(skipped));
        }
        Ok(Some(skipped))
    }
}
