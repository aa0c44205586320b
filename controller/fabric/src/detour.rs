//! Ways round a link, for the time until the controller has heard that it is down.
//!
//! A switch whose link goes down turns to another port by itself (a group of type FAST FAILOVER),
//! long before anybody can tell it where to. That may not close a loop, whatever else is down. So
//! what is turned away does not go on towards its host by another way, as a loop-free alternate
//! (RFC 5286) would, but *round the link*, to its other end: as by the bypass tunnels of RFC 4090
//! (facility backup). On the way it is labelled, and labelled frames are handed on from port to
//! port by the label alone; who cannot hand one on drops it. From the other end it goes on as if it
//! had come over the link.
//!
//! This is safe by construction. The way round is a path without repetition, and nothing on it
//! turns aside again, so it ends. At its end the frame is nearer to its host than where the link
//! began, for links to hosts' switches are chosen on shortest paths alone. Each link, or way round
//! one, that a frame takes brings it nearer; so it takes none twice, with any number of links down.
//!
//! Every link on a cycle has one, so every link whose loss does not cut the network in two. Ways
//! round are taken from the fundamental cycles of a breadth-first tree: one walk over the graph and
//! one along each cycle finds all of them. A way that was chosen stays while its links live, and
//! with it the label.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Attachment, DatapathId};

/// One direction of a link: the port it leaves by and the one it arrives at.
pub(crate) type Link = (Attachment, Attachment);

/// Links on a way round at most. Who is further round waits for the controller.
const LONGEST: usize = 32;

/// What a labelled frame bears: a VLAN id. The upper half of them is the fabric's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label(u16);

impl Label {
    const FIRST: u16 = 0x800;
    /// 0xfff is reserved (IEEE 802.1Q 9.6).
    const LAST: u16 = 0xffe;

    /// The VLAN id.
    pub(crate) fn id(self) -> u16 {
        self.0
    }

    /// The one `n` after the first, round and round.
    fn nth(n: u64) -> Label {
        let count = u64::from(Label::LAST - Label::FIRST) + 1;
        Label(Label::FIRST + (n % count) as u16)
    }
}

/// The way round one direction of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detour {
    pub(crate) label: Label,
    /// From the switch that the link leaves to the one it leads to.
    pub(crate) links: Vec<Link>,
}

/// The ways round all links that have one, by the port that the link leaves by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detours {
    detours: BTreeMap<Attachment, Detour>,
    /// The links they were worked out for.
    alive: Vec<Link>,
}

impl Detours {
    /// Brings them to the links that are alive in both directions, each given once.
    pub(crate) fn update(&mut self, alive: Vec<Link>) {
        if self.alive == alive {
            return;
        }
        let both = alive.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]);
        let to: BTreeMap<Attachment, Attachment> = both.collect();
        let lives = |(from, end): &Link| to.get(from) == Some(end);
        self.detours.retain(|from, detour| {
            let led_to = detour.links.last().map(|(_, end)| end.switch);
            let leads_to = to.get(from).map(|end| end.switch);
            leads_to == led_to && leads_to.is_some() && detour.links.iter().all(lives)
        });
        // A label is told apart by the port it arrives at.
        let mut taken: BTreeSet<(Attachment, Label)> = BTreeSet::new();
        for detour in self.detours.values() {
            taken.extend(detour.links.iter().map(|(_, at)| (*at, detour.label)));
        }
        for (from, links) in ways_round(&alive) {
            if self.detours.contains_key(&from) {
                continue;
            }
            // The same link gets the same label again after a restart, unless that is taken.
            let start = from.switch.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20)
                ^ u64::from(from.port);
            let labels = (0..=u64::from(Label::LAST - Label::FIRST))
                .map(|n| Label::nth(start.wrapping_add(n)));
            let free = |label: &Label| links.iter().all(|(_, at)| !taken.contains(&(*at, *label)));
            if let Some(label) = labels.into_iter().find(free) {
                taken.extend(links.iter().map(|(_, at)| (*at, label)));
                self.detours.insert(from, Detour { label, links });
            }
        }
        self.alive = alive;
    }

    /// The way round the link that leaves by a port.
    pub(crate) fn of(&self, from: Attachment) -> Option<&Detour> {
        self.detours.get(&from)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Attachment, &Detour)> {
        self.detours.iter()
    }
}

