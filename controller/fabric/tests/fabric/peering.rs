//! Peerings: when they form, what they carry, who is kept out, and how they end.

use std::net::Ipv4Addr;

use nearcast_fabric::{Event, NotNear, Withdrawal};
use nearcast_machine::Span;
use nearcast_media::Role;
use rust_openflow::Mac;
use rust_openflow::v13::Body;

use crate::rtmp::{play, publish};
use crate::world::{Peer, World, config, udp};

const PORT: u16 = 7935;

fn withdrawn(world: &World) -> Vec<(Role, Withdrawal)> {
    let reason = |event: &Event| match event {
        Event::Withdrawn { role, reason, .. } => Some((*role, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(reason).collect()
}

fn buckets(world: &World) -> Vec<usize> {
    world.switches[&1].groups.values().map(|(_, buckets)| buckets.len()).collect()
}

/// A chunk from `from` to its group reaches exactly these hosts.
fn chunk_reaches(world: &mut World, from: &str, to: &[&str]) {
    let group = world.offer(from).group;
    let names: Vec<_> = world.hosts.keys().copied().collect();
    for name in &names {
        world.received(name);
    }
    world.udp(from, group, PORT, b"\x01chunk");
    for name in names {
        let got = world.received(name);
        assert_eq!(got.len(), usize::from(to.contains(&name)), "{name}");
        for chunk in got {
            assert_eq!(*chunk.source.ip(), group, "nobody's real address is seen");
            assert_eq!(
                (*chunk.destination.ip(), chunk.payload),
                (world.hosts[name].ip, b"\x01chunk".to_vec())
            );
        }
    }
}

#[test]
fn a_chunk_sent_once_reaches_every_viewer() {
    let mut world = World::single(config(), 4);
    publish(&mut world, "b", 40_000, "live/room", true);
    for name in ["v1", "v2", "v3", "v4"] {
        play(&mut world, name, 40_000, "live/room");
    }
    assert_eq!(world.count("peering_formed"), 1);
    assert_eq!(world.count("joined"), 5);
    assert_eq!(buckets(&world), [4]);
    chunk_reaches(&mut world, "b", &["v1", "v2", "v3", "v4"]);
}

#[test]
fn viewers_may_come_before_the_broadcaster() {
    let mut world = World::single(config(), 2);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    assert_eq!(world.count("peering_formed"), 0, "nobody publishes it");
    publish(&mut world, "b", 40_000, "live/room", true);
    chunk_reaches(&mut world, "b", &["v1", "v2"]);
}

#[test]
fn offers_follow_what_they_need_confirmed_by_a_barrier() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    let before = world.sent.len();
    play(&mut world, "v1", 40_000, "live/room");
    let kind = |body: &Body| match body {
        Body::FlowMod(flow) => match (flow.table_id, flow.priority) {
            (0, 820) => "admission",
            (1, 200) => "alias",
            (1, 300) => "to group",
            _ => "",
        },
        Body::GroupMod(_) => "group",
        Body::BarrierRequest => "barrier",
        Body::PacketOut(out) if out.data[23] == 17 => "offer",
        _ => "",
    };
    let order: Vec<_> =
        world.sent[before..].iter().map(|(_, m)| kind(&m.body)).filter(|k| !k.is_empty()).collect();
    assert_eq!(
        order,
        [
            "alias",
            "admission",
            "group",
            "barrier", // no entry leads to a group that is not there
            "to group",
            "barrier", // the broadcaster's
            "alias",
            "admission",
            "barrier", // the viewer's
            "offer",
            "offer", // to both
            "group", // the viewer's bucket, once it answered
        ]
    );
}

#[test]
fn many_streams_do_not_mix() {
    let mut world = World::single(config(), 3);
    publish(&mut world, "b", 40_000, "live/one", true);
    publish(&mut world, "v1", 40_000, "live/two", true);
    play(&mut world, "v1", 40_001, "live/one");
    play(&mut world, "v2", 40_000, "live/one");
    play(&mut world, "v2", 40_001, "live/two");
    play(&mut world, "v3", 40_000, "live/two");
    let group = |world: &World, host: &str, stream: &str| {
        let offers = &world.hosts[host].offers;
        offers.iter().rev().find(|o| o.stream.as_str() == stream).expect("offered").group
    };
    let (one, two) = (group(&world, "b", "live/one"), group(&world, "v1", "live/two"));
    assert_ne!(one, two);
    world.udp("b", one, PORT, b"\x01one");
    world.udp("v1", two, PORT, b"\x01two");
    let mut got = |name| {
        let datagrams = world.received(name);
        datagrams.iter().map(|d| (*d.source.ip(), d.payload.clone())).collect::<Vec<_>>()
    };
    let (of_one, of_two) = ((one, b"\x01one".to_vec()), (two, b"\x01two".to_vec()));
    assert_eq!(got("v1"), std::slice::from_ref(&of_one));
    assert_eq!(got("v2"), [of_one, of_two.clone()]);
    assert_eq!(got("v3"), [of_two]);
    assert_eq!(got("b"), []);
    let alias = world.hosts["v1"].offers.iter().map(|offer| offer.alias);
    let alias: std::collections::BTreeSet<_> = alias.collect();
    assert_eq!(alias.len(), 1, "one alias in both streams");
}

#[test]
fn a_plain_player_is_never_sent_a_chunk() {
    let mut world = World::single(config(), 2);
    world.hosts.get_mut("v1").expect("v1").peer = Peer::Absent;
    world.hosts.get_mut("v2").expect("v2").peer = Peer::Declines;
    let mut publisher = publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    assert_eq!(buckets(&world), [0]);
    assert_eq!(world.count("declined"), 1);
    world.run(Span::from_secs(31));
    assert!((10..60).contains(&world.hosts["v1"].offers.len()), "offered for a while");
    assert_eq!(world.count("peering_ended"), 1, "there is nobody to send to");
    assert_eq!(buckets(&world), [0; 0]);
    let offers = world.hosts["v1"].offers.len();
    publisher.media(&mut world, true);
    world.run(Span::from_secs(60));
    assert_eq!(world.hosts["v1"].offers.len(), offers, "and then left alone");
    // A new connection is a new chance.
    world.hosts.get_mut("v1").expect("v1").peer = Peer::Accepts;
    play(&mut world, "v1", 40_001, "live/room");
    chunk_reaches(&mut world, "b", &["v1"]);
}

#[test]
fn a_broadcaster_without_a_peer_leaves_its_viewers_to_the_cdn() {
    let mut world = World::single(config(), 1);
    world.hosts.get_mut("b").expect("b").peer = Peer::Absent;
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    world.run(Span::from_secs(40));
    assert_eq!(world.count("peering_ended"), 1);
    assert_eq!(world.hosts["v1"].withdrawals.len(), 1);
    assert_eq!(world.count("peering_formed"), 1, "not again and again");
}

#[test]
fn a_viewer_of_a_stream_that_nobody_publishes_changes_nothing() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/nobody");
    world.run(Span::from_secs(5));
    assert_eq!(world.count("peering_formed"), 0);
    assert_eq!(world.hosts["v1"].offers.len(), 0);
}

#[test]
fn holders_are_viewers_that_joined_and_then_the_broadcaster() {
    let mut world = World::single(config(), 3);
    publish(&mut world, "b", 40_000, "live/room", true);
    world.hosts.get_mut("v2").expect("v2").peer = Peer::Absent;
    for name in ["v1", "v2", "v3"] {
        play(&mut world, name, 40_000, "live/room");
    }
    let alias = |name: &str| world.offer(name).alias;
    assert_eq!(world.offer("v1").holders, [alias("b")]);
    assert_eq!(world.offer("v3").holders, [alias("v1"), alias("b")], "v2 never answered");
}

#[test]
fn members_know_each_other_before_they_have_to_ask() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    let alias = |name: &str| world.offer(name).alias;
    let (controller, group) = (config().virtual_range.controller(), world.offer("b").group);
    for (name, known) in [
        ("b", vec![controller, group, alias("v1"), alias("v2")]),
        ("v1", vec![controller, alias("b"), alias("v2")]),
        ("v2", vec![controller, alias("b"), alias("v1")]),
    ] {
        for address in known {
            let at = world.hosts[name].neighbours.get(&address);
            assert_eq!(at, Some(&config().virtual_range.mac()), "{name} has to ask for {address}");
        }
    }
}

