//! Peers as nodes of a simulation, from the crowds of a scenario.

use nearcast_machine::{Bitrate, Seed, Span, Time};
use nearcast_sim::NodeSpec;
use nearcast_sim::trace::{Day, Session, Trace};
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
    /// How long a run is: the scenario's duration, or until the last one leaves.
    pub(super) duration: Span,
}

/// The shortest run of which anything can be said: playout begins 30 s after a stream does.
pub(super) const DURATION_MIN: Span = Span::from_secs(40);

/// When somebody is there, and with what.
struct Stay {
    name: Box<str>,
    arrive: Span,
    depart: Option<Span>,
    /// If it is known; else it is dealt.
    capacity: Option<Bitrate>,
}

impl Stay {
    fn new(name: Box<str>, arrive: Span) -> Stay {
        Stay { name, arrive, depart: None, capacity: None }
    }

    /// When it leaves what ends then.
    fn until(&self, end: Span) -> Span {
        self.depart.unwrap_or(end).min(end)
    }
}

impl Peers {
    /// Draws a crowd as it is between `from` and `from` + duration of its own time.
    ///
    /// # Errors
    /// If nobody is there then for long enough, nobody contributes anything that could be scaled,
    /// or a trace is none.
    pub(super) fn draw(
        scenario: &SimScenario,
        crowd: &Crowd,
        seed: Seed,
        from: Span,
    ) -> Result<Peers, Failure> {
        let end = from + scenario.duration;
        let there =
            |stay: &Stay| stay.arrive < end && stay.depart.is_none_or(|depart| depart > from);
        let stays: Vec<Stay> = stays(crowd, seed)?.into_iter().filter(there).collect();
        let count = u32::try_from(stays.len())?;
        let last = stays.iter().map(|stay| stay.until(end)).max();
        let duration = last.map_or(Span::ZERO, |last| last.saturating_sub(from));
        if duration < DURATION_MIN {
            return Err(format!(
                "{}: nobody is there between {} and {end}, and playout begins 30s after {from}; take another \
                 --from, a longer --duration, a larger scale or another trace",
                crowd.label(),
                from + DURATION_MIN
            )
            .into());
        }
        let mut rng = seed.derive("classes").rng();
        let known = stays.iter().map(|stay| class::reached(&scenario.classes, stay.capacity?));
        let known: Option<Vec<Means>> = known.collect();
        let mut means = known.unwrap_or_else(|| class::dealt(&scenario.classes, count, &mut rng));
        if let Some(share) = scenario.free_riders {
            class::free_riders(&mut means, share, &mut rng);
        }
        let lengths: Vec<Span> = stays
            .iter()
            .map(|stay| stay.until(end).saturating_sub(stay.arrive.max(from)))
            .collect();
        let full_kbit = scenario.stream.kbit();
        if let Some(index) = scenario.resource_index {
            class::scale(&mut means, &lengths, full_kbit, index)?;
        }
        let spec = |(stay, means): (Stay, &Means)| NodeSpec {
            arrive: Time::ZERO + stay.arrive.saturating_sub(from),
            depart: stay.depart.map(|depart| Time::ZERO + depart.saturating_sub(from)),
            access: access(means.upload),
            ..NodeSpec::new(stay.name)
        };
        let resource_index = class::index_of(&means, &lengths, full_kbit);
        let specs = stays.into_iter().zip(&means).map(spec).collect();
        Ok(Peers { specs, means, resource_index, duration })
    }
}

/// Everybody of a crowd, in its own time.
fn stays(crowd: &Crowd, seed: Seed) -> Result<Vec<Stay>, Failure> {
    Ok(match crowd {
        Crowd::Day { scale } => {
            let day = Day::cctv3().generate(seed.derive("day"), *scale)?;
            // Bandwidths are dealt to those who are there: of a small part of a day drawn
            // shares, and with them the resource index, would be too far from the paper's to
            // say anything about it.
            recorded(&day).into_iter().map(|stay| Stay { capacity: None, ..stay }).collect()
        }
        Crowd::Trace { file } => recorded(&Trace::open(file)?),
        &Crowd::Uniform { peers, within } => {
            (0..peers).map(|n| Stay::new(name(n), nth(n, peers, within))).collect()
        }
        &Crowd::Crowd { residents, peers, at, within } => {
            let early = (0..residents).map(|n| (n, nth(n, residents, at / 2)));
            let late = (0..peers).map(|n| (residents + n, at + nth(n, peers, within)));
            early.chain(late).map(|(n, when)| Stay::new(name(n), when)).collect()
        }
    })
}

