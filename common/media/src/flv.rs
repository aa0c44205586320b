//! FLV (Adobe Flash Video File Format 10.1, annex E) and Enhanced RTMP v1: file header, tags, and what
//! the first bytes of audio and video bodies say.

use crate::{Kind, Media};

/// The file header and the first back pointer, for a stream with audio and video (E.2, E.3).
pub const HEADER: [u8; 13] = *b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00";

/// Writes one tag and its back pointer, as HTTP-FLV and files hold them (E.4.1).
pub fn encode_tag(media: &Media, out: &mut Vec<u8>) {
    let _ = (media, out);
    unimplemented!()
}

/// What the first bytes of a video or audio body say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyHeader {
    /// The codec.
    pub codec: Codec,
    /// Whether it is a sequence header (decoder configuration) and no picture or sound.
    pub sequence_header: bool,
    /// Whether FLV calls it a keyframe; true for all audio.
    pub keyframe: bool,
    /// Where the codec's own bytes begin.
    pub payload: usize,
    /// Presentation minus decoding time, in ms.
    pub composition: i32,
}

/// The codecs that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, as codec id 7 or as FourCC `avc1`.
    Avc,
    /// H.265, FourCC `hvc1` (or the unofficial codec id 12).
    Hevc,
    /// AV1, FourCC `av01`.
    Av1,
    /// AAC, sound format 10.
    Aac,
    /// Any other.
    Other,
}

impl BodyHeader {
    /// Reads it; `None` if the body is too short, or of kind [`Kind::Data`].
    pub fn parse(kind: Kind, body: &[u8]) -> Option<BodyHeader> {
        let _ = (kind, body);
        unimplemented!()
    }
}
