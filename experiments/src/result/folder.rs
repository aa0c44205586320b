use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

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
        "{path} has format {found}, this nearcast reads format {read}; use the version that wrote it"
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The one that can be read.
        read: u32,
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

/// What a `result.json` can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Streams with and without the switch: an [`Outcome`](super::Outcome).
    Streams,
    /// The mesh in Mininet.
    Mesh,
    /// The mesh in virtual time.
    Simulations,
}

/// What a `result.json` is read as.
pub trait Stored: DeserializeOwned {
    /// The version of its shape.
    const FORMAT: u32;
}

/// What all kinds have, and what only one of them has.
#[derive(Deserialize)]
struct Head {
    format: u32,
    scale: Option<IgnoredAny>,
    full_kbit: Option<IgnoredAny>,
}

/// A `result.json` that has been read and not yet understood.
struct Text {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Text {
    fn read(folder: &Path) -> Result<Text, FolderError> {
        let path = folder.join(RESULT_FILE);
        let bytes = fs::read(&path).map_err(FolderError::io(&path))?;
        Ok(Text { path, bytes })
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, FolderError> {
        serde_json::from_slice(&self.bytes).map_err(|error| FolderError::Shape {
            path: self.path.clone(),
            line: error.line(),
            what: error.to_string(),
        })
    }
}

/// What a folder's `result.json` is of.
pub fn kind(folder: &Path) -> Result<Kind, FolderError> {
    let head: Head = Text::read(folder)?.parse()?;
    Ok(match head {
        Head { scale: Some(_), .. } => Kind::Mesh,
        Head { full_kbit: Some(_), .. } => Kind::Simulations,
        _ => Kind::Streams,
    })
}

/// Reads a folder's `result.json`.
pub fn load<T: Stored>(folder: &Path) -> Result<T, FolderError> {
    let text = Text::read(folder)?;
    let head: Head = text.parse()?;
    if head.format != T::FORMAT {
        return Err(FolderError::Format { path: text.path, found: head.format, read: T::FORMAT });
    }
    text.parse()
}
