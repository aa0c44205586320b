//! Whatever breaks, and whenever, no unit is lost, repeated or out of order.

use nearcast_engine::viewer::{Event, Path};
use nearcast_machine::Span;
use proptest::prelude::*;

use crate::clip::Clip;
use crate::ways::scene;
use crate::world::{Act, World, secs};

/// Runs two viewers with `acts` at `at`; both must get everything.
fn survives(acts: &[Act], at: f64, loss: f64, run: u64) -> World {
    let mut world = scene(Clip::FULL, 8, &[0.0, 0.4], run);
    world.down.iter_mut().for_each(|down| down.loss = loss);
    for act in acts {
        world.at(secs(at), act.clone());
    }
    world.run(secs(13.0));
    for n in 0..2 {
        world.check(n);
        world.assert_no_skip(n);
        let last = world.last_released(n);
        assert_eq!(last.as_ref(), world.published.keys().next_back(), "hv{}", n + 1);
    }
    world
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop_oneof![
        Just(vec![Act::Withdraw]),
        Just(vec![Act::GroupDies]),
        Just(vec![Act::LanDies(0)]),
        Just(vec![Act::LanDies(0), Act::LanDies(1)]),
        Just(vec![Act::ControllerDies]),
        Just(vec![Act::SeedDies]),
        Just(vec![Act::SeedDies, Act::GroupDies]),
        Just(vec![Act::CdnBreaks(0)]),
        Just(vec![Act::CdnBreaks(0), Act::GroupDies]),
        Just(vec![Act::ControllerDies, Act::GroupDies]),
    ]
}

fn acts_that_come_and_go() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Withdraw),
        Just(Act::OfferAgain),
        Just(Act::GroupDies),
        Just(Act::GroupRises),
        Just(Act::CdnBreaks(0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_whatever_breaks(
        acts in acts(),
        at in 0.2..7.0f64,
        loss in prop_oneof![Just(0.0), 0.0..0.05f64],
        run in any::<u64>(),
    ) {
        survives(&acts, at, loss, run);
    }

    #[test]
    fn nothing_is_lost_however_often_ways_come_and_go(
        flips in prop::collection::vec((acts_that_come_and_go(), 0.5..8.0f64), 1..8),
        loss in 0.0..0.04f64,
        run in any::<u64>(),
    ) {
        let mut world = scene(Clip::FULL, 9, &[0.0, 0.4], run);
        world.down.iter_mut().for_each(|down| down.loss = loss);
        for (act, at) in flips {
            world.at(secs(at), act);
        }
        world.run(secs(14.0));
        for n in 0..2 {
            world.check(n);
            world.assert_no_skip(n);
            let last = world.last_released(n);
            prop_assert_eq!(last.as_ref(), world.published.keys().next_back(), "hv{}", n + 1);
        }
    }

    #[test]
    fn with_everything_dead_rtmp_goes_on_from_a_keyframe(at in 2.0..5.0f64, run in any::<u64>()) {
        let mut world = scene(Clip::FULL, 12, &[0.0, 0.4], run);
        for act in [Act::SeedDies, Act::LanDies(0)] {
            world.at(secs(at), act);
        }
        world.run(secs(14.0));
        world.check(0);
        let last = world.last_released(0);
        prop_assert_eq!(last.as_ref(), world.published.keys().next_back());
        let skips = world.viewers[0].events.iter().filter(|(_, e)| matches!(e, Event::Skipped { .. }));
        prop_assert_eq!(skips.count(), 1, "what was lost is said once");
        let lost = world.viewers[0].machine.counters().lost;
        prop_assert!(lost < 80 * 2, "{} units lost", lost);
    }
}

#[test]
fn a_withdrawn_peering_is_not_noticed() {
    let world = survives(&[Act::Withdraw], 4.0, 0.0, 1);
    let pause = world.longest_pause(0);
    assert!(pause < Span::from_millis(130), "{pause}");
    assert_eq!(world.viewers[0].machine.path(), Path::Cdn);
}

#[test]
fn a_silent_switch_is_noticed_within_its_bound() {
    for acts in [vec![Act::GroupDies], vec![Act::LanDies(0)]] {
        let world = survives(&acts, 4.0, 0.0, 1);
        let pause = world.longest_pause(0);
        // 100 ms of silence, the usual time between units, and a round trip to the seed.
        assert!(pause < Span::from_millis(240), "{acts:?}: {pause}");
        assert_eq!(world.viewers[0].machine.path(), Path::Cdn);
    }
}

#[test]
fn the_switch_is_taken_again_when_it_is_back() {
    let mut world = scene(Clip::FULL, 10, &[0.0], 1);
    world.at(secs(3.0), Act::GroupDies);
    world.at(secs(5.0), Act::GroupRises);
    world.run(secs(9.5));
    world.check(0);
    world.assert_no_skip(0);
    assert_eq!(world.viewers[0].machine.path(), Path::Switch);
    world.at(world.now, Act::Withdraw);
    world.run(secs(12.0));
    world.check(0);
    world.assert_no_skip(0);
}

#[test]
fn a_flapping_switch_does_not_make_rtmp_flap() {
    let mut world = scene(Clip::FULL, 20, &[0.0], 1);
    for flap in 0..18 {
        let at = 2.0 + flap as f64;
        world.at(secs(at), Act::GroupDies);
        world.at(secs(at + 0.5), Act::GroupRises);
    }
    world.run(secs(22.0));
    world.check(0);
    world.assert_no_skip(0);
    let changes = world.viewers[0].events.iter().filter(|(_, e)| matches!(e, Event::Path { .. }));
    assert!(changes.count() < 20, "{:?}", world.viewers[0].events);
}

#[test]
fn the_end_is_said_once_everything_is_out() {
    let mut world = scene(Clip::FULL, 4, &[0.0], 1);
    world.at(secs(4.1), Act::Ends);
    world.run(secs(9.0));
    world.check(0);
    assert_eq!(world.last_released(0).as_ref(), world.published.keys().next_back());
    let ends = world.viewers[0].events.iter().filter(|(_, e)| *e == Event::Ended).count();
    assert_eq!(ends, 1);
}
