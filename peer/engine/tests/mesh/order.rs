//! Whatever the network does, no unit is released twice or out of order, and one seed makes one
//! run.

use std::collections::BTreeSet;

use nearcast_engine::mesh::{PeerId, Settings, System};
use nearcast_machine::{Span, Time};
use proptest::prelude::*;

use crate::world::{Network, Node, World, at};

/// Units rise, chunks of a unit come in order, none twice.
fn assert_order(name: u64, node: &Node) {
    let mut seen = BTreeSet::new();
    for pair in node.released.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let rises = (before.unit, before.lc.layer, before.lc.seq)
            < (after.unit, after.lc.layer, after.lc.seq);
        assert!(rises, "peer {name}: {before:?} before {after:?}");
    }
    assert!(node.released.iter().all(|chunk| seen.insert(chunk.lc)), "peer {name}");
}

/// Twenty peers and a source, on a bad network, with coming and going.
fn bad_world(seed: u64, system: System, network: Network, churn: &[(u64, u64, bool)]) -> World {
    let mut world = World::with_source(seed, Settings::source(system));
    world.network = network;
    for n in 1..=20 {
        let settings = Settings { lag: Span::from_secs(8), ..Settings::of(system) };
        let when = Time::ZERO + Span::from_millis(300 * n);
        world.join_at(when, PeerId(n), settings);
    }
    for &(second, peer, leaves) in churn {
        match leaves {
            true => world.leave_at(at(second), PeerId(peer)),
            false => world.vanish_at(at(second), PeerId(peer)),
        }
        let settings = Settings { lag: Span::from_secs(8), ..Settings::of(system) };
        world.join_at(at(second + 2), PeerId(peer + 100), settings);
    }
    world
}

fn networks() -> impl Strategy<Value = Network> {
    (0.0..0.4f64, 0.0..0.3f64, 1u64..100, 1u64..1500).prop_map(|(loss, twice, least, more)| {
        let delay = (Span::from_millis(least), Span::from_millis(least + more));
        Network { delay, loss, twice }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_unit_is_released_twice_or_out_of_order(
        seed: u64,
        system in prop::sample::select(&System::ALL[..]),
        network in networks(),
        churn in prop::collection::vec((8u64..30, 1u64..=20, any::<bool>()), 0..6),
    ) {
        let mut world = bad_world(seed, system, network, &churn);
        world.run_secs(40);
        for (id, node) in &world.nodes {
            assert_order(id.0, node);
        }
    }
}

#[test]
fn on_a_bad_network_something_is_released_all_the_same() {
    let delay = (Span::from_millis(20), Span::from_millis(400));
    let network = Network { delay, loss: 0.1, twice: 0.1 };
    let mut world = bad_world(4, System::LayerP2p, network, &[(12, 3, true), (15, 7, false)]);
    world.run_secs(60);
    let mut ratios = Vec::new();
    for (id, node) in world.nodes.iter().filter(|(id, _)| id.0 > 0 && id.0 != 3) {
        assert_order(id.0, node);
        let [base, ..] = node.peer.statistics().layers;
        ratios.push(base.played as f64 / base.due as f64);
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!(mean > 0.85 && ratios.iter().all(|&ratio| ratio > 0.6), "{ratios:?}");
}

#[test]
fn one_seed_makes_one_run() {
    let log = |seed| {
        let network = Network { loss: 0.05, twice: 0.05, ..Network::default() };
        let mut world =
            bad_world(seed, System::LayerP2p, network, &[(10, 2, true), (12, 5, false)]);
        world.log = Some(blake3::Hasher::new());
        world.run_secs(25);
        world.log.take().expect("it was wanted").finalize()
    };
    assert_eq!(log(1), log(1));
    assert_ne!(log(1), log(2));
}

#[test]
fn clocks_may_be_hours_apart() {
    let settings = Settings { lag: Span::from_secs(8), ..Settings::default() };
    let mut world = World::with_source(6, Settings::source(System::LayerP2p));
    for n in 1..=8 {
        world.join_skewed(PeerId(n), settings.clone(), Span::from_secs(n * 3600));
    }
    world.run_secs(60);
    for n in 1..=8 {
        let node = world.node(n);
        assert_order(n, node);
        let [base, ..] = node.peer.statistics().layers;
        assert!(base.played as f64 > 0.95 * base.due as f64, "{n}: {base:?}");
        let skew = Span::from_secs(n * 3600);
        let position = node.peer.position(world.now + skew).expect("it plays");
        // 60 s less 8 s of lag, give or take a round trip.
        assert!((51_900..=52_060).contains(&position), "{n}: {position}");
    }
}

#[test]
fn a_mesh_that_was_cut_in_two_comes_together_again() {
    let settings = Settings { lag: Span::from_secs(10), ..Settings::default() };
    let mut world = World::with_source(7, Settings::source(System::LayerP2p));
    for n in 1..=20 {
        world.join(PeerId(n), settings.clone());
    }
    // From second 30 to 50 the even ones are cut off from the source and the odd ones.
    world.tamper = Some(Box::new(|now, from, to, message| {
        let cut = (at(30)..at(50)).contains(&now) && from.0 % 2 != to.0 % 2;
        let source = from.0 == 0 || to.0 == 0;
        let even = |peer: PeerId| peer.0 != 0 && peer.0.is_multiple_of(2);
        let cut = cut || source && (at(30)..at(50)).contains(&now) && (even(from) || even(to));
        (!cut).then_some(message)
    }));
    world.run_secs(49);
    let during: Vec<_> = (1..=20).map(|n| world.node(n).peer.statistics().layers[0]).collect();
    world.run_secs(31);
    let healed: Vec<_> = (1..=20).map(|n| world.node(n).peer.statistics().layers[0]).collect();
    world.run_secs(40);
    for n in 1..=20usize {
        let node = world.node(n as u64);
        assert_order(n as u64, node);
        let now = node.peer.statistics().layers[0];
        let (played, due) = (now.played - healed[n - 1].played, now.due - healed[n - 1].due);
        assert!(played as f64 > 0.95 * due as f64, "{n}: {played} of {due}");
        if n % 2 == 1 {
            let figures = during[n - 1];
            assert!(figures.played as f64 > 0.9 * figures.due as f64, "{n}: {figures:?}");
        }
    }
}
