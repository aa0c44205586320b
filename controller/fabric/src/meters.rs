//! Meters: what a switch lets pass of each kind of packet-in, before it is sent.
//!
//! A token bucket in the controller keeps one class of packet-ins from starving the others, but the
//! flood has crossed the control channel by then. A meter (OpenFlow 1.3.5 5.7) stops it in the
//! switch, at the rates of the buckets and, where a port has a share of a class, port by port: one
//! meter for all ports would let whoever floods use up what is everybody's.
//!
//! What is metered stands as an entry of its own right above the one that sends up unmetered (`+ 1`
//! in priority), which remains for what has no meter: on switches without them, and for ports
//! beyond what a switch has room for.
//!
//! A meter drops the packet and not only its copy (5.7.1), so the instruction fits entries that
//! lead to the controller alone. Where the packet goes on as well (RTMP, ARP to one host), the copy
//! must be metered by itself, which takes Open vSwitch's action `controller(meter_id=N)`; on others
//! these entries stay as they are.

use std::collections::BTreeSet;

pub(crate) use rust_openflow::v13::MeterCommand;
use rust_openflow::v13::{MeterBand, MeterConfig, MeterMod, meter_flags};

use crate::entry::{Entry, EntryKey, Purpose, Step};
use crate::pipeline::{self, INSPECT, Placed};
use crate::switch::Class;
use crate::{Limits, VirtualRange};

/// Packets that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Meter {
    /// A second, on average.
    pub(crate) rate: u32,
    /// At once.
    pub(crate) burst: u32,
}

/// Meters carry no cookie; their ids must do: our mark, the class, and the port or 0.
const MARK: u32 = 0x6e00_0000;
const MARK_BITS: u32 = 0xff00_0000;

/// Whether a meter on a switch is ours.
pub(crate) fn is_ours(id: u32) -> bool {
    id & MARK_BITS == MARK
}

/// The meter of a class, at one port where each has its share; `None` for ports whose number is too
/// high.
pub(crate) fn id(class: Class, port: u32) -> Option<u32> {
    let kind = Class::ALL.iter().position(|known| *known == class)? as u32 + 1;
    (port <= 0xffff).then_some(MARK | kind << 16 | port)
}

/// The class that a meter of ours is for.
pub(crate) fn class(id: u32) -> Option<Class> {
    let kind = (id & !MARK_BITS) >> 16;
    Class::ALL.get(usize::try_from(kind.checked_sub(1)?).ok()?).copied().filter(|_| is_ours(id))
}

/// What passes of a class, at one port where each has its share.
pub(crate) fn meter(class: Class, limits: &Limits) -> Meter {
    let rate = class.share(limits).unwrap_or_else(|| class.rate(limits)).max(1);
    Meter { rate, burst: (rate / 2).max(1) }
}

/// The classes of which each port has its share.
pub(crate) const PER_PORT: [Class; 3] = [Class::Lldp, Class::Arp, Class::Unknown];
/// Those that come by whatever port.
pub(crate) const PER_SWITCH: [Class; 2] = [Class::Rtmp, Class::Answer];

/// An entry that stands right above another, and meters what that sends up.
fn above((mut key, mut entry): Placed, meter: u32) -> Placed {
    key.priority += 1;
    if entry.goto.is_some() {
        entry = metered_copy(entry, meter);
    } else {
        entry.meter = Some(meter);
    }
    (key, entry)
}

/// The same entry, its copy to the controller metered.
pub(crate) fn metered_copy(mut entry: Entry, meter: u32) -> Entry {
    for step in entry.steps.iter_mut().filter(|step| **step == Step::Controller) {
        *step = Step::MeteredController(meter);
    }
    entry
}

/// The same entry, its copy to the controller not metered.
pub(crate) fn unmetered_copy(mut entry: Entry) -> Entry {
    for step in &mut entry.steps {
        if matches!(step, Step::MeteredController(_)) {
            *step = Step::Controller;
        }
    }
    entry
}

