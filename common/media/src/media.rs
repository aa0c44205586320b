use bytes::Bytes;

/// How metadata begins: the name `onMetaData` as a string of AMF0.
pub(crate) const ON_META_DATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// What a media message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// RTMP message type 8, FLV tag type 8.
    Audio,
    /// RTMP message type 9, FLV tag type 9.
    Video,
    /// RTMP message type 18 (AMF0 data), FLV tag type 18: metadata, cue points.
    Data,
}

impl Kind {
    /// The RTMP message type and FLV tag type, which are the same number.
    pub const fn type_id(self) -> u8 {
        match self {
            Kind::Audio => 8,
            Kind::Video => 9,
            Kind::Data => 18,
        }
    }

    /// The kind of RTMP message or FLV tag `type_id`; `None` for all that is not media.
    pub const fn from_type_id(type_id: u8) -> Option<Kind> {
        match type_id {
            8 => Some(Kind::Audio),
            9 => Some(Kind::Video),
            18 => Some(Kind::Data),
            _ => None,
        }
    }
}

/// One audio, video or data message: an RTMP message body, which is also an FLV tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// What it carries.
    pub kind: Kind,
    /// Milliseconds since the stream's own origin, modulo 2^32. The decoding time, for video.
    pub timestamp: u32,
    /// The body, exactly as published. Data bodies are AMF0, without the `@setDataFrame` that a
    /// publisher puts in front of metadata.
    pub body: Bytes,
}
