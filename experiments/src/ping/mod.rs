//! Ping trains by ICMP sockets of our own, opened inside a host's network namespace, with the
//! kernel's timestamps of sending and receiving: what is measured is the network and the answering
//! kernel, not when this process got to run.

mod command;
mod socket;
mod train;

pub use command::{Args, main};
pub(crate) use command::{follow, open, plan, topology, warm_up};
pub use socket::PingSocket;
pub use train::{Plan, Trains};
