//! The ways while all is well, or nearly.

use nearcast_engine::viewer::{Path, Way};
use nearcast_machine::{Span, Time};

use crate::clip::Clip;
use crate::world::{Act, World, secs};

/// A broadcaster that publishes `clip` for `seconds`, and viewers that play from the given times
/// on.
pub(crate) fn scene(clip: Clip, seconds: u64, plays: &[f64], run: u64) -> World {
    let mut world = World::new(plays.len(), run);
    world.publish(clip.units(1_700_000_000, Time::ZERO, Span::from_secs(seconds)));
    for (n, &at) in plays.iter().enumerate() {
        world.at(secs(at), Act::Play(n));
    }
    world
}

fn median(mut spans: Vec<Span>) -> Span {
    spans.sort();
    spans[spans.len() / 2]
}

#[test]
fn the_switch_takes_over_and_is_as_fast_as_its_path() {
    let mut world = scene(Clip::FULL, 10, &[0.0], 1);
    world.run(secs(9.9));
    assert_eq!(world.viewers[0].machine.path(), Path::Switch);
    world.run(secs(11.0));
    let released = world.check(0);
    world.assert_no_skip(0);
    assert!(world.by_way(0, Way::Switch) > released * 9 / 10, "of {released}");
    // 16 ms of propagation, and the serialisation of RTMP and chunks on one uplink.
    let delay = median(world.delays(0)[released / 2..].to_vec());
    assert!(delay < Span::from_millis(24), "{delay}");
    assert!(delay >= Span::from_millis(16), "{delay}");
}

#[test]
fn without_a_peering_the_cdn_carries_everything() {
    let mut world = World::new(1, 1);
    world.publish(Clip::FULL.units(7, Time::ZERO, Span::from_secs(5)));
    world.at(Time::ZERO, Act::ControllerDies);
    world.at(Time::ZERO, Act::Play(0));
    world.run(secs(6.0));
    let released = world.check(0);
    assert!(released > 300);
    assert_eq!(world.by_way(0, Way::Cdn), released);
    assert_eq!(world.viewers[0].machine.path(), Path::Cdn);
}

#[test]
fn lost_pushes_are_repaired_by_neighbours_without_a_gap() {
    for run in 0..5 {
        let mut world = scene(Clip::FULL, 10, &[0.0, 0.0, 0.0], run);
        for down in &mut world.down[1..] {
            down.loss = 0.05;
        }
        world.run(secs(12.0));
        for n in 0..3 {
            let released = world.check(n);
            world.assert_no_skip(n);
            let last = world.last_released(n).expect("something was released");
            assert_eq!(Some(&last), world.published.keys().next_back(), "up to the end");
            assert!(world.by_way(n, Way::Neighbour) > released / 100, "some were repaired");
            assert!(world.by_way(n, Way::Switch) > released * 3 / 4, "most were not");
        }
    }
}

#[test]
fn what_the_uplink_lost_comes_from_the_broadcaster() {
    let mut world = scene(Clip::FULL, 10, &[0.0, 0.0, 0.0], 3);
    world.up[0].loss = 0.05;
    world.run(secs(12.0));
    for n in 0..3 {
        world.check(n);
        world.assert_no_skip(n);
        assert!(world.by_way(n, Way::Seed) < 30, "{}", world.by_way(n, Way::Seed));
    }
    assert!(world.broadcaster.counters().chunks_served > 0);
}

#[test]
fn streams_without_b_pictures_sound_or_picture_work() {
    let clips = [
        Clip { b_pictures: false, ..Clip::FULL },
        Clip { sound: false, ..Clip::FULL },
        Clip { video: false, ..Clip::FULL },
        Clip { gop: 1, ..Clip::FULL },
    ];
    for clip in clips {
        let mut world = scene(clip, 8, &[0.0, 2.0], 5);
        world.run(secs(10.0));
        for n in 0..2 {
            let released = world.check(n);
            world.assert_no_skip(n);
            assert!(released > 150, "hv{} of {clip:?}: {released}", n + 1);
            assert!(world.by_way(n, Way::Switch) > released / 2, "hv{} of {clip:?}", n + 1);
        }
    }
}

#[test]
fn the_uplink_carries_one_copy_however_many_watch() {
    let bytes: Vec<u64> = [1, 8]
        .into_iter()
        .map(|viewers| {
            let mut world = scene(Clip::FULL, 10, &vec![0.0; viewers], 2);
            world.run(secs(11.0));
            world.up[0].bytes
        })
        .collect();
    assert!(bytes[1] * 100 <= bytes[0] * 105, "{bytes:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let log = |run| {
        let mut world = scene(Clip::FULL, 5, &[0.0, 0.3, 1.0], run);
        world.log = Some(String::new());
        world.down.iter_mut().for_each(|down| down.loss = 0.03);
        world.at(secs(2.5), Act::GroupDies);
        world.run(secs(6.0));
        world.log
    };
    let (first, again, other) = (log(4), log(4), log(5));
    assert!(first == again, "two runs of one seed differ");
    assert!(first != other, "the seed matters");
}
