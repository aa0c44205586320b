//! Giving switches their meters, and counting what those dropped.

use rust_openflow::v13::{ErrorType, MeterFeatures, MeterStats, meter_flags};

use crate::entry::Purpose;
use crate::fabric::Fabric;
use crate::pipeline::Placed;
use crate::switch::{Class, Concern};
use crate::{Attachment, DatapathId, meters, pipeline};

/// What a switch can meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Metering {
    /// How many meters it has room for; 0: it has none, or refused one.
    pub(crate) room: u32,
    /// It meters copies to the controller by themselves, as far as is known.
    pub(crate) copies: bool,
}

impl Metering {
    /// What a switch says of itself: bands that drop, in packets.
    pub(crate) fn offered(features: &MeterFeatures) -> Metering {
        const DROP: u32 = 1 << 1;
        let packets = features.capabilities & u32::from(meter_flags::PKTPS) != 0;
        let usable = packets && features.band_types & DROP != 0 && features.max_bands > 0;
        Metering { room: if usable { features.max_meter } else { 0 }, copies: usable }
    }
}

impl Fabric {
    /// Wants of a switch that just told what it has the meters that it has room for.
    pub(crate) fn meter_switch(&mut self, id: DatapathId, metering: Metering) {
        let range = self.config.virtual_range;
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.metering = metering;
        switch.metered.clear();
        if metering.room < meters::PER_SWITCH.len() as u32 {
            self.refuse_meters(id);
            return;
        }
        let ports: Vec<_> = switch.ports.keys().copied().collect();
        self.add_meters(id, &meters::PER_SWITCH, 0);
        for placed in meters::at_switch(range, &self.rtmp_ports, metering.copies) {
            self.set_entry(id, &Concern::Common, placed);
        }
        for port in ports {
            self.meter_port(Attachment { switch: id, port });
        }
    }

    /// Meters what a port that came up sends up.
    pub(crate) fn meter_port(&mut self, at: Attachment) {
        let Some(switch) = self.switches.get(&at.switch) else { return };
        let Metering { room, copies } = switch.metering;
        let has = switch.ledger.meters().count() + meters::PER_PORT.len();
        if has > room as usize || meters::id(Class::Arp, at.port).is_none() {
            return;
        }
        self.add_meters(at.switch, &meters::PER_PORT, at.port);
        for placed in meters::at_port(at.port, self.config.virtual_range, copies) {
            self.set_entry(at.switch, &Concern::Common, placed);
        }
    }

    fn add_meters(&mut self, id: DatapathId, classes: &[Class], port: u32) {
        for class in classes {
            let Some(meter) = meters::id(*class, port) else { continue };
            let wanted = meters::meter(*class, &self.config.limits);
            let switch = self.switches.get_mut(&id);
            let change = switch.and_then(|switch| switch.ledger.set_meter(meter, wanted));
            self.make(id, &Concern::Common, change);
        }
        // They are there before anything passes through them.
        self.barrier(id);
    }

    /// Forgets the meters of a port that went down.
    pub(crate) fn unmeter_port(&mut self, at: Attachment) {
        for (key, _) in meters::at_port(at.port, self.config.virtual_range, true) {
            self.remove_entry(at.switch, &Concern::Common, &key);
        }
        let ids = meters::PER_PORT.iter().filter_map(|class| meters::id(*class, at.port));
        for meter in ids {
            self.remove_meter(at.switch, meter);
        }
    }

    fn remove_meter(&mut self, id: DatapathId, meter: u32) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.metered.remove(&meter);
        let change = switch.ledger.remove_meter(meter);
        self.make(id, &Concern::Common, change);
    }

    /// A switch refused what needs meters, which is no longer wanted of it; `false` if it was known
    /// that it does.
    pub(crate) fn meters_refused(
        &mut self,
        id: DatapathId,
        concern: &Concern,
        kind: ErrorType,
    ) -> bool {
        let Some(switch) = self.switches.get(&id) else { return false };
        let Metering { room, copies } = switch.metering;
        match concern {
            // Flags are matched on by copies too.
            Concern::MeteredCopy if kind == ErrorType::BAD_MATCH => self.tcp_flags_refused(id),
            Concern::MeteredCopy if !copies => return false,
            Concern::MeteredCopy => self.refuse_copies(id),
            _ if room == 0 => return false,
            _ => self.refuse_meters(id),
        }
        true
    }

    fn refuse_meters(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.metering.room = 0;
        let above = switch.ledger.entries().filter(|(key, entry)| meters::is_above(key, entry));
        let above: Vec<_> = above.map(|(key, _)| *key).collect();
        let ids: Vec<_> = switch.ledger.meters().map(|(meter, _)| *meter).collect();
        self.refuse_copies(id);
        for key in above {
            self.remove_entry(id, &Concern::Common, &key);
        }
        for meter in ids {
            self.remove_meter(id, meter);
        }
    }

    /// Sends up unmetered what was to be metered by the copy.
    fn refuse_copies(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.metering.copies = false;
        let metered = switch.ledger.entries().filter(|(_, entry)| entry.meters_copy());
        let metered: Vec<Placed> = metered.map(|(key, entry)| (*key, entry.clone())).collect();
        for (key, entry) in metered {
            if meters::is_above(&key, &entry) {
                self.remove_entry(id, &Concern::Common, &key);
            } else {
                self.set_entry(id, &Concern::Common, (key, meters::unmetered_copy(entry)));
            }
        }
    }

    /// The entry as a switch is to have it: what copies a decided connection is metered where it
    /// can be.
    pub(crate) fn as_metered(&self, id: DatapathId, (key, entry): Placed) -> Placed {
        let copies = self.switches.get(&id).is_some_and(|switch| switch.metering.copies);
        match meters::id(Class::Rtmp, 0) {
            Some(meter) if copies && entry.cookie.purpose() == Some(Purpose::Bypass) => {
                (key, meters::metered_copy(entry, meter))
            }
            _ => (key, entry),
        }
    }

    /// Counts what a switch's meters dropped since it was last asked.
    pub(crate) fn count_metered(&mut self, id: DatapathId, stats: &[MeterStats]) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        for stats in stats {
            let known = switch.ledger.meters().any(|(meter, _)| *meter == stats.meter_id);
            let Some(class) = meters::class(stats.meter_id).filter(|_| known) else { continue };
            let dropped: u64 = stats.bands.iter().map(|band| band.packet_count).sum();
            let before = switch.metered.insert(stats.meter_id, dropped).unwrap_or(0);
            // A meter that was made anew counts from nothing.
            let since = dropped.checked_sub(before).unwrap_or(dropped);
            if since > 0 {
                *self.packet_ins.entry(class.metered()).or_default() += since;
            }
        }
    }

    /// Takes a switch at its word that it does not match on TCP flags.
    pub(crate) fn tcp_flags_refused(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        if std::mem::replace(&mut switch.tcp_flags, false) {
            // None of them can be there, so there is none to remove.
            switch.ledger.remove_all(pipeline::needs_tcp_flags);
        }
    }
}
