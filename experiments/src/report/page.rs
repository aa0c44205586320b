use std::fmt::Write;

use super::headline::{headlines, largest_pair};
use super::html::{Cell, document, escape, put_figure, table};
use super::way_rows;
use crate::figures::Figure;
use crate::result::{Goal, Outcome, Run, System, Verdict};

/// The whole page. It refers to nothing outside itself.
pub(super) fn page(outcome: &Outcome, figures: &[Figure]) -> String {
    let mut body = String::new();
    head(&mut body, outcome);
    goals(&mut body, &outcome.goals);
    paper(&mut body, outcome, figures);
    delays(&mut body, outcome);
    section_figures(&mut body, "Distributions", figures, |name| name.ends_with("-cdf"));
    bytes(&mut body, outcome, figures);
    starting(&mut body, outcome, figures);
    losses(&mut body, outcome);
    believable(&mut body, outcome, figures);
    settings(&mut body, outcome);
    document(&outcome.experiment, &body)
}

fn head(out: &mut String, outcome: &Outcome) {
    let _ = write!(
        out,
        "<header><p class=\"kicker\">nearcast &middot; {}{}</p>\n\
         <h1>CDN against P2P-assisted livestreaming</h1>\n",
        escape(&outcome.experiment),
        if outcome.quick { " (quick: a shortened time scale, for tests)" } else { "" },
    );
    if let Some(why) = &outcome.incomplete_why {
        let _ = writeln!(
            out,
            "<p class=\"warning\"><strong>Incomplete.</strong> {}. What follows is what was recorded until then.</p>",
            escape(why)
        );
    }
    out.push_str("<div class=\"headlines\">");
    for headline in headlines(outcome) {
        let _ = write!(
            out,
            "<div><p class=\"big\">{}</p><p>{}</p></div>",
            escape(&headline.number),
            escape(&headline.says)
        );
    }
    let count = |verdict| outcome.goals.iter().filter(|goal| goal.verdict == verdict).count();
    let judged = count(Verdict::Met) + count(Verdict::Missed);
    let _ = writeln!(
        out,
        "<div><p class=\"big\">{} of {judged}</p><p>goals met; {} not measured by this experiment</p></div></div></header>",
        count(Verdict::Met),
        count(Verdict::NotMeasured),
    );
}

fn goals(out: &mut String, goals: &[Goal]) {
    out.push_str("<section class=\"goals\"><h2>What it must show</h2>\n");
    let rows: Vec<Vec<Cell>> = goals
        .iter()
        .map(|goal| {
            vec![
                Cell::verdict(goal.verdict),
                Cell::text(&goal.name),
                Cell::text(&goal.target),
                Cell::text(&goal.measured),
                Cell::text(&goal.why),
                Cell::text(&goal.run),
            ]
        })
        .collect();
    out.push_str(&table(&["", "goal", "bound", "measured", "remarks", "run"], &rows));
    out.push_str("</section>\n");
}

/// What the paper did and found, in our words: its figures are pictures that are not ours to print.
const PAPER: &str = "<p>Turner, Hu and Tripathi (<em>Peer-to-Peer Assisted Livestreaming</em>, MIT 6.829) emulated a \
broadcaster, a viewer and a CDN on one OpenFlow switch, sent ping trains at one a second for 60 s, streamed \
during seconds 15 to 45, and plotted delay over time, direct (broadcaster to CDN to viewer) against bypassed \
(broadcaster to viewer by the switch). By propagation alone that is 76 ms against 16 ms one way. Their two \
figures are captioned: Fig. 2, <em>CDN link 4 Mbit/s, 30 ms; LAN links 4 Mbit/s, 8 ms</em>; Fig. 3, \
<em>CDN link 100 Mbit/s, 30 ms; LAN links 10 Mbit/s, 8 ms</em> (the words &ldquo;high bandwidth&rdquo; and \
&ldquo;bandwidth limited&rdquo; in the captions look swapped, so both are named by number here). They found latency \
significantly lower once the peering was on, with some queueing delay while streaming. What was pinged there is \
measured here as well, and beside it what a viewer experiences: the delay of every single frame, stamped by \
the broadcaster and read where it is handed to the player.</p>\n";

fn paper(out: &mut String, outcome: &Outcome, figures: &[Figure]) {
    let mut delays = figures.iter().filter(|figure| figure.name.ends_with("-delay")).peekable();
    if delays.peek().is_none() {
        return;
    }
    out.push_str("<section><h2>The paper's figure</h2>\n");
    if outcome.runs.iter().any(|run| run.scenario == "fig2" || run.scenario == "fig3") {
        out.push_str(PAPER);
    }
    delays.for_each(|figure| put_figure(out, figure));
    out.push_str("</section>\n");
}

