use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::control::{InterfaceName, LinkName};

/// Why the link process could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Started without the rights it needs.
    #[error(
        "making links needs CAP_NET_ADMIN and read-write access to /dev/net/tun: run it as root"
    )]
    Unprivileged,
    /// The kernel has no TAP devices.
    #[error(
        "there is no /dev/net/tun: load the `tun` module, or start the container with --device /dev/net/tun"
    )]
    NoTun,
    /// Another process listens on the socket.
    #[error("another nearcast-link is serving {0}: stop it, or choose another --socket")]
    SocketTaken(PathBuf),
    /// The socket could not be made.
    #[error("cannot listen on {path}: {source}")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `--realtime on`, and the kernel refused.
    #[error(
        "real-time scheduling was refused ({0}): it needs CAP_SYS_NICE; or use --realtime auto"
    )]
    Realtime(Errno),
    /// The kernel refused something that it normally grants.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl DriverError {
    /// For `map_err`: the kernel refused to do `action`.
    pub(super) fn system<E: Into<io::Error>>(
        action: &'static str,
    ) -> impl FnOnce(E) -> DriverError {
        move |source| DriverError::System { action, source: source.into() }
    }
}

/// Why a request was refused; what it says goes back over the control socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the request cannot be read: {0}")]
    Malformed(serde_json::Error),
    #[error("there is no link `{0}`")]
    NoSuchLink(LinkName),
    #[error("there is a link `{0}` already")]
    LinkExists(LinkName),
    #[error("a link has two different ends, not `{0}` twice")]
    SameEnds(InterfaceName),
    #[error("one process runs at most {0} links")]
    TooManyLinks(usize),
    #[error("there is an interface `{0}` already in this network namespace")]
    InterfaceExists(InterfaceName),
    #[error("cannot make the interface `{interface}`: {source}")]
    Tap { interface: InterfaceName, source: io::Error },
    #[error("{0}")]
    Params(serde_json::Error),
    #[error("cannot write the capture {path}: {source}")]
    Capture { path: PathBuf, source: io::Error },
}
