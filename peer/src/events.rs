//! What a peer writes with `--events FILE`: one JSON object per line, each with `"t"`
//! (CLOCK_REALTIME, nanoseconds since the Unix epoch) and `"event"`.
//!
//! Other programs read these lines with [`Record`]. A field is only ever added, never renamed.
//!
//! ```
//! use nearcast_peer::events::{Event, Record, Way};
//!
//! let line = r#"{"t":1700000000000000000,"event":"first_frame","stream":"live/cam",
//!                "unit":64,"way":"switch"}"#;
//! let record: Record = serde_json::from_str(line).unwrap();
//! assert!(matches!(record.event, Event::FirstFrame { unit: 64, way: Way::Switch, .. }));
//! ```

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened, CLOCK_REALTIME in nanoseconds. For a frame: when it was released to the
    /// players, in order.
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Which program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `nearcast-peer broadcast`
    Broadcast,
    /// `nearcast-peer view`
    View,
    /// `nearcast-peer seed`
    Seed,
    /// `nearcast-peer mesh`
    Mesh,
    /// `nearcast-peer tracker`
    Tracker,
    /// `nearcast-peer witness`
    Witness,
}

/// How a unit came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By RTMP from the CDN.
    Cdn,
    /// Copied by the switch from the broadcaster's one copy.
    Switch,
    /// From a neighbour: repair of what the switch lost, or the group of pictures at joining; in
    /// the mesh, everything.
    Neighbour,
    /// From the seed beside the CDN.
    Seed,
}

/// Which way a viewer relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Nothing has been released yet.
    Starting,
    /// RTMP from the CDN.
    Cdn,
    /// The switch; RTMP is paused.
    Switch,
    /// The switch fell silent: the seed's tail, until RTMP has joined on.
    Bridge,
}

/// How a player is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// `rtmp://`
    Rtmp,
    /// `http://`, FLV
    HttpFlv,
    /// `--play`: nobody watches, the stream is only measured.
    Headless,
}

