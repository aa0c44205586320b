//! Discrete-event simulator that drives any [`Machine`](nearcast_machine::Machine) in virtual time,
//! and traces of who comes and goes.
//!
//! **A simulation** takes a [population](NodeSpec) (who is there when, behind which access link), a
//! [`Network`], and a function that makes a machine for each node. Messages are typed values that
//! are moved from sender to receiver. It knows nothing of what the machines do.
//!
//! **The same seed gives the same run**, event by event, on any number of threads: events have a
//! total [order](Key), nodes draw from seeds of their own, and threads keep within the least delay
//! of each other. Every run ends with a [`Digest`] of its event log that says so.
//!
//! **Traces** ([`trace`]) say who comes and goes: read from CSV, or generated to fit what was
//! published of a day of a real system.
//!
//! `docs/simulator.md` describes the model and what of it is exact, `docs/simulator-speed.md` what
//! it costs.

pub mod trace;

mod ahead;
mod barrier;
mod digest;
mod error;
mod event;
mod inbox;
mod network;
mod node;
mod observer;
mod population;
mod prefetch;
mod presence;
mod queue;
mod shard;
mod simulation;
mod statistics;
mod table;

pub use digest::Digest;
pub use error::Error;
pub use event::{Happened, Key, Kind, Pending};
pub use network::{Access, Delays, Network, Place, Signalling};
pub use node::{Action, Class, FORESEEN, Message, Node, NodeId};
pub use observer::{Observer, Progress, Watch};
pub use population::NodeSpec;
pub use queue::{Heap, Queue, Wheel};
pub use simulation::{Outcome, Settings, Simulation};
pub use statistics::{Counters, Statistics};
