//! Who takes part in a run, drawn from its seed.

use nearcast_machine::{Bitrate, Seed, Span};
use nearcast_sim::trace::{Lengths, LogNormal};
use rand::Rng as _;
use rand::seq::SliceRandom;

use super::scenario::MeshScenario;

/// A peer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Its host, `p1` and so on.
    pub(super) host: String,
    /// Which of the scenario's classes it is of.
    pub(super) class: usize,
    /// What it gives to others.
    pub(super) upload: Bitrate,
    /// One way, to the core; in a group, to the group's switch.
    pub(super) delay: Span,
    /// When it joins, after the stream began.
    pub(super) joins: Span,
    /// Which of the scenario's groups it is in.
    pub(super) group: Option<usize>,
    /// Whether what it receives is kept, to be judged as video.
    pub(super) recorded: bool,
}

/// Everybody, and how far the group's switches and the other hosts are from the core.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Population {
    pub(super) members: Vec<Member>,
    /// One way, from each group's switch to the core.
    pub(super) trunks: Vec<Span>,
    /// One way, from the CDN and the tracker.
    pub(super) cdn: Span,
}

impl Population {
    /// Draws the peers of repetition `repeat`; all systems have the same. Of each class `recorded`
    /// are recorded.
    pub(super) fn draw(
        scenario: &MeshScenario,
        seed: Seed,
        repeat: u32,
        recorded: u32,
    ) -> Population {
        let seed = seed.derive(&format!("repetition {repeat}"));
        let mut rng = seed.derive("peers").rng();
        let shares: Vec<f64> = scenario.classes.iter().map(|class| class.share).collect();
        let mut classes = deal(scenario.peers, &shares);
        classes.shuffle(&mut rng);
        let together: Vec<f64> = scenario.groups.iter().map(|group| group.share).collect();
        let apart = (1.0 - together.iter().sum::<f64>()).max(0.0);
        let mut groups: Vec<Option<usize>> =
            deal(scenario.peers, &[together, vec![apart]].concat())
                .into_iter()
                .map(|group| (group < scenario.groups.len()).then_some(group))
                .collect();
        groups.shuffle(&mut rng);

        let mut far = || delay(scenario, &mut rng);
        let trunks = scenario.groups.iter().map(|_| far()).collect();
        let cdn = far();
        let delays: Vec<Span> = (0..scenario.peers).map(|_| far()).collect();
        let mut left = vec![recorded; scenario.classes.len()];
        let mut members = Vec::new();
        for (at, (class, group)) in classes.into_iter().zip(groups).enumerate() {
            let joins = scenario.joins.as_secs_f64() * rng.random::<f64>();
            // Groups are served by another way in one of the systems, and would not compare.
            let recorded = left[class] > 0 && group.is_none();
            left[class] -= u32::from(recorded);
            members.push(Member {
                host: format!("p{}", at + 1),
                class,
                upload: scenario.classes[class].upload,
                delay: group.map_or(delays[at], |group| scenario.groups[group].delay),
                joins: Span::from_secs_f64(joins),
                group,
                recorded,
            });
        }
        Population { members, trunks, cdn }
    }
}

fn delay(scenario: &MeshScenario, rng: &mut nearcast_machine::Rng) -> Span {
    let of = scenario.delay;
    let part = LogNormal { median: of.median.as_secs_f64(), sigma: of.sigma };
    let drawn = Lengths { least: 0.0, parts: vec![(1.0, part)] }.draw(rng);
    // A topology is written and read in whole microseconds.
    let micros = (drawn.min(10.0) * 1e6).round() as u64;
    Span::from_micros(micros).clamp(of.least, of.most)
}

/// Deals `many` out by shares: whole parts first, then to those with the largest remainders.
fn deal(many: u32, shares: &[f64]) -> Vec<usize> {
    let exact: Vec<f64> = shares.iter().map(|share| share * f64::from(many)).collect();
    let mut counts: Vec<u32> = exact.iter().map(|part| part.floor() as u32).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let rest = |at: usize| exact[at] - exact[at].floor();
    order.sort_by(|a, b| rest(*b).total_cmp(&rest(*a)));
    let mut missing = many.saturating_sub(counts.iter().sum());
    for at in order.into_iter().cycle() {
        if missing == 0 {
            break;
        }
        counts[at] += 1;
        missing -= 1;
    }
    let all = counts.iter().enumerate().flat_map(|(at, count)| vec![at; *count as usize]);
    all.take(many as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(peers: u32) -> MeshScenario {
        let found = MeshScenario::find("planetlab-overloaded").expect("sound").expect("ours");
        MeshScenario { peers, ..found }
    }

    #[test]
    fn shares_are_exact_and_nobody_is_lost() {
        for (peers, expected) in
            [(100, [10, 30, 60]), (10, [1, 3, 6]), (8, [1, 2, 5]), (7, [1, 2, 4])]
        {
            let drawn = Population::draw(&scenario(peers), Seed::new(1), 0, 0);
            let count = |class| drawn.members.iter().filter(|m| m.class == class).count();
            assert_eq!([count(0), count(1), count(2)], expected, "{peers} peers");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_peers_and_another_repetition_others() {
        let draw = |repeat| Population::draw(&scenario(100), Seed::new(7), repeat, 2);
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }

    #[test]
    fn delays_are_those_of_the_distribution() {
        let mut delays: Vec<Span> = (0..50)
            .flat_map(|repeat| Population::draw(&scenario(100), Seed::new(1), repeat, 0).members)
            .filter(|member| member.group.is_none())
            .map(|member| member.delay)
            .collect();
        delays.sort_unstable();
        let at = |share: f64| delays[(delays.len() as f64 * share) as usize].as_millis_f64();
        // The median, and one standard deviation of the logarithm to either side.
        for (share, expected) in [(0.5, 35.0), (0.1587, 35.0 / 1.822), (0.8413, 35.0 * 1.822)] {
            assert!((at(share) / expected - 1.0).abs() < 0.06, "{share}: {}", at(share));
        }
        let all = Span::from_millis(5)..=Span::from_millis(150);
        assert!(delays.iter().all(|delay| all.contains(delay)));
    }

    #[test]
    fn some_of_each_class_are_recorded_and_some_sit_together() {
        let drawn = Population::draw(&scenario(100), Seed::new(1), 0, 2);
        for class in 0..3 {
            let recorded = drawn.members.iter().filter(|m| m.class == class && m.recorded);
            assert_eq!(recorded.count(), 2);
        }
        for group in 0..2 {
            let members = drawn.members.iter().filter(|m| m.group == Some(group));
            assert!(members.clone().all(|m| m.delay == Span::from_millis(1) && !m.recorded));
            assert_eq!(members.count(), 10);
        }
        let late = drawn.members.iter().filter(|m| m.joins > Span::from_secs(60)).count();
        assert!((30..70).contains(&late), "{late} of 100 in the second minute");
    }
}