/// The entries that meter what one port sends up; copies of what goes on only if the switch can.
pub(crate) fn at_port(port: u32, range: VirtualRange, copies: bool) -> Vec<Placed> {
    let fixed = pipeline::fixed(range, &BTreeSet::new());
    let of = |(key, entry): &Placed| {
        let class = match (key.table, key.priority) {
            (INSPECT, 900) => Class::Lldp,
            (INSPECT, 854..=870) => Class::Arp,
            (pipeline::FORWARDING, 0) => Class::Unknown,
            _ => return None,
        };
        let mut key = *key;
        key.pattern.in_port = Some(port);
        Some(above((key, entry.clone()), id(class, port)?))
    };
    fixed.iter().filter_map(of).filter(|(_, entry)| copies || !entry.meters_copy()).collect()
}

/// The entries that meter what comes by any port.
pub(crate) fn at_switch(
    range: VirtualRange,
    rtmp_ports: &BTreeSet<u16>,
    copies: bool,
) -> Vec<Placed> {
    let fixed =
        pipeline::fixed(range, rtmp_ports).into_iter().chain(pipeline::rtmp_ends(rtmp_ports));
    let of = |(key, entry): Placed| {
        let class = match (key.table, key.priority) {
            (INSPECT, 640 | 700) => Class::Rtmp,
            (pipeline::PEERING, 200) => Class::Answer,
            _ => return None,
        };
        Some(above((key, entry), id(class, 0)?))
    };
    fixed.filter_map(of).filter(|(_, entry)| copies || !entry.meters_copy()).collect()
}

/// Whether an entry stands above another only to meter it: without meters it is not needed.
pub(crate) fn is_above(key: &EntryKey, entry: &Entry) -> bool {
    let metered = entry.meter.is_some() || entry.meters_copy();
    metered && entry.cookie.purpose() == Some(Purpose::Pipeline) && key.priority % 2 == 1
}

/// The message that adds, changes or removes a meter.
pub(crate) fn message(command: MeterCommand, meter_id: u32, meter: Option<Meter>) -> MeterMod {
    let flags = meter_flags::PKTPS | meter_flags::BURST | meter_flags::STATS;
    let band = |Meter { rate, burst }| MeterBand::Drop { rate, burst };
    MeterMod { command, flags, meter_id, bands: meter.map(band).into_iter().collect() }
}

/// The meter that a switch says it has. One that the fabric would not have made reads as one that
/// must change.
pub(crate) fn read(config: &MeterConfig) -> Meter {
    match config.bands[..] {
        [MeterBand::Drop { rate, burst }] if config.flags & meter_flags::PKTPS != 0 => {
            Meter { rate, burst }
        }
        _ => Meter::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meter_has_an_id_of_its_own_that_names_its_class() {
        let mut ids = BTreeSet::new();
        for known in Class::ALL {
            for port in [0, 1, 77, 0xffff] {
                let id = id(known, port).expect("a port that has one");
                assert_eq!(class(id), Some(known));
                assert!(ids.insert(id), "{known:?} at {port}");
            }
            assert_eq!(id(known, 0x1_0000), None);
        }
        assert_eq!([class(0x6e00_0001), class(7), class(0x6eff_0001)], [None; 3]);
    }

    #[test]
    fn only_what_leads_to_the_controller_alone_is_dropped_by_a_meter() {
        let range = VirtualRange::default();
        let ports = [1935, 1936].into();
        for copies in [false, true] {
            let all = [at_port(3, range, copies), at_switch(range, &ports, copies)].concat();
            let (alone, onward): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|(_, entry)| entry.goto.is_none());
            assert_eq!(alone.len(), 5, "LLDP, ARP and solicitations to all, unknown; answers");
            assert!(alone.iter().all(|(_, entry)| entry.meter.is_some() && !entry.meters_copy()));
            assert!(onward.iter().all(|(_, entry)| entry.meter.is_none() && entry.meters_copy()));
            // ARP and neighbour discovery to one host; each RTMP port, by IPv4 and IPv6, both ways,
            // plain and by flag.
            assert_eq!(onward.len(), if copies { 3 + 2 * 2 * 2 * 4 } else { 0 });
            for (key, entry) in alone.iter().chain(&onward) {
                assert!(is_above(key, entry), "{key:?}");
            }
        }
        for placed in pipeline::fixed(range, &ports) {
            assert!(!is_above(&placed.0, &placed.1));
        }
    }
}
