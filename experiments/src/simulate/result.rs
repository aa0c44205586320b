//! What simulations leave behind, as `result.json`. Its shape is `docs/simulation.schema.json`.

use nearcast_swarm::LAYERS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scenario::Paper;
use crate::result::{Goal, Stored};

/// The version of the file.
pub const SIMULATION_FORMAT: u32 = 3;

/// Everything that a report is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulations {
    /// [`SIMULATION_FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub title: String,
    /// The command that makes it again.
    pub command: String,
    /// What all random choices were drawn from.
    pub seed: u64,
    /// nearcast's version.
    pub version: String,
    /// Whose numbers stand beside ours.
    pub paper: Option<Paper>,
    /// Whether the mean upload of the scenario's classes is below the full rate.
    pub overloaded: bool,
    /// The rate of all layers, in kbit/s.
    pub full_kbit: f64,
    /// Chunks per second, by layer.
    pub chunks_per_s: [f64; LAYERS],
    /// Why it ended early, if it did.
    pub incomplete_why: Option<String>,
    /// Each population under each system.
    pub runs: Vec<SimRun>,
    /// The paper's numbers beside ours.
    pub goals: Vec<Goal>,
}

impl Stored for Simulations {
    const FORMAT: u32 = SIMULATION_FORMAT;
}

/// One population under one system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimRun {
    /// Who was there.
    pub population: String,
    /// Under which system.
    pub system: String,
    /// Mean upload over the full rate, each peer counted for as long as it stays.
    pub resource_index: f64,
    /// What part of all that peers could upload while they were there they did upload.
    pub uploaded: f64,
    /// What part of all that peers were sent did not come from the source.
    pub offload: f64,
    /// Most peers at once.
    pub peak: u64,
    /// The hash over the event log: the same for the same seed, and any number of threads.
    pub digest: String,
    /// What it did and what that cost.
    pub cost: Cost,
    /// Every session that was there, in the order of the population.
    pub sessions: Vec<Session>,
    /// Sums over all peers, in steps.
    pub series: Vec<Step>,
}

/// What a run did and how long that took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Virtual time, in s.
    pub simulated_s: f64,
    /// Real time, in s.
    pub elapsed_s: f64,
    /// Messages handed to nodes.
    pub deliveries: u64,
    /// Of these, chunks.
    pub chunks: u64,
    /// Messages handed to nodes per second of real time.
    pub deliveries_per_s: f64,
    /// Seconds simulated per second of real time.
    pub speed: f64,
    /// Threads it ran on.
    pub threads: usize,
}

/// Peers by what they contribute.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Nothing.
    FreeRiders,
    /// Less than the full rate; on PlanetLab those are the residential peers.
    Low,
    /// The full rate or more; the institutional peers.
    High,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 3] = [Group::FreeRiders, Group::Low, Group::High];

    /// The group of one who uploads so much.
    pub(super) fn of(upload_kbit: f64, full_kbit: f64) -> Group {
        match upload_kbit {
            0.0 => Group::FreeRiders,
            kbit if kbit < full_kbit => Group::Low,
            _ => Group::High,
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Group::FreeRiders => "free-riders",
            Group::Low => "low upload",
            Group::High => "high upload",
        }
    }
}

/// One stay of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What it is by what it contributes.
    pub group: Group,
    /// Total bandwidth of its class (Table II), in kbit/s.
    pub class_kbit: f64,
    /// What it contributes, in kbit/s.
    pub upload_kbit: f64,
    /// When it came, in s.
    pub arrive_s: f64,
    /// How long it was there, in s.
    pub stay_s: f64,
    /// How long after it came it played its first chunk, in s, if it did.
    pub startup_s: Option<f64>,
    /// Chunks whose deadline passed after its playout began, by layer.
    pub due: [u64; LAYERS],
    /// Those of them that were played.
    pub played: [u64; LAYERS],
    /// Of `due` those from the first step on (of `series`) at which the peer had been there for 100 s.
    pub settled_due: [u64; LAYERS],
    /// Those of them that were played.
    pub settled_played: [u64; LAYERS],
    /// Bytes that were played.
    pub bytes: u64,
    /// Chunks that came, be it in time or not, without those that were there already.
    pub received: u64,
    /// Chunks that it sent to others.
    pub served: u64,
    /// Bytes of these.
    pub served_bytes: u64,
}

impl Session {
    /// The median time from coming to the first chunk played, in s, of those who played any.
    pub fn median_startup<'a>(sessions: impl Iterator<Item = &'a Session>) -> Option<f64> {
        let mut times: Vec<f64> = sessions.filter_map(|session| session.startup_s).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }
}

/// An interval of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Where it ends, in s since the beginning of the population's time (the day's midnight).
    pub at_s: f64,
    /// Peers that are there then.
    pub peers: u64,
    /// Chunks whose deadline passed in it, by layer.
    pub due: [u64; LAYERS],
    /// Those of them that were played.
    pub played: [u64; LAYERS],
}

impl SimRun {
    /// A name for files and tables.
    pub fn label(&self) -> String {
        format!("{}-{}", self.population, self.system)
    }
}

/// The JSON Schema of the file, from the types themselves.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(Simulations);
    schema.insert("title".to_owned(), "nearcast simulation result".into());
    schema
}
