//! The figures of a report, drawn from an [`Outcome`](crate::result::Outcome) alone: SVG, and PNG
//! rasterised from it.

mod bars;
pub(crate) mod canvas;
mod cdf;
mod delay;
mod file;
mod histogram;
mod startup;
pub(crate) mod style;
mod traffic;

pub use canvas::Figure;
pub use file::{FigureError, write_all, write_figure};
pub use histogram::{ping_histogram, ping_series};

use crate::result::Outcome;

/// Every figure that the outcome has the data for, in the order a report shows them.
pub fn all(outcome: &Outcome) -> Vec<Figure> {
    let mut figures = Vec::new();
    for scenario in scenarios(outcome) {
        // Of a sweep of viewers the first run would say what figure 3 says.
        if viewer_counts(outcome, scenario).len() == 1 {
            figures.extend(delay::delay_over_time(outcome, scenario));
        }
        figures.extend(cdf::frame_delays(outcome, scenario));
    }
    figures.extend(traffic::bytes_by_viewers(outcome));
    figures.extend(startup::joins(outcome));
    figures.extend(histogram::idle_round_trips(outcome));
    figures
}

/// The scenarios of an outcome, each once, in the order they were run.
pub(crate) fn scenarios(outcome: &Outcome) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in &outcome.runs {
        if !names.contains(&run.scenario.as_str()) {
            names.push(&run.scenario);
        }
    }
    names
}

/// With how many viewers a scenario was run, in ascending order.
fn viewer_counts(outcome: &Outcome, scenario: &str) -> Vec<usize> {
    let runs = outcome.runs.iter().filter(|run| run.scenario == scenario);
    let counts: std::collections::BTreeSet<usize> = runs.map(|run| run.viewers.len()).collect();
    counts.into_iter().collect()
}
