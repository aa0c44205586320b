use plotters::prelude::*;

use super::canvas::{distribution, dressed, framed, legend};
use super::{Figure, style};
use crate::result::{Outcome, System, Way};

/// The share of frames that came within a delay, for each system of a scenario.
pub(super) fn frame_delays(outcome: &Outcome, scenario: &str) -> Option<Figure> {
    let series = curves(outcome, scenario);
    let least = series
        .iter()
        .filter_map(|curve| curve.sorted.first())
        .copied()
        .fold(f64::INFINITY, f64::min);
    let most = series.iter().filter_map(|curve| curve.sorted.last()).copied().fold(0.0, f64::max);
    if series.is_empty() || most <= 0.0 {
        return None;
    }
    let range = (least * 0.8).max(0.1)..(most * 1.25).max(1.0);
    let figure = Figure::draw(
        format!("{scenario}-cdf"),
        format!("{scenario}: distribution of frame delay"),
        "The share of frames that reached the player within a delay (logarithmic). HLS is shown twice: \
         as frames arrive, and as a player shows them that starts with the first one and keeps real time.",
        (760, 400),
        |area| {
            let mut chart = framed(area)
                .build_cartesian_2d(range.log_scale().with_key_points(TICKS.to_vec()), 0.0..1.0)?;
            dressed(&mut chart.configure_mesh())
                .x_desc("frame delay, ms")
                .y_desc("share of frames")
                .x_label_formatter(&|ms| {
                    if *ms < 1.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
                })
                .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
                .y_labels(6)
                .draw()?;
            for curve in series {
                let Curve { label, colour, dashed, sorted } = curve;
                let steps = distribution(&chart, &sorted);
                if dashed {
                    chart.draw_series(DashedLineSeries::new(steps, 7, 5, colour.stroke_width(2)))?
                } else {
                    chart.draw_series(LineSeries::new(steps, colour.stroke_width(3)))?
                }
                .label(label)
                .legend(move |(x, y)| {
                    PathElement::new(
                        [(x, y), (x + if dashed { 9 } else { 18 }, y)],
                        colour.stroke_width(3),
                    )
                });
            }
            legend(&mut chart, SeriesLabelPosition::MiddleMiddle)
        },
    );
    Some(figure)
}

/// Where a logarithmic axis in ms is labelled.
const TICKS: [f64; 13] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4];

struct Curve {
    label: String,
    colour: RGBColor,
    dashed: bool,
    sorted: Vec<f64>,
}

fn curves(outcome: &Outcome, scenario: &str) -> Vec<Curve> {
    let mut curves = Vec::new();
    for system in System::ALL {
        let runs =
            outcome.runs.iter().filter(|run| run.scenario == scenario && run.system == system);
        let frames: Vec<_> =
            runs.flat_map(|run| &run.viewers).flat_map(|viewer| viewer.settled()).collect();
        let mut add = |label: String, colour, dashed, values: Vec<f64>| {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            if !sorted.is_empty() {
                curves.push(Curve { label, colour, dashed, sorted });
            }
        };
        let delay = |frame: &&crate::result::Frame| frame.delay() as f64 / 1e6;
        let colour = style::of_system(system);
        match system {
            System::Direct => {
                add("direct (RTMP)".to_owned(), colour, false, frames.iter().map(delay).collect())
            }
            System::Assisted => {
                add(
                    "assisted, all frames".to_owned(),
                    colour,
                    false,
                    frames.iter().map(delay).collect(),
                );
                let switched: Vec<f64> =
                    frames.iter().filter(|frame| frame.way == Way::Switch).map(delay).collect();
                if switched.len() < frames.len() {
                    add(
                        "assisted, by the switch".to_owned(),
                        style::of_way(Way::Neighbour),
                        true,
                        switched,
                    );
                }
            }
            System::Hls => {
                add("HLS, arriving".to_owned(), colour, true, frames.iter().map(delay).collect());
                let played = frames.iter().filter_map(|frame| {
                    frame.played.map(|played| played.saturating_sub(frame.captured) as f64 / 1e6)
                });
                add("HLS, played".to_owned(), colour, false, played.collect());
            }
        }
    }
    curves
}
