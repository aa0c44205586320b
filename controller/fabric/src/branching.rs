//! Bringing a stream's chunks to every switch with a viewer.
//!
//! Chunks between switches carry the tag of a tree in their destination MAC address, set by the
//! broadcaster's switch and understood by the switches of that tree alone. A tree is replaced in
//! two steps (per-packet consistent updates: Reitblatt et al., SIGCOMM 2012): the new one is laid
//! beside the old, under a tag that nobody sends yet; once every switch in it has confirmed, one
//! change of the group at the broadcaster's switch sends chunks that way instead. Each chunk so
//! goes by one whole tree or the other. None is lost, none arrives twice, and none can turn in a
//! loop, in whatever order messages reach the switches. The old tree is cleared away when nothing
//! can be under way on it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use nearcast_machine::Span;

use crate::distribution::{Branch, Branches, Tag, Tree, grow};
use crate::entry::Group;
use crate::event::Limit;
use crate::fabric::{Fabric, Timer};
use crate::ledger::Change;
use crate::pipeline::{self, Chunks};
use crate::stream::{Member, Peering, StreamKey};
use crate::switch::{Concern, Then};
use crate::{DatapathId, Event};

/// How long a chunk may be under way from the broadcaster's switch to the last.
const DRAIN: Span = Span::from_secs(2);

impl Fabric {
    /// Brings the way of a peering's chunks to what links and viewers ask for now.
    pub(crate) fn route_chunks(&mut self, key: &StreamKey) {
        let Some(peering) = self.streams.get(key).and_then(|stream| stream.peering.as_ref()) else {
            return;
        };
        let Some(root) = self.switches.get(&peering.switch).filter(|switch| switch.is_live())
        else {
            // It cannot be told to send any other way.
            return;
        };
        let (id, root) = (peering.id, root.id);
        let joined = peering.viewers.values().filter(|viewer| viewer.joined);
        let leaves: BTreeSet<_> =
            joined.map(|viewer| viewer.place.at.switch).filter(|switch| *switch != root).collect();
        let latest = peering.trees.standing().last().unwrap_or(&peering.trees.current);
        // A switch that is away goes on as it is, so a tree over it that is right stays. A new one
        // needs switches that can be told of it.
        let before = latest.branches.clone();
        let stays = self.branches(root, &leaves, key, &before, |id| before.contains_key(&id));
        let waits_for_nobody_away = match &peering.trees.next {
            Some((_, waiting)) => waiting.iter().all(|switch| self.is_live(*switch)),
            None => true,
        };
        if stays == before && waits_for_nobody_away {
            return;
        }
        let branches = self.branches(root, &leaves, key, &before, |_| false);
        if branches == before && waits_for_nobody_away {
            return;
        }
        self.abandon_next(key);
        let Some(peering) = self.peering(key) else { return };
        if peering.trees.current.branches == branches {
            return;
        }
        let Some(tag) = self.tags.allocate() else {
            self.limit_reached(Limit::VirtualAddresses);
            return;
        };
        let tree = Tree { tag, branches };
        let interior: Vec<_> = tree.interior().collect();
        let Some(peering) = self.peering(key) else { return };
        peering.trees.next = Some((tree, interior.iter().copied().collect()));
        if interior.is_empty() {
            self.turn_over(key);
            return;
        }
        self.write_groups(key);
        for switch in interior {
            self.after_barrier(switch, Then::Branch(key.clone(), id, tag));
        }
    }

    fn is_live(&self, switch: DatapathId) -> bool {
        self.switches.get(&switch).is_some_and(|switch| switch.is_live())
    }

    fn branches(
        &self,
        root: DatapathId,
        leaves: &BTreeSet<DatapathId>,
        key: &StreamKey,
        before: &Branches,
        even_away: impl Fn(DatapathId) -> bool,
    ) -> Branches {
        if leaves.is_empty() {
            return [(root, Branch::default())].into();
        }
        let usable = |id| {
            let switch = self.switches.get(&id).filter(|switch| !switch.refuses_peerings);
            let takes_part = before.contains_key(&id);
            switch.is_some_and(|switch| switch.is_live() || even_away(id))
                && (takes_part || self.has_room_for_group(id))
        };
        let upstreams = self.topology.paths_from(root, usable);
        grow(&upstreams, root, leaves, key.name.as_str().as_bytes(), before)
    }

