//! Switches and the links between them: shortest paths and a tree without loops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use nearcast_machine::{Span, Time};

/// A switch, by its datapath id (OpenFlow 1.3.5 A.3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatapathId(pub u64);

impl std::fmt::Display for DatapathId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::fmt::Debug for DatapathId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A port of a switch: where a host is attached or a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The switch.
    pub switch: DatapathId,
    /// Its port number.
    pub port: u32,
}

impl std::fmt::Display for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

/// How far something is: delays where every link on the way has a configured one, hops otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Distance {
    pub(crate) hops: u64,
    /// `None` as soon as one link on the way has no configured delay.
    pub(crate) delay: Option<Span>,
}

impl Distance {
    pub(crate) fn plus(self, other: Distance) -> Distance {
        let delay = self.delay.zip(other.delay).map(|(a, b)| a + b);
        Distance { hops: self.hops + other.hops, delay }
    }
}

#[derive(Debug, Clone, Copy)]
struct Link {
    to: Attachment,
    seen: Time,
}

/// The graph of switches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    switches: BTreeSet<DatapathId>,
    /// Directed: an LLDP frame proves one direction.
    links: BTreeMap<Attachment, Link>,
    /// Configured one-way delays of ports.
    delays: BTreeMap<Attachment, Span>,
    /// Both ends of every link.
    trunks: BTreeSet<Attachment>,
}

/// The next hop towards a destination switch, and how far it still is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) port: u32,
    pub(crate) distance: Distance,
}

impl Topology {
    pub(crate) fn add_switch(&mut self, switch: DatapathId) {
        self.switches.insert(switch);
    }

    pub(crate) fn delay_of(&self, port: Attachment) -> Option<Span> {
        self.delays.get(&port).copied()
    }

    pub(crate) fn configure_delay(&mut self, port: Attachment, delay: Option<Span>) {
        match delay {
            Some(delay) => self.delays.insert(port, delay),
            None => self.delays.remove(&port),
        };
    }

    /// Notes that a probe sent out of `from` arrived at `to`; `true` if that changed the graph.
    pub(crate) fn link_seen(&mut self, from: Attachment, to: Attachment, now: Time) -> bool {
        let before = self.links.insert(from, Link { to, seen: now });
        let changed = before.is_none_or(|link| link.to != to);
        if changed {
            self.find_trunks();
        }
        changed
    }

    /// Forgets every link at a port, in both directions, and returns their other ends.
    pub(crate) fn port_down(&mut self, port: Attachment) -> BTreeSet<Attachment> {
        let mut ends = BTreeSet::new();
        self.links.retain(|from, link| {
            let at_port = *from == port || link.to == port;
            if at_port {
                ends.insert(if *from == port { link.to } else { *from });
            }
            !at_port
        });
        self.find_trunks();
        ends
    }

    /// Forgets links between switches of which `probed` holds that were not seen since `since`, and
    /// returns their ends.
    pub(crate) fn expire_links(
        &mut self,
        since: Time,
        probed: impl Fn(DatapathId) -> bool,
    ) -> Vec<(Attachment, Attachment)> {
        let stale: Vec<_> = self
            .links
            .iter()
            .filter(|(from, link)| {
                link.seen < since && probed(from.switch) && probed(link.to.switch)
            })
            .map(|(from, link)| (*from, link.to))
            .collect();
        for (from, _) in &stale {
            self.links.remove(from);
        }
        self.find_trunks();
        stale
    }

    /// Whether a port leads to another switch. One proven direction is enough: a host must not be
    /// learned on either end of it.
    pub(crate) fn is_trunk(&self, port: Attachment) -> bool {
        self.trunks.contains(&port)
    }

    fn find_trunks(&mut self) {
        self.trunks = self.links.iter().flat_map(|(from, link)| [*from, link.to]).collect();
    }

    /// For every switch that reaches `destination`: the port of its shortest path there. Ties go
    /// to the lowest port, so that the same graph gives the same paths.
    pub(crate) fn paths_to(&self, destination: DatapathId) -> BTreeMap<DatapathId, Hop> {
        let mut hops = BTreeMap::new();
        let mut best: BTreeMap<DatapathId, (u64, u64)> = BTreeMap::new();
        let mut queue = BinaryHeap::new();
        let zero = Distance { hops: 0, delay: Some(Span::ZERO) };
        queue.push(Reverse((0, 0, destination, Attachment { switch: destination, port: 0 })));
        let mut settled: BTreeMap<DatapathId, Distance> = BTreeMap::new();
        while let Some(Reverse((delay, count, switch, via))) = queue.pop() {
            if settled.contains_key(&switch) {
                continue;
            }
            let distance = match self.links.get(&via) {
                Some(link) => settled[&link.to.switch].plus(self.link_distance(via, link.to)),
                None => zero,
            };
            settled.insert(switch, distance);
            hops.insert(switch, Hop { port: via.port, distance });
            for (from, link) in self.links.iter().filter(|(_, link)| link.to.switch == switch) {
                if !self.is_two_way(*from, link.to) || settled.contains_key(&from.switch) {
                    continue;
                }
                let step = self.link_distance(*from, link.to);
                let cost = (delay + step.delay.map_or(0, Span::as_nanos), count + step.hops);
                if best.get(&from.switch).is_none_or(|known| cost <= *known) {
                    best.insert(from.switch, cost);
                    queue.push(Reverse((cost.0, cost.1, from.switch, *from)));
                }
            }
        }
        hops.remove(&destination);
        hops
    }

