//! Upload that gives way to other traffic, by the queueing that it causes, as LEDBAT does (RFC
//! 6817).
//!
//! LEDBAT has a congestion window for each path and one sample per packet. Here the upload of all
//! neighbours is one rate already, what they share is the peer's own access link, and each
//! neighbour gives a sample or so per round; so it is the rate that is moved, once a round, towards
//! the target delay, in proportion to how far off that is.

use nearcast_machine::{Bitrate, Span, Time};

/// For how many minutes the least round trip is remembered (BASE_HISTORY).
const HISTORY: usize = 10;
const MINUTE: u64 = 60_000_000_000;

/// What the rate rises by per round at most, as a share of its limit.
const GAIN: f64 = 1.0 / 8.0;
/// What it falls by per round at most, as a share of itself.
const FALL: f64 = 1.0 / 2.0;
/// The share of the limit below which nobody's traffic makes it fall, or it could not be told any
/// more when that ends.
const FLOOR: f64 = 1.0 / 16.0;

/// The round trips to one neighbour, in us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// The least of each of the last minutes.
    base: [u32; HISTORY],
    minute: u64,
    /// The least of this round; least, as what a busy host adds is no queue.
    now: u32,
}

impl Default for Path {
    fn default() -> Path {
        Path { base: [u32::MAX; HISTORY], minute: 0, now: u32::MAX }
    }
}

impl Path {
    /// Takes a round trip.
    pub(super) fn sample(&mut self, now: Time, span: Span) {
        let micros = u32::try_from(span.as_nanos() / 1000).unwrap_or(u32::MAX);
        let minute = now.as_nanos() / MINUTE;
        for passed in (self.minute..minute).take(HISTORY) {
            self.base[((passed + 1) % HISTORY as u64) as usize] = u32::MAX;
        }
        self.minute = self.minute.max(minute);
        let base = &mut self.base[(self.minute % HISTORY as u64) as usize];
        *base = micros.min(*base);
        self.now = self.now.min(micros);
    }

    /// Ends a round: the queueing delay in it, in us; `None` if nothing was heard.
    pub(super) fn round(&mut self) -> Option<u32> {
        let now = std::mem::replace(&mut self.now, u32::MAX);
        let base = self.base.iter().copied().min()?;
        (now != u32::MAX).then(|| now.saturating_sub(base))
    }
}

/// The rate that is used of what was granted.
#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    rate: f64,
}

impl Pace {
    pub(super) fn new(limit: Bitrate) -> Pace {
        let limit = limit.bits_per_sec() as f64;
        Pace { limit, rate: limit }
    }

    /// Ends a round in which paths had these queueing delays; answers the rate of the next one.
    ///
    /// What all of them have in common is the queue before the own access link. Others' links add
    /// to some of them, so the lower quartile is taken.
    pub(super) fn round(&mut self, delays: &mut [u32], target: Span) -> Bitrate {
        let target = target.as_nanos() as f64 / 1000.0;
        if target > 0.0 && !delays.is_empty() {
            delays.sort_unstable();
            let queue = f64::from(delays[delays.len() / 4]);
            let off = ((target - queue) / target).max(-1.0);
            self.rate += if off >= 0.0 { self.limit * GAIN * off } else { self.rate * FALL * off };
            self.rate = self.rate.clamp(self.limit * FLOOR, self.limit);
        }
        self.rate()
    }

    pub(super) fn rate(&self) -> Bitrate {
        Bitrate::from_bits_per_sec(self.rate.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Span = Span::from_millis(100);

    /// An access link of 1 Mbit/s with a queue of a second, used by the mesh and by somebody else,
    /// over rounds of a second: what the mesh got in each, and the delay of the queue then, in ms.
    fn share(limit_kbit: u64, others_kbit: impl Fn(u64) -> f64, rounds: u64) -> Vec<(f64, f64)> {
        let mut pace = Pace::new(Bitrate::from_bits_per_sec(limit_kbit * 1000));
        let mut paths = [Path::default(); 5];
        let mut queue: f64 = 0.0;
        // Neighbours are met before much is sent to them.
        for (path, n) in paths.iter_mut().zip(0..) {
            path.sample(Time::ZERO, Span::from_millis(20 + 10 * n));
        }
        let round = |at: u64| {
            let used = pace.rate().bits_per_sec() as f64 / 1000.0;
            queue = (queue + used + others_kbit(at) - 1000.0).clamp(0.0, 1000.0);
            let now = Time::ZERO + Span::from_secs(at);
            for (path, n) in paths.iter_mut().zip(0..) {
                // Two of five are behind a full queue of their own.
                let theirs = if n < 2 { 400 } else { 0 };
                let propagation = 20 + 10 * n + if at < 5 { 0 } else { theirs };
                path.sample(now, Span::from_micros(1000 * propagation + (1000.0 * queue) as u64));
            }
            let mut delays: Vec<u32> = paths.iter_mut().filter_map(Path::round).collect();
            pace.round(&mut delays, TARGET);
            (used, queue)
        };
        (0..rounds).map(round).collect()
    }

    fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = of.len() as f64;
        of.sum::<f64>() / count
    }

    #[test]
    fn alone_on_its_link_it_takes_what_was_granted() {
        let rounds = share(800, |_| 0.0, 200);
        assert!(rounds.iter().all(|(used, queue)| (*used, *queue) == (800.0, 0.0)));
    }

    #[test]
    fn a_grant_beyond_the_link_fills_the_link_and_not_its_queue() {
        let rounds = share(2000, |_| 0.0, 400);
        let settled = &rounds[200..];
        let (used, queue) = (settled.iter().map(|r| r.0), settled.iter().map(|r| r.1));
        assert!((950.0..=1050.0).contains(&mean(used)), "{settled:?}");
        assert!(mean(queue) < 150.0, "{settled:?}");
    }

    #[test]
    fn it_gives_way_to_a_player_and_comes_back() {
        let plays = |at| if (100..300).contains(&at) { 700.0 } else { 0.0 };
        let rounds = share(900, plays, 500);
        let while_played = &rounds[120..300];
        let used = mean(while_played.iter().map(|r| r.0));
        assert!((250.0..=320.0).contains(&used), "it takes what is left: {used} kbit/s");
        assert!(mean(while_played.iter().map(|r| r.1)) < 150.0, "{while_played:?}");
        assert!(rounds[320..].iter().all(|(used, _)| *used == 900.0));
    }

    #[test]
    fn one_that_is_crowded_out_keeps_a_little_and_comes_back() {
        let rounds = share(800, |at| if at < 300 { 2000.0 } else { 0.0 }, 400);
        assert_eq!(rounds[299].0, 50.0);
        assert_eq!(rounds[399].0, 800.0);
    }

    #[test]
    fn a_longer_way_becomes_the_base_after_ten_minutes() {
        let mut path = Path::default();
        let mut delay = |second, millis| {
            path.sample(Time::ZERO + Span::from_secs(second), Span::from_millis(millis));
            path.round()
        };
        assert_eq!(delay(0, 20), Some(0));
        for second in 1..600 {
            assert_eq!(delay(second, 50), Some(30_000), "{second}");
        }
        assert_eq!(delay(601, 50), Some(0));
        assert_eq!(delay(100_000, 90), Some(0), "after a pause nothing is known");
        assert_eq!(path.round(), None);
    }
}
