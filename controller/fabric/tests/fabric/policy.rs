//! Who may take part, what is only reported, and what a hostile host cannot fill.

use std::net::{IpAddr, Ipv4Addr};

use nearcast_fabric::{Event, NotNear, Policy};
use nearcast_machine::Span;
use nearcast_media::Role;
use rust_openflow::Mac;

use crate::rtmp::{Session, play, publish};
use crate::world::{World, arp, config, udp};

fn not_near(world: &World) -> Vec<(IpAddr, NotNear)> {
    let found = |event: &Event| match event {
        Event::NotNear { viewer, reason, .. } => Some((*viewer, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(found).collect()
}

fn subnets(texts: &[&str]) -> Vec<nearcast_fabric::Subnet> {
    texts.iter().map(|text| text.parse().expect("a subnet")).collect()
}

#[test]
fn policy_says_which_hosts_may_peer() {
    let mut settings = config();
    settings.policy = Policy {
        allow: subnets(&["10.0.0.0/24"]),
        deny: subnets(&["10.0.0.12"]),
        ..Policy::default()
    };
    let mut world = World::single(settings.clone(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    assert_eq!(world.count("joined"), 2, "the broadcaster and v1");
    assert_eq!(not_near(&world), [([10, 0, 0, 12].into(), NotNear::NotAllowed)]);

    settings.policy.deny = subnets(&["10.0.0.1"]);
    let mut world = World::single(settings, 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("peering_formed"), 0, "nor may the broadcaster");
}

#[test]
fn policy_says_which_servers_count() {
    for (subnet, counts) in [("10.0.0.96/28", true), ("10.0.7.0/24", false)] {
        let mut settings = config();
        settings.cdn.clear();
        settings.policy.cdn = subnets(&[subnet]);
        let mut world = World::single(settings, 1);
        publish(&mut world, "b", 40_000, "live/room", true);
        play(&mut world, "v1", 40_000, "live/room");
        assert_eq!(world.count("peering_formed"), usize::from(counts), "{subnet}");
        assert_eq!(world.count("cdn_learned"), 0);
    }
}

#[test]
fn a_dry_run_tells_what_would_be_and_changes_nothing() {
    let mut settings = config();
    settings.observe_only = true;
    let mut world = World::single(settings, 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    let mut session = play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    world.run(Span::from_secs(30));
    session.close(&mut world);
    let withheld: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeeringWithheld { viewers, .. } => Some(viewers.clone()),
            _ => None,
        })
        .collect();
    let (v1, v2) = (world.hosts["v1"].ip, world.hosts["v2"].ip);
    assert_eq!(withheld, [vec![v1], vec![v1, v2], vec![v2]], "each change once");
    assert!(world.switches[&1].groups.is_empty() && world.hosts["v2"].offers.is_empty());
    assert_eq!(world.switches[&1].at(0, 820).len(), 0);
}

#[test]
fn one_host_has_only_so_many_roles_and_one_switch_so_many_groups() {
    let mut settings = config();
    settings.limits.roles_per_host = 3;
    settings.limits.groups_per_switch = 2;
    let mut world = World::single(settings, 4);
    let mut sessions: Vec<_> = (0..5u16)
        .map(|n| publish(&mut world, "b", 40_000 + n, &format!("live/{n}"), true))
        .collect();
    let refused = |world: &World, limit: &str| {
        world.fabric.statistics().refused.get(limit).copied().unwrap_or(0)
    };
    assert_eq!((world.fabric.statistics().streams, refused(&world, "roles_per_host")), (3, 2));
    for (n, name) in (0..3).zip(["v1", "v2", "v3"]) {
        play(&mut world, name, 40_000, &format!("live/{n}"));
    }
    assert_eq!(world.switches[&1].groups.len(), 2);
    assert!(refused(&world, "groups_per_switch") >= 1);
    // Whoever ends one role may have another.
    for session in &mut sessions[..2] {
        session.close(&mut world);
    }
    publish(&mut world, "b", 40_009, "live/9", true);
    assert_eq!(refused(&world, "roles_per_host"), 2);
    assert_eq!(world.fabric.statistics().streams, 4, "with the two that only have viewers");
}

#[test]
fn one_port_cannot_use_up_what_all_have() {
    let mut world = World::single(config(), 3);
    // ARP for made-up addresses as fast as can be, and LLDP frames of somebody's own.
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    let lldp = [&[1, 0x80, 0xc2, 0, 0, 0xe][..], &b.0.0, &[0x88, 0xcc], &[0; 40]].concat();
    for n in 0..5000u32 {
        let [_, _, c, d] = n.to_be_bytes();
        world.send("b", arp(1, b, (Mac([0; 6]), Ipv4Addr::new(10, 7, c, d))));
        world.send("b", lldp.clone());
    }
    let counts = world.fabric.packet_ins();
    assert!(counts["arp dropped"] > 4000 && counts["lldp dropped"] > 4000, "{counts:?}");
    assert!(world.reaches("v1", "v2"), "others are answered in the same instant");
    let statistics = world.fabric.statistics();
    assert!(statistics.asks <= 64, "and it has a quarter of the questions: {statistics:?}");
}

#[test]
fn everything_that_a_hostile_host_can_fill_is_bounded_and_counted() {
    let mut settings = config();
    settings.limits.hosts_per_port = 8;
    settings.limits.host_idle = Span::from_secs(60);
    let mut world = World::single(settings, 2);
    assert!(world.reaches("v1", "v2"));
    let storm = |world: &mut World, from: u16| {
        for n in from..from + 300 {
            let [a, b] = n.to_be_bytes();
            let ip = Ipv4Addr::new(10, 9, a, b);
            world.send("b", arp(1, (Mac([2, 7, 7, 7, a, b]), ip), (Mac([0; 6]), ip)));
            let to = (Mac([2, 8, 8, 8, a, b]), Ipv4Addr::new(10, 8, a, b));
            world.send("b", udp((Mac([2, 7, 7, 7, a, b]), ip), to, 9, 9, b"?"));
        }
        world.run(Span::from_secs(3));
    };
    storm(&mut world, 0);
    let first = world.fabric.statistics();
    assert_eq!((first.hosts, first.evicted.get("hosts")), (2 + 8, None), "{first:?}");
    assert!(first.refused["hosts"] > 100, "{first:?}");
    assert_eq!(world.switches[&1].at(2, 100).len(), first.hosts);
    // Once they have been silent for long others may come, in their place.
    world.run(Span::from_secs(61));
    storm(&mut world, 1000);
    let second = world.fabric.statistics();
    assert_eq!((second.hosts, second.evicted["hosts"]), (10, 8), "{second:?}");
    assert_eq!(
        world.switches[&1].at(2, 100).len(),
        second.hosts,
        "nor is the switch's table filled"
    );
    assert!(world.reaches("v1", "v2") && world.reaches("v2", "v1"), "nobody else was driven out");
}

#[test]
fn what_is_known_can_be_read() {
    let mut world = World::single(config(), 1);
    let _publisher: Session = publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let fabric = &world.fabric;
    let statistics = fabric.statistics();
    assert_eq!((statistics.switches_live, statistics.peerings, statistics.viewers), (1, 1, 1));
    let switches = fabric.switches();
    assert_eq!((switches[0].name.as_str(), switches[0].ports.len()), ("s1", 3));
    assert_eq!(fabric.flows(switches[0].id).len(), world.switches[&1].flows.len());
    assert_eq!(fabric.groups(switches[0].id).len(), 1);
    assert_eq!((fabric.hosts().len(), fabric.links().len()), (3, 0));
    let json = serde_json::to_value(fabric.streams()).expect("JSON");
    assert_eq!(json[0]["name"], "live/room");
    assert_eq!(json[0]["peering"]["viewers"][0]["host"], world.hosts["v1"].ip.to_string());
    assert_eq!(json[0]["peering"]["broadcaster"]["joined"], true);
    assert_eq!(
        world
            .events
            .iter()
            .filter(|e| matches!(e, Event::Joined { role: Role::Viewer, .. }))
            .count(),
        1
    );
}
