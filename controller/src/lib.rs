//! The OpenFlow controller of nearcast as a program: [`nearcast_fabric::Fabric`] over TCP.
//!
//! Nothing is decided here. [`Settings`] come from the command line, [`Server`] owns the sockets
//! and the clock, and each decision of the fabric is written by the [`Journal`], one JSON object a
//! line.

mod args;
mod connection;
mod error;
mod file;
mod journal;
pub mod learning;
mod north;
mod rival;
mod server;
mod spans;
mod tls;

pub use args::{App, Arguments, Command, Settings, check};
pub use error::Error;
pub use journal::Journal;
pub use rival::Rival;
pub use server::Server;
pub use tls::{CONTROLLER_NAME, TlsFiles};
