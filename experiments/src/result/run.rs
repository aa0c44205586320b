use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fidelity, LinkTraffic, LinkTruth, Sent, Viewer, Way};

/// How viewers get the stream.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// RTMP from the CDN, nothing else.
    Direct,
    /// RTMP from the CDN, and the switch's copies once the controller has matched the two.
    Assisted,
    /// HLS from the same CDN.
    Hls,
}

impl System {
    /// All, in the order a report shows them.
    pub const ALL: [System; 3] = [System::Direct, System::Assisted, System::Hls];

    /// As it is written on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            System::Direct => "direct",
            System::Assisted => "assisted",
            System::Hls => "hls",
        }
    }
}

impl std::str::FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<System, String> {
        System::ALL
            .into_iter()
            .find(|system| system.name() == text)
            .ok_or_else(|| format!("`{text}` is not a system; there are direct, assisted and hls"))
    }
}

/// One run: a topology built, a stream broadcast, everything taken down again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The scenario's name.
    pub scenario: String,
    /// What it stands for, in a sentence.
    pub title: String,
    /// How viewers get the stream.
    pub system: System,
    /// Whether it ran to its end.
    pub complete: bool,
    /// Why not, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete_why: Option<String>,
    /// The topology's name.
    pub topology: String,
    /// Its links as they were set.
    pub links: Vec<LinkSetting>,
    /// When things were meant to happen, and did.
    pub timeline: Timeline,
    /// Every frame that the broadcaster's peer sent.
    pub sent: Vec<Sent>,
    /// The viewers.
    pub viewers: Vec<Viewer>,
    /// Ping trains at the scenario's slow rate, before, under and after the stream.
    pub pings: Vec<PingTrain>,
    /// The links, measured before the stream.
    pub truth: Vec<LinkTruth>,
    /// Bytes on every link and direction during the stream.
    pub traffic: Vec<LinkTraffic>,
    /// What the controller did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<ControllerRecord>,
    /// Faults that the scenario asked for.
    pub faults: Vec<Fault>,
    /// Whether the emulation can be believed.
    pub fidelity: Fidelity,
}

impl Run {
    /// `fig3/assisted`, `single/assisted/8`, or `fallback/assisted/2 (group deleted)`.
    pub fn label(&self) -> String {
        let mut label = format!("{}/{}", self.scenario, self.system.name());
        if self.viewers.len() > 1 {
            label.push_str(&format!("/{}", self.viewers.len()));
        }
        for fault in &self.faults {
            label.push_str(&format!(" ({})", fault.what));
        }
        label
    }
}

impl Run {
    /// The broadcaster's host: where every path begins.
    pub fn broadcaster(&self) -> String {
        let hop =
            self.viewers.iter().flat_map(|viewer| &viewer.paths).find_map(|path| path.hops.first());
        hop.map(|hop| hop.from.clone()).unwrap_or_default()
    }

    /// The CDN's host: a path through it goes up to it and down again, so it is in the middle.
    pub fn cdn(&self) -> String {
        let paths = self.viewers.iter().flat_map(|viewer| &viewer.paths);
        let mut paths = paths.filter(|path| matches!(path.way, Way::Cdn | Way::Hls));
        let middle = paths.find_map(|path| {
            path.hops.iter().zip(path.hops.iter().skip(1)).find(|(up, down)| up.from == down.to)
        });
        middle.map(|(up, _)| up.to.clone()).unwrap_or_default()
    }

    /// Bytes that left this host while the stream ran.
    pub fn bytes_from(&self, host: &str) -> u64 {
        self.traffic.iter().filter(|way| way.from == host).map(|way| way.bytes).sum()
    }

    /// From the player's start to the first frame, ns, of each viewer that joined a running stream.
    pub fn late_starts(&self) -> impl Iterator<Item = u64> + '_ {
        let late = self.viewers.iter().filter(|viewer| !viewer.early);
        late.filter_map(|viewer| Some(viewer.first_frame?.saturating_sub(viewer.opened)))
    }
}

/// One link's setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSetting {
    /// One end.
    pub a: String,
    /// The other.
    pub b: String,
    /// Bits per second, each direction; nothing where nothing limits it.
    pub rate: Option<u64>,
    /// Propagation, ns, each direction.
    pub delay: u64,
    /// What may wait in each direction, such as `1000packets`.
    pub queue: String,
}

impl LinkSetting {
    /// For people: `10 Mbit/s 8 ms`.
    pub fn describe(&self) -> String {
        let delay = self.delay as f64 / 1e6;
        match self.rate {
            Some(rate) => format!("{} Mbit/s {delay} ms", rate as f64 / 1e6),
            None => format!("unlimited {delay} ms"),
        }
    }
}

/// When things were meant to happen, and did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Second 0 of the figure, ns.
    pub origin: u64,
    /// Seconds of the figure.
    pub duration_s: f64,
    /// Second in which the stream was to begin.
    pub stream_from_s: f64,
    /// Second in which it was to end.
    pub stream_until_s: f64,
    /// When the publish was accepted, ns.
    pub published: Option<u64>,
    /// When it ended, ns.
    pub ended: Option<u64>,
}

impl Timeline {
    /// A point in time as a second of the figure.
    pub fn second(&self, at: u64) -> f64 {
        (at as f64 - self.origin as f64) / 1e9
    }
}

/// Pings between two hosts at a steady interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PingTrain {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// From one to the next, ns.
    pub interval: u64,
    /// Bytes of ICMP payload.
    pub size: u32,
    /// The least round trip that the links' settings allow, ns.
    pub floor: u64,
    /// Each ping, in the order they were sent.
    pub probes: Vec<Probe>,
}

/// One ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When it was sent, ns.
    pub sent: u64,
    /// Its round trip, ns; nothing if no answer came.
    pub rtt: Option<u64>,
}

/// What the controller did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControllerRecord {
    /// Its decisions in order, without their times.
    pub decisions: Vec<String>,
    /// Messages to and from switches, by type.
    pub messages: std::collections::BTreeMap<String, u64>,
}

/// Something broken on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub what: String,
    /// When it was done, ns.
    pub at: u64,
    /// Frames lost at any viewer within five seconds of it.
    pub lost: u64,
}
