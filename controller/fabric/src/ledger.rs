//! What one switch should hold, and what must be said to make it so.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use crate::entry::{Entry, EntryKey, Group, Pattern, Purpose, Step};
use crate::meters::{self, Meter};
use crate::pipeline;

/// One change to a switch's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Adds an entry, or overwrites the one of the same key.
    SetEntry(EntryKey, Entry),
    /// Removes one entry.
    RemoveEntry(EntryKey),
    AddGroup(u32, Group),
    ModifyGroup(u32, Group),
    /// Removes a group, and with it every entry that leads to it (OpenFlow 1.3.5 6.7).
    RemoveGroup(u32),
    AddMeter(u32, Meter),
    ModifyMeter(u32, Meter),
    /// Removes a meter, and with it every entry that needs it (OpenFlow 1.3.5 6.8).
    RemoveMeter(u32),
    /// What follows must find what came before done.
    Barrier,
}

/// The entries, groups and meters that one switch should hold.
///
/// Everything the fabric wants goes through here, connected or not, so that a switch which comes
/// back is brought from whatever it holds to what is wanted by the difference alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<EntryKey, Entry>,
    groups: BTreeMap<u32, Group>,
    meters: BTreeMap<u32, Meter>,
    /// Found on the switch, ours by their cookie, wanted by nobody yet: what a controller before
    /// left, and streams may hang on.
    orphans: BTreeMap<EntryKey, Entry>,
    orphan_groups: BTreeSet<u32>,
    /// Whether the switch was reconciled before: what it holds then is nobody else's.
    reconciled: bool,
    /// Counts changes.
    revision: u64,
}

/// What a reconciliation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reconciled {
    pub(crate) kept: usize,
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// Groups and meters added, changed and removed.
    pub(crate) groups: usize,
    pub(crate) orphans: usize,
}

impl Ledger {
    /// Wants an entry; the change to make, unless it is there already.
    pub(crate) fn set(&mut self, (key, entry): (EntryKey, Entry)) -> Option<Change> {
        self.orphans.remove(&key);
        // Looked for once: with a host at each of many switches this is what most of the work is.
        match self.entries.entry(key) {
            btree_map::Entry::Occupied(there) if *there.get() == entry => return None,
            btree_map::Entry::Occupied(mut there) => *there.get_mut() = entry.clone(),
            btree_map::Entry::Vacant(place) => {
                place.insert(entry.clone());
            }
        }
        self.revision += 1;
        Some(Change::SetEntry(key, entry))
    }

    /// Wants an entry no more.
    pub(crate) fn remove(&mut self, key: &EntryKey) -> Option<Change> {
        self.revision += 1;
        let left = self.orphans.remove(key).is_some();
        let wanted = self.entries.remove(key).is_some();
        (left || wanted).then_some(Change::RemoveEntry(*key))
    }

    /// Notes that the switch itself removed an entry.
    pub(crate) fn gone(&mut self, key: &EntryKey) {
        self.revision += 1;
        self.entries.remove(key);
        self.orphans.remove(key);
    }

    /// What must be done about an entry that somebody else deleted: nothing if it was not wanted.
    /// If its group was deleted, that comes first.
    pub(crate) fn deleted(&mut self, key: &EntryKey, with_group: bool) -> Vec<Change> {
        let Some(entry) = self.entries.get(key) else {
            self.gone(key);
            return Vec::new();
        };
        let mut changes = Vec::new();
        if with_group {
            let groups = leads_to(entry).filter_map(|id| Some((id, self.groups.get(&id)?.clone())));
            changes.extend(groups.map(|(id, group)| Change::AddGroup(id, group)));
            changes.push(Change::Barrier);
        }
        changes.push(Change::SetEntry(*key, entry.clone()));
        changes
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&EntryKey, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&u32, &Group)> {
        self.groups.iter()
    }

    pub(crate) fn meters(&self) -> impl Iterator<Item = (&u32, &Meter)> {
        self.meters.iter()
    }

