//! Peers as nodes of a simulation, from the crowds of a scenario.

use nearcast_machine::{Seed, Span, Time};
use nearcast_sim::NodeSpec;
use nearcast_sim::trace::Day;
use nearcast_swarm::access;

use super::class::{self, Means};
use super::scenario::{Crowd, SimScenario};
use crate::Failure;

/// The peers of a population, with what each has and gives.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) specs: Vec<NodeSpec>,
    pub(super) means: Vec<Means>,
    /// Mean upload over the full rate, each peer counted for as long as it stays.
    pub(super) resource_index: f64,
}

/// A peer's name, when it comes and when it leaves.
type Stay = (Box<str>, Span, Option<Span>);

impl Peers {
    /// Draws a crowd as it is between `from` and `from` + duration of its own time.
    ///
    /// # Errors
    /// If nobody is there then, or nobody contributes anything that could be scaled.
    pub(super) fn draw(
        scenario: &SimScenario,
        crowd: &Crowd,
        seed: Seed,
        from: Span,
    ) -> Result<Peers, Failure> {
        let stays: Vec<Stay> = match *crowd {
            Crowd::Day { scale } => {
                let trace = Day::cctv3().generate(seed.derive("day"), scale)?;
                let since = |time: Time| time.since(Time::ZERO);
                let stay = |session: &nearcast_sim::trace::Session| {
                    let depart = Some(since(session.departure));
                    (session.id.clone(), since(session.arrival), depart)
                };
                trace.sessions().iter().map(stay).collect()
            }
            Crowd::Uniform { peers, within } => {
                (0..peers).map(|n| (name(n), nth(n, peers, within), None)).collect()
            }
            Crowd::Crowd { residents, peers, at, within } => {
                let early = (0..residents).map(|n| (n, nth(n, residents, at / 2)));
                let late = (0..peers).map(|n| (residents + n, at + nth(n, peers, within)));
                early.chain(late).map(|(n, when)| (name(n), when, None)).collect()
            }
        };
        let end = from + scenario.duration;
        let there =
            |(_, arrive, depart): &Stay| *arrive < end && depart.is_none_or(|depart| depart > from);
        let stays: Vec<Stay> = stays.into_iter().filter(there).collect();
        let count = u32::try_from(stays.len())?;
        if count == 0 {
            return Err(
                "nobody is there in that time; take a larger scale or a longer duration".into()
            );
        }
        // Dealt to those who are there: of a small part of a day drawn shares, and with them the
        // resource index, would be too far from the paper's to say anything about it.
        let mut rng = seed.derive("classes").rng();
        let mut means = class::dealt(&scenario.classes, count, &mut rng);
        if let Some(share) = scenario.free_riders {
            class::free_riders(&mut means, share, &mut rng);
        }
        let lengths: Vec<Span> = stays
            .iter()
            .map(|&(_, arrive, depart)| {
                depart.unwrap_or(end).min(end).saturating_sub(arrive.max(from))
            })
            .collect();
        let full_kbit = scenario.stream.kbit();
        if let Some(index) = scenario.resource_index {
            class::scale(&mut means, &lengths, full_kbit, index)?;
        }
        let spec = |((name, arrive, depart), means): (Stay, &Means)| NodeSpec {
            arrive: Time::ZERO + arrive.saturating_sub(from),
            depart: depart.map(|depart| Time::ZERO + depart.saturating_sub(from)),
            access: access(means.upload),
            ..NodeSpec::new(name)
        };
        let resource_index = class::index_of(&means, &lengths, full_kbit);
        let specs = stays.into_iter().zip(&means).map(spec).collect();
        Ok(Peers { specs, means, resource_index })
    }
}

fn name(n: u32) -> Box<str> {
    format!("v{n}").into()
}

fn nth(n: u32, of: u32, within: Span) -> Span {
    Span::from_nanos((u128::from(within.as_nanos()) * u128::from(n) / u128::from(of)) as u64)
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Bitrate;

    use super::*;

    fn draw(name: &str, crowd: Crowd, from: u64, duration: u64) -> Peers {
        let mut scenario = SimScenario::find(name, &[]).expect("it is ours");
        scenario.duration = Span::from_secs(duration);
        Peers::draw(&scenario, &crowd, Seed::new(1), Span::from_secs(from)).expect("somebody")
    }

    #[test]
    fn a_part_of_the_day_has_those_who_are_there_then() {
        let [day, evening, night] =
            [(0, 86_400), (72_000, 3_600), (21_600, 3_600)].map(|(from, duration)| {
                draw("trace-overloaded", Crowd::Day { scale: 0.02 }, from, duration)
            });
        let [day, evening, night] = [day.specs, evening.specs, night.specs];
        assert!(evening.len() > 3 * night.len() && day.len() > 3 * evening.len());
        let at_once = evening.iter().filter(|spec| spec.arrive == Time::ZERO).count();
        assert!((120..260).contains(&at_once), "{at_once} of 9,000 / 50 at 20:00");
        assert!(evening.iter().all(|spec| spec.depart.is_none_or(|depart| depart > spec.arrive)));
    }

    #[test]
    fn a_flash_crowd_comes_within_its_minute() {
        let (at, within) = (Span::from_secs(100), Span::from_secs(60));
        let crowd = Crowd::Crowd { residents: 10, peers: 60, at, within };
        let peers = draw("trace-underloaded", crowd, 0, 86_400);
        let after = |secs| Time::ZERO + Span::from_secs(secs);
        let late = peers.specs.iter().filter(|spec| spec.arrive >= after(100)).count();
        assert_eq!((peers.specs.len(), late), (70, 60));
        assert!(peers.specs.iter().all(|spec| spec.arrive < after(160)));
    }

    #[test]
    fn the_resource_index_and_the_free_riders_are_what_was_asked_for() {
        let mut scenario = SimScenario::find("trace-overloaded", &[]).expect("it is ours");
        let crowd = Crowd::Uniform { peers: 1000, within: Span::from_secs(10) };
        let draw = |scenario: &SimScenario| {
            Peers::draw(scenario, &crowd, Seed::new(1), Span::ZERO).expect("somebody")
        };
        assert!((draw(&scenario).resource_index - 0.735).abs() < 0.005, "the paper's");
        (scenario.free_riders, scenario.resource_index) = (Some(0.1), Some(0.9));
        let peers = draw(&scenario);
        assert!((peers.resource_index - 0.9).abs() < 1e-6);
        let free = peers.means.iter().filter(|means| means.upload == Bitrate::default()).count();
        assert_eq!(free, 100);
        let up = |at: usize| peers.specs[at].access.up.map(Bitrate::bits_per_sec);
        assert!(
            (0..1000)
                .all(|at| (up(at) == Some(0)) == (peers.means[at].upload == Bitrate::default()))
        );
    }
}
