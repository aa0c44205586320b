//! How the differences between Mininet and simulator are shown.

use std::fmt::Write;

use plotters::prelude::*;

use super::differences::Row;
use super::figures::colour;
use super::measures::Estimate;
use super::result::{LAYERS, MeshOutcome};
use crate::figures::Figure;
use crate::figures::canvas::{legend, plane};
use crate::figures::style;
use crate::report::escape;
use crate::report::html::{Cell, document, put_figure, table};

/// Received chunk ratios of each class and layer under each system, one backend against the other.
pub(super) fn figure(mininet: &MeshOutcome, simulator: &MeshOutcome) -> Figure {
    Figure::draw(
        "sim-vs-mininet",
        "Received chunk ratios: simulator against Mininet".to_owned(),
        "A point for each class, layer and system, with 95 % confidence intervals over repetitions; on the \
         line both say the same.",
        (560, 520),
        |area| {
            let mut chart = plane(area, (0.0..1.05, 0.0..1.05), "in Mininet", "in the simulator")?;
            chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], style::DIM))?;
            for (class, facts) in mininet.scale.classes.iter().enumerate() {
                let colour = colour(class);
                let mut points = Vec::new();
                for system in simulator.systems() {
                    for layer in 0..LAYERS {
                        let of =
                            |outcome: &MeshOutcome| outcome.ratio(system, Some(class), Some(layer));
                        points.extend(of(mininet).zip(of(simulator)));
                    }
                }
                let half = |of: &Estimate| of.half.unwrap_or(0.0);
                let lines = points.iter().flat_map(|(x, y)| {
                    let (dx, dy) = (half(x), half(y));
                    [
                        [(x.mean - dx, y.mean), (x.mean + dx, y.mean)],
                        [(x.mean, y.mean - dy), (x.mean, y.mean + dy)],
                    ]
                });
                let style = colour.mix(0.4).stroke_width(1);
                chart.draw_series(lines.map(|line| PathElement::new(line, style)))?;
                let dots =
                    points.iter().map(|(x, y)| Circle::new((x.mean, y.mean), 5, colour.filled()));
                chart
                    .draw_series(dots)?
                    .label(&facts.name)
                    .legend(move |(x, y)| Circle::new((x + 9, y), 5, colour.filled()));
            }
            legend(&mut chart, SeriesLabelPosition::LowerRight)
        },
    )
}

fn number(value: Option<Estimate>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.text(1))
}

fn difference(row: &Row) -> String {
    row.difference().map_or_else(|| "-".to_owned(), |by| format!("{by:+.1}"))
}

/// The whole page.
pub(super) fn page(mininet: &MeshOutcome, rows: &[Row], figure: &Figure) -> String {
    let mut out = String::new();
    let title = format!("{}: simulator against Mininet", mininet.scenario);
    let _ = writeln!(
        out,
        "<header><p class=\"kicker\">nearcast &middot; sim-vs-mininet</p><h1>{}</h1>\
         <p>The same {} peers with the same upload limits, delays and moments of joining, the same \
         settings of the engine, and a stream of the rates that Mininet's had; {} runs of each system. Two \
         numbers agree that differ by no more than their confidence intervals leave open, or by two points, \
         2 % of the stream's rate, 2 s, or 20 chunks. What the simulator leaves out: frames of varying size, \
         what a kernel and a switch take, proofs that are checked, and clocks.</p></header>",
        escape(&title),
        mininet.scale.peers,
        mininet.scale.repeat,
    );
    out.push_str("<section>\n");
    put_figure(&mut out, figure);
    out.push_str("</section>\n<section><h2>Metric by metric</h2>\n");
    let cells = rows.iter().map(|row| {
        let mark = match row.agrees() {
            Some(true) => Cell::Mark("met", "agrees"),
            Some(false) => Cell::Mark("missed", "differs"),
            None => Cell::Mark("none", "not measured"),
        };
        vec![
            mark,
            Cell::text(row.system),
            Cell::text(&row.class),
            Cell::text(row.metric),
            Cell::text(row.unit),
            Cell::Number(number(row.mininet)),
            Cell::Number(number(row.simulator)),
            Cell::Number(difference(row)),
        ]
    });
    let header = ["", "system", "peers", "what", "unit", "Mininet", "simulator", "difference"];
    out.push_str(&table(&header, &cells.collect::<Vec<_>>()));
    let _ = write!(
        out,
        "</section>\n<section><h2>The runs in Mininet</h2><p><code>{}</code></p></section>",
        escape(&mininet.command)
    );
    document(&title, &out)
}

/// The same for a terminal.
pub(super) fn text(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<14} {:<14} {:<34} {:>15} {:>15} {:>9}\n",
        "system", "peers", "what", "Mininet", "simulator", "by"
    );
    for row in rows {
        let _ = writeln!(
            out,
            "{:<14} {:<14} {:<34} {:>15} {:>15} {:>9}{}",
            row.system,
            row.class,
            format!("{}, {}", row.metric, row.unit),
            number(row.mininet),
            number(row.simulator),
            difference(row),
            if row.agrees() == Some(false) { "  differs" } else { "" }
        );
    }
    let compared: Vec<bool> = rows.iter().filter_map(Row::agrees).collect();
    let agree = compared.iter().filter(|agrees| **agrees).count();
    let _ = writeln!(out, "{agree} of {} agree", compared.len());
    out
}

#[cfg(test)]
mod tests {
    use super::super::differences::rows;
    use super::super::synthetic::outcome;
    use super::*;

    #[test]
    fn differences_are_shown_as_such() {
        let mut other = outcome();
        for run in &mut other.runs {
            run.seed_bytes *= 2;
        }
        let rows = rows(&outcome(), &other);
        let drawn = figure(&outcome(), &other);
        let html = page(&outcome(), &rows, &drawn);
        assert_eq!(html.matches("differs</span>").count(), 3, "the broadcaster of each system");
        assert!(html.contains("<svg") && html.contains("institutional"));
        let told = text(&rows);
        assert_eq!(told.matches("  differs").count(), 3, "{told}");
        assert!(told.contains("broadcaster"));
    }
}
