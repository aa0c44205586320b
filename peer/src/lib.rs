//! The peer of nearcast as a program: it takes a livestream from an encoder, or serves it to
//! players, and lets it travel by the switch, by neighbours, by the seed or by the CDN, whichever
//! brings it first.
//!
//! [`events`] are what it writes down while it runs; other programs read them.

pub mod events;

mod address;
mod cli;
mod clock;
mod datagrams;
mod journal;
mod queue;
mod system;

pub use cli::Cli;
pub use journal::{Journal, JournalThread};
