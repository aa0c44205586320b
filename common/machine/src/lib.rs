//! What every deciding part of nearcast stands on: a clock that is handed in, units that live in
//! types, seeds that are derived, and the [`Machine`] trait.
//!
//! Nothing here reads a clock, opens a socket or draws from an unseeded generator. A driver owns
//! those and hands their values in, so that one and the same machine runs over UDP inside a Mininet
//! host, against an in-memory switch in a test, and by the ten thousand in a simulator.

mod machine;
mod quantity;
mod seed;
mod time;

pub use machine::Machine;
pub use quantity::{Bitrate, Bytes};
pub use seed::{Rng, Seed};
pub use time::{Span, Time};

/// A value with a unit, as people write it in scenario files, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct UnitError {
    /// What was written.
    pub text: String,
    /// What would have been accepted, with an example.
    pub expected: &'static str,
}
