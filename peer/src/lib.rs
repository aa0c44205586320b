//! The peer of nearcast as a program: it takes a livestream from an encoder, or serves it to
//! players, and lets it travel by the switch, by neighbours, by the seed or by the CDN, whichever
//! brings it first.
//!
//! All that is decided is decided in `nearcast-engine` and `nearcast-media`; here are sockets, the
//! clock and the connections of encoders, players and the CDN. One thread carries the whole stream,
//! so that nothing on its way waits for another to be scheduled; only events are written by a
//! second.
//!
//! - [`events`] are what `--events FILE` holds.
//! - [`status`] is what `GET /status` answers.
//! - [`run`] is the program, [`Cli`] its command line.

pub mod events;
pub mod status;

mod address;
mod audience;
mod broadcast;
mod cli;
mod clock;
mod datagrams;
mod error;
mod frames;
mod http_port;
mod journal;
mod keys;
mod life;
mod link;
mod mesh;
mod metrics;
mod offers;
mod players;
mod program;
mod pump;
mod queue;
mod rtmp_port;
mod seed;
mod system;
mod tracker;
mod upstream;
mod view;
mod witness;

pub use cli::Cli;
pub use datagrams::Trains;
pub use error::Error;
pub use mesh::MESH_CHUNK_MAX;
pub use program::run;
