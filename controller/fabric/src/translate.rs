//! From entries to OpenFlow and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rust_openflow::Mac;
use rust_openflow::v13::{
    Action, Bucket, FlowMod, GroupCommand, GroupMod, GroupType, Instruction, Masked as WireMasked,
    Match, Oxm, flow_flags, port_number,
};

use crate::Subnet;
use crate::entry::{Cookie, Entry, EntryKey, Group, Masked, Note, Pattern, Step};
use crate::frame::{TCP, UDP};

/// The flow-mod that adds an entry or overwrites it.
pub(crate) fn set(key: &EntryKey, entry: &Entry) -> FlowMod {
    let mut flow = FlowMod::add()
        .table(key.table)
        .priority(key.priority)
        .cookie(entry.cookie.0)
        // Whoever removes it, we hear of it.
        .flags(flow_flags::SEND_FLOW_REM)
        .idle_timeout(entry.idle_secs)
        .matching(matching(&key.pattern));
    if let Some(meter) = entry.meter {
        flow = flow.instruction(Instruction::Meter(meter));
    }
    if !entry.steps.is_empty() {
        flow = flow.instruction(Instruction::ApplyActions(actions(&entry.steps)));
    }
    if let Some(note) = entry.note {
        let (metadata, mask) = match note {
            Note::Port(port) => (port.into(), PORT_NOTED),
            Note::Round => (ROUND_NOTED, ROUND_NOTED),
        };
        flow = flow.instruction(Instruction::WriteMetadata { metadata, mask });
    }
    match entry.goto {
        Some(table) => flow.instruction(Instruction::GotoTable(table)),
        None => flow,
    }
}

/// The flow-mod that removes one entry, if it is ours.
pub(crate) fn remove(key: &EntryKey) -> FlowMod {
    let mut flow = FlowMod::delete_strict()
        .table(key.table)
        .priority(key.priority)
        .cookie(Cookie::OURS)
        .matching(matching(&key.pattern));
    flow.cookie_mask = Cookie::MASK;
    flow
}

/// A group-mod.
pub(crate) fn group(command: GroupCommand, id: u32, group: &Group) -> GroupMod {
    let (kind, buckets) = match group {
        Group::All(buckets) => {
            let copies = buckets.iter().map(|steps| Bucket::of(actions(steps)));
            (GroupType::All, copies.collect())
        }
        Group::Failover(buckets) => {
            let watching = |(watch_port, steps): &(u32, Vec<Step>)| Bucket {
                watch_port: *watch_port,
                ..Bucket::of(actions(steps))
            };
            (GroupType::FastFailover, buckets.iter().map(watching).collect())
        }
    };
    GroupMod { command, kind, group_id: id, buckets }
}

fn actions(steps: &[Step]) -> Vec<Action> {
    let action = |step: &Step| match *step {
        Step::SetEthSource(mac) => Action::SetField(Oxm::EthSrc(mac.into())),
        Step::SetEthDestination(mac) => Action::SetField(Oxm::EthDst(mac.into())),
        Step::SetIpSource(ip) => Action::SetField(Oxm::Ipv4Src(ip.into())),
        Step::SetIpDestination(ip) => Action::SetField(Oxm::Ipv4Dst(ip.into())),
        Step::Group(id) => Action::Group(id),
        Step::Output(port) => Action::output(port),
        Step::Controller => Action::to_controller(),
        Step::MeteredController(meter) => metered_controller(meter),
        Step::Back => Action::output(port_number::IN_PORT),
        Step::PushTag => Action::PushVlan(VLAN),
        Step::SetTag(id) => Action::SetField(Oxm::VlanVid((VLAN_PRESENT | id).into())),
        Step::PopTag => Action::PopVlan,
    };
    steps.iter().map(action).collect()
}

