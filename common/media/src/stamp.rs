//! The stamp in each H.264 picture: which unit of which publish it is, and when it was captured.
//!
//! It is an SEI message `user_data_unregistered` (ITU-T H.264 D.1.6) of our [`UUID`], which RTMP
//! relays pass through unchanged:
//!
//! ```text
//! UUID 16 B | version 1 | epoch u32 | unit u64 | frame u64 | captured u64 ns | { tag u8 | n u8 | n B }*
//! ```
//!
//! ```
//! use nearcast_machine::Time;
//! use nearcast_media::stamp::{self, Stamp};
//!
//! let captured = Time::from_nanos(1_700_000_000_000_000_000);
//! let stamp = Stamp { epoch: 1_700_000_000, unit: 7, frame: 3, captured, extensions: vec![] };
//! // An AVC video message with one slice.
//! let body = b"\x27\x01\x00\x00\x00\x00\x00\x00\x03\x41\x9a\x00";
//! let stamped = stamp::insert(body, &stamp).unwrap();
//! assert_eq!(stamp::find(&stamped), Some(stamp));
//! ```

use bytes::Bytes;
use nearcast_machine::Time;

use crate::Kind;
use crate::cursor::Cursor;
use crate::flv::{BodyHeader, Codec};
use crate::h264::{Nal, annexb, avcc, avcc_length_size, escape, nal_type, unescape};

/// Tells our SEI messages from those of others.
pub const UUID: [u8; 16] = *b"nearcast\x9b\x1e\x47\x52\xa0\x6d\xf3\x58";

/// What a stamp says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Unix seconds when the publish began.
    pub epoch: u32,
    /// The number of the unit that holds this picture.
    pub unit: u64,
    /// The number of the picture among the pictures of the publish, from 0.
    pub frame: u64,
    /// When the broadcaster's peer received it, CLOCK_REALTIME.
    pub captured: Time,
    /// Further fields, such as key material; those with an unknown tag are to be ignored. Together
    /// they have at most [`EXTENSIONS_MAX`] bytes, with two bytes of overhead each.
    pub extensions: Vec<Extension>,
}

/// A further field of a stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What it means.
    pub tag: u8,
    /// At most 255 bytes.
    pub value: Bytes,
}

/// How many bytes all extensions of a stamp may have.
pub const EXTENSIONS_MAX: usize = 1024;

const VERSION: u8 = 1;

/// D.1.6
const USER_DATA_UNREGISTERED: usize = 5;

/// SEI messages of others may be long; ours lies within this many bytes of an SEI NAL unit, or is
/// not seen.
const LOOK: usize = 4096;

/// Puts `stamp` into an AVC video message body (the FLV tag body), after an access unit delimiter
/// if there is one, before everything else. `None` if the body is no H.264 picture, or the stamp is
/// too long for it.
pub fn insert(body: &[u8], stamp: &Stamp) -> Option<Bytes> {
    let (start, length_size) = nal_units(body)?;
    let sei = stamp.sei()?;
    if length_size < 4 && sei.len() >> (8 * length_size) != 0 {
        return None;
    }
    let data = &body[start..];
    let first = avcc(data, length_size).next()?;
    let delimiter = Nal::new(&data[first.clone()]).is_some_and(|nal| nal.kind() == nal_type::AUD);
    let at = start + if delimiter { first.end } else { 0 };
    let mut out = Vec::with_capacity(body.len() + length_size + sei.len());
    out.extend_from_slice(&body[..at]);
    out.extend_from_slice(&(sei.len() as u32).to_be_bytes()[4 - length_size..]);
    out.extend_from_slice(&sei);
    out.extend_from_slice(&body[at..]);
    Some(out.into())
}

/// Finds the stamp in an AVC video message body; `None` if there is none.
pub fn find(body: &[u8]) -> Option<Stamp> {
    let (start, length_size) = nal_units(body)?;
    let data = &body[start..];
    find_in(avcc(data, length_size).map(|range| &data[range]))
}

/// Finds the stamp in the bytes of an access unit in Annex B form, as players and MPEG-TS have it.
pub fn find_annexb(access_unit: &[u8]) -> Option<Stamp> {
    find_in(annexb(access_unit).map(|range| &access_unit[range]))
}

