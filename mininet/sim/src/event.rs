use nearcast_machine::Time;

use crate::NodeId;

/// What an event is. Among events of one instant the order is that of this list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A node comes.
    Start = 0,
    /// The last bit of a message reaches the receiver's access link, if that has a rate.
    Reach = 1,
    /// A node takes the messages that have come for it, if it takes them
    /// [together](crate::Network::moderation). It is a node's own event and hands over each of
    /// them, which is logged as a delivery, in the order of these.
    Collect = 2,
    /// A message is handed to its receiver.
    Deliver = 3,
    /// A node's deadline has come.
    Expire = 4,
    /// A node leaves.
    Stop = 5,
}

const KINDS: [Kind; 6] =
    [Kind::Start, Kind::Reach, Kind::Collect, Kind::Deliver, Kind::Expire, Kind::Stop];

/// The total order of events: time, then kind, then source, then the source's own number.
///
/// The source of a message is its sender, of everything else the node itself. The number counts the
/// messages of a sender, or the deadlines of a node, modulo 2^32 (two events of one source
/// that are 2^32 apart cannot meet in one instant).
///
/// ```
/// use nearcast_machine::Time;
/// use nearcast_sim::{Key, Kind, NodeId};
/// let (one, two) = (NodeId::new(1).unwrap(), NodeId::new(2).unwrap());
/// let at = Time::from_nanos;
/// let sorted = [
///     Key::new(at(5), Kind::Expire, two, 9),
///     Key::new(at(6), Kind::Deliver, two, 7),
///     Key::new(at(6), Kind::Expire, one, 3),
///     Key::new(at(6), Kind::Expire, one, 4),
///     Key::new(at(6), Kind::Expire, two, 0),
/// ];
/// assert!(sorted.is_sorted());
/// assert_eq!((sorted[3].kind(), sorted[3].source(), sorted[3].number()), (Kind::Expire, one, 4));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    time: Time,
    /// Kind (3 bits), source (29 bits), number (32 bits), so that one comparison does.
    tie: u64,
}

impl Key {
    /// The key of these four.
    pub const fn new(time: Time, kind: Kind, source: NodeId, number: u32) -> Key {
        Key { time, tie: (kind as u64) << 61 | (source.0 as u64) << 32 | number as u64 }
    }

    /// When it happens.
    pub const fn time(self) -> Time {
        self.time
    }

    /// What happens.
    pub const fn kind(self) -> Kind {
        KINDS[(self.tie >> 61) as usize]
    }

    /// Who caused it.
    pub const fn source(self) -> NodeId {
        NodeId((self.tie >> 32) as u32 & (NodeId::MAX_NODES as u32 - 1))
    }

    /// Which of the source's messages or deadlines it is.
    pub const fn number(self) -> u32 {
        self.tie as u32
    }

    /// In one number, which orders as the key does and compares without a branch.
    pub(crate) const fn as_one(self) -> u128 {
        (self.time.as_nanos() as u128) << 64 | self.tie as u128
    }

    /// All but the time.
    pub(crate) const fn tie(self) -> u64 {
        self.tie
    }
}

/// An event that waits in a queue: 24 bytes, whatever the message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pending {
    /// When it is its turn.
    pub key: Key,
    /// The node it happens to.
    pub node: NodeId,
    /// Where its message is kept; for events without one, nothing.
    pub slot: u32,
}

/// An event that has happened, as the event log keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Happened {
    /// Its place in the order.
    pub key: Key,
    /// The node it happened to.
    pub node: NodeId,
    /// Of a message, its bytes on the wire; else 0.
    pub bytes: u32,
    /// Of a message, its [`fingerprint`](crate::Message::fingerprint); else 0.
    pub fingerprint: u64,
}
