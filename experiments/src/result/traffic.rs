use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One direction of one link while the stream ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkTraffic {
    /// The sending end.
    pub from: String,
    /// The receiving end.
    pub to: String,
    /// Ethernet frames that entered.
    pub packets: u64,
    /// Their bytes, Ethernet header included.
    pub bytes: u64,
    /// Those dropped because the queue was full.
    pub dropped: u64,
    /// Those lost because the topology asks for loss.
    pub lost: u64,
}

/// What a link or path did when asked directly, with nothing else on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "measure", rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkTruth {
    /// Round trips between two idle hosts.
    Rtt {
        /// Who asks.
        from: String,
        /// Who answers.
        to: String,
        /// Twice the propagation along the path, ns.
        propagation: u64,
        /// The measured round trips, ns, in order of sending.
        rtts: Vec<u64>,
        /// Pings without an answer.
        lost: u64,
    },
    /// A flood of UDP over one direction of one link.
    Rate {
        /// Who sends.
        from: String,
        /// Who receives.
        to: String,
        /// The slowest link between them, bits per second.
        set: u64,
        /// What arrived, headers included, bits per second.
        carried: u64,
        /// Packets that the queue may hold.
        bound: Option<u64>,
        /// The most that waited in it.
        deepest: u64,
        /// Packets sent.
        sent: u64,
        /// Packets that arrived.
        arrived: u64,
        /// Packets that the link says it dropped because its queue was full.
        dropped: u64,
    },
}

/// Whether the numbers of a run can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing spoke against it.
    Trusted,
    /// Something the topology did not ask for may have shaped the numbers.
    Doubtful,
}

/// How well the emulation kept what it promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fidelity {
    /// The verdict.
    pub verdict: Trust,
    /// Each reason for doubt.
    pub reasons: Vec<String>,
    /// Share of all processors in use, for each second of the run (0 to 1).
    pub cpu: Vec<f64>,
    /// Share stolen by the machine beneath, for each second (0 to 1).
    pub stolen: Vec<f64>,
    /// How late the link process handed on packets, 99th percentile, ns.
    pub link_late_p99: Option<u64>,
    /// The latest, ns.
    pub link_late_max: Option<u64>,
    /// Packets dropped in places that no topology asked for, by place.
    pub unasked_drops: std::collections::BTreeMap<String, u64>,
    /// The most that CLOCK_REALTIME moved against CLOCK_MONOTONIC over the run, ns.
    pub clock_step: i64,
}