/// The EtherType of a VLAN tag.
const VLAN: u16 = 0x8100;
/// `OFPVID_PRESENT`
const VLAN_PRESENT: u16 = 0x1000;
const VLAN_EXACT: u16 = 0x1fff;
/// The bits of the metadata in which a port is noted, and that a packet came by the way round a
/// link.
const PORT_NOTED: u64 = 0xffff_ffff;
const ROUND_NOTED: u64 = 1 << 32;

/// The vendor of Open vSwitch's extensions.
const NICIRA: u32 = 0x2320;
/// Its subtype `NXAST_CONTROLLER2`, six bytes of zeros, and the head of its property
/// `NXAC2PT_METER_ID`, eight bytes long (OVS, lib/ofp-actions.c).
const METERED_CONTROLLER: [u8; 12] = [0, 37, 0, 0, 0, 0, 0, 0, 0, 5, 0, 8];

/// Sends a whole copy to the controller if a meter lets it pass: Open vSwitch's action
/// `controller(meter_id=N)`, since 2.12.
fn metered_controller(meter: u32) -> Action {
    let data = [&METERED_CONTROLLER[..], &meter.to_be_bytes()].concat();
    Action::Experimenter { experimenter: NICIRA, data }
}

/// The meter of a [`metered_controller`].
fn meter_of_controller(data: &[u8]) -> Option<u32> {
    let meter = data.strip_prefix(&METERED_CONTROLLER)?;
    Some(u32::from_be_bytes(meter.try_into().ok()?))
}

/// The steps that actions amount to; `None` if they are none that the fabric makes.
fn steps(actions: &[Action]) -> Option<Vec<Step>> {
    let step = |action: &Action| match action {
        Action::SetField(Oxm::EthSrc(mac)) => Some(Step::SetEthSource(mac.value)),
        Action::SetField(Oxm::EthDst(mac)) => Some(Step::SetEthDestination(mac.value)),
        Action::SetField(Oxm::Ipv4Src(ip)) => Some(Step::SetIpSource(ip.value)),
        Action::SetField(Oxm::Ipv4Dst(ip)) => Some(Step::SetIpDestination(ip.value)),
        Action::Group(id) => Some(Step::Group(*id)),
        Action::SetField(Oxm::VlanVid(id)) => Some(Step::SetTag(id.value & !VLAN_PRESENT)),
        Action::PushVlan(VLAN) => Some(Step::PushTag),
        Action::PopVlan => Some(Step::PopTag),
        Action::Output { port: port_number::CONTROLLER, .. } => Some(Step::Controller),
        Action::Output { port: port_number::IN_PORT, .. } => Some(Step::Back),
        Action::Output { port, .. } => Some(Step::Output(*port)),
        Action::Experimenter { experimenter: NICIRA, data } => {
            meter_of_controller(data).map(Step::MeteredController)
        }
        _ => None,
    };
    actions.iter().map(step).collect()
}

