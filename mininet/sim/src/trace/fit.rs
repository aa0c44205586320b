use nearcast_machine::{Span, Time};

use super::bandwidth::BandwidthClass;
use super::session::Trace;

/// How a trace compares with what is published of the CCTV3 day (Liu et al., section VI.A), for a
/// report page to show.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// How many sessions there are.
    pub sessions: u64,
    /// Users at once, at the beginning of every minute.
    pub population: Vec<u32>,
    /// Arrivals in every minute; those of the first are mostly users who were there before.
    pub arrivals: Vec<u32>,
    /// The fraction of sessions (first) that last at most so many seconds (second).
    pub lengths: Vec<(f64, f64)>,
    /// The mean length, in seconds.
    pub mean_length: f64,
    /// The fraction of all watching time that the longest tenth of sessions makes up.
    pub longest_tenth: f64,
    /// Peers of each class of bandwidth.
    pub classes: Vec<ClassShare>,
    /// The flash crowds that were found.
    pub crowds: Vec<FlashCrowd>,
    /// What is published, and whether the trace has it.
    pub checks: Vec<Check>,
}

/// A minute with many arrivals.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FlashCrowd {
    /// Which minute of the trace.
    pub minute: usize,
    /// How many arrived.
    pub arrivals: u32,
    /// How many times the median minute of the hour around it that is.
    pub times: f64,
}

/// How many peers have a bandwidth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClassShare {
    /// Total bandwidth in kbit/s.
    pub capacity_kbit_s: u64,
    /// By Table II, the fraction of peers.
    pub published: f64,
    /// In the trace.
    pub ours: f64,
}

/// One published property.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    /// Of what.
    pub property: &'static str,
    /// What is published.
    pub published: String,
    /// What the trace has.
    pub ours: String,
    /// Whether the trace has what is published.
    pub met: bool,
}

/// A crowd is a minute with so many times the arrivals of the median minute around it.
const CROWD_TIMES: f64 = 5.0;
/// And, in a day at full scale, with at least so many.
const CROWD_LEAST: f64 = 100.0;

impl Fit {
    /// Holds `trace` against a day with `scale` times as many users as the published one.
    pub fn of(trace: &Trace, scale: f64) -> Fit {
        let sessions = trace.sessions();
        let (population, arrivals) = per_minute(trace);
        let mut seconds: Vec<f64> =
            sessions.iter().map(|session| session.length().as_secs_f64()).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        let quantile = |fraction: f64| {
            let index = (fraction * seconds.len().saturating_sub(1) as f64).round() as usize;
            seconds.get(index).copied().unwrap_or_default()
        };
        let fractions = (0..=100).map(|percent| f64::from(percent) / 100.0).chain([0.999, 0.9999]);
        let mut lengths: Vec<(f64, f64)> =
            fractions.map(|fraction| (fraction, quantile(fraction))).collect();
        lengths.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let longest: f64 = seconds.iter().rev().take(seconds.len() / 10).sum();
        let all: f64 = seconds.iter().sum();
        let mut fit = Fit {
            sessions: sessions.len() as u64,
            crowds: crowds(&arrivals, scale),
            population,
            arrivals,
            lengths,
            mean_length: all / seconds.len().max(1) as f64,
            longest_tenth: longest / all.max(f64::MIN_POSITIVE),
            classes: classes(trace),
            checks: Vec::new(),
        };
        fit.checks = fit.check(scale);
        fit
    }

    /// Whether the trace has every published property.
    pub fn is_met(&self) -> bool {
        self.checks.iter().all(|check| check.met)
    }

    fn check(&self, scale: f64) -> Vec<Check> {
        let check = |property, published: String, ours: String, met| Check {
            property,
            published,
            ours,
            met,
        };
        let scaled = |count: f64| count * scale;
        let extreme = |minutes: &mut dyn Iterator<Item = (usize, u32)>| {
            minutes.last().map_or((0, 0), |(minute, count)| (count, minute))
        };
        let (least, quietest) = {
            let least = self.population.iter().copied().min().unwrap_or(0);
            extreme(&mut self.population.iter().copied().enumerate().filter(|(_, n)| *n == least))
        };
        let (most, busiest) = {
            let most = self.population.iter().copied().max().unwrap_or(0);
            extreme(&mut self.population.iter().copied().enumerate().filter(|(_, n)| *n == most))
        };
        let shortest = self.lengths.first().map_or(0.0, |(_, secs)| *secs);
        let longest = self.lengths.last().map_or(0.0, |(_, secs)| *secs);
        let minute = |minute: usize| match minute / 1_440 {
            0 => format!("{:02}:{:02}", minute / 60, minute % 60),
            days => format!("{:02}:{:02} of day {}", minute / 60 % 24, minute % 60, days + 1),
        };
        let crowds: Vec<String> = self
            .crowds
            .iter()
            .map(|crowd| {
                format!(
                    "{} ({} in a minute, {:.0} times the usual)",
                    minute(crowd.minute),
                    crowd.arrivals,
                    crowd.times
                )
            })
            .collect();
        let shares = self.classes.iter().map(|class| {
            // Of a sample of this size, in standard deviations.
            let deviation = class.published * (1.0 - class.published) / self.sessions.max(1) as f64;
            (class.ours - class.published).abs() / deviation.sqrt()
        });
        let worst = shares.fold(0.0, f64::max);
        vec![
            check(
                "sessions",
                format!("more than {:.0}", scaled(100_000.0)),
                self.sessions.to_string(),
                self.sessions as f64 > scaled(100_000.0),
            ),
            check(
                "fewest users at once",
                format!("fewer than {:.0}", scaled(200.0)),
                format!("{least} at {}", minute(quietest)),
                f64::from(least) < scaled(200.0),
            ),
            check(
                "most users at once",
                format!("more than {:.0}", scaled(9_000.0)),
                format!("{most} at {}", minute(busiest)),
                f64::from(most) > scaled(9_000.0),
            ),
            check(
                "the peak",
                "between 18:00 and 22:00".to_owned(),
                minute(busiest),
                (18 * 60..22 * 60).contains(&(busiest % 1_440)),
            ),
            check(
                "shortest session",
                "shorter than 1 min".to_owned(),
                format!("{shortest:.1} s"),
                shortest < 60.0 && self.sessions > 0,
            ),
            check(
                "longest session",
                "longer than 16 h".to_owned(),
                format!("{:.1} h", longest / 3_600.0),
                longest > 16.0 * 3_600.0,
            ),
            // Of exponential lengths, the longest tenth makes up 0.1 (1 + ln 10) = 33 %.
            check(
                "heavy tail: time watched in the longest tenth of sessions",
                "more than the 33 % of an exponential distribution".to_owned(),
                format!("{:.0} %", self.longest_tenth * 100.0),
                self.longest_tenth > 0.33,
            ),
            check(
                "flash crowds",
                "some".to_owned(),
                if crowds.is_empty() { "none".to_owned() } else { crowds.join(", ") },
                !crowds.is_empty(),
            ),
            check(
                "classes of bandwidth",
                "the shares of Table II".to_owned(),
                format!("within {worst:.1} standard deviations"),
                worst < 4.0 && self.sessions > 0 && !self.classes.is_empty(),
            ),
        ]
    }
}