#[test]
fn a_request_to_an_alias_reaches_its_host_under_the_senders_alias() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    let (from, to) = (world.offer("v2").alias, world.offer("v1").alias);
    world.udp("v2", to, PORT, b"\x02request");
    let got = world.received("v1");
    assert_eq!(got.len(), 1);
    assert_eq!((*got[0].source.ip(), *got[0].destination.ip()), (from, world.hosts["v1"].ip));
}

#[test]
fn nobody_sends_from_the_virtual_range_and_strangers_not_to_it() {
    let mut world = World::single(config(), 3);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    let offer = world.offer("b").clone();
    let alias = world.offer("v2").alias;
    let mac = config().virtual_range.mac();
    let mut try_to = |from: &str, source: Ipv4Addr, to: (Mac, Ipv4Addr)| {
        let from_mac = world.hosts[from].mac;
        world.send(from, udp((from_mac, source), to, PORT, PORT, b"\x01forged"));
        let names: Vec<_> = world.hosts.keys().copied().collect();
        names.into_iter().filter(|name| !world.received(name).is_empty()).collect::<Vec<_>>()
    };
    let v1 = (Mac([2, 0, 0, 0, 0, 11]), Ipv4Addr::new(10, 0, 0, 11));
    let own = |last| Ipv4Addr::new(10, 0, 0, last);
    assert_eq!(try_to("v3", offer.group, v1), [""; 0], "from the group address");
    assert_eq!(try_to("v3", config().virtual_range.controller(), v1), [""; 0], "as the controller");
    assert_eq!(try_to("v2", offer.alias, (mac, offer.group)), [""; 0], "from b's alias");
    assert_eq!(try_to("v3", own(13), (mac, offer.group)), [""; 0], "a stranger to the group");
    assert_eq!(try_to("v3", own(13), (mac, alias)), [""; 0], "a stranger to an alias");
    assert_eq!(try_to("v1", own(11), (mac, offer.group)), [""; 0], "a viewer to the group");
    assert_eq!(try_to("v3", own(1), (mac, offer.group)), [""; 0], "with b's address, elsewhere");
    assert_eq!(try_to("b", own(1), (mac, offer.group)), ["v1", "v2"], "the broadcaster may");
}

