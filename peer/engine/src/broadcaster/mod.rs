//! The broadcaster's side: each chunk once to the group, and repairs.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::{Bitrate, Machine, Seed, Time};
use nearcast_media::peering::{Answer, Offer, Reason, Withdraw};
use nearcast_media::{StreamName, Unit};

use crate::wire::Datagram;

/// What a driver hands to a broadcaster.
#[derive(Debug, Clone)]
pub enum Input {
    /// The next unit of the stream, numbered and stamped; the driver publishes the same to the CDN.
    Unit(Unit),
    /// The encoder stopped publishing. A later epoch may follow.
    Ended,
    /// An offer. Believed only if `from` is the controller's alias.
    Offer {
        /// The source address of the datagram.
        from: Ipv4Addr,
        /// What it held.
        offer: Offer,
    },
    /// A withdrawal. Believed only if `from` is the controller's alias.
    Withdraw {
        /// The source address of the datagram.
        from: Ipv4Addr,
        /// What it held.
        withdraw: Withdraw,
    },
    /// A datagram about this stream, of a viewer.
    Datagram {
        /// The viewer's alias and port.
        from: SocketAddrV4,
        /// What it held.
        datagram: Datagram,
    },
}

/// What a broadcaster asks its driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To whom: the group address, or a viewer's alias.
        to: SocketAddrV4,
        /// What.
        datagram: Datagram,
    },
    /// Answer an offer.
    Answer {
        /// The controller's alias and the port.
        to: SocketAddrV4,
        /// What.
        answer: Answer,
    },
    /// Something worth a line in a log.
    Event(Event),
}

/// What happened, for logs and measurements.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An offer was accepted that was not a renewal; chunks are pushed from now on.
    Peered {
        /// Which peering.
        peering: u64,
        /// Where its chunks go.
        group: Ipv4Addr,
    },
    /// An offer or withdrawal came from someone else than the controller, or was for another stream.
    Refused {
        /// Who sent it.
        from: Ipv4Addr,
    },
    /// The peering is over.
    Unpeered {
        /// Which peering.
        peering: u64,
        /// The controller's reason; `None` when the lease ran out.
        reason: Option<Reason>,
    },
    /// A viewer was given the current group.
    Joined {
        /// Its alias.
        viewer: SocketAddrV4,
        /// The unit the group starts with.
        gop: u64,
    },
}

/// What can be set about a broadcaster.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The controller's alias, the only address that offers are believed from: `10.254.0.1`.
    pub controller: Ipv4Addr,
    /// The virtual range, address and prefix length: `10.254.0.0/16`. Only from within it are
    /// viewers served.
    pub range: (Ipv4Addr, u8),
    /// What repairs may take of the uplink, beside the push: 8 Mbit/s.
    pub repair_rate: Bitrate,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            controller: Ipv4Addr::new(10, 254, 0, 1),
            range: (Ipv4Addr::new(10, 254, 0, 0), 16),
            repair_rate: Bitrate::from_bits_per_sec(8_000_000),
        }
    }
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Units published.
    pub units: u64,
    /// Chunks sent to the group address.
    pub chunks_pushed: u64,
    /// Chunks sent to viewers on request.
    pub chunks_served: u64,
    /// Datagrams that were not believed.
    pub rejected: u64,
}

/// One stream as its broadcaster's peer sends it.
#[derive(Debug)]
pub struct Broadcaster {
    stream: StreamName,
    settings: Settings,
    counters: Counters,
    outputs: VecDeque<Output>,
}

impl Broadcaster {
    /// A broadcaster of `stream` before its first unit.
    pub fn new(stream: StreamName, settings: Settings, seed: Seed) -> Broadcaster {
        let _ = seed;
        Broadcaster { stream, settings, counters: Counters::default(), outputs: VecDeque::new() }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a peering is in force, its lease not run out.
    pub fn peered(&self) -> bool {
        false
    }
}

impl Machine for Broadcaster {
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