/// A way round each direction of each link that is on a cycle, and not a longer one than the
/// shortest fundamental cycle it is on has.
fn ways_round(alive: &[Link]) -> BTreeMap<Attachment, Vec<Link>> {
    let tree = Tree::of(alive);
    let mut cycles: Vec<Vec<Link>> = Vec::new();
    // By the port a link leaves by: how many links its cycle has, which one that is, and where in
    // it.
    let mut shortest: BTreeMap<Attachment, (usize, usize, usize)> = BTreeMap::new();
    for link in alive {
        let Some(cycle) = tree.closed_by(*link).filter(|cycle| cycle.len() <= LONGEST + 1) else {
            continue;
        };
        let number = cycles.len();
        for (place, (from, to)) in cycle.iter().enumerate() {
            for end in [from, to] {
                let found = (cycle.len(), number, place);
                let known = shortest.entry(*end).or_insert(found);
                *known = found.min(*known);
            }
        }
        cycles.push(cycle);
    }
    let round = |(from, (len, number, place)): (Attachment, (usize, usize, usize))| {
        let cycle = &cycles[number];
        let links: Vec<Link> = if cycle[place].0 == from {
            // Against the direction of the cycle, from the link before it to the one after.
            (1..len).map(|n| cycle[(place + len - n) % len]).map(|(a, b)| (b, a)).collect()
        } else {
            (1..len).map(|n| cycle[(place + n) % len]).collect()
        };
        (from, links)
    };
    shortest.into_iter().map(round).collect()
}

/// A breadth-first forest over the switches.
struct Tree {
    /// For every switch but a root: the link up, and how deep it is.
    up: BTreeMap<DatapathId, (Link, usize)>,
}

impl Tree {
    fn of(alive: &[Link]) -> Tree {
        let mut links: BTreeMap<DatapathId, Vec<Link>> = BTreeMap::new();
        for (a, b) in alive.iter().filter(|(a, b)| a.switch != b.switch) {
            links.entry(a.switch).or_default().push((*a, *b));
            links.entry(b.switch).or_default().push((*b, *a));
        }
        let mut up = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for root in links.keys() {
            if !seen.insert(*root) {
                continue;
            }
            let mut queue = VecDeque::from([(*root, 0)]);
            while let Some((switch, depth)) = queue.pop_front() {
                for (from, to) in &links[&switch] {
                    if seen.insert(to.switch) {
                        up.insert(to.switch, ((*to, *from), depth + 1));
                        queue.push_back((to.switch, depth + 1));
                    }
                }
            }
        }
        Tree { up }
    }

