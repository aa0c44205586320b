//! RTMP 1.0 (Adobe, 21 December 2012), sans-IO: the chunk layer, messages, and three machines that
//! speak it.
//!
//! * [`Server`] accepts a publisher or a player, [`Client`] is one.
//! * [`Dialogue`] watches a connection of two others and tells who publishes and who plays what.
//!
//! All three are fed bytes as they come, in pieces of any size, and are drained with `poll` and
//! `output` until both answer `None`:
//!
//! ```
//! use nearcast_media::rtmp::{Client, ClientConfig, ClientEvent, Server, ServerEvent, Settings};
//! use nearcast_media::{Kind, Media, Role};
//!
//! # fn main() -> Result<(), nearcast_media::Error> {
//! let settings = Settings::default();
//! let url = "rtmp://127.0.0.1/live/room".parse()?;
//! let mut client =
//!     Client::new(ClientConfig { url, role: Role::Broadcaster, pipeline: true, settings });
//! let mut server = Server::new(settings);
//! let body = b"\xaf\x01\x21".as_slice().into();
//! let sound = Media { kind: Kind::Audio, timestamp: 23, body };
//!
//! // What two drivers do, with a socket between them.
//! let mut heard = None;
//! while heard.is_none() {
//!     while let Some(bytes) = client.output() {
//!         server.receive(&bytes)?;
//!     }
//!     while let Some(event) = server.poll() {
//!         match event {
//!             ServerEvent::PublishRequested { key } if key == "room" => server.accept()?,
//!             ServerEvent::Media(media) => heard = Some(media),
//!             _ => {}
//!         }
//!     }
//!     while let Some(bytes) = server.output() {
//!         client.receive(&bytes)?;
//!     }
//!     while let Some(event) = client.poll() {
//!         if event == ClientEvent::Accepted {
//!             client.send(&sound)?;
//!         }
//!     }
//! }
//! assert_eq!(heard, Some(sound));
//! # Ok(())
//! # }
//! ```

mod chunk_reader;
#[cfg(test)]
mod chunk_tests;
mod chunk_writer;
mod client;
mod dialogue;
mod handshake;
mod link;
mod message;
mod server;
#[cfg(test)]
mod session_tests;
mod settings;
mod url;

pub use chunk_reader::{ChunkLimits, ChunkReader};
pub use chunk_writer::ChunkWriter;
pub use client::{Client, ClientConfig, ClientEvent};
pub use dialogue::{Dialogue, DialogueEvent, Side, Undecided};
pub use message::{Command, Message, Payload, UserControl};
pub use server::{Server, ServerEvent};
pub use settings::Settings;
pub use url::Url;
