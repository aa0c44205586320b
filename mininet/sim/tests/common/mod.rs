//! A machine for tests: gossips with neighbours it draws, on its own deadline and in answers.

#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::VecDeque;

use nearcast_machine::{Bytes, Machine, Rng, Seed, Span, Time};
use nearcast_sim::{Action, Class, Message, Node, NodeId, NodeSpec, Observer};
use rand::Rng as _;

/// What gossips say.
#[derive(Debug)]
pub(crate) enum Talk {
    /// Asks for so many bytes.
    Ask(u32),
    /// Brings them; the number is what the sender had seen by then.
    Bring(u32, u64),
    /// Is about to leave.
    Bye,
}

impl Message for Talk {
    fn wire_len(&self) -> Bytes {
        match self {
            Talk::Ask(_) | Talk::Bye => Bytes::new(60),
            Talk::Bring(bytes, _) => Bytes::new(u64::from(*bytes)),
        }
    }

    fn class(&self) -> Class {
        match self {
            Talk::Ask(_) | Talk::Bye => Class::Signal,
            Talk::Bring(..) => Class::Data,
        }
    }

    fn fingerprint(&self) -> u64 {
        match self {
            Talk::Ask(bytes) => u64::from(*bytes),
            Talk::Bring(_, seen) => *seen,
            Talk::Bye => 1,
        }
    }
}

/// Asks a few others every so often, at times and of nodes that it draws.
#[derive(Debug)]
pub(crate) struct Gossip {
    others: usize,
    rng: Rng,
    due: Option<Time>,
    out: VecDeque<Said>,
    /// It asks that many times more seldom.
    calm: u64,
    /// A hash over everything it has seen, in the order it saw it.
    pub(crate) seen: u64,
}

#[derive(Debug)]
pub(crate) enum Said {
    To(NodeId, Talk),
    Seen(u64),
}

impl Gossip {
    pub(crate) fn new(_: NodeId, others: usize, seed: Seed) -> Gossip {
        Gossip { others, rng: seed.rng(), due: None, out: VecDeque::new(), calm: 1, seen: 0 }
    }

    /// One that asks `times` more seldom.
    pub(crate) fn calm(self, times: u64) -> Gossip {
        Gossip { calm: times, ..self }
    }

    fn see(&mut self, now: Time, what: u64) {
        let mixed = self.seen ^ now.as_nanos() ^ what.rotate_left(32);
        self.seen = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    }

    fn somebody(&mut self) -> NodeId {
        NodeId::new(self.rng.random_range(0..self.others)).expect("few")
    }
}

impl Machine for Gossip {
    type Input = (NodeId, Talk);
    type Output = Said;

    fn handle(&mut self, now: Time, (from, talk): (NodeId, Talk)) {
        self.see(now, from.index() as u64 ^ talk.fingerprint() << 20);
        match talk {
            Talk::Ask(bytes) => {
                self.out.push_back(Said::To(from, Talk::Bring(bytes, self.seen)));
                // Now and then it becomes impatient, so that deadlines move to earlier.
                if self.calm == 1 && self.rng.random_ratio(1, 4) {
                    self.due = self.due.min(Some(now + Span::from_millis(3)));
                }
            }
            Talk::Bring(..) => self.out.push_back(Said::Seen(self.seen)),
            Talk::Bye => {}
        }
    }

    fn expire(&mut self, now: Time) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.see(now, 0);
        for _ in 0..3 {
            let bytes = self.rng.random_range(40..1_500);
            let to = self.somebody();
            self.out.push_back(Said::To(to, Talk::Ask(bytes)));
        }
        // Whole milliseconds, so that many nodes share an instant.
        self.due = Some(now + Span::from_millis(self.rng.random_range(1..200) * self.calm));
    }

    fn poll(&mut self) -> Option<Said> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.due
    }
}

impl Node for Gossip {
    type Message = Talk;
    type Event = u64;

    fn start(&mut self, now: Time) {
        self.due = Some(now + Span::from_millis(10));
    }

    fn received(from: NodeId, message: Talk) -> (NodeId, Talk) {
        (from, message)
    }

    fn action(output: Said) -> Action<Talk, u64> {
        match output {
            Said::To(to, message) => Action::Send { to, message },
            Said::Seen(seen) => Action::Event(seen),
        }
    }

    fn stop(&mut self, _: Time) {
        let to = self.somebody();
        self.out.push_back(Said::To(to, Talk::Bye));
    }
}

/// Keeps what every node was like at the end of its time, and how often it spoke up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ends {
    pub(crate) ends: Vec<(NodeId, Time, u64)>,
    pub(crate) events: u64,
    pub(crate) samples: Vec<(Time, NodeId, u64)>,
}

impl Observer<Gossip> for Ends {
    fn event(&mut self, _: Time, _: NodeId, _: u64) {
        self.events += 1;
    }

    fn sample(&mut self, now: Time, node: NodeId, machine: &Gossip) {
        self.samples.push((now, node, machine.seen));
    }

    fn left(&mut self, now: Time, node: NodeId, machine: Gossip) {
        self.ends.push((node, now, machine.seen));
    }
}

impl Ends {
    /// What all threads saw, by node.
    pub(crate) fn all(parts: Vec<Ends>) -> Ends {
        let mut all = Ends::default();
        for part in parts {
            all.ends.extend(part.ends);
            all.samples.extend(part.samples);
            all.events += part.events;
        }
        all.ends.sort_unstable();
        all.samples.sort_unstable();
        all
    }
}

/// `count` nodes that are there all the time.
pub(crate) fn crowd(count: usize) -> Vec<NodeSpec> {
    (0..count).map(|index| NodeSpec::new(format!("p{index}"))).collect()
}