#[test]
fn an_answer_counts_only_from_whom_it_was_asked() {
    let mut world = World::single(config(), 2);
    for name in ["v1", "v2"] {
        world.hosts.get_mut(name).expect("a viewer").peer = Peer::Absent;
    }
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let offer = world.offer("v1").clone();
    let controller = config().virtual_range.controller();
    let answer = |peering, generation, role| {
        use nearcast_media::peering::{Answer, Message};
        Message::Answer(Answer { peering, generation, role, accept: true }).encode()
    };
    world.udp("v2", controller, PORT, &answer(offer.peering, offer.generation, Role::Viewer));
    world.udp("v1", controller, PORT, &answer(offer.peering, offer.generation, Role::Broadcaster));
    world.udp("v1", controller, PORT, &answer(offer.peering, offer.generation + 9, Role::Viewer));
    world.udp("v1", controller, PORT, &answer(offer.peering + 1, offer.generation, Role::Viewer));
    assert_eq!(buckets(&world), [0]);
    world.udp("v1", controller, PORT, &answer(offer.peering, offer.generation, Role::Viewer));
    assert_eq!(buckets(&world), [1]);
}

#[test]
fn a_viewer_that_stops_is_withdrawn_and_may_come_back() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    let mut session = play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    session.close(&mut world);
    assert_eq!(withdrawn(&world), [(Role::Viewer, Withdrawal::Stopped)]);
    assert_eq!(buckets(&world), [1]);
    chunk_reaches(&mut world, "b", &["v2"]);
    let withdrawal = world.hosts["v1"].withdrawals[0];
    play(&mut world, "v1", 40_001, "live/room");
    let offer = world.offer("v1");
    assert_eq!(offer.peering, withdrawal.peering);
    assert!(offer.generation > withdrawal.generation, "newer than the withdrawal");
    chunk_reaches(&mut world, "b", &["v1", "v2"]);
}

