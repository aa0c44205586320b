//! Switches that go, come back, refuse, or talk nonsense.

use nearcast_fabric::{ConnectionId, Ending, Input};
use nearcast_machine::{Machine, Span};
use rust_openflow::v13::{
    Action, Body, Features, FlowMod, GroupCommand, GroupMod, GroupType, Instruction, Message,
};
use rust_openflow::{Error, Hello, VERSION_10, VERSION_13};

use crate::rtmp::{Session, play, publish};
use nearcast_fabric::Event;

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
            nearcast_fabric::Output::Unresponsive(..) => {}
            nearcast_fabric::Output::Generation(_) => {}
            nearcast_fabric::Output::Replicate(_) => {}
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
    let endings: Vec<_> = world.events.iter().filter_map(Event::ending).collect();
    assert_eq!(endings, [Ending::Handshake, Ending::Silent]);
}

#[test]
fn a_switch_whose_messages_wait_to_be_handed_in_is_not_taken_for_silent() {
    let mut world = World::single(config(), 0);
    let id = world.connections[&1];
    // Whatever is said from here on is not handed in: to the fabric, it is as if nothing came.
    let since = world.now;
    world.fabric.behind(Some(since));
    world.switches.get_mut(&1).expect("s1").mute = true;
    let late = ConnectionId(99);
    world.fabric.handle(world.now, Input::Connected(late));
    world.run(Span::from_secs(60));
    assert!(world.closed.is_empty(), "nobody knows what the switch said: {:?}", world.events);

    // All of it was handed in, and there was nothing.
    world.fabric.behind(None);
    world.run(Span::from_secs(5));
    assert_eq!(world.closed, [late], "the switch must be asked first");
    world.run(Span::from_secs(15));
    assert_eq!(world.closed, [late, id]);
}

#[test]
fn a_switch_that_is_busy_with_what_it_was_sent_is_asked_anew() {
    let mut world = World::single(config(), 0);
    let id = world.connections[&1];
    world.takes = true;
    world.switches.get_mut(&1).expect("s1").mute = true;
    world.run(Span::from_secs(60));
    assert!(world.closed.is_empty());
    world.takes = false;
    world.run(Span::from_secs(15));
    assert_eq!(world.closed, [id]);
}

#[test]
fn a_controller_that_was_stopped_for_a_while_asks_before_it_judges() {
    let mut world = World::single(config(), 0);
    world.now += Span::from_secs(100);
    world.fabric.expire(world.now);
    world.settle();
    world.run(Span::from_secs(30));
    assert!(world.closed.is_empty(), "{:?}", world.events);
}

#[test]
fn links_outlive_a_time_in_which_their_probes_wait() {
    let mut world = World::new(config());
    for id in [1, 2] {
        world.add_switch(id, if id == 1 { "s1" } else { "s2" });
    }
    world.add_link((1, 1), (2, 1));
    for id in [1, 2] {
        world.connect(id);
    }
    world.run(Span::from_secs(12));
    assert_eq!(world.count("link"), 2);
    world.lag = Span::from_secs(12);
    world.run(Span::from_secs(100));
    assert_eq!(world.count("link"), 2, "neither is lost: {:?}", world.events);
    assert!(world.closed.is_empty());
}

#[test]
fn a_switch_that_connects_twice_is_heard_by_its_new_connection() {
    let mut world = World::single(config(), 1);
    let old = world.connections[&1];
    world.connect(1);
    world.run(Span::from_secs(1));
    assert_eq!(world.closed, [old]);
    // The end of the old connection arrives late and means nothing.
    world.fabric.handle(world.now, Input::Gone(old, Ending::Closed, "late".to_owned()));
    world.settle();
    assert!(world.reaches("b", "v1"));
}

/// A peering on air, and what its switch held then.
fn peered() -> (World, usize, Session) {
    let mut world = World::single(config(), 2);
    let publisher = publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v2", 40_000, "live/room");
    let flows = world.switches[&1].flows.len();
    (world, flows, publisher)
}

fn restored(world: &World) -> Vec<(usize, usize, usize)> {
    let counts = |event: &Event| match event {
        Event::Restored { entries, removed, groups, .. } => Some((*entries, *removed, *groups)),
        _ => None,
    };
    world.events.iter().filter_map(counts).collect()
}

/// The stream goes on, and nobody was bothered.
fn streams(world: &mut World, flows: usize) {
    let group = world.offer("b").group;
    for host in ["v1", "v2"] {
        world.received(host);
    }
    world.udp("b", group, 7935, b"\x01on");
    assert_eq!([world.received("v1").len(), world.received("v2").len()], [1, 1]);
    assert_eq!(world.switches[&1].flows.len(), flows, "neither more nor less than before");
    assert_eq!(world.count("withdrawn") + world.count("role_ended"), 0);
}

#[test]
fn entries_deleted_by_hand_are_back_before_the_next_frame() {
    let (mut world, flows, _) = peered();
    world.by_hand(1, Body::FlowMod(FlowMod::delete()));
    streams(&mut world, flows);
    world.run(Span::from_secs(1));
    assert_eq!(restored(&world), [(flows, 0, 0)], "told of once");
    let mods = world.switches[&1].mods;
    world.run(Span::from_secs(65));
    assert_eq!(world.switches[&1].mods, mods, "and then all is right");
}

