//! What lies between nodes: their access links, and a core that only delays and loses.

mod access;
mod delays;

use nearcast_link::Probability;
use nearcast_machine::Span;

pub use access::Access;
pub(crate) use access::Transmitter;
pub use delays::{Delays, Place};

/// The network of a run.
///
/// The default is that of the LayerP2P paper's simulator (Liu et al., section VI.A): the core has no
/// delay and loses nothing, payload takes its time on the sender's uplink, signalling is there at
/// once.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Network {
    /// From access link to access link.
    pub delays: Delays,
    /// The chance that the core loses a payload message, which has used the uplink by then.
    pub loss: Probability,
    /// How [`Class::Signal`](crate::Class::Signal) travels.
    pub signalling: Signalling,
}

/// How signalling travels.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Signalling {
    /// It is there at once, always.
    #[default]
    Instant,
    /// It takes the core's delay, and nothing of the access links.
    Delayed {
        /// The chance that it is lost.
        loss: Probability,
    },
    /// It queues for the access links with the payload, as on a real network.
    Queued {
        /// The chance that it is lost.
        loss: Probability,
    },
}

impl Network {
    /// The least time from a message's sending to its arrival anywhere: how far threads may run
    /// ahead of each other.
    pub(crate) fn lookahead(&self) -> Span {
        match self.signalling {
            Signalling::Instant => Span::ZERO,
            Signalling::Delayed { .. } | Signalling::Queued { .. } => self.delays.least(),
        }
    }
}
