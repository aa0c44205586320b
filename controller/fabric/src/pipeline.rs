//! The pipeline: which entry stands where, with which priority.
//!
//! ```text
//! table 0 inspect
//!   900  LLDP                                     -> controller
//!   880  from a port that leads to a switch       -> 1      inspected where it entered
//!   870  ARP to one host                          -> controller and 1
//!   860  ARP                                      -> controller
//!   840  IPv4 from the virtual range              -> drop   anti-spoofing
//!   820  a peered host's UDP 7935 to the virtual range, from its port
//!                                                 -> source becomes its alias, 1
//!   800  IPv4 to the virtual range                -> drop
//!   700  RTMP with SYN, FIN or RST                -> controller and 1
//!   680  a decided RTMP connection, light direction, with PSH
//!                                                 -> controller and 1   (idle timeout)
//!   660  an RTMP connection that is let go        -> 1                  (idle timeout)
//!   640  RTMP                                     -> controller and 1
//!     0  anything                                 -> 1
//! table 1 peering
//!   300  from the broadcaster's alias to the group address, UDP 7935
//!                                                 -> group
//!   200  to an alias, UDP 7935                    -> destination becomes its host, out of its port
//!   200  to the controller's alias, UDP 7935      -> controller
//!   100  IPv4 to the virtual range                -> drop
//!     0  anything                                 -> 2
//! table 2 forwarding
//!   110  to the virtual MAC                       -> drop
//!   100  to a host                                -> its port, or the one on the way there
//!    60  broadcast and multicast from a link that is not of the tree
//!                                                 -> drop
//!    50  broadcast and multicast                  -> edge ports and links of the tree
//!     0  anything                                 -> controller
//! ```
//!
//! ARP requests to everybody go to the controller alone, which answers for hosts it knows. Those to
//! one host, by which hosts refresh what they know, reach it as well: while the controller is away
//! hosts do not lose each other.
//!
//! RTMP is copied up *and* goes on at once: inspection delays no packet. The copies at 700 stand
//! above the bypass, so that the end of a connection is seen, and a port used again is looked at
//! afresh, whatever was decided before. They and 680 need matching on TCP flags (ONF extension
//! EXT-109, which Open vSwitch has); a switch that refuses that is left without, and the end of a
//! connection is noticed by its bypass falling idle.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_media::peering;

use crate::entry::{Entry, EntryKey, Masked, Pattern, Purpose, Step};
use crate::frame::{ARP, IPV4, LLDP, TCP, UDP};
use crate::{Mac, VirtualRange};

pub(crate) const INSPECT: u8 = 0;
pub(crate) const PEERING: u8 = 1;
pub(crate) const FORWARDING: u8 = 2;

const FIN: u16 = 0x001;
const SYN: u16 = 0x002;
const RST: u16 = 0x004;
const PSH: u16 = 0x008;

/// Seconds that a bypassed RTMP connection may be silent before the switch says so: longer than the
/// minute at which nginx-rtmp pings a client, which is all that a paused player gets.
pub(crate) const BYPASS_IDLE_SECS: u16 = 90;

/// An entry with its place.
pub(crate) type Placed = (EntryKey, Entry);

fn key(table: u8, priority: u16, pattern: Pattern) -> EntryKey {
    EntryKey { table, priority, pattern }
}

fn from_range(range: VirtualRange) -> Masked<Ipv4Addr> {
    Masked { value: range.network(), mask: range.mask() }
}

fn ipv4() -> Pattern {
    Pattern { eth_type: Some(IPV4), ..Pattern::default() }
}

fn tcp() -> Pattern {
    Pattern { ip_protocol: Some(TCP), ..ipv4() }
}

fn peering_udp() -> Pattern {
    Pattern { ip_protocol: Some(UDP), destination_port: Some(peering::PORT), ..ipv4() }
}

