//! Runs: a world is built, a stream broadcast in it by real programs, everything recorded, and the
//! world taken down again.
//!
//! All three systems run the same programs. Directly, the peers take no offers: the broadcaster's
//! stamps and forwards, the viewer's relays, so that nothing differs but the way. HLS is played from
//! the same nginx by FFmpeg, and read by the witness.

mod cast;
mod collect;
mod command;
mod fault;
mod nginx;
mod plan;
mod progress;
mod session;
mod stage;
mod streaming;
mod truth;
mod versions;

pub(crate) use command::alone;
pub use command::{CompareArgs, RunArgs, compare, run};
pub(crate) use streaming::pings_under_stream;
