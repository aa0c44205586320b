//! The figures of a trace.

use nearcast_sim::trace::Fit;
use plotters::prelude::*;

use crate::figures::canvas::{dressed, legend, plane};
use crate::figures::{Figure, style};

const COLOUR: RGBColor = style::SERIES[0];
const OTHER: RGBColor = style::SERIES[1];

/// All of them.
pub(super) fn all(fit: &Fit, scale: f64) -> Vec<Figure> {
    let lengths = (fit.mean_length > 0.0).then(|| lengths(fit));
    [Some(population(fit, scale)), Some(arrivals(fit)), lengths].into_iter().flatten().collect()
}

fn hours(minute: usize) -> f64 {
    minute as f64 / 60.0
}

/// What an axis of counts goes up to.
fn top(counts: impl Iterator<Item = u32>, least: f64) -> f64 {
    f64::from(counts.max().unwrap_or(0)).max(least) * 1.1
}

fn population(fit: &Fit, scale: f64) -> Figure {
    let [few, many] = [200.0, 9_000.0].map(|users| users * scale);
    let end = hours(fit.population.len());
    Figure::draw(
        "population",
        "Users at once",
        "At the beginning of every minute. Dashed: what the least is published to be below, and the most \
         above. Shaded: when the peak is.",
        (760, 380),
        |area| {
            let up = top(fit.population.iter().copied(), many);
            let mut chart = plane(area, (0.0..end, 0.0..up), "hours", "users")?;
            let evening = [(18.0, 0.0), (end.min(22.0), up)];
            if end > 18.0 {
                chart.draw_series([Rectangle::new(evening, style::SHADE.filled())])?;
            }
            let users = fit.population.iter().enumerate();
            let users = users.map(|(minute, users)| (hours(minute), f64::from(*users)));
            chart.draw_series(LineSeries::new(users, COLOUR.stroke_width(2)))?;
            for level in [few, many] {
                let line = [(0.0, level), (end, level)];
                chart.draw_series(DashedLineSeries::new(line, 6, 5, style::DIM.stroke_width(1)))?;
            }
            Ok(())
        },
    )
}

fn arrivals(fit: &Fit) -> Figure {
    // Who was there before the trace began arrives in its first minute.
    let later = || fit.arrivals.iter().copied().enumerate().skip(1);
    Figure::draw(
        "arrivals",
        "Arrivals a minute",
        "Without the first minute, in which those arrive who were there before. Circles: flash crowds, with \
         five times the arrivals of the median minute around them or more.",
        (760, 340),
        |area| {
            let up = top(later().map(|(_, arrivals)| arrivals), 1.0);
            let across = 0.0..hours(fit.arrivals.len());
            let mut chart = plane(area, (across, 0.0..up), "hours", "arrivals")?;
            let counts = later().map(|(minute, count)| (hours(minute), f64::from(count)));
            chart.draw_series(LineSeries::new(counts, COLOUR.stroke_width(1)))?;
            let crowds = fit.crowds.iter().map(|crowd| {
                let at = (hours(crowd.minute), f64::from(crowd.arrivals));
                Circle::new(at, 6, OTHER.stroke_width(2))
            });
            chart.draw_series(crowds)?;
            Ok(())
        },
    )
}

/// Where the axis of lengths is labelled, and how.
const TICKS: [(f64, &str); 8] = [
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (14_400.0, "4 h"),
    (57_600.0, "16 h"),
    (604_800.0, "1 week"),
];

/// The least share of sessions that is shown.
const SHARE_MIN: f64 = 5e-5;

fn lengths(fit: &Fit) -> Figure {
    let mean = fit.mean_length;
    let longest = fit.lengths.last().map_or(mean, |(_, secs)| *secs);
    let across = 1.0..(longest * 1.5).max(100.0);
    Figure::draw(
        "lengths",
        "How long sessions last",
        "The share of sessions that last longer, both axes logarithmic. Dashed: an exponential distribution of \
         the same mean, which has no heavy tail.",
        (760, 380),
        |area| {
            let ticks = TICKS.iter().map(|(secs, _)| *secs).collect();
            let mut chart = ChartBuilder::on(area)
                .margin(14)
                .margin_right(24)
                .x_label_area_size(44)
                .y_label_area_size(64)
                .build_cartesian_2d(
                    across.clone().log_scale().with_key_points(ticks),
                    (SHARE_MIN..1.5).log_scale(),
                )?;
            dressed(&mut chart.configure_mesh())
                .x_desc("session length")
                .y_desc("share of sessions")
                .x_label_formatter(&|secs| {
                    let tick = TICKS.iter().find(|(at, _)| at == secs);
                    tick.map_or_else(|| format!("{secs} s"), |(_, name)| (*name).to_owned())
                })
                .y_label_formatter(&|share| format!("{} %", share * 100.0))
                .draw()?;
            let ours = fit.lengths.iter().map(|(below, secs)| (secs.max(1.0), 1.0 - below));
            let ours = ours.filter(|(_, share)| *share >= SHARE_MIN);
            chart
                .draw_series(LineSeries::new(ours, COLOUR.stroke_width(3)))?
                .label("this trace")
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], COLOUR.stroke_width(3)));
            let steps = (0..=200).map(|step| across.end.powf(f64::from(step) / 200.0));
            let fading = steps.map(|secs| (secs, (-secs / mean).exp()));
            let fading = fading.filter(|(_, share)| *share >= SHARE_MIN);
            chart
                .draw_series(DashedLineSeries::new(fading, 6, 5, style::DIM.stroke_width(2)))?
                .label(format!("exponential, mean {:.0} min", mean / 60.0))
                .legend(|(x, y)| {
                    PathElement::new([(x, y), (x + 9, y)], style::DIM.stroke_width(2))
                });
            legend(&mut chart, SeriesLabelPosition::LowerLeft)
        },
    )
}
