use nearcast_machine::{Bytes, Span};

/// How much of a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    /// For how long: 30 s by default.
    pub span: Span,
    /// In how many bytes, bookkeeping included: 64 MiB by default, 17 Mbit/s over 30 s.
    pub bytes: Bytes,
    /// Most chunks of one unit: 4096 by default, 5 MB. A larger unit travels by RTMP only.
    pub chunks: u16,
}

impl Default for WindowLimits {
    fn default() -> WindowLimits {
        WindowLimits { span: Span::from_secs(30), bytes: Bytes::new(64 << 20), chunks: 4096 }
    }
}
