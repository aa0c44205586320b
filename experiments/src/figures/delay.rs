use plotters::prelude::*;

use super::canvas::{Area, Drawn, Plane, dressed, legend};
use super::{Figure, style};
use crate::measure::{Summary, propagation};
use crate::result::{Outcome, PingTrain, Run, System, Way};

/// The paper's figure: delay over time, direct against bypassed, with the streaming interval
/// marked. On the left by the paper's measure, half the round trip of pings; on the right by the
/// stamp of each frame.
pub(super) fn delay_over_time(outcome: &Outcome, scenario: &str) -> Option<Figure> {
    let run =
        |system| outcome.runs.iter().find(|run| run.scenario == scenario && run.system == system);
    let (direct, assisted) = (run(System::Direct)?, run(System::Assisted)?);
    let settings = describe_links(assisted);
    let figure = Figure::draw(
        format!("{scenario}-delay"),
        format!("{scenario}: delay over time ({settings})"),
        "Left, the paper's measure: half the round trip of pings, one a second; direct is broadcaster to \
         CDN plus CDN to viewer, bypassed is broadcaster to viewer. Right: each frame's one-way delay \
         from the broadcaster's stamp to its release to the player; triangles at the top are frames that took \
         longer than it. Dashed: propagation alone. Shaded: the streaming interval.",
        (1080, 420),
        |area| {
            let (left, right) = area.split_horizontally(540);
            let top = ceiling(direct, assisted);
            pings(&left, direct, assisted, top)?;
            frames(&right, direct, assisted, top)
        },
    );
    Some(figure)
}

fn describe_links(run: &Run) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for link in &run.links {
        let text = link.describe();
        if !kinds.contains(&text) {
            kinds.push(text);
        }
    }
    kinds.join(", ")
}

type Series = Vec<(f64, f64)>;

/// Half round trips over time, ms, of the trains that together make a path.
fn half_round_trips(run: &Run, of: impl Fn(&PingTrain) -> bool) -> Series {
    let mut trains = run.pings.iter().filter(|train| of(train)).map(|train| &train.probes);
    let Some(first) = trains.next() else { return Vec::new() };
    let rest: Vec<_> = trains.collect();
    let mut series = Vec::new();
    for (index, probe) in first.iter().enumerate() {
        // Trains are sent together, so the n-th probes of all belong to one moment.
        let others = rest.iter().map(|probes| probes.get(index).and_then(|probe| probe.rtt));
        let total: Option<u64> = others.chain([probe.rtt]).sum();
        if let Some(total) = total {
            series.push((run.timeline.second(probe.sent), total as f64 / 2e6));
        }
    }
    series
}

fn frame_delays(run: &Run) -> Vec<(f64, f64, Way)> {
    let Some(viewer) = run.viewers.first() else { return Vec::new() };
    let point = |frame: &crate::result::Frame| {
        (run.timeline.second(frame.captured), frame.delay() as f64 / 1e6, frame.way)
    };
    viewer.settled().iter().map(point).collect()
}

fn direct_pings(run: &Run) -> Series {
    let cdn = run.cdn();
    half_round_trips(run, |train| train.from == cdn || train.to == cdn)
}

fn bypassed_pings(run: &Run) -> Series {
    let cdn = run.cdn();
    half_round_trips(run, |train| train.from != cdn && train.to != cdn)
}

/// The height of both panels, ms, so that they compare at a glance. A few outliers may stand above
/// it: they are marked there, and the extremes are in the table.
fn ceiling(direct: &Run, assisted: &Run) -> f64 {
    let delays = [direct, assisted].into_iter().flat_map(frame_delays).map(|point| point.1);
    let pings = direct_pings(direct).into_iter().map(|point| point.1);
    let summary = Summary::of(delays.chain(pings));
    let floor = paths(direct).map(|(_, ms)| ms).fold(10.0, f64::max);
    summary.map_or(floor, |summary| summary.p99.max(floor)) * 1.25
}

