//! Results as tables: `csv/sessions.csv` and `csv/series.csv`.

use std::fs;
use std::path::Path;

use super::result::Simulations;
use crate::Failure;
use crate::result::FolderError;

/// Writes both.
pub(super) fn write(folder: &Path, result: &Simulations) -> Result<(), Failure> {
    let folder = folder.join("csv");
    fs::create_dir_all(&folder).map_err(FolderError::io(&folder))?;
    let mut sessions = csv::Writer::from_path(folder.join("sessions.csv"))?;
    sessions.write_record([
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
        "bytes",
        "received",
        "served",
        "served_bytes",
    ])?;
    let mut series = csv::Writer::from_path(folder.join("series.csv"))?;
    series.write_record([
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
    ])?;
    for run in &result.runs {
        let names = [run.population.clone(), run.system.clone()];
        for session in &run.sessions {
            let row = [
                session.group.name().to_owned(),
                session.class_kbit.to_string(),
                session.upload_kbit.to_string(),
                session.arrive_s.to_string(),
                session.stay_s.to_string(),
                session.startup_s.map(|secs| secs.to_string()).unwrap_or_default(),
            ];
            let sums = [session.bytes, session.received, session.served, session.served_bytes];
            let counts = session.due.iter().chain(&session.played).chain(&sums);
            let counts = counts.map(u64::to_string);
            sessions.write_record(names.iter().cloned().chain(row).chain(counts))?;
        }
        for step in &run.series {
            let row = [step.at_s.to_string(), step.peers.to_string()];
            let counts = step.due.iter().chain(&step.played).map(u64::to_string);
            series.write_record(names.iter().cloned().chain(row).chain(counts))?;
        }
    }
    sessions.flush()?;
    series.flush()?;
    Ok(())
}
