//! FLV (Adobe Flash Video File Format 10.1, annex E) and Enhanced RTMP: file header, tags, and what
//! the first bytes of audio and video bodies say.

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::{Error, Kind, Media};

/// The file header and the first back pointer, for a stream with audio and video (E.2, E.3).
pub const HEADER: [u8; 13] = *b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00";

/// Writes one tag and its back pointer, as HTTP-FLV and files hold them (E.4.1). Nothing is written
/// of a body beyond the 16 MiB that a tag can say.
pub fn encode_tag(media: &Media, out: &mut Vec<u8>) {
    let length = media.body.len();
    if length >= 1 << 24 {
        return;
    }
    let [_, length @ ..] = (length as u32).to_be_bytes();
    let [high, low @ ..] = media.timestamp.to_be_bytes();
    out.reserve(TAG_HEADER + media.body.len() + 4);
    out.push(media.kind.type_id());
    out.extend(length);
    out.extend(low);
    // The stream id is always zero.
    out.extend([high, 0, 0, 0]);
    out.extend_from_slice(&media.body);
    out.extend((TAG_HEADER as u32 + media.body.len() as u32).to_be_bytes());
}

const TAG_HEADER: usize = 11;

/// Reads the tag at the beginning of `bytes`, with its back pointer, and says how many bytes it
/// took. The tag is `None` if it is of a type that is no media.
///
/// # Errors
/// [`Error::Incomplete`] if more bytes are needed.
pub fn parse_tag(bytes: &[u8]) -> Result<(Option<Media>, usize), Error> {
    let mut cursor = Cursor::new(bytes);
    let type_id = cursor.u8("FLV tag type")?;
    let length = cursor.u24("FLV tag length")?;
    let low = cursor.u24("FLV tag timestamp")?;
    let high = cursor.u8("FLV tag timestamp")?;
    cursor.u24("FLV tag stream id")?;
    let body = cursor.take(length as usize, "FLV tag body")?;
    cursor.u32("FLV back pointer")?;
    // The filter bit and the reserved bits above the type are not ours to judge.
    let media = Kind::from_type_id(type_id & 0x1f).map(|kind| Media {
        kind,
        timestamp: u32::from(high) << 24 | low,
        body: Bytes::copy_from_slice(body),
    });
    Ok((media, bytes.len() - cursor.rest().len()))
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
    /// AAC, sound format 10 or FourCC `mp4a`.
    Aac,
    /// Any other.
    Other,
}

impl BodyHeader {
    /// Reads it; `None` if the body is too short, or of kind [`Kind::Data`].
    pub fn parse(kind: Kind, body: &[u8]) -> Option<BodyHeader> {
        let mut cursor = Cursor::new(body);
        let mut header = match kind {
            Kind::Video => video(&mut cursor).ok()?,
            Kind::Audio => audio(&mut cursor).ok()?,
            Kind::Data => return None,
        };
        header.payload = body.len() - cursor.rest().len();
        Some(header)
    }
}

/// E.4.3.1, and Enhanced RTMP "Enhanced video".
fn video(cursor: &mut Cursor<'_>) -> Result<BodyHeader, Error> {
    let first = cursor.u8("video header")?;
    if first & 0x80 != 0 {
        return enhanced_video(cursor, first);
    }
    let codec = match first & 0x0f {
        7 => Codec::Avc,
        12 => Codec::Hevc,
        _ => Codec::Other,
    };
    let mut header = BodyHeader {
        codec,
        sequence_header: false,
        keyframe: first >> 4 == 1,
        payload: 0,
        composition: 0,
    };
    if codec != Codec::Other {
        header.sequence_header = cursor.u8("AVC packet type")? == 0;
        header.composition = composition(cursor)?;
    }
    Ok(header)
}