    /// Whether an entry that is wanted needs a meter.
    pub(crate) fn is_metered(&self, key: &EntryKey) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.meters().next().is_some())
    }

    /// How many entries and groups are wanted.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.groups.len())
    }

    /// A number that is another after every change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a switch that holds so many entries, these groups and these meters can hold what it
    /// should. Entries that were changed, not removed, show only when all are read.
    pub(crate) fn may_agree(
        &self,
        entries: usize,
        groups: &BTreeMap<u32, Group>,
        meters: &BTreeMap<u32, Meter>,
    ) -> bool {
        let known = |id: &u32| self.groups.contains_key(id) || self.orphan_groups.contains(id);
        entries == self.entries.len() + self.orphans.len()
            && *meters == self.meters
            && groups.keys().all(known)
            && self.groups.iter().all(|(id, group)| groups.get(id) == Some(group))
    }

    pub(crate) fn set_group(&mut self, id: u32, group: Group) -> Option<Change> {
        self.revision += 1;
        let there = self.orphan_groups.remove(&id);
        match self.groups.insert(id, group.clone()) {
            Some(before) if before == group => None,
            Some(_) => Some(Change::ModifyGroup(id, group)),
            None if there => Some(Change::ModifyGroup(id, group)),
            None => Some(Change::AddGroup(id, group)),
        }
    }

    pub(crate) fn remove_group(&mut self, id: u32) -> Option<Change> {
        self.revision += 1;
        self.groups.remove(&id).map(|_| Change::RemoveGroup(id))
    }

    pub(crate) fn set_meter(&mut self, id: u32, meter: Meter) -> Option<Change> {
        self.revision += 1;
        match self.meters.insert(id, meter) {
            Some(before) if before == meter => None,
            Some(_) => Some(Change::ModifyMeter(id, meter)),
            None => Some(Change::AddMeter(id, meter)),
        }
    }

    pub(crate) fn remove_meter(&mut self, id: u32) -> Option<Change> {
        self.revision += 1;
        self.meters.remove(&id).map(|_| Change::RemoveMeter(id))
    }

    /// The entries wanted in one table at one priority.
    pub(crate) fn at(&self, table: u8, priority: u16) -> impl Iterator<Item = &EntryKey> {
        let first = EntryKey { table, priority, pattern: Pattern::default() };
        let there = move |key: &&EntryKey| key.table == table && key.priority == priority;
        self.entries.range(first..).map(|(key, _)| key).take_while(there)
    }

    /// Removes from the wanted ones all that `unwanted` says.
    pub(crate) fn remove_all(&mut self, unwanted: impl Fn(&EntryKey) -> bool) -> Vec<Change> {
        let keys: Vec<_> = self.entries.keys().filter(|key| unwanted(key)).copied().collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// The changes that bring a switch which holds `entries`, `groups` and `meters` to what is
    /// wanted. What is right stays untouched; new things come before stale ones go, and groups and
    /// meters are there before what needs them.
    pub(crate) fn reconcile(
        &mut self,
        entries: &BTreeMap<EntryKey, Entry>,
        groups: &BTreeMap<u32, Group>,
        meters: &BTreeMap<u32, Meter>,
    ) -> (Vec<Change>, Reconciled) {
        let mut changes = Vec::new();
        let mut outcome = Reconciled::default();
        if !std::mem::replace(&mut self.reconciled, true) {
            self.adopt(entries, groups);
        }
        for (id, group) in &self.groups {
            match groups.get(id) {
                Some(found) if found == group => continue,
                Some(_) => changes.push(Change::ModifyGroup(*id, group.clone())),
                None => changes.push(Change::AddGroup(*id, group.clone())),
            }
        }
        for (id, meter) in &self.meters {
            match meters.get(id) {
                Some(found) if found == meter => continue,
                Some(_) => changes.push(Change::ModifyMeter(*id, *meter)),
                None => changes.push(Change::AddMeter(*id, *meter)),
            }
        }
        outcome.groups = changes.len();
        if !changes.is_empty() {
            changes.push(Change::Barrier);
        }
        for (key, entry) in &self.entries {
            // One that names a meter which is gone passes everything, whatever is made by that id
            // later.
            let metered = entry.meters().all(|id| meters.contains_key(&id));
            if metered && entries.get(key) == Some(entry) {
                outcome.kept += 1;
            } else {
                outcome.added += 1;
                changes.push(Change::SetEntry(*key, entry.clone()));
            }
        }
        changes.push(Change::Barrier);
        for key in entries.keys() {
            if !self.entries.contains_key(key) && !self.orphans.contains_key(key) {
                outcome.removed += 1;
                changes.push(Change::RemoveEntry(*key));
            }
        }
        for id in groups.keys().filter(|id| pipeline::is_our_group(**id)) {
            if !self.groups.contains_key(id) && !self.orphan_groups.contains(id) {
                outcome.groups += 1;
                changes.push(Change::RemoveGroup(*id));
            }
        }
        for id in meters.keys().filter(|id| meters::is_ours(**id)) {
            if !self.meters.contains_key(id) {
                outcome.groups += 1;
                changes.push(Change::RemoveMeter(*id));
            }
        }
        outcome.orphans = self.orphans.len();
        (changes, outcome)
    }

    /// Keeps what a controller before left and traffic may hang on. Connections let through fall
    /// idle by themselves; links, hosts, aliases and peerings stay until
    /// [`drop_orphans`](Ledger::drop_orphans). Any other entry of the pipeline that is not wanted
    /// is merely wrong.
    fn adopt(&mut self, entries: &BTreeMap<EntryKey, Entry>, groups: &BTreeMap<u32, Group>) {
        for (key, entry) in entries {
            if self.entries.contains_key(key) {
                continue;
            }
            match entry.cookie.purpose() {
                Some(Purpose::Bypass) => {
                    self.entries.insert(*key, entry.clone());
                }
                Some(Purpose::Alias) => {
                    self.orphans.insert(*key, entry.clone());
                }
                Some(Purpose::Forwarding | Purpose::Peering) => {
                    self.orphans.insert(*key, entry.clone());
                    self.orphan_groups.extend(leads_to(entry).filter(|id| groups.contains_key(id)));
                }
                // A link that is not found yet, and streams may go over it.
                Some(Purpose::Pipeline) if key.pattern.in_port.is_some() => {
                    self.orphans.insert(*key, entry.clone());
                }
                Some(Purpose::Pipeline) | None => {}
            }
        }
        self.orphan_groups.retain(|id| !self.groups.contains_key(id));
    }

    /// Gives up what [`adopt`](Ledger::adopt) kept.
    pub(crate) fn drop_orphans(&mut self) -> Vec<Change> {
        self.revision += 1;
        let entries = std::mem::take(&mut self.orphans).into_keys().map(Change::RemoveEntry);
        let groups = std::mem::take(&mut self.orphan_groups).into_iter().map(Change::RemoveGroup);
        entries.chain(groups).collect()
    }

    pub(crate) fn orphans(&self) -> &BTreeMap<EntryKey, Entry> {
        &self.orphans
    }

    pub(crate) fn orphan_groups(&self) -> &BTreeSet<u32> {
        &self.orphan_groups
    }
}