/// Where the NAL units of a video body begin, and in how many bytes their lengths are given.
fn nal_units(body: &[u8]) -> Option<(usize, usize)> {
    let header = BodyHeader::parse(Kind::Video, body)?;
    let picture = header.codec == Codec::Avc && !header.sequence_header;
    let length_size = picture.then(|| avcc_length_size(&body[header.payload..]))??;
    Some((header.payload, length_size))
}

fn find_in<'a>(nals: impl Iterator<Item = &'a [u8]>) -> Option<Stamp> {
    nals.filter_map(Nal::new)
        // The stamp precedes the picture; nothing behind its first slice is worth a look.
        .take_while(|nal| !matches!(nal.kind(), nal_type::SLICE | nal_type::IDR))
        .filter(|nal| nal.kind() == nal_type::SEI)
        .find_map(|nal| Stamp::among(&unescape(nal.payload(), LOOK)))
}

impl Stamp {
    /// The stamp as a NAL unit; `None` if an extension is too long.
    fn sei(&self) -> Option<Vec<u8>> {
        let mut payload = UUID.to_vec();
        payload.push(VERSION);
        payload.extend(self.epoch.to_be_bytes());
        payload.extend(self.unit.to_be_bytes());
        payload.extend(self.frame.to_be_bytes());
        payload.extend(self.captured.as_nanos().to_be_bytes());
        let fixed = payload.len();
        for Extension { tag, value } in &self.extensions {
            payload.extend([*tag, u8::try_from(value.len()).ok()?]);
            payload.extend_from_slice(value);
        }
        if payload.len() - fixed > EXTENSIONS_MAX {
            return None;
        }
        // 7.3.2.3.1: numbers are sums of bytes, of which all but the last are 255.
        let mut message = vec![USER_DATA_UNREGISTERED as u8];
        message.resize(1 + payload.len() / 255, 0xff);
        message.push((payload.len() % 255) as u8);
        message.extend(payload);
        // rbsp_trailing_bits
        message.push(0x80);
        let mut nal = vec![nal_type::SEI];
        escape(&message, &mut nal);
        Some(nal)
    }

    /// Our stamp among the SEI messages of an unescaped payload.
    fn among(payload: &[u8]) -> Option<Stamp> {
        let mut cursor = Cursor::new(payload);
        loop {
            let kind = sei_number(&mut cursor)?;
            let length = sei_number(&mut cursor)?;
            let message = cursor.take(length, "SEI payload").ok()?;
            if kind == USER_DATA_UNREGISTERED
                && let Some(ours) = message.strip_prefix(&UUID)
            {
                return Stamp::parse(ours);
            }
        }
    }

    fn parse(bytes: &[u8]) -> Option<Stamp> {
        let what = "stamp";
        let mut cursor = Cursor::new(bytes);
        if cursor.u8(what).ok()? != VERSION {
            return None;
        }
        let mut stamp = Stamp {
            epoch: cursor.u32(what).ok()?,
            unit: cursor.u64(what).ok()?,
            frame: cursor.u64(what).ok()?,
            captured: Time::from_nanos(cursor.u64(what).ok()?),
            extensions: Vec::new(),
        };
        if cursor.rest().len() > EXTENSIONS_MAX {
            return None;
        }
        while !cursor.is_empty() {
            let tag = cursor.u8(what).ok()?;
            let length = cursor.u8(what).ok()?;
            let value = Bytes::copy_from_slice(cursor.take(length.into(), what).ok()?);
            stamp.extensions.push(Extension { tag, value });
        }
        Some(stamp)
    }
}

