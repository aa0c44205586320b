//! The mesh in virtual time: `nearcast simulate`.
//!
//! A [`SimScenario`] says who comes and goes, what they contribute and under which systems. Every
//! population is run under every system on `nearcast_sim`, with the engine of the live peer. What
//! comes of it is [`Simulations`], from which alone figures, CSV and page are made, with the
//! numbers of Liu et al. section VI beside ours.

mod class;
mod collect;
mod command;
mod csv;
mod figures;
mod judge;
mod network;
mod page;
mod perform;
mod population;
mod result;
mod scenario;
mod settings;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

pub use class::Class;
pub(crate) use command::report;
pub use command::{Args, main};
pub(crate) use judge::settled_ratio;
pub use network::Core;
pub use result::{Cost, Group, SIMULATION_FORMAT, Session, SimRun, Simulations, Step, schema};
pub use scenario::{Crowd, Paper, SimScenario, names};
pub use settings::Change;
pub(crate) use settings::changed;