fn leads_to(entry: &Entry) -> impl Iterator<Item = u32> {
    entry.steps.iter().filter_map(|step| match step {
        Step::Group(id) => Some(*id),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::pipeline::{Chunks, PeeredHost};
    use crate::{Mac, VirtualRange};

    const GROUP: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 2);
    const ALIAS: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 3);

    /// What a switch holds after the changes.
    fn apply(
        changes: &[Change],
        entries: &mut BTreeMap<EntryKey, Entry>,
        groups: &mut BTreeMap<u32, Group>,
    ) {
        for change in changes.iter().cloned() {
            match change {
                Change::SetEntry(key, entry) => drop(entries.insert(key, entry)),
                Change::RemoveEntry(key) => drop(entries.remove(&key).expect("it was there")),
                Change::AddGroup(id, group) => {
                    assert_eq!(groups.insert(id, group), None, "adding a group that exists fails");
                }
                Change::ModifyGroup(id, group) => {
                    groups.insert(id, group).expect("modifying a group that is missing fails");
                }
                Change::RemoveGroup(id) => drop(groups.remove(&id)),
                Change::AddMeter(..) | Change::ModifyMeter(..) | Change::RemoveMeter(_) => {
                    unreachable!("no meters here")
                }
                Change::Barrier => {}
            }
        }
    }

    fn peering(ledger: &mut Ledger) {
        let id = pipeline::group_id(GROUP);
        ledger.set_group(id, Group::default());
        ledger.set(Chunks { id: 7, from: ALIAS, to: GROUP }.at_broadcaster(1));
    }

    #[test]
    fn a_switch_that_comes_back_is_changed_by_the_difference_alone() {
        let range = VirtualRange::default();
        let mut ledger = Ledger::default();
        for placed in pipeline::fixed(range, &[1935].into()) {
            assert!(ledger.set(placed).is_some());
        }
        peering(&mut ledger);
        let (mut entries, mut groups) = (BTreeMap::new(), BTreeMap::new());
        let (changes, _) = ledger.reconcile(&entries, &groups, &BTreeMap::new());
        apply(&changes, &mut entries, &mut groups);

        let (changes, outcome) = ledger.reconcile(&entries, &groups, &BTreeMap::new());
        assert_eq!(changes, [Change::Barrier], "nothing is wiped");
        assert_eq!((outcome.added, outcome.removed), (0, 0));

        let host = pipeline::to_host(Mac([2; 6]), 4);
        let stale = pipeline::to_host(Mac([4; 6]), 4);
        entries.insert(stale.0, stale.1);
        groups.clear();
        ledger.set(host.clone());
        let (changes, outcome) = ledger.reconcile(&entries, &groups, &BTreeMap::new());
        assert_eq!((outcome.added, outcome.removed), (1, 1));
        assert!(matches!(changes[0], Change::AddGroup(..)), "before what leads to it: {changes:?}");
        apply(&changes, &mut entries, &mut groups);
        assert_eq!(entries, ledger.entries);
        assert_eq!(groups, ledger.groups);
        assert!(entries.contains_key(&host.0));
    }

    #[test]
    fn streams_of_a_controller_before_are_left_alone_for_a_while() {
        let range = VirtualRange::default();
        let mut before = Ledger::default();
        peering(&mut before);
        let host = PeeredHost {
            mac: Mac([2; 6]),
            address: Ipv4Addr::new(10, 0, 0, 1),
            port: 1,
            alias: ALIAS,
        };
        before.set(pipeline::admission(&host, range));
        let client = "10.0.0.1:40000".parse().expect("an address");
        let server = "10.0.0.9:1935".parse().expect("an address");
        before.set(pipeline::bypass(client, server));
        let (mut entries, mut groups) = (before.entries.clone(), before.groups.clone());

        let mut after = Ledger::default();
        let (changes, outcome) = after.reconcile(&entries, &groups, &BTreeMap::new());
        assert_eq!(changes, [Change::Barrier]);
        assert_eq!((outcome.orphans, outcome.removed), (2, 0));
        let admitted = after.orphans().iter().find_map(pipeline::admitted);
        assert_eq!(admitted, Some(host));

        after.set(pipeline::admission(&host, range));
        apply(&after.drop_orphans(), &mut entries, &mut groups);
        assert!(groups.is_empty());
        assert_eq!(entries.len(), 2, "the admission wanted again and the connection: {entries:?}");
    }
}
