//! Results as tables: `csv/sessions.csv` and `csv/series.csv`.

use std::path::Path;

use super::result::Simulations;
use crate::result::{FolderError, Rows, write_table};

const SESSIONS: [&str; 24] = [
    "population",
    "system",
    "group",
    "class_kbit",
    "upload_kbit",
    "arrive_s",
    "stay_s",
    "startup_s",
    "due_1",
    "due_2",
    "due_3",
    "played_1",
    "played_2",
    "played_3",
    "settled_due_1",
    "settled_due_2",
    "settled_due_3",
    "settled_played_1",
    "settled_played_2",
    "settled_played_3",
    "bytes",
    "received",
    "served",
    "served_bytes",
];

const SERIES: [&str; 10] = [
    "population",
    "system",
    "at_s",
    "peers",
    "due_1",
    "due_2",
    "due_3",
    "played_1",
    "played_2",
    "played_3",
];

/// Writes both.
pub(super) fn write(folder: &Path, result: &Simulations) -> Result<(), FolderError> {
    write_table(folder, "sessions.csv", &SESSIONS, |rows| sessions(result, rows))?;
    write_table(folder, "series.csv", &SERIES, |rows| series(result, rows))
}

fn sessions(result: &Simulations, rows: &mut Rows) -> csv::Result<()> {
    for run in &result.runs {
        for session in &run.sessions {
            rows.serialize((
                (&run.population, &run.system, session.group.name()),
                (session.class_kbit, session.upload_kbit),
                (session.arrive_s, session.stay_s, session.startup_s),
                (session.due, session.played, session.settled_due, session.settled_played),
                (session.bytes, session.received, session.served, session.served_bytes),
            ))?;
        }
    }
    Ok(())
}

fn series(result: &Simulations, rows: &mut Rows) -> csv::Result<()> {
    for run in &result.runs {
        for step in &run.series {
            let names = (&run.population, &run.system);
            rows.serialize((names, step.at_s, step.peers, step.due, step.played))?;
        }
    }
    Ok(())
}
