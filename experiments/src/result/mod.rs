//! What an experiment leaves behind: [`Outcome`], written as `result.json`.
//!
//! Everything that a report shows is computed from an outcome, so that a report can be rebuilt, and
//! argued with, from the file alone. The file's shape is `docs/result.schema.json`, generated from
//! these types and checked against them in a test. Points in time are CLOCK_REALTIME nanoseconds.

mod csv;
mod folder;
mod goal;
mod outcome;
mod run;
mod schema;
#[cfg(test)]
pub(crate) mod synthetic;
mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod viewer;

pub use csv::write_csv;
pub use folder::{FolderError, Kind, RESULT_FILE, Stored, kind, load, store};
pub use goal::{Goal, Verdict};
pub use outcome::{ClipFacts, FORMAT, MachineFacts, Outcome};
pub use run::{ControllerRecord, Fault, LinkSetting, PingTrain, Probe, Run, System, Timeline};
pub use schema::schema;
pub(crate) use table::{Rows, write_table};
pub use traffic::{Fidelity, LinkTraffic, LinkTruth, Trust};
pub use viewer::{Frame, Hop, Join, Path, Sent, Stall, Viewer, Way, WayChange, Witness};