fn section_figures(
    out: &mut String,
    title: &str,
    figures: &[Figure],
    wanted: impl Fn(&str) -> bool,
) {
    let mut chosen = figures.iter().filter(|figure| wanted(&figure.name)).peekable();
    if chosen.peek().is_some() {
        let _ = writeln!(out, "<section><h2>{}</h2>", escape(title));
        chosen.for_each(|figure| put_figure(out, figure));
        out.push_str("</section>\n");
    }
}

fn delays(out: &mut String, outcome: &Outcome) {
    out.push_str("<section><h2>Frame delay of each way</h2>\n");
    let rows: Vec<Vec<Cell>> = way_rows(outcome)
        .into_iter()
        .map(|row| {
            vec![
                Cell::text(row.run),
                Cell::number(Some(row.viewers as f64), 0),
                Cell::text(row.way.name()),
                Cell::number(Some(row.frames as f64), 0),
                Cell::number(row.propagation, 0),
                Cell::number(row.floor, 1),
                Cell::number(Some(row.delay.median), 2),
                Cell::number(Some(row.delay.p99), 2),
                Cell::number(Some(row.delay.max), 1),
                Cell::number(row.ratio.map(|ratio| ratio.median), 3),
                Cell::number(row.ratio.map(|ratio| ratio.p99), 3),
                Cell::number(row.played.map(|played| played.median), 0),
            ]
        })
        .collect();
    out.push_str(&table(
        &[
            "run",
            "viewers",
            "way",
            "frames",
            "propagation ms",
            "minimum ms",
            "median ms",
            "p99 ms",
            "max ms",
            "median / minimum",
            "p99 / minimum",
            "played, median ms",
        ],
        &rows,
    ));
    out.push_str(
        "<p class=\"note\">One way, from the broadcaster's stamp to the release to the player; one clock serves all \
         hosts. The minimum is physics: propagation along the path, the serialisation of the frame's bytes (with the \
         headers of the fewest packets it fits in) on the slowest link, and one packet stored and forwarded on each \
         of the others, computed for every frame and shown at its median; the ratios are of each frame to its own. \
         Frames from before a viewer's first are left out, since their delay says when it joined. HLS: a frame \
         arrives with its segment; &ldquo;played&rdquo; is when a player shows it that starts at the first arrival and \
         keeps real time. What the direct way takes beyond its minimum is mostly Nagle's algorithm: \
         nginx-rtmp does not turn it off, so the last piece of a frame waits for an acknowledgement of \
         the frame before it.</p></section>\n",
    );
}

fn bytes(out: &mut String, outcome: &Outcome, figures: &[Figure]) {
    let runs: Vec<&Run> = outcome.runs.iter().filter(|run| !run.traffic.is_empty()).collect();
    if runs.is_empty() {
        return;
    }
    out.push_str("<section><h2>Bytes on the links</h2>\n");
    if let Some((direct, assisted)) = largest_pair(outcome) {
        let change = |host: fn(&Run) -> String| {
            let of = |run: &Run| run.bytes_from(&host(run)) as f64;
            (of(assisted) - of(direct)) / 1e6
        };
        let _ = writeln!(
            out,
            "<p>With {} viewer{} in <em>{}</em>, assistance changed the bytes out of the CDN by {:+.2} MB and those out of \
             the broadcaster by {:+.2} MB: the one copy for the switch.</p>",
            direct.viewers.len(),
            if direct.viewers.len() == 1 { "" } else { "s" },
            escape(&direct.scenario),
            change(Run::cdn),
            change(Run::broadcaster),
        );
    }
    for figure in figures.iter().filter(|figure| figure.name.ends_with("-bytes")) {
        put_figure(out, figure);
    }
    let direct_of = |run: &Run| {
        let same = |other: &&&Run| {
            other.system == System::Direct
                && other.scenario == run.scenario
                && other.viewers.len() == run.viewers.len()
        };
        runs.iter().find(same).copied()
    };
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .map(|run| {
            let saved = direct_of(run).map(|direct| {
                megabytes(direct.bytes_from(&direct.cdn())) - megabytes(run.bytes_from(&run.cdn()))
            });
            vec![
                Cell::text(run.label()),
                Cell::number(Some(megabytes(run.bytes_from(&run.broadcaster()))), 3),
                Cell::number(Some(megabytes(run.bytes_from(&run.cdn()))), 3),
                Cell::number(saved, 3),
                Cell::number(
                    Some(run.traffic.iter().map(|way| way.dropped).sum::<u64>() as f64),
                    0,
                ),
            ]
        })
        .collect();
    out.push_str(&table(
        &[
            "run",
            "out of the broadcaster, MB",
            "out of the CDN, MB",
            "saved on the CDN against direct, MB",
            "queue drops",
        ],
        &rows,
    ));
    out.push_str("</section>\n");
}

