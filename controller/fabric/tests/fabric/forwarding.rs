//! Hosts on one switch: ARP, learning, forwarding.

use std::net::Ipv4Addr;

use nearcast_machine::Span;
use rust_openflow::Mac;

use crate::world::{World, arp, config, udp};

#[test]
fn hosts_find_and_reach_each_other() {
    let mut world = World::single(config(), 2);
    for (from, to) in [("b", "cdn"), ("cdn", "b"), ("v1", "b"), ("v2", "v1"), ("cdn", "v2")] {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
    assert_eq!(world.switches[&1].at(2, 100).len(), 4, "one entry per host");
}

#[test]
fn known_hosts_are_answered_for_without_asking_them() {
    let mut world = World::single(config(), 1);
    assert!(world.reaches("b", "v1"));
    let before = world.sent.len();
    let (cdn, b) = (world.hosts["cdn"].mac, world.hosts["b"].ip);
    let request = arp(1, (cdn, world.hosts["cdn"].ip), (Mac([0; 6]), b));
    world.send("cdn", request);
    let outs = world.sent[before..].iter().map(|(_, message)| &message.body);
    let outs = outs.filter(|body| matches!(body, rust_openflow::v13::Body::PacketOut(_))).count();
    assert_eq!(outs, 1, "the answer, and no question");
}

#[test]
fn any_address_of_the_virtual_range_is_answered_with_the_virtual_mac() {
    let mut world = World::single(config(), 0);
    let range = config().virtual_range;
    for address in [range.controller(), Ipv4Addr::new(10, 254, 77, 3)] {
        assert_eq!(world.resolve("b", address), Some(range.mac()));
    }
    assert_eq!(range.mac().0[0] & 3, 2, "locally administered, not a group");
}

#[test]
fn an_address_that_nobody_has_is_asked_for_a_few_times_and_given_up() {
    let mut world = World::single(config(), 1);
    assert_eq!(world.resolve("b", Ipv4Addr::new(10, 0, 0, 200)), None);
    world.run(Span::from_secs(5));
    let before = world.sent.len();
    world.run(Span::from_secs(4));
    let quiet = world.sent[before..].iter().all(|(_, m)| !is_arp(m));
    assert!(quiet, "nobody asks any more");
}

fn is_arp(message: &rust_openflow::v13::Message) -> bool {
    match &message.body {
        rust_openflow::v13::Body::PacketOut(out) => out.data[12..14] == [8, 6],
        _ => false,
    }
}

#[test]
fn a_frame_to_a_host_that_must_be_found_first_is_not_lost() {
    let mut world = World::single(config(), 1);
    // b knows v1's MAC from elsewhere; the fabric knows neither.
    let (b, v) = (&world.hosts["b"], &world.hosts["v1"]);
    let frame = udp((b.mac, b.ip), (v.mac, v.ip), 9, 9, b"first");
    world.send("b", frame);
    let got = world.received("v1");
    assert_eq!(got.len(), 1, "delivered once its host answered");
    assert_eq!(got[0].payload, b"first");
}

#[test]
fn a_host_that_moves_is_reached_at_its_new_port() {
    let mut world = World::single(config(), 2);
    assert!(world.reaches("b", "v1"));
    world.set_port((1, 3), false);
    assert_eq!(world.count("host_gone"), 1);
    world.add_port((1, 9));
    world.set_port((1, 9), true);
    world.hosts.get_mut("v1").expect("v1").at = (1, 9);
    world.run(Span::from_secs(1));
    assert!(world.reaches("v1", "b"), "it speaks from there");
    assert!(world.reaches("b", "v1"), "and is found there");

    world.hosts.get_mut("v2").expect("v2").at = (1, 3);
    world.set_port((1, 3), true);
    let (mac, ip) = (world.hosts["v2"].mac, world.hosts["v2"].ip);
    world.send("v2", arp(1, (mac, ip), (Mac([0; 6]), ip)));
    world.run(Span::from_secs(1));
    assert!(world.reaches("b", "v2"));
}

#[test]
fn broadcast_reaches_everybody_once() {
    let mut world = World::single(config(), 3);
    let b = &world.hosts["b"];
    let everybody = (Mac::BROADCAST, Ipv4Addr::BROADCAST);
    let frame = udp((b.mac, b.ip), everybody, 68, 67, b"anybody?");
    world.send("b", frame);
    for name in ["v1", "v2", "v3", "cdn"] {
        assert_eq!(world.received(name).len(), 1, "{name}");
    }
    assert_eq!(world.received("b").len(), 0);
}

#[test]
fn nobody_can_claim_a_virtual_address() {
    let mut world = World::single(config(), 1);
    let range = config().virtual_range;
    let mac = world.hosts["v1"].mac;
    let virtual_ip = Ipv4Addr::new(10, 254, 0, 5);
    world.send("v1", arp(2, (mac, virtual_ip), (Mac::BROADCAST, virtual_ip)));
    assert_eq!(world.resolve("b", virtual_ip), Some(range.mac()));
    assert_eq!(world.count("host_learned"), 1, "b, by its own request");
}

#[test]
fn a_flood_of_unknown_frames_starves_neither_arp_nor_probes() {
    let mut world = World::single(config(), 2);
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    for n in 0..3000u32 {
        let [_, _, c, d] = n.to_be_bytes();
        let to = (Mac([2, 9, 9, 9, c, d]), Ipv4Addr::new(10, 0, 77, d));
        world.send("b", udp(b, to, 9, 9, b"?"));
    }
    assert_eq!(world.count("packet_ins_limited"), 1);
    let unknown = world.fabric.packet_ins()["unknown dropped"];
    assert!(unknown > 2000, "{unknown}");
    assert!(world.reaches("v1", "v2"), "ARP goes on");
}

#[test]
fn hosts_made_up_at_one_port_do_not_fill_the_table() {
    let mut settings = config();
    settings.limits.hosts_per_port = 8;
    let mut world = World::single(settings, 2);
    for n in 0..100u8 {
        let ip = Ipv4Addr::new(10, 0, 1, n);
        world.send("b", arp(1, (Mac([2, 1, 1, 1, 1, n]), ip), (Mac([0; 6]), ip)));
    }
    assert_eq!(world.count("host_learned"), 8);
    assert_eq!(world.count("limit_reached"), 1, "said once");
    assert!(world.reaches("v1", "v2"));
}

#[test]
fn hosts_that_know_each_other_stay_so_while_the_controller_is_away() {
    let mut world = World::single(config(), 1);
    assert!(world.reaches("b", "v1") && world.reaches("v1", "b"));
    world.disconnect(1, "test");
    let (b, v) = (&world.hosts["b"], &world.hosts["v1"]);
    let mut probe = arp(1, (b.mac, b.ip), (Mac([0; 6]), v.ip));
    probe[..6].copy_from_slice(&v.mac.0);
    world.hosts.get_mut("b").expect("b").inbox.clear();
    world.send("b", probe);
    assert_eq!(world.hosts["b"].inbox.len(), 1, "v1 answered by itself");
}

#[test]
fn a_host_that_scans_leaves_others_room_to_ask() {
    let mut world = World::single(config(), 2);
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    for n in 0..200 {
        world.send("b", arp(1, b, (Mac([0; 6]), Ipv4Addr::new(10, 0, 99, n))));
    }
    assert!(world.reaches("v1", "v2"));
}
