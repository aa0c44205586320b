//! A viewer that joins is handed the current group by whoever is nearest.

use std::net::SocketAddrV4;

use nearcast_engine::viewer::{Event, Way};
use nearcast_machine::Span;

use crate::clip::Clip;
use crate::ways::scene;
use crate::world::{LAN_RTT, World, alias, secs};

fn joined(world: &World, n: usize) -> Option<(SocketAddrV4, Span, Span, u64)> {
    world.viewers[n].events.iter().find_map(|(_, event)| match *event {
        Event::Joined { holder, began, first, complete, bytes, .. } => {
            Some((holder, first.since(began), complete.since(began), bytes))
        }
        _ => None,
    })
}

#[test]
fn a_late_joiner_is_served_by_its_neighbour_and_costs_the_broadcaster_nothing() {
    let served = |plays: &[f64]| {
        let mut world = scene(Clip::FULL, 8, plays, 9);
        world.run(secs(4.0));
        let before = world.broadcaster.counters();
        world.run(secs(8.5));
        let after = world.broadcaster.counters();
        (world, after.chunks_served - before.chunks_served)
    };
    // The group is about 0.9 s old by then.
    let (world, chunks) = served(&[0.0, 5.2]);
    assert_eq!(chunks, 0, "chunks that the broadcaster sent on request");
    world.check(1);
    world.assert_no_skip(1);
    let (holder, first, complete, bytes) = joined(&world, 1).expect("it was handed a group");
    assert_eq!(holder, alias(1), "its neighbour is nearer than the broadcaster");
    let transfer = world.down[2].rate.serialisation(nearcast_machine::Bytes::new(bytes));
    assert!(first <= LAN_RTT * 5, "first frame after {first}");
    assert!(complete <= LAN_RTT * 5 + transfer, "{complete}, transfer alone {transfer}");
    assert!(world.by_way(1, Way::Neighbour) > 30);
    let (alone, _) = served(&[0.0, 100.0]);
    let pushed = [&world, &alone].map(|world| world.broadcaster.counters().chunks_pushed);
    assert_eq!(pushed[0], pushed[1]);
}

#[test]
fn a_handover_survives_loss() {
    for run in 0..10 {
        let mut world = scene(Clip::FULL, 8, &[0.0, 3.9], run);
        world.down[2].loss = 0.05;
        world.run(secs(9.0));
        world.check(1);
        world.assert_no_skip(1);
        let (_, first, complete, bytes) = joined(&world, 1).expect("it was handed a group");
        let transfer = world.down[2].rate.serialisation(nearcast_machine::Bytes::new(bytes));
        assert!(first <= LAN_RTT * 10, "run {run}: first frame after {first}");
        assert!(complete <= LAN_RTT * 15 + transfer * 2, "run {run}: {complete}, {transfer}");
    }
}

#[test]
fn a_crowd_joins_at_once() {
    let mut plays = vec![0.0];
    plays.extend([4.5; 7]);
    let mut world = scene(Clip::FULL, 8, &plays, 2);
    world.run(secs(9.0));
    for n in 0..8 {
        world.check(n);
        world.assert_no_skip(n);
        let last = world.last_released(n);
        assert_eq!(last.as_ref(), world.published.keys().next_back(), "hv{}", n + 1);
    }
}
