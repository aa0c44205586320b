//! The paper's figures 5 to 8 (underloaded) or 9 to 12 (overloaded), of our runs.

use plotters::prelude::*;

use super::measures::{Estimate, QUALITIES, WINDOW};
use super::result::{Flavour, LAYERS, MeshOutcome, PeerRecord};
use crate::figures::Figure;
use crate::figures::canvas::{Area, Drawn, Plane, distribution, legend, plane};
use crate::figures::style;

/// Classes in the order of the scenario, which is that of what they give.
const COLOURS: [RGBColor; 5] = style::SERIES;

/// All four.
pub(super) fn all(outcome: &MeshOutcome) -> Vec<Figure> {
    if outcome.runs.is_empty() {
        return Vec::new();
    }
    vec![typical(outcome), rates(outcome), ratios(outcome), qualities(outcome)]
}

/// The number of the paper's figure: of the four of each scenario, this one.
fn number(outcome: &MeshOutcome, which: u32) -> u32 {
    which + if outcome.overloaded() { 9 } else { 5 }
}

pub(super) fn colour(class: usize) -> RGBColor {
    COLOURS[class % COLOURS.len()]
}

/// A panel for each system, one below the other.
fn panels(
    outcome: &MeshOutcome,
    area: &Area<'_>,
    draw: impl Fn(&Area<'_>, Flavour) -> Drawn,
) -> Drawn {
    let systems = outcome.systems();
    for (panel, system) in area.split_evenly((systems.len(), 1)).iter().zip(systems) {
        panel.draw(&Text::new(system.name(), (64, 2), style::text(14)))?;
        let (_, below) = panel.split_vertically(14);
        draw(&below, system)?;
    }
    Ok(())
}

fn panel_size(outcome: &MeshOutcome) -> (u32, u32) {
    (760, 210 * outcome.systems().len().max(1) as u32)
}

/// The peer of a class whose mean playback rate is in the middle, of the first repetition.
fn middle(outcome: &MeshOutcome, system: Flavour, class: usize) -> Option<&PeerRecord> {
    let run = outcome.runs.iter().find(|run| run.system == system)?;
    let rate =
        |peer: &PeerRecord| peer.settled(outcome.scale.settled_s).map(|settled| settled.rate);
    let mut peers: Vec<(f64, &PeerRecord)> = run
        .peers
        .iter()
        .filter(|peer| peer.class == class)
        .filter_map(|peer| Some((rate(peer)?, peer)))
        .collect();
    peers.sort_by(|a, b| a.0.total_cmp(&b.0));
    peers.get(peers.len() / 2).map(|(_, peer)| *peer)
}

/// Playback rate over time of typical peers.
fn typical(outcome: &MeshOutcome) -> Figure {
    let full = outcome.full_kbit();
    let longest = outcome.runs.iter().map(|run| run.lasted_s).fold(1.0, f64::max);
    Figure::draw(
        "typical",
        format!("Playback rate of typical peers (figure {})", number(outcome, 0)),
        "Of each class the peer whose mean is in the middle, in the first repetition; means over ten \
         seconds. The thin line is the rate of the whole video. The paper took peers at random.",
        panel_size(outcome),
        |area| {
            panels(outcome, area, |panel, system| {
                let ranges = (0.0..longest, 0.0..full * 1.3);
                let mut chart = plane(panel, ranges, "s after the stream began", "kbit/s")?;
                chart.draw_series(LineSeries::new([(0.0, full), (longest, full)], style::DIM))?;
                for (class, facts) in outcome.scale.classes.iter().enumerate() {
                    let Some(peer) = middle(outcome, system, class) else { continue };
                    line(&mut chart, peer.rates(WINDOW), colour(class), &facts.name)?;
                }
                legend(&mut chart, SeriesLabelPosition::LowerRight)
            })
        },
    )
}

fn line(
    chart: &mut Plane<'_, '_>,
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    label: &str,
) -> Drawn {
    chart
        .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
        .label(label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    Ok(())
}

/// Mean playback rates of all peers of all repetitions, as distributions.
fn rates(outcome: &MeshOutcome) -> Figure {
    let full = outcome.full_kbit();
    Figure::draw(
        "rates",
        format!("Distribution of mean playback rates (figure {})", number(outcome, 1)),
        "The share of peers, over all repetitions, whose mean playback rate once they had settled is at \
         most that.",
        panel_size(outcome),
        |area| {
            panels(outcome, area, |panel, system| {
                let ranges = (0.0..full * 1.1, 0.0..1.05);
                let mut chart = plane(panel, ranges, "playback rate, kbit/s", "share of peers")?;
                for (class, facts) in outcome.scale.classes.iter().enumerate() {
                    let steps = distribution(&chart, &outcome.rates(system, class));
                    line(&mut chart, steps, colour(class), &facts.name)?;
                }
                legend(&mut chart, SeriesLabelPosition::UpperLeft)
            })
        },
    )
}

/// Something of each class under each system, in columns: a point with its confidence interval.
struct Points<'a> {
    outcome: &'a MeshOutcome,
    /// Of each system.
    columns: usize,
    up: std::ops::Range<f64>,
    y: &'a str,
    of: &'a dyn Fn(Flavour, usize, usize) -> Option<Estimate>,
    /// What all would be if nothing was lost, by column.
    best: &'a dyn Fn(usize) -> Option<f64>,
}

impl Points<'_> {
    fn draw(&self, area: &Area<'_>) -> Drawn {
        let systems = self.outcome.systems();
        let classes = &self.outcome.scale.classes;
        let wide = self.columns + 1;
        let across = 0.0..(wide * systems.len().max(1)) as f64;
        let names: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        let x = format!("from left to right: {}", names.join(", "));
        let mut chart = plane(area, (across, self.up.clone()), &x, self.y)?;
        for (at, _) in systems.iter().enumerate() {
            for column in 0..self.columns {
                if let Some(best) = (self.best)(column) {
                    let x = (at * wide + column) as f64 + 0.8;
                    let line = [(x - 0.4, best), (x + 0.4, best)];
                    chart.draw_series(LineSeries::new(line, style::DIM))?;
                }
            }
        }
        for (class, facts) in classes.iter().enumerate() {
            let colour = colour(class);
            // Side by side, so that intervals do not hide each other.
            let aside = (class as f64 - (classes.len() as f64 - 1.0) / 2.0) * 0.16;
            let mut points = Vec::new();
            for (at, system) in systems.iter().enumerate() {
                for column in 0..self.columns {
                    let x = (at * wide + column) as f64 + 0.8 + aside;
                    points.extend((self.of)(*system, class, column).map(|value| (x, value)));
                }
            }
            let bars = points.iter().filter_map(|(x, value)| {
                let half = value.half?;
                let ends = [(*x, value.mean - half), (*x, value.mean + half)];
                Some(PathElement::new(ends, colour.mix(0.6).stroke_width(2)))
            });
            chart.draw_series(bars)?;
            let dots =
                points.iter().map(|(x, value)| Circle::new((*x, value.mean), 5, colour.filled()));
            chart
                .draw_series(dots)?
                .label(&facts.name)
                .legend(move |(x, y)| Circle::new((x + 9, y), 5, colour.filled()));
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    }
}

/// Received chunk ratios by class and layer.
fn ratios(outcome: &MeshOutcome) -> Figure {
    Figure::draw(
        "ratios",
        format!("Received chunk ratio by layer (figure {})", number(outcome, 2)),
        "Of each system, from left to right, layers 1 to 3 and all of them together, of peers that had \
         settled; with 95 % confidence intervals over repetitions.",
        (760, 400),
        |area| {
            let of = |system, class, column: usize| {
                outcome.ratio(system, Some(class), (column < LAYERS).then_some(column))
            };
            let points = Points {
                outcome,
                columns: LAYERS + 1,
                up: 0.0..1.05,
                y: "received chunk ratio",
                of: &of,
                best: &|_| None,
            };
            points.draw(area)
        },
    )
}

/// PSNR by class and layer.
fn qualities(outcome: &MeshOutcome) -> Figure {
    Figure::draw(
        "quality",
        format!("PSNR by layer (figure {})", number(outcome, 3)),
        "Of each system, from left to right, Q1 (I and P pictures), Q2 (reference B), Q3 (plain B) and Q \
         (all), of peers that had settled; with 95 % confidence intervals over repetitions. The thin \
         lines are the video when all of it arrives.",
        (760, 400),
        |area| {
            let of = |system, class, column: usize| {
                outcome.quality(system, Some(class), QUALITIES[column].1)
            };
            let whole = |column: usize| outcome.whole.as_ref().and_then(QUALITIES[column].1);
            let points = Points {
                outcome,
                columns: QUALITIES.len(),
                up: 0.0..45.0,
                y: "PSNR, dB",
                of: &of,
                best: &whole,
            };
            points.draw(area)
        },
    )
}
