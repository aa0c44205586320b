//! The report: one page that refers to nothing outside itself.

use std::fmt::Write;

use super::measures::{Estimate, QUALITIES, mean, mean_rate};
use super::result::{LAYERS, MeshOutcome, PeerRecord};
use crate::figures::Figure;
use crate::report::escape;
use crate::report::html::{Cell, begin, document, put_figures, table};

/// The whole page.
pub(super) fn page(outcome: &MeshOutcome, figures: &[Figure]) -> String {
    let mut out = String::new();
    begin(&mut out, &outcome.scenario, &outcome.title, outcome.incomplete_why.as_deref());
    scale(&mut out, outcome);
    out.push_str("</header>\n");
    goals(&mut out, outcome);
    put_figures(&mut out, figures);
    classes(&mut out, outcome);
    groups(&mut out, outcome);
    fidelity(&mut out, outcome);
    let _ = write!(
        out,
        "<section><h2>To make it again</h2><p><code>{}</code></p></section>",
        escape(&outcome.command)
    );
    document(&outcome.title, &out)
}

/// What the paper had, and what this is.
fn scale(out: &mut String, outcome: &MeshOutcome) {
    let scale = &outcome.scale;
    let rates = outcome.clip.iter().flat_map(|clip| &clip.layer_bits_per_s);
    let rates: Vec<String> = rates.map(|rate| format!("{:.0}", *rate as f64 / 1e3)).collect();
    let _ = write!(
        out,
        "<p>{} peers (paper: 100) that join within {:.0} s (120 s) and stay {:.0} s (1200 s); {} runs of each \
         system (5); playback lag {:.0} s (30 s); {} to {} neighbours (10 to 20); resource index {:.2}; layers \
         of {} kbit/s in the clip, {:.0} kbit/s in all with stamps and proofs (290, 230, 100). Tables and figures are of peers from {:.0} s after their join on.</p>",
        scale.peers,
        scale.joins_s,
        scale.duration_s,
        scale.repeat,
        scale.lag_s,
        scale.neighbours[0],
        scale.neighbours[1],
        outcome.resource_index(),
        rates.join(", "),
        outcome.full_kbit(),
        scale.settled_s,
    );
}

fn goals(out: &mut String, outcome: &MeshOutcome) {
    if outcome.goals.is_empty() {
        return;
    }
    out.push_str(
        "<section><h2>The paper's numbers beside ours</h2>\n<p>Liu et al., section V. &ldquo;Close to the full \
         rate&rdquo; is taken for 95 %, &ldquo;similar&rdquo; for within 5 points, &ldquo;about&rdquo; for 5 \
         points or 2 dB to either side; thresholds in kbit/s go with the rate of our video. Numbers in dB are \
         of another video than the paper's. After &plusmn;: 95 % confidence over repetitions.</p>\n",
    );
    let rows: Vec<Vec<Cell>> = outcome
        .goals
        .iter()
        .map(|goal| {
            let mark = Cell::verdict(goal.verdict);
            vec![mark, Cell::text(&goal.name), Cell::text(&goal.target), Cell::text(&goal.measured)]
        })
        .collect();
    out.push_str(&table(&["", "what", "paper", "measured"], &rows));
    out.push_str("</section>\n");
}

