use super::bars::Bars;
use super::{Figure, style};
use crate::measure::Summary;
use crate::result::{Outcome, Run, System};

/// How long viewers who join a running stream wait for their first frame: median and longest.
pub(super) fn joins(outcome: &Outcome) -> Option<Figure> {
    let of = |system: System| -> Option<Summary> {
        let runs = outcome.runs.iter().filter(|run| run.system == system);
        Summary::of(runs.flat_map(Run::late_starts).map(|nanos| nanos as f64 / 1e6))
    };
    let systems: Vec<(System, Summary)> =
        System::ALL.into_iter().filter_map(|system| Some((system, of(system)?))).collect();
    if systems.is_empty() {
        return None;
    }
    Some(Figure::draw(
        "joins",
        "Joining a running stream: from the player's start to its first frame",
        "Over all viewers that joined after the stream had begun. Directly, one waits for the next IDR \
         frame; assisted, a neighbour hands over the current group of pictures.",
        (620, 360),
        |area| {
            Bars {
                title: "",
                unit: "ms to the first frame",
                groups: systems
                    .iter()
                    .map(|(system, summary)| format!("{} ({} joins)", system.name(), summary.count))
                    .collect(),
                series: vec![
                    ("median", style::of_system(System::Assisted)),
                    ("longest", style::of_system(System::Direct)),
                ],
                values: systems.iter().map(|(_, s)| vec![Some(s.median), Some(s.max)]).collect(),
            }
            .draw(area)
        },
    ))
}
