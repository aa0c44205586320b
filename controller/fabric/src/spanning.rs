//! The tree that broadcasts take.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Attachment, DatapathId};

/// A forest that reaches every switch of each connected part of any graph, and has no loop.
///
/// It is never torn down: links of it that are alive stay, and others join only where they connect
/// what is apart. So whatever subset of a change has reached the switches, the links open to
/// broadcasts are a subset of one tree, and no order of messages to different switches can close a
/// loop, even for a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spanning {
    links: BTreeSet<(Attachment, Attachment)>,
    /// Both ends of them.
    ports: BTreeSet<Attachment>,
}

impl Spanning {
    /// Brings the forest to the links that are alive, each given once, the ones to be preferred
    /// first.
    pub(crate) fn update(&mut self, alive: &[(Attachment, Attachment)]) {
        let mut parts = Parts::default();
        let living: BTreeSet<_> = alive.iter().collect();
        self.links.retain(|link| living.contains(link));
        for (a, b) in &self.links {
            parts.join(a.switch, b.switch);
        }
        for (a, b) in alive {
            if parts.join(a.switch, b.switch) {
                self.links.insert((*a, *b));
            }
        }
        self.ports = self.links.iter().flat_map(|(a, b)| [*a, *b]).collect();
    }

    /// Both ends of its links.
    pub(crate) fn ports(&self) -> &BTreeSet<Attachment> {
        &self.ports
    }
}

/// Switches that are connected, as disjoint sets.
#[derive(Default)]
struct Parts {
    parent: BTreeMap<DatapathId, DatapathId>,
}

impl Parts {
    fn root(&mut self, of: DatapathId) -> DatapathId {
        let mut root = of;
        while let Some(parent) = self.parent.get(&root) {
            root = *parent;
        }
        // Whoever was passed on the way points straight there from now on.
        let mut passed = of;
        while let Some(parent) = self.parent.insert(passed, root).filter(|_| passed != root) {
            passed = parent;
        }
        self.parent.remove(&root);
        root
    }

    /// Connects two; `false` if they were.
    fn join(&mut self, a: DatapathId, b: DatapathId) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return false;
        }
        self.parent.insert(a.max(b), a.min(b));
        true
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
    fn links(pairs: &[(u64, u64)]) -> Vec<(Attachment, Attachment)> {
        let link = |(n, (a, b)): (u32, &(u64, u64))| (at(*a, 2 * n), at(*b, 2 * n + 1));
        (0..).zip(pairs).map(link).collect()
    }

    #[test]
    fn parallel_links_and_links_to_oneself_carry_no_broadcast_twice() {
        let mut tree = Spanning::default();
        tree.update(&links(&[(1, 2), (1, 2), (2, 2)]));
        assert_eq!(*tree.ports(), BTreeSet::from([at(1, 0), at(2, 1)]));
    }

    #[test]
    fn the_long_path_of_a_chain_of_joins_is_followed() {
        let mut tree = Spanning::default();
        let pairs: Vec<_> = (1..200).rev().map(|n| (n, n + 1)).chain([(1, 200)]).collect();
        tree.update(&links(&pairs));
        assert_eq!(tree.ports().len(), 2 * 199, "all but the one that closes the ring");
    }

    /// The parts that links connect, by brute force.
    fn connected(links: &BTreeSet<(Attachment, Attachment)>, switches: u64) -> Vec<BTreeSet<u64>> {
        let mut parts: Vec<BTreeSet<u64>> = (0..switches).map(|s| BTreeSet::from([s])).collect();
        for (a, b) in links {
            let of = |s: DatapathId| move |part: &BTreeSet<u64>| part.contains(&s.0);
            let first = parts.iter().position(of(a.switch)).expect("in one");
            let mut part = parts.swap_remove(first);
            if let Some(second) = parts.iter().position(of(b.switch)) {
                part.extend(parts.swap_remove(second));
            }
            parts.push(part);
        }
        parts.sort();
        parts
    }

    proptest! {
        #[test]
        fn any_history_of_links_leaves_a_forest_that_reaches_all_and_keeps_what_lives(
            pairs in proptest::collection::vec((0..9u64, 0..9u64), 0..40),
            up in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 40), 1..8),
        ) {
            let all = links(&pairs);
            let mut tree = Spanning::default();
            for up in up {
                let alive: Vec<_> =
                    all.iter().zip(up).filter(|(_, up)| *up).map(|(link, _)| *link).collect();
                let before = tree.links.clone();
                tree.update(&alive);
                let alive: BTreeSet<_> = alive.into_iter().collect();
                prop_assert!(tree.links.is_subset(&alive));
                prop_assert!(before.intersection(&alive).all(|link| tree.links.contains(link)));
                let parts = connected(&alive, 9);
                prop_assert_eq!(&connected(&tree.links, 9), &parts, "it reaches what can be reached");
                prop_assert_eq!(tree.links.len(), 9 - parts.len(), "and has no link too many");
            }
        }
    }
}