#[test]
fn a_group_deleted_by_hand_is_back_with_what_leads_to_it() {
    let (mut world, flows, _) = peered();
    let id = *world.switches[&1].groups.keys().next().expect("a group");
    let delete = GroupMod {
        command: GroupCommand::Delete,
        kind: GroupType::All,
        group_id: id,
        buckets: vec![],
    };
    world.by_hand(1, Body::GroupMod(delete));
    streams(&mut world, flows);
    world.run(Span::from_secs(1));
    assert_eq!(restored(&world), [(1, 0, 1)]);
}

#[test]
fn what_makes_no_message_is_found_by_asking() {
    let (mut world, flows, mut publisher) = peered();
    let id = *world.switches[&1].groups.keys().next().expect("a group");
    let empty = GroupMod {
        command: GroupCommand::Modify,
        kind: GroupType::All,
        group_id: id,
        buckets: vec![],
    };
    world.by_hand(1, Body::GroupMod(empty));
    world.run(Span::from_secs(11));
    assert_eq!(restored(&world), [(0, 0, 1)], "a group is put right at the next audit");
    streams(&mut world, flows);

    // An entry with our cookie that is not ours, one that is changed, and one that went silently.
    let host = world.switches[&1].at(2, 100)[0];
    let (cookie, matching) = (host.cookie, host.matching.clone());
    let changed = FlowMod::add().table(2).priority(100).cookie(cookie).matching(matching);
    world.by_hand(1, Body::FlowMod(changed));
    world.run(Span::from_secs(61));
    assert_eq!(restored(&world)[1..], [(1, 0, 0)], "within a minute");
    publisher.media(&mut world, true);
    let stray = FlowMod::add().table(3).priority(999).cookie(cookie);
    let stray = stray.instruction(Instruction::ApplyActions(vec![Action::output(1)]));
    world.by_hand(1, Body::FlowMod(stray));
    world.switches.get_mut(&1).expect("s1").flows.retain(|flow| flow.priority != 840);
    world.run(Span::from_secs(61));
    assert_eq!(restored(&world)[2..], [(1, 1, 0)]);
    assert!(world.reaches("v1", "v2"));
    // Connections that were let through have fallen idle, as they may.
    let flows = world.switches[&1].flows.len();
    streams(&mut world, flows);
}

#[test]
fn entries_of_others_are_left_alone() {
    let (mut world, ..) = peered();
    let theirs = FlowMod::add().table(3).priority(5).cookie(77);
    world.by_hand(1, Body::FlowMod(theirs));
    world.run(Span::from_secs(130));
    assert_eq!(restored(&world), []);
    assert_eq!(world.switches[&1].at(3, 5).len(), 1);
}

/// A connection on which somebody says that he is this switch.
fn claim(world: &mut World, connection: u64, datapath_id: u64) -> ConnectionId {
    let id = ConnectionId(connection);
    world.fabric.handle(world.now, Input::Connected(id));
    let hello = Body::Hello(Hello::offering(&[VERSION_13]));
    let features = Body::FeaturesReply(Features::of(datapath_id, 8));
    for body in [hello, features] {
        world.fabric.handle(world.now, Input::Message(id, Message::new(0, body)));
    }
    world.settle();
    id
}

#[test]
fn whoever_says_that_he_is_a_switch_that_answers_is_refused() {
    let mut world = World::single(config(), 1);
    let first = world.connections[&1];
    // Each for himself, and two at a time.
    let others = [claim(&mut world, 98, 1), claim(&mut world, 99, 1)];
    world.run(Span::from_secs(2));
    assert_eq!((world.closed.as_slice(), world.connections[&1]), (&others[..], first));
    let refused = world.events.iter().filter(|event| event.ending() == Some(Ending::Duplicate));
    assert_eq!((refused.count(), world.count("switch_gone")), (2, 0));
    // A message that says nothing of the moment it was sent is no proof, and none is lacking.
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let group = world.offer("b").group;
    world.resolve("b", group).expect("the fabric answers");
    world.udp("b", group, 7935, b"\x01on");
    assert_eq!(world.received("v1").len(), 1, "all goes on");
}

#[test]
fn a_switch_whose_old_connection_does_not_answer_takes_its_place() {
    let mut world = World::single(config(), 1);
    let first = world.connections[&1];
    // The switch is on the new one; what is said on the old one nobody hears.
    world.connect(1);
    assert!(world.closed.is_empty(), "the old one has its time to answer");
    world.run(Span::from_secs(2));
    assert_eq!(world.closed, [first]);
    let endings: Vec<_> = world.events.iter().filter_map(Event::ending).collect();
    assert_eq!((endings, world.count("switch_ready")), (vec![Ending::Replaced], 2));

    // One that ends before its time is over need not be waited for.
    let second = world.connections[&1];
    world.connect(1);
    world.fabric.handle(world.now, Input::Gone(second, Ending::Closed, "it ended".to_owned()));
    world.run(Span::from_millis(100));
    assert_eq!(world.count("switch_ready"), 3);
    // And one that claims and goes leaves nothing behind.
    world.connect(1);
    let last = world.connections[&1];
    world.fabric.handle(world.now, Input::Gone(last, Ending::Closed, "it ended".to_owned()));
    world.run(Span::from_secs(2));
    assert_eq!((world.closed.as_slice(), world.count("switch_gone")), (&[first][..], 2));
}
