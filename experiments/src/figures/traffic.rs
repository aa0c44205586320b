use super::bars::Bars;
use super::{Figure, scenarios, style, viewer_counts};
use crate::result::{Outcome, Run, System};

/// Bytes on the broadcaster's uplink and on the CDN's links against the number of viewers: of the
/// scenario with the most different numbers of viewers, if there are at least two.
pub(super) fn bytes_by_viewers(outcome: &Outcome) -> Option<Figure> {
    let scenario = scenarios(outcome)
        .into_iter()
        .max_by_key(|scenario| viewer_counts(outcome, scenario).len())?;
    let viewers = viewer_counts(outcome, scenario);
    if viewers.len() < 2 {
        return None;
    }
    let megabytes = |viewers: usize, system: System, of: fn(&Run) -> u64| {
        let run = outcome.runs.iter().find(|run| {
            run.scenario == scenario && run.system == system && run.viewers.len() == viewers
        })?;
        Some(of(run) as f64 / 1e6)
    };
    let panel = |title, of: fn(&Run) -> u64| Bars {
        title,
        unit: "MB while streaming",
        groups: viewers
            .iter()
            .map(|n| format!("{n} viewer{}", if *n == 1 { "" } else { "s" }))
            .collect(),
        series: vec![
            ("direct", style::of_system(System::Direct)),
            ("assisted", style::of_system(System::Assisted)),
        ],
        values: viewers
            .iter()
            .map(|n| vec![megabytes(*n, System::Direct, of), megabytes(*n, System::Assisted, of)])
            .collect(),
    };
    Some(Figure::draw(
        format!("{scenario}-bytes"),
        "Bytes on the links against the number of viewers",
        "All bytes on the wire during the streaming interval. Left, out of the broadcaster: one copy to \
         the CDN and, assisted, one more for all viewers together. Right, out of the CDN: one copy for \
         each viewer, unless the switch's copies take their place.",
        (1080, 380),
        |area| {
            let (left, right) = area.split_horizontally(540);
            panel("Broadcaster's uplink", |run| run.bytes_from(&run.broadcaster())).draw(&left)?;
            panel("CDN's downlink", |run| run.bytes_from(&run.cdn())).draw(&right)
        },
    ))
}