/// The entries that every switch has, whatever is attached to it.
pub(crate) fn fixed(range: VirtualRange, rtmp_ports: &BTreeSet<u16>) -> Vec<Placed> {
    let ours = || Entry::new(Purpose::Pipeline);
    let up = || ours().step(Step::Controller);
    let virtual_source = Pattern { ip_source: Some(from_range(range)), ..ipv4() };
    let virtual_destination = Pattern { ip_destination: Some(from_range(range)), ..ipv4() };
    let to_controller =
        Pattern { ip_destination: Some(range.controller().into()), ..peering_udp() };
    let ether = |eth_type| Pattern { eth_type: Some(eth_type), ..Pattern::default() };
    let unicast = Masked { value: Mac::default(), mask: GROUP_BIT };
    let to_one = Pattern { eth_destination: Some(unicast), ..ether(ARP) };
    let to_virtual_mac =
        Pattern { eth_destination: Some(range.mac().into()), ..Pattern::default() };
    let any = Pattern::default();
    let mut entries = vec![
        (key(INSPECT, 900, ether(LLDP)), up()),
        (key(INSPECT, 870, to_one), up().goto(PEERING)),
        (key(INSPECT, 860, ether(ARP)), up()),
        (key(INSPECT, 840, virtual_source), ours()),
        (key(INSPECT, 800, virtual_destination), ours()),
        (key(INSPECT, 0, any), ours().goto(PEERING)),
        (key(PEERING, 200, to_controller), up()),
        (key(PEERING, 100, virtual_destination), ours()),
        (key(PEERING, 0, any), ours().goto(FORWARDING)),
        (key(FORWARDING, 110, to_virtual_mac), ours()),
        (key(FORWARDING, 0, any), up()),
    ];
    for pattern in rtmp_either_way(rtmp_ports) {
        entries.push((key(INSPECT, 640, pattern), up().goto(PEERING)));
    }
    entries
}

/// Copies of the beginning and end of RTMP connections, where the switch matches on TCP flags.
pub(crate) fn rtmp_ends(rtmp_ports: &BTreeSet<u16>) -> Vec<Placed> {
    let mut entries = Vec::new();
    for pattern in rtmp_either_way(rtmp_ports) {
        for flag in [SYN, FIN, RST] {
            let pattern = Pattern { tcp_flags: Some(flag), ..pattern };
            let up = Entry::new(Purpose::Pipeline).step(Step::Controller);
            entries.push((key(INSPECT, 700, pattern), up.goto(PEERING)));
        }
    }
    entries
}

fn rtmp_either_way(ports: &BTreeSet<u16>) -> impl Iterator<Item = Pattern> {
    ports.iter().flat_map(|port| {
        let to_server = Pattern { destination_port: Some(*port), ..tcp() };
        let from_server = Pattern { source_port: Some(*port), ..tcp() };
        [to_server, from_server]
    })
}

/// Whether an entry needs the extension for TCP flags.
pub(crate) fn needs_tcp_flags(key: &EntryKey) -> bool {
    key.pattern.tcp_flags.is_some()
}

/// What comes from a port that leads to another switch.
pub(crate) fn trunk(port: u32) -> Placed {
    let pattern = Pattern { in_port: Some(port), ..Pattern::default() };
    (key(INSPECT, 880, pattern), Entry::new(Purpose::Pipeline).goto(PEERING))
}

fn connection(from: SocketAddrV4, to: SocketAddrV4) -> Pattern {
    Pattern {
        ip_source: Some((*from.ip()).into()),
        ip_destination: Some((*to.ip()).into()),
        source_port: Some(from.port()),
        destination_port: Some(to.port()),
        ..tcp()
    }
}

/// One direction of an RTMP connection that is let through uninspected.
pub(crate) fn bypass(from: SocketAddrV4, to: SocketAddrV4) -> Placed {
    let mut entry = Entry::new(Purpose::Bypass).goto(PEERING);
    entry.idle_secs = BYPASS_IDLE_SECS;
    (key(INSPECT, 660, connection(from, to)), entry)
}

/// The same direction's segments that end a message are still copied: commands are such segments,
/// bare acknowledgements are not.
pub(crate) fn watch(from: SocketAddrV4, to: SocketAddrV4) -> Placed {
    let pattern = Pattern { tcp_flags: Some(PSH), ..connection(from, to) };
    let mut entry = Entry::new(Purpose::Bypass).step(Step::Controller).goto(PEERING);
    entry.idle_secs = BYPASS_IDLE_SECS;
    (key(INSPECT, 680, pattern), entry)
}

/// The direction that a [`bypass`] entry lets through.
pub(crate) fn bypassed(key: &EntryKey) -> Option<(SocketAddrV4, SocketAddrV4)> {
    let pattern = &key.pattern;
    let from = SocketAddrV4::new(pattern.ip_source?.value, pattern.source_port?);
    let to = SocketAddrV4::new(pattern.ip_destination?.value, pattern.destination_port?);
    (key.table == INSPECT && key.priority == 660).then_some((from, to))
}

/// A peered host as its switch sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeeredHost {
    pub(crate) mac: Mac,
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u32,
    pub(crate) alias: Ipv4Addr,
}

/// Lets a peered host send to the virtual range, under its alias.
pub(crate) fn admission(host: &PeeredHost, range: VirtualRange) -> Placed {
    let pattern = Pattern {
        in_port: Some(host.port),
        eth_source: Some(host.mac),
        ip_source: Some(host.address.into()),
        ip_destination: Some(from_range(range)),
        ..peering_udp()
    };
    let entry = Entry::new(Purpose::Alias)
        .step(Step::SetEthSource(range.mac()))
        .step(Step::SetIpSource(host.alias))
        .goto(PEERING);
    (key(INSPECT, 820, pattern), entry)
}

