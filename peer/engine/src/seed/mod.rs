//! The peer beside the CDN: answers for whatever no neighbour has.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use nearcast_machine::{Bitrate, Machine, Rng, Seed, Span, Time};
use nearcast_media::{Followed, StreamId};

use crate::wire::Datagram;

/// What a driver hands to a CDN seed.
#[derive(Debug, Clone)]
pub enum Input {
    /// What the follower of the CDN's stream made of it.
    Cdn {
        /// Which stream.
        stream: StreamId,
        /// What it found.
        followed: Followed,
    },
    /// The CDN says that the stream is over, or its session broke. What is there is still served
    /// until it is older than the window.
    Ended(StreamId),
    /// A datagram of anyone.
    Datagram {
        /// Its source, which may be forged until it brings a token.
        from: SocketAddrV4,
        /// What it held.
        datagram: Datagram,
    },
}

/// What a CDN seed asks its driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To whom.
        to: SocketAddrV4,
        /// What.
        datagram: Datagram,
    },
    /// Something worth a line in a log.
    Event(Event),
}

/// What happened, for logs and measurements.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client was given the current group.
    Joined {
        /// Who.
        client: SocketAddrV4,
        /// Of which stream.
        stream: StreamId,
        /// The unit the group starts with.
        gop: u64,
    },
    /// A client is sent whatever comes.
    TailBegan {
        /// Who.
        client: SocketAddrV4,
        /// Of which stream.
        stream: StreamId,
        /// From which unit on.
        from: u64,
    },
    /// That is over: let go of, or its time ran out.
    TailEnded {
        /// Who.
        client: SocketAddrV4,
        /// Of which stream.
        stream: StreamId,
    },
    /// A client asked for a stream that the seed does not have.
    Unknown {
        /// Who.
        client: SocketAddrV4,
        /// Which stream.
        stream: StreamId,
    },
}

/// What can be set about a CDN seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Most streams kept at a time; the one silent for longest makes room: 64.
    pub streams: usize,
    /// Most tails at a time: 256.
    pub tails: usize,
    /// The longest that a tail runs unrenewed: 5 s.
    pub tail_max: Span,
    /// What all clients together may be sent: 100 Mbit/s.
    pub rate: Bitrate,
    /// What one client may be sent: 20 Mbit/s.
    pub client_rate: Bitrate,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            streams: 64,
            tails: 256,
            tail_max: Span::from_secs(5),
            rate: Bitrate::from_bits_per_sec(100_000_000),
            client_rate: Bitrate::from_bits_per_sec(20_000_000),
        }
    }
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Chunks sent, on request and by tails.
    pub chunks_served: u64,
    /// Tokens sent.
    pub tokens: u64,
    /// Questions that were not answered: over a bound, or malformed in meaning.
    pub rejected: u64,
}

/// All streams of a CDN, as its seed serves them.
#[derive(Debug)]
pub struct CdnSeed {
    settings: Settings,
    counters: Counters,
    rng: Rng,
    outputs: VecDeque<Output>,
}

impl CdnSeed {
    /// A seed without any stream. `seed` is what its tokens are made from: an attacker who knows it
    /// can forge them, so a live driver draws it from the operating system.
    pub fn new(settings: Settings, seed: Seed) -> CdnSeed {
        let rng = seed.derive("cdn seed").rng();
        CdnSeed { settings, counters: Counters::default(), rng, outputs: VecDeque::new() }
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many streams are kept.
    pub fn streams(&self) -> usize {
        0
    }
}

impl Machine for CdnSeed {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, _now: Time, _input: Input) {}

    fn expire(&mut self, _now: Time) {}

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}
