//! Noticing that somebody else changed what a switch holds, without waiting for a reconnection.
//!
//! Every entry of ours asks the switch to tell of its end, so one that is deleted by hand is put
//! back in the time of one message each way. What makes no message (a group whose buckets were
//! changed, an entry whose actions were) is found by asking: now and then for the number of entries
//! with our cookie and for the groups, which is cheap, and less often for every entry. What should
//! be there and is not is put back; what is ours and should not be there is removed.

use rust_openflow::v13::{
    Body, FlowMod, FlowRemoved, FlowRemovedReason, FlowStatsRequest, MultipartReply,
    MultipartRequest, Reply, Request, meter_number,
};

use nearcast_machine::Span;

use crate::entry::{Cookie, EntryKey, Purpose};
use crate::fabric::{Fabric, Timer};
use crate::ledger::Change;
use crate::metering::Metering;
use crate::switch::{Audit, Concern, Reading};
use crate::{DatapathId, Event, meters, pipeline, translate};

/// Of so many audits one reads every entry.
const WHOLE: u64 = 6;
/// Entries are mostly deleted many at once: they are told of together.
const BURST: Span = Span::from_millis(100);

/// Asks for every entry of ours.
pub(crate) fn ours() -> FlowStatsRequest {
    let mut flows = FlowStatsRequest::all();
    flows.cookie = Cookie::OURS;
    flows.cookie_mask = Cookie::MASK;
    flows
}

impl Reading {
    /// Takes a part of what a switch says its tables hold.
    pub(crate) fn tables(&mut self, reply: Reply, more: bool) {
        match reply {
            Reply::Flow(flows) => {
                for flow in flows {
                    let pattern = translate::pattern(&flow.matching);
                    let entry =
                        translate::entry(flow.cookie, flow.idle_timeout, &flow.instructions);
                    match pattern.zip(entry) {
                        Some((pattern, entry)) => {
                            let (table, priority) = (flow.table_id, flow.priority);
                            self.entries.insert(EntryKey { table, priority, pattern }, entry);
                        }
                        None => {
                            let remove = FlowMod::delete_strict()
                                .table(flow.table_id)
                                .priority(flow.priority)
                                .matching(flow.matching);
                            self.garbage.push(Body::FlowMod(remove));
                        }
                    }
                }
                self.entries_read = !more;
            }
            Reply::GroupDesc(groups) => {
                for group in groups.iter().filter(|group| pipeline::is_our_group(group.group_id)) {
                    // A group that the fabric would not have made reads as one that must change.
                    let known = translate::group_of(group.kind, &group.buckets).unwrap_or_default();
                    self.groups.insert(group.group_id, known);
                }
                self.groups_read = !more;
            }
            Reply::MeterConfig(found) => {
                let ours = found.iter().filter(|config| meters::is_ours(config.meter_id));
                self.meters.extend(ours.map(|config| (config.meter_id, meters::read(config))));
                self.meters_read = !more;
            }
            Reply::MeterFeatures(features) => self.metering = Metering::offered(&features),
            _ => {}
        }
    }
}

impl Fabric {
    /// An entry of a switch is gone.
    pub(crate) fn flow_removed(&mut self, id: DatapathId, removed: &FlowRemoved) {
        let now = self.now;
        let purpose = Cookie(removed.cookie).purpose();
        let Some((pattern, purpose)) = translate::pattern(&removed.matching).zip(purpose) else {
            return;
        };
        let key = EntryKey { table: removed.table_id, priority: removed.priority, pattern };
        let Some(switch) = self.switches.get_mut(&id) else { return };
        if removed.reason == FlowRemovedReason::IdleTimeout {
            switch.ledger.gone(&key);
            if let Some((from, to)) =
                pipeline::bypassed(&key).filter(|_| purpose == Purpose::Bypass)
            {
                self.bypass_idle(id, from, to);
            }
            return;
        }
        // What we deleted ourselves may be wanted again by now, and was said so.
        if !switch.is_live() || switch.was_removing(&key, now) {
            return;
        }
        if switch.ledger.is_metered(&key) {
            // Its meter may be gone too, which no message says. What stands below does meanwhile.
            self.agenda.set(Timer::Audit(id), now + BURST);
            return;
        }
        let with_group = removed.reason == FlowRemovedReason::GroupDelete;
        let changes = switch.ledger.deleted(&key, with_group);
        if changes.is_empty() {
            return;
        }
        let group = |change: &&Change| matches!(change, Change::AddGroup(..));
        switch.restored.0 += 1;
        switch.restored.1 += changes.iter().filter(group).count();
        for change in changes {
            self.make(id, &Concern::Common, Some(change));
        }
        self.agenda.ensure(Timer::Restored(id), now + BURST);
    }