    /// Whether a switch may hold a group more.
    pub(crate) fn has_room_for_group(&self, switch: DatapathId) -> bool {
        let limit = self.config.limits.groups_per_switch;
        self.switches.get(&switch).is_some_and(|switch| switch.ledger.len().1 < limit)
    }

    /// A switch confirmed its part of a tree.
    pub(crate) fn grown(&mut self, key: &StreamKey, id: u64, tag: Tag, switch: DatapathId) {
        let Some(peering) = self.peering(key).filter(|peering| peering.id == id) else { return };
        let Some((tree, waiting)) = &mut peering.trees.next else { return };
        if tree.tag == tag && waiting.remove(&switch) && waiting.is_empty() {
            self.turn_over(key);
        }
    }

    /// The next tree stands whole: chunks take it from now on.
    fn turn_over(&mut self, key: &StreamKey) {
        let now = self.now;
        let Some(peering) = self.peering(key) else { return };
        let trees = &mut peering.trees;
        let Some((next, _)) = trees.next.take() else { return };
        let (switches, links) = (next.branches.len(), next.links());
        let before = std::mem::replace(&mut trees.current, next);
        let drained = Timer::Drained(key.clone(), before.tag);
        trees.draining.push(before);
        self.write_groups(key);
        self.agenda.set(drained, now + DRAIN);
        self.event(Event::PeeringRouted { stream: key.name.clone(), switches, links });
    }

    /// Nothing is under way by an old tree any more.
    pub(crate) fn drained(&mut self, key: &StreamKey, tag: Tag) {
        let Some(peering) = self.peering(key) else { return };
        let draining = &mut peering.trees.draining;
        let Some(position) = draining.iter().position(|tree| tree.tag == tag) else { return };
        let tree = draining.remove(position);
        let chunks = peering.chunks();
        self.clear_tree(chunks, &tree);
    }

    /// Gives up a tree before any chunk took it.
    fn abandon_next(&mut self, key: &StreamKey) {
        let Some(peering) = self.peering(key) else { return };
        let chunks = peering.chunks();
        if let Some((tree, _)) = peering.trees.next.take() {
            self.clear_tree(chunks, &tree);
        }
    }

    /// Brings the groups of a peering's trees to the viewers that joined.
    pub(crate) fn write_groups(&mut self, key: &StreamKey) {
        let range = self.config.virtual_range;
        let Some(peering) = self.streams.get(key).and_then(|stream| stream.peering.as_ref()) else {
            return;
        };
        let (chunks, root) = (peering.chunks(), peering.switch);
        let joined: Vec<Member> =
            peering.viewers.values().filter(|viewer| viewer.joined).cloned().collect();
        let trees: Vec<_> = peering.trees.standing().cloned().collect();
        let current = peering.trees.current.tag;
        let concern = Concern::Peering(key.clone(), chunks.id);
        for tree in trees {
            for (switch, branch) in &tree.branches {
                let here = joined.iter().filter(|viewer| viewer.place.at.switch == *switch);
                let viewers: Vec<_> = here
                    .map(|viewer| {
                        let viewer = viewer.place.known_as(viewer.alias);
                        pipeline::bucket(&viewer, chunks.to, range)
                    })
                    .collect();
                match branch.from {
                    None if *switch == root && tree.tag == current => {
                        let tagging = |port: &u32| pipeline::tagging(tree.tag, *port);
                        let links = branch.to.iter().map(tagging).collect();
                        let id = pipeline::group_id(chunks.to);
                        self.set_group(*switch, &concern, id, pipeline::group(viewers, links));
                    }
                    None => {}
                    Some(from) => {
                        let copies = !viewers.is_empty() || branch.to.len() != 1;
                        let links = branch.to.iter().map(|port| pipeline::passing(*port));
                        let group = pipeline::group(viewers, links.collect());
                        let onward = branch.to.first().copied().filter(|_| !copies);
                        self.write_branch(
                            &concern,
                            *switch,
                            (chunks, tree.tag, from),
                            onward,
                            group,
                        );
                    }
                }
            }
        }
    }

