//! The way by the switch: a controller and a switch played by the test, everything else real.

mod world;

use std::time::Duration;

use nearcast_peer::events::{Event, Frame, Path, Record, Summary, Way};
use world::switch::Switch;
use world::{Peer, World, assert_tail, checksums};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(60);

fn by_switch(event: &Event) -> bool {
    matches!(event, Event::Way { to: Path::Switch, .. })
}

/// What the viewer relies on now.
fn relied_on(viewer: &Peer) -> Option<Path> {
    let way = |record: &Record| match record.event {
        Event::Way { to, .. } => Some(to),
        _ => None,
    };
    viewer.events().iter().rev().find_map(way)
}

/// Every frame from the first to `end` was released once, in order.
fn assert_gapless(viewer: &Peer, end: u64) {
    let frames = viewer.frames();
    let first = frames.first().expect("some frame").1.frame;
    let numbers: Vec<u64> = frames.iter().map(|(_, frame)| frame.frame).collect();
    assert_eq!(numbers, (first..end).collect::<Vec<_>>());
}

/// Says how long frames took from capture to release, by one way. Judged in the experiments, where
/// links have delays; here it is to be seen that the programs themselves add little.
fn print_delays(viewer: &Peer, way: Way) {
    let by_way = |(t, frame): (u64, Frame)| (frame.way == Some(way)).then(|| t - frame.captured);
    let mut delays: Vec<u64> = viewer.frames().into_iter().filter_map(by_way).collect();
    delays.sort_unstable();
    if let (Some(median), Some(p99)) =
        (delays.get(delays.len() / 2), delays.get(delays.len() * 99 / 100))
    {
        let (median, p99) = (*median as f64 / 1e6, *p99 as f64 / 1e6);
        println!("{} frames by {way:?}: median {median:.2} ms, p99 {p99:.2} ms", delays.len());
    }
}

fn assert_nothing_lost(summary: &Summary) {
    assert_eq!((summary.repeated, summary.disordered, summary.lost), (0, 0, 0), "{summary:?}");
}

