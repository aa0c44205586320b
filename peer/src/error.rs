use std::io;
use std::path::PathBuf;

/// Why the program could not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken, or not ours to take.
    #[error("cannot listen for {what} at {address}: {source}{}", hint(source))]
    Bind {
        /// What would have come there.
        what: &'static str,
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The file for events cannot be made.
    #[error("cannot write events to {}: {source}", path.display())]
    Events {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The settings of the mesh are not sound.
    #[error("{name}: {what}")]
    Settings {
        /// Where they stand.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The kernel refused something that every program needs.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// Why it was refused.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on a bind.
    pub(crate) fn bind(
        what: &'static str,
        address: impl ToString,
    ) -> impl FnOnce(io::Error) -> Error {
        let address = address.to_string();
        move |source| Error::Bind { what, address, source }
    }

    /// For `map_err` on what has no other name.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { what, source }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; another program has it: end that, or choose another port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root",
        io::ErrorKind::AddrNotAvailable => "; this host has no such address",
        _ => "",
    }
}
