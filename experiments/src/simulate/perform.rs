//! One population under one system, from beginning to end.

use std::time::Instant;

use indicatif::ProgressBar;
use nearcast_engine::mesh::System;
use nearcast_machine::{Seed, Span, Time};
use nearcast_sim::trace::Contribution;
use nearcast_sim::{
    Delays, Network, NodeId, NodeSpec, Progress, Settings, Signalling, Simulation, Watch,
};

use super::collect::{Collector, series};
use super::node::{FULL_RATE, MeshNode, SERVERS, STEP, servers};
use super::population::Peers;
use super::result::{Cost, Session, SimRun};
use crate::Failure;
use crate::world::Shutdown;

/// How a run goes, whoever is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) threads: usize,
    /// Where in its population's time a run begins.
    pub(super) from: Span,
    pub(super) duration: Span,
    /// Of the core, for chunks and signalling alike; at zero signalling is there at once, as in the
    /// paper.
    pub(super) delay: Span,
    pub(super) contribution: Contribution,
}

/// Where real time comes in: the progress line, and Ctrl-C.
struct Live<'a> {
    begun: Instant,
    bar: &'a ProgressBar,
    shutdown: Shutdown,
    from: Span,
}

impl Watch for Live<'_> {
    fn elapsed(&mut self) -> Span {
        self.begun.elapsed().into()
    }

    fn progress(&mut self, progress: &Progress) {
        let clock = (self.from + progress.now.since(Time::ZERO)).as_nanos() / 1_000_000_000;
        let left = progress.left().unwrap_or_default().as_nanos() / 1_000_000_000;
        self.bar.set_position(progress.now.as_nanos() / 1_000_000);
        self.bar.set_message(format!(
            "{:02}:{:02}:{:02}  {} peers  {:.2} M deliveries/s  {}:{:02}:{:02} left",
            clock / 3600,
            clock / 60 % 60,
            clock % 60,
            progress.nodes.saturating_sub(SERVERS as u64),
            progress.deliveries_per_sec() / 1e6,
            left / 3600,
            left / 60 % 60,
            left % 60
        ));
    }

    fn stops(&mut self) -> bool {
        self.shutdown.requested()
    }
}

/// Simulates; ends early, with what there is, once `shutdown` is requested.
pub(super) fn perform(
    plan: &Plan,
    population: &str,
    peers: &Peers,
    system: System,
    bar: &ProgressBar,
    shutdown: Shutdown,
) -> Result<SimRun, Failure> {
    let end = Time::ZERO + plan.duration;
    // A day in minutes; a short run in no fewer than twenty steps.
    let every = Span::from_secs((plan.duration / 20).as_millis().div_ceil(1000).clamp(1, 60));
    let settings = Settings {
        threads: plan.threads,
        sample_every: Some(every),
        ..Settings::new(Seed::new(plan.seed), end)
    };
    let network = Network {
        delays: Delays::Uniform(plan.delay),
        signalling: match plan.delay {
            Span::ZERO => Signalling::Instant,
            _ => Signalling::Delayed { loss: Default::default() },
        },
        moderation: STEP,
        ..Network::default()
    };
    let nodes = servers().into_iter().chain(peers.specs.iter().cloned()).collect();
    let simulation = Simulation::new(settings, network, nodes)?;
    let upload = |id: NodeId| {
        let class = id.index().checked_sub(SERVERS).map(|viewer| peers.classes[viewer]);
        class.map(|class| class.upload(plan.contribution)).unwrap_or_default()
    };
    let make = |id: NodeId, _: &NodeSpec, seed: Seed| MeshNode::new(id, upload(id), seed, system);
    bar.set_length(plan.duration.as_millis());
    let mut watch = Live { begun: Instant::now(), bar, shutdown, from: plan.from };
    let outcome = simulation.run(make, || Collector::new(every), &mut watch)?;

    let mut ended: Vec<_> = outcome.observers.iter().flat_map(|part| &part.ended).collect();
    ended.sort_unstable_by_key(|(node, ..)| *node);
    let session = |&&(node, when, ref statistics): &&(NodeId, Time, _)| {
        let viewer = node.index() - SERVERS;
        let statistics: &nearcast_engine::mesh::Statistics = statistics;
        let arrive = peers.specs[viewer].arrive;
        let of = |what: fn(&nearcast_engine::mesh::LayerStatistics) -> u64| {
            std::array::from_fn(|layer| what(&statistics.layers[layer]))
        };
        Session {
            class_kbit: (peers.classes[viewer].capacity().bits_per_sec() / 1000) as u32,
            upload_kbit: (upload(node).bits_per_sec() / 1000) as u32,
            arrive_s: (plan.from + arrive.since(Time::ZERO)).as_secs_f64(),
            stay_s: when.since(arrive).as_secs_f64(),
            due: of(|layer| layer.due),
            played: of(|layer| layer.played),
            bytes: statistics.layers.iter().map(|layer| layer.played_bytes).sum(),
        }
    };
    let sessions: Vec<Session> = ended.iter().map(session).collect();
    let series = series(&outcome.observers, plan.from, every);
    let uploads: f64 = sessions.iter().map(|session| f64::from(session.upload_kbit) * 1e3).sum();
    let statistics = outcome.statistics;
    Ok(SimRun {
        population: population.to_owned(),
        system: system.name().to_owned(),
        resource_index: uploads / FULL_RATE / sessions.len().max(1) as f64,
        peak: series.iter().map(|step| step.peers).max().unwrap_or(0),
        digest: outcome.digest.to_string(),
        cost: Cost {
            simulated_s: statistics.simulated.as_secs_f64(),
            elapsed_s: statistics.elapsed.as_secs_f64(),
            deliveries: statistics.counters.deliveries,
            chunks: statistics.counters.data_deliveries,
            deliveries_per_s: statistics.deliveries_per_sec(),
            speed: statistics.speed(),
            threads: statistics.threads,
        },
        sessions,
        series,
    })
}
