//! The figures of a simulation's report: the paper's and what goes beyond them.

use nearcast_swarm::LAYERS;
use plotters::prelude::*;

use super::judge::{playback_kbit, ratio};
use super::result::{Group, Session, SimRun, Simulations};
use super::scenario::Paper;
use crate::figures::Figure;
use crate::figures::canvas::{distribution, dressed, framed, legend, plane};
use crate::figures::style;

/// The layers of a run, and the systems of a figure, in this order; told apart without colours by
/// the legend's order.
const COLOURS: [RGBColor; 5] = style::SERIES;

/// Every figure that there is data for.
pub(super) fn all(result: &Simulations) -> Vec<Figure> {
    let mut figures = Vec::new();
    for population in populations(result) {
        let runs: Vec<&SimRun> =
            result.runs.iter().filter(|run| run.population == population).collect();
        figures.extend(rates(result, population, &runs));
        figures.push(ratios(result, population, &runs));
        figures.push(over_time(population, &runs));
    }
    figures
}

/// Each population once, in the order of runs.
pub(super) fn populations(result: &Simulations) -> Vec<&str> {
    let mut names: Vec<&str> = result.runs.iter().map(|run| run.population.as_str()).collect();
    names.dedup();
    names
}

/// The number of a figure of the paper, for titles: of those for underloaded and overloaded by
/// trace, and on PlanetLab.
fn number(result: &Simulations, numbers: [u8; 4]) -> String {
    let at = usize::from(result.overloaded);
    match result.paper {
        None => String::new(),
        Some(Paper::Trace) => format!(" (figure {})", numbers[at]),
        Some(Paper::Planetlab) => format!(" (figure {})", numbers[2 + at]),
    }
}

/// Some of the peers, and who they are.
type Shown = (String, Box<dyn Fn(&Session) -> bool>);

/// Whose playback rates are shown: on PlanetLab every group's; else some classes', of the
/// overloaded scenario also one of the free-riders'.
fn shown(result: &Simulations) -> Vec<Shown> {
    let of_group = |group: Group| -> Shown {
        (group.name().to_owned(), Box::new(move |session| session.group == group))
    };
    let of_class = |kbit: u32| -> Shown {
        let has = move |session: &Session| session.class_kbit == f64::from(kbit);
        (format!("{kbit} kbit/s"), Box::new(has))
    };
    match (result.paper, result.overloaded) {
        (Some(Paper::Trace), true) => [320, 448, 1024].map(of_class).into(),
        (Some(Paper::Trace), false) => [448, 1024].map(of_class).into(),
        _ => Group::ALL.map(of_group).into(),
    }
}

/// The playback rates of some of a system's peers, in ascending order.
struct Curve {
    label: String,
    colour: RGBAColor,
    rates: Vec<f64>,
}

/// Playback rates as distributions.
fn rates(result: &Simulations, population: &str, runs: &[&SimRun]) -> Option<Figure> {
    let shown = &shown(result);
    let all = runs.iter().zip(COLOURS.into_iter().cycle()).flat_map(|(run, colour)| {
        shown.iter().zip(1..).map(move |((name, has), class)| {
            let of_class = run.sessions.iter().filter(|session| has(session));
            let mut rates: Vec<f64> =
                of_class.filter_map(|session| playback_kbit(result, session)).collect();
            rates.sort_by(f64::total_cmp);
            let shade = f64::from(class) / shown.len() as f64;
            Curve { label: format!("{}, {name}", run.system), colour: colour.mix(shade), rates }
        })
    });
    let curves: Vec<Curve> = all.filter(|curve| !curve.rates.is_empty()).collect();
    if curves.is_empty() {
        return None;
    }
    let number = number(result, [14, 16, 6, 10]);
    Some(Figure::draw(
        format!("{population}-rates"),
        format!("{population}: playback rate{number}"),
        "The share of sessions with a minute of playout or more whose mean playback rate is at most that. \
         Systems by colour; the lighter a line, the less its peers have or give.",
        (760, 420),
        |area| {
            let mut chart = plane(
                area,
                (0.0..result.full_kbit * 1.05, 0.0..1.05),
                "playback rate, kbit/s",
                "share of sessions",
            )?;
            for Curve { label, colour, rates } in curves {
                let steps = distribution(&chart, &rates);
                chart
                    .draw_series(LineSeries::new(steps, colour.stroke_width(3)))?
                    .label(label)
                    .legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3))
                    });
            }
            legend(&mut chart, SeriesLabelPosition::UpperLeft)
        },
    ))
}

