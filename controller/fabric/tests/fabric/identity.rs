//! Who is who: IPv6 neighbours, hosts that move, hosts that say they are others.

use std::net::{IpAddr, Ipv6Addr};

use nearcast_fabric::{Duplicate, Event};
use nearcast_machine::Span;
use rust_openflow::Mac;

use crate::world::{World, arp, config, neighbour, solicit, udp, udp6};

fn identity6(world: &World, host: &str) -> (Mac, Ipv6Addr) {
    (world.hosts[host].mac, world.hosts[host].ip6())
}

/// Asks for a host's IPv6 address, as a host does that needs it.
fn resolve6(world: &mut World, from: &str, to: &str) -> Option<Mac> {
    let target = world.hosts[to].ip6();
    world.resolve6(from, target)
}

fn duplicates(world: &World) -> Vec<(Duplicate, Mac, Option<IpAddr>)> {
    let found = |event: &Event| match event {
        Event::Duplicate { what, mac, address, .. } => Some((*what, *mac, *address)),
        _ => None,
    };
    world.events.iter().filter_map(found).collect()
}

#[test]
fn hosts_find_and_reach_each_other_by_ipv6() {
    let mut world = World::single(config(), 2);
    for (from, to) in [("b", "v1"), ("v1", "b"), ("v2", "b"), ("cdn", "v2")] {
        let mac = resolve6(&mut world, from, to).expect("somebody answers");
        assert_eq!(mac, world.hosts[to].mac, "{from} to {to}");
        let before = world.hosts[to].inbox.len();
        let frame = udp6(identity6(&world, from), (mac, world.hosts[to].ip6()), b"hello");
        world.send(from, frame);
        assert_eq!(world.hosts[to].inbox.len(), before + 1, "{from} to {to}");
    }
    // Whoever is known is answered for without being asked.
    let before = world.sent.len();
    let frame = solicit(identity6(&world, "cdn"), world.hosts["b"].ip6());
    world.send("cdn", frame);
    let outs = world.sent[before..].iter();
    let outs = outs.filter(|(_, m)| matches!(m.body, rust_openflow::v13::Body::PacketOut(_)));
    assert_eq!(outs.count(), 1, "the answer, and no question");
    assert_eq!(world.hosts["cdn"].neighbours6[&world.hosts["b"].ip6()], world.hosts["b"].mac);
}

#[test]
fn a_host_that_probes_an_ipv6_address_is_told_if_it_is_taken() {
    let mut world = World::single(config(), 2);
    resolve6(&mut world, "b", "v1");
    for taken in [true, false] {
        world.hosts.get_mut("v2").expect("v2").neighbours6.clear();
        let target =
            if taken { world.hosts["b"].ip6() } else { "fd00::77".parse().expect("an address") };
        let mac = world.hosts["v2"].mac;
        world.send("v2", solicit((mac, Ipv6Addr::UNSPECIFIED), target));
        world.run(Span::from_secs(2));
        assert_eq!(world.hosts["v2"].neighbours6.contains_key(&target), taken);
    }
    // Nor does the fabric know of the owner, who then says so himself.
    let mut world = World::single(config(), 2);
    let mac = world.hosts["v2"].mac;
    let target = world.hosts["v1"].ip6();
    world.send("v2", solicit((mac, Ipv6Addr::UNSPECIFIED), target));
    world.run(Span::from_secs(1));
    assert_eq!(world.hosts["v2"].neighbours6.get(&target), Some(&world.hosts["v1"].mac));
}

#[test]
fn a_host_cannot_take_anothers_place() {
    let mut world = World::single(config(), 2);
    assert!(world.reaches("v1", "b") && world.reaches("b", "v1"));
    // v2 says it is b.
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    world.send("v2", arp(1, b, (Mac([0; 6]), b.1)));
    assert!(world.reaches("v1", "b"), "nothing changes for the asking");
    world.run(Span::from_secs(1));
    assert_eq!(duplicates(&world), [(Duplicate::Host, b.0, Some(b.1.into()))]);
    assert!(world.reaches("v1", "b"));
    assert_eq!(world.count("host_moved"), 0);
    // Again and again: told once in a while.
    for _ in 0..50 {
        world.send("v2", arp(1, b, (Mac([0; 6]), b.1)));
    }
    assert_eq!(world.count("duplicate"), 1);
}

