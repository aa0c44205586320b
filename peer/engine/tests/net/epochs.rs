//! A broadcaster that begins anew.

use nearcast_engine::viewer::{Event, Path};
use nearcast_machine::{Span, Time};

use crate::clip::Clip;
use crate::world::{Act, World, secs};

#[test]
fn a_new_epoch_begins_with_its_first_keyframe() {
    for (gap, loss) in [(0.0, 0.0), (2.0, 0.0), (0.3, 0.04)] {
        let mut world = World::new(2, 6);
        world.publish(Clip::FULL.units(100, Time::ZERO, Span::from_secs(4)));
        let again = secs(4.0 + gap);
        world.publish(Clip::FULL.units(105, again, Span::from_secs(5)));
        world.down.iter_mut().for_each(|down| down.loss = loss);
        world.at(secs(0.0), Act::Play(0));
        world.at(secs(1.0), Act::Play(1));
        world.run(again + Span::from_millis(4900));
        for n in 0..2 {
            assert_eq!(world.viewers[n].machine.path(), Path::Switch, "hv{} {gap} {loss}", n + 1);
        }
        world.run(secs(13.0));
        for n in 0..2 {
            world.check(n);
            world.assert_no_skip(n);
            let host = &world.viewers[n];
            let first = host.released.iter().find(|(_, release)| release.unit.epoch == 105);
            let (at, first) = first.expect("the new epoch is played");
            assert_eq!(first.unit.number, 3, "the first keyframe, after three headers");
            assert!(at.since(again) < Span::from_millis(300), "after {}", at.since(again));
            assert_eq!(world.last_released(n).as_ref(), world.published.keys().next_back());
            let epochs = host.events.iter().filter(|(_, e)| matches!(e, Event::Epoch { .. }));
            assert_eq!(epochs.count(), 1);
        }
    }
}
