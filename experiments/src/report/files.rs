use std::path::Path;

use crate::Failure;
use crate::figures::{Figure, write_all};
use crate::result::FolderError;

/// The page of a result folder.
pub(crate) const REPORT_FILE: &str = "report.html";

/// Writes a page and its figures into a result folder.
pub(crate) fn publish(
    folder: &Path,
    name: &str,
    page: &str,
    figures: &[Figure],
) -> Result<(), Failure> {
    write_all(folder, figures)?;
    let path = folder.join(name);
    Ok(std::fs::write(&path, page).map_err(FolderError::io(&path))?)
}
