use std::path::Path;

use super::{FolderError, Outcome, Rows, Run, write_table};

/// Writes the raw series as CSV under `folder/csv`: one file of each kind, with a column that names
/// the run.
pub fn write_csv(folder: &Path, outcome: &Outcome) -> Result<(), FolderError> {
    type OfRun = fn(&Run, &mut Rows) -> csv::Result<()>;
    let files: [(&str, &[&str], OfRun); 5] = [
        ("frames.csv", &FRAMES, frames),
        ("pings.csv", &PINGS, pings),
        ("links.csv", &LINKS, links),
        ("viewers.csv", &VIEWERS, viewers),
        ("fidelity.csv", &FIDELITY, fidelity),
    ];
    for (name, header, of_run) in files {
        write_table(folder, name, header, |rows| {
            outcome.runs.iter().try_for_each(|run| of_run(run, rows))
        })?;
    }
    Ok(())
}

const FRAMES: [&str; 12] = [
    "run",
    "viewers",
    "system",
    "viewer",
    "frame",
    "unit",
    "layer",
    "bytes",
    "way",
    "second",
    "delay_ms",
    "played_delay_ms",
];

fn frames(run: &Run, out: &mut Rows) -> csv::Result<()> {
    for viewer in &run.viewers {
        for frame in &viewer.frames {
            let played = frame.played.map(|at| ms(at.saturating_sub(frame.captured)));
            out.serialize((
                &run.scenario,
                run.viewers.len(),
                run.system,
                &viewer.host,
                frame.frame,
                frame.unit,
                frame.layer,
                frame.bytes,
                frame.way,
                run.timeline.second(frame.captured),
                ms(frame.delay()),
                played,
            ))?;
        }
    }
    Ok(())
}

const PINGS: [&str; 8] = ["run", "viewers", "system", "from", "to", "second", "rtt_ms", "floor_ms"];

fn pings(run: &Run, out: &mut Rows) -> csv::Result<()> {
    for train in &run.pings {
        for probe in &train.probes {
            out.serialize((
                &run.scenario,
                run.viewers.len(),
                run.system,
                &train.from,
                &train.to,
                run.timeline.second(probe.sent),
                probe.rtt.map(ms),
                ms(train.floor),
            ))?;
        }
    }
    Ok(())
}

const LINKS: [&str; 9] =
    ["run", "viewers", "system", "from", "to", "packets", "bytes", "dropped", "lost"];

fn links(run: &Run, out: &mut Rows) -> csv::Result<()> {
    for way in &run.traffic {
        out.serialize((
            &run.scenario,
            run.viewers.len(),
            run.system,
            &way.from,
            &way.to,
            way.packets,
            way.bytes,
            way.dropped,
            way.lost,
        ))?;
    }
    Ok(())
}

const VIEWERS: [&str; 14] = [
    "run",
    "viewers",
    "system",
    "viewer",
    "player",
    "early",
    "startup_ms",
    "first_way",
    "frames",
    "lost",
    "late",
    "repeated",
    "stalls",
    "repaired",
];

fn viewers(run: &Run, out: &mut Rows) -> csv::Result<()> {
    for viewer in &run.viewers {
        out.serialize((
            &run.scenario,
            run.viewers.len(),
            run.system,
            &viewer.host,
            &viewer.player,
            viewer.early,
            viewer.first_frame.map(|at| ms(at.saturating_sub(viewer.opened))),
            viewer.first_way,
            viewer.frames.len(),
            viewer.lost,
            viewer.late,
            viewer.repeated,
            viewer.stalls.len(),
            viewer.repaired,
        ))?;
    }
    Ok(())
}

const FIDELITY: [&str; 6] = ["run", "viewers", "system", "second", "cpu", "stolen"];

fn fidelity(run: &Run, out: &mut Rows) -> csv::Result<()> {
    for (second, (cpu, stolen)) in run.fidelity.cpu.iter().zip(&run.fidelity.stolen).enumerate() {
        out.serialize((&run.scenario, run.viewers.len(), run.system, second, cpu, stolen))?;
    }
    Ok(())
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
