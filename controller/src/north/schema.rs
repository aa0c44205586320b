//! What is answered besides the fabric's own views.

use std::collections::BTreeMap;

use nearcast_fabric::{DatapathId, LinkView, Statistics, SwitchView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Switches and the links between them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Topology {
    /// Every switch that ever connected.
    pub(super) switches: Vec<SwitchView>,
    /// Every direction of a link that is proven.
    pub(super) links: Vec<LinkView>,
}

/// What was counted since the start.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Counters {
    /// How much there is of everything, and what had no room.
    pub(super) fabric: Statistics,
    /// Messages sent to switches, by type.
    pub(super) sent: BTreeMap<&'static str, u64>,
    /// Messages from switches, by type.
    pub(super) received: BTreeMap<&'static str, u64>,
    /// Events by name.
    pub(super) events: BTreeMap<String, u64>,
    /// Connections of switches that ended, by why.
    pub(super) endings: BTreeMap<&'static str, u64>,
    /// What waits for each connected switch.
    pub(super) queues: Vec<Queue>,
}

/// What waits to be sent to a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Queue {
    /// The switch.
    pub(crate) switch: DatapathId,
    /// Bytes that it has not taken yet.
    pub(crate) bytes: usize,
}

/// Whether the controller does its work.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok` as long as there is an answer at all.
    pub(super) status: &'static str,
    /// The version of the program.
    pub(super) version: &'static str,
    /// Seconds since the start.
    pub(super) uptime_s: f64,
    /// What this controller is to its switches.
    pub(super) role: Standing,
    /// Switches that are connected and hold what they should.
    pub(super) switches_live: usize,
}

/// What a controller is to its switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// There is no other.
    Alone,
    /// It decides.
    Master,
    /// It stands by.
    Slave,
}

impl Standing {
    pub(crate) const ALL: [(Standing, &str); 3] =
        [(Standing::Alone, "alone"), (Standing::Master, "master"), (Standing::Slave, "slave")];
}

/// Nothing to choose.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which flow entries.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Only those of this switch: its datapath id, 16 hex digits.
    pub(super) switch: Option<String>,
    /// How many to leave out at the beginning.
    #[serde(default)]
    pub(super) offset: usize,
    /// How many at most, up to 10000; 1000 if it is not said.
    pub(super) limit: Option<usize>,
}
