//! RTMP 1.0 (Adobe, 21 December 2012), sans-IO: the chunk layer, messages, and three machines that
//! speak it.
//!
//! * [`Server`] accepts a publisher or a player, [`Client`] is one.
//! * [`Dialogue`] watches a connection of two others and tells who publishes and who plays what.
//!
//! All three are fed bytes as they come, in pieces of any size, and are drained with `poll` and
//! `output` until both answer `None`.

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
