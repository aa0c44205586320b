//! What the fabric knows, for people and programs to read: everything here serialises, and
//! describes itself by a JSON schema.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rust_openflow::v13::{FlowMod, GroupCommand, GroupMod};
use schemars::JsonSchema;
use serde::Serialize;

use crate::fabric::Fabric;
use crate::stream::{Holder, Member};
use crate::{Attachment, DatapathId, translate};

/// How much there is of everything, and what had no room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Default)]
pub struct Statistics {
    /// Switches known, and those of them that are connected and up to date.
    pub switches: usize,
    /// Those that are connected and up to date.
    pub switches_live: usize,
    /// Ports that are up.
    pub ports: usize,
    /// Proven directions of links.
    pub links: usize,
    /// Hosts.
    pub hosts: usize,
    /// Addresses of hosts.
    pub addresses: usize,
    /// Hosts and addresses that two claim and that are looked into, or were lately.
    pub claims: usize,
    /// Addresses asked for.
    pub asks: usize,
    /// Frames held while their destination is asked for.
    pub held_frames: usize,
    /// RTMP connections followed.
    pub connections: usize,
    /// Streams with a role.
    pub streams: usize,
    /// Peerings.
    pub peerings: usize,
    /// Viewers that joined one.
    pub viewers: usize,
    /// Flow entries wanted on all switches.
    pub entries: usize,
    /// Groups wanted on all switches.
    pub groups: usize,
    /// Meters wanted on all switches.
    pub meters: usize,
    /// What was refused for want of room, by the name of the bound.
    pub refused: BTreeMap<String, u64>,
    /// What had to make room, by the name of the bound.
    pub evicted: BTreeMap<String, u64>,
    /// Packet-ins by class; see [`Fabric::packet_ins`].
    pub packet_ins: BTreeMap<String, u64>,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SwitchView {
    /// Its datapath id.
    pub id: DatapathId,
    /// What it calls itself.
    pub name: String,
    /// Connected and up to date.
    pub live: bool,
    /// Ports that are up, by number.
    pub ports: BTreeMap<u32, String>,
    /// Flow entries wanted on it.
    pub entries: usize,
    /// Groups wanted on it.
    pub groups: usize,
    /// Meters wanted on it; none on a switch that has none.
    pub meters: usize,
    /// Microseconds that a message takes one way; `None` if that was not measured yet.
    pub control_delay_us: Option<u64>,
}

/// One direction of a link between switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkView {
    /// The port it leaves by.
    pub from: Attachment,
    /// The port it arrives at.
    pub to: Attachment,
    /// The delay that paths are chosen by; `None` if it is neither configured nor measured.
    pub delay_us: Option<u64>,
    /// Broadcasts take it.
    pub in_tree: bool,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostView {
    /// Its MAC address.
    pub mac: String,
    /// Its IP addresses, in the order it showed them.
    pub addresses: Vec<IpAddr>,
    /// Where it is.
    pub at: Attachment,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StreamView {
    /// `app/key`.
    pub name: String,
    /// Hosts that publish it; the last one counts.
    pub publishers: Vec<IpAddr>,
    /// Hosts that play it.
    pub viewers: Vec<IpAddr>,
    /// The peering that carries it.
    pub peering: Option<PeeringView>,
}

/// A peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PeeringView {
    /// Its number in offers, as 16 hex digits.
    pub id: String,
    /// The broadcaster's switch.
    pub switch: DatapathId,
    /// The address that the broadcaster sends to.
    pub group: Ipv4Addr,
    /// Rises whenever the members change.
    pub generation: u32,
    /// Who feeds it.
    pub broadcaster: MemberView,
    /// Who is copied to, or offered to be.
    pub viewers: Vec<MemberView>,
    /// The ports by which chunks go from switch to switch, one copy each.
    pub links: Vec<Attachment>,
    /// Another tree is being laid, and takes over once all its switches have confirmed.
    pub rerouting: bool,
}

/// A host in a peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemberView {
    /// Its address.
    pub host: Ipv4Addr,
    /// What it is called by the others.
    pub alias: Ipv4Addr,
    /// Where it is.
    pub at: Attachment,
    /// It took its part.
    pub joined: bool,
}

fn micros(span: nearcast_machine::Span) -> u64 {
    span.as_nanos() / 1000
}

fn member(member: &Member) -> MemberView {
    let Member { place, alias, joined, .. } = member;
    MemberView { host: place.address, alias: *alias, at: place.at, joined: *joined }
}

