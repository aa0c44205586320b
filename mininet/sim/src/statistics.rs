use nearcast_machine::{Span, Time};
use serde::Serialize;

use crate::observer::ratio;

/// What a run did, counted. Everything here but the two peaks is the same for every number of
/// threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Nodes that came.
    pub nodes_came: u64,
    /// Nodes that left before the end.
    pub nodes_left: u64,
    /// The most nodes at once; with several threads the sum of each one's peak, an upper bound.
    pub nodes_peak: u64,
    /// Messages handed to the network.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Messages handed to their receivers.
    pub deliveries: u64,
    /// Of these, payload.
    pub data_deliveries: u64,
    /// Of these, signalling.
    pub signal_deliveries: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Messages that found the sender's uplink queue full.
    pub dropped_up: u64,
    /// Messages that found the receiver's downlink queue full.
    pub dropped_down: u64,
    /// Messages lost on the way.
    pub lost: u64,
    /// Messages to a node that was not there.
    pub undeliverable: u64,
    /// Messages on their way when the run ended.
    pub in_flight: u64,
    /// The most messages on their way; with several threads the sum of each one's peak.
    pub in_flight_peak: u64,
    /// Deadlines of machines that came.
    pub expirations: u64,
}

impl Counters {
    pub(crate) fn merge(&mut self, other: &Counters) {
        self.nodes_came += other.nodes_came;
        self.nodes_left += other.nodes_left;
        self.nodes_peak += other.nodes_peak;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.deliveries += other.deliveries;
        self.data_deliveries += other.data_deliveries;
        self.signal_deliveries += other.signal_deliveries;
        self.delivered_bytes += other.delivered_bytes;
        self.dropped_up += other.dropped_up;
        self.dropped_down += other.dropped_down;
        self.lost += other.lost;
        self.undeliverable += other.undeliverable;
        self.in_flight += other.in_flight;
        self.in_flight_peak += other.in_flight_peak;
        self.expirations += other.expirations;
    }
}

/// What a run did and how fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// What it did.
    pub counters: Counters,
    /// Virtual time from start to end, or to where it was stopped.
    pub simulated: Span,
    /// Real time, by the [`Watch`](crate::Watch).
    pub elapsed: Span,
    /// Threads that it ran on: one, whatever was asked for, if signalling or the core takes no time
    /// (threads then cannot run ahead of each other).
    pub threads: usize,
    /// Windows in which the threads ran.
    pub windows: u64,
}

impl Statistics {
    /// Messages handed to nodes per second of real time; 0 if nobody watched.
    pub fn deliveries_per_sec(&self) -> f64 {
        ratio(self.counters.deliveries as f64, self.elapsed)
    }

    /// Seconds simulated per second of real time; 0 if nobody watched.
    pub fn speed(&self) -> f64 {
        ratio(self.simulated.as_secs_f64(), self.elapsed)
    }

    /// When the run ended.
    pub fn end(&self) -> Time {
        Time::ZERO + self.simulated
    }
}