    /// How far it is from a host at one port to a host at another, both access links included;
    /// `None` when no path is known.
    pub(crate) fn distance(&self, from: Attachment, to: Attachment) -> Option<Distance> {
        let access = |port| Distance { hops: 1, delay: self.delay_of(port) };
        let ends = access(from).plus(access(to));
        if from.switch == to.switch {
            return Some(ends);
        }
        let between = self.paths_to(to.switch).get(&from.switch)?.distance;
        Some(ends.plus(between))
    }

    /// The ports of a tree that reaches every switch of each connected part and has no loop, grown
    /// breadth first from the lowest datapath id.
    pub(crate) fn tree(&self) -> BTreeSet<Attachment> {
        let mut tree = BTreeSet::new();
        let mut reached = BTreeSet::new();
        for root in &self.switches {
            if !reached.insert(*root) {
                continue;
            }
            let mut frontier = std::collections::VecDeque::from([*root]);
            while let Some(switch) = frontier.pop_front() {
                let ports = Attachment { switch, port: 0 }..=Attachment { switch, port: u32::MAX };
                for (from, link) in self.links.range(ports) {
                    if self.is_two_way(*from, link.to) && reached.insert(link.to.switch) {
                        tree.extend([*from, link.to]);
                        frontier.push_back(link.to.switch);
                    }
                }
            }
        }
        tree
    }

    /// A link carries traffic only once both directions are proven.
    fn is_two_way(&self, from: Attachment, to: Attachment) -> bool {
        self.links.get(&to).is_some_and(|back| back.to == from)
    }

    fn link_distance(&self, from: Attachment, to: Attachment) -> Distance {
        let delay = self.delay_of(from).or_else(|| self.delay_of(to));
        Distance { hops: 1, delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(switch: u64, port: u32) -> Attachment {
        Attachment { switch: DatapathId(switch), port }
    }

    fn graph(links: &[[(u64, u32); 2]]) -> Topology {
        let mut topology = Topology::default();
        for [(a, ap), (b, bp)] in links {
            topology.add_switch(DatapathId(*a));
            topology.add_switch(DatapathId(*b));
            assert!(topology.link_seen(at(*a, *ap), at(*b, *bp), Time::ZERO));
            assert!(topology.link_seen(at(*b, *bp), at(*a, *ap), Time::ZERO));
        }
        topology
    }

    /// Four switches in a ring.
    fn ring() -> Topology {
        graph(&[[(1, 1), (2, 2)], [(2, 1), (3, 2)], [(3, 1), (4, 2)], [(4, 1), (1, 2)]])
    }

    #[test]
    fn paths_take_the_short_way_round() {
        let paths = ring().paths_to(DatapathId(1));
        assert_eq!(paths[&DatapathId(2)].port, 2);
        assert_eq!(paths[&DatapathId(4)].port, 1);
        assert_eq!(paths[&DatapathId(3)].distance.hops, 2);
        assert_eq!(paths[&DatapathId(3)].port, 1, "of two equal ways the one by the lower port");
    }

    #[test]
    fn delays_decide_where_they_are_known() {
        let mut topology = ring();
        let ms = Span::from_millis;
        for (port, delay) in [(at(1, 1), 50), (at(2, 1), 1), (at(3, 1), 1), (at(4, 1), 1)] {
            topology.configure_delay(port, Some(ms(delay)));
        }
        let hop = topology.paths_to(DatapathId(1))[&DatapathId(2)];
        assert_eq!((hop.port, hop.distance.hops), (1, 3), "three fast links beat a slow one");
        assert_eq!(hop.distance.delay, Some(ms(3)));
        let distance = topology.distance(at(2, 9), at(1, 9)).expect("connected");
        assert_eq!((distance.hops, distance.delay), (5, None), "no delay is set at the hosts");
    }

    #[test]
    fn a_ring_has_a_tree_without_a_loop() {
        let tree = ring().tree();
        assert_eq!(tree.len(), 6, "three links of four");
        let parallel = graph(&[[(1, 1), (2, 1)], [(1, 2), (2, 2)]]);
        assert_eq!(parallel.tree(), BTreeSet::from([at(1, 1), at(2, 1)]));
    }

    #[test]
    fn a_link_proven_one_way_carries_nothing_but_is_no_place_for_hosts() {
        let mut topology = Topology::default();
        topology.add_switch(DatapathId(1));
        topology.add_switch(DatapathId(2));
        assert!(topology.link_seen(at(1, 1), at(2, 1), Time::ZERO));
        assert!(topology.is_trunk(at(1, 1)) && topology.is_trunk(at(2, 1)));
        assert!(topology.tree().is_empty());
        assert!(topology.paths_to(DatapathId(2)).is_empty());
        assert_eq!(topology.distance(at(1, 9), at(2, 9)), None);
    }

    #[test]
    fn links_go_when_a_port_goes_or_probes_stop() {
        let mut topology = ring();
        assert_eq!(topology.port_down(at(1, 1)), BTreeSet::from([at(2, 2)]));
        assert_eq!(topology.port_down(at(1, 1)), BTreeSet::new());
        let hop = topology.paths_to(DatapathId(1))[&DatapathId(2)];
        assert_eq!(hop.distance.hops, 3, "the long way round is left");
        assert!(!topology.link_seen(at(4, 1), at(1, 2), Time::from_nanos(9)));
        assert_eq!(topology.expire_links(Time::from_nanos(5), |_| true).len(), 5);
        assert!(topology.is_trunk(at(4, 1)));
    }
}
