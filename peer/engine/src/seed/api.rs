//! What goes into a [`CdnSeed`](super::CdnSeed) and what comes out.

use std::net::SocketAddrV4;

use nearcast_machine::{Bitrate, Span};
use nearcast_media::{Followed, StreamId};

use crate::wire::Datagram;
use crate::{SupplyLimits, WindowLimits};

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
    /// until it is older than the window, but nobody is handed
    /// the last group any more.
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
    /// What clients may be sent: 100 Mbit/s in all, 20 Mbit/s to each, 256 of them at a time.
    pub supply: SupplyLimits,
    /// What is kept of each stream.
    pub window: WindowLimits,
    /// What may go out in tokens to addresses that have not proved themselves: 4 Mbit/s.
    pub token_rate: Bitrate,
    /// How long a token is good for, at least; at most twice as long: 60 s.
    pub token_life: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            streams: 64,
            tails: 256,
            tail_max: Span::from_secs(5),
            supply: SupplyLimits {
                receivers: 256,
                ..SupplyLimits::new(
                    Bitrate::from_bits_per_sec(100_000_000),
                    Bitrate::from_bits_per_sec(20_000_000),
                )
            },
            window: WindowLimits::default(),
            token_rate: Bitrate::from_bits_per_sec(4_000_000),
            token_life: Span::from_secs(60),
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
