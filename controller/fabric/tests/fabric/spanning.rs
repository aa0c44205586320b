//! Peerings over many switches, on the topologies that come with nearcast: every frame is walked
//! through the flow tables of all switches, with the delays of all links.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_fabric::{Event, NotNear, Withdrawal};
use nearcast_machine::Span;
use nearcast_topologies::{Choice, Topology};
use rust_openflow::Mac;

use crate::rtmp::{Session, play, publish};
use crate::world::{World, arp, config, udp};

const PORT: u16 = 7935;
const CONTROL: Span = Span::from_millis(2);

fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

fn world(name: &str, setting: &str) -> World {
    let choice = Choice { setting: Some(setting.to_owned()), ..Choice::default() };
    World::of(&Topology::named(name, &choice).expect("it comes with nearcast"), config(), CONTROL)
}

fn viewers(world: &World) -> Vec<&'static str> {
    world.hosts.keys().filter(|name| !["hb", "cdn"].contains(name)).copied().collect()
}

/// A stream `live/x` from `hb`, played by these.
fn on_air(world: &mut World, viewers: &[&'static str]) -> Session {
    let publisher = publish(world, "hb", 40_000, "live/x", true);
    for name in viewers {
        play(world, name, 40_000, "live/x");
    }
    // The switches of every viewer have confirmed.
    world.run(Span::from_secs(1));
    publisher
}

/// A chunk on its way from `hb` to its group.
fn chunk(world: &mut World, number: u32) {
    let group = world.offer("hb").group;
    let mac = world.hosts["hb"].neighbours[&group];
    let host = &world.hosts["hb"];
    let payload = [&[1], &number.to_be_bytes()[..]].concat();
    let frame = udp((host.mac, host.ip), (mac, group), PORT, PORT, &payload);
    world.send_now("hb", frame);
}

/// Sends chunks of these numbers, so far apart.
fn chunks(world: &mut World, numbers: std::ops::Range<u32>, apart: Span) {
    for number in numbers {
        chunk(world, number);
        world.run(apart);
    }
}

/// The numbers of the chunks that reached a host, in the order they came.
fn got(world: &mut World, host: &str) -> Vec<u32> {
    let datagrams = world.received(host).into_iter();
    let chunks = datagrams.filter(|datagram| datagram.payload.first() == Some(&1));
    chunks
        .map(|datagram| u32::from_be_bytes(datagram.payload[1..].try_into().expect("a number")))
        .collect()
}

/// Forgets what hosts received and links carried.
fn listen_anew(world: &mut World) {
    world.carried.clear();
    let names: Vec<_> = world.hosts.keys().copied().collect();
    for name in names {
        world.received(name);
    }
}

/// Chunks reach exactly these hosts, each once and in order, and each link of a tree carried each
/// once. The links.
fn all_get_all(world: &mut World, to: &[&str]) -> BTreeSet<(u64, u32)> {
    listen_anew(world);
    chunks(world, 0..50, ms(3));
    world.run(Span::from_secs(1));
    let names: Vec<_> = world.hosts.keys().copied().collect();
    for name in names {
        let expected: Vec<u32> = if to.contains(&name) { (0..50).collect() } else { Vec::new() };
        assert_eq!(got(world, name), expected, "{name}");
    }
    assert!(world.carried.values().all(|times| *times == 1), "a link carried a chunk twice");
    let links: BTreeSet<_> = world.carried.keys().map(|(link, _)| *link).collect();
    assert_eq!(world.carried.len(), links.len() * 50);
    let switches: BTreeSet<_> = links.iter().map(|link| world.links[link].0).collect();
    assert_eq!(switches.len(), links.len(), "no switch is entered by two links");
    links
}

fn count_of(world: &World, purpose: u64) -> usize {
    let of = |switch: &crate::switch::Switch| {
        switch.flows.iter().filter(|flow| flow.cookie >> 40 & 0xff == purpose).count()
    };
    world.switches.values().map(of).sum()
}

fn groups(world: &World) -> usize {
    world.switches.values().map(crate::switch::Switch::copying).sum()
}

#[test]
fn one_copy_per_link_reaches_every_viewer_on_every_topology() {
    for (name, setting, links) in [
        ("ring", "default", 5),
        ("fat-tree", "default", 12),
        ("campus", "default", 4),
        ("remote", "close", 1),
    ] {
        let mut world = world(name, setting);
        let viewers = viewers(&world);
        let mut publisher = on_air(&mut world, &viewers);
        assert_eq!(world.count("joined"), viewers.len() + 1, "{name}: {:?}", world.names());
        assert_eq!(all_get_all(&mut world, &viewers).len(), links, "{name}");

        // Whoever plays no longer gets nothing more, and neither do links to nobody.
        publisher.close(&mut world);
        world.run(Span::from_secs(3));
        assert_eq!(groups(&world), 0, "{name}: nothing is left");
        assert_eq!(count_of(&world, 5) + count_of(&world, 4), 0, "{name}");
        assert_eq!(world.count("switch_error") + world.count("host_moved"), 0, "{name}");
    }
}

#[test]
fn near_is_judged_by_measured_delay() {
    let mut apart = world("remote", "apart");
    on_air(&mut apart, &["hv1", "hw1"]);
    assert_eq!(apart.count("joined"), 2, "the broadcaster and the viewer beside it");
    let told: Vec<_> = apart
        .events
        .iter()
        .filter_map(|event| match event {
            Event::NotNear { viewer, reason, .. } => Some((*viewer, *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(apart.hosts["hw1"].ip.into(), NotNear::NotShorter)]);

    let delays: BTreeMap<_, _> = apart
        .events
        .iter()
        .filter_map(|event| match event {
            Event::LinkDelay { from, to, delay_us } => {
                Some(((from.switch.0, to.switch.0), *delay_us))
            }
            _ => None,
        })
        .collect();
    let expected = [((1, 2), 160_000), ((1, 3), 80_000), ((2, 3), 80_000)];
    let both_ways = expected.into_iter().flat_map(|((a, b), us)| [((a, b), us), ((b, a), us)]);
    assert_eq!(delays, both_ways.collect(), "to the control channel's 2 ms, which are not theirs");
}

#[test]
fn members_reach_each_other_by_alias_over_any_number_of_switches() {
    let mut world = world("fat-tree", "default");
    on_air(&mut world, &["hv1", "hv5", "hv14"]);
    let alias = |world: &World, name: &str| world.offer(name).alias;
    assert_eq!(world.offer("hv14").holders.len(), 3, "two viewers and the broadcaster");
    for (from, to) in
        [("hv14", "hb"), ("hv14", "hv1"), ("hb", "hv14"), ("hv1", "hv5"), ("hv5", "hv1")]
    {
        listen_anew(&mut world);
        let (own, other) = (alias(&world, from), alias(&world, to));
        world.udp(from, other, PORT, b"\x04the one that I miss");
        let datagrams = world.received(to);
        assert_eq!(datagrams.len(), 1, "{from} to {to}");
        assert_eq!(*datagrams[0].source.ip(), own, "nobody's real address is seen");
        let names: Vec<_> = world.hosts.keys().copied().collect();
        for name in names {
            assert!(world.received(name).is_empty(), "{name} heard {from} to {to}");
        }
    }
    // A host that is no member stays out, whatever address it tries.
    for to in [alias(&world, "hv1"), world.offer("hb").group] {
        listen_anew(&mut world);
        world.udp("hv9", to, PORT, b"\x01not mine");
        let names: Vec<_> = world.hosts.keys().copied().collect();
        assert!(names.into_iter().all(|name| world.received(name).is_empty()));
        assert!(world.carried.is_empty());
    }
}

#[test]
fn viewers_come_go_and_move_while_the_others_miss_nothing() {
    let mut world = world("ring", "default");
    let mut publisher = on_air(&mut world, &["hv3"]);
    assert_eq!(all_get_all(&mut world, &["hv3"]), [(1, 1), (2, 2)].into());
    assert_eq!(world.switches[&2].copying(), 0, "a switch that only hands on needs no group");

    // From here on chunks flow all the time.
    listen_anew(&mut world);
    let mut next = 0;
    let mut flow = |world: &mut World, span: Span| {
        let many = (span.as_millis() / 5) as u32;
        chunks(world, next..next + many, ms(5));
        next += many;
    };
    world.patience = Span::ZERO;
    flow(&mut world, Span::from_secs(1));
    world.patience = ms(150);
    let mut sessions = BTreeMap::new();
    for name in ["hv2", "hv6", "hv5"] {
        sessions.insert(name, play(&mut world, name, 40_000, "live/x"));
        flow(&mut world, ms(300));
    }
    publisher.media(&mut world, true);
    sessions.get_mut("hv2").expect("it plays").close(&mut world);
    flow(&mut world, ms(300));
    // hv6 is carried to the third switch, without a word.
    world.add_port((3, 9));
    world.set_port((3, 9), true);
    let old = std::mem::replace(&mut world.hosts.get_mut("hv6").expect("hv6").at, (3, 9));
    world.set_port(old, false);
    flow(&mut world, ms(700));
    let hv6 = (world.hosts["hv6"].mac, world.hosts["hv6"].ip);
    world.send("hv6", arp(1, hv6, (Mac([0; 6]), hv6.1)));
    flow(&mut world, Span::from_secs(1));
    world.run(Span::from_secs(1));

    assert_eq!(got(&mut world, "hv3"), (0..next).collect::<Vec<_>>(), "all, once, in order");
    for (name, moved) in [("hv2", false), ("hv5", false), ("hv6", true)] {
        let chunks = got(&mut world, name);
        let (first, last) = (chunks[0], chunks[chunks.len() - 1]);
        let holes = (last - first + 1) as usize - chunks.len();
        assert_eq!(holes > 0, moved, "{name} from {first} to {last}: {holes} missing");
        assert!(chunks.is_sorted_by(|a, b| a < b), "{name}: none twice");
    }
    all_get_all(&mut world, &["hv3", "hv5", "hv6"]);
}

/// What a failure came to.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Reroute {
    /// From the failure until the broadcaster's switch was told to send another way.
    took: Span,
    /// Messages to all switches until then.
    messages: usize,
    /// Chunks that each viewer missed, one being sent every millisecond.
    missed: BTreeMap<&'static str, usize>,
}

/// What follows from a failure while a stream with a chunk every millisecond is on air.
fn reroute(world: &mut World, fail: impl FnOnce(&mut World)) -> Reroute {
    listen_anew(world);
    chunks(world, 0..200, ms(1));
    let (at, events, sent) = (world.now, world.events.len(), world.sent.len());
    fail(world);
    chunks(world, 200..1000, ms(1));
    world.run(Span::from_secs(1));
    let routed = (events..world.events.len())
        .find(|n| matches!(world.events[*n], Event::PeeringRouted { .. }))
        .expect("chunks go another way");
    let took = world.said[routed].since(at) + CONTROL;
    let before = |n: &usize| world.sent_at[*n] <= world.said[routed];
    let messages = (sent..world.sent.len()).filter(before).count();
    let mut missed = BTreeMap::new();
    for name in viewers(world) {
        let chunks = got(world, name);
        let distinct: BTreeSet<_> = chunks.iter().copied().collect();
        assert_eq!(distinct.len(), chunks.len(), "{name} got a chunk twice");
        missed.insert(name, 1000 - chunks.len());
    }
    assert!(world.carried.values().all(|times| *times == 1), "a link carried a chunk twice");
    Reroute { took, messages, missed }
}

#[test]
fn a_link_that_fails_costs_those_behind_it_four_control_delays_and_others_nothing() {
    for (name, setting) in [("ring", "default"), ("fat-tree", "default")] {
        let mut world = world(name, setting);
        let viewers = viewers(&world);
        on_air(&mut world, &viewers);
        let links = all_get_all(&mut world, &viewers);
        // One that many viewers are behind, between the broadcaster's switch and the rest.
        let root = world.hosts["hb"].at.0;
        let cut = *links.iter().find(|link| link.0 == root).expect("it leaves the switch");
        let behind: BTreeSet<_> = {
            let before = |name: &&&str| world.hosts[**name].at.0 == root;
            let beside: Vec<_> = viewers.iter().filter(before).copied().collect();
            viewers.iter().copied().filter(|name| !beside.contains(name)).collect()
        };
        let outcome = reroute(&mut world, |world| world.cut(cut));
        println!("{name}: {outcome:?}");
        // The port's status comes up, the new tree goes down and is confirmed, and the group is
        // turned.
        assert_eq!(outcome.took, CONTROL * 4, "{name}");
        for (viewer, missed) in &outcome.missed {
            let most = if behind.contains(viewer) { 12 } else { 0 };
            assert!(*missed <= most, "{name}: {viewer} missed {missed}");
        }
        assert!(outcome.missed.values().any(|missed| *missed > 0), "{name}: the link mattered");
        assert!(!all_get_all(&mut world, &viewers).contains(&cut));
        assert_eq!(world.count("withdrawn"), 0, "{name}: nobody was given up");
    }
}

#[test]
fn a_switch_that_dies_is_gone_round() {
    let mut world = world("fat-tree", "default");
    let viewers = viewers(&world);
    on_air(&mut world, &viewers);
    let links = all_get_all(&mut world, &viewers);
    let root = world.hosts["hb"].at.0;
    let first = links.iter().find(|link| link.0 == root).expect("it leaves the switch");
    let aggregation = world.links[first].0;
    let outcome = reroute(&mut world, |world| world.kill(aggregation));
    println!("a dead aggregation switch: {outcome:?}");
    assert!(outcome.missed.values().all(|missed| *missed <= 12), "{outcome:?}");
    all_get_all(&mut world, &viewers);
    for (from, to) in [("hv1", "hv14"), ("hv2", "hv7")] {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
}

#[test]
fn a_link_that_becomes_slow_is_left_without_losing_a_chunk() {
    let mut world = world("ring", "default");
    on_air(&mut world, &["hv2", "hv3"]);
    assert_eq!(all_get_all(&mut world, &["hv2", "hv3"]), [(1, 1), (2, 2)].into());
    for end in [(1, 1), (2, 1), (2, 2)] {
        assert!(world.links.contains_key(&end));
    }
    // From the first switch to the second: 40 ms from now on, where the other way round takes 10.
    let other = world.links[&(1, 1)];
    world.delays.insert((1, 1), ms(40));
    world.delays.insert(other, ms(40));
    listen_anew(&mut world);
    chunks(&mut world, 0..8000, ms(5));
    world.run(Span::from_secs(1));
    for name in ["hv2", "hv3"] {
        let mut chunks = got(&mut world, name);
        // Those sent by the quick way overtake the last ones on the slow one.
        chunks.sort_unstable();
        assert_eq!(chunks, (0..8000).collect::<Vec<_>>(), "{name}: all, once");
    }
    assert!(world.carried.values().all(|times| *times == 1));
    let links = all_get_all(&mut world, &["hv2", "hv3"]);
    assert!(!links.contains(&(1, 1)) && links.len() == 5, "the other way round: {links:?}");
}

#[test]
fn a_link_that_comes_back_is_used_again_without_losing_a_chunk() {
    let mut world = world("ring", "default");
    on_air(&mut world, &["hv2"]);
    world.cut((1, 1));
    world.run(Span::from_secs(3));
    assert_eq!(all_get_all(&mut world, &["hv2"]).len(), 5);
    listen_anew(&mut world);
    chunks(&mut world, 0..100, ms(5));
    let other = world.links[&(1, 1)];
    world.set_port((1, 1), true);
    world.set_port(other, true);
    chunks(&mut world, 100..2000, ms(5));
    world.run(Span::from_secs(1));
    let mut chunks = got(&mut world, "hv2");
    chunks.sort_unstable();
    assert_eq!(chunks, (0..2000).collect::<Vec<_>>());
    assert_eq!(all_get_all(&mut world, &["hv2"]), [(1, 1)].into());
}

#[test]
fn a_network_that_falls_apart_keeps_whoever_is_left_and_takes_the_others_back() {
    let mut world = world("campus", "default");
    on_air(&mut world, &["ha1", "hc1", "hd1"]);
    let core = |world: &World, edge: u64| {
        *world.links.iter().find(|(at, to)| at.0 == edge && to.0 == 1).expect("a link").0
    };
    let cut = core(&world, 12);
    world.cut(cut);
    world.run(Span::from_secs(1));
    let withdrawn: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Withdrawn { host, reason, .. } => Some((*host, *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(withdrawn, [(world.hosts["hc1"].ip, Withdrawal::NotNear)]);
    all_get_all(&mut world, &["ha1", "hd1"]);
    let other = world.links[&cut];
    world.set_port(cut, true);
    world.set_port(other, true);
    world.run(Span::from_secs(3));
    all_get_all(&mut world, &["ha1", "hc1", "hd1"]);
}

#[test]
fn a_switch_without_groups_is_gone_round_and_its_own_viewers_are_left_to_the_cdn() {
    let mut world = world("ring", "default");
    world.switches.get_mut(&2).expect("s2").no_groups = true;
    on_air(&mut world, &["hv3", "hv2"]);
    assert_eq!(world.count("switch_error"), 1);
    assert_eq!(world.count("peering_ended"), 0, "the peering goes on");
    let links = all_get_all(&mut world, &["hv3"]);
    assert_eq!(links.len(), 4, "the other way round: {links:?}");
    let unsupported =
        |event: &Event| matches!(event, Event::NotNear { reason: NotNear::Unsupported, .. });
    assert!(world.events.iter().any(unsupported));
    assert!(world.reaches("hv2", "hb"), "all else works");
}

#[test]
fn a_switch_whose_connection_is_gone_forwards_on_and_is_not_waited_for() {
    let mut world = world("ring", "default");
    on_air(&mut world, &["hv3"]);
    let links = all_get_all(&mut world, &["hv3"]);
    world.disconnect(2, "test");
    world.run(Span::from_secs(8));
    assert_eq!(all_get_all(&mut world, &["hv3"]), links, "by the switch that is away");
    let events = world.events.len();
    play(&mut world, "hv5", 40_000, "live/x");
    world.run(Span::from_secs(1));
    let routed = |event: &&Event| matches!(event, Event::PeeringRouted { .. });
    assert_eq!(world.events[events..].iter().filter(routed).count(), 1);
    let links = all_get_all(&mut world, &["hv3", "hv5"]);
    assert!(!links.contains(&(2, 2)), "a tree that changes must not need it: {links:?}");
    world.connect(2);
    world.run(Span::from_secs(3));
    assert!(all_get_all(&mut world, &["hv3", "hv5"]).contains(&(2, 2)), "it is back");
}

#[test]
fn streams_are_shared_out_over_equal_ways_and_keep_to_theirs() {
    let mut world = world("fat-tree", "default");
    let mut cores = BTreeSet::new();
    for n in 0..12u16 {
        let stream = format!("live/{n}");
        publish(&mut world, "hb", 40_000 + n, &stream, true);
        play(&mut world, "hv14", 40_000 + n, &stream);
        world.run(ms(200));
        let routed = world.events.iter().rev().find_map(|event| match event {
            Event::PeeringRouted { links, .. } => Some(links.clone()),
            _ => None,
        });
        let links = routed.expect("over five switches");
        assert_eq!(links.len(), 4);
        cores.extend(links.iter().map(|link| link.switch.0).filter(|switch| *switch <= 4));
    }
    assert_eq!(cores.len(), 4, "every core switch has a part: {cores:?}");
}

#[test]
fn hosts_reach_each_other_and_broadcasts_everybody_once_on_any_graph() {
    for name in ["ring", "fat-tree", "campus", "remote"] {
        let setting = if name == "remote" { "close" } else { "default" };
        let mut world = world(name, setting);
        let names: Vec<_> = world.hosts.keys().copied().collect();
        for pair in names.windows(2) {
            assert!(world.reaches(pair[0], pair[1]), "{name}: {} to {}", pair[0], pair[1]);
        }
        for _ in 0..3 {
            listen_anew(&mut world);
            let before = world.frames;
            let hb = (world.hosts["hb"].mac, world.hosts["hb"].ip);
            let everybody = (Mac::BROADCAST, std::net::Ipv4Addr::BROADCAST);
            world.send("hb", udp(hb, everybody, 68, 67, b"anybody?"));
            for host in names.iter().filter(|host| **host != "hb") {
                assert_eq!(world.received(host).len(), 1, "{name}: {host}");
            }
            assert!(world.received("hb").is_empty());
            // Once into every switch, and perhaps once into a port where it is dropped.
            assert!(world.frames - before <= 2 * world.links.len(), "{name}");
            // Whatever link of the tree goes, the rest takes over.
            let trunk = *world.links.keys().next().expect("a link");
            if name == "ring" {
                world.cut(trunk);
                world.run(ms(100));
                let back = world.links[&trunk];
                world.set_port(trunk, true);
                world.set_port(back, true);
                world.run(Span::from_secs(1));
            }
        }
        assert_eq!(world.count("host_moved"), 0, "{name}: no host was seen at a link");
    }
}

#[test]
fn a_controller_that_restarts_finds_the_trees_as_they_are() {
    let mut world = world("campus", "default");
    on_air(&mut world, &["ha1", "hc1"]);
    let links = all_get_all(&mut world, &["ha1", "hc1"]);
    let group = world.offer("hb").group;
    world.restart(|settings| {
        settings.incarnation = 1;
        settings.seed = nearcast_machine::Seed::new(99);
    });
    for _ in 0..4 {
        assert_eq!(all_get_all(&mut world, &["ha1", "hc1"]), links, "the stream does not notice");
        world.run(Span::from_secs(5));
    }
    publish(&mut world, "hb", 40_001, "live/x", true);
    play(&mut world, "hc1", 40_001, "live/x");
    world.run(Span::from_secs(40));
    assert_ne!(world.offer("hb").group, group);
    assert_eq!(world.switches[&1].copying(), 0);
    assert_eq!(groups(&world), 2, "those of before are gone");
    all_get_all(&mut world, &["hc1"]);
}

#[test]
fn the_same_scenario_gives_the_same_decisions_on_many_switches() {
    let run = || {
        let mut world = world("fat-tree", "default");
        let mut publisher = on_air(&mut world, &["hv1", "hv5", "hv9", "hv14"]);
        let links = all_get_all(&mut world, &["hv1", "hv5", "hv9", "hv14"]);
        let link = *links.last().expect("several");
        let outcome = reroute(&mut world, |world| world.cut(link));
        publisher.close(&mut world);
        world.run(Span::from_secs(5));
        (world.events, world.sent, outcome)
    };
    assert_eq!(run(), run());
}
