//! Switches and the links between them: shortest paths and a tree without loops.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use nearcast_machine::{Span, Time};

use crate::delay::Estimate;
use crate::spanning::Spanning;

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

impl std::str::FromStr for DatapathId {
    type Err = String;

    fn from_str(text: &str) -> Result<DatapathId, String> {
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        number.map(DatapathId).ok_or_else(|| {
            format!("`{text}` is not a datapath id of 16 hex digits, such as 0000000000000001")
        })
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

impl Attachment {
    /// Every port that a switch could have.
    pub(crate) fn all_of(switch: DatapathId) -> std::ops::RangeInclusive<Attachment> {
        Attachment { switch, port: 0 }..=Attachment { switch, port: u32::MAX }
    }
}

impl std::fmt::Display for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

impl std::str::FromStr for Attachment {
    type Err = String;

    fn from_str(text: &str) -> Result<Attachment, String> {
        let wrong = || format!("`{text}` is not a port such as 0000000000000001:3");
        let (switch, port) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Attachment { switch: switch.parse()?, port: port.parse().map_err(|_| wrong())? })
    }
}

/// What passing one more switch counts as, in delay: it decides where delays are equal, and where
/// none of them is worth mentioning.
const HOP: Span = Span::from_micros(100);

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Distance {
    pub(crate) hops: u64,
    /// `None` as soon as one link on the way has no delay that is known.
    pub(crate) delay: Option<Span>,
}

impl Distance {
    const NONE: Distance = Distance { hops: 0, delay: Some(Span::ZERO) };

    pub(crate) fn plus(self, other: Distance) -> Distance {
        let delay = self.delay.zip(other.delay).map(|(a, b)| a + b);
        Distance { hops: self.hops + other.hops, delay }
    }

    /// What this distance costs; `None` if a delay is missing.
    pub(crate) fn cost(self) -> Option<Span> {
        self.delay.map(|delay| delay + HOP * self.hops)
    }
}

#[derive(Debug, Clone)]
struct Link {
    to: Attachment,
    seen: Time,
    delay: Estimate,
}

/// The graph of switches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    /// Directed: an LLDP frame proves one direction.
    links: BTreeMap<Attachment, Link>,
    /// Configured one-way delays of ports, which go before measured ones.
    delays: BTreeMap<Attachment, Span>,
    /// Both ends of every link.
    trunks: BTreeSet<Attachment>,
    /// The other ends of proven links, by the switch they lead to.
    into: BTreeMap<DatapathId, Vec<Attachment>>,
    tree: Spanning,
    /// Switches with a port that began or ceased to lead to another switch, or to be of the tree.
    touched: BTreeSet<DatapathId>,
    /// Paths worked out since the graph last changed.
    known: RefCell<BTreeMap<DatapathId, Arc<Paths>>>,
}

/// Destinations whose paths are remembered.
const KNOWN: usize = 512;

/// The way on towards a destination switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// How far it still is.
    pub(crate) distance: Distance,
    /// What that costs.
    pub(crate) cost: Span,
    /// The ports by which it is that far: one, or several equal ones, ascending.
    pub(crate) ports: Vec<u32>,
}

/// For every switch that reaches a destination, the way on.
pub(crate) type Paths = BTreeMap<DatapathId, Hop>;

/// For every switch that can be reached from one: the links by which it is nearest, as the port
/// they leave by and the one they arrive at.
pub(crate) type Upstreams = BTreeMap<DatapathId, Vec<(Attachment, Attachment)>>;

/// Chooses among equal candidates for the traffic called `salt`: always the same one, and another
/// one only if that is gone (highest random weight: Thaler and Ravishankar 1998).
pub(crate) fn heaviest<T: Copy, const N: usize>(
    candidates: &[T],
    salt: &[u8],
    name: impl Fn(&T) -> [[u8; 8]; N],
) -> Option<T> {
    // The parts of a name weigh one after the other, so candidates with a part in common go
    // together.
    let weight = |candidate: &T| {
        name(candidate).map(|part| {
            let mut hasher = blake3::Hasher::new();
            *hasher.update(&part).update(salt).finalize().as_bytes()
        })
    };
    match candidates {
        [] => None,
        [only] => Some(*only),
        several => several.iter().copied().max_by_key(|candidate| weight(candidate)),
    }
}

