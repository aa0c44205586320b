//! Neighbour management: whom a peer seeks, accepts, declines, replaces and drops.

use nearcast_engine::mesh::{Body, Cause, Event, Input, PeerId, Relation, Settings, System};
use nearcast_machine::{Span, Time};

use crate::alone::{Alone, chunk, map, newest};
use crate::world::World;

fn few() -> Settings {
    Settings { neighbours_min: 3, neighbours_max: 6, ..Settings::default() }
}

fn count(alone: &Alone) -> usize {
    alone.peer.neighbours().count()
}

fn parted(alone: &Alone) -> Vec<(PeerId, Cause)> {
    let parted = alone.events.iter().filter_map(|event| match event {
        Event::Parted { peer, cause } => Some((*peer, *cause)),
        _ => None,
    });
    parted.collect()
}

#[test]
fn below_n_min_a_peer_seeks_and_at_n_min_it_does_not() {
    let mut alone = Alone::new(few());
    alone.told_of(20..60);
    assert_eq!(alone.accept_all(true).len(), 3);
    for _ in 0..20 {
        alone.run_millis(200);
        assert!(alone.accept_all(true).is_empty(), "three are enough");
    }
    // One leaves: another one is sought, in the next round at the latest.
    let gone = alone.peer.neighbours().next().expect("three").peer;
    alone.say(gone, Body::Leave);
    alone.run_millis(1000);
    let sought = alone.accept_all(true);
    assert!(sought.len() == 1 && sought[0] != gone, "{sought:?}");
}

#[test]
fn who_declines_is_not_counted_and_another_one_is_sought_at_once() {
    let mut alone = Alone::new(few());
    alone.told_of(20..60);
    let declined = alone.accept_all(false);
    assert_eq!(declined.len(), 3);
    let accepted = alone.accept_all(true);
    assert_eq!(accepted.len(), 3);
    assert!(accepted.iter().all(|peer| !declined.contains(peer)));
    assert_eq!(count(&alone), 3);
}

#[test]
fn a_fallback_that_is_full_is_not_asked_again_at_once() {
    let mut alone = Alone::new(few());
    alone.input(Input::Fallback(Some(PeerId(9))));
    // It declines whenever it is asked, for a minute.
    let asked: usize = (0..600)
        .map(|_| {
            alone.run_millis(100);
            alone.accept_all(false).len()
        })
        .sum();
    let pause = Settings::default().announce_again.as_millis() as usize;
    assert!((2..=60_000 / pause + 1).contains(&asked), "{asked}");
    // It has room now.
    let met = (0..100).find_map(|_| {
        alone.run_millis(100);
        alone.accept_all(true).pop()
    });
    assert_eq!(met, Some(PeerId(9)));
    assert_eq!(alone.peer.neighbours().count(), 1);
}

#[test]
fn between_n_min_and_n_max_a_peer_accepts_and_at_n_max_it_declines() {
    let mut alone = Alone::new(few());
    for peer in 1..=6 {
        assert!(alone.initiate(PeerId(peer)), "{peer}");
    }
    alone.raw(PeerId(7), 0, Body::Seek { key: 77 });
    assert_eq!(alone.take_to(PeerId(7)).pop().map(|(_, body)| body), Some(Body::Decline));
    assert_eq!(count(&alone), 6);
    alone.say(PeerId(3), Body::Leave);
    assert!(alone.initiate(PeerId(7)), "there is room again");
}

#[test]
fn n_max_holds_even_if_all_who_were_accepted_confirm_at_once() {
    let mut alone = Alone::new(few());
    let mut keys = Vec::new();
    for peer in 1..=20 {
        alone.raw(PeerId(peer), 0, Body::Seek { key: peer });
        if let Some((_, Body::Accept { key })) = alone.take_to(PeerId(peer)).pop() {
            keys.push((peer, key));
        }
    }
    assert_eq!(keys.len(), 20, "an acceptance binds nobody and costs nothing");
    for (peer, key) in keys {
        alone.raw(PeerId(peer), key, Body::Confirm { key: peer });
    }
    assert_eq!(count(&alone), 6);
}

