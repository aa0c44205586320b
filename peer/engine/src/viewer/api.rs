//! What goes into a [`Viewer`](super::Viewer) and what comes out.

use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::{Span, Time};
use nearcast_media::peering::{Answer, Offer, Reason, Withdraw};
use nearcast_media::{Followed, Media, Unit};

use crate::wire::Datagram;

/// What a driver hands to a viewer.
#[derive(Debug, Clone)]
pub enum Input {
    /// What the follower of the RTMP session made of it. After [`Output::CdnPause`]`(false)` and
    /// after a reconnect, the driver calls `Follower::interrupt` first.
    Cdn(Followed),
    /// The RTMP session changed.
    CdnState(CdnState),
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
    /// A datagram about this stream, of another peer or the CDN seed.
    Datagram {
        /// Where it came from: the group address, an alias, or the CDN seed.
        from: SocketAddrV4,
        /// What it held.
        datagram: Datagram,
    },
}

/// The state of the RTMP session with the CDN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CdnState {
    /// The server accepted `play`, or `pause(false)`.
    Playing,
    /// The server accepted `pause(true)`.
    Paused,
    /// The connection broke; the driver tries to get it back.
    Lost,
    /// The server says that the stream is over.
    Ended,
}

/// What a viewer asks its driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Hand a sequence header or metadata to the player, before the units that need it. Headers
    /// come before the first unit, and again after a skip or a new epoch if they are other than
    /// before.
    Header(Media),
    /// Hand a unit to the player. Units of an epoch come in ascending order, each at most once.
    Release(Release),
    /// Send a datagram.
    Send {
        /// To whom.
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
    /// Pause the RTMP session, or resume it.
    CdnPause(bool),
    /// Something worth a line in a log.
    Event(Event),
}

/// A unit for the player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The unit.
    pub unit: Unit,
    /// Who completed it first.
    pub way: Way,
}

/// A way by which a unit can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// RTMP from the CDN.
    Cdn,
    /// Pushed by the broadcaster through the switch.
    Switch,
    /// Asked of a neighbour, or of the broadcaster.
    Neighbour,
    /// Asked of the CDN seed.
    Seed,
}

/// Which way a viewer relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Nothing has been released yet.
    Starting,
    /// RTMP from the CDN.
    Cdn,
    /// The switch; RTMP is paused.
    Switch,
    /// The switch fell silent or was withdrawn: the seed's tail, until RTMP has joined on.
    Bridge,
}

/// What happened, for logs and measurements.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An offer was accepted that was not a renewal.
    Peered {
        /// Which peering.
        peering: u64,
        /// Where its chunks come from.
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
    /// The viewer relies on another way from now on.
    Path {
        /// The way before.
        from: Path,
        /// The way now.
        to: Path,
        /// The next unit to be released.
        unit: u64,
        /// Why.
        cause: Cause,
    },
    /// A group of pictures was handed over, and all of it has been released.
    Joined {
        /// By whom: a holder, or the CDN seed.
        holder: SocketAddrV4,
        /// The unit it starts with.
        gop: u64,
        /// When the first holder was asked for a group.
        began: Time,
        /// When the first unit was released.
        first: Time,
        /// When the last one was.
        complete: Time,
        /// How many chunks the group has.
        chunks: u32,
        /// How many bytes of it were released, whichever way they came.
        bytes: u64,
    },
    /// The first unit was released.
    Started {
        /// Which.
        unit: u64,
        /// By which way it came.
        way: Way,
    },
    /// Chunks that the push lost were asked for.
    Asked {
        /// Of whom.
        of: SocketAddrV4,
        /// The first of the units concerned.
        unit: u64,
        /// How many chunks.
        chunks: u32,
    },
    /// A unit with a hole was made whole.
    Repaired {
        /// Which.
        unit: u64,
        /// How many chunks were asked for, those asked for twice counted twice.
        chunks: u32,
        /// By which way the last chunk came.
        way: Way,
        /// How long after the hole was seen.
        after: Span,
    },
    /// Units `from..to` could not be got from anyone; playing goes on with a keyframe.
    Skipped {
        /// The first unit that is missing at the player.
        from: u64,
        /// The keyframe that playing goes on with.
        to: u64,
    },
    /// The broadcaster began anew; units of the old epoch are no longer waited for.
    Epoch {
        /// The epoch before.
        from: u32,
        /// The epoch now.
        to: u32,
    },
    /// Nothing could be released for a while although the stream went on (0.5 s by default), seen
    /// when it was over.
    Stalled {
        /// The unit that was waited for.
        unit: u64,
        /// For how long.
        span: Span,
    },
    /// The stream is over and everything of it was released.
    Ended,
}

/// Why a viewer changed its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A first keyframe was complete.
    Start,
    /// The switch delivered ahead of the CDN, in sequence.
    Settled,
    /// The switch fell silent.
    Silence,
    /// The switch delivered, but one unit could not be got.
    Stuck,
    /// The controller withdrew the peering, or the lease ran out.
    Withdrawn,
    /// RTMP joined on without a gap.
    Rejoined,
    /// The RTMP session broke.
    CdnLost,
    /// A new epoch began.
    Epoch,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Units released, by who completed them first.
    pub released_cdn: u64,
    /// As above.
    pub released_switch: u64,
    /// As above.
    pub released_neighbour: u64,
    /// As above.
    pub released_seed: u64,
    /// Chunks that were pushed, whether needed or not.
    pub chunks_pushed: u64,
    /// Chunks that came on request.
    pub chunks_asked: u64,
    /// Chunks and RTMP units that were there already, or too late.
    pub duplicates: u64,
    /// Chunks sent to neighbours.
    pub chunks_served: u64,
    /// Datagrams that were not believed: unknown source, too far ahead, contradicting.
    pub rejected: u64,
    /// Units that were never released although a later one was.
    pub lost: u64,
}
