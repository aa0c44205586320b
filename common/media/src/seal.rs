//! Room for signatures in the stamps of a stream.
//!
//! A broadcaster signs the chunks of its stream in groups, and the signatures travel in the stamps
//! of the pictures, so that whoever has the stream from a relay can prove its chunks as the
//! broadcaster can. A group is all chunks since the picture before, up to and with this picture's:
//! its signature covers the very bytes that it stands in. So the picture is stamped with *rooms* of
//! [`ROOM_LEN`] bytes, signed with these blank, and the signatures are filled in afterwards. A room
//! is found again by the mark in front of it, and neither of them has a byte that emulation
//! prevention would change.
//!
//! What is signed, and how, this crate does not know.
//!
//! ```
//! use nearcast_machine::Time;
//! use nearcast_media::{Kind, Media, Numberer, seal};
//!
//! let picture = b"\x27\x01\x00\x00\x00\x00\x00\x00\x03\x41\x9a\x00".as_slice().into();
//! let media = Media { kind: Kind::Video, timestamp: 0, body: picture };
//! let unit = Numberer::sealed(1_700_000_000, [7; 32]).number(Time::from_nanos(1), media);
//! assert_eq!(seal::rooms(&unit.body).len(), 1);
//! let signed = seal::fill(&unit.body, &[[0x5a; 64]]);
//! assert_eq!(seal::signatures(&signed), [[0x5a; 64]]);
//! ```

use std::ops::Range;

use bytes::Bytes;

use crate::stamp::{self, Extension, Stamp};
use crate::{Kind, cut};

/// Bytes of a signature, as Ed25519 makes them.
pub const SIGNATURE_LEN: usize = 64;
/// Bytes of the room that holds one, seven bits in each.
pub const ROOM_LEN: usize = (SIGNATURE_LEN * 8).div_ceil(7);
/// What a room holds before it is filled, byte by byte.
pub const BLANK: u8 = 0x80;
/// Most chunks that one signature covers.
pub const GROUP: usize = 64;
/// Most signatures in a stamp. A picture of more than 384 chunks, which is 480 kB, is not sealed.
pub const SEALS_MAX: usize = 6;

/// Fields of a stamp: the key that signatures are verified with, and a room for one.
const KEY: u8 = 4;
const ROOM: u8 = 5;
/// Precedes a room.
const MARK: [u8; 6] = [0xf5, 0x9e, 0xa1, 0xc4, 0xd7, 0xe8];

/// The rooms in a message body or in the first chunk of it, at most [`SEALS_MAX`].
pub fn rooms(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut rooms = Vec::new();
    let mut from = 0;
    while rooms.len() < SEALS_MAX
        && let Some(at) = bytes[from..].windows(MARK.len()).position(|window| window == MARK)
    {
        let start = from + at + MARK.len();
        let end = start + ROOM_LEN;
        if end > bytes.len() {
            break;
        }
        rooms.push(start..end);
        from = end;
    }
    rooms
}

/// The body with the signatures in its rooms, in their order; rooms beyond them stay as they are.
pub fn fill(body: &Bytes, signatures: &[[u8; SIGNATURE_LEN]]) -> Bytes {
    let mut filled = body.to_vec();
    for (room, signature) in rooms(body).into_iter().zip(signatures) {
        filled[room].copy_from_slice(&pack(signature));
    }
    filled.into()
}

/// The signatures in a message body.
pub fn signatures(body: &[u8]) -> Vec<[u8; SIGNATURE_LEN]> {
    rooms(body).into_iter().filter_map(|room| unpack(&body[room])).collect()
}

impl Stamp {
    /// The key that the stream's signatures are verified with. Keyframes have it, if the stream is
    /// sealed.
    pub fn key(&self) -> Option<[u8; 32]> {
        let field = self.extensions.iter().find(|field| field.tag == KEY)?;
        field.value.as_ref().try_into().ok()
    }
}

/// What a [`Numberer`](crate::Numberer) needs to know to seal a stream.
#[derive(Debug)]
pub(crate) struct Sealing {
    key: [u8; 32],
    /// Chunks since the last picture.
    pending: usize,
}

impl Sealing {
    pub(crate) fn new(key: [u8; 32]) -> Sealing {
        Sealing { key, pending: 0 }
    }

    /// Stamps a picture, with a room for each signature that its chunks and those before it need;
    /// without one if these would be too many.
    pub(crate) fn stamp(
        &mut self,
        body: &Bytes,
        mut stamp: Stamp,
        keyframe: bool,
    ) -> Option<Bytes> {
        if keyframe {
            let value = Bytes::copy_from_slice(&self.key);
            stamp.extensions.push(Extension { tag: KEY, value });
        }
        let plain = stamp.clone();
        let blank: Bytes = [&MARK[..], &[BLANK; ROOM_LEN]].concat().into();
        // Each room makes the picture longer, and may so make a chunk that needs another one.
        for rooms in 1..=SEALS_MAX {
            stamp.extensions.push(Extension { tag: ROOM, value: blank.clone() });
            let Some(stamped) = stamp::insert(body, &stamp) else { break };
            if self.pending + cut(Kind::Video, &stamped).len() <= rooms * GROUP {
                return Some(stamped);
            }
        }
        stamp::insert(body, &plain)
    }

