//! How the differences between Mininet and simulator are shown.

use std::fmt::Write;

use plotters::prelude::*;

use super::differences::{Compared, Row};
use super::figures::colour;
use super::result::MeshOutcome;
use crate::figures::Figure;
use crate::figures::canvas::{legend, plane};
use crate::figures::style;
use crate::report::escape;
use crate::report::html::{Cell, document, put_figure, table};

/// Received chunk ratios of each class and layer under each system, one backend against the other.
pub(super) fn figure(mininet: &MeshOutcome, rows: &[Row]) -> Figure {
    Figure::draw(
        "sim-vs-mininet",
        "Received chunk ratios: simulator against Mininet".to_owned(),
        "A point for each class, layer and system, with what chance leaves open; on the line both say the \
         same.",
        (560, 520),
        |area| {
            let mut chart =
                plane(area, (0.0..105.0, 0.0..105.0), "in Mininet, %", "in the simulator, %")?;
            chart.draw_series(LineSeries::new([(0.0, 0.0), (100.0, 100.0)], style::DIM))?;
            for (class, facts) in mininet.scale.classes.iter().enumerate() {
                let colour = colour(class);
                let of_layers =
                    |row: &&Row| row.class == Some(class) && row.metric.starts_with("layer ");
                let points: Vec<Compared> =
                    rows.iter().filter(of_layers).filter_map(|row| row.compared).collect();
                let lines = points.iter().map(|both| {
                    let (x, y) = (both.mininet, both.simulator);
                    [(x, (y - both.chance).max(0.0)), (x, (y + both.chance).min(105.0))]
                });
                let style = colour.mix(0.4).stroke_width(1);
                chart.draw_series(lines.map(|line| PathElement::new(line, style)))?;
                let dots = points
                    .iter()
                    .map(|both| Circle::new((both.mininet, both.simulator), 5, colour.filled()));
                chart
                    .draw_series(dots)?
                    .label(&facts.name)
                    .legend(move |(x, y)| Circle::new((x + 9, y), 5, colour.filled()));
            }
            legend(&mut chart, SeriesLabelPosition::LowerRight)
        },
    )
}

/// What Mininet and the simulator have, their difference, and how much of it may be chance.
fn numbers(row: &Row) -> [String; 4] {
    let Some(both) = row.compared else { return [(); 4].map(|()| "-".to_owned()) };
    [
        format!("{:.1}", both.mininet),
        format!("{:.1}", both.simulator),
        format!("{:+.1}", both.difference()),
        format!("± {:.1}", both.chance),
    ]
}

/// The whole page.
///
/// `runs` is how many were compared, and how often each was simulated.
pub(super) fn page(
    mininet: &MeshOutcome,
    (runs, draws): (usize, u32),
    rows: &[Row],
    figure: &Figure,
) -> String {
    let mut out = String::new();
    let title = format!("{}: simulator against Mininet", mininet.scenario);
    let _ = writeln!(
        out,
        "<header><p class=\"kicker\">nearcast &middot; sim-vs-mininet</p><h1>{}</h1>\
         <p>The same {} peers with the same upload limits, delays and moments of joining, the same \
         settings of the engine, and a stream of the rates that Mininet's had; {runs} runs, of which each was \
         simulated {draws} times. These differ in what peers draw, such as whom to ask, and so \
         show by how much a run in Mininet may differ from their mean by chance, 95 times in 100. Two \
         numbers agree that differ by no more, or by two points, 2 % of the stream's rate, 2 s, or 20 chunks. \
         What the simulator leaves out: frames of varying size, what a kernel and a switch take, proofs \
         that are checked, and clocks.</p></header>",
        escape(&title),
        mininet.scale.peers,
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
        let words = [row.system.name(), &row.peers, row.metric, row.unit].map(Cell::text);
        let numbers = numbers(row).map(Cell::Number);
        [mark].into_iter().chain(words).chain(numbers).collect()
    });
    let header =
        ["", "system", "peers", "what", "unit", "Mininet", "simulator", "difference", "by chance"];
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
        "{:<14} {:<14} {:<34} {:>9} {:>9} {:>9} {:>9}\n",
        "system", "peers", "what", "Mininet", "simulator", "by", "chance"
    );
    for row in rows {
        let [mininet, simulator, by, chance] = numbers(row);
        let _ = writeln!(
            out,
            "{:<14} {:<14} {:<34} {mininet:>9} {simulator:>9} {by:>9} {chance:>9}{}",
            row.system.name(),
            row.peers,
            format!("{}, {}", row.metric, row.unit),
            if row.agrees() == Some(false) { "  differs" } else { "" }
        );
    }
    let compared: Vec<bool> = rows.iter().filter_map(Row::agrees).collect();
    let agree = compared.iter().filter(|agrees| **agrees).count();
    let _ =
        writeln!(out, "{agree} of {} agree; one in twenty may differ by chance", compared.len());
    out
}

#[cfg(test)]
mod tests {
    use super::super::differences::rows;
    use super::super::synthetic::{outcome, twins};
    use super::*;

    #[test]
    fn differences_are_shown_as_such() {
        let outcome = outcome();
        let rows = rows(&outcome, &twins(&outcome, 2, |_, run| run.seed_bytes *= 2));
        let drawn = figure(&outcome, &rows);
        let html = page(&outcome, (6, 2), &rows, &drawn);
        assert_eq!(html.matches("differs</span>").count(), 3, "the broadcaster of each system");
        assert!(html.contains("<svg") && html.contains("institutional"));
        assert!(html.contains("simulated 2 times"), "{html}");
        let told = text(&rows);
        assert_eq!(told.matches("  differs").count(), 3, "{told}");
        assert!(told.contains("broadcaster"));
    }
}
