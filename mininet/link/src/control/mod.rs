//! The control socket: its messages, and a client.

mod client;
mod message;
mod name;

pub use client::{Client, ClientError};
pub(crate) use message::reply_line;
pub use message::{
    Done, LinkInfo, LinkStats, Listing, PROTOCOL, PipeStats, Process, Request, Stats, Timing,
    Version, Which,
};
pub use name::{InterfaceName, LinkName, NameError};