/// The sessions of a trace; who comes again has another name, and nobody a server's.
fn recorded(trace: &Trace) -> Vec<Stay> {
    let since = |time: Time| time.since(Time::ZERO);
    let names = trace.population(|_| Default::default()).into_iter().map(|node| node.name);
    let stay = |(session, name): (&Session, Box<str>)| Stay {
        name: format!("v,{name}").into(),
        arrive: since(session.arrival),
        depart: Some(since(session.departure)),
        capacity: session.capacity,
    };
    trace.sessions().iter().zip(names).map(stay).collect()
}

fn name(n: u32) -> Box<str> {
    format!("v{n}").into()
}

fn nth(n: u32, of: u32, within: Span) -> Span {
    Span::from_nanos((u128::from(within.as_nanos()) * u128::from(n) / u128::from(of)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(name: &str, crowd: &Crowd, from: u64, duration: u64) -> Result<Peers, Failure> {
        let mut scenario = SimScenario::find(name, &[]).expect("it is ours");
        scenario.duration = Span::from_secs(duration);
        Peers::draw(&scenario, crowd, Seed::new(1), Span::from_secs(from))
    }

    fn draw(name: &str, crowd: Crowd, from: u64, duration: u64) -> Peers {
        drawn(name, &crowd, from, duration).expect("somebody")
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
    fn a_trace_s_peers_come_and_go_as_it_says_and_have_what_it_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("monday.csv");
        let crowd = Crowd::Trace { file: file.clone() };
        let write = |text: &str| std::fs::write(&file, text).expect("written");
        write(
            "id,arrival_s,departure_s,capacity_kbit_s\n\
             gone,0,10,3000\nann,5,70,500\nben,30,100.5,9000\nann,80,90,100\nlate,110,200,9\n",
        );
        let peers = draw("trace-overloaded", crowd.clone(), 20, 90);
        let after = |millis| Time::ZERO + Span::from_millis(millis);
        let times: Vec<_> = peers
            .specs
            .iter()
            .map(|spec| (&*spec.name, spec.arrive, spec.depart.expect("a trace says so")))
            .collect();
        assert_eq!(
            times,
            [
                ("v,ann", after(0), after(50_000)),
                ("v,ben", after(10_000), after(80_500)),
                ("v,ann,2", after(60_000), after(70_000)),
            ]
        );
        // By Table II, of the classes 448, 3000 and 256.
        let upload = peers.means.iter().map(|means| means.upload.bits_per_sec() / 1000);
        assert_eq!(upload.collect::<Vec<_>>(), [200, 1000, 0]);
        assert_eq!(peers.duration, Span::from_millis(80_500), "until the last one leaves");

        // Without bandwidths they are dealt, by the scenario's shares.
        let sessions = (0..1000).map(|n| format!("p{n},{n},2000\n")).collect::<String>();
        write(&format!("id,arrival_s,departure_s\n{sessions}"));
        let peers = draw("trace-overloaded", crowd.clone(), 0, 3600);
        let free = peers.means.iter().filter(|means| means.upload == Bitrate::default()).count();
        assert_eq!((peers.specs.len(), free), (1000, 329));

        let told = |from, duration| {
            let peers = drawn("trace-overloaded", &crowd, from, duration);
            peers.expect_err("nobody").to_string()
        };
        assert!(told(1961, 3600).starts_with("monday: nobody is there between 2001s and 5561s"));
        write("id,arrival_s,departure_s\na,10,60\nb,60,5\n");
        let told = told(0, 3600);
        assert!(told.contains("monday.csv, line 3: session `b` departs"), "{told}");
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
