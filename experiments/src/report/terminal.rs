use std::fmt::Write;

use super::way_rows;
use crate::result::{Outcome, Trust, Verdict};

/// The table at the end of a run.
pub fn summary(outcome: &Outcome) -> String {
    let mut out = String::new();
    let rows = way_rows(outcome);
    let width = rows.iter().map(|row| row.run.len()).max().unwrap_or(0).max(3);
    let _ = writeln!(
        out,
        "{:<width$} {:>7}  {:<10} {:>7} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "run", "viewers", "way", "frames", "floor ms", "median ms", "p99 ms", "median x", "p99 x"
    );
    for row in rows {
        let dash = || "-".to_owned();
        let _ = writeln!(
            out,
            "{:<width$} {:>7}  {:<10} {:>7} {:>9} {:>9.2} {:>9.2} {:>8} {:>8}",
            row.run,
            row.viewers,
            row.way.name(),
            row.frames,
            row.floor.map_or_else(dash, |floor| format!("{floor:.2}")),
            row.delay.median,
            row.delay.p99,
            row.ratio.map_or_else(dash, |ratio| format!("{:.2}", ratio.median)),
            row.ratio.map_or_else(dash, |ratio| format!("{:.2}", ratio.p99)),
        );
    }
    out.push('\n');
    for goal in &outcome.goals {
        let mark = match goal.verdict {
            Verdict::Met => "met   ",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasured => "-     ",
        };
        let _ = writeln!(out, "{mark} {}: {}", goal.name, measured(&goal.measured));
        if goal.verdict == Verdict::Missed {
            let _ = writeln!(out, "       wanted {}; {}", goal.target, goal.why);
        }
    }
    let doubtful = outcome.runs.iter().filter(|run| run.fidelity.verdict == Trust::Doubtful);
    for run in doubtful {
        let _ = writeln!(out, "doubtful: {}: {}", run.label(), run.fidelity.reasons.join("; "));
    }
    if let Some(why) = &outcome.incomplete_why {
        let _ = writeln!(out, "INCOMPLETE: {why}");
    }
    out
}

fn measured(text: &str) -> &str {
    if text.is_empty() { "not measured" } else { text }
}
