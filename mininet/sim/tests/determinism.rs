//! The same seed gives the same run: again, on any number of threads, and on any queue.

mod common;

use common::{Ends, Gossip, crowd};
use nearcast_link::Probability;
use nearcast_machine::{Bitrate, Bytes, Seed, Span, Time};
use nearcast_sim::{
    Delays, Heap, Network, NodeSpec, Outcome, Place, Queue, Settings, Signalling, Simulation, Wheel,
};
use proptest::prelude::*;

const NODES: usize = 60;

/// Some slow, some far, some there for a while only.
fn population() -> Vec<NodeSpec> {
    let mut population = crowd(NODES);
    for (index, node) in population.iter_mut().enumerate() {
        let rate = Bitrate::from_bits_per_sec([64_000, 400_000, 10_000_000][index % 3]);
        node.access.up = Some(rate);
        node.access.down = (index % 2 == 0).then_some(rate);
        node.access.queue = Bytes::new(4_000);
        node.place = Place::Point { x: (index % 7) as f32, y: (index / 7) as f32 };
        node.arrive = Time::ZERO + Span::from_millis(index as u64 % 5 * 400);
        if index % 4 == 1 {
            node.depart = Some(node.arrive + Span::from_millis(1_000 + 10 * index as u64));
        }
    }
    population
}

fn network(signalling: Signalling, least: Span) -> Network {
    Network {
        delays: Delays::Plane { least, per_unit: Span::from_millis(3) },
        loss: Probability::new(0.02).expect("a chance"),
        signalling,
        ..Network::default()
    }
}

fn lossy() -> Signalling {
    Signalling::Queued { loss: Probability::new(0.05).expect("a chance") }
}

fn run<Q: Queue>(seed: u64, threads: usize, network: Network) -> Outcome<Ends> {
    let settings = Settings {
        threads,
        sample_every: Some(Span::from_millis(250)),
        log: 1 << 20,
        ..Settings::new(Seed::new(seed), Time::ZERO + Span::from_secs(4))
    };
    let simulation = Simulation::new(settings, network, population()).expect("they fit");
    let make = |id, _: &NodeSpec, seed| Gossip::new(id, NODES, seed);
    simulation.run_on::<Q, Gossip, Ends>(make, Ends::default, &mut ()).expect("time passes")
}

#[test]
fn receivers_that_take_what_has_come_together_make_no_difference_to_threads() {
    let delay = Span::from_millis(2);
    let moderated = Network { moderation: Span::from_millis(50), ..network(lossy(), delay) };
    let one = run::<Wheel>(7, 1, moderated.clone());
    assert_ne!(one.digest, run::<Wheel>(7, 1, network(lossy(), delay)).digest);
    assert_eq!(one.digest, run::<Wheel>(7, 3, moderated).digest);
}

#[test]
fn any_number_of_threads_makes_the_same_run() {
    let delay = Span::from_millis(2);
    let one = run::<Wheel>(7, 1, network(lossy(), delay));
    let counters = one.statistics.counters;
    assert!(counters.deliveries > 5_000, "{counters:?}");
    // Every part of the model took part.
    assert!(counters.nodes_came == 60 && counters.nodes_left == 15, "{counters:?}");
    assert!(counters.dropped_up > 0 && counters.dropped_down > 0, "{counters:?}");
    assert!(counters.lost > 0 && counters.undeliverable > 0, "{counters:?}");
    assert_eq!(one.digest.events(), one.log.len() as u64);
    let Outcome { digest, observers, log, .. } = one;
    let ends = Ends::all(observers);
    assert_eq!(ends.ends.len(), NODES);
    assert!(ends.events > 1_000 && ends.samples.len() > 500);

    for threads in [1, 2, 3, 4, 16] {
        let other = run::<Wheel>(7, threads, network(lossy(), delay));
        assert_eq!(other.statistics.threads, threads);
        if let Some(place) = (0..log.len()).find(|place| other.log.get(*place) != log.get(*place)) {
            panic!("{threads} threads part at {:?}: {:?}", log[place], other.log.get(place));
        }
        assert_eq!(other.digest, digest, "{threads} threads");
        assert_eq!(Ends::all(other.observers), ends, "{threads} threads");
        let mut counters = other.statistics.counters;
        (counters.nodes_peak, counters.in_flight_peak) = Default::default();
        let mut expected = one.statistics.counters;
        (expected.nodes_peak, expected.in_flight_peak) = Default::default();
        assert_eq!(counters, expected, "{threads} threads");
    }
    let heap = run::<Heap>(7, 2, network(lossy(), delay));
    assert_eq!((heap.digest, Ends::all(heap.observers)), (digest, ends), "on the heap");
}

