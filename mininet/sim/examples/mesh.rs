//! Peers of the live engine in the simulator, and how fast that goes.
//!
//! `cargo run --release -p nearcast-sim --example mesh -- PEERS SECONDS [THREADS]`

#[path = "../tests/mesh_nodes/mod.rs"]
mod mesh_nodes;

use std::env;
use std::error::Error;
use std::time::Instant;

use mesh_nodes::{BATCH, Counted, MeshNode, access, with_servers};
use nearcast_engine::mesh::System;
use nearcast_machine::{Seed, Span, Time};
use nearcast_sim::trace::{BandwidthClass, Contribution};
use nearcast_sim::{Delays, Network, NodeSpec, Progress, Settings, Signalling, Simulation, Watch};

struct Stopwatch {
    begun: Instant,
    told: u64,
}

impl Watch for Stopwatch {
    fn elapsed(&mut self) -> Span {
        self.begun.elapsed().into()
    }

    fn progress(&mut self, progress: &Progress) {
        let tenth = progress.now.as_nanos() * 10 / progress.end.as_nanos();
        if tenth > self.told {
            self.told = tenth;
            println!(
                "{:?}, {} nodes, {:.2} M deliveries/s, {} left",
                progress.now,
                progress.nodes,
                progress.deliveries_per_sec() / 1e6,
                Span::from_secs(progress.left().unwrap_or_default().as_millis() / 1_000),
            );
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is a driver")]
fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u64> = env::args().skip(1).map(|n| n.parse()).collect::<Result<_, _>>()?;
    let (peers, seconds, threads) = match numbers[..] {
        [peers, seconds] => (peers, seconds, 1),
        [peers, seconds, threads] => (peers, seconds, threads),
        _ => return Err("usage: mesh PEERS SECONDS [THREADS]".into()),
    };
    let mut rng = Seed::new(4).rng();
    let viewers = (0..peers).map(|index| {
        let mut node = NodeSpec::new(format!("v{index}"));
        node.access = access(BandwidthClass::draw(&mut rng).upload(Contribution::Underloaded));
        node.arrive = Time::ZERO + Span::from_millis(20_000 * index / peers);
        node
    });
    let end = Time::ZERO + Span::from_secs(seconds);
    let settings = Settings { threads: threads as usize, ..Settings::new(Seed::new(1), end) };
    let network = Network {
        delays: Delays::Uniform(Span::from_millis(25)),
        signalling: Signalling::Delayed { loss: Default::default() },
        moderation: BATCH,
        ..Network::default()
    };
    let simulation = Simulation::new(settings, network, with_servers(viewers.collect()))?;
    let make = |id, spec: &NodeSpec, seed| MeshNode::new(id, spec, seed, System::LayerP2p);
    let mut watch = Stopwatch { begun: Instant::now(), told: 0 };
    let outcome = simulation.run(make, Counted::default, &mut watch)?;

    let statistics = outcome.statistics;
    println!("{:#?}\nevent log {:?}", statistics, outcome.digest);
    println!(
        "{:.2} M deliveries/s ({:.2} M of payload), {:.2} s simulated per second",
        statistics.deliveries_per_sec() / 1e6,
        statistics.counters.data_deliveries as f64 / statistics.elapsed.as_secs_f64() / 1e6,
        statistics.speed(),
    );
    for layer in 0..3 {
        let (mut played, mut due) = (0, 0);
        for (_, counted) in outcome.observers.iter().flat_map(|observer| &observer.0) {
            played += counted.layers[layer].played;
            due += counted.layers[layer].due;
        }
        println!("layer {}: {:.4} of {due} chunks in time", layer + 1, played as f64 / due as f64);
    }
    Ok(())
}
