//! What a run shows, by groups of peers; and the paper's numbers beside it.

mod planetlab;
mod trace;

use nearcast_swarm::LAYERS;

use super::result::{Group, Session, SimRun, Simulations};
use super::scenario::Paper;
use crate::result::{Goal, Verdict};

/// Whose playback rate is worth a point of a distribution: those with so many seconds of playout.
const PLAYED_MIN: f64 = 60.0;

/// The received chunk ratio of a layer over sessions; none if no chunk was due.
pub(super) fn ratio<'a>(sessions: impl Iterator<Item = &'a Session>, layer: usize) -> Option<f64> {
    part(sessions.map(|session| (session.played[layer], session.due[layer])))
}

/// The same of chunks that were due once peers had settled.
pub(crate) fn settled_ratio<'a>(
    sessions: impl Iterator<Item = &'a Session>,
    layer: usize,
) -> Option<f64> {
    part(sessions.map(|session| (session.settled_played[layer], session.settled_due[layer])))
}

/// What part the first are of the second, all together; none if these are nothing.
fn part(counts: impl Iterator<Item = (u64, u64)>) -> Option<f64> {
    let (some, all) = counts.fold((0, 0), |sums, counts| (sums.0 + counts.0, sums.1 + counts.1));
    (all > 0).then(|| some as f64 / all as f64)
}

/// A session's playback rate in kbit/s, over the time that it played; none if that is below a
/// minute.
pub(super) fn playback_kbit(result: &Simulations, session: &Session) -> Option<f64> {
    // Of the lowest layer chunks are due all the time, whether they came or not.
    let seconds = session.due[0] as f64 / result.chunks_per_s[0];
    (seconds >= PLAYED_MIN).then(|| session.bytes as f64 * 8.0 / 1e3 / seconds)
}

/// The paper's numbers for what was run.
pub(super) fn judge(result: &Simulations) -> Vec<Goal> {
    let of = match result.paper {
        None => return Vec::new(),
        Some(Paper::Trace) => trace::judge,
        Some(Paper::Planetlab) => planetlab::judge,
    };
    result.runs.iter().flat_map(|run| of(result, run)).collect()
}

fn of(run: &SimRun, group: Group) -> impl Iterator<Item = &Session> + Clone {
    run.sessions.iter().filter(move |session| session.group == group)
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

fn goal(run: &SimRun, name: &str, target: &str, measured: Option<(String, bool)>) -> Goal {
    let verdict = measured.as_ref().map_or(Verdict::NotMeasured, |(_, met)| Verdict::of(*met));
    Goal {
        name: name.to_owned(),
        run: run.label(),
        target: target.to_owned(),
        measured: measured.map_or_else(|| "nobody was there".to_owned(), |(text, _)| text),
        verdict,
        why: String::new(),
    }
}

/// The lowest ratio of any layer.
fn lowest<'a>(sessions: impl Iterator<Item = &'a Session> + Clone) -> Option<f64> {
    (0..LAYERS).filter_map(|layer| ratio(sessions.clone(), layer)).reduce(f64::min)
}

fn at_least(least: f64, measured: Option<f64>) -> Option<(String, bool)> {
    measured.map(|ratio| (percent(ratio), ratio >= least))
}

/// What part of all who played for a minute did so at a rate of which `is` holds.
fn share<'a>(
    result: &Simulations,
    sessions: impl Iterator<Item = &'a Session>,
    is: impl Fn(f64) -> bool,
) -> Option<f64> {
    let rates = sessions.filter_map(|session| playback_kbit(result, session));
    let (there, such) =
        rates.fold((0u64, 0u64), |(there, such), rate| (there + 1, such + u64::from(is(rate))));
    (there > 0).then(|| such as f64 / there as f64)
}

/// The mean over layers of the ratios of each group that is there.
fn everyone(run: &SimRun) -> Vec<(Group, f64)> {
    let mean = |group: Group| {
        let ratios = (0..LAYERS).filter_map(|layer| ratio(of(run, group), layer));
        let ratios: Vec<f64> = ratios.collect();
        (!ratios.is_empty()).then(|| (group, ratios.iter().sum::<f64>() / ratios.len() as f64))
    };
    Group::ALL.into_iter().filter_map(mean).collect()
}

/// Whether all groups lie within a range, and where they lie.
fn alike(run: &SimRun, range: std::ops::RangeInclusive<f64>) -> Option<(String, bool)> {
    let groups = everyone(run);
    let text = groups.iter().map(|(group, ratio)| format!("{}: {}", group.name(), percent(*ratio)));
    let text = text.collect::<Vec<_>>().join(", ");
    let met = groups.iter().all(|(_, ratio)| range.contains(ratio));
    (!groups.is_empty()).then_some((text, met))
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{session, simulations};
    use super::*;

    #[test]
    fn ratios_go_by_chunks_and_rates_by_time() {
        let sessions = [session(320, 0, 0.2), session(448, 200, 0.9), session(1024, 720, 1.0)];
        assert_eq!(sessions.map(|session| session.group), Group::ALL);
        let ratio = ratio(sessions.iter(), 1).expect("chunks were due");
        assert!((ratio - 0.7).abs() < 1e-9, "{ratio}");
        let result = simulations();
        let kbit = playback_kbit(&result, &sessions[1]).expect("long enough");
        assert!((kbit - 540.0).abs() < 1e-6, "{kbit}");
        let short = Session { due: [1_199; 3], ..sessions[1] };
        assert_eq!(playback_kbit(&result, &short), None);
        let above = share(&result, sessions.iter(), |kbit| kbit > 500.0).expect("three played");
        assert!((above - 2.0 / 3.0).abs() < 1e-9, "{above}");
    }
}