#[test]
fn another_seed_makes_another_run() {
    let delay = Span::from_millis(2);
    let digests: Vec<_> =
        (0..4).map(|seed| run::<Wheel>(seed, 2, network(lossy(), delay)).digest).collect();
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "{digests:?}");
    }
}

#[test]
fn instant_signalling_is_the_same_too_and_says_that_it_had_one_thread() {
    let delay = Span::from_millis(2);
    let one = run::<Wheel>(3, 1, network(Signalling::Instant, delay));
    let four = run::<Wheel>(3, 4, network(Signalling::Instant, delay));
    assert_eq!(four.statistics.threads, 1);
    assert_eq!(one.digest, four.digest);
    assert_eq!(one.digest, run::<Heap>(3, 1, network(Signalling::Instant, delay)).digest);
}

#[test]
fn who_else_is_there_does_not_change_what_a_node_draws() {
    let name = "p11";
    let draws = |population: Vec<NodeSpec>| {
        let settings = Settings::new(Seed::new(5), Time::from_nanos(1));
        let simulation = Simulation::new(settings, Network::default(), population).expect("fits");
        let seeds = std::sync::Mutex::new(Vec::new());
        let make = |id, spec: &NodeSpec, seed| {
            seeds.lock().expect("no panic").push((spec.name.to_string(), seed));
            Gossip::new(id, 1, seed)
        };
        simulation.run(make, Ends::default, &mut ()).expect("time passes");
        let seeds = seeds.into_inner().expect("no panic");
        seeds.into_iter().find(|(found, _)| found == name).expect("it is there").1
    };
    let mut fewer = crowd(20);
    fewer.drain(3..9);
    assert_eq!(draws(crowd(20)), draws(fewer));
    assert_eq!(draws(crowd(12)), Seed::new(5).derive(name));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_network_is_the_same_on_two_threads(
        seed: u64,
        least in 1u64..50_000_000,
        queued: bool,
        loss in 0.0f64..0.5,
    ) {
        let loss = Probability::new(loss).expect("a chance");
        let signalling =
            if queued { Signalling::Queued { loss } } else { Signalling::Delayed { loss } };
        // As little as a nanosecond of lookahead, with events to match.
        let network = network(signalling, Span::from_nanos(least));
        let [one, two] = [1, 2].map(|threads| run::<Wheel>(seed, threads, network.clone()));
        prop_assert_eq!(one.digest, two.digest);
        prop_assert_eq!(Ends::all(one.observers), Ends::all(two.observers));
    }
}

/// Wants no more once so much is simulated.
struct Enough(Time, bool);

impl nearcast_sim::Watch for Enough {
    fn elapsed(&mut self) -> Span {
        Span::ZERO
    }

    fn progress(&mut self, progress: &nearcast_sim::Progress) {
        self.1 = progress.now >= self.0;
    }

    fn stops(&mut self) -> bool {
        self.1
    }
}

#[test]
fn a_run_that_is_stopped_keeps_what_there_is() {
    for threads in [1, 3] {
        let end = Time::ZERO + Span::from_secs(4);
        let settings = Settings { threads, ..Settings::new(Seed::new(7), end) };
        let network = network(lossy(), Span::from_millis(2));
        let simulation = Simulation::new(settings, network, population()).expect("they fit");
        let make = |id, _: &NodeSpec, seed| Gossip::new(id, NODES, seed);
        let mut watch = Enough(Time::ZERO + Span::from_secs(2), false);
        let outcome = simulation.run(make, Ends::default, &mut watch).expect("time passes");
        let simulated = outcome.statistics.simulated.as_secs_f64();
        assert!((2.0..2.5).contains(&simulated), "{simulated} s");
        assert!(outcome.statistics.counters.deliveries > 0);
    }
}
