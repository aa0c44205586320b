/// Input that cannot be taken, or a value that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the value does. On a stream: wait for more; in a datagram: malformed.
    #[error("{what} ends early, at byte {offset}")]
    Incomplete {
        /// What was being read.
        what: &'static str,
        /// Where the bytes end, counted from the beginning of what was handed in.
        offset: u64,
    },
    /// The bytes cannot mean anything, whatever follows them.
    #[error("{what} is malformed at byte {offset}")]
    Malformed {
        /// The field at fault.
        what: &'static str,
        /// Where it stands, counted from the beginning of what was handed in.
        offset: u64,
    },
    /// A length, a count or a depth is above what this reader was told to keep.
    #[error("{what} is above the limit of {limit}")]
    TooLarge {
        /// The field at fault.
        what: &'static str,
        /// The largest value that would have been taken.
        limit: u64,
    },
    /// The other side, or the caller, did something that has no place in the session's state.
    #[error("{what} has no place here: {state}")]
    OutOfPlace {
        /// What was done.
        what: &'static str,
        /// Where the session stood.
        state: &'static str,
    },
    /// A text that is not a stream name.
    #[error("`{text}` is not a stream name: {why}")]
    StreamName {
        /// The text, shortened if it is long.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}