#[test]
fn a_host_cannot_take_anothers_address_which_passes_on_when_it_is_free() {
    let mut world = World::single(config(), 2);
    assert!(world.reaches("v1", "b"));
    let (v2, b) = (world.hosts["v2"].mac, world.hosts["b"].ip);
    world.send("v2", arp(1, (v2, b), (Mac([0; 6]), b)));
    world.run(Span::from_secs(1));
    assert_eq!(duplicates(&world), [(Duplicate::Address, world.hosts["b"].mac, Some(b.into()))]);
    world.hosts.get_mut("v1").expect("v1").neighbours.clear();
    assert_eq!(world.resolve("v1", b), Some(world.hosts["b"].mac));
    // By IPv6 as well.
    resolve6(&mut world, "v1", "b");
    let b6 = world.hosts["b"].ip6();
    let all = (Mac([0x33, 0x33, 0, 0, 0, 1]), "ff02::1".parse().expect("an address"));
    world.send("v2", neighbour(136, (v2, b6), all, b6));
    world.run(Span::from_secs(1));
    assert_eq!(duplicates(&world).len(), 2);

    // b gave its address up, and has another: v2 has it now.
    world.run(Span::from_secs(11));
    world.hosts.get_mut("b").expect("b").ip = "10.0.0.99".parse().expect("an address");
    world.send("v2", arp(1, (v2, b), (Mac([0; 6]), b)));
    world.run(Span::from_secs(1));
    assert_eq!(duplicates(&world).len(), 2);
    world.hosts.get_mut("v1").expect("v1").neighbours.clear();
    assert_eq!(world.resolve("v1", b), Some(v2));
}

#[test]
fn a_host_that_moves_is_believed_when_it_is_silent_where_it_was() {
    let mut world = World::single(config(), 2);
    assert!(world.reaches("v1", "b"));
    world.add_port((1, 9));
    world.set_port((1, 9), true);
    world.run(Span::from_secs(1));
    world.hosts.get_mut("b").expect("b").at = (1, 9);
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    let said = world.now;
    world.send("b", arp(1, b, (Mac([0; 6]), b.1)));
    world.run(Span::from_secs(1));
    let moved = world.events.iter().position(|event| matches!(event, Event::HostMoved { .. }));
    let took = world.said[moved.expect("it moved")].since(said);
    assert_eq!(took, Span::from_millis(300));
    assert!(world.reaches("v1", "b"));
    assert_eq!(duplicates(&world), []);
}

#[test]
fn claims_are_bounded() {
    let mut world = World::single(config(), 3);
    // A hundred addresses, all v1's and v2's.
    for n in 0..16u8 {
        for host in ["v1", "v2", "v3"] {
            let ip = std::net::Ipv4Addr::new(10, 1, world.hosts[host].mac.0[5], n);
            world.send(host, arp(1, (world.hosts[host].mac, ip), (Mac([0; 6]), ip)));
        }
    }
    let b = world.hosts["b"].mac;
    for n in 0..16u8 {
        for host in ["v1", "v2", "v3"] {
            let ip = std::net::Ipv4Addr::new(10, 1, world.hosts[host].mac.0[5], n);
            world.send("b", arp(1, (b, ip), (Mac([0; 6]), ip)));
        }
    }
    assert_eq!(world.count("limit_reached"), 1, "one port may doubt only so many at once");
    let v1 = world.hosts["v1"].mac;
    let frame = udp((b, world.hosts["b"].ip), (v1, world.hosts["v1"].ip), 9, 9, b"all else works");
    world.send("b", frame);
    assert_eq!(world.received("v1").len(), 1);
}