impl Fabric {
    /// How much there is of everything.
    pub fn statistics(&self) -> Statistics {
        let peerings = || self.streams.values().filter_map(|stream| stream.peering.as_ref());
        let joined = peerings().flat_map(|peering| peering.viewers.values());
        let (hosts, addresses) = self.hosts.len();
        let (asks, held_frames) = self.neighbours.len();
        let sizes = self.switches.values().map(|switch| switch.ledger.len());
        let (entries, groups) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let by_name = |counts: &BTreeMap<crate::Limit, u64>| {
            counts.iter().map(|(limit, count)| (limit.name().to_owned(), *count)).collect()
        };
        Statistics {
            switches: self.switches.len(),
            switches_live: self.switches.values().filter(|switch| switch.is_live()).count(),
            ports: self.switches.values().map(|switch| switch.ports.len()).sum(),
            links: self.topology.links().count(),
            hosts,
            addresses,
            claims: self.claims.len(),
            asks,
            held_frames,
            connections: self.connections(),
            streams: self.streams.len(),
            peerings: peerings().count(),
            viewers: joined.filter(|viewer| viewer.joined).count(),
            entries,
            groups,
            meters: self.switches.values().map(|switch| switch.ledger.meters().count()).sum(),
            refused: by_name(&self.refused),
            evicted: by_name(&self.evictions),
            packet_ins: self.packet_ins.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        }
    }

    /// The switches, by datapath id.
    pub fn switches(&self) -> Vec<SwitchView> {
        let view = |switch: &crate::switch::Switch| {
            let (entries, groups) = switch.ledger.len();
            let ports = switch.ports.iter().map(|(number, port)| (*number, port.name.clone()));
            SwitchView {
                id: switch.id,
                name: switch.name.clone(),
                live: switch.is_live(),
                ports: ports.collect(),
                entries,
                groups,
                meters: switch.ledger.meters().count(),
                control_delay_us: self.control_delay(switch.id).map(micros),
            }
        };
        self.switches.values().map(view).collect()
    }

    /// The links between switches, each direction that is proven.
    pub fn links(&self) -> Vec<LinkView> {
        let tree = self.topology.tree();
        let links = self.topology.links();
        links
            .map(|(from, to, delay)| {
                let in_tree = tree.contains(&from) && tree.contains(&to);
                LinkView { from, to, delay_us: delay.map(micros), in_tree }
            })
            .collect()
    }

    /// The hosts, by MAC address.
    pub fn hosts(&self) -> Vec<HostView> {
        let hosts = self.hosts.iter();
        hosts
            .map(|(mac, host)| HostView {
                mac: mac.to_string(),
                addresses: host.addresses.iter().copied().collect(),
                at: host.at,
            })
            .collect()
    }

    /// The streams, with what carries them.
    pub fn streams(&self) -> Vec<StreamView> {
        let addresses = |holders: &BTreeMap<_, Holder>| {
            let mut ordered: Vec<_> = holders.values().map(|h| (h.order, h.address)).collect();
            ordered.sort_unstable();
            ordered.into_iter().map(|(_, address)| address).collect()
        };
        let streams = self.streams.iter();
        streams
            .map(|(key, stream)| StreamView {
                name: key.name.to_string(),
                publishers: addresses(&stream.publishers),
                viewers: addresses(&stream.viewers),
                peering: stream.peering.as_ref().map(|peering| PeeringView {
                    id: format!("{:016x}", peering.id),
                    switch: peering.switch,
                    group: peering.group,
                    generation: peering.generation,
                    broadcaster: member(&peering.broadcaster),
                    viewers: peering.viewers.values().map(member).collect(),
                    links: peering.trees.current.links(),
                    rerouting: peering.trees.next.is_some(),
                }),
            })
            .collect()
    }

    /// The flow entries wanted on a switch, as the messages that make them; none if it is not
    /// known.
    pub fn flows(&self, switch: DatapathId) -> Vec<FlowMod> {
        let entries = self.switches.get(&switch).map(|switch| switch.ledger.entries());
        entries.into_iter().flatten().map(|(key, entry)| translate::set(key, entry)).collect()
    }

    /// The groups wanted on a switch, as the messages that make them.
    pub fn groups(&self, switch: DatapathId) -> Vec<GroupMod> {
        let groups = self.switches.get(&switch).map(|switch| switch.ledger.groups());
        let add = |(id, group): (&u32, &_)| translate::group(GroupCommand::Add, *id, group);
        groups.into_iter().flatten().map(add).collect()
    }
}