/// The match of a pattern, each field after those it needs (OpenFlow 1.3.5 7.2.3.8).
pub(crate) fn matching(pattern: &Pattern) -> Match {
    let mut fields = Vec::new();
    fields.extend(pattern.in_port.map(Oxm::InPort));
    fields.extend(pattern.noted_port.map(|port| {
        let round = if pattern.noted_round { ROUND_NOTED } else { 0 };
        Oxm::Metadata(WireMasked::new(u64::from(port) | round, PORT_NOTED | round))
    }));
    fields.extend(pattern.eth_destination.map(|mac| Oxm::EthDst(masked(mac, Mac::BROADCAST))));
    fields.extend(pattern.eth_source.map(|mac| Oxm::EthSrc(mac.into())));
    // That there is a tag is a bit of its own (OpenFlow 1.3.5 7.2.3.7).
    let present = |vlan: Masked<u16>| Masked {
        value: VLAN_PRESENT | vlan.value,
        mask: VLAN_PRESENT | vlan.mask,
    };
    let vlan = pattern.vlan.map(|vlan| masked(present(vlan), VLAN_EXACT));
    fields.extend(vlan.map(Oxm::VlanVid));
    fields.extend(pattern.eth_type.map(Oxm::EthType));
    fields.extend(pattern.ip_protocol.map(Oxm::IpProto));
    fields.extend(pattern.ip_source.map(|prefix| match prefix.base() {
        IpAddr::V4(ip) => Oxm::Ipv4Src(to_wire4(ip, prefix.bits())),
        IpAddr::V6(ip) => Oxm::Ipv6Src(to_wire6(ip, prefix.bits())),
    }));
    fields.extend(pattern.ip_destination.map(|prefix| match prefix.base() {
        IpAddr::V4(ip) => Oxm::Ipv4Dst(to_wire4(ip, prefix.bits())),
        IpAddr::V6(ip) => Oxm::Ipv6Dst(to_wire6(ip, prefix.bits())),
    }));
    if pattern.ip_protocol == Some(UDP) {
        fields.extend(pattern.source_port.map(Oxm::UdpSrc));
        fields.extend(pattern.destination_port.map(Oxm::UdpDst));
    } else {
        fields.extend(pattern.source_port.map(Oxm::TcpSrc));
        fields.extend(pattern.destination_port.map(Oxm::TcpDst));
    }
    fields.extend(pattern.icmpv6_type.map(Oxm::Icmpv6Type));
    fields.extend(pattern.tcp_flags.map(|flags| Oxm::TcpFlags(WireMasked::new(flags, flags))));
    Match { fields }
}

fn masked<T: PartialEq>(field: Masked<T>, all: T) -> WireMasked<T> {
    if field.mask == all { field.value.into() } else { WireMasked::new(field.value, field.mask) }
}

fn to_wire4(address: Ipv4Addr, bits: u8) -> WireMasked<Ipv4Addr> {
    match u32::MAX.checked_shr(bits.into()) {
        Some(rest) => WireMasked::new(address, (!rest).into()),
        None => address.into(),
    }
}

fn to_wire6(address: Ipv6Addr, bits: u8) -> WireMasked<Ipv6Addr> {
    match u128::MAX.checked_shr(bits.into()) {
        Some(rest) => WireMasked::new(address, (!rest).into()),
        None => address.into(),
    }
}

/// The prefix of an address and its mask; `None` if that is not ones and then zeros.
fn prefix4(field: WireMasked<Ipv4Addr>) -> Option<Subnet> {
    let mask = u32::from(field.mask.unwrap_or(Ipv4Addr::BROADCAST));
    let bits = u8::try_from(mask.leading_ones()).ok()?;
    Subnet::new(field.value.into(), bits).ok().filter(|_| mask.count_ones() == u32::from(bits))
}

fn prefix6(field: WireMasked<Ipv6Addr>) -> Option<Subnet> {
    let mask = field.mask.map_or(u128::MAX, u128::from);
    let bits = u8::try_from(mask.leading_ones()).ok()?;
    Subnet::new(field.value.into(), bits).ok().filter(|_| mask.count_ones() == u32::from(bits))
}

fn unmasked<T>(field: WireMasked<T>, all: T) -> Masked<T> {
    Masked { value: field.value, mask: field.mask.unwrap_or(all) }
}

