//! CDN against P2P-assisted livestreaming, measured: scenarios, runs, reports.
//!
//! [`scenario`] is what is to be run, as data, and [`clip`] what is broadcast. [`world`] is the
//! emulated world an experiment runs in: hosts, switches and links that exist while a value exists,
//! and are gone when it is. [`run`] puts the real programs on that stage and records what they do,
//! [`ping`] sends trains of pings across it, [`quality`] scores what viewers recorded. What comes
//! of it is a [`result`], from which alone [`measure`] computes, [`figures`] draws and [`report`]
//! writes. [`doctor`] says what this machine can do, [`clean`] removes what a killed run left.
//! [`planetlab`] runs the mesh by the dozen in such a world, [`simulate`] in virtual time, by the
//! thousand peers; [`sweep`] does that over a grid of settings, and [`trace`] is about who comes and
//! goes there.

pub mod clean;
pub mod clip;
pub mod doctor;
pub mod figures;
pub mod list;
pub mod measure;
pub mod ping;
pub mod planetlab;
pub mod quality;
pub mod report;
pub mod result;
pub mod run;
pub mod scenario;
pub mod simulate;
pub mod sweep;
pub mod trace;
pub mod world;

#[cfg(test)]
mod kept_schema;

/// Why a command ended: a sentence for a person, which says what was wrong and what to do next.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