#[test]
fn no_frame_is_lost_when_the_cdn_dies_and_then_the_switch() {
    let world = World::new();
    let mut seed = world.seed(&["--allow", "live/cam"]);
    let nginx = world.nginx(true);
    let mut broadcaster = world.broadcaster(&[]);
    let mut viewer = world.viewer(2, &["--seed", &format!("{}:7935", world.cdn())]);
    let switch = Switch::new(&world, &[2]);
    let clip = world.clip(20);
    let whole = checksums(&world.play(clip.to_str().expect("a path")).finish(LATER).1);

    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let player = world.play(&format!("rtmp://{}/live/cam", world.host(2)));
    viewer.wait_for("the play", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    switch.offer(&world, "live/cam");
    viewer.wait_for("the switch is relied on", SOON, by_switch);
    viewer.wait_for_frame(150);
    assert!(switch.to_group() > 0);

    // The CDN dies: nobody at the player notices.
    nginx.kill();
    broadcaster.wait_for("the loss", SOON, |e| matches!(e, Event::CdnLost { .. }));
    viewer.wait_for_frame(240);
    // A busy machine's switch may be late and bridged, but is relied on again.
    world::wait_until("the switch is relied on", SOON, || relied_on(&viewer) == Some(Path::Switch));

    // It comes back, and both have it again behind the scenes.
    let _nginx = world.nginx(true);
    broadcaster.wait_for("the return", SOON, |e| matches!(e, Event::CdnRestored { .. }));
    for peer in [&mut viewer, &mut seed] {
        world::wait_until("it plays again", SOON, || {
            let accepted = |r: &&Record| matches!(r.event, Event::PlayAccepted { .. });
            peer.events().iter().filter(accepted).count() == 2
        });
    }
    viewer.wait_for_frame(420);

    // Then the switch dies; the seed bridges the gap, and the CDN takes over.
    switch.cut();
    viewer.wait_for("the CDN is relied on", SOON, |e| {
        matches!(e, Event::Way { to: Path::Cdn, from: Path::Switch | Path::Bridge, .. })
    });
    assert!(encoder.finish(LATER).0.success());
    let (_, output) = player.finish(LATER);
    assert_tail(&whole, &checksums(&output), 100);
    assert_gapless(&viewer, 600);

    print_delays(&viewer, Way::Switch);
    print_delays(&viewer, Way::Cdn);
    let ways: Vec<Way> = viewer.frames().iter().filter_map(|(_, frame)| frame.way).collect();
    assert_eq!(ways[ways.len() - 30..], [Way::Cdn; 30]);
    let summary = viewer.end();
    assert_nothing_lost(&summary);
    assert!(summary.switch > 300, "{summary:?}");
    broadcaster.end();
    seed.end();
}

#[test]
fn chunks_that_the_switch_loses_are_fetched_from_holders() {
    let world = World::new();
    let mut seed = world.seed(&["--allow-any"]);
    let _nginx = world.nginx(true);
    let mut broadcaster = world.broadcaster(&[]);
    let at_seed = format!("{}:7935", world.cdn());
    let mut viewers: Vec<Peer> =
        [4, 5].map(|n| world.viewer(n, &["--seed", &at_seed, "--play", "live/cam"])).into();
    let switch = Switch::new(&world, &[4, 5]);
    let clip = world.clip(12);

    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    seed.wait_for("the stream", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    for viewer in &mut viewers {
        viewer.wait_for("the play", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    }
    switch.offer(&world, "live/cam");
    for viewer in &mut viewers {
        viewer.wait_for("the switch is relied on", SOON, by_switch);
    }
    let before = switch.to_group();
    switch.lose_one_in(20);
    viewers[0].wait_for_frame(280);
    // The seed's turn: nobody else answers any more.
    switch.cut();
    assert!(encoder.finish(LATER).0.success());
    for viewer in &mut viewers {
        viewer.wait_for("the end", SOON, |e| matches!(e, Event::StreamEnded { .. }));
    }

    assert!(switch.lost() > 10);
    let chunks = broadcaster.frames().len();
    assert!(switch.to_group() - before >= chunks as u64 / 2, "sent once for both viewers");
    for viewer in viewers {
        assert_gapless(&viewer, 360);
        let summary = viewer.end();
        assert_nothing_lost(&summary);
        assert!(summary.repaired > 0, "{summary:?}");
    }
    broadcaster.end();
    seed.end();
}

#[test]
fn who_comes_late_is_handed_the_group_by_a_neighbour() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let mut viewer = world.viewer(2, &["--play", "live/cam"]);
    let switch = Switch::new(&world, &[2, 4]);
    // One keyframe at the beginning and none for twenty seconds: nginx would make it wait that
    // long.
    let clip = world.clip_with(12, 600);
    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for_frame(90);
    viewer.wait_for("the play", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    // It may have missed the keyframe as well; then the broadcaster hands it the group.
    switch.offer_to(&world, "live/cam", &[1, 2]);
    viewer.wait_for("the switch is relied on", SOON, by_switch);
    let mut late = world.viewer(4, &[]);
    let flv = world.play(&format!("http://{}:8080/live/cam.flv", world.host(4)));
    late.wait_for("the play", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    switch.offer_to(&world, "live/cam", &[1, 2, 4]);
    late.wait_for("the group", SOON, |e| matches!(e, Event::Join { .. }));
    assert!(encoder.finish(LATER).0.success());
    assert_eq!(checksums(&flv.finish(LATER).1).len(), 360, "from the keyframe to the end");

    let join = late.events().into_iter().find_map(|record| match record.event {
        Event::Join { started, first_decodable, complete, chunks, bytes, .. } => {
            Some((started, first_decodable, complete, chunks, bytes))
        }
        _ => None,
    });
    let (started, first, complete, chunks, bytes) = join.expect("it was waited for");
    assert!(started <= first && first <= complete && chunks > 90 && bytes > 10_000);
    println!(
        "a group of {chunks} chunks: first picture after {:.1} ms, all after {:.1} ms",
        (first - started) as f64 / 1e6,
        (complete - started) as f64 / 1e6,
    );
    assert_eq!(late.frames()[0].1.frame, 0, "it begins with the keyframe");
    assert_gapless(&late, 360);
    assert_nothing_lost(&late.end());
    assert_nothing_lost(&viewer.end());
    broadcaster.end();
}

#[test]
fn an_offer_from_another_address_is_not_believed() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let mut viewer = world.viewer(2, &["--play", "live/cam"]);
    let switch = Switch::new(&world, &[2]);
    let clip = world.clip(3);
    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    viewer.wait_for("the play", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    switch.forge(&world, "live/cam", 2);
    viewer.wait_for("the forgery", SOON, |e| matches!(e, Event::Forged { .. }));
    assert!(encoder.finish(LATER).0.success());
    assert!(!viewer.events().iter().any(|r| matches!(r.event, Event::Answer { .. })));
    let summary = viewer.end();
    assert!(summary.rejected > 0, "{summary:?}");
    assert_eq!(summary.switch, 0);
    broadcaster.end();
}
