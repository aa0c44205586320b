//! Entries and groups by which switches turn frames round a link that is down.
//!
//! What leads to a host over a link says only by which port (in the metadata), and the last table
//! has one entry for each such port: so it takes a group for each link, not for each host, and no
//! entry of a host changes when a way round does.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_machine::Span;

use crate::entry::{Entry, EntryKey};
use crate::fabric::{Fabric, Timer};
use crate::pipeline::{self, INSPECT, LINKS};
use crate::switch::Concern;
use crate::{Attachment, DatapathId};

/// How long after a change ways round are worked out: a network that comes up is better looked at
/// once. What must be quick does not wait for it.
const QUIET: Span = Span::from_secs(1);

impl Fabric {
    /// The graph changed.
    pub(crate) fn reconsider_detours(&mut self) {
        self.agenda.ensure(Timer::Detours, self.now + QUIET);
    }

    /// Brings ways round to the links there are.
    pub(crate) fn detours_due(&mut self) {
        self.detours.update(self.topology.alive());
        let mut wanted: BTreeMap<DatapathId, Vec<(EntryKey, Entry)>> = BTreeMap::new();
        for (_, detour) in self.detours.iter() {
            for (n, (_, into)) in detour.links.iter().enumerate() {
                let onward = detour.links.get(n + 1).map(|(out, _)| out.port);
                let placed = pipeline::labelled(into.port, detour.label, onward);
                wanted.entry(into.switch).or_default().push(placed);
            }
        }
        let ids: Vec<_> = self.switches.keys().copied().collect();
        for id in &ids {
            for placed in wanted.get(id).into_iter().flatten().cloned() {
                self.set_entry(*id, &Concern::Common, placed);
            }
        }
        for id in ids {
            let keys = wanted.get(&id).into_iter().flatten().map(|(key, _)| *key);
            self.write_links(id, &keys.collect());
        }
    }

    /// Brings a switch's last table to its links, and removes the ways round that are no more.
    fn write_links(&mut self, id: DatapathId, labelled: &BTreeSet<EntryKey>) {
        let Some(switch) = self.switches.get(&id) else { return };
        let here = |port: u32| Attachment { switch: id, port };
        let ports: BTreeSet<_> = switch
            .ports
            .keys()
            .copied()
            .filter(|port| self.topology.is_trunk(here(*port)))
            .collect();
        let stale = |key: &&EntryKey| !labelled.contains(*key);
        let mut gone: Vec<_> =
            switch.ledger.at(INSPECT, pipeline::LABELLED).filter(stale).copied().collect();
        let led = |key: &EntryKey| key.pattern.noted_port.filter(|port| !ports.contains(port));
        let lost: BTreeSet<u32> = switch.ledger.at(LINKS, pipeline::LINK).filter_map(led).collect();
        for port in &ports {
            self.write_link(here(*port));
        }
        for port in lost {
            self.unprotect(here(port));
            gone.extend([pipeline::link(port, None).0, pipeline::back_by_link(port).0]);
        }
        for key in gone {
            self.remove_entry(id, &Concern::Common, &key);
        }
    }

    /// Brings the entries by which frames leave by a port that leads to a switch to the way round
    /// it.
    pub(crate) fn write_link(&mut self, at: Attachment) {
        self.set_entry(at.switch, &Concern::Common, pipeline::back_by_link(at.port));
        let Some(switch) = self.switches.get(&at.switch).filter(|s| !s.refuses_detours) else {
            self.set_entry(at.switch, &Concern::Common, pipeline::link(at.port, None));
            return;
        };
        let id = switch.id;
        let detour = self.detours.of(at).and_then(|detour| {
            let (first, _) = detour.links.first()?;
            pipeline::failover(at.port, detour.label, first.port)
        });
        let Some(failover) = detour else {
            self.set_entry(id, &Concern::Common, pipeline::link(at.port, None));
            self.unprotect(at);
            return;
        };
        let mut changed = false;
        for (group, buckets) in failover.groups {
            changed |= self.set_group(id, &Concern::Common, group, buckets);
        }
        if changed {
            self.barrier(id);
        }
        let stale = self.turned_back(at).into_iter().filter(|key| *key != failover.back.0);
        for key in stale.collect::<Vec<_>>() {
            self.remove_entry(id, &Concern::Common, &key);
        }
        self.set_entry(id, &Concern::Common, failover.back);
        self.set_entry(id, &Concern::Common, failover.link);
    }

    /// The entries for what came by the port that the way round begins with.
    fn turned_back(&self, at: Attachment) -> Vec<EntryKey> {
        let Some(switch) = self.switches.get(&at.switch) else { return Vec::new() };
        let to = |key: &&EntryKey| key.pattern.noted_port == Some(at.port);
        switch.ledger.at(LINKS, pipeline::TURNED_BACK).filter(to).copied().collect()
    }

    /// Leaves a port without a way round.
    fn unprotect(&mut self, at: Attachment) {
        for key in self.turned_back(at) {
            self.remove_entry(at.switch, &Concern::Common, &key);
        }
        for group in pipeline::failover_groups(at.port).into_iter().flatten() {
            self.remove_group(at.switch, group);
        }
    }

    /// A switch does not know such groups: its frames wait for the controller.
    pub(crate) fn detours_refused(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.refuses_detours = true;
        let leads = |key: &EntryKey| key.pattern.noted_port;
        let ports: BTreeSet<_> =
            switch.ledger.at(LINKS, pipeline::LINK).filter_map(leads).collect();
        for port in ports {
            let at = Attachment { switch: id, port };
            self.write_link(at);
            self.unprotect(at);
        }
    }
}
