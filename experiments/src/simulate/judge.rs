//! What a run shows, by groups of peers; and the paper's numbers beside it.

use super::node::{FULL_RATE, LAYERS, TICK};
use super::result::{Session, SimRun, Simulations};
use crate::result::{Goal, Verdict};

/// Whose playback rate is worth a point of a distribution: those with a minute of playout.
const CHUNKS_MIN: u64 = 1_200;

/// Peers by what they contribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Nothing.
    FreeRiders,
    /// Less than the full rate.
    Low,
    /// The full rate or more.
    High,
}

impl Group {
    pub(super) const ALL: [Group; 3] = [Group::FreeRiders, Group::Low, Group::High];

    pub(super) fn name(self) -> &'static str {
        match self {
            Group::FreeRiders => "free-riders",
            Group::Low => "low upload",
            Group::High => "high upload",
        }
    }

    pub(super) fn has(self, session: &Session) -> bool {
        let full = (FULL_RATE / 1e3) as u32;
        self == match session.upload_kbit {
            0 => Group::FreeRiders,
            kbit if kbit < full => Group::Low,
            _ => Group::High,
        }
    }
}

/// The received chunk ratio of a layer over sessions; none if no chunk was due.
pub(super) fn ratio<'a>(sessions: impl Iterator<Item = &'a Session>, layer: usize) -> Option<f64> {
    let (played, due) = sessions.fold((0, 0), |(played, due), session| {
        (played + session.played[layer], due + session.due[layer])
    });
    (due > 0).then(|| played as f64 / due as f64)
}

/// A session's playback rate in kbit/s, over the time that it played; none if that is below a minute.
pub(super) fn playback_kbit(session: &Session) -> Option<f64> {
    // Of the lowest layer one chunk is due every tick, whether it came or not.
    let seconds = session.due[0] as f64 * TICK.as_secs_f64();
    (session.due[0] >= CHUNKS_MIN).then(|| session.bytes as f64 * 8.0 / 1e3 / seconds)
}

fn of(run: &SimRun, group: Group) -> impl Iterator<Item = &Session> {
    run.sessions.iter().filter(move |session| group.has(session))
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

fn goal(run: &SimRun, name: &str, target: &str, measured: Option<(String, bool)>) -> Goal {
    let verdict = match measured {
        Some((_, true)) => Verdict::Met,
        Some((_, false)) => Verdict::Missed,
        None => Verdict::NotMeasured,
    };
    Goal {
        name: name.to_owned(),
        run: run.label(),
        target: target.to_owned(),
        measured: measured.map_or_else(|| "nobody was there".to_owned(), |(text, _)| text),
        verdict,
        why: String::new(),
    }
}

/// The lowest ratio of any layer of a group.
fn lowest(run: &SimRun, group: Group) -> Option<f64> {
    (0..LAYERS).filter_map(|layer| ratio(of(run, group), layer)).reduce(f64::min)
}

fn at_least(least: f64, measured: Option<f64>) -> Option<(String, bool)> {
    measured.map(|ratio| (percent(ratio), ratio >= least))
}

/// The paper's numbers (Liu et al. VI.B) for what was run. "Almost all" is taken for 95 %, "about 60 %"
/// for 50 to 70 %, "low" for less than half.
pub(super) fn judge(result: &Simulations) -> Vec<Goal> {
    let runs = result.runs.iter();
    runs.flat_map(|run| match (result.overloaded, run.system.as_str()) {
        (false, _) => underloaded(run),
        (true, "layerp2p") => layered(run),
        (true, "single-layer") => single_layer(run),
        (true, _) => Vec::new(),
    })
    .collect()
}

fn underloaded(run: &SimRun) -> Vec<Goal> {
    let all = (0..LAYERS).filter_map(|layer| ratio(run.sessions.iter(), layer)).reduce(f64::min);
    let rates = run
        .sessions
        .iter()
        .filter(|session| matches!(session.class_kbit, 448 | 1024))
        .filter_map(playback_kbit)
        .map(|kbit| kbit * 1e3 >= 0.95 * FULL_RATE);
    let rates: Vec<bool> = rates.collect();
    let full = rates.iter().filter(|full| **full).count() as f64 / rates.len() as f64;
    vec![
        goal(
            run,
            "almost all chunks arrive, of every layer (figure 15)",
            ">= 95 %",
            at_least(0.95, all),
        ),
        goal(
            run,
            "almost all peers of 448 and 1024 kbit/s play the full rate (figure 14)",
            ">= 95 % of them above 570 kbit/s",
            at_least(0.95, (!rates.is_empty()).then_some(full)),
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
            at_least(0.95, lowest(run, Group::High)),
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

fn single_layer(run: &SimRun) -> Vec<Goal> {
    let groups = Group::ALL.into_iter().filter_map(|group| {
        let ratios = (0..LAYERS).filter_map(|layer| ratio(of(run, group), layer));
        let ratios: Vec<f64> = ratios.collect();
        (!ratios.is_empty()).then(|| (group, ratios.iter().sum::<f64>() / ratios.len() as f64))
    });
    let groups: Vec<(Group, f64)> = groups.collect();
    let text = groups.iter().map(|(group, ratio)| format!("{}: {}", group.name(), percent(*ratio)));
    let text = text.collect::<Vec<_>>().join(", ");
    let met = groups.iter().all(|(_, ratio)| (0.5..=0.7).contains(ratio));
    vec![goal(
        run,
        "about 60 % of the chunks for everyone (figure 17)",
        "50 to 70 %",
        (!groups.is_empty()).then_some((text, met)),
    )]
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{session, simulations};
    use super::*;

    #[test]
    fn groups_go_by_what_is_contributed_and_ratios_by_chunks() {
        let sessions = [session(320, 0, 0.2), session(448, 200, 0.9), session(1024, 720, 1.0)];
        let has = |group: Group| sessions.iter().filter(|s| group.has(s)).count();
        assert_eq!(Group::ALL.map(has), [1, 1, 1]);
        let ratio = ratio(sessions.iter(), 1).expect("chunks were due");
        assert!((ratio - 0.7).abs() < 1e-9, "{ratio}");
        let kbit = playback_kbit(&sessions[1]).expect("long enough");
        assert!((kbit - 540.0).abs() < 1e-6, "{kbit}");
        assert_eq!(playback_kbit(&Session { due: [1_199; 3], ..sessions[1] }), None);
    }

    #[test]
    fn the_paper_s_numbers_are_met_or_missed_by_what_was_measured() {
        let verdicts = |result: &Simulations| -> Vec<Verdict> {
            judge(result).iter().map(|goal| goal.verdict).collect()
        };
        let mut result = simulations();
        assert_eq!(verdicts(&result), [Verdict::Met, Verdict::Met, Verdict::Met, Verdict::Met]);
        result.runs[0].sessions.retain(|session| session.upload_kbit != 0);
        result.runs[0].sessions.push(session(1024, 720, 0.1));
        result.runs[0].series[0].played[0] = 0;
        assert_eq!(
            verdicts(&result),
            [Verdict::Missed, Verdict::Met, Verdict::NotMeasured, Verdict::Missed]
        );
        result.overloaded = false;
        assert_eq!(verdicts(&result), [Verdict::Missed, Verdict::Missed]);
    }
}
