//! The pipeline: which entry stands where, with which priority.
//!
//! ```text
//! table 0 inspect
//!   900  LLDP                                     -> controller
//!   895  labelled, from a port on the way round a link
//!                                                 -> the next port; at its end: label off, that noted
//!                                                    in the metadata, 1
//!   890  any other label                          -> drop
//!   880  from a port that leads to a switch       -> 1      inspected where it entered
//!   870  ARP to one host                          -> controller and 1
//!   860  ARP                                      -> controller
//!   858  IPv6 neighbour advertisement             -> controller and 1
//!   856  IPv6 neighbour solicitation to one host  -> controller and 1
//!   854  IPv6 neighbour solicitation              -> controller
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
//!   320  from the broadcaster's alias to the group address, UDP 7935, from the link above,
//!        with the tag of the tree                 -> group, or the one link below
//!   300  the same from the broadcaster's port     -> group
//!   200  to an alias at this switch, UDP 7935     -> destination becomes its host, out of its port
//!   200  to an alias elsewhere, UDP 7935          -> MAC becomes its host's, 2
//!   200  to the controller's alias, UDP 7935      -> controller
//!   160  IPv4 with a tag                          -> drop      of a tree that is no more
//!   150  IPv4 to the virtual range, UDP 7935, from a port that leads to a switch
//!                                                 -> 2         on its way to an alias
//!   100  IPv4 to the virtual range                -> drop
//!     0  anything                                 -> 2
//! table 2 forwarding
//!   110  to the virtual MAC                       -> drop
//!   100  to a host here                           -> its port
//!   100  to a host elsewhere                      -> metadata becomes the port on the way there, 3
//!    60  broadcast and multicast from a link that is not of the tree
//!                                                 -> drop
//!    50  broadcast and multicast                  -> edge ports and links of the tree
//!     0  anything                                 -> controller
//! table 3 links
//!   120  by the port it came by, at the end of the way round a link
//!                                                 -> back by it
//!   110  by a port (metadata), from the one that the way round begins with
//!                                                 -> failover group: the port, or labelled and back
//!   100  by a port (metadata)                     -> failover group: the port, or labelled and by the
//!                                                    first port of the way round; without one: the port
//! ```
//!
//! ARP requests and neighbour solicitations to everybody go to the controller alone, which answers
//! for hosts it knows. Those to one host, by which hosts refresh what they know, reach it as well:
//! while the controller is away hosts do not lose each other.
//!
//! RTMP is copied up *and* goes on at once: inspection delays no packet. The copies at 700 stand
//! above the bypass, so that the end of a connection is seen, and a port used again is looked at
//! afresh, whatever was decided before. They and 680 need matching on TCP flags (ONF extension
//! EXT-109, which Open vSwitch has); a switch that refuses that is left without, and the end of a
//! connection is noticed by its bypass falling idle.
//!
//! On a switch with meters, what sends up has an entry right above it that does so at a rate
//! ([`crate::meters`]).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nearcast_media::peering;

use crate::detour::Label;
use crate::distribution::Tag;
use crate::entry::{Entry, EntryKey, Group, Masked, Note, Pattern, Purpose, Step};
use crate::frame::{ARP, IPV4, LLDP, TCP, UDP};
use crate::{Mac, Subnet, VirtualRange, ndp};

pub(crate) const INSPECT: u8 = 0;
pub(crate) const PEERING: u8 = 1;
pub(crate) const FORWARDING: u8 = 2;
pub(crate) const LINKS: u8 = 3;

/// Priorities that are asked for by what they are for: in table 0 what bears a label, in table 3
/// what leaves by a link, and what came by the port that the way round that link begins with.
pub(crate) const LABELLED: u16 = 895;
pub(crate) const LINK: u16 = 100;
pub(crate) const TURNED_BACK: u16 = 110;

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

fn host(address: Ipv4Addr) -> Option<Subnet> {
    Some(IpAddr::V4(address).into())
}

