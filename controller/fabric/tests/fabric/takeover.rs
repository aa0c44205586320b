//! A second controller goes on with the streams of the first.

use nearcast_fabric::{Fabric, Input, Limits, Replica, Update};
use nearcast_machine::{Machine, Span};
use proptest::prelude::*;
use rust_openflow::v13::{Body, GroupCommand, GroupMod, GroupType};

use crate::rtmp::{play, publish};
use crate::world::{Peer, World, config};

const PORT: u16 = 7935;
/// Longer than the pace at which the other controller is told, and than an offer holds.
const PACE: Span = Span::from_millis(50);
const LEASE: Span = Span::from_secs(31);

/// How many viewers the groups of a switch have buckets for.
fn buckets(world: &World, switch: u64) -> usize {
    let viewer = |bucket: &&rust_openflow::v13::Bucket| bucket.actions.len() == 5;
    world.switches[&switch].groups.values().flat_map(|(_, b)| b).filter(viewer).count()
}

/// A chunk of the broadcaster reaches these and nobody else.
fn reaches(world: &mut World, viewers: &[&str]) {
    let group = world.offer("b").group;
    world.udp("b", group, PORT, b"chunk");
    let names: Vec<_> = world.hosts.keys().copied().collect();
    for name in names {
        let got = world.received(name).len();
        assert_eq!(got, usize::from(viewers.contains(&name)), "{name}");
    }
}

#[test]
fn who_comes_after_a_takeover_joins_the_peering_that_stands() {
    let mut world = World::mastered(config(), 3);
    publish(&mut world, "b", 40_000, "live/room", true);
    let mut first = play(&mut world, "v1", 40_000, "live/room");
    let before = world.offer("v1").clone();
    reaches(&mut world, &["v1"]);
    world.run(PACE);
    let (told, mods) = (world.told(), world.switches[&1].mods);
    world.take_over(told);
    assert_eq!(world.count("peering_adopted"), 1);
    assert_eq!(world.switches[&1].mods, mods, "what is right is not touched");
    reaches(&mut world, &["v1"]);

    play(&mut world, "v2", 40_000, "live/room");
    let (renewed, of_v2) = (world.offer("b").clone(), world.offer("v2").clone());
    assert_eq!((of_v2.peering, of_v2.group), (before.peering, before.group));
    assert_eq!((renewed.peering, world.count("peering_formed")), (before.peering, 1));
    reaches(&mut world, &["v1", "v2"]);

    // Everybody is offered his part anew, by a generation that is newer to him.
    world.run(Span::from_secs(1));
    let after = world.offer("v1");
    assert_eq!((after.alias, after.group), (before.alias, before.group));
    assert!(after.generation > before.generation, "{after:?}");

    first.close(&mut world);
    assert_eq!((world.count("withdrawn"), buckets(&world, 1)), (1, 1));
    reaches(&mut world, &["v2"]);
    world.run(LEASE);
    reaches(&mut world, &["v2"]);
}

#[test]
fn a_tree_over_switches_stands_and_grows() {
    let mut world = World::new(config());
    world.lead(Replica::new(&Limits::default()));
    for (id, name) in [(1, "s1"), (2, "s2"), (3, "s3")] {
        world.add_switch(id, name);
    }
    let address = |last: u8| [10, 0, 0, last].into();
    for (name, last, at) in
        [("b", 1, (1, 1)), ("cdn", 100, (1, 2)), ("v1", 11, (2, 1)), ("v2", 12, (3, 1))]
    {
        world.add_host(name, address(last), at);
    }
    world.add_link((1, 8), (2, 8));
    world.add_link((2, 9), (3, 9));
    (1..=3).for_each(|id| world.connect(id));
    world.run(Span::from_secs(2));
    publish(&mut world, "b", 40_000, "live/room", true);
    let mut first = play(&mut world, "v1", 40_000, "live/room");
    world.run(Span::from_secs(3));
    reaches(&mut world, &["v1"]);
    let told = world.told();
    let mods = |world: &World| world.switches.values().map(|switch| switch.mods).sum::<usize>();
    let before = mods(&world);
    world.take_over(told);
    assert_eq!(mods(&world), before);
    reaches(&mut world, &["v1"]);

    play(&mut world, "v2", 40_000, "live/room");
    world.run(Span::from_secs(1));
    reaches(&mut world, &["v1", "v2"]);
    first.close(&mut world);
    reaches(&mut world, &["v2"]);
    world.run(LEASE);
    assert_eq!((buckets(&world, 2), buckets(&world, 3)), (0, 1));
    reaches(&mut world, &["v2"]);
    assert_eq!(world.carried[&((1, 8), b"chunk".to_vec())], 5, "each once over each link");
}

