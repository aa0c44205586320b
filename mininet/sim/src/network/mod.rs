//! What lies between nodes: their access links, and a core that only delays and loses.

mod access;
mod delays;

use nearcast_link::Probability;
use nearcast_machine::{Span, Time};

use crate::{Kind, NodeId};

pub use access::Access;
pub(crate) use access::Transmitter;
pub use delays::{Delays, Place};

/// The network of a run.
///
/// The default is that of the LayerP2P paper's simulator (Liu et al., section VI.A): the core has
/// no delay and loses nothing, payload takes its time on the sender's uplink, signalling is there
/// at once.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Network {
    /// From access link to access link.
    pub delays: Delays,
    /// The chance that the core loses a payload message, which has used the uplink by then.
    pub loss: Probability,
    /// How [`Class::Signal`](crate::Class::Signal) travels.
    pub signalling: Signalling,
    /// For how long a receiver's messages may wait to be handed over together, as those of a
    /// network card that moderates its interrupts do: each node takes what has come at multiples of
    /// this, with a phase of its own. Zero: every message as it comes. What travels in no time does
    /// not wait. Order is as ever, by key. A node is then fetched from memory once for many
    /// messages.
    pub moderation: Span,
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
    /// How and when a message that has arrived at a node is handed to it.
    pub(crate) fn handing_over(&self, to: NodeId, arrival: Time) -> (Kind, Time) {
        let step = self.moderation.as_nanos();
        if step == 0 {
            return (Kind::Deliver, arrival);
        }
        // Multiplicative hashing (Knuth, TAOCP 3, 6.4): neighbouring ids are far apart in phase.
        let hash = u128::from(to.0.wrapping_mul(0x9e37_79b9));
        let phase = ((hash * u128::from(step)) >> 32) as u64;
        let since = (arrival.as_nanos() + step - phase) % step;
        let wait = if since == 0 { 0 } else { step - since };
        (Kind::Collect, arrival + Span::from_nanos(wait))
    }

    /// The least time from a message's sending to its arrival anywhere: how far threads may run
    /// ahead of each other.
    pub(crate) fn lookahead(&self) -> Span {
        match self.signalling {
            Signalling::Instant => Span::ZERO,
            Signalling::Delayed { .. } | Signalling::Queued { .. } => self.delays.least(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_takes_messages_at_its_own_multiples_and_no_later() {
        let step = Span::from_millis(100);
        let network = Network { moderation: step, ..Network::default() };
        let mut phases = std::collections::BTreeSet::new();
        for id in 0..50 {
            let at = |nanos| network.handing_over(NodeId(id), Time::from_nanos(nanos)).1;
            let first = at(1_000_000_007);
            assert!(first.since(Time::from_nanos(1_000_000_007)) < step);
            assert_eq!(at(first.as_nanos()), first, "what comes then does not wait");
            assert_eq!(at(first.as_nanos() + 1), first + step);
            phases.insert(first.as_nanos() % step.as_nanos());
        }
        assert_eq!(phases.len(), 50, "nodes do not all wake at once");
        let at_once = Network::default();
        assert_eq!(
            at_once.handing_over(NodeId(3), Time::from_nanos(17)),
            (Kind::Deliver, Time::from_nanos(17))
        );
    }
}
