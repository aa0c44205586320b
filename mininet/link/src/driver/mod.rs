//! Runs all links of a topology on TAP devices, in one thread.

mod capture;
mod clock;
mod error;
mod frame;
mod host;
mod link;
mod links;
mod request;
mod run;
mod schedule;
mod server;
mod tap;
mod timing;

pub use error::DriverError;
pub use host::Realtime;
pub use run::{Driver, Options};