fn enhanced_video(cursor: &mut Cursor<'_>, first: u8) -> Result<BodyHeader, Error> {
    const SEQUENCE_START: u8 = 0;
    const CODED_FRAMES: u8 = 1;
    const CODED_FRAMES_X: u8 = 3;
    const MPEG2TS_SEQUENCE_START: u8 = 5;
    const MULTITRACK: u8 = 6;

    let packet = first & 0x0f;
    let mut codec = match packet {
        // What follows in these is not the FourCC of a single track.
        MULTITRACK.. => Codec::Other,
        _ => match &cursor.array("video FourCC")? {
            b"avc1" => Codec::Avc,
            b"hvc1" => Codec::Hevc,
            b"av01" => Codec::Av1,
            _ => Codec::Other,
        },
    };
    let composition = match (packet, codec) {
        (CODED_FRAMES, Codec::Avc | Codec::Hevc) => composition(cursor)?,
        _ => 0,
    };
    if !matches!(packet, SEQUENCE_START | CODED_FRAMES | CODED_FRAMES_X) {
        // Metadata and ends are no bitstream, though the codec is known.
        codec = Codec::Other;
    }
    Ok(BodyHeader {
        codec,
        sequence_header: matches!(packet, SEQUENCE_START | MPEG2TS_SEQUENCE_START),
        keyframe: first >> 4 & 7 == 1,
        payload: 0,
        composition,
    })
}

/// E.4.2.1, and Enhanced RTMP "Enhanced audio".
fn audio(cursor: &mut Cursor<'_>) -> Result<BodyHeader, Error> {
    let first = cursor.u8("audio header")?;
    let (codec, sequence_header) = match first >> 4 {
        10 => (Codec::Aac, cursor.u8("AAC packet type")? == 0),
        9 => match &cursor.array("audio FourCC")? {
            b"mp4a" => (Codec::Aac, first & 0x0f == 0),
            _ => (Codec::Other, first & 0x0f == 0),
        },
        _ => (Codec::Other, false),
    };
    Ok(BodyHeader { codec, sequence_header, keyframe: true, payload: 0, composition: 0 })
}

/// A signed number of 24 bits.
fn composition(cursor: &mut Cursor<'_>) -> Result<i32, Error> {
    Ok((cursor.u24("composition time")? << 8) as i32 >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_reads_back(
            type_id in prop_oneof![Just(8u8), Just(9), Just(18)],
            timestamp in any::<u32>(),
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let kind = Kind::from_type_id(type_id).expect("media");
            let media = Media { kind, timestamp, body: body.into() };
            let mut bytes = Vec::new();
            encode_tag(&media, &mut bytes);
            prop_assert_eq!(parse_tag(&bytes), Ok((Some(media), bytes.len())));
            for end in 0..bytes.len() {
                let incomplete = matches!(parse_tag(&bytes[..end]), Err(Error::Incomplete { .. }));
                prop_assert!(incomplete);
            }
        }

        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..12)) {
            for kind in [Kind::Audio, Kind::Video, Kind::Data] {
                if let Some(header) = BodyHeader::parse(kind, &body) {
                    prop_assert!(header.payload <= body.len());
                }
            }
        }
    }

    #[test]
    fn bodies_say_what_they_are() {
        let video = |body: &[u8]| {
            let header = BodyHeader::parse(Kind::Video, body).expect("long enough");
            (header.codec, header.sequence_header, header.keyframe, header.payload)
        };
        assert_eq!(video(b"\x17\x00\x00\x00\x00..."), (Codec::Avc, true, true, 5));
        assert_eq!(video(b"\x27\x01\x00\x00\x21..."), (Codec::Avc, false, false, 5));
        assert_eq!(video(b"\x90hvc1..."), (Codec::Hevc, true, true, 5));
        assert_eq!(video(b"\xa1hvc1\x00\x00\x00..."), (Codec::Hevc, false, false, 8));
        assert_eq!(video(b"\xa3avc1..."), (Codec::Avc, false, false, 5));
        assert_eq!(video(b"\x91av01..."), (Codec::Av1, false, true, 5));
        assert_eq!(video(b"\x94hvc1..."), (Codec::Other, false, true, 5), "HDR metadata");
        assert_eq!(video(b"\x12..."), (Codec::Other, false, true, 1), "H.263");
        let negative = BodyHeader::parse(Kind::Video, b"\x27\x01\xff\xff\xdf").expect("whole");
        assert_eq!(negative.composition, -33);
        let audio = |body: &[u8]| {
            let header = BodyHeader::parse(Kind::Audio, body).expect("long enough");
            (header.codec, header.sequence_header, header.payload)
        };
        assert_eq!(audio(b"\xaf\x00\x12\x10"), (Codec::Aac, true, 2));
        assert_eq!(audio(b"\xaf\x01..."), (Codec::Aac, false, 2));
        assert_eq!(audio(b"\x2f..."), (Codec::Other, false, 1), "MP3");
        assert_eq!(BodyHeader::parse(Kind::Video, b"\x17\x01\x00"), None);
    }
}
