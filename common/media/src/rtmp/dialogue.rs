use crate::{Role, StreamName};

/// A passive observer of one RTMP connection between two others.
///
/// It is fed the bytes of either direction in order, as TCP reassembly gives them, and tells which
/// stream the client publishes or plays. A request counts only once the server accepted it. Bodies
/// of audio and video are skipped, not kept: a connection costs a few kilobytes.
#[derive(Debug)]
pub struct Dialogue {}

/// Who sent the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who opened the TCP connection.
    Client,
    /// Who listened.
    Server,
}

/// What a [`Dialogue`] has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogueEvent {
    /// The client named its application.
    Connecting {
        /// Without a query and without slashes around it.
        app: String,
    },
    /// The client asked for a role. It has none yet.
    Requested {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The server accepted the request: the client has the role from now on.
    Accepted {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The server refused the request.
    Refused {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
        /// Such as `NetStream.Publish.BadName`.
        code: String,
    },
    /// An accepted role ended, by either side.
    Stopped {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The observer gave up; it takes no more bytes.
    Undecided(Undecided),
}

/// Why a [`Dialogue`] gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undecided {
    /// This is not RTMP, or broken RTMP.
    Malformed,
    /// The byte budget is spent and no role was accepted.
    BudgetSpent,
    /// A message that matters is larger than an observer keeps, or too many are under way.
    TooLarge,
}

impl Dialogue {
    /// An observer of a connection from its first byte on, which looks at up to `budget` bytes of
    /// both directions together while no role is accepted.
    pub fn new(budget: u64) -> Dialogue {
        let _ = budget;
        unimplemented!()
    }

    /// Takes the next bytes that `side` sent, in order and without a gap.
    pub fn receive(&mut self, side: Side, bytes: &[u8]) {
        let _ = (side, bytes);
        unimplemented!()
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<DialogueEvent> {
        unimplemented!()
    }

    /// Whether this observer gave up.
    pub fn is_over(&self) -> bool {
        unimplemented!()
    }
}
