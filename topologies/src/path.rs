use std::collections::{HashMap, VecDeque};

use nearcast_link::LinkParams;
use nearcast_machine::{Bitrate, Bytes, Span};

use crate::Topology;

/// A way through a topology, and the least time that physics allows on it: what a measured delay is
/// held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// At least one.
    pub hops: Vec<Hop>,
}

/// One link of a [`Path`], in the direction of the path.
#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    /// The link's name.
    pub link: String,
    /// Where it leaves.
    pub from: String,
    /// Where it arrives.
    pub to: String,
    /// How it carries.
    pub params: LinkParams,
}

impl Path {
    /// The sum of the links' propagation delays, one way.
    pub fn propagation(&self) -> Span {
        self.hops.iter().fold(Span::ZERO, |sum, hop| sum + hop.params.delay)
    }

    /// The lowest rate on the way; `None` if no link limits it.
    pub fn bottleneck(&self) -> Option<Bitrate> {
        self.hops.iter().filter_map(|hop| hop.params.rate).min()
    }

    /// How long each hop takes to put a packet of `size` bytes (all headers included) on its link.
    pub fn serialisation(&self, size: Bytes) -> impl Iterator<Item = Span> {
        self.hops.iter().map(move |hop| serialisation(hop, size))
    }

    /// The least one-way delay of a single packet of `size` bytes: every hop stores it in full
    /// before it forwards it.
    pub fn minimum(&self, size: Bytes) -> Span {
        self.serialisation(size).fold(self.propagation(), |sum, hop| sum + hop)
    }

    /// The least one-way delay until the last of `packets` (their sizes in order, handed over at
    /// once) has arrived. The hops work at the same time, each on another packet, so a long
    /// burst costs about its serialisation at the bottleneck.
    pub fn minimum_of_burst(&self, packets: &[Bytes]) -> Span {
        let mut done = vec![Span::ZERO; self.hops.len()];
        let mut arrived = Span::ZERO;
        for &size in packets {
            arrived = Span::ZERO;
            for (hop, done) in self.hops.iter().zip(&mut done) {
                let begin = arrived.max(*done);
                *done = begin + serialisation(hop, size);
                arrived = *done + hop.params.delay;
            }
        }
        arrived
    }
}

fn serialisation(hop: &Hop, size: Bytes) -> Span {
    hop.params.rate.map_or(Span::ZERO, |rate| rate.serialisation(size))
}

/// Breadth first, so the fewest links; among equals the one whose links come first in the file.
pub(crate) fn shortest(topology: &Topology, from: &str, to: &str) -> Option<Path> {
    topology.host(to)?;
    let mut reached_by: HashMap<&str, &crate::Link> = HashMap::new();
    let mut queue = VecDeque::from([topology.host(from)?.name.as_str()]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            break;
        }
        if node != from && topology.host(node).is_some() {
            continue;
        }
        for link in &topology.links {
            if let Some(next) = link.opposite(node)
                && next != from
                && !reached_by.contains_key(next)
            {
                reached_by.insert(next, link);
                queue.push_back(next);
            }
        }
    }

    let mut hops = Vec::new();
    let mut node = to;
    while node != from {
        let link = reached_by.get(node)?;
        let previous = link.opposite(node)?;
        hops.push(Hop {
            link: link.name.clone(),
            from: previous.to_owned(),
            to: node.to_owned(),
            params: link.leaving(previous)?.clone(),
        });
        node = previous;
    }
    hops.reverse();
    (!hops.is_empty()).then_some(Path { hops })
}
