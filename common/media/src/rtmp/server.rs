use bytes::Bytes;

use super::Settings;
use crate::{Error, Media};

/// The server's end of one RTMP connection: of a publisher, or of a player.
///
/// Feed it with [`receive`](Server::receive), then drain [`poll`](Server::poll) and
/// [`output`](Server::output) until each answers `None`. One stream per connection: a second
/// `publish` or `play` while one runs is refused.
#[derive(Debug)]
pub struct Server {}

/// What a [`Server`] has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// The client connected to an application. It is answered already.
    Connected {
        /// The application, without a query and without slashes around it.
        app: String,
        /// The URL that the client believes it is at; may be empty.
        tc_url: String,
    },
    /// The client wants to publish. Say [`accept`](Server::accept) or [`refuse`](Server::refuse).
    PublishRequested {
        /// The stream key as sent, with what follows a `?`.
        key: String,
    },
    /// The client wants to play. Say [`accept`](Server::accept) or [`refuse`](Server::refuse).
    PlayRequested {
        /// The stream key as sent, with what follows a `?`.
        key: String,
    },
    /// The player paused (`true`) or went on (`false`). Nothing need be sent while it is paused.
    Paused(bool),
    /// The publisher sent this.
    Media(Media),
    /// The client stopped publishing or playing. It may begin again on the same connection.
    Ended,
}

impl Server {
    /// A server that awaits the handshake.
    pub fn new(settings: Settings) -> Server {
        let _ = settings;
        unimplemented!()
    }

    /// Takes bytes of the client, in pieces of any size.
    ///
    /// # Errors
    /// The connection is then beyond repair: send what [`output`](Server::output) still holds and
    /// close it.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let _ = bytes;
        unimplemented!()
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<ServerEvent> {
        unimplemented!()
    }

    /// Bytes to send to the client; `None` when there are none.
    pub fn output(&mut self) -> Option<Bytes> {
        unimplemented!()
    }

    /// How many bytes [`output`](Server::output) would give: a player that does not read lets them grow, and
    /// the driver should drop it.
    pub fn pending(&self) -> usize {
        unimplemented!()
    }

    /// Lets the client publish or play what it asked for.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if it did not ask.
    pub fn accept(&mut self) -> Result<(), Error> {
        unimplemented!()
    }

    /// Denies the client what it asked for. `description` is shown to people.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if it did not ask.
    pub fn refuse(&mut self, description: &str) -> Result<(), Error> {
        let _ = description;
        unimplemented!()
    }

    /// Sends a message to an accepted player.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if there is no accepted player.
    pub fn send(&mut self, media: &Media) -> Result<(), Error> {
        let _ = media;
        unimplemented!()
    }

    /// Tells an accepted player that the stream is over (NetStream.Play.UnpublishNotify and stream
    /// EOF). Does nothing if there is none.
    pub fn finish(&mut self) {
        unimplemented!()
    }
}
