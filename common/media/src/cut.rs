use std::ops::Range;

use crate::Kind;
use crate::flv::{BodyHeader, Codec};
use crate::h264::{avcc, avcc_length_size, nal_type};

/// The most bytes of a unit that one chunk carries.
pub const CHUNK_MAX: usize = 1250;

/// Cuts the body of a unit into chunks: ranges of the body, in order, without gap or overlap.
///
/// Consecutive NAL units of H.264, each with its length in front, are packed together while they
/// fit into [`CHUNK_MAX`]; one that does not fit alone is cut every `CHUNK_MAX` bytes, together
/// with what stands before the first slice, as is every other kind of body. A pure function of its
/// arguments, so that every node derives the same chunks. An empty body is one empty chunk.
///
/// ```
/// # use nearcast_media::{Kind, cut};
/// assert_eq!(cut(Kind::Audio, &[0; 3000]), [0..1250, 1250..2500, 2500..3000]);
/// ```
pub fn cut(kind: Kind, body: &[u8]) -> Vec<Range<usize>> {
    let mut chunks = Vec::with_capacity(body.len() / CHUNK_MAX + 1);
    let mut open = 0..0;
    let mut holds_slice = false;
    for Piece { range: piece, slice } in pieces(kind, body) {
        if piece.end - open.start <= CHUNK_MAX {
            open.end = piece.end;
            holds_slice |= slice;
            continue;
        }
        // What stands before the first slice is of no use without it, and a chunk of its own would
        // be one more for each picture.
        let leads_on = !holds_slice && piece.len() > CHUNK_MAX;
        if !open.is_empty() && !leads_on {
            chunks.push(std::mem::replace(&mut open, piece.start..piece.start));
        }
        open.end = piece.end;
        holds_slice = slice;
        // The last part of a large piece is not filled up with the next one: a slice that fits a
        // chunk shares it with whole slices only.
        if open.len() > CHUNK_MAX {
            let ends =
                open.clone().step_by(CHUNK_MAX).map(|start| start..open.end.min(start + CHUNK_MAX));
            chunks.extend(ends);
            open = open.end..open.end;
        }
    }
    if !open.is_empty() || chunks.is_empty() {
        chunks.push(open);
    }
    chunks
}

/// A part of a body that should stay whole.
struct Piece {
    range: Range<usize>,
    slice: bool,
}

fn pieces(kind: Kind, body: &[u8]) -> Vec<Piece> {
    let nal_units = (kind == Kind::Video)
        .then(|| BodyHeader::parse(kind, body))
        .flatten()
        .filter(|header| header.codec == Codec::Avc && !header.sequence_header)
        .and_then(|header| Some((header.payload, avcc_length_size(&body[header.payload..])?)));
    match nal_units {
        None => vec![Piece { range: 0..body.len(), slice: false }],
        Some((start, size)) => {
            let mut from = start;
            let units = avcc(&body[start..], size).map(|nal| {
                let range = std::mem::replace(&mut from, start + nal.end)..start + nal.end;
                let kind = body.get(start + nal.start).map(|byte| byte & 0x1f);
                // Slices and their partitions (H.264 table 7-1).
                Piece { range, slice: matches!(kind, Some(nal_type::SLICE..=nal_type::IDR)) }
            });
            std::iter::once(Piece { range: 0..start, slice: false }).chain(units).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(lengths: &[usize]) -> Vec<u8> {
        let mut body = b"\x27\x01\x00\x00\x00".to_vec();
        for length in lengths {
            body.extend((*length as u32).to_be_bytes());
            body.extend(vec![0x41; *length]);
        }
        body
    }

    proptest! {
        #[test]
        fn chunks_tile_the_body(
            lengths in prop::collection::vec(0usize..4000, 0..8),
            tail in 0usize..3,
        ) {
            let mut body = picture(&lengths);
            body.extend(vec![0xee; tail]);
            for kind in [Kind::Video, Kind::Audio] {
                let chunks = cut(kind, &body);
                prop_assert_eq!(chunks.first().map(|chunk| chunk.start), Some(0));
                prop_assert_eq!(chunks.last().map(|chunk| chunk.end), Some(body.len()));
                prop_assert!(chunks.windows(2).all(|pair| pair[0].end == pair[1].start));
                prop_assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_MAX));
                prop_assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
            }
        }

        #[test]
        fn a_slice_that_fits_is_never_split(
            lengths in prop::collection::vec(1usize..=CHUNK_MAX - 4, 1..12),
        ) {
            let body = picture(&lengths);
            let mut at = 5;
            for length in lengths {
                let slice = at..at + 4 + length;
                let whole = |chunk: &Range<usize>| {
                    chunk.start <= slice.start && slice.end <= chunk.end
                };
                prop_assert!(cut(Kind::Video, &body).iter().any(whole));
                at = slice.end;
            }
        }
    }

    #[test]
    fn a_stamp_shares_the_chunks_of_a_slice_that_is_too_large_for_one() {
        let lengths = |body: &[u8]| -> Vec<usize> {
            cut(Kind::Video, body).iter().map(|chunk| chunk.len()).collect()
        };
        let with_sei = |slices: &[usize]| {
            let mut body = picture(&[&[160], slices].concat());
            body[9] = 6;
            body
        };
        // Five bytes of header, and each NAL unit with its length in front.
        assert_eq!(lengths(&with_sei(&[3000])), [1250, 1250, 673]);
        assert_eq!(lengths(&with_sei(&[1200, 3000])), [169, 1204, 1250, 1250, 504]);
        assert_eq!(lengths(&with_sei(&[900])), [1073]);
    }

    #[test]
    fn units_are_packed_while_they_fit() {
        // 5 + 104 + 104 | 1204 | 3 of a large one | 54
        let body = picture(&[100, 100, 1200, 3000, 50]);
        let lengths: Vec<_> = cut(Kind::Video, &body).iter().map(|chunk| chunk.len()).collect();
        assert_eq!(lengths, [213, 1204, 1250, 1250, 504, 54]);
        let empty = 0..0;
        assert_eq!(cut(Kind::Data, &[]), [empty]);
    }
}
