/// A datagram that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ended within a field.
    #[error("the datagram ends within {field} at byte {offset}")]
    Truncated {
        /// Which field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
    },
    /// A field says what cannot be.
    #[error("{field} at byte {offset} of the datagram is not valid")]
    Malformed {
        /// Which field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
    },
}
