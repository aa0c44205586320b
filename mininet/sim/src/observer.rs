use nearcast_machine::{Span, Time};

use crate::{Node, NodeId};

/// What becomes of a run: is told what happens, and keeps what it wants.
///
/// Every thread has its own, which sees the nodes of that thread; the run returns them all. So that
/// a result does not depend on the number of threads, put them together by node or by sums. The
/// calls for one node come in the order of events; between nodes of different threads there is
/// none.
pub trait Observer<N: Node>: Send {
    /// A machine gave `event` out.
    fn event(&mut self, now: Time, node: NodeId, event: N::Event) {
        let _ = (now, node, event);
    }

    /// Every [`Settings::sample_every`](crate::Settings::sample_every): a node that is there, after
    /// all events before `now` and none at it.
    fn sample(&mut self, now: Time, node: NodeId, machine: &N) {
        let _ = (now, node, machine);
    }

    /// A node left, or the run ended with it there: its machine, for a last look.
    fn left(&mut self, now: Time, node: NodeId, machine: N) {
        let _ = (now, node, machine);
    }
}

/// Keeps nothing.
impl<N: Node> Observer<N> for () {}

/// Who watches a run from outside, where time is real: the only door by which a clock comes in.
/// Apart from [`stops`](Watch::stops), no call changes anything in the simulation.
pub trait Watch {
    /// Real time since some fixed point.
    fn elapsed(&mut self) -> Span;

    /// How far the run is; called between windows, many times a second of real time or few.
    fn progress(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// Whether the run is to end here, with what there is; asked after each
    /// [`progress`](Watch::progress). Where it then ends is no longer the same in every run.
    fn stops(&mut self) -> bool {
        false
    }
}

/// Nobody watches: rates are unknown.
impl Watch for () {
    fn elapsed(&mut self) -> Span {
        Span::ZERO
    }
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress {
    /// The simulated clock.
    pub now: Time,
    /// Where the simulated clock will stop.
    pub end: Time,
    /// Nodes that are there.
    pub nodes: u64,
    /// How much of the time that all nodes together spend in the run has passed, from 0 to 1.
    pub done: f64,
    /// Messages handed to nodes so far.
    pub deliveries: u64,
    /// Real time since the start.
    pub elapsed: Span,
}

impl Progress {
    /// Messages handed to nodes per second of real time, so far; 0 if nobody watches.
    pub fn deliveries_per_sec(&self) -> f64 {
        ratio(self.deliveries as f64, self.elapsed)
    }

    /// Real time left, if each node's time costs on what it did so far.
    pub fn left(&self) -> Option<Span> {
        let elapsed = self.elapsed.as_secs_f64();
        let left = || Span::from_secs_f64(elapsed * (1.0 - self.done) / self.done);
        (self.done > 0.0).then(left)
    }
}

/// Per second of real time; 0 if no time has passed.
pub(crate) fn ratio(what: f64, elapsed: Span) -> f64 {
    match elapsed {
        Span::ZERO => 0.0,
        elapsed => what / elapsed.as_secs_f64(),
    }
}