#[test]
fn two_connections_of_one_viewer_are_one_viewer() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    let mut first = play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v1", 40_001, "live/room");
    assert_eq!(buckets(&world), [1]);
    first.close(&mut world);
    assert_eq!(withdrawn(&world), []);
    chunk_reaches(&mut world, "b", &["v1"]);
}

#[test]
fn unpublish_ends_the_peering_and_publishing_again_begins_another() {
    let mut world = World::single(config(), 1);
    let mut session = publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let first = world.offer("v1").peering;
    session.close(&mut world);
    assert_eq!(
        withdrawn(&world),
        [(Role::Viewer, Withdrawal::Unpublished), (Role::Broadcaster, Withdrawal::Unpublished)]
    );
    let switch = &world.switches[&1];
    assert_eq!((switch.groups.len(), switch.at(1, 300).len(), switch.at(0, 820).len()), (0, 0, 0));
    assert_eq!(switch.at(1, 200).len(), 1, "the controller's own alias is left");
    publish(&mut world, "b", 40_001, "live/room", true);
    assert_ne!(world.offer("v1").peering, first);
    chunk_reaches(&mut world, "b", &["v1"]);
}

#[test]
fn another_broadcaster_takes_over() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    // The end of b's connection was never seen; the server knows that it is gone.
    publish(&mut world, "v2", 40_000, "live/room", true);
    assert_eq!(world.count("peering_formed"), 2);
    chunk_reaches(&mut world, "v2", &["v1"]);
}

#[test]
fn a_port_that_goes_down_withdraws_whoever_was_behind_it() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    world.set_port((1, 3), false);
    assert_eq!(withdrawn(&world), [(Role::Viewer, Withdrawal::Moved)]);
    assert_eq!(buckets(&world), [1]);
    world.set_port((1, 1), false);
    assert_eq!(world.count("peering_ended"), 1);
    assert_eq!(buckets(&world), [0; 0]);
    // It comes back, its connection unharmed: what is sent to it makes it known again.
    world.set_port((1, 1), true);
    world.run(Span::from_secs(1));
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    world.send("b", crate::world::arp(1, b, (Mac([0; 6]), b.1)));
    chunk_reaches(&mut world, "b", &["v2"]);
}

#[test]
fn a_host_that_moves_is_offered_its_part_at_its_new_port() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    world.add_port((1, 9));
    world.set_port((1, 9), true);
    world.hosts.get_mut("v1").expect("v1").at = (1, 9);
    let v1 = (world.hosts["v1"].mac, world.hosts["v1"].ip);
    world.send("v1", crate::world::arp(1, v1, (Mac([0; 6]), v1.1)));
    assert_eq!(withdrawn(&world), [], "it is asked at its old port first");
    world.run(Span::from_secs(1));
    assert_eq!(withdrawn(&world)[0], (Role::Viewer, Withdrawal::Moved));
    chunk_reaches(&mut world, "b", &["v1"]);
}

#[test]
fn offers_are_renewed_and_whoever_stops_answering_is_withdrawn() {
    let mut world = World::single(config(), 2);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    world.run(Span::from_secs(25));
    assert_eq!(world.hosts["v1"].offers.len(), 3, "one, and two renewals");
    world.hosts.get_mut("v1").expect("v1").peer = Peer::Absent;
    world.run(Span::from_secs(45));
    assert_eq!(withdrawn(&world), [(Role::Viewer, Withdrawal::Silent)]);
    chunk_reaches(&mut world, "b", &["v2"]);
}

