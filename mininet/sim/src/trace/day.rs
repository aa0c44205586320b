use std::iter;

use nearcast_machine::{Rng, Seed, Span, Time};
use rand_distr::{Distribution, Exp1};

use super::bandwidth::BandwidthClass;
use super::lengths::{Lengths, LogNormal};
use super::session::{Session, Trace};

/// The day in bins of a minute.
const BINS: usize = 1_440;
const BIN: f64 = 60.0;
const DAY: f64 = BIN * BINS as f64;

/// A day of one channel, from midnight to midnight, as an arrival process and session lengths.
///
/// Users arrive as a Poisson process whose rate follows from the population that is wanted: it is
/// what makes up, minute by minute, for those who leave. Crowds come on top. The day before is like
/// the day itself; who is still there at midnight arrives at time 0, and who is there at the end
/// leaves then, as in a trace that was recorded from midnight to midnight.
#[derive(Clone, PartialEq, Debug)]
pub struct Day {
    /// The expected population, without crowds: at these hours, and linear between them. It falls
    /// no faster than sessions end.
    pub population: Vec<(f64, f64)>,
    /// Those who come all at once.
    pub crowds: Vec<Crowd>,
    /// How long everybody stays.
    pub lengths: Lengths,
}

/// Many who come at once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Crowd {
    /// When they begin to come, in hours.
    pub hour: f64,
    /// For how many minutes.
    pub minutes: f64,
    /// How many come, on average.
    pub viewers: f64,
}

