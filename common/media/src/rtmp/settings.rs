/// What both ends of a session choose for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The chunk size of what is sent, in bytes.
    pub chunk_size: u32,
    /// The largest message that is taken, in bytes.
    pub message_max: u32,
    /// After how many bytes the other side is asked to acknowledge.
    pub window: u32,
}

impl Default for Settings {
    /// Chunks that hold most frames whole, messages of up to 8 MiB.
    fn default() -> Settings {
        Settings { chunk_size: 60_000, message_max: 8 << 20, window: 2_500_000 }
    }
}
