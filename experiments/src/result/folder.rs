use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use super::{FORMAT, Outcome};

/// The file in a result folder that everything else is made from.
pub const RESULT_FILE: &str = "result.json";

/// A result folder that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The disk said no.
    #[error("{path}: {source}{}", hint(.source))]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Not a result.
    #[error("{path} line {line}: {what}; is it a result.json of nearcast?")]
    Shape {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A result of another version.
    #[error(
        "{path} has format {found}, this nearcast reads format {FORMAT}; use the version that wrote it"
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some space, or choose another place with --out)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (choose another place with --out)"
        }
        _ => "",
    }
}

impl FolderError {
    /// An I/O error and where it happened.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
        let path = path.to_owned();
        move |source| FolderError::Io { path, source }
    }
}

/// Writes `result.json` so that a reader sees the old one or the new one, never half of one.
pub fn store(folder: &Path, outcome: &impl Serialize) -> Result<(), FolderError> {
    fs::create_dir_all(folder).map_err(FolderError::io(folder))?;
    let path = folder.join(RESULT_FILE);
    let partial = folder.join("result.json.partial");
    let write = || -> io::Result<()> {
        let mut file = io::BufWriter::new(fs::File::create(&partial)?);
        serde_json::to_writer(&mut file, outcome)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&partial, &path)
    };
    write().map_err(|source| {
        // What is half written is of no use, and on a full disk it is in the way.
        let _ = fs::remove_file(&partial);
        FolderError::Io { path, source }
    })
}

/// Reads a folder's `result.json`.
pub fn load(folder: &Path) -> Result<Outcome, FolderError> {
    let path = folder.join(RESULT_FILE);
    let text = fs::read(&path).map_err(FolderError::io(&path))?;
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let shape = |error: serde_json::Error| FolderError::Shape {
        path: path.clone(),
        line: error.line(),
        what: error.to_string(),
    };
    let head: Head = serde_json::from_slice(&text).map_err(shape)?;
    if head.format != FORMAT {
        return Err(FolderError::Format { path, found: head.format });
    }
    serde_json::from_slice(&text).map_err(shape)
}
