use bytes::Bytes;

use super::{Settings, Url};
use crate::{Error, Media, Role};

/// The client's end of one RTMP connection, which publishes or plays one stream.
///
/// [`output`](Client::output) holds the beginning of the handshake from the start. Feed it with
/// [`receive`](Client::receive), then drain [`poll`](Client::poll) and `output` until each answers
/// `None`.
#[derive(Debug)]
pub struct Client {}

/// What a [`Client`] is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The stream, and where it is.
    pub url: Url,
    /// Publish it as [`Role::Broadcaster`], or play it as [`Role::Viewer`].
    pub role: Role,
    /// Send each command without waiting for the answer to the one before, which saves three round
    /// trips at the start. nginx-rtmp and [`Server`](super::Server) accept that; a server that gives
    /// stream ids in another way than counting from 1 does not.
    pub pipeline: bool,
    /// Sizes.
    pub settings: Settings,
}

/// What a [`Client`] has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepted the publisher or player (NetStream.Publish.Start, NetStream.Play.Start).
    Accepted,
    /// The server refused; nothing more will come.
    Refused {
        /// Such as `NetStream.Publish.BadName`.
        code: String,
        /// The server's words.
        description: String,
    },
    /// The server sent this to the player.
    Media(Media),
    /// The server confirmed a pause (`true`) or its end (`false`).
    Paused(bool),
    /// The stream is over: the broadcaster stopped, or the server ended it.
    Ended,
}

impl Client {
    /// A client that is about to connect.
    pub fn new(config: ClientConfig) -> Client {
        let _ = config;
        unimplemented!()
    }

    /// Takes bytes of the server, in pieces of any size.
    ///
    /// # Errors
    /// The connection is then beyond repair.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let _ = bytes;
        unimplemented!()
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<ClientEvent> {
        unimplemented!()
    }

    /// Bytes to send to the server; `None` when there are none.
    pub fn output(&mut self) -> Option<Bytes> {
        unimplemented!()
    }

    /// How many bytes [`output`](Client::output) would give.
    pub fn pending(&self) -> usize {
        unimplemented!()
    }

    /// Sends a message of the published stream.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] unless this is an accepted publisher.
    pub fn send(&mut self, media: &Media) -> Result<(), Error> {
        let _ = media;
        unimplemented!()
    }

    /// Asks the server to hold the stream (`true`), or to go on with it (`false`). The session stays
    /// either way. `at` is the timestamp of the last message released, in ms.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] unless this is an accepted player.
    pub fn pause(&mut self, pause: bool, at: u32) -> Result<(), Error> {
        let _ = (pause, at);
        unimplemented!()
    }

    /// Stops publishing or playing (FCUnpublish, deleteStream). Close the connection once the output
    /// is sent.
    pub fn finish(&mut self) {
        unimplemented!()
    }
}
