//! Liu et al. VI.B: the simulations that a trace drives. "Almost all" is taken for 95 %, "about 60
//! %" for 50 to 70 %, "low" for less than half.

use super::*;

pub(super) fn judge(result: &Simulations, run: &SimRun) -> Vec<Goal> {
    match (result.overloaded, run.system.as_str()) {
        (false, _) => underloaded(result, run),
        (true, "layerp2p") => layered(run),
        (true, "single-layer") => vec![goal(
            run,
            "about 60 % of the chunks for everyone (figure 17)",
            "50 to 70 %",
            alike(run, 0.5..=0.7),
        )],
        (true, _) => Vec::new(),
    }
}

fn underloaded(result: &Simulations, run: &SimRun) -> Vec<Goal> {
    let shown = |session: &&Session| matches!(session.class_kbit, 448.0 | 1024.0);
    let full = 0.95 * result.full_kbit;
    let rates = share(result, run.sessions.iter().filter(shown), |kbit| kbit >= full);
    vec![
        goal(
            run,
            "almost all chunks arrive, of every layer (figure 15)",
            ">= 95 %",
            at_least(0.95, lowest(run.sessions.iter())),
        ),
        goal(
            run,
            "almost all peers of 448 and 1024 kbit/s play the full rate (figure 14)",
            ">= 95 % of them above 570 kbit/s",
            at_least(0.95, rates),
        ),
    ]
}

fn layered(run: &SimRun) -> Vec<Goal> {
    let free = (0..LAYERS).filter_map(|layer| ratio(of(run, Group::FreeRiders), layer));
    let free = free.reduce(f64::max).map(|ratio| (percent(ratio), ratio < 0.5));
    vec![
        goal(
            run,
            "high upload: all layers (figure 17)",
            "> 95 %",
            at_least(0.95, lowest(of(run, Group::High))),
        ),
        goal(
            run,
            "low upload: the base layer (figure 17)",
            "> 93 %",
            at_least(0.93, ratio(of(run, Group::Low), 0)),
        ),
        goal(run, "free-riders: low on all layers (figure 17)", "< 50 %", free),
        goal(
            run,
            "no loss of quality as the population changes",
            "base layer of each hour within 5 points of the whole",
            hours(run),
        ),
    ]
}

/// How far the worst hour's ratio of the base layer lies below that of the whole run.
fn hours(run: &SimRun) -> Option<(String, bool)> {
    let all: (u64, u64) = run
        .series
        .iter()
        .fold((0, 0), |(played, due), step| (played + step.played[0], due + step.due[0]));
    let mean = (all.1 > 0).then(|| all.0 as f64 / all.1 as f64)?;
    let hour = |at_s: f64| (at_s / 3600.0).ceil() as u64;
    let mut hours = std::collections::BTreeMap::<u64, (u64, u64)>::new();
    for step in &run.series {
        let sums = hours.entry(hour(step.at_s)).or_default();
        *sums = (sums.0 + step.played[0], sums.1 + step.due[0]);
    }
    let worst = hours
        .iter()
        .filter(|(_, (_, due))| *due > 0)
        .map(|(hour, (played, due))| (*played as f64 / *due as f64, *hour))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let text =
        format!("{} in the hour to {}:00, {} in all", percent(worst.0), worst.1, percent(mean));
    Some((text, mean - worst.0 <= 0.05))
}

#[cfg(test)]
mod tests {
    use super::super::super::synthetic::{session, simulations};
    use super::super::judge;
    use super::*;

    #[test]
    fn the_paper_s_numbers_are_met_or_missed_by_what_was_measured() {
        let verdicts = |result: &Simulations| -> Vec<Verdict> {
            judge(result).iter().map(|goal| goal.verdict).collect()
        };
        let mut result = simulations();
        assert_eq!(verdicts(&result), [Verdict::Met, Verdict::Met, Verdict::Met, Verdict::Met]);
        result.runs[0].sessions.retain(|session| session.upload_kbit != 0.0);
        result.runs[0].sessions.push(session(1024, 720, 0.1));
        result.runs[0].series[0].played[0] = 0;
        assert_eq!(
            verdicts(&result),
            [Verdict::Missed, Verdict::Met, Verdict::NotMeasured, Verdict::Missed]
        );
        result.overloaded = false;
        assert_eq!(verdicts(&result), [Verdict::Missed, Verdict::Missed]);
        result.paper = None;
        assert!(verdicts(&result).is_empty());
    }
}
