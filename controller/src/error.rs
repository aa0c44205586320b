use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the controller cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address for switches is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}; another controller may run there, choose another address with --listen"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file for events cannot be written.
    #[error("cannot write events to {path}: {source}")]
    Events {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of link delays cannot be read.
    #[error("cannot read link delays from {path}: {why}")]
    LinkDelays {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        why: String,
    },
    /// The configuration file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration file says something wrong.
    #[error("{}:{line}:{column}: {}{message}", path.display(), prefix(field))]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The field, such as `policy.allow[1]`; empty where the file is not even TOML.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// A file of TLS cannot be used.
    #[error("cannot use {} for TLS: {why}", path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The token of those who ask by HTTP cannot be used.
    #[error("cannot use the token in {}: {why}", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A setting that cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The system denied something basic.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

fn prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}
