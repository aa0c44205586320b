//! The trace in the repository: that it is what its first lines say, and that it can be simulated.

mod common;

use std::path::Path;

use common::{Ends, Gossip};
use nearcast_machine::{Seed, Span, Time};
use nearcast_sim::trace::{BandwidthClass, Contribution, Day, Trace};
use nearcast_sim::{Access, Delays, Network, NodeSpec, Settings, Signalling, Simulation};

fn small() -> Trace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/cctv3-small.csv");
    Trace::open(&path).expect("it is in the repository")
}

#[test]
fn it_was_made_as_it_says() {
    assert_eq!(small(), Day::cctv3().generate(Seed::new(1), 0.01).expect("a day"));
}

#[test]
fn everybody_in_it_comes_and_goes() {
    let trace = small();
    let population = trace.population(|session| {
        let class = BandwidthClass::of(session.capacity.expect("it has them"));
        Access { up: Some(class.upload(Contribution::Underloaded)), ..Access::default() }
    });
    let count = population.len();
    assert!((1_000..1_500).contains(&count), "{count}");
    let day = Time::ZERO + Span::from_secs(86_400);
    let digests = [1, 2].map(|threads| {
        let settings = Settings { threads, ..Settings::new(Seed::new(2), day) };
        let network = Network {
            delays: Delays::Uniform(Span::from_millis(50)),
            signalling: Signalling::Delayed { loss: Default::default() },
            ..Network::default()
        };
        let simulation = Simulation::new(settings, network, population.clone()).expect("it fits");
        // They gossip about once in 40 s, for this is about coming and going.
        let make = |id, _: &NodeSpec, seed| Gossip::new(id, count, seed).calm(400);
        let outcome = simulation.run(make, Ends::default, &mut ()).expect("time passes");
        let counters = outcome.statistics.counters;
        assert_eq!(counters.nodes_came, count as u64);
        // Who is there at the end leaves at it, which is no longer part of the run.
        let ends = Ends::all(outcome.observers);
        assert_eq!(ends.ends.len(), count);
        for (session, (_, left, _)) in trace.sessions().iter().zip(&ends.ends) {
            assert_eq!(session.departure, *left);
        }
        assert!(counters.deliveries > 10_000 && counters.undeliverable > 10_000, "{counters:?}");
        outcome.digest
    });
    assert_eq!(digests[0], digests[1]);
}
