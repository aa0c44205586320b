//! What `GET /status` answers.

use std::collections::VecDeque;

use nearcast_machine::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::events::{Path, Role, Summary};

/// The program as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Which one.
    pub role: Role,
    /// CLOCK_REALTIME, ns.
    pub now: u64,
    /// Its streams.
    pub streams: Vec<StreamStatus>,
    /// Counts since the start.
    pub totals: Summary,
}

/// One stream as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// `app/key`
    pub stream: String,
    /// Unix seconds when the publish began; nothing before the first unit.
    pub epoch: Option<u64>,
    /// The latest unit that went through.
    pub unit: Option<u64>,
    /// Media bits per second over the last two seconds.
    pub rate: u64,
    /// Readers of it here: players, or the connection to the CDN.
    pub readers: usize,
    /// Whether a peering is in force.
    pub peered: bool,
    /// Which way a viewer relies on.
    pub way: Option<Path>,
    /// Whether the CDN has accepted us.
    pub at_cdn: bool,
}

/// How long a rate is measured.
const WINDOW: Span = Span::from_secs(2);
/// Most messages remembered for it.
const REMEMBERED: usize = 4096;

/// Bytes of media over the last moments.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    recent: VecDeque<(Time, usize)>,
    sum: usize,
}

impl Rate {
    /// `bytes` went through at `now`.
    pub(crate) fn add(&mut self, now: Time, bytes: usize) {
        self.recent.push_back((now, bytes));
        self.sum += bytes;
        self.forget(now);
    }

    /// Bits per second.
    pub(crate) fn bits_per_sec(&mut self, now: Time) -> u64 {
        self.forget(now);
        (self.sum as f64 * 8.0 / WINDOW.as_secs_f64()) as u64
    }

    fn forget(&mut self, now: Time) {
        while let Some(&(at, bytes)) = self.recent.front() {
            if now.since(at) < WINDOW && self.recent.len() <= REMEMBERED {
                break;
            }
            self.sum -= bytes;
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_two_seconds() {
        let mut rate = Rate::default();
        for tick in 0..100 {
            rate.add(Time::ZERO + Span::from_millis(100) * tick, 1250);
        }
        let end = Time::ZERO + Span::from_millis(9_900);
        assert_eq!(rate.bits_per_sec(end), 100_000);
        assert_eq!(rate.bits_per_sec(end + Span::from_secs(1)), 50_000);
        assert_eq!(rate.bits_per_sec(end + Span::from_secs(9)), 0);
    }
}
