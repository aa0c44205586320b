use std::io;
use std::path::PathBuf;

/// Why there is no topology.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No topology of this name comes with nearcast.
    #[error("there is no topology `{name}`; there are {known}, or give the path of a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read topology {}: {source}", path.display())]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file says something wrong.
    #[error("{file}:{line}:{column}: {}{message}", field_prefix(field))]
    Invalid {
        /// Which file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The field, such as `settings.fig3.cdn.rate`; empty where the file is not even TOML.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The [`Choice`](crate::Choice) asks for something the file does not have.
    #[error("{file}: {message}")]
    Choice {
        /// Which file.
        file: String,
        /// What is not there, and what is.
        message: String,
    },
}

fn field_prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}
