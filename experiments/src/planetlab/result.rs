//! What the mesh experiments leave behind, as `result.json`. Its shape is
//! `docs/planetlab.schema.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use nearcast_engine::mesh::System;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quality::Quality;
use crate::result::{ClipFacts, Fidelity, Goal, MachineFacts, Stored};

/// The version of the file.
pub const MESH_FORMAT: u32 = 1;
/// Layers of the video.
pub(super) const LAYERS: usize = 3;

/// What is compared: the paper's three systems, and its own with the switch's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Flavour {
    /// Shares by contribution, requests by layer.
    #[serde(rename = "layerp2p")]
    LayerP2p,
    /// Shares by contribution, all chunks alike.
    #[serde(rename = "single-incent")]
    SingleIncent,
    /// Receivers served in turn, all chunks alike.
    #[serde(rename = "single-layer")]
    SingleLayer,
    /// The first, and groups of peers get the stream by switch peering and give it on.
    #[serde(rename = "layerp2p+switch")]
    Switched,
}

impl Flavour {
    /// All, in the order of tables.
    pub const ALL: [Flavour; 4] =
        [Flavour::LayerP2p, Flavour::SingleIncent, Flavour::SingleLayer, Flavour::Switched];

    /// As it is written on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Switched => "layerp2p+switch",
            other => other.system().name(),
        }
    }

    /// What the engine goes by.
    pub fn system(self) -> System {
        match self {
            Flavour::LayerP2p | Flavour::Switched => System::LayerP2p,
            Flavour::SingleIncent => System::SingleIncent,
            Flavour::SingleLayer => System::SingleLayer,
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flavour {
    type Err = String;

    fn from_str(name: &str) -> Result<Flavour, String> {
        Flavour::ALL.into_iter().find(|flavour| flavour.name() == name).ok_or_else(|| {
            let known = Flavour::ALL.map(Flavour::name).join(", ");
            format!("`{name}` is no system of the mesh; there are {known}")
        })
    }
}

/// Everything that a report is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshOutcome {
    /// [`MESH_FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub title: String,
    /// The command that makes it again.
    pub command: String,
    /// What all random choices were drawn from.
    pub seed: u64,
    /// Every program that took part, and its version as it states it.
    pub versions: BTreeMap<String, String>,
    /// The machine it ran on.
    pub machine: MachineFacts,
    /// Why it ended early, if it did.
    pub incomplete_why: Option<String>,
    /// Where it differs from the paper's size.
    pub scale: Scale,
    /// The video.
    pub clip: Option<ClipFacts>,
    /// What the video is worth when all of it arrives.
    pub whole: Option<Quality>,
    /// In the order they were made.
    pub runs: Vec<MeshRun>,
    /// The paper's numbers beside ours.
    pub goals: Vec<Goal>,
}

impl Stored for MeshOutcome {
    const FORMAT: u32 = MESH_FORMAT;
}

/// How large and how long it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Peers, the broadcaster not counted.
    pub peers: u32,
    /// Within which they join, s.
    pub joins_s: f64,
    /// How long they stay then, s.
    pub duration_s: f64,
    /// The playback lag, s.
    pub lag_s: f64,
    /// From when on after its join a peer counts for the table, s.
    pub settled_s: f64,
    /// Runs of each system.
    pub repeat: u32,
    /// N_min and N_max.
    pub neighbours: [u16; 2],
    /// Classes of peers, with what each gives, kbit/s.
    pub classes: Vec<ClassFacts>,
    /// Mean over all peers of what they give, kbit/s.
    pub mean_upload_kbit: f64,
}

/// A class of peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassFacts {
    /// What it is called.
    pub name: String,
    /// What each of its peers gives, kbit/s.
    pub upload_kbit: f64,
}

/// One run of one system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshRun {
    /// Which system.
    #[schemars(with = "Flavour")]
    pub system: Flavour,
    /// Which repetition, from 0. All systems have the same peers in it.
    pub repeat: u32,
    /// Why it ended early, if it did.
    pub incomplete_why: Option<String>,
    /// How long the stream ran, s.
    pub lasted_s: f64,
    /// Everybody, in the order of the population.
    pub peers: Vec<PeerRecord>,
    /// UDP payload that the broadcaster sent, bytes.
    pub seed_bytes: u64,
    /// What each kind of program used of one processor while all peers were there.
    pub cpu: BTreeMap<String, f64>,
    /// Packets that found an access link's queue full.
    pub queue_drops: u64,
    /// Whether the emulation can be believed.
    pub fidelity: Fidelity,
}

/// A peer and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerRecord {
    /// Its host.
    pub host: String,
    /// Which class, by number.
    pub class: usize,
    /// Which group, by number.
    pub group: Option<usize>,
    /// One way, from it to its switch, ms.
    pub delay_ms: f64,
    /// When it joined, s after the stream began.
    pub joined_s: f64,
    /// Sums so far, in steps.
    pub series: Vec<Sample>,
    /// Bytes of chunks given to others.
    pub served_bytes: u64,
    /// All bytes sent, as UDP payload.
    pub sent_bytes: u64,
    /// Chunks that came twice.
    pub duplicates: u64,
    /// Chunks that came too late.
    pub late: u64,
    /// Pictures that were released.
    pub pictures: u64,
    /// Units released again, or out of order: never.
    pub disordered: u64,
    /// Which part of the pictures the switch brought; of those in groups, with the switch's help.
    pub by_switch: Option<f64>,
    /// How its video looked, if it was recorded.
    pub quality: Option<Quality>,
}

/// What came to a peer up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// When, s after the stream began.
    pub at_s: f64,
    /// Chunks whose deadline has passed, by layer.
    pub due: [u64; LAYERS],
    /// Those of them that were played.
    pub played: [u64; LAYERS],
    /// Bytes that were played, by layer; in the mesh with stamps, heads and proofs.
    pub bytes: [u64; LAYERS],
}

impl<'de> Deserialize<'de> for Flavour {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Flavour, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl MeshRun {
    /// A name for folders and tables.
    pub fn label(&self) -> String {
        label(self.system, self.repeat)
    }
}

/// As [`MeshRun::label`].
pub(super) fn label(system: Flavour, repeat: u32) -> String {
    format!("{system}-{}", repeat + 1)
}

/// The JSON Schema of the file, from the types themselves.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(MeshOutcome);
    schema.insert("title".to_owned(), "nearcast mesh result".into());
    schema
}
