//! Rust drives Mininet by a handful of coarse calls: build a network from a topology, ask what was
//! built, start it, stop it. Everything else (processes in hosts, shaping, measurement) is Rust and
//! goes by the nodes' process numbers and interfaces.
//!
//! This is the only crate that touches Python. The interpreter is the one this was built for (the
//! system's, where Debian and Ubuntu put Mininet), whatever else is on `PATH` or in `PYTHONHOME`,
//! and it never takes a signal: Ctrl-C stays with the program that uses this crate.
//!
//! Mininet's own `cleanup` (`mn -c`) is not called, since it kills and deletes by name whatever
//! looks like Mininet's.

mod error;
mod net;
mod python;

pub use error::Error;
pub use net::{FailMode, Interface, Kind, Links, Net, Node, Options};
pub use python::{Versions, versions};