fn starting(out: &mut String, outcome: &Outcome, figures: &[Figure]) {
    let rows: Vec<Vec<Cell>> = outcome
        .runs
        .iter()
        .flat_map(|run| run.viewers.iter().map(move |viewer| (run, viewer)))
        .map(|(run, viewer)| {
            let since =
                |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) as f64 / 1e6);
            let start = if viewer.early { run.timeline.published } else { Some(viewer.opened) };
            let accepted = viewer.play_accepted.max(run.timeline.published);
            vec![
                Cell::text(run.label()),
                Cell::text(&viewer.host),
                Cell::text(&viewer.player),
                Cell::text(if viewer.early { "before the stream" } else { "during it" }),
                Cell::number(since(start, viewer.first_frame), 0),
                Cell::text(viewer.first_way.map_or("-", |way| way.name())),
                Cell::number(since(accepted, viewer.first_switched_arrival), 0),
                Cell::number(since(viewer.first_switched_arrival, viewer.first_switched), 0),
                Cell::number(
                    viewer
                        .join
                        .as_ref()
                        .and_then(|join| since(Some(join.started), join.first_decodable)),
                    0,
                ),
                Cell::number(viewer.join.as_ref().map(|join| join.bytes as f64 / 1e3), 0),
            ]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("<section><h2>Starting and joining</h2>\n");
    figures
        .iter()
        .filter(|figure| figure.name == "joins")
        .for_each(|figure| put_figure(out, figure));
    out.push_str(&table(
        &[
            "run",
            "viewer",
            "player",
            "joined",
            "first frame after, ms",
            "by",
            "switch began after, ms",
            "then a group to wait for, ms",
            "hand-over to first frame, ms",
            "group, kB",
        ],
        &rows,
    ));
    out.push_str(
        "<p class=\"note\">First frame: from the player's start, or from the accepted publish for viewers who were there \
         before the stream. Switch began: from the accepted play (or publish, if later) to the first chunk that the \
         switch delivered.</p></section>\n",
    );
}

