//! The tree that a stream's chunks take through the switches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::topology::{Upstreams, heaviest};
use crate::{Attachment, DatapathId};

/// One tree, from the broadcaster's switch to every switch with a viewer: each link of it carries
/// each chunk once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// What chunks are tagged with between the switches of this tree, and of no other.
    pub(crate) tag: Tag,
    pub(crate) branches: BTreeMap<DatapathId, Branch>,
}

/// The number of a tree, 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32")]
pub(crate) struct Tag(u32);

impl From<u32> for Tag {
    fn from(number: u32) -> Tag {
        Tag::new(number)
    }
}

/// A switch in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Branch {
    /// The port by which chunks come; none at the broadcaster's switch.
    pub(crate) from: Option<u32>,
    /// The ports by which they go on to other switches.
    pub(crate) to: BTreeSet<u32>,
}

/// Switches and the links between them, whatever the tag.
pub(crate) type Branches = BTreeMap<DatapathId, Branch>;

/// The branches from `root` to each of `leaves` that can be reached, by a shortest way to every
/// one.
///
/// What `before` had and still is a shortest way stays, so that no viewer's chunks are moved
/// because another came. Of equal ways the others take the one that needs the fewest links more
/// (Takahashi and Matsuyama 1980, held to shortest paths), and of those the one that weighs most
/// for this stream.
pub(crate) fn grow(
    upstreams: &Upstreams,
    root: DatapathId,
    leaves: &BTreeSet<DatapathId>,
    stream: &[u8],
    before: &Branches,
) -> Branches {
    let mut branches = BTreeMap::from([(root, Branch::default())]);
    for leaf in leaves {
        if let Some(path) = path_before(upstreams, root, *leaf, before) {
            path.into_iter().for_each(|link| add(&mut branches, link));
        }
    }
    for leaf in leaves {
        let path = path_to(upstreams, &branches, *leaf, stream);
        path.into_iter().for_each(|link| add(&mut branches, link));
    }
    branches
}

/// A link between two switches, in the direction of the chunks.
type Link = (Attachment, Attachment);

fn add(branches: &mut Branches, (from, to): Link) {
    branches.entry(from.switch).or_default().to.insert(from.port);
    branches.entry(to.switch).or_default().from = Some(to.port);
}

/// The links by which a leaf was reached, if each still is on a shortest way.
fn path_before(
    upstreams: &Upstreams,
    root: DatapathId,
    leaf: DatapathId,
    before: &Branches,
) -> Option<Vec<Link>> {
    let mut links = Vec::new();
    let mut switch = leaf;
    while switch != root {
        let port = before.get(&switch)?.from?;
        let link = upstreams.get(&switch)?.iter().find(|(_, to)| to.port == port)?;
        let above = before.get(&link.0.switch)?;
        if !above.to.contains(&link.0.port) {
            return None;
        }
        links.push(*link);
        switch = link.0.switch;
    }
    Some(links)
}

/// The fewest links, all on shortest ways, from switches that have branches to a leaf; none if it
/// has one itself or cannot be reached.
fn path_to(
    upstreams: &Upstreams,
    branches: &Branches,
    leaf: DatapathId,
    stream: &[u8],
) -> Vec<Link> {
    // Upwards, layer by layer; for each switch, the link that led up to it.
    let mut below: BTreeMap<DatapathId, Link> = BTreeMap::new();
    let mut queue = VecDeque::from([leaf]);
    while let Some(mut switch) = queue.pop_front() {
        if branches.contains_key(&switch) {
            let mut links = Vec::new();
            while let Some(link) = below.get(&switch).filter(|_| switch != leaf) {
                links.push(*link);
                switch = link.1.switch;
            }
            return links;
        }
        let mut above = upstreams.get(&switch).cloned().unwrap_or_default();
        while let Some(link) = heaviest(&above, stream, name_of) {
            above.retain(|other| *other != link);
            if link.0.switch != leaf && !below.contains_key(&link.0.switch) {
                below.insert(link.0.switch, link);
                queue.push_back(link.0.switch);
            }
        }
    }
    Vec::new()
}

/// By the upper switch and then its port, so switches with the same choice above them choose alike.
fn name_of((from, _): &Link) -> [[u8; 8]; 2] {
    [from.switch.0.to_be_bytes(), u64::from(from.port).to_be_bytes()]
}

