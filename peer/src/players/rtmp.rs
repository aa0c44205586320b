use std::net::SocketAddr;

use nearcast_media::rtmp::{Server, ServerEvent};

use super::stage::{Seat, Stage};
use crate::events::Protocol;
use crate::link::{Broken, Link};
use crate::queue::Item;
use crate::rtmp_port::HANDSHAKE;

/// One player that reads by RTMP.
pub(super) struct Player {
    pub(super) stage: Stage,
    pub(super) from: SocketAddr,
}

impl Player {
    /// Serves the player until it leaves or the stream is over.
    pub(super) async fn serve(self, mut link: Link<Server>) {
        if let Err(broken) = self.converse(&mut link).await {
            tracing::debug!("player {}: {broken}", self.from);
        }
        link.close().await;
    }

    async fn converse(&self, link: &mut Link<Server>) -> Result<(), Broken> {
        let mut app = String::new();
        let mut asked: Option<String> = None;
        let mut seat: Option<Seat> = None;
        let idle = tokio::time::sleep(HANDSHAKE);
        tokio::pin!(idle);
        loop {
            while let Some(event) = link.session.poll() {
                match event {
                    ServerEvent::Connected { app: named, .. } => app = named,
                    ServerEvent::PlayRequested { key } => {
                        match self.open(link, &app, &key).await? {
                            Ok(place) => {
                                link.session.accept()?;
                                (seat, asked) = (Some(place), Some(key));
                            }
                            Err(reason) => return Ok(link.session.refuse(&reason)?),
                        }
                    }
                    ServerEvent::PublishRequested { .. } => {
                        let words = "this is a viewer's peer; publish at the broadcaster's";
                        return Ok(link.session.refuse(words)?);
                    }
                    // A paused player gives its place up, so that nothing piles up for it.
                    ServerEvent::Paused(true) => seat = None,
                    ServerEvent::Paused(false) => {
                        let Some(key) = asked.clone().filter(|_| seat.is_none()) else { continue };
                        match self.open(link, &app, &key).await? {
                            Ok(place) => seat = Some(place),
                            Err(_) => {
                                link.session.finish();
                                return Ok(());
                            }
                        }
                    }
                    ServerEvent::Ended => return Ok(()),
                    ServerEvent::Media(_) => {}
                }
            }
            let room = link.has_room();
            tokio::select! {
                biased;
                item = next(&mut seat, room) => match item {
                    Some(item) => {
                        link.session.send(&item.media)?;
                        // Without this the kernel would be asked once per message of a group.
                        while link.has_room()
                            && let Some(item) = seat.as_mut().and_then(|s| s.outlet.try_next())
                        {
                            link.session.send(&item.media)?;
                        }
                        link.write()?;
                    }
                    None => {
                        link.session.finish();
                        return Ok(());
                    }
                },
                stepped = link.step() => stepped?,
                () = self.stage.life.closing(), if seat.is_none() => return Ok(()),
                () = &mut idle, if asked.is_none() => return Ok(()),
            }
        }
    }

    async fn open(
        &self,
        link: &mut Link<Server>,
        app: &str,
        key: &str,
    ) -> Result<Result<Seat, String>, Broken> {
        link.until(self.stage.open(app, key, Some(self.from), Protocol::Rtmp)).await
    }
}

/// The next message of a player that has a place. While there is no room for one, it is only waited
/// for whether the player is given up.
async fn next(seat: &mut Option<Seat>, room: bool) -> Option<Item> {
    match seat {
        Some(seat) if room => seat.outlet.next().await,
        Some(seat) => {
            seat.outlet.cut_off().await;
            None
        }
        None => std::future::pending().await,
    }
}
