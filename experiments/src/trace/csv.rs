//! A trace in numbers: `csv/minutes.csv` and `csv/lengths.csv`.

use std::path::Path;

use nearcast_sim::trace::Fit;

use crate::result::{FolderError, write_table};

/// Writes both.
pub(super) fn write(folder: &Path, fit: &Fit) -> Result<(), FolderError> {
    write_table(folder, "minutes.csv", &["minute", "users", "arrivals"], |rows| {
        let mut minutes = fit.population.iter().zip(&fit.arrivals).enumerate();
        minutes
            .try_for_each(|(minute, (users, arrivals))| rows.serialize((minute, users, arrivals)))
    })?;
    write_table(folder, "lengths.csv", &["fraction", "length_s"], |rows| {
        fit.lengths.iter().try_for_each(|row| rows.serialize(row))
    })
}