/// A day that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} must be {allowed}")]
pub struct DayError {
    /// What is wrong.
    pub field: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Day {
    /// A day with the published properties of the CCTV3 day of Liu et al., section VI.A: more than
    /// 100,000 sessions, fewer than 200 to more than 9,000 users at once, sessions from less than a
    /// minute to more than 16 hours, flash crowds, and a peak between 18:00 and 22:00.
    ///
    /// What is not published is chosen: the curve between its ends, when crowds come (on the hour,
    /// when programmes begin), and the lengths between their ends.
    pub fn cctv3() -> Day {
        let crowd = |hour, viewers| Crowd { hour, minutes: 1.0, viewers };
        Day {
            population: vec![
                (0.0, 2_100.0),
                (1.0, 1_300.0),
                (2.0, 820.0),
                (3.0, 530.0),
                (4.0, 350.0),
                (5.0, 225.0),
                (6.0, 155.0),
                (6.3, 165.0),
                (7.0, 450.0),
                (8.0, 900.0),
                (9.0, 1_300.0),
                (11.0, 1_800.0),
                (12.5, 2_600.0),
                (14.0, 2_000.0),
                (16.0, 1_900.0),
                (17.0, 2_500.0),
                (18.0, 4_000.0),
                (19.0, 6_000.0),
                (20.0, 8_200.0),
                (21.0, 9_100.0),
                (21.5, 8_600.0),
                (22.5, 5_600.0),
                (24.0, 2_100.0),
            ],
            crowds: vec![crowd(12.0, 500.0), crowd(18.5, 1_200.0), crowd(20.0, 1_500.0)],
            lengths: Lengths {
                least: 2.0,
                parts: vec![
                    // They look in.
                    (0.38, LogNormal { median: 60.0, sigma: 1.0 }),
                    // They watch.
                    (0.618, LogNormal { median: 2_280.0, sigma: 0.8 }),
                    // They leave it on.
                    (0.002, LogNormal { median: 36_000.0, sigma: 0.4 }),
                ],
            },
        }
    }

    /// Draws the sessions of a day with `scale` times as many users.
    ///
    /// # Errors
    /// If the day, or `scale`, is not what it has to be.
    pub fn generate(&self, seed: Seed, scale: f64) -> Result<Trace, DayError> {
        self.validate(scale)?;
        let rates: Vec<f64> = self.arrivals().iter().map(|rate| rate * scale).collect();
        let (mut when, mut stay) = (seed.derive("arrivals").rng(), seed.derive("lengths").rng());
        let mut class = seed.derive("bandwidth").rng();
        let mut sessions = Vec::new();
        for (day, arrival) in poisson(&rates, &mut when) {
            let length = self.lengths.draw(&mut stay);
            let capacity = BandwidthClass::draw(&mut class).capacity();
            let begin = arrival - if day == 0 { DAY } else { 0.0 };
            let [arrival, departure] = [begin.max(0.0), (begin + length).min(DAY)].map(whole);
            // Also those of the day before who are gone by midnight.
            if departure > arrival {
                let id = format!("u{}", sessions.len() + 1).into();
                sessions.push(Session { id, arrival, departure, capacity: Some(capacity) });
            }
        }
        Ok(Trace::new(sessions)
            .unwrap_or_else(|(_, fault)| unreachable!("ids are distinct: {fault}")))
    }

    fn validate(&self, scale: f64) -> Result<(), DayError> {
        let check = |fits: bool, field, allowed| match fits {
            true => Ok(()),
            false => Err(DayError { field, allowed }),
        };
        let within = |range: std::ops::RangeInclusive<f64>, value: f64| range.contains(&value);
        check(within(0.0..=100.0, scale), "scale", "0 to 100")?;
        let hours = self.population.iter().all(|(hour, _)| within(0.0..=24.0, *hour));
        let ascending = self.population.is_sorted_by(|a, b| a.0 < b.0);
        let ends = self.population.first().is_some_and(|(hour, _)| *hour == 0.0)
            && self.population.last().is_some_and(|(hour, _)| *hour == 24.0);
        let allowed = "a curve over ascending hours from 0 to 24";
        check(hours && ascending && ends, "population", allowed)?;
        let counts = self.population.iter().all(|(_, count)| within(0.0..=1e6, *count));
        check(counts, "population", "0 to 1,000,000 at every hour")?;
        let crowds = self.crowds.iter().all(|crowd| {
            within(0.0..=1e6, crowd.viewers)
                && within(0.1..=600.0, crowd.minutes)
                && within(0.0..=24.0, crowd.hour + crowd.minutes / 60.0)
                && crowd.hour >= 0.0
        });
        check(
            crowds,
            "crowds",
            "of at most 1,000,000 viewers, in 0.1 to 600 minutes, within the day",
        )?;
        let parts = self.lengths.parts.iter().all(|(weight, part)| {
            within(0.0..=1e6, *weight)
                && within(1.0..=DAY, part.median)
                && within(0.01..=5.0, part.sigma)
        });
        let weight: f64 = self.lengths.parts.iter().map(|(weight, _)| weight).sum();
        let allowed = "parts with weights, medians from 1 s to a day and deviations from 0.01 to 5";
        check(parts && weight > 0.0 && self.lengths.parts.len() <= 100, "lengths", allowed)?;
        check(within(0.0..=3_600.0, self.lengths.least), "lengths.least", "0 to 3600 seconds")
    }

    /// Expected arrivals in each minute, such that the expected population is the curve, and
    /// crowds.
    fn arrivals(&self) -> Vec<f64> {
        // The mean chance that somebody who arrived in one bin is there at the end of the k-th
        // after it; by Simpson's rule.
        let stays: Vec<f64> = (0..2 * BINS)
            .map(|bin| {
                let at = |part: f64| self.lengths.exceeds((bin as f64 + part) * BIN);
                (at(0.0) + 4.0 * at(0.5) + at(1.0)) / 6.0
            })
            .collect();
        let mut rates = vec![0.0; BINS];
        // The day before has the rates that are sought, so they are a fixed point: each time, what
        // is left of the day before last counts for less. A day is long for most sessions.
        for _ in 0..4 {
            let before = rates.clone();
            for bin in 0..BINS {
                let earlier: f64 = (0..bin).map(|other| rates[other] * stays[bin - other]).sum();
                let left: f64 =
                    (0..BINS).map(|other| before[other] * stays[bin + BINS - other]).sum();
                let missing = self.wanted(bin + 1) - earlier - left;
                rates[bin] = (missing / stays[0]).max(0.0);
            }
        }
        for crowd in &self.crowds {
            let (begin, end) = (crowd.hour * 60.0, crowd.hour * 60.0 + crowd.minutes);
            for (bin, rate) in rates.iter_mut().enumerate() {
                let overlap = end.min(bin as f64 + 1.0) - begin.max(bin as f64);
                *rate += crowd.viewers * overlap.max(0.0) / crowd.minutes;
            }
        }
        rates
    }

    /// The curve at the beginning of a bin.
    fn wanted(&self, bin: usize) -> f64 {
        let hour = bin as f64 / 60.0;
        let next = self.population.partition_point(|(knot, _)| *knot < hour).max(1);
        let [(h0, n0), (h1, n1)] = [self.population[next - 1], self.population[next]];
        n0 + (n1 - n0) * (hour - h0) / (h1 - h0)
    }
}

/// To the millisecond, as the trace is written.
fn whole(secs: f64) -> Time {
    Time::ZERO + Span::from_millis((secs * 1e3) as u64)
}

/// A Poisson process whose rate is constant in each bin, over two days that are alike: which day,
/// and seconds since its midnight. Exponential gaps in a time that passes as fast as people arrive.
fn poisson<'a>(rates: &'a [f64], rng: &'a mut Rng) -> impl Iterator<Item = (usize, f64)> {
    let mut arrivals = Arrivals { rates, rng, bin: 0, used: 0.0 };
    iter::from_fn(move || arrivals.next())
}

struct Arrivals<'a> {
    rates: &'a [f64],
    rng: &'a mut Rng,
    bin: usize,
    /// How much of the bin's arrivals has been used.
    used: f64,
}

impl Arrivals<'_> {
    fn next(&mut self) -> Option<(usize, f64)> {
        let mut gap: f64 = Exp1.sample(self.rng);
        loop {
            if self.bin == 2 * BINS {
                return None;
            }
            let rate = self.rates[self.bin % BINS];
            if gap < rate - self.used {
                self.used += gap;
                let bins = (self.bin % BINS) as f64 + self.used / rate;
                return Some((self.bin / BINS, bins * BIN));
            }
            gap -= rate - self.used;
            (self.bin, self.used) = (self.bin + 1, 0.0);
        }
    }
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
