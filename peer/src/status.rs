//! What `GET /status` answers.

use std::collections::VecDeque;
use std::net::SocketAddr;

use nearcast_machine::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::events::{Path, Role, Summary};

/// The program as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Which one.
    pub role: Role,
    /// CLOCK_REALTIME, ns.
    pub now: u64,
    /// Its streams.
    pub streams: Vec<StreamStatus>,
    /// Counts since the start.
    pub totals: Summary,
}

/// One stream as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// `app/key`
    pub stream: String,
    /// Unix seconds when the publish began; nothing before the first unit.
    pub epoch: Option<u64>,
    /// The latest unit that went through.
    pub unit: Option<u64>,
    /// Media bits per second over the last two seconds.
    pub rate: u64,
    /// Readers of it here: players, or the connection to the CDN.
    pub readers: usize,
    /// Whether a peering is in force.
    pub peered: bool,
    /// Which way a viewer relies on.
    pub way: Option<Path>,
    /// Whether the CDN has accepted us.
    pub at_cdn: bool,
    /// The stream in the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<MeshStatus>,
}

/// One stream in the mesh as it is now. Counts are of chunks, since it was opened here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshStatus {
    /// The upload rate that was granted, bit/s.
    pub upload: u64,
    /// What is used of it at present, bit/s: less while there is other traffic that it would delay.
    #[serde(default)]
    pub pace: u64,
    /// l_n: how many layers are asked for by regular requests.
    pub regular_layers: u8,
    /// From the lowest one.
    pub layers: Vec<MeshLayer>,
    /// The neighbours of the moment.
    pub neighbours: Vec<MeshNeighbour>,
    /// That came from neighbours.
    pub chunks_neighbours: u64,
    /// That the seed beside the CDN gave, for want of anybody else.
    pub chunks_fallback: u64,
    /// The share of what came that did not burden the CDN; nothing before something came.
    pub offload: Option<f64>,
    /// That came twice.
    pub duplicates: u64,
    /// That came too late to be played.
    pub late: u64,
    /// That nobody had asked for, or that contradict what is known.
    pub refused: u64,
    /// Messages that no neighbour can have sent.
    pub forged: u64,
    /// Whether only chunks with the broadcaster's signature are taken.
    #[serde(default)]
    pub verified: bool,
    /// That were another's, or damaged; who sent one is shut out.
    #[serde(default)]
    pub polluted: u64,
    /// That neighbours were sent.
    pub served: u64,
    /// Bytes of these.
    pub served_bytes: u64,
    /// All bytes sent, as UDP payload.
    pub sent_bytes: u64,
    /// Requests that waited too long here.
    pub requests_expired: u64,
}

/// A layer of a stream in the mesh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshLayer {
    /// Chunks whose playback deadline has passed.
    pub due: u64,
    /// Those of them that were there.
    pub played: u64,
    /// Bytes of these.
    pub played_bytes: u64,
    /// The received chunk ratio; nothing before one was due.
    pub ratio: Option<f64>,
    /// Chunks in the exchange window: the buffer.
    pub held: u32,
}

/// A neighbour in the mesh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshNeighbour {
    /// Where it is.
    pub peer: Option<SocketAddr>,
    /// `initiator`, `receptor` or `fallback`.
    pub relation: String,
    /// What it contributes, credits included, bit/s.
    pub rate_in: u64,
    /// What it is given, bit/s.
    pub rate_out: u64,
    /// The round trip, ns; nothing before it was measured.
    pub round_trip: Option<u64>,
    /// How many of its requests wait.
    pub queued: u16,
    /// Rounds in a row in which it served nothing of what it was asked for.
    pub unserved_rounds: u16,
    /// How many chunks it has, by its last map.
    pub held: u32,
}

/// How long a rate is measured.
const WINDOW: Span = Span::from_secs(2);
/// Most messages remembered for it.
const REMEMBERED: usize = 4096;

/// Bytes of media over the last moments.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    recent: VecDeque<(Time, usize)>,
    sum: usize,
}

impl Rate {
    /// `bytes` went through at `now`.
    pub(crate) fn add(&mut self, now: Time, bytes: usize) {
        self.recent.push_back((now, bytes));
        self.sum += bytes;
        self.forget(now);
    }

    /// Bits per second.
    pub(crate) fn bits_per_sec(&mut self, now: Time) -> u64 {
        self.forget(now);
        (self.sum as f64 * 8.0 / WINDOW.as_secs_f64()) as u64
    }

    fn forget(&mut self, now: Time) {
        while let Some(&(at, bytes)) = self.recent.front() {
            if now.since(at) < WINDOW && self.recent.len() <= REMEMBERED {
                break;
            }
            self.sum -= bytes;
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_two_seconds() {
        let mut rate = Rate::default();
        for tick in 0..100 {
            rate.add(Time::ZERO + Span::from_millis(100) * tick, 1250);
        }
        let end = Time::ZERO + Span::from_millis(9_900);
        assert_eq!(rate.bits_per_sec(end), 100_000);
        assert_eq!(rate.bits_per_sec(end + Span::from_secs(1)), 50_000);
        assert_eq!(rate.bits_per_sec(end + Span::from_secs(9)), 0);
    }
}