fn sei_number(cursor: &mut Cursor<'_>) -> Option<usize> {
    let mut number = 0;
    loop {
        let byte = cursor.u8("SEI number").ok()?;
        number += usize::from(byte);
        if byte != 0xff {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Values that tempt emulation prevention, and any others.
    fn bytes(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), 0u8..5, any::<u8>()], length)
    }

    fn numbers() -> impl Strategy<Value = u64> {
        bytes(8).prop_map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight")))
    }

    fn stamps() -> impl Strategy<Value = Stamp> {
        let extensions = prop::collection::vec((any::<u8>(), bytes(0..=255)), 0..4);
        (numbers(), numbers(), numbers(), numbers(), extensions).prop_map(|(a, b, c, d, more)| {
            let extension = |(tag, value): (u8, Vec<u8>)| Extension { tag, value: value.into() };
            Stamp {
                epoch: a as u32,
                unit: b,
                frame: c,
                captured: Time::from_nanos(d),
                extensions: more.into_iter().map(extension).collect(),
            }
        })
    }

    /// A message body of NAL units: of the wanted kinds, in front of a slice.
    fn body(kinds: &[u8], length_size: usize) -> Vec<u8> {
        let mut body = b"\x27\x01\x00\x00\x00".to_vec();
        for kind in kinds.iter().chain([&nal_type::SLICE]) {
            body.extend(&5u32.to_be_bytes()[4 - length_size..]);
            body.extend([*kind, 4, 1, 2, 0x80]);
        }
        body
    }

    /// The same with start codes.
    fn to_annexb(body: &[u8], length_size: usize) -> Vec<u8> {
        let data = &body[5..];
        avcc(data, length_size).flat_map(|r| [&[0, 0, 0, 1][..], &data[r]].concat()).collect()
    }

    proptest! {
        #[test]
        fn a_stamp_is_found_again(
            stamp in stamps(),
            kinds in prop::collection::vec(6u8..9, 0..3),
            delimited in any::<bool>(),
            length_size in prop_oneof![Just(4usize), Just(2)],
        ) {
            let mut kinds = kinds;
            if delimited {
                kinds.insert(0, nal_type::AUD);
            }
            let body = body(&kinds, length_size);
            let stamped = insert(&body, &stamp).expect("a picture");
            prop_assert_eq!(find(&stamped), Some(stamp.clone()));
            let stream = to_annexb(&stamped, length_size);
            prop_assert_eq!(annexb(&stream).count(), kinds.len() + 2, "no false start code");
            prop_assert_eq!(find_annexb(&stream), Some(stamp));
            let at = 5 + if delimited { length_size + 5 } else { 0 };
            prop_assert_eq!(&stamped[..at], &body[..at], "a delimiter stays first");
            prop_assert!(stamped.ends_with(&body[at..]), "all else follows unchanged");
        }

        #[test]
        fn no_bytes_panic(
            stamp in stamps(),
            mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            end in any::<prop::sample::Index>(),
        ) {
            let mut stamped = insert(&body(&[], 4), &stamp).expect("a picture").to_vec();
            for (index, byte) in mutations {
                let at = index.index(stamped.len());
                stamped[at] = byte;
            }
            stamped.truncate(end.index(stamped.len()));
            let _ = find(&stamped);
            let _ = find_annexb(&stamped);
            let _ = insert(&stamped, &stamp);
        }
    }

    fn stamp(value: usize) -> Stamp {
        let extensions = vec![Extension { tag: 1, value: vec![7; value].into() }];
        Stamp { epoch: 1, unit: 2, frame: 3, captured: Time::from_nanos(4), extensions }
    }

    #[test]
    fn what_is_no_picture_takes_no_stamp() {
        let hevc = [b"\x91hvc1\x00\x00\x00", &body(&[], 4)[5..]].concat();
        for body in
            [&b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f"[..], b"\x17\x02\x00\x00\x00", b"", &hevc[..]]
        {
            assert_eq!(insert(body, &stamp(0)), None, "{body:x?}");
        }
        assert_eq!(insert(&body(&[], 4), &stamp(256)), None, "an extension of 256 bytes");
        assert_eq!(insert(&body(&[], 1), &stamp(220)), None, "more than a byte can say");
    }

    #[test]
    fn a_foreign_message_is_no_stamp_and_hides_none() {
        let plain = body(&[nal_type::SEI], 4);
        assert_eq!(find(&plain), None);
        // x264's own message of the same type, in one NAL unit with ours.
        let ours = stamp(3);
        let sei = ours.sei().expect("short");
        let mut both = vec![nal_type::SEI, 5, 17];
        both.extend([0xdc; 17]);
        both.extend(&sei[1..]);
        let mut body = b"\x17\x01\x00\x00\x00".to_vec();
        body.extend((both.len() as u32).to_be_bytes());
        body.extend(both);
        assert_eq!(find(&body), Some(ours));
    }
}