fn classes(out: &mut String, outcome: &MeshOutcome) {
    out.push_str("<section><h2>Peers by class</h2>\n");
    let text = |value: Option<Estimate>, factor: f64, decimals| {
        let scaled = value.map(|value| Estimate {
            mean: value.mean * factor,
            half: value.half.map(|half| half * factor),
        });
        Cell::text(scaled.map_or_else(|| "-".to_owned(), |value| value.text(decimals)))
    };
    let mut rows = Vec::new();
    for system in outcome.systems() {
        for (class, facts) in outcome.scale.classes.iter().enumerate() {
            let mut row = vec![Cell::text(system.name()), Cell::text(&facts.name)];
            row.push(Cell::number(Some(facts.upload_kbit), 0));
            row.push(text(outcome.rate(system, Some(class)), 1.0, 0));
            row.extend(
                (0..LAYERS)
                    .map(Some)
                    .chain([None])
                    .map(|layer| text(outcome.ratio(system, Some(class), layer), 100.0, 1)),
            );
            row.extend(
                QUALITIES
                    .map(|(_, which)| text(outcome.quality(system, Some(class), which), 1.0, 2)),
            );
            rows.push(row);
        }
    }
    if let Some(whole) = &outcome.whole {
        let mut row: Vec<Cell> = vec![Cell::text("all of the video"), Cell::text("")];
        row.push(Cell::number(None, 0));
        row.push(Cell::text(format!("{:.0}", outcome.full_kbit())));
        row.extend((0..=LAYERS).map(|_| Cell::text("100")));
        row.extend(QUALITIES.map(|(_, which)| Cell::number(which(whole), 2)));
        rows.push(row);
    }
    let header = [
        "system",
        "class",
        "gives, kbit/s",
        "plays, kbit/s",
        "layer 1, %",
        "layer 2, %",
        "layer 3, %",
        "all, %",
        "Q1, dB",
        "Q2, dB",
        "Q3, dB",
        "Q, dB",
    ];
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}

/// What the switch does for those that sit together, and for everybody else.
fn groups(out: &mut String, outcome: &MeshOutcome) {
    if outcome.runs.iter().all(|run| run.peers.iter().all(|peer| peer.by_switch.is_none())) {
        return;
    }
    out.push_str(
        "<section><h2>Groups that the switch serves</h2>\n<p>The same peers under every system. With the \
         switch's help those in groups get the stream as copies of one that the broadcaster sends, and give \
         it on in the mesh. What they miss is counted in whole pictures.</p>\n",
    );
    let settled = outcome.scale.settled_s;
    let rate = |peers: &[&PeerRecord], grouped: bool| {
        let such = |peer: &&PeerRecord| peer.group.is_some() == grouped;
        mean_rate(&peers.iter().copied().filter(such).collect::<Vec<_>>(), settled)
    };
    let text = |value: Option<Estimate>, decimals| {
        Cell::text(value.map_or_else(|| "-".to_owned(), |value| value.text(decimals)))
    };
    let mut rows = Vec::new();
    for system in outcome.systems() {
        let switched = outcome.measure(system, None, &|peers| {
            mean(peers.iter().filter_map(|peer| peer.by_switch)).map(|part| part * 100.0)
        });
        rows.push(vec![
            Cell::text(system.name()),
            text(outcome.measure(system, None, &|peers| rate(peers, true)), 0),
            text(outcome.measure(system, None, &|peers| rate(peers, false)), 0),
            text(switched, 1),
            text(outcome.source_kbit(system), 0),
        ]);
    }
    let header = [
        "system",
        "in groups play, kbit/s",
        "others play, kbit/s",
        "pictures by the switch, %",
        "broadcaster sends by UDP, kbit/s",
    ];
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}

fn fidelity(out: &mut String, outcome: &MeshOutcome) {
    out.push_str(
        "<section><h2>Can it be believed?</h2>\n<p>Processors are in use by kind of program, in whole \
         processors, once everybody plays. A run is doubtful if the processors were saturated, links late, or \
         packets dropped where no topology asks for it.</p>\n",
    );
    let kinds: std::collections::BTreeSet<&str> =
        outcome.runs.iter().flat_map(|run| run.cpu.keys()).map(String::as_str).collect();
    let mut header = vec!["", "run", "in use, %"];
    header.extend(&kinds);
    header.extend(["links late, ms (p99)", "queue drops", "why doubtful"]);
    let mut rows = Vec::new();
    for run in &outcome.runs {
        let fidelity = &run.fidelity;
        let mut row = vec![Cell::trust(fidelity.verdict)];
        row.push(Cell::text(run.label()));
        row.push(Cell::number(mean(fidelity.cpu.iter().copied()).map(|part| part * 100.0), 0));
        row.extend(kinds.iter().map(|kind| Cell::number(run.cpu.get(*kind).copied(), 2)));
        row.push(Cell::number(fidelity.link_late_p99.map(|late| late as f64 / 1e6), 2));
        row.push(Cell::number(Some(run.queue_drops as f64), 0));
        row.push(Cell::text(fidelity.reasons.join("; ")));
        rows.push(row);
    }
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}