fn losses(out: &mut String, outcome: &Outcome) {
    let rows: Vec<Vec<Cell>> = outcome
        .runs
        .iter()
        .flat_map(|run| run.viewers.iter().map(move |viewer| (run, viewer)))
        .map(|(run, viewer)| {
            let stalled: u64 = viewer.stalls.iter().map(|stall| stall.lasted).sum();
            let pictures = viewer.witness.as_ref().map_or_else(
                || "-".to_owned(),
                |w| {
                    format!(
                        "{} exact of {}; {} missing, {} repeated",
                        w.exact, w.decoded, w.missing, w.repeated
                    )
                },
            );
            vec![
                Cell::text(run.label()),
                Cell::text(&viewer.host),
                Cell::number(Some(viewer.frames.len() as f64), 0),
                Cell::number(Some(viewer.lost as f64), 0),
                Cell::number(Some(viewer.late as f64), 0),
                Cell::number(Some(viewer.repeated as f64), 0),
                Cell::number(Some(viewer.disordered as f64), 0),
                Cell::number(Some(viewer.stalls.len() as f64), 0),
                Cell::number(Some(stalled as f64 / 1e6), 0),
                Cell::number(Some(viewer.repaired as f64), 0),
                Cell::number(Some(viewer.changes.len() as f64), 0),
                Cell::text(pictures),
            ]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("<section><h2>Stalls and losses</h2>\n");
    let faults: Vec<Vec<Cell>> = outcome
        .runs
        .iter()
        .flat_map(|run| run.faults.iter().map(move |fault| (run, fault)))
        .map(|(run, fault)| {
            vec![
                Cell::text(run.label()),
                Cell::text(&fault.what),
                Cell::number(Some(run.timeline.second(fault.at)), 1),
                Cell::number(Some(fault.lost as f64), 0),
            ]
        })
        .collect();
    if !faults.is_empty() {
        out.push_str(&table(
            &["run", "broken on purpose", "at second", "frames lost within 5 s"],
            &faults,
        ));
    }
    out.push_str(&table(
        &[
            "run",
            "viewer",
            "frames",
            "lost",
            "late",
            "repeated",
            "disordered",
            "stalls",
            "stalled, ms",
            "chunks repaired",
            "changes of way",
            "pictures at the player",
        ],
        &rows,
    ));
    out.push_str(
        "<p class=\"note\">Late: more than 100 ms beyond the viewer's median delay. Stalls: of a player that buffers \
         100 ms. Pictures: decoded by FFmpeg and compared with the clip's own by checksum.</p></section>\n",
    );
}

fn believable(out: &mut String, outcome: &Outcome, figures: &[Figure]) {
    out.push_str("<section><h2>Can it be believed?</h2>\n");
    let rows: Vec<Vec<Cell>> = outcome
        .runs
        .iter()
        .map(|run| {
            let seen = &run.fidelity;
            let most =
                |series: &[f64]| series.iter().copied().reduce(f64::max).map(|share| share * 100.0);
            let drops: u64 = seen.unasked_drops.values().sum();
            vec![
                Cell::trust(seen.verdict),
                Cell::text(run.label()),
                Cell::number(most(&seen.cpu), 0),
                Cell::number(most(&seen.stolen), 0),
                Cell::number(seen.link_late_p99.map(|late| late as f64 / 1e3), 0),
                Cell::number(seen.link_late_max.map(|late| late as f64 / 1e3), 0),
                Cell::number(Some(drops as f64), 0),
                Cell::number(Some(seen.clock_step as f64 / 1e3), 0),
                Cell::text(seen.reasons.join("; ")),
            ]
        })
        .collect();
    out.push_str(&table(
        &[
            "verdict",
            "run",
            "CPU, most %",
            "stolen, most %",
            "link late p99, us",
            "link late max, us",
            "unasked drops",
            "clock step, us",
            "reasons",
        ],
        &rows,
    ));
    figures
        .iter()
        .filter(|figure| figure.name == "idle-rtt")
        .for_each(|figure| put_figure(out, figure));
    out.push_str("</section>\n");
}

fn settings(out: &mut String, outcome: &Outcome) {
    let _ = write!(
        out,
        "<section><h2>Settings, and how to run it again</h2>\n<pre><code>{}</code></pre>\n\
         <p>Seed {}. It took {:.0} s on {} cores ({}, {:.1} GB, {}, Linux {}).</p>\n",
        escape(&outcome.command),
        outcome.seed,
        outcome.took_s,
        outcome.machine.cores,
        escape(&outcome.machine.processor),
        outcome.machine.memory as f64 / 1e9,
        escape(&outcome.machine.system),
        escape(&outcome.machine.kernel),
    );
    if let Some(clip) = &outcome.clip {
        let layers: Vec<String> =
            clip.layer_bits_per_s.iter().map(|bits| format!("{:.0}", *bits as f64 / 1e3)).collect();
        let _ = writeln!(
            out,
            "<p>Clip: {}x{} at {} frames/s, an IDR every {} frames, temporal layers of {} kbit/s, largest slice {} bytes, \
             recipe {}.</p>",
            clip.width,
            clip.height,
            clip.fps,
            clip.gop,
            layers.join(" + "),
            clip.largest_slice,
            escape(&clip.recipe),
        );
    }
    let mut topologies: Vec<(String, String)> = Vec::new();
    for run in &outcome.runs {
        let links: Vec<String> = run
            .links
            .iter()
            .map(|link| format!("{}-{} {}, queue {}", link.a, link.b, link.describe(), link.queue))
            .collect();
        let entry = (format!("{} ({} viewers)", run.scenario, run.viewers.len()), links.join(", "));
        if !topologies.contains(&entry) {
            topologies.push(entry);
        }
    }
    let rows: Vec<Vec<Cell>> = topologies
        .into_iter()
        .map(|(name, links)| vec![Cell::Text(name), Cell::Text(links)])
        .collect();
    out.push_str(&table(&["scenario", "links, each direction"], &rows));
    let rows: Vec<Vec<Cell>> = outcome
        .versions
        .iter()
        .map(|(name, version)| vec![Cell::text(name), Cell::text(version)])
        .collect();
    out.push_str(&table(&["program", "version"], &rows));
    out.push_str(
        "<p class=\"note\">All raw series are in result.json (its shape: docs/result.schema.json) and in csv/; the figures \
         are in figures/ as SVG and PNG. <code>nearcast report FOLDER</code> makes this page again.</p></section>\n",
    );
}
