//! The few numbers that a reader should see first.

use crate::measure::Summary;
use crate::result::{Outcome, Run, System, Way};

/// A number and what it says.
pub(super) struct Headline {
    pub number: String,
    pub says: String,
}

pub(super) fn headlines(outcome: &Outcome) -> Vec<Headline> {
    let mut all = Vec::new();
    // fig3 is where the links are not the bottleneck; any other scenario stands in for it.
    let scenario = ["fig3", "fig2"]
        .into_iter()
        .find(|name| outcome.runs.iter().any(|run| run.scenario == *name))
        .or_else(|| outcome.runs.first().map(|run| run.scenario.as_str()));
    if let Some(scenario) = scenario {
        all.extend(delay(outcome, scenario));
    }
    all.extend(downlink(outcome));
    all.extend(joins(outcome));
    all
}

fn delay(outcome: &Outcome, scenario: &str) -> Option<Headline> {
    let median = |system: System, way: Way| {
        let runs =
            outcome.runs.iter().filter(|run| run.scenario == scenario && run.system == system);
        let frames = runs.flat_map(|run| &run.viewers).flat_map(|viewer| viewer.settled());
        Summary::of(frames.filter(|frame| frame.way == way).map(|frame| frame.delay() as f64 / 1e6))
            .map(|summary| summary.median)
    };
    let switched = median(System::Assisted, Way::Switch)?;
    let direct = median(System::Direct, Way::Cdn)?;
    Some(Headline {
        number: format!("{switched:.1} ms"),
        says: format!(
            "median frame delay by the switch, against {direct:.1} ms by the CDN: {:.1} times shorter ({scenario})",
            direct / switched
        ),
    })
}

/// The run with the most viewers that both systems have.
pub(super) fn largest_pair(outcome: &Outcome) -> Option<(&Run, &Run)> {
    let of = |system: System| {
        outcome.runs.iter().filter(move |run| run.system == system && !run.traffic.is_empty())
    };
    let pairs = of(System::Direct).filter_map(|direct| {
        let same = |run: &&Run| {
            run.scenario == direct.scenario && run.viewers.len() == direct.viewers.len()
        };
        Some((direct, of(System::Assisted).find(same)?))
    });
    pairs.max_by_key(|(direct, _)| direct.viewers.len())
}

fn downlink(outcome: &Outcome) -> Option<Headline> {
    let (direct, assisted) = largest_pair(outcome)?;
    let bytes = |run: &Run| run.bytes_from(&run.cdn()) as f64;
    if bytes(direct) == 0.0 {
        return None;
    }
    let saved = 1.0 - bytes(assisted) / bytes(direct);
    Some(Headline {
        number: format!("{:.0} %", saved * 100.0),
        says: format!(
            "of the CDN's downlink saved with {} viewer{}: {:.2} MB instead of {:.2} MB",
            direct.viewers.len(),
            if direct.viewers.len() == 1 { "" } else { "s" },
            bytes(assisted) / 1e6,
            bytes(direct) / 1e6
        ),
    })
}

fn joins(outcome: &Outcome) -> Option<Headline> {
    let median = |system: System| {
        let runs = outcome.runs.iter().filter(|run| run.system == system);
        Summary::of(runs.flat_map(Run::late_starts).map(|nanos| nanos as f64 / 1e6))
            .map(|s| s.median)
    };
    let (assisted, direct) = (median(System::Assisted)?, median(System::Direct)?);
    Some(Headline {
        number: format!("{assisted:.0} ms"),
        says: format!(
            "from a late viewer's start to its first frame (median), against {direct:.0} ms directly"
        ),
    })
}
