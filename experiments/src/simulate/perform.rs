//! One population under one system, from beginning to end.

use std::time::Instant;

use indicatif::ProgressBar;
use nearcast_engine::mesh::{self, System};
use nearcast_machine::{Bitrate, Seed, Span, Time};
use nearcast_sim::{NodeId, NodeSpec, Progress, Settings, Simulation, Watch};
use nearcast_swarm::{MeshNode, SERVERS, servers};

use super::collect::{Collector, Sums, series};
use super::population::Peers;
use super::result::{Cost, Group, Session, SimRun};
use super::scenario::SimScenario;
use crate::Failure;
use crate::world::Shutdown;

/// How a run goes, whoever is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) threads: usize,
    /// Where in its population's time a run begins.
    pub(super) from: Span,
}

/// How often there is a line of progress where no terminal is.
const LINE_EVERY: Span = Span::from_secs(60);

/// What a whole progress bar is.
const BAR: u64 = 1000;

/// Where real time comes in: the progress line, and Ctrl-C.
struct Live<'a> {
    begun: Instant,
    bar: &'a ProgressBar,
    shutdown: Shutdown,
    from: Span,
    /// When the next line is due.
    line_at: Span,
}

impl Watch for Live<'_> {
    fn elapsed(&mut self) -> Span {
        self.begun.elapsed().into()
    }

    fn progress(&mut self, progress: &Progress) {
        let clock = (self.from + progress.now.since(Time::ZERO)).as_nanos() / 1_000_000_000;
        let left = progress.left().unwrap_or_default().as_nanos() / 1_000_000_000;
        let line = format!(
            "{:02}:{:02}:{:02}  {} peers  {:.2} M deliveries/s  {}:{:02}:{:02} left",
            clock / 3600,
            clock / 60 % 60,
            clock % 60,
            progress.nodes.saturating_sub(SERVERS as u64),
            progress.deliveries_per_sec() / 1e6,
            left / 3600,
            left / 60 % 60,
            left % 60
        );
        if self.bar.is_hidden() && progress.elapsed >= self.line_at {
            self.line_at = progress.elapsed + LINE_EVERY;
            eprintln!("{}  {:3.0} %  {line}", self.bar.prefix(), progress.done * 100.0);
        }
        self.bar.set_position((progress.done * BAR as f64) as u64);
        self.bar.set_message(line);
    }

    fn stops(&mut self) -> bool {
        self.shutdown.requested()
    }
}

/// Simulates; ends early, with what there is, once `shutdown` is requested.
pub(super) fn perform(
    scenario: &SimScenario,
    plan: &Plan,
    population: &str,
    peers: &Peers,
    system: System,
    bar: &ProgressBar,
    shutdown: Shutdown,
) -> Result<SimRun, Failure> {
    let end = Time::ZERO + peers.duration;
    // A day in minutes; a short run in no fewer than twenty steps.
    let every = Span::from_secs((peers.duration / 20).as_millis().div_ceil(1000).clamp(1, 60));
    let settings = Settings {
        threads: plan.threads,
        sample_every: Some(every),
        ..Settings::new(Seed::new(plan.seed), end)
    };
    let network = scenario.core.network(scenario.step);
    let mut nodes: Vec<NodeSpec> =
        servers().into_iter().chain(peers.specs.iter().cloned()).collect();
    scenario.core.place(&mut nodes, &mut Seed::new(plan.seed).derive("places").rng());
    let simulation = Simulation::new(settings, network, nodes)?;
    let kit = scenario.kit(system)?;
    let upload = |id: NodeId| {
        let means = id.index().checked_sub(SERVERS).map(|viewer| peers.means[viewer]);
        means.map(|means| means.upload).unwrap_or_default()
    };
    let make = |id: NodeId, _: &NodeSpec, seed: Seed| MeshNode::new(id, upload(id), seed, &kit);
    bar.set_length(BAR);
    let begun = Instant::now();
    let mut watch = Live { begun, bar, shutdown, from: plan.from, line_at: LINE_EVERY };
    let outcome = simulation.run(make, || Collector::new(&peers.specs, every), &mut watch)?;

    let sessions = sessions(scenario, plan, peers, &outcome.observers);
    let series = series(&outcome.observers, plan.from, every);
    let sum = |what: fn(&Session) -> f64| sessions.iter().map(what).sum::<f64>();
    let source = outcome.observers.iter().find_map(|part| part.source).unwrap_or_default();
    let served = sum(|session| session.served as f64);
    let statistics = outcome.statistics;
    Ok(SimRun {
        population: population.to_owned(),
        system: system.name().to_owned(),
        resource_index: peers.resource_index,
        uploaded: sum(|session| session.served_bytes as f64) * 8e-3
            / sum(|session| session.upload_kbit * session.stay_s).max(f64::MIN_POSITIVE),
        offload: served / (served + source.served as f64).max(1.0),
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

/// What became of each peer, in the order of the population.
fn sessions(
    scenario: &SimScenario,
    plan: &Plan,
    peers: &Peers,
    collectors: &[Collector<'_>],
) -> Vec<Session> {
    let mut started = vec![None; peers.specs.len()];
    for &(node, when) in collectors.iter().flat_map(|part| &part.started) {
        if let Some(viewer) = node.index().checked_sub(SERVERS) {
            started[viewer] = Some(when);
        }
    }
    let mut ended: Vec<_> = collectors.iter().flat_map(|part| &part.ended).collect();
    ended.sort_unstable_by_key(|(node, ..)| *node);
    let session = |&(node, when, ref statistics): &(NodeId, Time, mesh::Statistics)| {
        let viewer = node.index() - SERVERS;
        let (arrive, means) = (peers.specs[viewer].arrive, peers.means[viewer]);
        let kbit = |rate: Bitrate| rate.bits_per_sec() as f64 / 1e3;
        let counted = Sums::of(statistics);
        let then = collectors.iter().find_map(|part| part.settled.get(&node));
        let settled = then.map(|then| counted.since(then)).unwrap_or_default();
        Session {
            group: Group::of(kbit(means.upload), scenario.stream.kbit()),
            class_kbit: kbit(means.capacity),
            upload_kbit: kbit(means.upload),
            arrive_s: (plan.from + arrive.since(Time::ZERO)).as_secs_f64(),
            stay_s: when.since(arrive).as_secs_f64(),
            startup_s: started[viewer].map(|first: Time| first.since(arrive).as_secs_f64()),
            due: counted.due,
            played: counted.played,
            settled_due: settled.due,
            settled_played: settled.played,
            bytes: statistics.layers.iter().map(|layer| layer.played_bytes).sum(),
            received: statistics.chunks_neighbours,
            served: statistics.served,
            served_bytes: statistics.served_bytes,
        }
    };
    ended.into_iter().map(session).collect()
}