fn ipv4() -> Pattern {
    Pattern { eth_type: Some(IPV4), ..Pattern::default() }
}

/// TCP over IPv4 or IPv6. What stands between the headers of IPv6 and TCP is for the switch to skip
/// (Open vSwitch does); a segment whose TCP header it does not find is not copied, and goes on.
fn tcp(eth_type: u16) -> Pattern {
    Pattern { eth_type: Some(eth_type), ip_protocol: Some(TCP), ..Pattern::default() }
}

fn peering_udp() -> Pattern {
    Pattern { ip_protocol: Some(UDP), destination_port: Some(peering::PORT), ..ipv4() }
}

/// The entries that every switch has, whatever is attached to it.
pub(crate) fn fixed(range: VirtualRange, rtmp_ports: &BTreeSet<u16>) -> Vec<Placed> {
    let ours = || Entry::new(Purpose::Pipeline);
    let up = || ours().step(Step::Controller);
    let virtual_source = Pattern { ip_source: Some(range.subnet()), ..ipv4() };
    let virtual_destination = Pattern { ip_destination: Some(range.subnet()), ..ipv4() };
    let to_controller = Pattern { ip_destination: host(range.controller()), ..peering_udp() };
    let ether = |eth_type| Pattern { eth_type: Some(eth_type), ..Pattern::default() };
    let unicast = Masked { value: Mac::default(), mask: GROUP_BIT };
    let to_one = Pattern { eth_destination: Some(unicast), ..ether(ARP) };
    let neighbour = |kind, eth_destination| Pattern {
        ip_protocol: Some(ndp::ICMPV6),
        icmpv6_type: Some(kind),
        eth_destination,
        ..ether(ndp::IPV6)
    };
    let to_virtual_mac =
        Pattern { eth_destination: Some(range.mac().into()), ..Pattern::default() };
    let tags = Masked { value: tag_mac(Tag::new(0)), mask: TAG_MASK };
    let tagged = Pattern { eth_destination: Some(tags), ..ipv4() };
    let any = Pattern::default();
    let labels = Masked { value: LABELS, mask: LABELS };
    let any_label = Pattern { vlan: Some(labels), ..Pattern::default() };
    let mut entries = vec![
        (key(INSPECT, 900, ether(LLDP)), up()),
        (key(INSPECT, 890, any_label), ours()),
        (key(INSPECT, 870, to_one), up().goto(PEERING)),
        (key(INSPECT, 860, ether(ARP)), up()),
        (key(INSPECT, 858, neighbour(ndp::ADVERTISEMENT, None)), up().goto(PEERING)),
        (key(INSPECT, 856, neighbour(ndp::SOLICITATION, Some(unicast))), up().goto(PEERING)),
        (key(INSPECT, 854, neighbour(ndp::SOLICITATION, None)), up()),
        (key(INSPECT, 840, virtual_source), ours()),
        (key(INSPECT, 800, virtual_destination), ours()),
        (key(INSPECT, 0, any), ours().goto(PEERING)),
        (key(PEERING, 200, to_controller), up()),
        (key(PEERING, 160, tagged), ours()),
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
    let both = |port: &u16| [IPV4, ndp::IPV6].map(|family| (*port, tcp(family)));
    ports.iter().flat_map(both).flat_map(|(port, tcp)| {
        let to_server = Pattern { destination_port: Some(port), ..tcp };
        let from_server = Pattern { source_port: Some(port), ..tcp };
        [to_server, from_server]
    })
}

/// Whether an entry needs the extension for TCP flags.
pub(crate) fn needs_tcp_flags(key: &EntryKey) -> bool {
    key.pattern.tcp_flags.is_some()
}

/// What comes from a port that leads to another switch.
pub(crate) fn trunk(port: u32, range: VirtualRange) -> [Placed; 2] {
    let any = Pattern { in_port: Some(port), ..Pattern::default() };
    let to_alias =
        Pattern { in_port: Some(port), ip_destination: Some(range.subnet()), ..peering_udp() };
    let ours = || Entry::new(Purpose::Pipeline);
    [
        (key(INSPECT, 880, any), ours().goto(PEERING)),
        (key(PEERING, 150, to_alias), ours().goto(FORWARDING)),
    ]
}

fn connection(from: SocketAddr, to: SocketAddr) -> Pattern {
    Pattern {
        ip_source: Some(from.ip().into()),
        ip_destination: Some(to.ip().into()),
        source_port: Some(from.port()),
        destination_port: Some(to.port()),
        ..tcp(if from.is_ipv4() { IPV4 } else { ndp::IPV6 })
    }
}

/// One direction of an RTMP connection that is let through uninspected.
pub(crate) fn bypass(from: SocketAddr, to: SocketAddr) -> Placed {
    let mut entry = Entry::new(Purpose::Bypass).goto(PEERING);
    entry.idle_secs = BYPASS_IDLE_SECS;
    (key(INSPECT, 660, connection(from, to)), entry)
}

/// The same direction's segments that end a message are still copied: commands are such segments,
/// bare acknowledgements are not.
pub(crate) fn watch(from: SocketAddr, to: SocketAddr) -> Placed {
    let pattern = Pattern { tcp_flags: Some(PSH), ..connection(from, to) };
    let mut entry = Entry::new(Purpose::Bypass).step(Step::Controller).goto(PEERING);
    entry.idle_secs = BYPASS_IDLE_SECS;
    (key(INSPECT, 680, pattern), entry)
}

/// The direction that a [`bypass`] entry lets through.
pub(crate) fn bypassed(key: &EntryKey) -> Option<(SocketAddr, SocketAddr)> {
    let pattern = &key.pattern;
    let from = SocketAddr::new(pattern.ip_source?.single()?, pattern.source_port?);
    let to = SocketAddr::new(pattern.ip_destination?.single()?, pattern.destination_port?);
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
        ip_source: self::host(host.address),
        ip_destination: Some(range.subnet()),
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
        address: match pattern.ip_source?.single()? {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => return None,
        },
        port: pattern.in_port?,
        alias: alias?,
    };
    (key.table == INSPECT && key.priority == 820).then_some(host)
}

