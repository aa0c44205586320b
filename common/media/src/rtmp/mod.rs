//! RTMP 1.0 (Adobe, 21 December 2012), sans-IO: the chunk layer, messages, and three machines that
//! speak it.
//!
//! * [`Server`] accepts a publisher or a player, [`Client`] is one.
//! * [`Dialogue`] watches a connection of two others and tells who publishes and who plays what.
//!
//! All three are fed bytes as they come, in pieces of any size, and are drained with `poll` and
//! `output` until both answer `None`.

mod client;
mod dialogue;
mod server;
mod url;

pub use client::{Client, ClientConfig, ClientEvent};
pub use dialogue::{Dialogue, DialogueEvent, Side, Undecided};
pub use server::{Server, ServerEvent};
pub use url::Url;

/// What both ends of a session choose for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The chunk size of what is sent, in bytes.
    pub chunk_size: u32,
    /// The largest message that is taken, in bytes.
    pub message_max: u32,
    /// After how many bytes the other side is asked to acknowledge.
    pub window: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { chunk_size: 60_000, message_max: 8 << 20, window: 2_500_000 }
    }
}
