//! Switches that go, come back, refuse, or talk nonsense.

use nearcast_fabric::{ConnectionId, Input};
use nearcast_machine::{Machine, Span};
use rust_openflow::v13::{Body, Message};
use rust_openflow::{Error, Hello, VERSION_10};

use crate::rtmp::{play, publish};
use crate::world::{World, config};

#[test]
fn a_switch_that_comes_back_is_not_wiped() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let group = world.offer("b").group;
    world.resolve("b", group).expect("the fabric answers");
    world.disconnect(1, "it closed the connection 5 bytes into a message");
    world.udp("b", group, 7935, b"\x01meanwhile");
    assert_eq!(world.received("v1").len(), 1, "it forwards by what it holds");
    let mods = world.switches[&1].mods;
    world.connect(1);
    world.run(Span::from_secs(1));
    assert_eq!(world.switches[&1].mods, mods, "nothing is wrong, nothing is changed");
    assert_eq!(world.count("switch_ready"), 2);
    assert_eq!(world.count("withdrawn"), 0);
    world.run(Span::from_secs(60));
    assert_eq!(world.count("withdrawn"), 0, "renewals go on");
}

#[test]
fn what_a_switch_lost_while_away_is_put_back() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let group = world.offer("b").group;
    world.disconnect(1, "it was restarted");
    let switch = world.switches.get_mut(&1).expect("s1");
    switch.flows.clear();
    switch.groups.clear();
    world.connect(1);
    world.run(Span::from_secs(1));
    world.udp("b", group, 7935, b"\x01again");
    assert_eq!(world.received("v1").len(), 1);
}

#[test]
fn a_controller_that_restarts_leaves_streams_alone_for_the_time_of_a_lease() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let (group, alias) = (world.offer("b").group, world.offer("b").alias);
    let mut settings = config();
    settings.incarnation = 1;
    settings.seed = nearcast_machine::Seed::new(99);
    world.fabric = nearcast_fabric::Fabric::new(settings);
    world.connections.clear();
    world.connect(1);
    world.run(Span::from_secs(1));
    assert_eq!(world.count("orphan_kept"), 1);
    world.udp("b", group, 7935, b"\x01on");
    assert_eq!(world.received("v1").len(), 1, "the stream did not notice");
    let missed = world.fabric.packet_ins().get("unknown").copied();
    world.udp("b", crate::world::CDN, 9, b"forwarding too");
    assert_eq!(world.received("cdn").len(), 1);
    assert_eq!(world.fabric.packet_ins().get("unknown").copied(), missed);
    // They begin anew: the same aliases, another group.
    publish(&mut world, "b", 40_001, "live/other", true);
    play(&mut world, "v1", 40_001, "live/other");
    assert_eq!(world.offer("b").alias, alias);
    assert_ne!(world.offer("b").group, group);
    world.run(Span::from_secs(31));
    assert_eq!(world.count("orphan_removed"), 1);
    assert_eq!(world.switches[&1].groups.len(), 1, "the old one is gone");
    assert_eq!(world.switches[&1].at(2, 100).len(), 3, "the hosts are not");
    let group = world.offer("b").group;
    world.udp("b", group, 7935, b"\x01new");
    assert_eq!(world.received("v1").len(), 1);
}

#[test]
fn a_switch_without_groups_leaves_streams_to_the_cdn() {
    let mut world = World::single(config(), 1);
    world.switches.get_mut(&1).expect("s1").no_groups = true;
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("peering_formed"), 1, "tried once");
    assert_eq!(world.count("peering_ended"), 1);
    assert_eq!(world.count("switch_error"), 1);
    assert_eq!(world.switches[&1].at(0, 820).len(), 0);
    assert!(world.reaches("b", "v1"), "all else works");
}

#[test]
fn a_version_that_is_not_spoken_is_refused_in_plain_words() {
    let mut world = World::single(config(), 0);
    let id = ConnectionId(99);
    world.connections.insert(9, id);
    world.add_switch(9, "old");
    world.fabric.handle(world.now, Input::Connected(id));
    let hello = Message { version: VERSION_10, ..Message::new(5, Body::Hello(Hello::default())) };
    world.fabric.handle(world.now, Input::Message(id, hello));
    let mut told = None;
    while let Some(output) = world.fabric.poll() {
        match output {
            nearcast_fabric::Output::Send(_, Message { body: Body::Error(error), .. }) => {
                told = Some(error);
            }
            nearcast_fabric::Output::Event(event) => world.events.push(event),
            nearcast_fabric::Output::Close(closed) => world.closed.push(closed),
            nearcast_fabric::Output::Send(..) => {}
        }
    }
    let error = told.expect("the switch is told");
    assert_eq!((error.kind, error.code), (rust_openflow::v13::ErrorType::HELLO_FAILED, 0));
    assert_eq!(world.closed, [id]);
    let event = format!("{:?}", world.events.last());
    assert!(event.contains("0x01") && event.contains("OpenFlow13"), "{event}");
}

#[test]
fn messages_that_cannot_be_read_are_answered_and_at_last_not_borne() {
    let mut world = World::single(config(), 0);
    let id = world.connections[&1];
    let error = Error::Malformed { field: "length", offset: 2 };
    let frame = vec![4, 10, 0, 9, 0, 0, 0, 7, 1];
    let before = world.sent.len();
    world.fabric.handle(world.now, Input::Undecodable(id, frame.clone(), error.clone()));
    world.settle();
    let (_, told) = &world.sent[before];
    assert!(matches!(&told.body, Body::Error(e) if e.data == frame), "{told:?}");
    assert_eq!(told.xid, 7);
    assert!(world.closed.is_empty(), "once is borne");
    for _ in 0..20 {
        world.fabric.handle(world.now, Input::Undecodable(id, frame.clone(), error.clone()));
    }
    world.settle();
    assert_eq!(world.closed, [id]);
    assert_eq!(world.count("switch_gone"), 1);
}

#[test]
fn a_silent_connection_is_asked_and_then_closed() {
    let mut world = World::single(config(), 0);
    let mute = ConnectionId(99);
    world.fabric.handle(world.now, Input::Connected(mute));
    world.run(Span::from_secs(6));
    assert_eq!(world.closed, [mute], "it never said who it is");
    let id = world.connections[&1];
    world.switches.get_mut(&1).expect("s1").mute = true;
    world.run(Span::from_secs(30));
    assert_eq!(world.closed, [mute, id]);
}

#[test]
fn a_switch_that_connects_twice_is_heard_by_its_new_connection() {
    let mut world = World::single(config(), 1);
    let old = world.connections[&1];
    world.connect(1);
    world.run(Span::from_secs(1));
    assert_eq!(world.closed, [old]);
    // The end of the old connection arrives late and means nothing.
    world.fabric.handle(world.now, Input::Gone(old, "late".to_owned()));
    world.settle();
    assert!(world.reaches("b", "v1"));
}
