//! The viewer's side: many ways in, one sequence out.

mod api;
mod settings;

use std::collections::VecDeque;

use nearcast_machine::{Machine, Rng, Seed, Time};
use nearcast_media::StreamName;

pub use api::{Cause, CdnState, Counters, Event, Input, Output, Path, Release, Way};
pub use settings::Settings;

/// One stream as one viewer plays it.
#[derive(Debug)]
pub struct Viewer {
    stream: StreamName,
    settings: Settings,
    rng: Rng,
    counters: Counters,
    path: Path,
    outputs: VecDeque<Output>,
}

impl Viewer {
    /// A viewer of `stream` that has nothing yet. RTMP should be playing, or about to.
    pub fn new(stream: StreamName, settings: Settings, seed: Seed) -> Viewer {
        Viewer {
            stream,
            settings,
            rng: seed.derive("viewer").rng(),
            counters: Counters::default(),
            path: Path::Starting,
            outputs: VecDeque::new(),
        }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Which way is relied on at the moment.
    pub fn path(&self) -> Path {
        self.path
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a peering is in force, its lease not run out.
    pub fn peered(&self) -> bool {
        false
    }
}

impl Machine for Viewer {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, _now: Time, _input: Input) {}

    fn expire(&mut self, _now: Time) {}

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}
