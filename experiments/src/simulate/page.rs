//! The report of a simulation: one page that refers to nothing outside itself.

use std::fmt::Write;

use nearcast_swarm::LAYERS;

use super::judge::{ratio, settled_ratio};
use super::result::{Group, Session, Simulations};
use super::scenario::Paper;
use crate::figures::Figure;
use crate::report::escape;
use crate::report::html::{Cell, begin, document, put_figures, table};

/// The whole page.
pub(super) fn page(result: &Simulations, figures: &[Figure]) -> String {
    let mut out = String::new();
    begin(&mut out, &result.scenario, &result.title, result.incomplete_why.as_deref());
    out.push_str("</header>\n");
    goals(&mut out, result);
    groups(&mut out, result);
    put_figures(&mut out, figures);
    cost(&mut out, result);
    let _ = write!(
        out,
        "<section><h2>To make it again</h2><p><code>{}</code> (nearcast {})</p></section>",
        escape(&result.command),
        escape(&result.version)
    );
    document(&result.title, &out)
}

fn goals(out: &mut String, result: &Simulations) {
    if result.goals.is_empty() {
        return;
    }
    out.push_str("<section><h2>The paper's numbers beside ours</h2>\n");
    out.push_str(match result.paper {
        Some(Paper::Planetlab) => {
            "<p>Liu et al., section V. &ldquo;Close to the full rate&rdquo; is taken for 90 % of it, \
             &ldquo;about&rdquo; for five points around. The paper's peers ran on PlanetLab, with its \
             delays and losses and its machines' load; the simulated core has one delay and loses \
             nothing.</p>\n"
        }
        _ => {
            "<p>Liu et al., section VI. &ldquo;Almost all&rdquo; is taken for 95 %, &ldquo;about \
             60 %&rdquo; for 50 to 70 %, &ldquo;low&rdquo; for less than half. The trace is not the \
             paper's, which is not public, but generated with its published properties.</p>\n"
        }
    });
    let rows: Vec<Vec<Cell>> = result
        .goals
        .iter()
        .map(|goal| {
            let mark = Cell::verdict(goal.verdict);
            vec![
                mark,
                Cell::text(&goal.run),
                Cell::text(&goal.name),
                Cell::text(&goal.target),
                Cell::text(&goal.measured),
            ]
        })
        .collect();
    out.push_str(&table(&["", "run", "what", "paper", "measured"], &rows));
    out.push_str("</section>\n");
}

fn groups(out: &mut String, result: &Simulations) {
    out.push_str(
        "<section><h2>Received chunk ratio, %</h2>\n<p>All chunks of a group together; settled: those that were \
         due when a peer had been there for 100 s.</p>\n",
    );
    let mut rows = Vec::new();
    for run in &result.runs {
        for group in Group::ALL {
            let of_group = || run.sessions.iter().filter(|session| session.group == group);
            let sessions = of_group().count();
            if sessions == 0 {
                continue;
            }
            let mut row = vec![
                Cell::text(&run.population),
                Cell::text(&run.system),
                Cell::text(group.name()),
                Cell::number(Some(sessions as f64), 0),
            ];
            let percent = |ratio: Option<f64>| Cell::number(ratio.map(|ratio| ratio * 100.0), 1);
            row.extend((0..LAYERS).map(|layer| percent(ratio(of_group(), layer))));
            row.extend((0..LAYERS).map(|layer| percent(settled_ratio(of_group(), layer))));
            row.push(Cell::number(Session::median_startup(of_group()), 1));
            rows.push(row);
        }
    }
    let header = [
        "population",
        "system",
        "peers",
        "sessions",
        "layer 1",
        "layer 2",
        "layer 3",
        "settled: layer 1",
        "settled: layer 2",
        "settled: layer 3",
        "median startup, s",
    ];
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}

fn cost(out: &mut String, result: &Simulations) {
    out.push_str("<section><h2>What it took</h2>\n");
    let rows: Vec<Vec<Cell>> = result
        .runs
        .iter()
        .map(|run| {
            let cost = &run.cost;
            vec![
                Cell::text(&run.population),
                Cell::text(&run.system),
                Cell::number(Some(run.resource_index), 2),
                Cell::number(Some(run.uploaded * 100.0), 1),
                Cell::number(Some(run.offload * 100.0), 1),
                Cell::number(Some(run.peak as f64), 0),
                Cell::number(Some(cost.simulated_s), 0),
                Cell::number(Some(cost.elapsed_s), 1),
                Cell::number(Some(cost.speed), 1),
                Cell::number(Some(cost.deliveries as f64 / 1e6), 2),
                Cell::number(Some(cost.chunks as f64 / 1e6), 2),
                Cell::number(Some(cost.deliveries_per_s / 1e6), 3),
                Cell::text(&run.digest),
            ]
        })
        .collect();
    let header = [
        "population",
        "system",
        "resource index",
        "of it used, %",
        "not from the source, %",
        "most peers",
        "simulated, s",
        "took, s",
        "simulated / real",
        "deliveries, M",
        "of chunks, M",
        "deliveries, M/s",
        "event log",
    ];
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}