/// The pattern of a match, whatever the order of its fields; `None` if the fabric makes no such.
pub(crate) fn pattern(matching: &Match) -> Option<Pattern> {
    let mut pattern = Pattern::default();
    for field in &matching.fields {
        match field {
            Oxm::InPort(port) => pattern.in_port = Some(*port),
            Oxm::Metadata(noted) => {
                let round = noted.value & ROUND_NOTED;
                if noted.mask != Some(PORT_NOTED | round) {
                    return None;
                }
                pattern.noted_port = Some(u32::try_from(noted.value & PORT_NOTED).ok()?);
                pattern.noted_round = round != 0;
            }
            Oxm::VlanVid(vlan) if vlan.value & VLAN_PRESENT != 0 => {
                let Masked { value, mask } = unmasked(*vlan, VLAN_EXACT);
                let (value, mask) = (value & !VLAN_PRESENT, mask & !VLAN_PRESENT);
                pattern.vlan = Some(Masked { value, mask });
            }
            Oxm::EthDst(mac) => pattern.eth_destination = Some(unmasked(*mac, Mac::BROADCAST)),
            Oxm::EthSrc(mac) if mac.mask.is_none_or(|mask| mask == Mac::BROADCAST) => {
                pattern.eth_source = Some(mac.value);
            }
            Oxm::EthType(eth_type) => pattern.eth_type = Some(*eth_type),
            Oxm::IpProto(protocol) => pattern.ip_protocol = Some(*protocol),
            Oxm::Ipv4Src(ip) => pattern.ip_source = Some(prefix4(*ip)?),
            Oxm::Ipv4Dst(ip) => pattern.ip_destination = Some(prefix4(*ip)?),
            Oxm::Ipv6Src(ip) => pattern.ip_source = Some(prefix6(*ip)?),
            Oxm::Ipv6Dst(ip) => pattern.ip_destination = Some(prefix6(*ip)?),
            Oxm::TcpSrc(port) => {
                pattern.ip_protocol = Some(TCP);
                pattern.source_port = Some(*port);
            }
            Oxm::TcpDst(port) => {
                pattern.ip_protocol = Some(TCP);
                pattern.destination_port = Some(*port);
            }
            Oxm::UdpSrc(port) => {
                pattern.ip_protocol = Some(UDP);
                pattern.source_port = Some(*port);
            }
            Oxm::UdpDst(port) => {
                pattern.ip_protocol = Some(UDP);
                pattern.destination_port = Some(*port);
            }
            Oxm::Icmpv6Type(kind) => pattern.icmpv6_type = Some(*kind),
            Oxm::TcpFlags(flags) if flags.mask.is_none_or(|mask| mask == flags.value) => {
                pattern.tcp_flags = Some(flags.value);
            }
            _ => return None,
        }
    }
    Some(pattern)
}

/// The entry of instructions; `None` if the fabric makes no such.
pub(crate) fn entry(cookie: u64, idle_secs: u16, instructions: &[Instruction]) -> Option<Entry> {
    let cookie = Cookie(cookie);
    let (goto, note, meter) = (None, None, None);
    let mut entry = Entry { cookie, steps: Vec::new(), goto, note, meter, idle_secs };
    for instruction in instructions {
        match instruction {
            Instruction::ApplyActions(actions) => entry.steps.extend(steps(actions)?),
            Instruction::GotoTable(table) => entry.goto = Some(*table),
            Instruction::Meter(meter) => entry.meter = Some(*meter),
            Instruction::WriteMetadata { metadata, mask: PORT_NOTED } => {
                entry.note = Some(Note::Port(u32::try_from(*metadata).ok()?));
            }
            Instruction::WriteMetadata { metadata: ROUND_NOTED, mask: ROUND_NOTED } => {
                entry.note = Some(Note::Round);
            }
            _ => return None,
        }
    }
    Some(entry)
}

