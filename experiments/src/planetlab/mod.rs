//! The paper's PlanetLab experiment (Liu et al. V) in Mininet: real peers behind access links with
//! the upload limits of its table I, under each of its systems, and with the switch's help.
//!
//! [`MeshScenario`] says what is run, `plan` how that is scaled; of each repetition `population`
//! draws the peers and `network` their network. `stage` puts the programs there, `perform` makes
//! the run, `collect` reads what peers wrote and `video` judges what they saw. What comes of it is
//! a [`MeshOutcome`], from which alone `judge` compares it with the paper, and `figures` and `page`
//! show it.
//!
//! `crosscheck` has the same runs made once more in virtual time by `virtually`, and shows the
//! `differences`.

mod abreast;
mod collect;
mod command;
mod crosscheck;
mod crosscheck_page;
mod csv;
mod differences;
mod figures;
mod judge;
mod measures;
mod network;
mod page;
mod perform;
mod plan;
mod population;
mod result;
mod scenario;
mod stage;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;
mod video;
mod virtually;

pub(crate) use command::{Orders, report, run};
pub use crosscheck::{Args as CrossCheckArgs, main as cross_check};
pub use plan::Wishes;
pub use result::{
    ClassFacts, Flavour, MESH_FORMAT, MeshOutcome, MeshRun, PeerRecord, Sample, Scale, schema,
};
pub use scenario::{MeshScenario, names};