impl Tag {
    const BITS: u32 = 0x00ff_ffff;

    pub(crate) fn new(number: u32) -> Tag {
        Tag(number & Tag::BITS)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Gives out tags, each to one tree at a time.
///
/// Like virtual addresses, a tag is not given out again soon after it came back: a chunk of an old
/// tree that is still under way must not be taken for one of a new.
#[derive(Debug, Clone)]
pub(crate) struct Tags {
    taken: BTreeSet<Tag>,
    cursor: u32,
}

impl Tags {
    /// The first tag follows from `start`, which should differ from run to run.
    pub(crate) fn new(start: u32) -> Tags {
        Tags { taken: BTreeSet::new(), cursor: start }
    }

    pub(crate) fn allocate(&mut self) -> Option<Tag> {
        if self.taken.len() > Tag::BITS as usize / 2 {
            return None;
        }
        loop {
            self.cursor = self.cursor.wrapping_add(1);
            let tag = Tag::new(self.cursor);
            if self.taken.insert(tag) {
                return Some(tag);
            }
        }
    }

    /// Marks a tag that was found on a switch, or told, as taken; `false` if it already was.
    pub(crate) fn reserve(&mut self, tag: Tag) -> bool {
        self.taken.insert(tag)
    }

    pub(crate) fn release(&mut self, tag: Tag) {
        self.taken.remove(&tag);
    }
}

impl Tree {
    /// The switches that chunks are handed on to, which is all but the broadcaster's.
    pub(crate) fn interior(&self) -> impl Iterator<Item = DatapathId> {
        self.branches.iter().filter(|(_, branch)| branch.from.is_some()).map(|(switch, _)| *switch)
    }

    /// The ports by which chunks leave one switch for another: one for each link.
    pub(crate) fn links(&self) -> Vec<Attachment> {
        let ports = |(switch, branch): (&DatapathId, &Branch)| {
            let switch = *switch;
            let at = move |port: &u32| Attachment { switch, port: *port };
            branch.to.iter().map(at).collect::<Vec<_>>()
        };
        self.branches.iter().flat_map(ports).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;
    use nearcast_machine::Time;
    use proptest::prelude::*;

    fn at(switch: u64, port: u32) -> Attachment {
        Attachment { switch: DatapathId(switch), port }
    }

    type End = (u64, u32);

    fn graph(links: &[(End, End)]) -> Topology {
        let mut topology = Topology::default();
        for ((a, ap), (b, bp)) in links {
            topology.link_seen(at(*a, *ap), at(*b, *bp), Time::ZERO);
            topology.link_seen(at(*b, *bp), at(*a, *ap), Time::ZERO);
        }
        topology
    }

    fn grown(topology: &Topology, root: u64, leaves: &[u64], stream: &[u8]) -> Branches {
        let leaves = leaves.iter().map(|leaf| DatapathId(*leaf)).collect();
        let upstreams = topology.paths_from(DatapathId(root), |_| true);
        grow(&upstreams, DatapathId(root), &leaves, stream, &Branches::new())
    }

    #[test]
    fn paths_that_part_share_what_they_have_in_common() {
        // 1 - 2 - 3, and 2 - 4 - 5.
        let topology =
            graph(&[((1, 1), (2, 1)), ((2, 2), (3, 1)), ((2, 3), (4, 1)), ((4, 2), (5, 1))]);
        let branches = grown(&topology, 1, &[3, 5], b"x");
        let shape: Vec<_> = branches
            .iter()
            .map(|(switch, branch)| (switch.0, branch.from, branch.to.iter().copied().collect()))
            .collect();
        let expected: [(u64, Option<u32>, Vec<u32>); 5] = [
            (1, None, vec![1]),
            (2, Some(1), vec![2, 3]),
            (3, Some(1), vec![]),
            (4, Some(1), vec![2]),
            (5, Some(1), vec![]),
        ];
        assert_eq!(shape, expected);
        assert_eq!(grown(&topology, 1, &[], b"x").len(), 1, "a switch by itself");
        assert_eq!(grown(&topology, 1, &[99], b"x").len(), 1, "what cannot be reached is not");
    }

    #[test]
    fn switches_with_the_same_choice_choose_alike() {
        // 1 above 2 and 3, each of which is above 4, 5 and 6.
        let mut links = vec![((1, 1), (2, 1)), ((1, 2), (3, 1))];
        for leaf in 4..7 {
            links.extend([((2, leaf as u32), (leaf, 1)), ((3, leaf as u32), (leaf, 2))]);
        }
        let topology = graph(&links);
        let mut ways = BTreeSet::new();
        for stream in 0..20u8 {
            let branches = grown(&topology, 1, &[4, 5, 6], &[stream]);
            assert_eq!(branches.len(), 5, "one switch in the middle is enough: {branches:?}");
            ways.insert(branches[&DatapathId(1)].to.clone());
        }
        assert_eq!(ways.len(), 2, "but streams are shared out");
    }

    #[test]
    fn who_comes_later_moves_nobody() {
        // Three switches, each of which is below 1 and above 5, and so is 2 for 6.
        let topology = graph(&[
            ((1, 1), (2, 1)),
            ((1, 2), (3, 1)),
            ((1, 3), (4, 1)),
            ((2, 2), (5, 1)),
            ((3, 2), (5, 2)),
            ((4, 2), (5, 3)),
            ((2, 3), (6, 1)),
        ]);
        let upstreams = topology.paths_from(DatapathId(1), |_| true);
        for stream in 0..20u8 {
            let both = [5, 6].map(DatapathId).into();
            let alone = grown(&topology, 1, &[5], &[stream]);
            let later = grow(&upstreams, DatapathId(1), &both, &[stream], &alone);
            assert_eq!(later[&DatapathId(5)], alone[&DatapathId(5)]);
            let together = grown(&topology, 1, &[6, 5], &[stream]);
            assert!(together.len() <= later.len());
            // Once its way is no longer a shortest one it is left.
            let mut detour = alone.clone();
            detour.insert(DatapathId(5), Branch { from: Some(9), to: BTreeSet::new() });
            assert_eq!(grow(&upstreams, DatapathId(1), &both, &[stream], &detour), together);
        }
    }

    #[test]
    fn tags_are_given_out_once_and_come_round() {
        let mut tags = Tags::new(u32::MAX - 1);
        tags.reserve(Tag::new(1));
        let first = tags.allocate().expect("free");
        assert_eq!([first, tags.allocate().expect("free")], [Tag::new(u32::MAX), Tag::new(0)]);
        tags.release(first);
        assert_eq!(
            tags.allocate(),
            Some(Tag::new(2)),
            "1 is taken, and the first came back just now"
        );
    }

    proptest! {
        #[test]
        fn any_graph_gives_a_tree_to_all_that_can_be_reached(
            pairs in proptest::collection::vec((0..12u64, 0..12u64), 1..50),
            leaves in proptest::collection::btree_set(0..12u64, 0..12),
            stream in any::<u64>(),
        ) {
            let ends = |(n, (a, b)): (u32, &(u64, u64))| ((*a, 2 * n), (*b, 2 * n + 1));
            let links: Vec<_> = (0..).zip(&pairs).map(ends).collect();
            let topology = graph(&links);
            let leaves: Vec<_> = leaves.into_iter().collect();
            let branches = grown(&topology, 0, &leaves, &stream.to_be_bytes());
            let cost = |to: u64| topology.between(DatapathId(0), DatapathId(to));
            for leaf in leaves.iter().filter(|leaf| **leaf != 0) {
                prop_assert_eq!(branches.contains_key(&DatapathId(*leaf)), cost(*leaf).is_some());
            }
            // Walked from the root by its ports, every switch is entered once, by the port it says,
            // and as soon as on the shortest path.
            let mut entered = BTreeMap::from([(DatapathId(0), 0)]);
            let mut walk = vec![DatapathId(0)];
            while let Some(switch) = walk.pop() {
                for port in &branches[&switch].to {
                    let to = topology.other_end(Attachment { switch, port: *port }).expect("a link");
                    let depth = entered[&switch] + 1;
                    prop_assert_eq!(entered.insert(to.switch, depth), None, "a loop");
                    prop_assert_eq!(branches[&to.switch].from, Some(to.port));
                    prop_assert_eq!(cost(to.switch.0).map(|d| d.hops), Some(depth));
                    walk.push(to.switch);
                }
            }
            prop_assert_eq!(entered.len(), branches.len());
        }
    }
}
