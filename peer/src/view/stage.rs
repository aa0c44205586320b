use std::net::SocketAddr;
use std::sync::Arc;

use nearcast_media::StreamName;

use super::node::{Verdict, ViewNode};
use super::session::Session;
use crate::address::CdnUrl;
use crate::events::{Event, Protocol};
use crate::journal::Journal;
use crate::life::Life;
use crate::pump::Shared;
use crate::queue::Outlet;

/// Where players of every kind come to.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) node: Arc<Shared<ViewNode>>,
    pub(super) journal: Journal,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
}

/// A player's place: what it reads, and the note that it was here.
pub(super) struct Seat {
    pub(super) outlet: Outlet,
    journal: Journal,
    stream: StreamName,
    player: Option<SocketAddr>,
}

impl Stage {
    /// Gives a player its place, once the CDN has accepted our play.
    ///
    /// # Errors
    ///
    /// A sentence for the player: mostly that nobody publishes the stream.
    pub(super) async fn open(
        &self,
        app: &str,
        key: &str,
        player: Option<SocketAddr>,
        protocol: Protocol,
    ) -> Result<Seat, String> {
        let stream = StreamName::new(app, key).map_err(|error| error.to_string())?;
        let mut opened = self.node.with(|node, _| node.open(&stream))?;
        if let Some(pauses) = opened.pauses.take() {
            let session = Session {
                node: Arc::clone(&self.node),
                life: self.life.clone(),
                cdn: self.cdn.clone(),
                stream: stream.clone(),
                key: key.to_owned(),
                id: opened.id,
                pauses,
                unwatched: None,
            };
            tokio::spawn(session.run());
        }
        let over = || format!("{stream} is over");
        let decided = opened.verdict.wait_for(|verdict| *verdict != Verdict::Pending);
        match decided.await.map_err(|_| over())?.clone() {
            Verdict::Refused(reason) => return Err(reason),
            Verdict::Accepted | Verdict::Pending => {}
        }
        let outlet = self.node.with(|node, _| node.read(opened.id)).ok_or_else(over)?;
        let name = stream.to_string();
        self.journal.note(Event::PlayerJoined { stream: name, player, protocol });
        Ok(Seat { outlet, journal: self.journal.clone(), stream, player })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let reason = match self.outlet.was_cut_off() {
            true => "it read too slowly",
            false if self.outlet.is_over() => "the stream ended",
            false => "it left",
        };
        self.journal.note(Event::PlayerLeft {
            stream: self.stream.to_string(),
            player: self.player,
            reason: reason.to_owned(),
        });
    }
}
