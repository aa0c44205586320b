//! RTMP over IPv6: roles are found as over IPv4, and hosts take part by the IPv4 addresses they
//! have.

use std::net::IpAddr;

use nearcast_fabric::{Config, Event, InspectionEnd, NotNear, RoleEnd};
use nearcast_media::Role;

use crate::rtmp::{Session, play};
use crate::world::{Peer, World, arp, config};
use rust_openflow::Mac;

const PORT: u16 = 7935;

/// The CDN has an address of each family.
fn both() -> Config {
    let mut config = config();
    config.cdn.push("[fd00::a00:64]:1935".parse().expect("an address"));
    config
}

fn publish6(world: &mut World) -> Session {
    let mut session = Session::open6(world, "b", 40_000, "cdn", Role::Broadcaster, "live/room");
    session.talk(world, true);
    session
}

fn play6(world: &mut World, host: &'static str) -> Session {
    let mut session = Session::open6(world, host, 40_000, "cdn", Role::Viewer, "live/room");
    session.talk(world, true);
    session
}

/// A host shows its IPv4 address.
fn show(world: &mut World, host: &str) {
    let own = (world.hosts[host].mac, world.hosts[host].ip);
    world.send(host, arp(1, own, (Mac([0; 6]), own.1)));
}

fn accepted(world: &World) -> Vec<(IpAddr, IpAddr, bool)> {
    let role = |event: &Event| match event {
        Event::RoleAccepted { host, server, counts, .. } => Some((*host, *server, *counts)),
        _ => None,
    };
    world.events.iter().filter_map(role).collect()
}

fn not_near(world: &World) -> Vec<(IpAddr, NotNear)> {
    let viewer = |event: &Event| match event {
        Event::NotNear { viewer, reason, .. } => Some((*viewer, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(viewer).collect()
}

#[test]
fn roles_are_found_and_hosts_with_ipv4_are_peered() {
    let mut world = World::single(both(), 2);
    publish6(&mut world);
    play6(&mut world, "v1");
    let [b, v1, cdn] = ["b", "v1", "cdn"].map(|host| IpAddr::from(world.hosts[host].ip6()));
    assert_eq!(accepted(&world), [(b, cdn, true), (v1, cdn, true)]);
    assert_eq!(not_near(&world), [(v1, NotNear::NoIpv4)], "nobody has shown one");
    assert_eq!(world.count("peering_formed"), 0);

    show(&mut world, "b");
    assert_eq!(world.count("peering_formed"), 0, "the viewer has not");
    show(&mut world, "v1");
    assert_eq!(world.count("joined"), 2);
    // One who came by IPv4 is in the same stream.
    play(&mut world, "v2", 40_000, "live/room");
    assert_eq!(world.count("joined"), 3);
    let group = world.offer("b").group;
    world.udp("b", group, PORT, b"chunk");
    for viewer in ["v1", "v2"] {
        let got = world.received(viewer);
        assert_eq!(got.len(), 1, "{viewer}: {got:?}");
        assert_eq!((*got[0].source.ip(), &got[0].payload[..]), (group, &b"chunk"[..]));
    }
}

#[test]
fn a_decided_connection_is_copied_no_more_and_its_end_is_seen() {
    let mut world = World::single(both(), 1);
    let mut publisher = publish6(&mut world);
    let copied = world.fabric.packet_ins()["rtmp"];
    for _ in 0..50 {
        publisher.media(&mut world, true);
    }
    assert_eq!(world.fabric.packet_ins()["rtmp"], copied, "media are not copied");
    let mut player = play6(&mut world, "v1");
    player.finish(&mut world);
    publisher.close(&mut world);
    let ended = |event: &Event| match event {
        Event::RoleEnded { role, reason, .. } => Some((*role, *reason)),
        _ => None,
    };
    let ended: Vec<_> = world.events.iter().filter_map(ended).collect();
    assert_eq!(ended, [(Role::Viewer, RoleEnd::Stopped), (Role::Broadcaster, RoleEnd::Closed)]);
    player.close(&mut world);
    assert_eq!(world.switches[&1].at(0, 660).len(), 0, "what let them through is gone");
    assert_eq!(world.switches[&1].at(0, 680).len(), 0);
}

#[test]
fn what_cannot_be_read_is_let_through() {
    let mut world = World::single(both(), 0);
    let mut session = Session::open6(&mut world, "b", 40_000, "cdn", Role::Viewer, "live/room");
    for _ in 0..40 {
        session.media(&mut world, true);
    }
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::InspectionEnded { client, reason, .. } => Some((*client, *reason)),
        _ => None,
    });
    let b = world.hosts["b"].ip6().into();
    assert_eq!(last, Some((b, InspectionEnd::NotRtmp)));
}

#[test]
fn which_servers_count_and_who_may_peer_is_said_by_prefixes() {
    for (cdn, counts) in [("fd00::a00:0/112", true), ("fd01::/16", false), ("::/0", true)] {
        let mut settings = config();
        settings.policy.cdn = vec![cdn.parse().expect("a prefix")];
        let mut world = World::single(settings, 0);
        publish6(&mut world);
        assert_eq!(accepted(&world)[0].2, counts, "{cdn}");
    }
    // A host is denied by either of its addresses.
    for deny in ["fd00::a00:b", "10.0.0.11"] {
        let mut settings = both();
        settings.policy.deny = vec![deny.parse().expect("an address")];
        let mut world = World::single(settings, 1);
        for host in ["b", "v1"] {
            show(&mut world, host);
        }
        publish6(&mut world);
        play6(&mut world, "v1");
        let v1 = world.hosts["v1"].ip6().into();
        assert_eq!(not_near(&world), [(v1, NotNear::NotAllowed)], "{deny}");
    }
}

#[test]
fn without_a_configured_cdn_an_ipv6_server_is_learned() {
    let mut settings = config();
    settings.cdn.clear();
    let mut world = World::single(settings, 1);
    for host in ["b", "v1"] {
        show(&mut world, host);
    }
    publish6(&mut world);
    play6(&mut world, "v1");
    assert_eq!(world.count("cdn_learned"), 1);
    assert_eq!(world.count("joined"), 2);
}

#[test]
fn a_host_that_has_another_ipv4_address_takes_part_by_that() {
    let mut world = World::single(both(), 1);
    for host in ["b", "v1"] {
        show(&mut world, host);
        world.hosts.get_mut(host).expect("a host").peer = Peer::Accepts;
    }
    publish6(&mut world);
    let mut session = play6(&mut world, "v1");
    assert_eq!(world.count("joined"), 2);
    let first = world.offer("v1").alias;
    world.hosts.get_mut("v1").expect("v1").ip = "10.0.0.77".parse().expect("an address");
    show(&mut world, "v1");
    assert_eq!(world.count("withdrawn"), 1);
    assert_eq!(world.count("joined"), 3);
    assert_ne!(world.offer("v1").alias, first);
    session.reset(&mut world);
    assert_eq!(world.count("peering_ended"), 1);
}