/// Users at the beginning of each minute and arrivals in it, up to the last departure.
fn per_minute(trace: &Trace) -> (Vec<u32>, Vec<u32>) {
    const MINUTE: u64 = Span::from_secs(60).as_nanos();
    let end = trace.sessions().iter().map(|session| session.departure).max().unwrap_or(Time::ZERO);
    let minutes = end.as_nanos().div_ceil(MINUTE) as usize;
    let (mut changes, mut arrivals) = (vec![0i64; minutes + 1], vec![0; minutes]);
    for session in trace.sessions() {
        let (arrival, departure) = (session.arrival.as_nanos(), session.departure.as_nanos());
        // Who comes within a minute is there at the beginning of the next, unless gone by then.
        changes[arrival.div_ceil(MINUTE) as usize] += 1;
        changes[departure.div_ceil(MINUTE) as usize] -= 1;
        arrivals[(arrival / MINUTE) as usize] += 1;
    }
    let population = changes.iter().take(minutes).scan(0i64, |present, change| {
        *present += change;
        Some(*present as u32)
    });
    (population.collect(), arrivals)
}

fn crowds(arrivals: &[u32], scale: f64) -> Vec<FlashCrowd> {
    let found = (1..arrivals.len()).filter_map(|minute| {
        let around = &arrivals[minute.saturating_sub(30).max(1)..(minute + 31).min(arrivals.len())];
        let mut around = around.to_vec();
        around.sort_unstable();
        let usual = f64::from(around[around.len() / 2]).max(1.0);
        let times = f64::from(arrivals[minute]) / usual;
        let many = f64::from(arrivals[minute]) >= CROWD_LEAST * scale;
        (times >= CROWD_TIMES && many).then_some(FlashCrowd {
            minute,
            arrivals: arrivals[minute],
            times,
        })
    });
    found.collect()
}

/// Empty if the trace does not know bandwidths.
fn classes(trace: &Trace) -> Vec<ClassShare> {
    let mut counts = vec![0u64; BandwidthClass::all().len()];
    for session in trace.sessions() {
        let Some(capacity) = session.capacity else { return Vec::new() };
        counts[BandwidthClass::of(capacity).index()] += 1;
    }
    let all = trace.sessions().len().max(1) as f64;
    BandwidthClass::all()
        .map(|class| ClassShare {
            capacity_kbit_s: class.capacity().bits_per_sec() / 1_000,
            published: class.share(),
            ours: counts[class.index()] as f64 / all,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Session;

    #[test]
    fn users_are_counted_at_the_beginning_of_minutes() {
        let session = |id: &str, arrival, departure| Session {
            id: id.into(),
            arrival: Time::ZERO + Span::from_secs(arrival),
            departure: Time::ZERO + Span::from_secs(departure),
            capacity: None,
        };
        let trace = Trace::new(vec![
            session("from the start", 0, 60),
            session("within a minute", 61, 119),
            session("on the minute", 60, 180),
            session("over two", 59, 121),
        ]);
        let (population, arrivals) = per_minute(&trace.expect("they are"));
        assert_eq!(population, [1, 2, 2]);
        assert_eq!(arrivals, [2, 2, 0]);
    }

    #[test]
    fn a_trace_that_is_nothing_like_it_meets_nothing() {
        let fit = Fit::of(&Trace::default(), 1.0);
        let met: Vec<_> = fit.checks.iter().filter(|check| check.met).map(|c| c.property).collect();
        // Nobody is fewer than 200.
        assert_eq!(met, ["fewest users at once"]);
        assert!(!fit.is_met());
    }
}
