//! Peers of the live engine in the simulator, and how fast that goes.
//!
//! `cargo run --release -p nearcast-swarm --example mesh -- PEERS SECONDS [THREADS]`

use std::env;
use std::error::Error;
use std::time::Instant;

use nearcast_engine::mesh::System;
use nearcast_machine::{Bitrate, Seed, Span, Time};
use nearcast_sim::trace::{BandwidthClass, Contribution};
use nearcast_sim::{
    Delays, Network, NodeId, NodeSpec, Observer, Progress, Settings, Signalling, Simulation, Watch,
};
use nearcast_swarm::{Kit, LAYERS, MeshNode, SERVERS, Stream, StreamText, access, servers};

const SOURCE_RATE: Bitrate = Bitrate::from_bits_per_sec(2_000_000);
const STEP: Span = Span::from_millis(100);

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

/// Of each layer, how many chunks were due to viewers and how many of them played.
#[derive(Default)]
struct Played([(u64, u64); LAYERS]);

impl Observer<MeshNode> for Played {
    fn left(&mut self, _: Time, node: NodeId, machine: MeshNode) {
        let Some(statistics) = machine.statistics().filter(|_| node.index() >= SERVERS) else {
            return;
        };
        for ((due, played), layer) in self.0.iter_mut().zip(&statistics.layers) {
            *due += layer.due;
            *played += layer.played;
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
    let mut draw = || BandwidthClass::draw(&mut rng).upload(Contribution::Underloaded);
    let uploads: Vec<Bitrate> = (0..peers).map(|_| draw()).collect();
    let viewers = uploads.iter().zip(0..).map(|(&upload, index)| NodeSpec {
        access: access(upload),
        arrive: Time::ZERO + Span::from_millis(20_000 * index / peers),
        ..NodeSpec::new(format!("v{index}"))
    });
    let end = Time::ZERO + Span::from_secs(seconds);
    let settings = Settings { threads: threads as usize, ..Settings::new(Seed::new(1), end) };
    let network = Network {
        delays: Delays::Uniform(Span::from_millis(25)),
        signalling: Signalling::Delayed { loss: Default::default() },
        moderation: STEP,
        ..Network::default()
    };
    let stream = Stream::new(&StreamText::default())?;
    let kit = Kit::new(System::LayerP2p, stream, SOURCE_RATE, STEP);
    let simulation =
        Simulation::new(settings, network, servers().into_iter().chain(viewers).collect())?;
    let make = |id: NodeId, _: &NodeSpec, seed| {
        let upload = id.index().checked_sub(SERVERS).map(|viewer| uploads[viewer]);
        MeshNode::new(id, upload.unwrap_or_default(), seed, &kit)
    };
    let mut watch = Stopwatch { begun: Instant::now(), told: 0 };
    let outcome = simulation.run(make, Played::default, &mut watch)?;

    let statistics = outcome.statistics;
    println!("{:#?}\nevent log {:?}", statistics, outcome.digest);
    println!(
        "{:.2} M deliveries/s ({:.2} M of payload), {:.2} s simulated per second",
        statistics.deliveries_per_sec() / 1e6,
        statistics.counters.data_deliveries as f64 / statistics.elapsed.as_secs_f64() / 1e6,
        statistics.speed(),
    );
    for layer in 0..LAYERS {
        let of = |part: fn(&(u64, u64)) -> u64| -> u64 {
            outcome.observers.iter().map(|observer| part(&observer.0[layer])).sum()
        };
        let (due, played) = (of(|counts| counts.0), of(|counts| counts.1));
        println!("layer {}: {:.4} of {due} chunks in time", layer + 1, played as f64 / due as f64);
    }
    Ok(())
}