/// Brings what is sent to a host's alias to the host.
pub(crate) fn alias(host: &PeeredHost, range: VirtualRange) -> Placed {
    let pattern = Pattern { ip_destination: self::host(host.alias), ..peering_udp() };
    let entry = Entry::new(Purpose::Alias)
        .step(Step::SetEthSource(range.mac()))
        .step(Step::SetEthDestination(host.mac))
        .step(Step::SetIpDestination(host.address))
        .step(Step::Output(host.port));
    (key(PEERING, 200, pattern), entry)
}

/// Brings what is sent to an alias at another switch on its way there. Its destination address is
/// left as it is until then: that is how the other switch knows it.
pub(crate) fn alias_elsewhere(alias: Ipv4Addr, mac: Mac) -> Placed {
    let pattern = Pattern { ip_destination: host(alias), ..peering_udp() };
    let entry = Entry::new(Purpose::Alias).step(Step::SetEthDestination(mac)).goto(FORWARDING);
    (key(PEERING, 200, pattern), entry)
}

/// What one stream's chunks are between its broadcaster's switch and its viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    /// The peering.
    pub(crate) id: u64,
    /// The broadcaster's alias.
    pub(crate) from: Ipv4Addr,
    /// The group address.
    pub(crate) to: Ipv4Addr,
}

impl Chunks {
    fn pattern(self, in_port: u32) -> Pattern {
        Pattern {
            in_port: Some(in_port),
            ip_source: host(self.from),
            ip_destination: host(self.to),
            ..peering_udp()
        }
    }

    fn entry(self, step: Step) -> Entry {
        Entry::new(Purpose::Peering).numbered(self.id).step(step)
    }