/// The group of buckets; `None` if the fabric makes no such.
pub(crate) fn group_of(kind: GroupType, buckets: &[Bucket]) -> Option<Group> {
    match kind {
        GroupType::All => buckets
            .iter()
            .map(|bucket| steps(&bucket.actions))
            .collect::<Option<_>>()
            .map(Group::All),
        GroupType::FastFailover => {
            let watching = |bucket: &Bucket| Some((bucket.watch_port, steps(&bucket.actions)?));
            buckets.iter().map(watching).collect::<Option<_>>().map(Group::Failover)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rust_openflow::v13::{Body, Message};

    use super::*;
    use crate::VirtualRange;
    use crate::distribution::Tag;
    use crate::pipeline::{self, Chunks, PeeredHost};

    #[test]
    fn no_group_is_longer_than_a_message() {
        let range = VirtualRange::default();
        let host = PeeredHost {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            address: "10.0.0.1".parse().expect("an address"),
            port: 3,
            alias: "10.254.0.9".parse().expect("an address"),
        };
        let bucket = pipeline::bucket(&host, "10.254.0.8".parse().expect("an address"), range);
        let tagging = pipeline::tagging(Tag::new(1), 7);
        let most = pipeline::VIEWERS_AT_SWITCH;
        for (viewers, links, fit) in
            [(most, 340, most), (1012, 0, 682), (most, 681, 341), (most, 1024, 170)]
        {
            let made = pipeline::group(vec![bucket.clone(); viewers], vec![tagging.clone(); links]);
            let Group::All(buckets) = &made else { panic!("copies: {made:?}") };
            assert_eq!(buckets.len(), fit + links, "{viewers} viewers and {links} links");
            let mut wire = Vec::new();
            let body = Body::GroupMod(group(GroupCommand::Add, 1, &made));
            Message::new(1, body).encode(&mut wire);
            assert_eq!(usize::from(u16::from_be_bytes([wire[2], wire[3]])), wire.len());
        }
    }

    #[test]
    fn every_entry_the_fabric_makes_reads_back() {
        let range = VirtualRange::default();
        let host = PeeredHost {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            address: "10.0.0.1".parse().expect("an address"),
            port: 3,
            alias: "10.254.0.9".parse().expect("an address"),
        };
        let group = "10.254.0.8".parse().expect("an address");
        let client = "10.0.0.1:40000".parse().expect("an address");
        let server = "10.0.0.9:1935".parse().expect("an address");
        let client6 = "[fd00::1]:40000".parse().expect("an address");
        let server6 = "[fd00::9]:1935".parse().expect("an address");
        let mut all = pipeline::fixed(range, &[1935, 1936].into());
        all.extend(pipeline::rtmp_ends(&[1935].into()));
        all.extend(pipeline::trunk(4, range));
        all.extend(crate::meters::at_port(4, range, true));
        all.extend(crate::meters::at_switch(range, &[1935].into(), true));
        let mut detours = crate::detour::Detours::default();
        let at = |switch, port| crate::Attachment { switch: crate::DatapathId(switch), port };
        detours.update(vec![(at(1, 1), at(2, 1)), (at(1, 2), at(2, 2))]);
        let label = detours.of(at(1, 1)).expect("parallel links").label;
        let failover = pipeline::failover(1, label, 2).expect("ports with low numbers");
        all.extend([failover.link, failover.back]);
        all.extend([pipeline::labelled(3, label, Some(4)), pipeline::labelled(3, label, None)]);
        for (id, made) in failover.groups {
            let wire = super::group(GroupCommand::Add, id, &made);
            assert_eq!(group_of(wire.kind, &wire.buckets), Some(made));
        }
        let chunks = Chunks { id: 77, from: host.alias, to: group };
        all.extend([
            pipeline::bypass(client, server),
            pipeline::watch(server, client),
            pipeline::bypass(client6, server6),
            pipeline::watch(server6, client6),
            pipeline::admission(&host, range),
            pipeline::alias(&host, range),
            pipeline::alias_elsewhere(host.alias, host.mac),
            chunks.at_broadcaster(3),
            chunks.at_branch(Tag::new(5), 3, None),
            chunks.at_branch(Tag::new(5), 3, Some(4)),
            pipeline::to_host(host.mac, 3),
            pipeline::toward_host(host.mac, 3),
            pipeline::link(3, None),
            pipeline::back_by_link(3),
            pipeline::broadcast(&[1, 2].into()),
            pipeline::no_broadcast_from(4),
        ]);
        for (key, wanted) in all {
            let flow = set(&key, &wanted);
            assert_eq!(pattern(&flow.matching), Some(key.pattern), "{key:?}");
            let mut shuffled = flow.matching.clone();
            shuffled.fields.reverse();
            assert_eq!(pattern(&shuffled), Some(key.pattern), "in any order: {key:?}");
            assert_eq!(entry(flow.cookie, flow.idle_timeout, &flow.instructions), Some(wanted));
        }
    }
}
