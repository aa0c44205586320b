use std::io;
use std::path::PathBuf;

use super::Interrupted;

/// Why the world could not be built, used or taken down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not root.
    #[error(
        "{0} needs root, because it makes network namespaces, interfaces and switches; \
         run it again with sudo"
    )]
    Unprivileged(&'static str),
    /// A program that is needed is not there.
    #[error("{program} is not installed; {remedy}")]
    Missing {
        /// Its name.
        program: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Something of the system refused.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// A command of the system's failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// With its arguments.
        command: String,
        /// What it said.
        message: String,
    },
    /// The link process refused or went away.
    #[error("the link process: {0}")]
    Link(String),
    /// A name that is not in the topology.
    #[error("there is no {what} `{name}` in this topology")]
    Unknown {
        /// "host" or "link".
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// Something did not happen in time.
    #[error("{what} within {seconds} s")]
    Late {
        /// What did not happen.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A file of `/run/nearcast` that nobody of ours wrote.
    #[error("{} is not a run's record: {message}", path.display())]
    Record {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Mininet.
    #[error(transparent)]
    Bridge(#[from] nearcast_bridge::Error),
    /// Ctrl-C or SIGTERM.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// For `map_err`: puts what was tried before what the system says.
    pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
        let what = what.into();
        move |source| Error::System { what, source: source.into() }
    }
}