    /// What the broadcaster sends goes to the group.
    pub(crate) fn at_broadcaster(self, port: u32) -> Placed {
        let entry = self.entry(Step::Group(group_id(self.to)));
        (key(PEERING, 300, self.pattern(port)), entry)
    }

    /// What comes by the tree `tag` goes to its group at this switch, or out of the one port where
    /// no copy is to be made.
    pub(crate) fn at_branch(self, tag: Tag, port: u32, onward: Option<u32>) -> Placed {
        let step = onward.map_or(Step::Group(branch_group_id(tag)), Step::Output);
        let tag = Some(tag_mac(tag).into());
        let pattern = Pattern { eth_destination: tag, ..self.pattern(port) };
        (key(PEERING, 320, pattern), self.entry(step))
    }
}

/// The bucket that sends chunks on to another switch of a tree, from the broadcaster's switch,
/// which tags them.
pub(crate) fn tagging(tag: Tag, port: u32) -> Vec<Step> {
    vec![Step::SetEthDestination(tag_mac(tag)), Step::Output(port)]
}

/// The bucket that sends tagged chunks on.
pub(crate) fn passing(port: u32) -> Vec<Step> {
    vec![Step::Output(port)]
}

/// The destination MAC address of tagged chunks: locally administered, and nobody's.
fn tag_mac(tag: Tag) -> Mac {
    let [_, a, b, c] = tag.number().to_be_bytes();
    Mac([0x06, 0x6e, 0x63, a, b, c])
}

const TAG_MASK: Mac = Mac([0xff, 0xff, 0xff, 0, 0, 0]);

/// Whether an address is one of those that only switches send to.
pub(crate) fn is_tag(mac: Mac) -> bool {
    mac.0[..3] == tag_mac(Tag::new(0)).0[..3]
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

/// Viewers at one switch that a peering may have. Their buckets, of 96 bytes, and 340 for links, of
/// 48, are what one group-mod holds.
pub(crate) const VIEWERS_AT_SWITCH: usize = 512;

/// Bytes of buckets that a group may have: those of a message less its header and the group's own
/// (OpenFlow 1.3.5 7.3.4.2).
const BUCKETS: usize = 65_535 - 16;

/// A group of buckets for viewers and for links. Should they be more than a message holds, viewers
/// are left out: each of them gets its chunks elsewhere, while behind a link may be many.
pub(crate) fn group(mut viewers: Vec<Vec<Step>>, links: Vec<Vec<Step>>) -> Group {
    // A bucket has 16 bytes of its own, and each action at most as many.
    let bytes = |bucket: &Vec<Step>| 16 + 16 * bucket.len();
    let mut room = BUCKETS.saturating_sub(links.iter().map(bytes).sum());
    let fit = viewers.iter().take_while(|bucket| {
        let left = room.checked_sub(bytes(bucket));
        room = left.unwrap_or(room);
        left.is_some()
    });
    viewers.truncate(fit.count());
    viewers.extend(links);
    Group::All(viewers)
}

/// The group id of a group address: our mark, and the address's place in a range of at most 2^24.
pub(crate) fn group_id(address: Ipv4Addr) -> u32 {
    GROUP_MARK | u32::from(address) & 0x00ff_ffff
}

/// The group id of a tree at the switches below the broadcaster's.
pub(crate) fn branch_group_id(tag: Tag) -> u32 {
    BRANCH_MARK | tag.number()
}

const FAILOVER_MARK: u32 = 0x6d00_0000;
const GROUP_MARK: u32 = 0x6e00_0000;
const BRANCH_MARK: u32 = 0x6f00_0000;
const MARK_BITS: u32 = 0xff00_0000;

/// Whether a group on a switch is ours. Groups carry no cookie; their ids must do.
pub(crate) fn is_our_group(id: u32) -> bool {
    matches!(id & MARK_BITS, FAILOVER_MARK | GROUP_MARK | BRANCH_MARK)
}

/// What a group of ours stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupName {
    /// A group address.
    Address(Ipv4Addr),
    /// A tree.
    Tree(Tag),
    /// A link, and the way round it.
    Link,
}

