//! What is kept of a simulation while it runs: sums in steps, and what each peer counted.

use nearcast_engine::mesh::Statistics;
use nearcast_machine::{Span, Time};
use nearcast_sim::{NodeId, Observer};
use nearcast_swarm::{LAYERS, MeshNode, SOURCE, Started};

use super::result::Step;

/// Due and played, by layer.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    peers: u64,
    due: [u64; LAYERS],
    played: [u64; LAYERS],
}

impl Sums {
    fn add(&mut self, statistics: &Statistics) {
        for (layer, figures) in statistics.layers[..LAYERS].iter().enumerate() {
            self.due[layer] += figures.due;
            self.played[layer] += figures.played;
        }
    }

    fn merge(&mut self, other: &Sums) {
        self.peers += other.peers;
        for layer in 0..LAYERS {
            self.due[layer] += other.due[layer];
            self.played[layer] += other.played[layer];
        }
    }
}

/// The observer of one thread.
#[derive(Debug)]
pub(super) struct Collector {
    every: Span,
    /// What those had counted who were there at each step.
    there: Vec<Sums>,
    /// What those had counted who left before each step and after the one before.
    gone: Vec<Sums>,
    /// What each counted by its end, and when that was.
    pub(super) ended: Vec<(NodeId, Time, Statistics)>,
    /// When each played its first chunk.
    pub(super) started: Vec<(NodeId, Time)>,
    /// What the source had counted by the end.
    pub(super) source: Option<Statistics>,
}

impl Collector {
    pub(super) fn new(every: Span) -> Collector {
        let (there, gone) = (Vec::new(), Vec::new());
        Collector { every, there, gone, ended: Vec::new(), started: Vec::new(), source: None }
    }
}

fn at(sums: &mut Vec<Sums>, step: u64) -> &mut Sums {
    let step = step as usize;
    if sums.len() <= step {
        sums.resize(step + 1, Sums::default());
    }
    &mut sums[step]
}

impl Observer<MeshNode> for Collector {
    fn event(&mut self, now: Time, node: NodeId, _: Started) {
        self.started.push((node, now));
    }

    fn sample(&mut self, now: Time, node: NodeId, machine: &MeshNode) {
        if let Some(statistics) = machine.statistics().filter(|_| node.index() != SOURCE) {
            let sums = at(&mut self.there, now.as_nanos() / self.every.as_nanos());
            sums.peers += 1;
            sums.add(statistics);
        }
    }

    fn left(&mut self, now: Time, node: NodeId, machine: MeshNode) {
        let Some(statistics) = machine.statistics() else { return };
        if node.index() == SOURCE {
            self.source = Some(*statistics);
        } else {
            // Who leaves at a step was there for it.
            at(&mut self.gone, now.as_nanos() / self.every.as_nanos() + 1).add(statistics);
            self.ended.push((node, now, *statistics));
        }
    }
}

/// The steps of a run that began at `from` of its population's time, from what its threads kept.
pub(super) fn series(collectors: &[Collector], from: Span, every: Span) -> Vec<Step> {
    let steps = collectors.iter().map(|part| part.there.len()).max().unwrap_or(0);
    let (mut gone, mut before) = (Sums::default(), Sums::default());
    let mut series = Vec::with_capacity(steps);
    for step in 0..steps {
        let mut total = Sums::default();
        for part in collectors {
            part.gone.get(step).inspect(|sums| gone.merge(sums));
            part.there.get(step).inspect(|sums| total.merge(sums));
        }
        total.merge(&gone);
        let less = |now: [u64; LAYERS], then: [u64; LAYERS]| {
            // Of a peer that follows others' playback position, chunks can cease to be due.
            std::array::from_fn(|layer| now[layer].saturating_sub(then[layer]))
        };
        series.push(Step {
            at_s: (from + every * step as u64).as_secs_f64(),
            peers: total.peers,
            due: less(total.due, before.due),
            played: less(total.played, before.played),
        });
        before = total;
    }
    series
}
