/// Why bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message has not arrived whole; `needed` more bytes at least.
    #[error("incomplete: at least {needed} more bytes are needed")]
    Incomplete {
        /// How many bytes are missing at least.
        needed: usize,
    },
    /// The message is whole and wrong.
    #[error("malformed {field} at byte {offset} of the message")]
    Malformed {
        /// The field that cannot be read, by its name in the specification.
        field: &'static str,
        /// Where it begins, counted from the first byte of the header.
        offset: usize,
    },
    /// The message is of a protocol version that this parser is not for.
    #[error("OpenFlow version 0x{0:02x} is not spoken here")]
    Version(u8),
}