    /// Tells what was put back on a switch, and looks for what made no message.
    pub(crate) fn tell_restored(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let (entries, groups) = std::mem::take(&mut switch.restored);
        if entries + groups > 0 {
            self.event(Event::Restored { switch: id, entries, removed: 0, groups });
            self.audit(id, true);
        }
    }

    /// Asks a switch what it holds.
    pub(crate) fn audit_due(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id).filter(|switch| switch.is_live()) else {
            // It is asked everything when it comes back.
            return;
        };
        switch.audits += 1;
        let whole = switch.audits.is_multiple_of(WHOLE);
        self.audit(id, whole);
        self.agenda.set(Timer::Audit(id), self.now + self.config.audit_interval);
    }

    fn audit(&mut self, id: DatapathId, whole: bool) {
        let Some(switch) = self.switches.get_mut(&id).filter(|switch| switch.is_live()) else {
            return;
        };
        let entries = if whole { Request::Flow(ours()) } else { Request::Aggregate(ours()) };
        // Both answers are about what stands after all that was said so far.
        switch.send(Concern::Common, Body::BarrierRequest);
        let metered = switch.ledger.meters().next().is_some();
        let mut requests = vec![entries, Request::GroupDesc];
        if metered {
            let all = meter_number::ALL;
            requests.extend([Request::Meter(all), Request::MeterConfig(all)]);
        }
        let ask = |request| {
            switch.send(Concern::Common, Body::MultipartRequest(MultipartRequest::new(request)))
        };
        let asked = requests.into_iter().map(ask).collect();
        let revision = switch.ledger.revision();
        switch.audit = Some(Audit { revision, asked, whole, metered, ..Audit::default() });
        self.flush(id);
    }

    /// A live switch tells what it holds.
    pub(crate) fn audited(&mut self, id: DatapathId, xid: u32, reply: MultipartReply) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let Some(audit) = switch.audit.as_mut().filter(|audit| audit.asked.contains(&xid)) else {
            return;
        };
        match reply.body {
            Reply::Aggregate(sum) => audit.count = Some(sum.flow_count as usize),
            Reply::Meter(stats) => {
                self.count_metered(id, &stats);
                return;
            }
            body => audit.reading.tables(body, reply.more),
        }
        if !audit.is_complete() {
            return;
        }
        let audit = switch.audit.take().unwrap_or_default();
        if audit.revision != switch.ledger.revision() {
            // It answered for a time that is past; the next audit will do.
            return;
        }
        if audit.whole {
            self.restore(id, audit.reading);
        } else {
            let Reading { groups, meters, .. } = &audit.reading;
            if !switch.ledger.may_agree(audit.count.unwrap_or(0), groups, meters) {
                self.audit(id, true);
            }
        }
    }

    /// Puts back what is missing on a live switch, and removes what should not be there.
    fn restore(&mut self, id: DatapathId, reading: Reading) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let Reading { entries, groups, meters, .. } = &reading;
        let (changes, outcome) = switch.ledger.reconcile(entries, groups, meters);
        let removed = outcome.removed + reading.garbage.len();
        if outcome.added + outcome.groups + removed == 0 {
            return;
        }
        for body in reading.garbage {
            switch.send(Concern::Common, body);
        }
        for change in changes {
            self.make(id, &Concern::Common, Some(change));
        }
        self.flush(id);
        let (entries, groups) = (outcome.added, outcome.groups);
        self.event(Event::Restored { switch: id, entries, removed, groups });
    }
}
