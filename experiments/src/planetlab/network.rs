//! The network of a run: a star of access links, with a switch of its own for each group.

use std::net::Ipv4Addr;

use nearcast_link::{LinkParams, Queue};
use nearcast_machine::{Bitrate, Span};
use nearcast_topologies::{Host, Link, Network, Role, Switch, Topology};

use super::population::Population;

/// The broadcaster's host, which is the paper's seed.
pub(super) const SEED: &str = "hb";
/// The CDN's, which has the tracker too.
pub(super) const CDN: &str = "hs";

/// What waits at an access link: no more than a second of the slowest peer's.
pub(super) const QUEUE_PACKETS: u32 = 64;
/// What signalling needs, also of who gives nothing.
const LEAST: Bitrate = Bitrate::from_bits_per_sec(64_000);
/// The copy that the broadcaster sends to the CDN, and the one to the switch, with their headers.
const COPY: Bitrate = Bitrate::from_bits_per_sec(800_000);

/// The uplink of who gives `upload` to others. A peer counts what it gives as UDP payload; with
/// UDP, IP and Ethernet headers, half of which are on small packets, that is up to a ninth more,
/// and with less its link would fall behind for ever.
fn uplink(upload: Bitrate) -> Bitrate {
    Bitrate::from_bits_per_sec(upload.bits_per_sec() * 10 / 9).max(LEAST)
}

/// Hosts around a core, `s1`, with what each may send limited on its own link and nothing else;
/// what comes down is not, as nobody's downlink was in the paper.
pub(super) fn topology(population: &Population, seed_upload: Bitrate) -> Topology {
    let mut topology = Topology {
        name: "planetlab".to_owned(),
        network: "10.0.0.0/8".parse::<Network>().expect("a network"),
        hosts: Vec::new(),
        switches: vec![Switch { name: "s1".to_owned(), datapath_id: 1 }],
        links: Vec::new(),
    };
    for (at, trunk) in population.trunks.iter().enumerate() {
        let name = edge(at);
        topology.links.push(link(&name, "s1", None, *trunk));
        topology.switches.push(Switch { name, datapath_id: 11 + at as u64 });
    }
    // Beside the first group; without groups at the core.
    let beside = if population.trunks.is_empty() { "s1".to_owned() } else { edge(0) };
    let near = population.members.iter().find(|m| m.group == Some(0)).map(|m| m.delay);
    let given = Bitrate::from_bits_per_sec(seed_upload.bits_per_sec() + 2 * COPY.bits_per_sec());
    let seed_delay = near.unwrap_or(population.cdn);
    topology.hosts.push(host(SEED, Role::Broadcaster, Ipv4Addr::new(10, 0, 0, 1)));
    topology.links.push(link(SEED, &beside, Some(uplink(given)), seed_delay));
    topology.hosts.push(host(CDN, Role::Cdn, Ipv4Addr::new(10, 0, 0, 2)));
    topology.links.push(link(CDN, "s1", None, population.cdn));
    for (number, member) in (1u32..).zip(&population.members) {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 1, 0).to_bits() + number);
        topology.hosts.push(host(&member.host, Role::Viewer, ip));
        let switch = member.group.map_or("s1".to_owned(), edge);
        topology.links.push(link(&member.host, &switch, Some(uplink(member.upload)), member.delay));
    }
    topology
}

/// The switch of a group.
fn edge(group: usize) -> String {
    format!("e{}", group + 1)
}

fn host(name: &str, role: Role, ip: Ipv4Addr) -> Host {
    Host { name: name.to_owned(), role, ip }
}

fn link(a: &str, b: &str, up: Option<Bitrate>, delay: Span) -> Link {
    let queue = up.map_or(Queue::default(), |_| Queue::Packets(QUEUE_PACKETS));
    Link {
        name: format!("{a}-{b}"),
        a: a.to_owned(),
        b: b.to_owned(),
        a_to_b: LinkParams { rate: up, delay, queue, ..LinkParams::default() },
        b_to_a: LinkParams { delay, ..LinkParams::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::MeshScenario;
    use super::*;
    use nearcast_machine::Seed;

    #[test]
    fn every_host_has_a_link_with_its_class_s_limit_and_a_way_to_every_other() {
        let scenario =
            MeshScenario::find("planetlab-overloaded").expect("sound").expect("it is ours");
        let population = Population::draw(&scenario, Seed::new(1), 0, 0);
        let topology = topology(&population, scenario.seed_upload);
        assert_eq!(topology.hosts.len(), scenario.peers as usize + 2);
        for member in &population.members {
            let path = topology.path(&member.host, SEED).expect("a way");
            let up = path.hops[0].params.rate.expect("it is limited").bits_per_sec();
            assert_eq!(up, (member.upload.bits_per_sec() * 10 / 9).max(64_000));
            let back = topology.path(SEED, &member.host).expect("a way");
            assert_eq!(path.propagation(), back.propagation());
            let beside = member.group == Some(0);
            assert_eq!(path.hops.len() == 2, beside, "{}", member.host);
            assert!(path.propagation() > member.delay);
        }
        // Interface names fit the kernel's 15 characters with a run's tag.
        for link in &topology.links {
            for end in [&link.a, &link.b] {
                assert!(topology.interface(end, link).is_some_and(|name| name.len() <= 11));
            }
        }
    }
}
