//! From entries to OpenFlow and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rust_openflow::Mac;
use rust_openflow::v13::{
    Action, Bucket, FlowMod, GroupCommand, GroupMod, GroupType, Instruction, Masked as WireMasked,
    Match, Oxm, flow_flags, port_number,
};

use crate::Subnet;
use crate::entry::{Cookie, Entry, EntryKey, Group, Masked, Pattern, Step};
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
    if !entry.steps.is_empty() {
        flow = flow.instruction(Instruction::ApplyActions(actions(&entry.steps)));
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

/// A group-mod for a group of type ALL.
pub(crate) fn group(command: GroupCommand, id: u32, group: &Group) -> GroupMod {
    let buckets = group.buckets.iter().map(|steps| Bucket::of(actions(steps))).collect();
    GroupMod { command, kind: GroupType::All, group_id: id, buckets }
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
    };
    steps.iter().map(action).collect()
}

/// The steps that actions amount to; `None` if they are none that the fabric makes.
fn steps(actions: &[Action]) -> Option<Vec<Step>> {
    let step = |action: &Action| match action {
        Action::SetField(Oxm::EthSrc(mac)) => Some(Step::SetEthSource(mac.value)),
        Action::SetField(Oxm::EthDst(mac)) => Some(Step::SetEthDestination(mac.value)),
        Action::SetField(Oxm::Ipv4Src(ip)) => Some(Step::SetIpSource(ip.value)),
        Action::SetField(Oxm::Ipv4Dst(ip)) => Some(Step::SetIpDestination(ip.value)),
        Action::Group(id) => Some(Step::Group(*id)),
        Action::Output { port: port_number::CONTROLLER, .. } => Some(Step::Controller),
        Action::Output { port, .. } => Some(Step::Output(*port)),
        _ => None,
    };
    actions.iter().map(step).collect()
}

/// The match of a pattern, each field after those it needs (OpenFlow 1.3.5 7.2.3.8).
pub(crate) fn matching(pattern: &Pattern) -> Match {
    let mut fields = Vec::new();
    fields.extend(pattern.in_port.map(Oxm::InPort));
    fields.extend(pattern.eth_destination.map(|mac| Oxm::EthDst(masked(mac, Mac::BROADCAST))));
    fields.extend(pattern.eth_source.map(|mac| Oxm::EthSrc(mac.into())));
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
    let mut entry = Entry { cookie: Cookie(cookie), steps: Vec::new(), goto: None, idle_secs };
    for instruction in instructions {
        match instruction {
            Instruction::ApplyActions(actions) => entry.steps.extend(steps(actions)?),
            Instruction::GotoTable(table) => entry.goto = Some(*table),
            _ => return None,
        }
    }
    Some(entry)
}

/// The group of buckets; `None` if the fabric makes no such.
pub(crate) fn group_of(kind: GroupType, buckets: &[Bucket]) -> Option<Group> {
    let buckets = buckets.iter().map(|bucket| steps(&bucket.actions)).collect::<Option<_>>()?;
    (kind == GroupType::All).then_some(Group { buckets })
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
            assert_eq!(made.buckets.len(), fit + links, "{viewers} viewers and {links} links");
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
