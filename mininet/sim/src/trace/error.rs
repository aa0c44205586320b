use std::io;
use std::path::PathBuf;

use nearcast_machine::Time;

/// A trace that could not be read or written: which file, which line, what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {fault}", file.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
pub struct TraceError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, if one is to blame.
    pub line: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file itself could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing in it.
    #[error("there are no sessions in it")]
    Empty,
    /// Too much in it.
    #[error("more than {0} sessions")]
    TooMany(usize),
    /// A line that never ends.
    #[error("longer than {0} bytes; a trace has one session per line")]
    LongLine(usize),
    /// Not text.
    #[error("not UTF-8")]
    Encoding,
    /// A column that is needed is not there.
    #[error(
        "there is no column `{0}`; the first line names the columns id, arrival_s, departure_s \
             and, if known, capacity_kbit_s"
    )]
    NoColumn(&'static str),
    /// A column that means nothing, or is there twice.
    #[error(
        "column `{0}` is unknown or there twice; columns are id, arrival_s, departure_s and \
             capacity_kbit_s"
    )]
    Column(String),
    /// More or fewer fields than columns.
    #[error("{found} fields, where the first line names {expected} columns")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A field out of range, or no number at all.
    #[error("{column} is `{text}`, and not {expected}")]
    Field {
        /// Its column.
        column: &'static str,
        /// What it says.
        text: String,
        /// What it may say.
        expected: &'static str,
    },
    /// Departed before, or as, it arrived.
    #[error("session `{id}` departs at {departure:?}, not after its arrival at {arrival:?}")]
    Backwards {
        /// Who.
        id: Box<str>,
        /// When it comes.
        arrival: Time,
        /// When it leaves.
        departure: Time,
    },
    /// There twice at once.
    #[error("`{id}` is there already, by the session of line {other}")]
    Overlap {
        /// Who.
        id: Box<str>,
        /// The line of the other session (from [`Trace::new`](super::Trace::new), its index).
        other: u64,
    },
}

impl PartialEq for Fault {
    fn eq(&self, other: &Fault) -> bool {
        self.to_string() == other.to_string()
    }
}
