//! Several switches: links, loops, hosts at edges only.

use std::net::Ipv4Addr;

use nearcast_machine::Span;
use rust_openflow::Mac;

use crate::world::{CDN, World, config, udp};

/// `n` switches in a ring, each with one host.
fn ring(n: u64) -> World {
    let mut world = World::new(config());
    for id in 1..=n {
        world.add_switch(id, "s");
    }
    for id in 1..=n {
        world.add_link((id, 1), (id % n + 1, 2));
    }
    const NAMES: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
    for (id, name) in (1..=n).zip(NAMES) {
        world.add_host(name, Ipv4Addr::new(10, 0, 0, id as u8), (id, 3));
    }
    for id in 1..=n {
        world.connect(id);
    }
    world.run(Span::from_secs(2));
    world
}

#[test]
fn links_are_found_and_hosts_reach_each_other_across_a_loop() {
    let mut world = ring(4);
    assert_eq!(world.count("link"), 8, "four links, each way");
    for (from, to) in [("h1", "h2"), ("h1", "h3"), ("h4", "h2"), ("h3", "h1")] {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
    assert_eq!(world.count("host_moved"), 0, "no host was seen at a link");
}

#[test]
fn a_broadcast_in_a_loop_reaches_everybody_once_and_stops() {
    let mut world = ring(4);
    let before = world.frames;
    let h1 = (world.hosts["h1"].mac, world.hosts["h1"].ip);
    world.send("h1", udp(h1, (Mac::BROADCAST, Ipv4Addr::BROADCAST), 68, 67, b"anybody?"));
    for name in ["h2", "h3", "h4"] {
        assert_eq!(world.received(name).len(), 1, "{name}");
    }
    // Three links of the tree carry it, and the fourth, if at all, to where it is dropped.
    assert!(world.frames - before <= 5, "{} frames", world.frames - before);
}

#[test]
fn traffic_takes_the_other_way_round_when_a_link_fails() {
    let mut world = ring(4);
    assert!(world.reaches("h1", "h2"));
    world.set_port((1, 1), false);
    world.set_port((2, 2), false);
    assert!(world.reaches("h1", "h2"), "by the other three switches");
    let h1 = (world.hosts["h1"].mac, world.hosts["h1"].ip);
    world.send("h1", udp(h1, (Mac::BROADCAST, Ipv4Addr::BROADCAST), 68, 67, b"anybody?"));
    for name in ["h2", "h3", "h4"] {
        assert_eq!(world.received(name).len(), 1, "{name}");
    }
}

#[test]
fn a_host_cannot_invent_a_link() {
    let mut world = ring(3);
    // h1 saw the probes that its switch sends, and sends one on from elsewhere, much later.
    let probe = world
        .sent
        .iter()
        .find_map(|(switch, message)| match &message.body {
            rust_openflow::v13::Body::PacketOut(out)
                if *switch == 1 && out.data[12..14] == [0x88, 0xcc] =>
            {
                Some(out.data.to_vec())
            }
            _ => None,
        })
        .expect("ports are probed");
    let links = world.count("link");
    world.run(Span::from_secs(20));
    let mut forged = probe.clone();
    world.send("h2", probe);
    forged[25] ^= 1;
    world.send("h2", forged);
    assert_eq!(world.count("link"), links);
    assert!(world.reaches("h1", "h2"));
}

#[test]
fn links_outlast_a_switch_that_is_away() {
    let mut world = ring(3);
    assert!(world.reaches("h1", "h2"));
    world.disconnect(2, "test");
    world.run(Span::from_secs(60));
    assert!(world.reaches("h1", "h2"), "it forwards by what it holds");
    assert_eq!(world.names().iter().filter(|name| *name == "link").count(), 6);
    world.connect(2);
    world.run(Span::from_secs(2));
    assert!(world.reaches("h2", "h3"));
}

#[test]
fn rtmp_is_copied_where_it_enters_and_nowhere_else() {
    let mut world = World::new(config());
    world.add_switch(1, "s1");
    world.add_switch(2, "s2");
    world.add_link((1, 1), (2, 1));
    world.add_host("b", Ipv4Addr::new(10, 0, 0, 1), (1, 2));
    world.add_host("cdn", CDN, (2, 2));
    world.connect(1);
    world.connect(2);
    world.run(Span::from_secs(2));
    let mut session = crate::rtmp::Session::open(
        &mut world,
        "b",
        40_000,
        "cdn",
        nearcast_media::Role::Broadcaster,
        "live/x",
    );
    let before = world.fabric.packet_ins()["rtmp"];
    assert_eq!(before, 2, "SYN and SYN ACK, each once");
    session.talk(&mut world, true);
    assert_eq!(world.count("role_accepted"), 1);
    assert_eq!(world.switches[&1].at(0, 660).len(), 1, "each direction passes where it enters");
    assert_eq!(world.switches[&2].at(0, 660).len(), 1);
}
