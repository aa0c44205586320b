use std::path::Path;
use std::{fs, io};

use super::FolderError;

/// What takes the rows of a table.
pub(crate) type Rows = csv::Writer<fs::File>;

/// Writes a table of a result as `folder/csv/NAME`, so that a spreadsheet or a data frame can take
/// it as it is.
pub(crate) fn write_table(
    folder: &Path,
    name: &str,
    header: &[&str],
    rows: impl FnOnce(&mut Rows) -> csv::Result<()>,
) -> Result<(), FolderError> {
    let folder = folder.join("csv");
    fs::create_dir_all(&folder).map_err(FolderError::io(&folder))?;
    let path = folder.join(name);
    let file = fs::File::create(&path).map_err(FolderError::io(&path))?;
    let mut table = csv::Writer::from_writer(file);
    let written = table
        .write_record(header)
        .and_then(|()| rows(&mut table))
        .map_err(io::Error::from)
        .and_then(|()| table.flush());
    written.map_err(FolderError::io(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = || {
            write_table(folder.path(), "x.csv", &["a", "b"], |rows| {
                rows.serialize((1, "two, three"))
            })
        };
        write().expect("written");
        let path = folder.path().join("csv/x.csv");
        assert_eq!(fs::read_to_string(&path).expect("text"), "a,b\n1,\"two, three\"\n");
        fs::remove_file(&path).expect("it is there");
        fs::create_dir(&path).expect("a folder in its place");
        let told = write().expect_err("a folder is no file").to_string();
        assert!(told.contains("csv/x.csv: "), "{told}");
    }
}
