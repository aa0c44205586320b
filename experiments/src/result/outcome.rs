use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Goal, Run, Stored};

/// The version of the file's shape. A reader refuses another one.
pub const FORMAT: u32 = 1;

/// One experiment: its settings, where it ran, and every run's raw series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The version of this file's shape.
    pub format: u32,
    /// What was asked for: `compare`, or the name of a scenario.
    pub experiment: String,
    /// Whether every run that was asked for ran to its end.
    pub complete: bool,
    /// Why not, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete_why: Option<String>,
    /// When the experiment began, ns.
    pub started: u64,
    /// How long it took in all, seconds.
    #[schemars(range(min = 0.0))]
    pub took_s: f64,
    /// The seed of every random choice.
    pub seed: u64,
    /// Whether the time scale was shortened for a test.
    pub quick: bool,
    /// The command that runs it again.
    pub command: String,
    /// Every program that took part, and its version as it states it.
    pub versions: BTreeMap<String, String>,
    /// The machine it ran on.
    pub machine: MachineFacts,
    /// The clip that was broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipFacts>,
    /// The runs, in the order they were made.
    pub runs: Vec<Run>,
    /// What the experiment must show, and whether it did.
    pub goals: Vec<Goal>,
}

impl Stored for Outcome {
    const FORMAT: u32 = FORMAT;
}

/// Where an experiment ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineFacts {
    /// Processors.
    #[schemars(range(min = 1))]
    pub cores: u32,
    /// Their name.
    pub processor: String,
    /// Memory, bytes.
    pub memory: u64,
    /// The distribution, as `/etc/os-release` names it.
    pub system: String,
    /// The kernel's release.
    pub kernel: String,
}

/// The clip that was broadcast, measured, not merely asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipFacts {
    /// Hash of everything that went into it.
    pub recipe: String,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Frames from one IDR to the next.
    pub gop: u32,
    /// Frames in the clip.
    pub frames: u64,
    /// Bits per second of each temporal layer, from layer 1.
    pub layer_bits_per_s: Vec<u64>,
    /// Bytes of the largest slice, with its length prefix: at most 1250, so that a slice is a
    /// chunk.
    pub largest_slice: u64,
}