#[test]
fn the_least_contributor_is_replaced_every_adaptation_period() {
    let mut alone = Alone::new(few());
    for peer in 1..=5 {
        assert!(alone.initiate(PeerId(peer)));
    }
    alone.told_of(20..60);
    let begun = alone.now;
    let mut replaced = None;
    for _ in 0..65 {
        let now = newest(alone.now);
        for peer in 1..=5 {
            if alone.peer.neighbours().any(|neighbour| neighbour.peer == PeerId(peer)) {
                alone.news(PeerId(peer), Some(&map(3, now - 600..now)), None);
            }
        }
        alone.run_millis(1000);
        // Each gives what it was asked for, number 4 only two chunks of it.
        for peer in 1..=5u64 {
            let few = if peer == 4 { 2 } else { 9 };
            for lc in alone.requests_to(PeerId(peer)).into_iter().take(few) {
                if replaced.is_none() {
                    alone.give(PeerId(peer), chunk(lc.layer, lc.seq));
                }
            }
        }
        let gone = parted(&alone).first().copied();
        if replaced.is_none() && gone.is_some() {
            replaced = gone;
            assert!(alone.now >= begun + Span::from_secs(30));
            assert_eq!(alone.accept_all(true).len(), 1, "another one takes its place");
            break;
        }
    }
    assert_eq!(replaced, Some((PeerId(4), Cause::Replaced)));
    assert_eq!(count(&alone), 5);
}

#[test]
fn who_is_let_go_is_replaced_however_many_have_no_room() {
    // Neighbours are heard, and contribute nothing.
    let live = |alone: &mut Alone| {
        let neighbours: Vec<PeerId> = alone.peer.neighbours().map(|one| one.peer).collect();
        for peer in neighbours {
            alone.news(peer, Some(&map(3, 0..0)), None);
        }
        alone.run_millis(200);
    };
    for silent in [false, true] {
        // Above N_min nobody is sought but in the place of another one.
        let mut alone = Alone::new(Settings { neighbours_min: 2, ..few() });
        (1..=4).for_each(|peer| assert!(alone.initiate(PeerId(peer))));
        alone.told_of(20..60);
        let mut sought = Vec::new();
        while sought.len() < 5 {
            assert!(alone.now < Time::ZERO + Span::from_secs(100), "{sought:?}");
            live(&mut alone);
            sought.extend(if silent { alone.ignore_all() } else { alone.accept_all(false) });
        }
        assert_eq!(parted(&alone).len(), 1, "one was let go");
        // Now somebody has room.
        let met = (0..30).find_map(|_| {
            live(&mut alone);
            alone.accept_all(true).pop()
        });
        assert!(met.is_some_and(|peer| !sought.contains(&peer)), "{met:?} after {sought:?}");
        assert_eq!(count(&alone), 4);
        for _ in 0..20 {
            live(&mut alone);
            assert!(alone.accept_all(true).is_empty(), "the place is taken");
        }
    }
}

#[test]
fn single_layer_takes_no_account_of_contributions_in_replacing() {
    let mut replaced = std::collections::BTreeSet::new();
    // One seed, one draw: peers of another number of neighbours draw differently.
    for neighbours in 3..=6 {
        let settings = Settings { neighbours_min: 2, ..few() };
        let settings = Settings { policy: System::SingleLayer.policy(), ..settings };
        let mut alone = Alone::new(settings);
        (1..=neighbours).for_each(|peer| assert!(alone.initiate(PeerId(peer))));
        alone.told_of(20..60);
        for _ in 0..65 {
            for peer in 1..=neighbours {
                if parted(&alone).is_empty() {
                    let now = newest(alone.now);
                    alone.news(PeerId(peer), Some(&map(3, now - 600..now)), None);
                }
            }
            alone.run_millis(1000);
            for lc in alone.requests_to(PeerId(1)).into_iter().take(9) {
                if parted(&alone).is_empty() {
                    alone.give(PeerId(1), chunk(lc.layer, lc.seq));
                }
            }
        }
        replaced.extend(parted(&alone).first().map(|(peer, _)| *peer));
    }
    assert!(replaced.len() > 1, "{replaced:?}");
}

