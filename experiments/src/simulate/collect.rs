//! What is kept of a simulation while it runs: sums in steps, and what each peer counted.

use std::collections::HashMap;

use nearcast_engine::mesh::Statistics;
use nearcast_machine::{Span, Time};
use nearcast_sim::{NodeId, NodeSpec, Observer};
use nearcast_swarm::{LAYERS, MeshNode, SERVERS, SOURCE, Started};

use super::result::Step;

/// How long after it came a peer has settled: Liu et al. V.C, "stable within 100 seconds".
const SETTLED: Span = Span::from_secs(100);

/// Due and played, by layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    peers: u64,
    pub(super) due: [u64; LAYERS],
    pub(super) played: [u64; LAYERS],
}

impl Sums {
    /// Those of one peer.
    pub(super) fn of(statistics: &Statistics) -> Sums {
        let mut sums = Sums { peers: 1, ..Sums::default() };
        sums.add(statistics);
        sums
    }

    /// What was counted since.
    pub(super) fn since(&self, then: &Sums) -> Sums {
        // Of a peer that follows others' playback position, chunks can cease to be due.
        let less = |now: [u64; LAYERS], then: [u64; LAYERS]| {
            std::array::from_fn(|layer| now[layer].saturating_sub(then[layer]))
        };
        Sums {
            peers: self.peers,
            due: less(self.due, then.due),
            played: less(self.played, then.played),
        }
    }

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
pub(super) struct Collector<'a> {
    peers: &'a [NodeSpec],
    every: Span,
    /// What those had counted who were there at each step.
    there: Vec<Sums>,
    /// What those had counted who left before each step and after the one before.
    gone: Vec<Sums>,
    /// What each counted by its end, and when that was.
    pub(super) ended: Vec<(NodeId, Time, Statistics)>,
    /// When each played its first chunk.
    pub(super) started: Vec<(NodeId, Time)>,
    /// What each had counted at the first step at which it had settled.
    pub(super) settled: HashMap<NodeId, Sums>,
    /// What the source had counted by the end.
    pub(super) source: Option<Statistics>,
}

impl<'a> Collector<'a> {
    /// Of these peers, in steps of `every`.
    pub(super) fn new(peers: &'a [NodeSpec], every: Span) -> Collector<'a> {
        Collector {
            peers,
            every,
            there: Vec::new(),
            gone: Vec::new(),
            ended: Vec::new(),
            started: Vec::new(),
            settled: HashMap::new(),
            source: None,
        }
    }

    fn has_settled(&self, now: Time, node: NodeId) -> bool {
        let peer = node.index().checked_sub(SERVERS).map(|viewer| &self.peers[viewer]);
        peer.is_some_and(|peer| now >= peer.arrive + SETTLED)
    }
}

fn at(sums: &mut Vec<Sums>, step: u64) -> &mut Sums {
    let step = step as usize;
    if sums.len() <= step {
        sums.resize(step + 1, Sums::default());
    }
    &mut sums[step]
}

impl Observer<MeshNode> for Collector<'_> {
    fn event(&mut self, now: Time, node: NodeId, _: Started) {
        self.started.push((node, now));
    }

    fn sample(&mut self, now: Time, node: NodeId, machine: &MeshNode) {
        if let Some(statistics) = machine.statistics().filter(|_| node.index() != SOURCE) {
            let sums = at(&mut self.there, now.as_nanos() / self.every.as_nanos());
            let own = Sums::of(statistics);
            sums.merge(&own);
            if self.has_settled(now, node) {
                self.settled.entry(node).or_insert(own);
            }
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
pub(super) fn series(collectors: &[Collector<'_>], from: Span, every: Span) -> Vec<Step> {
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
        let Sums { peers, due, played } = total.since(&before);
        series.push(Step { at_s: (from + every * step as u64).as_secs_f64(), peers, due, played });
        before = total;
    }
    series
}