/// What happened. Streams are written `app/key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The program listens on all its sockets.
    Started {
        /// Which one.
        role: Role,
        /// Its version.
        version: String,
    },
    /// A publisher was accepted, here and at the CDN.
    PublishAccepted {
        /// What is published.
        stream: String,
        /// Unix seconds when it began; tells this publish from another of the same name.
        epoch: u64,
        /// Who publishes.
        publisher: SocketAddr,
        /// The public key that its chunks are signed with, in hexadecimal digits; nothing if they
        /// are not signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// A publisher was refused.
    PublishRefused {
        /// What it wanted to publish.
        stream: String,
        /// Why: the CDN's answer, or ours.
        reason: String,
    },
    /// A publish ended.
    PublishEnded {
        /// What was published.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The broadcaster handed a frame to the network: the switched chunks are in the socket, the
    /// CDN's copy is queued.
    Sent(Frame),
    /// The connection to the CDN was lost and is being made again.
    CdnLost {
        /// Of this stream.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The connection to the CDN is there again.
    CdnRestored {
        /// Of this stream.
        stream: String,
        /// Units that were not forwarded to the CDN meanwhile.
        skipped: u64,
    },
    /// The first player opened the stream.
    PlayRequested {
        /// What it wants.
        stream: String,
    },
    /// The CDN accepted our play.
    PlayAccepted {
        /// Which stream.
        stream: String,
    },
    /// The CDN refused our play.
    PlayRefused {
        /// Which stream.
        stream: String,
        /// The CDN's answer.
        reason: String,
    },
    /// The first frame that was released after the first player opened the stream.
    FirstFrame {
        /// Of this stream.
        stream: String,
        /// Its unit number.
        unit: u64,
        /// How it came.
        way: Way,
    },
    /// The first chunk by the switch's copy arrived since the peering was offered; a frame may be
    /// made of it later, once those before it are there.
    FirstSwitched {
        /// Of this stream.
        stream: String,
        /// The unit it belongs to.
        unit: u64,
    },
    /// A frame was released to the players.
    Frame(Frame),
    /// The viewer relies on another way from now on.
    Way {
        /// Of this stream.
        stream: String,
        /// Before.
        from: Path,
        /// From now on.
        to: Path,
        /// The next unit to be released.
        unit: u64,
        /// Why: `start`, `settled`, `silence`, `stuck`, `withdrawn`, `rejoined`,
        /// `cdn_lost` or `epoch`.
        reason: String,
    },
    /// Missing chunks were asked for.
    Repair {
        /// Of this stream.
        stream: String,
        /// The unit they belong to.
        unit: u64,
        /// How many.
        chunks: u32,
        /// Who was asked: a neighbour's alias, the broadcaster's, or the seed.
        from: SocketAddr,
    },
    /// A unit with a hole was made whole.
    Repaired {
        /// Of this stream.
        stream: String,
        /// Which.
        unit: u64,
        /// How many chunks were asked for, those asked for twice counted twice.
        chunks: u32,
        /// By which way the last chunk came.
        way: Way,
        /// How long after the hole was seen, ns.
        after: u64,
    },
    /// The controller offered a peering.
    Offer {
        /// Its number.
        peering: u64,
        /// Its generation.
        generation: u32,
        /// Of this stream.
        stream: String,
        /// `broadcaster` or `viewer`.
        role: String,
        /// Where chunks are sent or come from.
        group: Ipv4Addr,
        /// Our own address in the virtual range.
        alias: Ipv4Addr,
        /// Who has the stream, nearest first.
        holders: Vec<Ipv4Addr>,
    },
    /// We answered an offer.
    Answer {
        /// Its number.
        peering: u64,
        /// Its generation.
        generation: u32,
        /// Whether we take part.
        accept: bool,
    },
    /// A peering is over: withdrawn, or its lease ran out.
    Withdraw {
        /// Its number.
        peering: u64,
        /// Of this stream.
        stream: String,
        /// Why.
        reason: String,
    },
    /// An offer or a withdrawal came from someone who may not send it.
    Forged {
        /// Who.
        from: Ipv4Addr,
    },
    /// A holder was asked for the current group of pictures.
    JoinAsked {
        /// Of this stream.
        stream: String,
        /// Who was asked.
        holder: SocketAddr,
    },
    /// The current group of pictures was handed over, and all of it was released.
    Join {
        /// Of this stream.
        stream: String,
        /// By whom: a neighbour's or the broadcaster's alias, or the seed.
        holder: SocketAddr,
        /// The unit that the group starts with.
        gop: u64,
        /// When the first holder was asked, CLOCK_REALTIME ns.
        started: u64,
        /// When the first unit of it was released, CLOCK_REALTIME ns.
        first_decodable: u64,
        /// When the last one was, CLOCK_REALTIME ns.
        complete: u64,
        /// How many chunks the group has.
        chunks: u64,
        /// How many bytes of it were released, whichever way they came.
        bytes: u64,
    },
    /// At a holder: somebody was given the current group of pictures.
    Served {
        /// Of this stream.
        stream: String,
        /// Who asked.
        client: SocketAddr,
        /// The unit that the group starts with.
        gop: u64,
    },
    /// The CDN seed sends a viewer whatever comes, or stops doing so.
    Tail {
        /// Of this stream.
        stream: String,
        /// To whom.
        client: SocketAddr,
        /// Whether it begins.
        begins: bool,
    },
    /// The broadcaster began anew; frame and unit numbers start again.
    Epoch {
        /// Of this stream.
        stream: String,
        /// The epoch before.
        from: u64,
        /// The epoch now.
        to: u64,
    },
    /// Nothing could be released for a while although the stream went on; seen when it was over.
    Late {
        /// Of this stream.
        stream: String,
        /// The unit that was waited for.
        unit: u64,
        /// For how long, ns.
        span: u64,
    },
    /// Units were given up: no way brought them in time.
    Lost {
        /// Of this stream.
        stream: String,
        /// The first.
        first: u64,
        /// How many in a row.
        units: u64,
    },
    /// A player opened the stream.
    PlayerJoined {
        /// Which stream.
        stream: String,
        /// Where it is; nothing if it is headless.
        player: Option<SocketAddr>,
        /// How it reads.
        protocol: Protocol,
    },
    /// A player left, or was dropped because it read too slowly.
    PlayerLeft {
        /// Which stream.
        stream: String,
        /// Where it was.
        player: Option<SocketAddr>,
        /// Why.
        reason: String,
    },
    /// A stream ended at its source.
    StreamEnded {
        /// Which stream.
        stream: String,
        /// How that was learnt.
        reason: String,
    },
    /// In the mesh a neighbour relationship began.
    Met {
        /// Of this stream.
        stream: String,
        /// With whom.
        peer: Option<SocketAddr>,
        /// What the other one is: `initiator`, `receptor` or `fallback`.
        relation: String,
    },
    /// In the mesh a neighbour relationship is over.
    Parted {
        /// Of this stream.
        stream: String,
        /// With whom.
        peer: Option<SocketAddr>,
        /// Why: `replaced`, `left`, `silent`, `unserving`, `shunned`, `restarted` or `leaving`.
        cause: String,
    },
    /// In the mesh the first chunk was due.
    Playout {
        /// Of this stream.
        stream: String,
        /// Stream time, ms.
        time: u32,
    },
    /// In the mesh playout was set anew, for neighbours agree on another present.
    Resynced {
        /// Of this stream.
        stream: String,
        /// Stream time before, ms.
        from: u32,
        /// Stream time now, ms.
        to: u32,
    },
    /// A live stream has more chunks in a playback lag than the mesh's window holds: nobody can have
    /// all of it by the mesh.
    Outgrown {
        /// Of this stream.
        stream: String,
        /// Which of its layers, from 0.
        layer: u8,
    },
    /// In the mesh a frame was released without some of its slices, which did not come in time.
    Torn {
        /// Of this stream.
        stream: String,
        /// Its unit number.
        unit: u64,
    },
    /// In the mesh, about once a second: what came of a stream so far.
    Progress(Progress),
    /// A stamped frame of an elementary stream arrived at the witness.
    Witnessed {
        /// Unix seconds when the publish began.
        epoch: u64,
        /// Its unit number.
        unit: u64,
        /// Its frame number.
        frame: u64,
        /// When it was captured, CLOCK_REALTIME ns.
        captured: u64,
        /// Bytes of its NAL units, start codes not counted.
        bytes: u64,
    },
    /// The last line.
    Summary(Summary),
}

impl Event {
    /// This program, as `role`, listens.
    pub(crate) fn started(role: Role) -> Event {
        Event::Started { role, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// A stream in the mesh up to now. Lists are by layer, from the lowest; chunks count from when
/// playout began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Of this stream.
    pub stream: String,
    /// Chunks whose playback deadline has passed.
    pub due: Vec<u64>,
    /// Those of them that were there.
    pub played: Vec<u64>,
    /// Bytes of these.
    pub played_bytes: Vec<u64>,
    /// l_n: how many layers are asked for by regular requests.
    pub regular_layers: u8,
    /// How many neighbours there are.
    pub neighbours: u16,
    /// Chunks that came from neighbours.
    pub chunks_neighbours: u64,
    /// Chunks that the seed beside the CDN gave.
    pub chunks_fallback: u64,
    /// Chunks that came twice.
    pub duplicates: u64,
    /// Chunks that came too late to be played.
    pub late: u64,
    /// Bytes of chunks that neighbours were sent.
    pub served_bytes: u64,
    /// All bytes sent, as UDP payload.
    pub sent_bytes: u64,
}

/// A frame of video on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Of this stream.
    pub stream: String,
    /// Unix seconds when the publish began.
    pub epoch: u64,
    /// Its unit number: audio counts too.
    pub unit: u64,
    /// Its frame number: video only.
    pub frame: u64,
    /// Its temporal layer, from 1.
    pub layer: u8,
    /// Bytes of its RTMP message body.
    pub bytes: u64,
    /// When it was captured, that is, reached the broadcaster's peer: CLOCK_REALTIME ns.
    pub captured: u64,
    /// How it came; nothing at the broadcaster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// RTMP timestamp, milliseconds.
    pub timestamp: u32,
}

/// Counts over the whole life of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Units sent (broadcaster), released (viewer) or held at some time (seed).
    pub units: u64,
    /// Video frames among them.
    pub frames: u64,
    /// Released units by way.
    pub cdn: u64,
    /// Copied by the switch.
    pub switch: u64,
    /// From neighbours.
    pub neighbour: u64,
    /// From the seed.
    pub seed: u64,
    /// Changes of way.
    pub changes: u64,
    /// Units given up.
    pub lost: u64,
    /// Units released twice. Counted where they leave, so that it is a measurement: always zero.
    pub repeated: u64,
    /// Units released out of order. Counted likewise: always zero.
    pub disordered: u64,
    /// Chunks asked for again.
    pub repaired: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes of UDP payload received.
    pub bytes_in: u64,
    /// Bytes of UDP payload sent.
    pub bytes_out: u64,
    /// Datagrams that were not ours, malformed, or from someone who may not send them.
    pub rejected: u64,
    /// Datagrams that the socket did not take.
    pub unsent: u64,
    /// Units that were not forwarded to the CDN because its queue was full or it was away.
    pub skipped: u64,
    /// Players dropped because they read too slowly.
    pub slow_players: u64,
    /// Lines that were not written here because the disk was too slow.
    pub events_dropped: u64,
}