/// The same with something else in its lines.
fn changed(replica: &Replica, from: &str, to: &str) -> Replica {
    let mut other = Replica::new(&Limits::default());
    for update in replica.updates() {
        let line = serde_json::to_string(&update).expect("JSON").replace(from, to);
        other.apply(serde_json::from_str(&line).expect("an update"));
    }
    other
}

#[test]
fn who_has_a_bucket_has_joined_whatever_was_told() {
    let mut world = World::mastered(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    world.run(PACE);
    let told = changed(&world.told(), "\"joined\":true", "\"joined\":false");
    let mods = world.switches[&1].mods;
    world.take_over(told.clone());
    assert_eq!(world.switches[&1].mods, mods);
    reaches(&mut world, &["v1", "v2"]);

    // Nobody has one: they are offered their parts, and join anew.
    world.run(PACE);
    let told = world.told();
    let group_id = *world.switches[&1].groups.keys().next().expect("a group");
    let (command, kind, buckets) = (GroupCommand::Modify, GroupType::All, Vec::new());
    let joined = world.count("joined");
    let by_hand = Body::GroupMod(GroupMod { command, kind, group_id, buckets });
    world.by_hand(1, by_hand);
    world.take_over(told);
    assert_eq!(world.count("joined"), joined + 2);
    reaches(&mut world, &["v1", "v2"]);

    // The switch lost the group: it gets it back as it was told.
    world.run(PACE);
    let told = world.told();
    let (command, kind, buckets) = (GroupCommand::Delete, GroupType::All, Vec::new());
    world.by_hand(1, Body::GroupMod(GroupMod { command, kind, group_id, buckets }));
    world.take_over(told);
    reaches(&mut world, &["v1", "v2"]);
    assert_eq!(world.count("joined"), joined + 2, "nobody had to be asked");
}

#[test]
fn who_is_gone_is_missed_by_the_second_as_by_the_first() {
    let mut world = World::mastered(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let mut second = play(&mut world, "v2", 40_000, "live/room");
    world.run(PACE);
    let told = world.told();
    // While nobody decides, v1 loses its cable and v2 ends its stream.
    world.disconnect(1, "the master was killed");
    world.set_port((1, 3), false);
    second.close(&mut world);
    world.hosts.get_mut("v2").expect("v2").peer = Peer::Absent;
    world.take_over(told);
    assert_eq!(world.count("host_gone"), 1);
    assert_eq!(buckets(&world, 1), 1, "that v2 is gone nobody knows yet");
    world.run(LEASE);
    assert_eq!((buckets(&world, 1), world.count("peering_ended")), (0, 1));
    world.run(Span::from_secs(95));
    assert_eq!(world.count("role_ended"), 3, "they fell idle: {:#?}", world.names());
}

#[test]
fn a_dry_run_takes_over_roles_and_no_peering() {
    let mut world = World::mastered(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    world.run(PACE);
    let told = world.told();
    world.config.observe_only = true;
    world.take_over(told);
    assert_eq!((world.count("peering_adopted"), world.count("peering_withheld")), (0, 1));
    world.run(LEASE);
    assert_eq!(buckets(&world, 1), 0);
}

#[test]
fn a_group_address_that_is_not_virtual_is_not_believed() {
    let mut world = World::mastered(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    world.run(PACE);
    let told = world.told();
    let group = format!("\"group\":\"{}\"", world.offer("b").group);
    for other in ["10.0.0.100", "10.254.0.1", "10.254.255.255"] {
        let hostile = changed(&told, &group, &format!("\"group\":\"{other}\""));
        world.take_over(hostile);
        assert_eq!(world.count("peering_adopted"), 0, "{other}");
    }
    // What it was really is left for its time, and then a new one is made.
    assert!(world.count("peering_formed") > 1);
    world.run(LEASE);
    reaches(&mut world, &["v1"]);
}

/// Updates of few names, so that they meet.
fn update() -> impl Strategy<Value = Update> {
    let at = (1..3u8, 1..5u8).prop_map(|(switch, port)| format!("{switch:016x}:{port}"));
    let at = at.boxed();
    let here = (1..5u8).prop_map(|port| format!("{:016x}:{port}", 1)).boxed();
    let mac = (0..5u8).prop_map(|last| format!("02:00:00:00:01:{last:02x}")).boxed();
    let client = (1..5u8, 0..2u8).prop_map(|(n, six)| {
        if six == 1 { format!("[fd00::4{n}]:40000") } else { format!("10.0.0.4{n}:40000") }
    });
    let server = prop_oneof![Just("10.0.0.100:1935"), Just("[fd00::100]:1935")].boxed();
    let alias = (0..6u8).prop_map(|n| format!("10.254.0.{n}")).boxed();
    let client = client.boxed();
    let link = (at.clone(), at.clone(), any::<Option<u64>>()).prop_map(|(from, to, delay_us)| {
        serde_json::json!({ "link": { "from": from, "to": to, "delay_us": delay_us } })
    });
    let unlink = at.clone().prop_map(|from| serde_json::json!({ "unlink": { "from": from } }));
    let role = (any::<bool>(), client.clone(), server.clone(), mac.clone(), here, any::<u64>());
    let role = role.prop_map(|(publishes, client, server, mac, at, order)| {
        serde_json::json!({ "role": {
            "publishes": publishes, "client": client, "server": server, "mac": mac, "at": at,
            "ends": [at, null], "order": order,
        } })
    });
    let peering = (0..3u64, any::<u32>(), alias.clone(), any::<u32>(), mac.clone());
    let peering = peering.prop_map(|(id, generation, group, tag, broadcaster)| {
        serde_json::json!({ "peering": {
            "id": id, "generation": generation, "group": group, "tag": tag,
            "broadcaster": broadcaster,
        } })
    });
    let member = (mac, 1..5u8, at, alias, client, server, any::<bool>());
    let member = member.prop_map(|(mac, n, at, alias, client, server, joined)| {
        serde_json::json!({ "member": {
            "mac": mac, "address": format!("10.0.0.{n}"), "at": at, "alias": alias,
            "client": client, "server": server, "joined": joined,
        } })
    });
    let ports = proptest::collection::btree_set(1..5u32, 0..3);
    let branch = (1..3u8, any::<Option<u8>>(), ports).prop_map(|(switch, from, to)| {
        let branch = serde_json::json!({ "from": from.map(|port| port % 5), "to": to });
        serde_json::json!({ "branch": { "switch": format!("{switch:016x}"), "branch": branch } })
    });
    let part = prop_oneof![3 => role, 2 => peering, 3 => member, 2 => branch];
    let part = (0..2u8, part).prop_map(|(room, part)| {
        let stream = serde_json::json!({ "origin": "cdn", "name": format!("live/{room}") });
        serde_json::json!({ "part": { "stream": stream, "part": part } })
    });
    let any = prop_oneof![1 => link, 1 => unlink, 8 => part];
    any.prop_map(|json| serde_json::from_value(json).expect("an update"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_was_told_ends(updates in proptest::collection::vec(update(), 0..150)) {
        let mut world = World::single(config(), 2);
        world.add_switch(2, "s2");
        (1..5).for_each(|port| world.add_port((2, port)));
        world.connect(2);
        let mut replica = Replica::new(&world.config.limits);
        for update in updates {
            replica.apply(update);
        }
        world.take_over(replica);
        world.run(Span::from_secs(300));
        let left = world.fabric.statistics();
        prop_assert_eq!((left.streams, left.peerings, left.connections), (0, 0, 0));
        prop_assert!(world.switches[&1].groups.is_empty());
        prop_assert!(world.switches[&1].at(1, 200).len() == 1, "to the controller's alias");
        prop_assert!(world.reaches("v1", "v2") && world.reaches("v2", "b"));
    }

    #[test]
    fn a_replica_is_bounded(
        updates in proptest::collection::vec(update(), 0..200), connections in 0..4usize,
    ) {
        let limits = Limits { connections, streams: 1, switches: 0, ..Limits::default() };
        let mut replica = Replica::new(&limits);
        let mut refused = 0;
        for update in updates {
            refused += u64::from(!replica.apply(update));
        }
        prop_assert_eq!(replica.refused(), refused);
        prop_assert_eq!(replica.len(), replica.updates().count());
        prop_assert!(replica.len() <= 3 * connections + 4);
    }

    #[test]
    fn no_line_panics(update in update(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut line = serde_json::to_vec(&update).expect("JSON");
        prop_assert_eq!(serde_json::from_slice::<Update>(&line).expect("read back"), update);
        let at = at.index(line.len());
        line[at] = byte;
        if let Ok(update) = serde_json::from_slice::<Update>(&line) {
            let mut replica = Replica::new(&Limits::default());
            replica.apply(update);
            let mut fabric = Fabric::new(config());
            fabric.handle(nearcast_machine::Time::ZERO, Input::Stand);
            let (generation, incarnation) = (1, 1);
            let replica = Box::new(replica);
            let lead = Input::Lead { generation, incarnation, replica };
            fabric.handle(nearcast_machine::Time::ZERO, lead);
        }
    }
}