/// Chooses the port by which a switch sends the traffic called `salt` on.
pub(crate) fn choose(ports: &[u32], salt: &[u8], at: DatapathId) -> Option<u32> {
    heaviest(ports, salt, |port| [(at.0 ^ u64::from(*port) << 32).to_be_bytes()])
}

impl Topology {
    /// The configured delay of a port.
    pub(crate) fn delay_of(&self, port: Attachment) -> Option<Span> {
        self.delays.get(&port).copied()
    }

    pub(crate) fn configure_delay(&mut self, port: Attachment, delay: Option<Span>) {
        match delay {
            Some(delay) => self.delays.insert(port, delay),
            None => self.delays.remove(&port),
        };
        self.known.get_mut().clear();
    }

    /// Notes that a probe sent out of `from` arrived at `to`; `true` if that changed the graph.
    pub(crate) fn link_seen(&mut self, from: Attachment, to: Attachment, now: Time) -> bool {
        if let Some(link) = self.links.get_mut(&from).filter(|link| link.to == to) {
            link.seen = now;
            return false;
        }
        self.links.insert(from, Link { to, seen: now, delay: Estimate::default() });
        self.changed();
        true
    }

    /// Notes how long a probe took from `from` to the other end; the delay that counts from now on
    /// if that changed.
    pub(crate) fn measured(&mut self, from: Attachment, delay: Span) -> Option<Span> {
        let link = self.links.get_mut(&from)?;
        if !link.delay.sample(delay) {
            return None;
        }
        self.known.get_mut().clear();
        let to = link.to;
        let configured = self.delays.contains_key(&from) || self.delays.contains_key(&to);
        self.link_delay(from, to).filter(|_| !configured)
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
        if !ends.is_empty() {
            self.changed();
        }
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
        if !stale.is_empty() {
            self.changed();
        }
        stale
    }

    /// Whether a port leads to another switch. One proven direction is enough: a host must not be
    /// learned on either end of it.
    pub(crate) fn is_trunk(&self, port: Attachment) -> bool {
        self.trunks.contains(&port)
    }

    /// The ports of a switch that lead to others.
    pub(crate) fn trunks_of(&self, switch: DatapathId) -> impl Iterator<Item = Attachment> {
        self.trunks.range(Attachment::all_of(switch)).copied()
    }

    /// Where a port leads, if a link is proven both ways.
    pub(crate) fn other_end(&self, port: Attachment) -> Option<Attachment> {
        let to = self.links.get(&port)?.to;
        self.is_two_way(port, to).then_some(to)
    }

    /// The links that carry frames, each once.
    pub(crate) fn alive(&self) -> Vec<(Attachment, Attachment)> {
        let links = self.links.iter().map(|(from, link)| (*from, link.to));
        links.filter(|(from, to)| from < to && self.is_two_way(*from, *to)).collect()
    }

    /// Every direction of a link that is proven, with its delay in use.
    pub(crate) fn links(&self) -> impl Iterator<Item = (Attachment, Attachment, Option<Span>)> {
        self.links.iter().map(|(from, link)| (*from, link.to, self.link_delay(*from, link.to)))
    }

    /// For every switch that reaches `destination`: how far it is and by which ports (Dijkstra
    /// 1959, from the destination backwards). Every step on the way costs something, so a path made
    /// of any of the ports at each switch ends there.
    pub(crate) fn paths_to(&self, destination: DatapathId) -> Arc<Paths> {
        let mut known = self.known.borrow_mut();
        if let Some(paths) = known.get(&destination) {
            return Arc::clone(paths);
        }
        if known.len() == KNOWN {
            known.pop_first();
        }
        let paths = Arc::new(self.find_paths_to(destination));
        known.insert(destination, Arc::clone(&paths));
        paths
    }

    fn find_paths_to(&self, destination: DatapathId) -> Paths {
        let mut found: Paths = BTreeMap::new();
        let mut settled = BTreeSet::new();
        let mut queue = BinaryHeap::from([Reverse((Span::ZERO, destination))]);
        let here = Hop { distance: Distance::NONE, cost: Span::ZERO, ports: Vec::new() };
        found.insert(destination, here);
        while let Some(Reverse((cost, switch))) = queue.pop() {
            if !settled.insert(switch) {
                continue;
            }
            let distance = found[&switch].distance;
            for from in self.into.get(&switch).into_iter().flatten() {
                let Some(link) = self.links.get(from) else { continue };
                let delay = self.link_delay(*from, link.to);
                let cost = cost + delay.unwrap_or(Span::ZERO) + HOP;
                match found.get_mut(&from.switch) {
                    Some(known) if known.cost < cost => {}
                    Some(known) if known.cost == cost => known.ports.push(from.port),
                    _ => {
                        let distance = distance.plus(Distance { hops: 1, delay });
                        let hop = Hop { distance, cost, ports: vec![from.port] };
                        found.insert(from.switch, hop);
                        queue.push(Reverse((cost, from.switch)));
                    }
                }
            }
        }
        found.remove(&destination);
        for hop in found.values_mut() {
            hop.ports.sort_unstable();
        }
        found
    }