#[test]
fn who_claims_chunks_that_it_does_not_serve_loses_its_standing_and_is_dropped() {
    let (liar, honest) = (PeerId(1), PeerId(2));
    let mut alone = Alone::new(Settings { queue: 4096, ..Settings::default() });
    assert!(alone.initiate(liar) && alone.initiate(honest));
    let (mut dropped, mut asked) = (None, Vec::new());
    for round in 0..30 {
        let now = newest(alone.now);
        if dropped.is_none() {
            alone.news(liar, Some(&map(3, now - 600..now)), None);
        }
        alone.news(honest, Some(&map(3, now - 600..now)), None);
        alone.run_millis(1000);
        asked.push(alone.requests_to(liar).len());
        for lc in alone.requests_to(honest).into_iter().take(50) {
            alone.give(honest, chunk(lc.layer, lc.seq));
        }
        if dropped.is_none() && !parted(&alone).is_empty() {
            dropped = Some(round);
        }
    }
    assert_eq!(parted(&alone), [(liar, Cause::Unserving)]);
    assert!(asked[1] > 100, "at first it is believed: {asked:?}");
    let quiet = asked.iter().skip(3).filter(|&&asked| asked == 0).count();
    assert!(quiet > 10, "then it is asked now and then only: {asked:?}");
    assert!(!alone.initiate(liar), "and declined for a while");
    alone.run(Span::from_secs(61));
    assert!(alone.initiate(liar));
}

#[test]
fn who_is_silent_is_dropped() {
    let mut alone = Alone::new(few());
    assert!(alone.initiate(PeerId(1)));
    alone.run(Span::from_secs(7));
    assert_eq!(parted(&alone), [(PeerId(1), Cause::Silent)]);
}

#[test]
fn a_peer_that_began_anew_takes_its_old_place() {
    let mut alone = Alone::new(few());
    assert!(alone.initiate(PeerId(1)));
    alone.raw(PeerId(1), 0, Body::Seek { key: 5 });
    let Some((_, Body::Accept { key })) = alone.take_to(PeerId(1)).pop() else {
        panic!("accepted")
    };
    assert_eq!(count(&alone), 1, "that it was sought may be forged");
    alone.raw(PeerId(1), key, Body::Confirm { key: 5 });
    assert_eq!(count(&alone), 1);
    assert_eq!(parted(&alone), [(PeerId(1), Cause::Restarted)]);
}

#[test]
fn leaving_is_told_to_all() {
    let mut alone = Alone::new(few());
    for peer in 1..=3 {
        assert!(alone.initiate(PeerId(peer)));
    }
    alone.input(nearcast_engine::mesh::Input::Leave);
    for peer in 1..=3 {
        assert_eq!(alone.take_to(PeerId(peer)).pop().map(|(_, body)| body), Some(Body::Leave));
    }
    let before = alone.now;
    alone.run(Span::from_secs(100));
    assert!(alone.sent.is_empty() && alone.now == before + Span::from_secs(100));
}

/// In a mesh that has settled, all have between N_min and N_max neighbours, and whoever comes later
/// gets in and plays.
#[test]
fn newcomers_get_in() {
    let step = Span::from_secs(1);
    let settings = Settings { playout_step: step, ..Settings::default() };
    let source = Settings { playout_step: step, ..Settings::source(System::LayerP2p) };
    let mut world = World::with_source(5, source);
    for n in 1..=30 {
        world.join_at(Time::ZERO + Span::from_millis(200 * n), PeerId(n), settings.clone());
    }
    world.run_secs(60);
    for n in 31..=36 {
        world.join(PeerId(n), settings.clone());
    }
    for _ in 0..20 {
        world.run_secs(3);
        for n in 0..=36 {
            let neighbours = world.node(n).peer.neighbours().count();
            assert!(neighbours <= 20, "{n} has {neighbours}");
        }
    }
    for n in 1..=36 {
        let node = world.node(n);
        let neighbours: Vec<_> = node.peer.neighbours().collect();
        assert!(neighbours.len() >= 9, "{n} has {}; one may be being replaced", neighbours.len());
        let initiators = neighbours.iter().filter(|n| n.relation == Relation::Initiator).count();
        assert!(n > 10 || initiators > 0, "whoever was there first was sought by others");
        let [base, ..] = node.peer.statistics().layers;
        // What is due in a newcomer's first seconds cannot be had in time.
        let floor = if n > 30 { 0.85 } else { 0.95 };
        assert!(base.played as f64 > floor * base.due as f64, "{n}: {base:?}");
    }
}
