//! RTMP connections: which roles are found, which are not, and when inspection ends.

use nearcast_fabric::{Event, InspectionEnd, RoleEnd};
use nearcast_machine::Span;
use nearcast_media::Role;

use crate::rtmp::{Session, play, publish};
use crate::world::{World, config};

fn accepted(world: &World) -> Vec<(String, Role, bool)> {
    let role = |event: &Event| match event {
        Event::RoleAccepted { stream, role, counts, .. } => {
            Some((stream.to_string(), *role, *counts))
        }
        _ => None,
    };
    world.events.iter().filter_map(role).collect()
}

fn ended(world: &World) -> Vec<(Role, RoleEnd)> {
    let role = |event: &Event| match event {
        Event::RoleEnded { role, reason, .. } => Some((*role, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(role).collect()
}

fn let_go(world: &World) -> Vec<InspectionEnd> {
    let reason = |event: &Event| match event {
        Event::InspectionEnded { reason, .. } => Some(*reason),
        _ => None,
    };
    world.events.iter().filter_map(reason).collect()
}

#[test]
fn accepted_roles_are_found() {
    let mut world = World::single(config(), 1);
    publish(&mut world, "b", 40_000, "live/room?token=1", true);
    play(&mut world, "v1", 40_000, "live/room");
    let room = "live/room".to_owned();
    assert_eq!(
        accepted(&world),
        [(room.clone(), Role::Broadcaster, true), (room, Role::Viewer, true)]
    );
}

#[test]
fn segments_of_a_few_bytes_are_enough() {
    let mut world = World::single(config(), 0);
    let mut session = Session::open(&mut world, "b", 40_000, "cdn", Role::Broadcaster, "live/room");
    session.mss = 7;
    session.talk(&mut world, true);
    assert_eq!(accepted(&world).len(), 1);
}

#[test]
fn a_publish_that_the_server_refuses_gives_no_role() {
    let mut world = World::single(config(), 1);
    play(&mut world, "v1", 40_000, "live/room");
    publish(&mut world, "b", 40_000, "live/room", false);
    assert_eq!(accepted(&world).len(), 1, "the viewer's");
    assert_eq!(world.count("role_refused"), 1);
    assert_eq!(world.count("peering_formed"), 0);
}

#[test]
fn a_role_at_a_server_that_is_no_cdn_does_not_count() {
    let mut world = World::single(config(), 2);
    // v2 runs a server of its own and accepts whatever b says there.
    let mut session = Session::open(&mut world, "b", 40_000, "v2", Role::Broadcaster, "live/room");
    session.talk(&mut world, true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(accepted(&world)[0], ("live/room".to_owned(), Role::Broadcaster, false));
    assert_eq!(world.count("peering_formed"), 0);
}

#[test]
fn without_a_configured_cdn_streams_of_different_servers_are_different() {
    let mut settings = config();
    settings.cdn.clear();
    let mut world = World::single(settings, 2);
    let mut session = Session::open(&mut world, "b", 40_000, "v2", Role::Broadcaster, "live/room");
    session.talk(&mut world, true);
    assert_eq!(world.count("cdn_learned"), 1);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("peering_formed"), 0, "published at v2, played from cdn");
    publish(&mut world, "b", 40_001, "live/room", true);
    assert_eq!(world.count("peering_formed"), 1);
}

#[test]
fn a_decided_connection_is_copied_no_more_and_its_end_is_seen() {
    let mut world = World::single(config(), 0);
    let mut session = publish(&mut world, "b", 40_000, "live/room", true);
    assert_eq!(let_go(&world), [InspectionEnd::Decided]);
    let copied = world.fabric.packet_ins()["rtmp"];
    for _ in 0..50 {
        session.media(&mut world, true);
    }
    assert_eq!(world.fabric.packet_ins()["rtmp"], copied, "media are not copied");
    session.close(&mut world);
    assert_eq!(ended(&world), [(Role::Broadcaster, RoleEnd::Closed)]);
    assert_eq!(world.switches[&1].at(0, 660).len(), 0, "what let it through is gone");
    assert_eq!(world.switches[&1].at(0, 680).len(), 0);
}

#[test]
fn a_stream_that_ends_by_rtmp_on_an_open_connection_is_noticed() {
    let mut world = World::single(config(), 1);
    let mut session = play(&mut world, "v1", 40_000, "live/room");
    session.finish(&mut world);
    assert_eq!(ended(&world), [(Role::Viewer, RoleEnd::Stopped)]);
}

#[test]
fn a_fin_that_overtakes_the_last_bytes_waits_for_them_a_while() {
    let mut world = World::single(config(), 1);
    play(&mut world, "v1", 40_001, "live/room").finish_behind_fin(&mut world, true);
    assert_eq!(ended(&world), [(Role::Viewer, RoleEnd::Stopped)]);

    play(&mut world, "v1", 40_002, "live/room").finish_behind_fin(&mut world, false);
    assert_eq!(ended(&world).len(), 1, "the bytes may still come");
    world.run(Span::from_secs(1));
    assert_eq!(ended(&world)[1..], [(Role::Viewer, RoleEnd::Closed)]);
}

#[test]
fn a_reset_by_the_server_ends_the_role() {
    let mut world = World::single(config(), 1);
    let mut session = play(&mut world, "v1", 40_000, "live/room");
    session.reset(&mut world);
    assert_eq!(ended(&world), [(Role::Viewer, RoleEnd::Reset)]);
}

#[test]
fn a_port_used_again_is_looked_at_afresh() {
    let mut world = World::single(config(), 1);
    play(&mut world, "v1", 40_000, "live/room");
    play(&mut world, "v1", 40_000, "live/other");
    assert_eq!(ended(&world), [(Role::Viewer, RoleEnd::Replaced)]);
    assert_eq!(accepted(&world)[1].0, "live/other");
}

#[test]
fn a_connection_that_fell_silent_is_over() {
    let mut world = World::single(config(), 1);
    world.hosts.get_mut("v1").expect("v1").peer = crate::world::Peer::Absent;
    play(&mut world, "v1", 40_000, "live/room");
    world.run(Span::from_secs(95));
    assert_eq!(ended(&world), [(Role::Viewer, RoleEnd::Idle)]);
}

#[test]
fn a_switch_without_tcp_flags_is_still_used() {
    let mut world = World::new(config());
    world.add_switch(1, "s1");
    world.switches.get_mut(&1).expect("s1").no_tcp_flags = true;
    world.add_host("b", "10.0.0.1".parse().expect("an address"), (1, 1));
    world.add_host("cdn", crate::world::CDN, (1, 2));
    world.connect(1);
    world.run(Span::from_secs(1));
    assert!(world.count("switch_error") >= 1);
    let mut session = publish(&mut world, "b", 40_000, "live/room", true);
    assert_eq!(accepted(&world).len(), 1);
    session.close(&mut world);
    assert_eq!(ended(&world), [], "its end is not copied");
    world.run(Span::from_secs(95));
    assert_eq!(ended(&world), [(Role::Broadcaster, RoleEnd::Idle)]);
}

#[test]
fn what_was_under_way_before_is_let_through() {
    let mut world = World::single(config(), 0);
    assert!(world.reaches("b", "cdn") && world.reaches("cdn", "b"));
    world.disconnect(1, "test");
    let mut session = Session::open(&mut world, "b", 40_000, "cdn", Role::Broadcaster, "live/room");
    world.connect(1);
    world.run(Span::from_secs(1));
    session.talk(&mut world, true);
    assert_eq!(accepted(&world), []);
    assert!(let_go(&world).contains(&InspectionEnd::NotFromTheStart));
    let copied = world.fabric.packet_ins()["rtmp"];
    session.media(&mut world, true);
    assert_eq!(world.fabric.packet_ins()["rtmp"], copied);
}

#[test]
fn another_protocol_on_the_port_and_a_connection_without_words_are_let_through() {
    let mut world = World::single(config(), 0);
    let mut session = Session::open(&mut world, "b", 40_000, "cdn", Role::Broadcaster, "live/room");
    for _ in 0..40 {
        session.media(&mut world, true);
    }
    assert_eq!(let_go(&world), [InspectionEnd::NotRtmp]);
    Session::open(&mut world, "b", 40_001, "cdn", Role::Broadcaster, "live/room");
    world.run(Span::from_secs(31));
    assert_eq!(let_go(&world)[1..], [InspectionEnd::TimeSpent]);
}

#[test]
fn connections_of_one_client_are_bounded() {
    let mut settings = config();
    settings.limits.connections_per_client = 4;
    let mut world = World::single(settings, 1);
    for port in 0..10 {
        Session::open(&mut world, "b", 40_000 + port, "cdn", Role::Viewer, "live/room");
    }
    assert_eq!(world.fabric.connections(), 4);
    assert_eq!(let_go(&world), [InspectionEnd::TooManyConnections; 6]);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(accepted(&world).len(), 1, "others are not concerned");
}

#[test]
fn real_programs_are_understood() {
    let mut world = World::single(config(), 3);
    let mut port = 40_000;
    let mut replay = |host, role, capture| {
        port += 1;
        let mut session = Session::open(&mut world, host, port, "cdn", role, "live/x");
        session.replay(&mut world, capture);
        let found = accepted(&world);
        (found.len(), found.last().cloned())
    };
    let room = |role| Some(("live/room".to_owned(), role, true));
    let (broadcaster, viewer) = (room(Role::Broadcaster), room(Role::Viewer));
    assert_eq!(replay("b", Role::Broadcaster, "ffmpeg-publish.rtmp"), (1, broadcaster.clone()));
    let refused = replay("v3", Role::Broadcaster, "ffmpeg-publish-refused.rtmp");
    assert_eq!(refused, (1, broadcaster), "no further role");
    assert_eq!(replay("v1", Role::Viewer, "ffmpeg-play.rtmp"), (2, viewer.clone()));
    assert_eq!(replay("v2", Role::Viewer, "rtmpdump-play.rtmp"), (3, viewer.clone()));
    assert_eq!(replay("v3", Role::Viewer, "mplayer-play.rtmp"), (4, viewer));
    assert_eq!(world.count("role_refused"), 1);
}