    /// For every switch that `root` reaches over switches that are `usable`, the links by which the
    /// shortest ways there arrive.
    pub(crate) fn paths_from(
        &self,
        root: DatapathId,
        usable: impl Fn(DatapathId) -> bool,
    ) -> Upstreams {
        let mut found: BTreeMap<DatapathId, (Span, Vec<(Attachment, Attachment)>)> =
            BTreeMap::from([(root, (Span::ZERO, Vec::new()))]);
        let mut settled = BTreeSet::new();
        let mut queue = BinaryHeap::from([Reverse((Span::ZERO, root))]);
        while let Some(Reverse((cost, switch))) = queue.pop() {
            if !settled.insert(switch) {
                continue;
            }
            for (from, link) in self.links.range(Attachment::all_of(switch)) {
                let to = link.to;
                if !self.is_two_way(*from, to) || !usable(to.switch) {
                    continue;
                }
                let delay = self.link_delay(*from, to).unwrap_or(Span::ZERO);
                let cost = cost + delay + HOP;
                match found.get_mut(&to.switch) {
                    Some((known, _)) if *known < cost => {}
                    Some((known, links)) if *known == cost => links.push((*from, to)),
                    _ => {
                        found.insert(to.switch, (cost, vec![(*from, to)]));
                        queue.push(Reverse((cost, to.switch)));
                    }
                }
            }
        }
        found.remove(&root);
        found.into_iter().map(|(switch, (_, links))| (switch, links)).collect()
    }

    /// How far it is from one switch to another; `None` when no path is known.
    pub(crate) fn between(&self, from: DatapathId, to: DatapathId) -> Option<Distance> {
        if from == to {
            return Some(Distance::NONE);
        }
        self.paths_to(to).get(&from).map(|hop| hop.distance)
    }

    /// How far it is from a host at one port to a host at another, both access links included;
    /// `None` when no path is known.
    pub(crate) fn distance(&self, from: Attachment, to: Attachment) -> Option<Distance> {
        let access = |port| Distance { hops: 1, delay: self.delay_of(port) };
        let between = self.between(from.switch, to.switch)?;
        Some(access(from).plus(between).plus(access(to)))
    }

    /// The ports of a tree that reaches every switch of each connected part and has no loop.
    pub(crate) fn tree(&self) -> &BTreeSet<Attachment> {
        self.tree.ports()
    }

    /// The switches whose part in broadcasts may have changed since this was last asked.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<DatapathId> {
        std::mem::take(&mut self.touched)
    }

    fn changed(&mut self) {
        self.known.get_mut().clear();
        let trunks = self.links.iter().flat_map(|(from, link)| [*from, link.to]).collect();
        let trunks_before = std::mem::replace(&mut self.trunks, trunks);
        let tree_before = self.tree.ports().clone();
        self.into = BTreeMap::new();
        for (from, link) in &self.links {
            if self.is_two_way(*from, link.to) {
                self.into.entry(link.to.switch).or_default().push(*from);
            }
        }
        self.tree.update(&self.alive());
        let trunks = self.trunks.symmetric_difference(&trunks_before);
        let tree = self.tree.ports().symmetric_difference(&tree_before);
        self.touched.extend(trunks.chain(tree).map(|port| port.switch));
    }

    /// A link carries traffic only once both directions are proven.
    fn is_two_way(&self, from: Attachment, to: Attachment) -> bool {
        self.links.get(&to).is_some_and(|back| back.to == from)
    }

    fn link_delay(&self, from: Attachment, to: Attachment) -> Option<Span> {
        let configured = self.delay_of(from).or_else(|| self.delay_of(to));
        let measured = |end: Attachment| self.links.get(&end)?.delay.delay();
        configured.or_else(|| measured(from)).or_else(|| measured(to))
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