/// What a group of ours stands for.
pub(crate) fn group_name(id: u32, range: VirtualRange) -> GroupName {
    let network = u32::from(range.network()) & MARK_BITS;
    match id & MARK_BITS {
        BRANCH_MARK => GroupName::Tree(Tag::new(id)),
        FAILOVER_MARK => GroupName::Link,
        _ => GroupName::Address(Ipv4Addr::from(network | id & !MARK_BITS)),
    }
}

/// The bit that is set in the VLAN id of every label.
const LABELS: u16 = 0x800;

/// Hands a labelled frame on, or takes its label off at the end of the way.
pub(crate) fn labelled(port: u32, label: Label, onward: Option<u32>) -> Placed {
    let exact = Masked { value: label.id(), mask: 0x0fff };
    let pattern = Pattern { in_port: Some(port), vlan: Some(exact), ..Pattern::default() };
    let entry = Entry::new(Purpose::Forwarding);
    let entry = match onward {
        Some(onward) => entry.step(Step::Output(onward)),
        None => entry.step(Step::PopTag).note(Note::Round).goto(PEERING),
    };
    (key(INSPECT, LABELLED, pattern), entry)
}

fn by_link(port: u32, in_port: Option<u32>) -> Pattern {
    Pattern { noted_port: Some(port), in_port, ..Pattern::default() }
}

/// What came by the way round a link, and whose way goes on by the last port of that: back there. A
/// switch sends that only if it is told to in so many words, and nothing else is to be sent back.
pub(crate) fn back_by_link(port: u32) -> Placed {
    let pattern = Pattern { noted_round: true, ..by_link(port, Some(port)) };
    (key(LINKS, 120, pattern), Entry::new(Purpose::Forwarding).step(Step::Back))
}

/// What is to leave by a link does so, or goes to its group.
pub(crate) fn link(port: u32, group: Option<u32>) -> Placed {
    let step = group.map_or(Step::Output(port), Step::Group);
    (key(LINKS, LINK, by_link(port, None)), Entry::new(Purpose::Forwarding).step(step))
}

/// What turns frames round one link.
#[derive(Debug, Clone)]
pub(crate) struct Failover {
    pub(crate) groups: [(u32, Group); 2],
    pub(crate) link: Placed,
    /// For what came by the port that the way round begins with, and must be sent back there.
    pub(crate) back: Placed,
}

/// Sends by `port` while it is up, else labelled by `first`; `None` for ports whose number is too
/// high.
pub(crate) fn failover(port: u32, label: Label, first: u32) -> Option<Failover> {
    let group = |out: Step| {
        let round = vec![Step::PushTag, Step::SetTag(label.id()), out];
        Group::Failover(vec![(port, vec![Step::Output(port)]), (first, round)])
    };
    let [onward, back] = failover_groups(port)?;
    let entry = Entry::new(Purpose::Forwarding).step(Step::Group(back));
    Some(Failover {
        groups: [(onward, group(Step::Output(first))), (back, group(Step::Back))],
        link: link(port, Some(onward)),
        back: (key(LINKS, TURNED_BACK, by_link(port, Some(first))), entry),
    })
}

/// Whether an entry leads to a group of a [`failover`].
pub(crate) fn is_failover(key: &EntryKey, entry: &Entry) -> bool {
    key.table == LINKS && matches!(entry.steps[..], [Step::Group(_)])
}

/// The ids of a port's two groups.
pub(crate) fn failover_groups(port: u32) -> Option<[u32; 2]> {
    (port <= 0xffff).then_some([FAILOVER_MARK | port, FAILOVER_MARK | 1 << 16 | port])
}

/// Frames to a host that is at another switch, by a port that leads there.
pub(crate) fn toward_host(mac: Mac, port: u32) -> Placed {
    let (key, mut entry) = to_host(mac, port);
    entry.steps.clear();
    (key, entry.note(Note::Port(port)).goto(LINKS))
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
