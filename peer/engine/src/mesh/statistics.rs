//! What a peer counts, for live figures and for experiments.

use nearcast_machine::{Bitrate, Span};

use super::{LAYERS_MAX, PeerId, Relation};

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Per layer, over the chunks whose playback deadline has passed since playout began.
    pub layers: [LayerStatistics; LAYERS_MAX],
    /// l_n of the last round: how many layers are asked for by regular requests.
    pub regular_layers: u8,
    /// Chunks that came, by source: neighbours.
    pub chunks_neighbours: u64,
    /// As above: the fallback.
    pub chunks_fallback: u64,
    /// Chunks that were there already.
    pub duplicates: u64,
    /// Chunks that came after their playback deadline.
    pub late: u64,
    /// Chunks nobody had asked for, or that contradict what is known: not taken.
    pub refused: u64,
    /// Messages that no neighbour can have sent: unknown sender, wrong key.
    pub forged: u64,
    /// News that were void when they came: older than the newest.
    pub stale: u64,
    /// Chunks sent to neighbours.
    pub served: u64,
    /// Payload bytes of these.
    pub served_bytes: u64,
    /// Chunks that were asked for, those of several rounds counted in each.
    pub asked: u64,
    /// Requests that came.
    pub requests: u64,
    /// Requests that were removed unserved when T - tau had passed.
    pub requests_expired: u64,
    /// Requests that a full queue did not take.
    pub requests_refused: u64,
    /// Requests for chunks that this peer does not have (any more).
    pub requests_lacked: u64,
    /// News that rode on a chunk.
    pub news_piggybacked: u64,
    /// News that went alone.
    pub news_alone: u64,
    /// Bytes of buffer maps sent.
    pub map_bytes: u64,
    /// Bytes of requests sent.
    pub request_bytes: u64,
    /// All bytes sent, headers of this protocol and signalling included, those of UDP and IP not.
    pub sent_bytes: u64,
}

/// The chunks of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerStatistics {
    /// Chunks whose playback deadline has passed.
    pub due: u64,
    /// Those of them that were released. `played / due` is the paper's received chunk ratio.
    pub played: u64,
    /// Their bytes: over time, the paper's playback rate.
    pub played_bytes: u64,
}

/// A neighbour, for live figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeighbourStatistics {
    /// Who.
    pub peer: PeerId,
    /// What it is to us.
    pub relation: Relation,
    /// d: the rate at which it contributes, credits included.
    pub rate_in: Bitrate,
    /// The rate at which it is served.
    pub rate_out: Bitrate,
    /// tau: the round trip, once measured.
    pub round_trip: Option<Span>,
    /// How many of its requests wait.
    pub queued: u16,
    /// Rounds in a row in which it served nothing of what it was asked for.
    pub unserved_rounds: u16,
    /// How many chunks it has, by its last map.
    pub held: u32,
}
