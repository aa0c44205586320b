//! Peers as nodes of a simulation, from the crowds of a scenario.

use nearcast_machine::{Bitrate, Bytes, Seed, Span, Time};
use nearcast_sim::trace::{BandwidthClass, Contribution, Day};
use nearcast_sim::{Access, NodeSpec};

use super::scenario::Crowd;
use crate::Failure;

/// The peers of a population, with the class of Table II of each.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) specs: Vec<NodeSpec>,
    pub(super) classes: Vec<BandwidthClass>,
}

impl Peers {
    /// Draws a crowd as it is between `from` and `from + duration` of its own time.
    ///
    /// # Errors
    /// If nobody is there then.
    pub(super) fn draw(
        crowd: &Crowd,
        contribution: Contribution,
        seed: Seed,
        from: Span,
        duration: Span,
    ) -> Result<Peers, Failure> {
        let mut rng = seed.derive("classes").rng();
        let stays: Vec<(Box<str>, Span, Option<Span>, BandwidthClass)> = match *crowd {
            Crowd::Day { scale } => {
                let trace = Day::cctv3().generate(seed.derive("day"), scale)?;
                let stay = |session: &nearcast_sim::trace::Session| {
                    let class = session
                        .capacity
                        .map_or_else(|| BandwidthClass::draw(&mut rng), BandwidthClass::of);
                    let since = |time: Time| time.since(Time::ZERO);
                    (
                        session.id.clone(),
                        since(session.arrival),
                        Some(since(session.departure)),
                        class,
                    )
                };
                trace.sessions().iter().map(stay).collect()
            }
            Crowd::Uniform { peers, within } => (0..peers)
                .map(|n| (name(n), nth(n, peers, within), None, BandwidthClass::draw(&mut rng)))
                .collect(),
            Crowd::Crowd { residents, peers, at, within } => {
                let early = (0..residents).map(|n| (n, nth(n, residents, at / 2)));
                let late = (0..peers).map(|n| (residents + n, at + nth(n, peers, within)));
                early
                    .chain(late)
                    .map(|(n, when)| (name(n), when, None, BandwidthClass::draw(&mut rng)))
                    .collect()
            }
        };
        let end = from + duration;
        let mut peers = Peers { specs: Vec::new(), classes: Vec::new() };
        for (name, arrive, depart, class) in stays {
            if arrive >= end || depart.is_some_and(|depart| depart <= from) {
                continue;
            }
            peers.specs.push(NodeSpec {
                arrive: Time::ZERO + arrive.saturating_sub(from),
                depart: depart.map(|depart| Time::ZERO + depart.saturating_sub(from)),
                access: access(class.upload(contribution)),
                ..NodeSpec::new(name)
            });
            peers.classes.push(class);
        }
        if peers.specs.is_empty() {
            return Err(
                "nobody is there in that time; take a larger scale or a longer duration".into()
            );
        }
        Ok(peers)
    }
}

fn name(n: u32) -> Box<str> {
    format!("v{n}").into()
}

fn nth(n: u32, of: u32, within: Span) -> Span {
    Span::from_nanos((u128::from(within.as_nanos()) * u128::from(n) / u128::from(of)) as u64)
}

/// The access link of a peer that uploads payload at `rate`. The engine paces itself by payload; with
/// headers and the maps and requests that ride along a chunk is a tenth longer, and with less than
/// that its link would fall behind for ever.
fn access(rate: Bitrate) -> Access {
    let up = Bitrate::from_bits_per_sec(rate.bits_per_sec() * 10 / 9);
    Access { up: Some(up), down: None, queue: Bytes::new(1 << 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_day_has_those_who_are_there_then() {
        let draw = |from, duration| {
            let crowd = Crowd::Day { scale: 0.02 };
            let (from, duration) = (Span::from_secs(from), Span::from_secs(duration));
            Peers::draw(&crowd, Contribution::Overloaded, Seed::new(1), from, duration)
        };
        let [day, evening, night] = [(0, 86_400), (72_000, 3_600), (21_600, 3_600)]
            .map(|(from, duration)| draw(from, duration).expect("somebody is there").specs);
        assert!(evening.len() > 3 * night.len() && day.len() > 3 * evening.len());
        let at_once = evening.iter().filter(|spec| spec.arrive == Time::ZERO).count();
        assert!((120..260).contains(&at_once), "{at_once} of 9,000 / 50 at 20:00");
        assert!(evening.iter().all(|spec| spec.depart.is_none_or(|depart| depart > spec.arrive)));
    }

    #[test]
    fn a_flash_crowd_comes_within_its_minute() {
        let crowd = Crowd::Crowd {
            residents: 10,
            peers: 60,
            at: Span::from_secs(100),
            within: Span::from_secs(60),
        };
        let day = Span::from_secs(86_400);
        let peers = Peers::draw(&crowd, Contribution::Underloaded, Seed::new(1), Span::ZERO, day)
            .expect("somebody");
        let after = |secs| Time::ZERO + Span::from_secs(secs);
        let late = peers.specs.iter().filter(|spec| spec.arrive >= after(100)).count();
        assert_eq!((peers.specs.len(), late), (70, 60));
        assert!(peers.specs.iter().all(|spec| spec.arrive < after(160)));
    }
}
