use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a frame came to a viewer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// RTMP from the CDN.
    Cdn,
    /// The switch's copy of the broadcaster's one.
    Switch,
    /// A neighbour: repair, or the group of pictures at joining.
    Neighbour,
    /// The seed beside the CDN.
    Seed,
    /// HLS from the CDN.
    Hls,
}

impl Way {
    /// As a report names it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Cdn => "CDN (RTMP)",
            Way::Switch => "switch",
            Way::Neighbour => "neighbour",
            Way::Seed => "CDN seed",
            Way::Hls => "HLS",
        }
    }
}

/// A frame that the broadcaster's peer sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// Frame number.
    pub frame: u64,
    /// Unit number: audio counts too.
    pub unit: u64,
    /// Temporal layer, from 1.
    #[schemars(range(min = 1, max = 8))]
    pub layer: u8,
    /// Bytes of the RTMP message body.
    pub bytes: u64,
    /// When it reached the broadcaster's peer, ns.
    pub captured: u64,
    /// Whether decoding can begin here.
    pub keyframe: bool,
}

/// A frame that a viewer's peer released to its players.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Frame number.
    pub frame: u64,
    /// Unit number.
    pub unit: u64,
    /// Temporal layer, from 1; 0 where only the stamp is known (HLS).
    #[schemars(range(min = 0, max = 8))]
    pub layer: u8,
    /// Bytes of the RTMP message body.
    pub bytes: u64,
    /// When it reached the broadcaster's peer, ns.
    pub captured: u64,
    /// When it was handed to the player in order, ns.
    pub released: u64,
    /// HLS: when a player that starts with the first frame and keeps real time shows it, ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played: Option<u64>,
    /// How it came.
    pub way: Way,
}

impl Frame {
    /// From the broadcaster's peer to the player, ns.
    pub fn delay(&self) -> u64 {
        self.released.saturating_sub(self.captured)
    }
}

/// Frames come another way from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WayChange {
    /// When, ns.
    pub at: u64,
    /// Before; nothing at the start.
    pub from: Option<Way>,
    /// After.
    pub to: Way,
    /// The peer's reason.
    pub reason: String,
}

/// A gap in playing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// The frame that was waited for.
    pub frame: u64,
    /// When it should have been shown, ns.
    pub at: u64,
    /// How long after that it came, ns.
    pub lasted: u64,
}

/// A group of pictures fetched from a neighbour on joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// When it was asked for, ns.
    pub started: u64,
    /// When its first frame was released, ns.
    pub first_decodable: Option<u64>,
    /// When all of it was there, ns.
    pub complete: Option<u64>,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// What a player that checks every picture saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Pictures it decoded.
    pub decoded: u64,
    /// Those whose checksum is that of the clip's picture of the same place.
    pub exact: u64,
    /// Pictures of the clip between its first and its last that it did not show.
    pub missing: u64,
    /// Pictures shown twice.
    pub repeated: u64,
    /// Pictures that differ from the clip's.
    pub differing: u64,
}

/// One link of a path, in its direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Where it leaves.
    pub from: String,
    /// Where it arrives.
    pub to: String,
    /// Bits per second; nothing where nothing limits it.
    pub rate: Option<u64>,
    /// Propagation, ns.
    pub delay: u64,
}

/// The links that frames take from the broadcaster to a viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Which way this is.
    pub way: Way,
    /// Its links in order.
    pub hops: Vec<Hop>,
}

/// One viewer: its peer's record and its player's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Viewer {
    /// Its host in the topology.
    pub host: String,
    /// The player process.
    pub player: String,
    /// Whether it was there before the stream began.
    pub early: bool,
    /// The links its frames take, for each way there is.
    pub paths: Vec<Path>,
    /// When its player was started, ns.
    pub opened: u64,
    /// When its player reached the peer, ns.
    pub requested: Option<u64>,
    /// When the CDN accepted its play, ns.
    pub play_accepted: Option<u64>,
    /// When its first frame was released, ns.
    pub first_frame: Option<u64>,
    /// How that frame came.
    pub first_way: Option<Way>,
    /// When it was offered a peering, ns.
    pub offered: Option<u64>,
    /// When the first chunk by the switch arrived, whether or not a frame could be made of it, ns.
    pub first_switched_arrival: Option<u64>,
    /// When the first frame by the switch was released, ns.
    pub first_switched: Option<u64>,
    /// The hand-over of the current group of pictures.
    pub join: Option<Join>,
    /// Every frame it released, in order.
    pub frames: Vec<Frame>,
    /// Each change of way.
    pub changes: Vec<WayChange>,
    /// Gaps in playing, for a player that buffers nothing beyond the first frame's delay plus 100
    /// ms.
    pub stalls: Vec<Stall>,
    /// Frames sent between its first and its last that never came.
    pub lost: u64,
    /// Frames that came more than 100 ms after a frame of the usual (median) delay would have.
    pub late: u64,
    /// Frames released twice.
    pub repeated: u64,
    /// Frames released out of order.
    pub disordered: u64,
    /// Chunks it asked for again.
    pub repaired: u64,
    /// What its player saw, if that player is a witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}
