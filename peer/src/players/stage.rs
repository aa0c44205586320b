use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nearcast_media::StreamName;

use crate::events::{Event, Protocol};
use crate::journal::Journal;
use crate::life::Life;
use crate::queue::Outlet;

/// Between attempts to play a stream that is not there yet, for `--play` and `--record`.
const AGAIN: Duration = Duration::from_millis(200);

/// What a player waits for before it has a place.
pub(crate) type Admission<'a> = Pin<Box<dyn Future<Output = Result<Outlet, String>> + Send + 'a>>;

/// Whose stream is played.
pub(crate) trait House: Send + Sync + 'static {
    /// Opens `stream` for one more reader; `key` is the key as the player gave it. An error is a
    /// sentence for the player: mostly that nobody publishes the stream.
    fn admit<'a>(&'a self, stream: &'a StreamName, key: &'a str) -> Admission<'a>;
}

/// Where players of every kind come to.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) house: Arc<dyn House>,
    pub(crate) journal: Journal,
    pub(crate) life: Life,
}

/// A player's place: what it reads, and the note that it was here.
pub(super) struct Seat {
    pub(super) outlet: Outlet,
    journal: Journal,
    stream: StreamName,
    player: Option<SocketAddr>,
}

impl Stage {
    /// Gives a player its place.
    ///
    /// # Errors
    ///
    /// A sentence for the player.
    pub(super) async fn open(
        &self,
        app: &str,
        key: &str,
        player: Option<SocketAddr>,
        protocol: Protocol,
    ) -> Result<Seat, String> {
        let stream = StreamName::new(app, key).map_err(|error| error.to_string())?;
        let outlet = self.house.admit(&stream, key).await?;
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

/// Plays `stream` whenever it is there.
pub(super) async fn play_without_player(stage: Stage, stream: StreamName) {
    while let Some(mut seat) = wait_for(&stage, &stream).await {
        while seat.outlet.next().await.is_some() {}
        if stage.life.during(tokio::time::sleep(AGAIN)).await.is_none() {
            return;
        }
    }
}

/// A place for nobody in particular, once `stream` is there; `None` when the program ends before.
pub(super) async fn wait_for(stage: &Stage, stream: &StreamName) -> Option<Seat> {
    loop {
        let opening = stage.open(stream.app(), stream.key(), None, Protocol::Headless);
        match stage.life.during(opening).await? {
            Ok(seat) => return Some(seat),
            Err(reason) => tracing::debug!("{stream}: {reason}"),
        }
        stage.life.during(tokio::time::sleep(AGAIN)).await?;
    }
}