#[test]
fn a_viewer_that_pauses_its_rtmp_session_keeps_its_part() {
    let mut world = World::single(config(), 1);
    let mut publisher = publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    for _ in 0..10 {
        world.run(Span::from_secs(30));
        publisher.media(&mut world, true);
    }
    assert_eq!(withdrawn(&world), []);
    chunk_reaches(&mut world, "b", &["v1"]);
}

#[test]
fn near_is_judged_by_hops_or_by_delays() {
    let near = |delays: &[(&str, u64)], margin| {
        let mut settings = config();
        settings.margin = margin;
        let delay = |(port, ms): &(&str, u64)| ((*port).to_owned(), Span::from_millis(*ms));
        settings.link_delays = delays.iter().map(delay).collect();
        let mut world = World::single(settings, 1);
        publish(&mut world, "b", 40_000, "live/room", true);
        play(&mut world, "v1", 40_000, "live/room");
        let not_near = world.events.iter().find_map(|event| match event {
            Event::NotNear { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(world.count("peering_formed"), usize::from(not_near.is_none()));
        not_near
    };
    // Direct 16 ms against 76 ms; ports 1, 2, 3 are those of b, cdn and v1.
    let paper = [("s1-eth1", 8), ("s1-eth2", 30), ("s1-eth3", 8)];
    assert_eq!(near(&paper, 0.1), None);
    assert_eq!(near(&paper, 0.8), Some(NotNear::NotShorter));
    assert_eq!(near(&[], 0.1), None, "two hops against four");
    assert_eq!(near(&[], 0.6), Some(NotNear::NotShorter));
    let cdn_next_door = [("s1-eth1", 50), ("s1-eth2", 0), ("s1-eth3", 50)];
    assert_eq!(near(&cdn_next_door, 0.1), Some(NotNear::NotShorter));
    assert_eq!(near(&cdn_next_door[..2], 0.1), None, "one delay is missing: hops");
}

#[test]
fn observing_forms_nothing() {
    let mut settings = config();
    settings.observe_only = true;
    let mut world = World::single(settings, 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("role_accepted"), 2);
    assert_eq!((world.count("peering_formed"), buckets(&world).len()), (0, 0));
}

#[test]
fn viewers_and_addresses_are_bounded() {
    let mut settings = config();
    settings.limits.viewers = 2;
    let mut world = World::single(settings, 4);
    publish(&mut world, "b", 40_000, "live/room", true);
    for name in ["v1", "v2", "v3", "v4"] {
        play(&mut world, name, 40_000, "live/room");
    }
    assert_eq!(buckets(&world), [2]);
    assert_eq!(world.count("limit_reached"), 1);
}

#[test]
fn the_same_inputs_give_the_same_decisions() {
    let run = |seed| {
        let mut settings = config();
        settings.seed = nearcast_machine::Seed::new(seed);
        let mut world = World::single(settings, 3);
        let mut publisher = publish(&mut world, "b", 40_000, "live/room", true);
        let mut viewer = play(&mut world, "v1", 40_000, "live/room");
        play(&mut world, "v2", 40_000, "live/room");
        world.run(Span::from_secs(12));
        viewer.close(&mut world);
        world.set_port((1, 4), false);
        publisher.close(&mut world);
        world.run(Span::from_secs(3));
        (world.events, world.sent)
    };
    let (events, sent) = run(7);
    assert!(events.iter().filter(|event| event.is_decision()).count() > 10);
    assert_eq!((&events, &sent), (&run(7).0, &run(7).1));
    let (other_events, other_sent) = run(8);
    assert_eq!(events, other_events, "peerings' names are no part of a decision");
    assert_ne!(sent, other_sent, "but derive from the seed");
}