fn paths(run: &Run) -> impl Iterator<Item = (Way, f64)> + '_ {
    let paths = run.viewers.first().map(|viewer| viewer.paths.as_slice()).unwrap_or_default();
    let wanted = paths.iter().filter(|path| matches!(path.way, Way::Cdn | Way::Switch));
    wanted.map(|path| (path.way, propagation(&path.hops) as f64 / 1e6))
}

/// Axes, the shaded streaming interval, and the dashed propagation of both paths.
fn panel<'a, 'b: 'a>(
    area: &'a Area<'b>,
    title: &str,
    run: &Run,
    top: f64,
) -> Result<Plane<'a, 'b>, Box<dyn std::error::Error>> {
    let time = &run.timeline;
    let mut chart = ChartBuilder::on(area)
        .caption(title, style::text(16))
        .margin(12)
        .margin_right(20)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..time.duration_s, 0.0..top)?;
    dressed(&mut chart.configure_mesh())
        .disable_x_mesh()
        .x_labels(7)
        .x_label_formatter(&|second| format!("{second:.0}"))
        .y_labels(6)
        .y_label_formatter(&|ms| format!("{ms:.0}"))
        .x_desc("seconds")
        .y_desc("one-way delay, ms")
        .draw()?;
    let shade = Rectangle::new(
        [(time.stream_from_s, 0.0), (time.stream_until_s, top)],
        style::SHADE.filled(),
    );
    chart.draw_series([shade])?;
    for (way, ms) in paths(run) {
        let line = DashedLineSeries::new(
            [(0.0, ms), (time.duration_s, ms)],
            5,
            4,
            style::of_way(way).stroke_width(1),
        );
        chart.draw_series(line)?;
    }
    Ok(chart)
}

fn pings(area: &Area<'_>, direct: &Run, assisted: &Run, top: f64) -> Drawn {
    let mut chart = panel(area, "Ping trains (round trip / 2)", assisted, top)?;
    let series = [
        ("direct, by the CDN", direct_pings(direct), style::of_way(Way::Cdn)),
        ("bypassed, by the switch", bypassed_pings(assisted), style::of_way(Way::Switch)),
    ];
    for (label, points, colour) in series {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        chart
            .draw_series(points.into_iter().map(|point| Circle::new(point, 2, colour.filled())))?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}

fn frames(area: &Area<'_>, direct: &Run, assisted: &Run, top: f64) -> Drawn {
    let mut chart = panel(area, "Frames (stamp to release)", assisted, top)?;
    let by_system = [(direct, "direct: "), (assisted, "assisted: ")];
    for (run, prefix) in by_system {
        let delays = frame_delays(run);
        let mut ways: Vec<Way> = delays.iter().map(|point| point.2).collect();
        ways.sort_unstable();
        ways.dedup();
        for way in ways {
            let colour = style::of_way(way);
            let this_way = || delays.iter().filter(|point| point.2 == way);
            let above = this_way().filter(|point| point.1 > top);
            let marks = above.map(|point| TriangleMarker::new((point.0, top), 4, colour.filled()));
            chart.draw_series(marks)?;
            let points = this_way().filter(|point| point.1 <= top);
            // Open circles for the assisted run, so that its CDN frames stand apart from the direct
            // run's.
            let open = run.system == System::Assisted && way == Way::Cdn;
            let shape = if open { colour.stroke_width(1) } else { colour.mix(0.55).filled() };
            chart
                .draw_series(
                    points.map(|point| {
                        Circle::new((point.0, point.1), if open { 3 } else { 2 }, shape)
                    }),
                )?
                .label(format!("{prefix}{}", way.name()))
                .legend(move |(x, y)| {
                    Circle::new(
                        (x + 9, y),
                        4,
                        if open { colour.stroke_width(1) } else { colour.filled() },
                    )
                });
        }
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}