/// The host and alias that an [`admission`] entry admits, read back from a switch.
pub(crate) fn admitted((key, entry): (&EntryKey, &Entry)) -> Option<PeeredHost> {
    let pattern = &key.pattern;
    let alias = entry.steps.iter().find_map(|step| match step {
        Step::SetIpSource(alias) => Some(*alias),
        _ => None,
    });
    let host = PeeredHost {
        mac: pattern.eth_source?,
        address: pattern.ip_source?.value,
        port: pattern.in_port?,
        alias: alias?,
    };
    (key.table == INSPECT && key.priority == 820).then_some(host)
}

/// Brings what is sent to a host's alias to the host.
pub(crate) fn alias(host: &PeeredHost, range: VirtualRange) -> Placed {
    let pattern = Pattern { ip_destination: Some(host.alias.into()), ..peering_udp() };
    let entry = Entry::new(Purpose::Alias)
        .step(Step::SetEthSource(range.mac()))
        .step(Step::SetEthDestination(host.mac))
        .step(Step::SetIpDestination(host.address))
        .step(Step::Output(host.port));
    (key(PEERING, 200, pattern), entry)
}

/// What the broadcaster sends to the group address goes to the group.
pub(crate) fn to_group(
    peering: u64,
    broadcaster: Ipv4Addr,
    address: Ipv4Addr,
    group: u32,
) -> Placed {
    let pattern = Pattern {
        ip_source: Some(broadcaster.into()),
        ip_destination: Some(address.into()),
        ..peering_udp()
    };
    let entry = Entry::new(Purpose::Peering).numbered(peering).step(Step::Group(group));
    (key(PEERING, 300, pattern), entry)
}

/// The bucket of one viewer: it sees chunks come from the group address, nobody's real one.
pub(crate) fn bucket(viewer: &PeeredHost, group: Ipv4Addr, range: VirtualRange) -> Vec<Step> {
    vec![
        Step::SetEthSource(range.mac()),
        Step::SetEthDestination(viewer.mac),
        Step::SetIpSource(group),
        Step::SetIpDestination(viewer.address),
        Step::Output(viewer.port),
    ]
}

/// The group id of a group address: our mark, and the address's place in a range of at most 2^24.
pub(crate) fn group_id(address: Ipv4Addr) -> u32 {
    GROUP_MARK | u32::from(address) & 0x00ff_ffff
}

const GROUP_MARK: u32 = 0x6e00_0000;

/// Whether a group on a switch is ours. Groups carry no cookie; their ids must do.
pub(crate) fn is_our_group(id: u32) -> bool {
    id & 0xff00_0000 == GROUP_MARK
}

/// The group address of a group of ours.
pub(crate) fn group_address(id: u32, range: VirtualRange) -> Ipv4Addr {
    let network = u32::from(range.network()) & 0xff00_0000;
    Ipv4Addr::from(network | id & 0x00ff_ffff)
}

/// Frames to a host.
pub(crate) fn to_host(mac: Mac, port: u32) -> Placed {
    let pattern = Pattern { eth_destination: Some(mac.into()), ..Pattern::default() };
    (key(FORWARDING, 100, pattern), Entry::new(Purpose::Forwarding).step(Step::Output(port)))
}

/// The bit of a MAC address that is set where it names a group.
const GROUP_BIT: Mac = Mac([1, 0, 0, 0, 0, 0]);

/// The host and port of a [`to_host`] entry, read back from a switch.
pub(crate) fn reached((key, entry): (&EntryKey, &Entry)) -> Option<(Mac, u32)> {
    let mac = key.pattern.eth_destination?.value;
    match (key.table, key.priority, entry.steps.as_slice()) {
        (FORWARDING, 100, [Step::Output(port)]) => Some((mac, *port)),
        _ => None,
    }
}

fn to_groups() -> Pattern {
    let group = Masked { value: GROUP_BIT, mask: GROUP_BIT };
    Pattern { eth_destination: Some(group), ..Pattern::default() }
}

/// Broadcast and multicast. A switch never sends a packet back out of the port it came in by.
pub(crate) fn broadcast(ports: &BTreeSet<u32>) -> Placed {
    let mut entry = Entry::new(Purpose::Forwarding);
    entry.steps = ports.iter().map(|port| Step::Output(*port)).collect();
    (key(FORWARDING, 50, to_groups()), entry)
}

/// Broadcast and multicast from a link that would close a loop.
pub(crate) fn no_broadcast_from(port: u32) -> Placed {
    let pattern = Pattern { in_port: Some(port), ..to_groups() };
    (key(FORWARDING, 60, pattern), Entry::new(Purpose::Forwarding))
}
