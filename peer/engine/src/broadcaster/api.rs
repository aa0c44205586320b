//! What goes into a [`Broadcaster`](super::Broadcaster) and what comes out.

use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::Bitrate;
use nearcast_media::Unit;
use nearcast_media::peering::{Answer, Offer, Reason, Withdraw};

use crate::wire::Datagram;
use crate::{SupplyLimits, WindowLimits};

/// What a driver hands to a broadcaster.
#[derive(Debug, Clone)]
pub enum Input {
    /// The next unit of the stream, numbered and stamped; the driver publishes the same to the CDN.
    Unit(Unit),
    /// The encoder stopped publishing. Repairs go on for as long as the window holds, but nobody is
    /// handed the last group any more. A later epoch may follow.
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
    /// An offer or withdrawal came from someone else than the controller, or was for another
    /// stream.
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
    /// What viewers may be sent on request, beside the push: 8 Mbit/s in all and to each.
    pub supply: SupplyLimits,
    /// What is kept for that.
    pub window: WindowLimits,
}

impl Default for Settings {
    fn default() -> Settings {
        let repair = Bitrate::from_bits_per_sec(8_000_000);
        Settings {
            controller: Ipv4Addr::new(10, 254, 0, 1),
            range: (Ipv4Addr::new(10, 254, 0, 0), 16),
            supply: SupplyLimits::new(repair, repair),
            window: WindowLimits::default(),
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