    /// Counts the chunks of a unit; a picture that was stamped ends the group.
    pub(crate) fn count(&mut self, kind: Kind, body: &[u8], stamped: bool) {
        self.pending = if stamped { 0 } else { self.pending + cut(kind, body).len() };
    }
}

fn pack(signature: &[u8; SIGNATURE_LEN]) -> [u8; ROOM_LEN] {
    let mut room = [BLANK; ROOM_LEN];
    for bit in 0..SIGNATURE_LEN * 8 {
        let is_set = signature[bit / 8] >> (7 - bit % 8) & 1;
        room[bit / 7] |= is_set << (6 - bit % 7);
    }
    room
}

/// `None` if no signature is written like this.
fn unpack(room: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
    let mut signature = [0; SIGNATURE_LEN];
    for bit in 0..SIGNATURE_LEN * 8 {
        let is_set = room.get(bit / 7)? >> (6 - bit % 7) & 1;
        signature[bit / 8] |= is_set << (7 - bit % 8);
    }
    (pack(&signature) == room).then_some(signature)
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::{Media, Numberer, Unit};

    fn media(kind: Kind, body: Vec<u8>) -> Media {
        Media { kind, timestamp: 0, body: body.into() }
    }

    /// A picture of one slice; a keyframe, if it is to be one.
    fn picture(length: usize, keyframe: bool) -> Media {
        let (frame, nal) = if keyframe { (0x17, 0x65) } else { (0x27, 0x41) };
        let mut body = vec![frame, 1, 0, 0, 0];
        body.extend((length as u32 + 2).to_be_bytes());
        body.extend([nal, 0x88]);
        body.extend(vec![0x84; length]);
        media(Kind::Video, body)
    }

    fn sound() -> Media {
        media(Kind::Audio, b"\xaf\x01\x07".to_vec())
    }

    fn publish(media: impl IntoIterator<Item = Media>) -> Vec<Unit> {
        let mut numberer = Numberer::sealed(9, [3; 32]);
        let number = |media| numberer.number(Time::from_nanos(0), media);
        media.into_iter().map(number).collect()
    }

    proptest! {
        #[test]
        fn signatures_come_out_as_they_went_in(
            signatures in prop::collection::vec(prop::array::uniform32(any::<[u8; 2]>()), 1..=2),
            length in 1usize..200_000,
        ) {
            let unit = &publish([picture(length, true)])[0];
            let signatures: Vec<[u8; 64]> = signatures
                .iter()
                .map(|pairs| pairs.concat().try_into().expect("64 bytes"))
                .take(rooms(&unit.body).len())
                .collect();
            let filled = fill(&unit.body, &signatures);
            prop_assert_eq!(filled.len(), unit.body.len());
            prop_assert_eq!(&super::signatures(&filled)[..signatures.len()], &signatures[..]);
            // Blank again it is what was signed.
            let mut blank = filled.to_vec();
            for room in rooms(&filled) {
                blank[room].fill(BLANK);
            }
            prop_assert_eq!(&blank[..], &unit.body[..]);
            prop_assert_eq!(stamp::find(&filled).and_then(|stamp| stamp.key()), Some([3; 32]));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![Just(0xf5), Just(0x9e), any::<u8>()], 0..400)) {
            let marked = [&MARK[..], &bytes].concat();
            prop_assert_eq!(rooms(&marked).is_empty(), bytes.len() < ROOM_LEN);
            let _ = signatures(&marked);
        }
    }

    #[test]
    fn there_is_a_room_for_every_group_since_the_picture_before() {
        let rooms_of = |units: &[Unit]| rooms(&units.last().expect("a unit").body).len();
        assert_eq!(rooms_of(&publish([picture(300, true)])), 1);
        // 80 kB are 64 chunks, and the head makes one more.
        assert_eq!(rooms_of(&publish([picture(80_000, true)])), 2);
        assert_eq!(rooms_of(&publish([picture(78_000, false)])), 1);
        let before = |sounds| (0..sounds).map(|_| sound()).chain([picture(300, false)]);
        assert_eq!(rooms_of(&publish(before(63))), 1);
        assert_eq!(rooms_of(&publish(before(64))), 2);
        let anew = before(63).chain(before(63));
        assert_eq!(rooms_of(&publish(anew)), 1, "each picture ends a group");
    }

    #[test]
    fn what_is_too_large_is_stamped_all_the_same() {
        let unit = &publish([picture(500_000, true)])[0];
        assert!(stamp::find(&unit.body).is_some_and(|stamp| stamp.key().is_some()));
        assert!(rooms(&unit.body).is_empty());
    }

    #[test]
    fn only_keyframes_have_the_key_and_unsealed_streams_neither_key_nor_room() {
        let units = publish([picture(300, true), picture(300, false)]);
        let keys = units.iter().map(|unit| stamp::find(&unit.body).expect("a stamp").key());
        assert_eq!(keys.collect::<Vec<_>>(), [Some([3; 32]), None]);
        let plain = Numberer::new(9).number(Time::from_nanos(0), picture(300, true));
        assert_eq!(stamp::find(&plain.body).expect("a stamp").key(), None);
        assert!(rooms(&plain.body).is_empty());
    }
}
