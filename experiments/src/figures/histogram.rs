use plotters::prelude::*;

use super::Figure;
use super::canvas::{Area, Drawn, Plane, dressed, framed, legend};
use crate::result::{LinkTruth, Outcome, PingTrain};

const COLOURS: [RGBColor; 4] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xA6, 0x4D, 0x87),
];

/// How far idle round trips were above the propagation that the links ask for, over all runs.
pub(super) fn idle_round_trips(outcome: &Outcome) -> Option<Figure> {
    let mut series: Vec<(String, Vec<f64>)> = Vec::new();
    for truth in outcome.runs.iter().flat_map(|run| &run.truth) {
        let LinkTruth::Rtt { from, to, propagation, rtts, .. } = truth else { continue };
        let name = format!("{from} - {to} ({:.0} ms)", *propagation as f64 / 1e6);
        let above = rtts.iter().map(|rtt| (*rtt as f64 - *propagation as f64) / 1e6);
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.extend(above),
            None => series.push((name, above.collect())),
        }
    }
    series.retain(|(_, values)| !values.is_empty());
    if series.is_empty() {
        return None;
    }
    Some(Figure::draw(
        "idle-rtt",
        "Idle round trips, above the propagation that the links ask for",
        "Pings every 10 ms before the stream. What is left above propagation is serialisation, the \
         switch and the link process.",
        (760, 340),
        |area| histogram(area, &series, "ms above propagation", None),
    ))
}

/// The distribution of round trips of each train.
pub fn ping_histogram(trains: &[PingTrain]) -> Option<Figure> {
    let rtts = |train: &PingTrain| -> Vec<f64> {
        train.probes.iter().filter_map(|probe| probe.rtt).map(|rtt| rtt as f64 / 1e6).collect()
    };
    let answered = || trains.iter().filter(|train| train.probes.iter().any(|p| p.rtt.is_some()));
    let series: Vec<(String, Vec<f64>)> =
        answered().map(|train| (format!("{} - {}", train.from, train.to), rtts(train))).collect();
    let floors: Vec<f64> = answered().map(|train| train.floor as f64 / 1e6).collect();
    (!series.is_empty()).then(|| {
        Figure::draw(
            "histogram",
            "Distribution of round trips",
            "Dashed: the least that the links' settings allow.",
            (760, 340),
            |area| histogram(area, &series, "round trip, ms", Some(&floors)),
        )
    })
}

/// The round trips of each train over time.
pub fn ping_series(trains: &[PingTrain]) -> Option<Figure> {
    let origin =
        trains.iter().flat_map(|train| train.probes.first()).map(|probe| probe.sent).min()?;
    let end = trains.iter().flat_map(|train| train.probes.last()).map(|probe| probe.sent).max()?;
    let rtts = trains.iter().flat_map(|train| &train.probes).filter_map(|probe| probe.rtt);
    let top = rtts.max()? as f64 / 1e6 * 1.2;
    let seconds = ((end - origin) as f64 / 1e9).max(0.1);
    Some(Figure::draw(
        "pings",
        "Round trips over time",
        "Dashed: the least that the links' settings allow. A cross on the axis is a ping that was lost.",
        (760, 380),
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(14)
                .x_label_area_size(44)
                .y_label_area_size(58)
                .build_cartesian_2d(0.0..seconds, 0.0..top)?;
            mesh(&mut chart, "seconds", "round trip, ms")?;
            for (train, colour) in trains.iter().zip(COLOURS.into_iter().cycle()) {
                let second = |sent: u64| (sent - origin) as f64 / 1e9;
                let floor = train.floor as f64 / 1e6;
                chart.draw_series(DashedLineSeries::new(
                    [(0.0, floor), (seconds, floor)],
                    5,
                    4,
                    colour.stroke_width(1),
                ))?;
                let points = train
                    .probes
                    .iter()
                    .filter_map(|probe| Some((second(probe.sent), probe.rtt? as f64 / 1e6)));
                chart
                    .draw_series(points.map(|point| Circle::new(point, 2, colour.filled())))?
                    .label(format!("{} - {}", train.from, train.to))
                    .legend(move |(x, y)| Circle::new((x + 9, y), 4, colour.filled()));
                let lost = train.probes.iter().filter(|probe| probe.rtt.is_none());
                chart.draw_series(lost.map(|probe| {
                    Cross::new((second(probe.sent), 0.0), 5, colour.stroke_width(2))
                }))?;
            }
            legend(&mut chart, SeriesLabelPosition::UpperRight)
        },
    ))
}

const BINS: usize = 60;

fn histogram(
    area: &Area<'_>,
    series: &[(String, Vec<f64>)],
    unit: &str,
    floors: Option<&[f64]>,
) -> Drawn {
    let mut all: Vec<f64> = series.iter().flat_map(|(_, values)| values).copied().collect();
    all.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (all.first(), all.last()) else { return Ok(()) };
    let low = floors.into_iter().flatten().copied().fold(*least, f64::min);
    let pad = ((most - low) * 0.05).max(0.05);
    let (low, high) = ((low - pad).min(0.0_f64.max(low - pad)), most + pad);
    let width = (high - low) / BINS as f64;
    let bins: Vec<Vec<usize>> = series
        .iter()
        .map(|(_, values)| {
            let mut bins = vec![0; BINS];
            for value in values {
                bins[(((value - low) / width) as usize).min(BINS - 1)] += 1;
            }
            bins
        })
        .collect();
    let top = bins.iter().flatten().max().copied().unwrap_or(1) as f64 * 1.2;
    let mut chart = framed(area).build_cartesian_2d(low..high, 0.0..top)?;
    mesh(&mut chart, unit, "pings")?;
    for ((name, bins), colour) in
        series.iter().map(|(name, _)| name).zip(&bins).zip(COLOURS.into_iter().cycle())
    {
        let bars = bins.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bin, count)| {
            let left = low + bin as f64 * width;
            Rectangle::new([(left, 0.0), (left + width, *count as f64)], colour.mix(0.6).filled())
        });
        chart
            .draw_series(bars)?
            .label(name.as_str())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    for (floor, colour) in floors.into_iter().flatten().zip(COLOURS.into_iter().cycle()) {
        chart.draw_series(DashedLineSeries::new(
            [(*floor, 0.0), (*floor, top)],
            5,
            4,
            colour.stroke_width(1),
        ))?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}

fn mesh(chart: &mut Plane<'_, '_>, x: &str, y: &str) -> Drawn {
    dressed(&mut chart.configure_mesh()).disable_x_mesh().x_desc(x).y_desc(y).y_labels(6).draw()?;
    Ok(())
}
