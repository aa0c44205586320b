use nearcast_machine::{Bytes, Machine, Time};

/// A node of one run: its place in the population that the run was given. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The most nodes a run may have, over all its time (their number is 29 bits of the event key).
    pub const MAX_NODES: usize = 1 << 29;

    /// The node at `index` of the population; `None` past [`MAX_NODES`](NodeId::MAX_NODES).
    pub const fn new(index: usize) -> Option<NodeId> {
        if index < Self::MAX_NODES { Some(NodeId(index as u32)) } else { None }
    }

    /// Its place in the population.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What nodes say to each other: a typed value that is moved from sender to receiver, never copied
/// and never written out as bytes.
pub trait Message: Send {
    /// What it would be on the wire, all headers included. Asked once per message, when it is sent.
    fn wire_len(&self) -> Bytes;

    /// Whether the network treats it as payload or as signalling.
    fn class(&self) -> Class;

    /// Something of its content for the hash over the event log; 0 leaves the content out, and the
    /// hash then tells two runs apart by who sent how many bytes to whom and when.
    fn fingerprint(&self) -> u64 {
        0
    }
}

/// How the network treats a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Payload: takes its time on the access links.
    Data,
    /// Buffer maps, requests and the like: what [`Signalling`](crate::Signalling) says.
    Signal,
}

/// What a machine wants done, as the simulator understands it.
#[derive(Debug)]
pub enum Action<M, E> {
    /// Hand `message` to `to`.
    Send {
        /// The receiver. A node that is not there (yet, or any more) gets nothing.
        to: NodeId,
        /// What is sent.
        message: M,
    },
    /// Something for the [`Observer`](crate::Observer) alone.
    Event(E),
    /// Nothing that concerns the simulation.
    Ignore,
}

/// How often a node is asked what it will look at for an event; see [`Node::foresee`].
pub const FORESEEN: usize = 3;

/// A [`Machine`] that can be simulated: says how its inputs and outputs carry messages between
/// nodes.
///
/// A run has one type of node; where several kinds of machine meet (peers and a tracker), it is an
/// enum that delegates. The calls come in the order that [`Machine`] documents:
/// [`start`](Node::start) first, then [`handle`](Machine::handle) and [`expire`](Machine::expire),
/// at last [`stop`](Node::stop), each followed by [`poll`](Machine::poll) until it answers `None`.
pub trait Node: Machine + Send {
    /// What is sent between nodes.
    type Message: Message;
    /// What is told to the observer.
    type Event;

    /// Comes to life at `now`.
    fn start(&mut self, now: Time) {
        let _ = now;
    }

    /// The input by which the machine learns of a message from `from`.
    fn received(from: NodeId, message: Self::Message) -> Self::Input;

    /// What the simulator is to make of an output.
    fn action(output: Self::Output) -> Action<Self::Message, Self::Event>;

    /// Names (to `name`) what every call of this node looks at in memory beside the node itself, so
    /// that it can be fetched while others have their turn. With thousands of nodes next to nothing
    /// of one is in the cache when its turn comes. A hint: nothing depends on it.
    fn foresee_roots(&self, name: &mut impl FnMut(*const u8)) {
        let _ = name;
    }

    /// Names what the node will look at when it is handed `message`, or, without one, when its
    /// deadline comes. Asked [`FORESEEN`] times (`step` counts from 0), some events apart, so that
    /// each time what was named before can be looked at without waiting for it.
    fn foresee(
        &self,
        message: Option<(NodeId, &Self::Message)>,
        step: usize,
        name: &mut impl FnMut(*const u8),
    ) {
        let _ = (message, step, name);
    }

    /// Leaves at `now`. What it says after this call is still sent; a node that does nothing here
    /// vanishes without a word.
    fn stop(&mut self, now: Time) {
        let _ = now;
    }
}
