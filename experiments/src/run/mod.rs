//! Runs: a world is built, a stream broadcast in it by real programs, everything recorded, and the
//! world taken down again.
//!
//! All three systems run the same programs. Directly, the peers take no offers: the broadcaster's
//! stamps and forwards, the viewer's relays, so that nothing differs but the way. HLS is played
//! from the same nginx by FFmpeg, and read by the witness.

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

pub(crate) use cast::{controller, publisher};
pub(crate) use collect::lines;
pub(crate) use command::COMPARED;
pub use command::{CompareArgs, RunArgs, compare, run};
pub(crate) use command::{alone, date};
pub(crate) use nginx::Cdn;
pub(crate) use progress::Progress;
pub(crate) use stage::{free_address, switch_port_delays, unasked_drops, wait_for_event};
pub(crate) use streaming::pings_under_stream;
pub(crate) use versions::{ffmpeg_bursts, machine, versions};