    /// What one switch below the broadcaster's does with the chunks of a tree. One that only hands
    /// them on needs no group.
    fn write_branch(
        &mut self,
        concern: &Concern,
        switch: DatapathId,
        (chunks, tag, from): (Chunks, Tag, u32),
        onward: Option<u32>,
        group: Group,
    ) {
        let id = pipeline::branch_group_id(tag);
        if onward.is_none() && self.set_group(switch, concern, id, group) {
            // It is there before anything leads to it.
            self.barrier(switch);
        }
        self.set_entry(switch, concern, chunks.at_branch(tag, from, onward));
        if onward.is_some() {
            self.remove_group(switch, id);
        }
    }

    /// Clears away all trees of a peering, and what leads to them.
    pub(crate) fn clear_chunks(&mut self, key: &StreamKey, peering: &Peering) {
        let chunks = peering.chunks();
        let (start, _) = chunks.at_broadcaster(peering.broadcaster.place.at.port);
        self.remove_entry(peering.switch, &Concern::Common, &start);
        self.remove_group(peering.switch, pipeline::group_id(peering.group));
        for tree in peering.trees.standing().chain(&peering.trees.draining) {
            self.agenda.cancel(&Timer::Drained(key.clone(), tree.tag));
            self.clear_tree(chunks, tree);
        }
    }

    fn clear_tree(&mut self, chunks: Chunks, tree: &Tree) {
        for (switch, branch) in &tree.branches {
            let Some(from) = branch.from else { continue };
            let (entry, _) = chunks.at_branch(tree.tag, from, None);
            self.remove_entry(*switch, &Concern::Common, &entry);
            self.remove_group(*switch, pipeline::branch_group_id(tree.tag));
        }
        self.tags.release(tree.tag);
    }

    /// Makes every member's alias known at the switches of all the others.
    pub(crate) fn route_aliases(&mut self, key: &StreamKey) {
        let Some(peering) = self.streams.get(key).and_then(|stream| stream.peering.as_ref()) else {
            return;
        };
        let concern = Concern::Peering(key.clone(), peering.id);
        let switches: BTreeSet<_> = peering.members().map(|m| m.place.at.switch).collect();
        let mut wanted = BTreeSet::new();
        for member in peering.members() {
            let elsewhere = switches.iter().filter(|switch| **switch != member.place.at.switch);
            wanted.extend(elsewhere.map(|switch| (*switch, member.alias)));
        }
        let Some(peering) = self.peering(key) else { return };
        let before = std::mem::replace(&mut peering.routes, wanted.clone());
        for (switch, alias) in wanted.difference(&before) {
            let Some(host) = self.aliases.place(*alias) else { continue };
            if self.aliases.route(*switch, *alias) {
                self.set_entry(*switch, &concern, pipeline::alias_elsewhere(*alias, host.mac));
            }
        }
        for (switch, alias) in before.difference(&wanted) {
            self.unroute_alias(*switch, *alias);
        }
    }

    pub(crate) fn unroute_alias(&mut self, switch: DatapathId, alias: Ipv4Addr) {
        if self.aliases.unroute(switch, alias) {
            let (key, _) = pipeline::alias_elsewhere(alias, crate::Mac::default());
            self.remove_entry(switch, &Concern::Common, &key);
        }
    }

    /// Wants a group on a switch; `true` if something had to be changed.
    pub(crate) fn set_group(
        &mut self,
        switch: DatapathId,
        concern: &Concern,
        id: u32,
        group: Group,
    ) -> bool {
        let state = self.switches.get_mut(&switch);
        let change = state.and_then(|switch| switch.ledger.set_group(id, group));
        let changed = change.is_some();
        self.make(switch, concern, change);
        changed
    }

    pub(crate) fn remove_group(&mut self, switch: DatapathId, id: u32) {
        let state = self.switches.get_mut(&switch);
        let change = state.and_then(|switch| switch.ledger.remove_group(id));
        self.make(switch, &Concern::Common, change);
    }

    /// Has a switch finish what it was told before it begins with what comes.
    pub(crate) fn barrier(&mut self, switch: DatapathId) {
        self.make(switch, &Concern::Common, Some(Change::Barrier));
    }

    pub(crate) fn after_barrier(&mut self, switch: DatapathId, then: Then) {
        if let Some(switch) = self.switches.get_mut(&switch) {
            switch.after_barrier(then);
        }
        self.flush(switch);
    }
}