    /// The cycle that a link closes with the tree, all links in one direction; none if it is of the
    /// tree.
    fn closed_by(&self, (a, b): Link) -> Option<Vec<Link>> {
        let is_up = |at: Attachment, to: Attachment| {
            self.up.get(&at.switch).is_some_and(|(link, _)| *link == (at, to))
        };
        if a.switch == b.switch || is_up(a, b) || is_up(b, a) {
            return None;
        }
        let depth = |switch| self.up.get(&switch).map_or(0, |(_, depth)| *depth);
        let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
        let (mut here, mut there) = (a.switch, b.switch);
        while here != there {
            let deeper_is_a = depth(here) >= depth(there);
            let (at, steps) =
                if deeper_is_a { (&mut here, &mut from_a) } else { (&mut there, &mut from_b) };
            let (link, _) = self.up.get(at)?;
            steps.push(*link);
            *at = link.1.switch;
        }
        // From a up, down to b, and back by the link itself.
        from_a.extend(from_b.into_iter().rev().map(|(low, high)| (high, low)));
        from_a.push((b, a));
        Some(from_a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(switch: u64, port: u32) -> Attachment {
        Attachment { switch: DatapathId(switch), port }
    }

    /// Links between these switches, each by ports of its own.
    fn links(pairs: &[(u64, u64)]) -> Vec<Link> {
        let link = |(n, (a, b)): (u32, &(u64, u64))| (at(*a, 2 * n + 1), at(*b, 2 * n + 2));
        (0..).zip(pairs).map(link).collect()
    }

    /// Whether two switches are connected without a link.
    fn connected(alive: &[Link], without: usize) -> bool {
        let (from, to) = (alive[without].0.switch, alive[without].1.switch);
        let mut reached = BTreeSet::from([from]);
        loop {
            let before = reached.len();
            for (_, (a, b)) in alive.iter().enumerate().filter(|(n, _)| *n != without) {
                if reached.contains(&a.switch) || reached.contains(&b.switch) {
                    reached.extend([a.switch, b.switch]);
                }
            }
            if reached.len() == before {
                return reached.contains(&to);
            }
        }
    }

    #[test]
    fn in_a_ring_the_way_round_is_all_the_rest() {
        let ring: Vec<_> = (1..=6).map(|n| (n, n % 6 + 1)).collect();
        let mut detours = Detours::default();
        detours.update(links(&ring));
        assert_eq!(detours.iter().count(), 12);
        for (_, detour) in detours.iter() {
            assert_eq!(detour.links.len(), 5);
        }
        let (first, detour) = detours.iter().next().expect("the first");
        assert_eq!(*first, at(1, 1), "the one to 2");
        let by: Vec<_> = detour.links.iter().map(|(_, to)| to.switch.0).collect();
        assert_eq!(by, [6, 5, 4, 3, 2]);
    }

    #[test]
    fn a_tree_has_none_and_parallel_links_have_each_other() {
        let mut detours = Detours::default();
        detours.update(links(&[(1, 2), (1, 3), (3, 4)]));
        assert_eq!(detours.iter().count(), 0);
        detours.update(links(&[(1, 2), (1, 3), (3, 4), (3, 4), (5, 5)]));
        let ways: Vec<_> =
            detours.iter().map(|(from, detour)| (*from, detour.links.len())).collect();
        assert_eq!(ways, [(at(3, 5), 1), (at(3, 7), 1), (at(4, 6), 1), (at(4, 8), 1)]);
    }

    #[test]
    fn a_ring_too_long_to_go_round_has_none() {
        let ring: Vec<_> = (1..=34).map(|n| (n, n % 34 + 1)).collect();
        let mut detours = Detours::default();
        detours.update(links(&ring));
        assert_eq!(detours.iter().count(), 0);
        let ring: Vec<_> = (1..=33).map(|n| (n, n % 33 + 1)).collect();
        detours.update(links(&ring));
        assert_eq!(detours.iter().count(), 66);
    }

    proptest! {
        #[test]
        fn every_link_that_can_be_gone_round_is_and_by_a_path_that_others_leave_in_place(
            pairs in proptest::collection::vec((0..8u64, 0..8u64), 0..24),
            up in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 24), 1..6),
        ) {
            let all = links(&pairs);
            let mut detours = Detours::default();
            for up in up {
                let alive: Vec<_> =
                    all.iter().zip(up).filter(|(_, up)| *up).map(|(link, _)| *link).collect();
                let before = detours.detours.clone();
                detours.update(alive.clone());
                let to: BTreeMap<_, _> = alive.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
                for (n, (a, b)) in alive.iter().enumerate().filter(|(_, (a, b))| a.switch != b.switch) {
                    for (from, end) in [(a, b), (b, a)] {
                        prop_assert_eq!(detours.of(*from).is_some(), connected(&alive, n));
                        let Some(detour) = detours.of(*from) else { continue };
                        let mut here = from.switch;
                        let mut been = BTreeSet::from([here]);
                        for (out, into) in &detour.links {
                            prop_assert!(out != from && out != end, "not by the link itself");
                            prop_assert_eq!(out.switch, here);
                            prop_assert_eq!(to.get(out), Some(into));
                            here = into.switch;
                            prop_assert!(been.insert(here), "nowhere twice");
                        }
                        prop_assert_eq!(here, end.switch);
                    }
                }
                let mut labels = BTreeSet::new();
                for detour in detours.detours.values() {
                    for (_, into) in &detour.links {
                        prop_assert!(labels.insert((*into, detour.label)), "told apart everywhere");
                    }
                }
                for (from, detour) in before {
                    let lives = |link: &Link| to.get(&link.0) == Some(&link.1);
                    if to.contains_key(&from) && detour.links.iter().all(lives) {
                        prop_assert_eq!(detours.of(from), Some(&detour), "moved for nothing");
                    }
                }
            }
        }
    }
}