/// Received chunk ratios by group and layer: a point per layer.
fn ratios(result: &Simulations, population: &str, runs: &[&SimRun]) -> Figure {
    let number = number(result, [15, 17, 7, 11]);
    Figure::draw(
        format!("{population}-ratios"),
        format!("{population}: received chunk ratio by layer{number}"),
        "Systems from left to right, of each layers 1 to 3. Filled: peers that contribute the full rate or more; \
         half: less; empty: nothing.",
        (760, 400),
        |area| {
            // A column for each layer, and an empty one after each system.
            let columns = (LAYERS + 1) * runs.len().max(1);
            let mut chart = framed(area).build_cartesian_2d(0.0..columns as f64, 0.0..1.05)?;
            dressed(&mut chart.configure_mesh())
                .disable_x_mesh()
                .x_desc("layer")
                .y_desc("received chunk ratio")
                .x_labels(columns + 1)
                .x_label_formatter(&|column| match *column as usize % (LAYERS + 1) {
                    0 => String::new(),
                    layer => layer.to_string(),
                })
                .y_labels(6)
                .draw()?;
            for (at, run) in runs.iter().enumerate() {
                let colour = COLOURS[at % COLOURS.len()];
                let mut first = true;
                for (group, filled) in Group::ALL.into_iter().zip([0.0, 0.45, 1.0]) {
                    let of_group = || run.sessions.iter().filter(|session| session.group == group);
                    let points = (0..LAYERS).filter_map(|layer| {
                        let x = (at * (LAYERS + 1) + layer + 1) as f64;
                        Some((x, ratio(of_group(), layer)?))
                    });
                    let points: Vec<(f64, f64)> = points.collect();
                    chart.draw_series(LineSeries::new(points.clone(), colour.mix(0.5)))?;
                    let inside =
                        points.iter().map(|&p| Circle::new(p, 6, colour.mix(filled).filled()));
                    chart.draw_series(inside)?;
                    let outside = points.iter().map(|&p| Circle::new(p, 6, colour.stroke_width(2)));
                    let drawn = chart.draw_series(outside)?;
                    if std::mem::take(&mut first) {
                        drawn
                            .label(&run.system)
                            .legend(move |(x, y)| Circle::new((x + 9, y), 5, colour.filled()));
                    }
                }
            }
            legend(&mut chart, SeriesLabelPosition::LowerRight)
        },
    )
}

/// The base layer's ratio and the population over time, the latter as a part of its peak.
fn over_time(population: &str, runs: &[&SimRun]) -> Figure {
    let steps = || runs.iter().flat_map(|run| &run.series);
    let begin = steps().map(|step| step.at_s).fold(f64::INFINITY, f64::min).min(1e9) / 3600.0;
    let end = steps().map(|step| step.at_s).fold(0.0, f64::max) / 3600.0;
    Figure::draw(
        format!("{population}-time"),
        format!("{population}: the base layer over time, and the population"),
        "The received chunk ratio of layer 1 over all peers, and how many peers there are, as a part of the \
         most that there are.",
        (760, 380),
        |area| {
            let across = begin..end.max(begin + 1e-3);
            let mut chart = plane(area, (across, 0.0..1.05), "hours", "received chunk ratio")?;
            if let Some(run) = runs.first() {
                let peak = run.peak.max(1) as f64;
                let peers =
                    run.series.iter().map(|step| (step.at_s / 3600.0, step.peers as f64 / peak));
                chart
                    .draw_series(AreaSeries::new(peers, 0.0, style::GRID.mix(0.9)))?
                    .label(format!("peers (1: {peak})"))
                    .legend(|(x, y)| {
                        Rectangle::new([(x, y - 5), (x + 14, y + 5)], style::GRID.filled())
                    });
            }
            for (at, run) in runs.iter().enumerate() {
                let colour = COLOURS[at % COLOURS.len()];
                let points =
                    run.series.iter().filter(|step| step.due[0] > 0).map(|step| {
                        (step.at_s / 3600.0, step.played[0] as f64 / step.due[0] as f64)
                    });
                chart
                    .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                    .label(&run.system)
                    .legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3))
                    });
            }
            legend(&mut chart, SeriesLabelPosition::LowerRight)
        },
    )
}
