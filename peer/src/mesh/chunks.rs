//! Units as the mesh carries them: cut into layer chunks, and put together again from what came.
//!
//! Each chunk begins with a head of its own, so that it is of use without the others of its unit:
//!
//! ```text
//! RTMP timestamp u32 | composition time i24 | bytes of the unit
//! ```
//!
//! The driver's bits of its tag are the kind of the unit (0, 1), whether it begins with a NAL unit
//! (2) and whether it ends with one (3).

use std::ops::Range;

use bytes::Bytes;
use nearcast_engine::mesh::{Chunk, Lc, SEQ_MAX, Tag};
use nearcast_media::flv::{BodyHeader, Codec};
use nearcast_media::h264::{avcc, avcc_length_size, nal_type};
use nearcast_media::{CHUNK_MAX, Kind, Media, Place, Unit, cut};

/// Bytes in front of a chunk's share of its unit.
const HEAD: usize = 7;
/// The longest chunk, apart from its proof.
pub(super) const LONGEST: usize = HEAD + CHUNK_MAX;
/// Chunks of one unit that are put together; no unit of a stream that plays is larger.
const PARTS: usize = 8192;

const BEGINS: u8 = 4;
const ENDS: u8 = 8;

const KINDS: [Kind; 3] = [Kind::Video, Kind::Audio, Kind::Data];

/// The chunks of `unit`; none if its numbers are beyond what the mesh can name.
pub(crate) fn chunks(unit: &Unit, place: Place) -> Vec<Chunk<Bytes>> {
    let ranges = cut(unit.kind, &unit.body);
    let after = place.seq.saturating_add(ranges.len() as u32);
    let (Ok(number), true) = (u32::try_from(unit.number), after < SEQ_MAX) else {
        return Vec::new();
    };
    let nals = Nals::of(unit.kind, &unit.body);
    let kind = KINDS.iter().position(|kind| *kind == unit.kind).unwrap_or_default() as u8;
    let last = ranges.len() - 1;
    let chunk = |(index, range): (usize, Range<usize>)| {
        let begins = if nals.begins_at(range.start) { BEGINS } else { 0 };
        let ends = if nals.ends_at(range.end) { ENDS } else { 0 };
        let mut payload = Vec::with_capacity(HEAD + range.len());
        payload.extend(unit.timestamp.to_be_bytes());
        payload.extend(&nals.composition.to_be_bytes()[1..]);
        payload.extend(&unit.body[range]);
        Chunk {
            lc: Lc { layer: unit.layer.number() - 1, seq: place.seq + index as u32 },
            unit: number,
            time: place.time,
            tag: Tag::new(index == 0, index == last, kind | begins | ends),
            payload: payload.into(),
        }
    };
    ranges.into_iter().enumerate().map(chunk).collect()
}

/// Where the NAL units of a body lie, each with its length in front. None where there are none, or
/// where their lengths do not take the usual four bytes.
#[derive(Default)]
struct Nals {
    start: usize,
    ends: Vec<usize>,
    composition: i32,
}

impl Nals {
    fn of(kind: Kind, body: &[u8]) -> Nals {
        let header = (kind == Kind::Video).then(|| BodyHeader::parse(kind, body)).flatten();
        let avc = header.filter(|header| header.codec == Codec::Avc && !header.sequence_header);
        let Some(BodyHeader { payload: start, composition, .. }) = avc else {
            return Nals::default();
        };
        let data = &body[start..];
        if avcc_length_size(data) != Some(4) {
            return Nals::default();
        }
        Nals { start, ends: avcc(data, 4).map(|nal| start + nal.end).collect(), composition }
    }

    fn begins_at(&self, at: usize) -> bool {
        !self.ends.is_empty() && (at == self.start || self.ends.binary_search(&at).is_ok())
    }

    fn ends_at(&self, at: usize) -> bool {
        self.ends.binary_search(&at).is_ok()
    }
}

/// A unit as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub(crate) unit: Unit,
    /// Whether parts of it are missing.
    pub(crate) partial: bool,
}

/// Puts units together from chunks in order.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    parts: Vec<Chunk<Bytes>>,
}

impl Assembler {
    /// Takes the next chunk. A unit is there once its last chunk is, or one of a later unit.
    pub(crate) fn take(&mut self, epoch: u32, chunk: Chunk<Bytes>) -> [Option<Assembled>; 2] {
        let another = self.parts.last().is_some_and(|part| part.unit != chunk.unit);
        let before = if another { self.finish(epoch) } else { None };
        let last = chunk.tag.last();
        if chunk.payload.len() >= HEAD && self.parts.len() < PARTS {
            self.parts.push(chunk);
        }
        [before, if last { self.finish(epoch) } else { None }]
    }

    /// The unit that is being put together, as far as it came; `None` if nothing of it is of use.
    pub(crate) fn finish(&mut self, epoch: u32) -> Option<Assembled> {
        let parts = std::mem::take(&mut self.parts);
        let (first, last) = (parts.first()?, parts.last()?);
        let kind = *KINDS.get(usize::from(first.tag.driver() & 3))?;
        let follow = parts.windows(2).all(|pair| pair[1].lc.seq == pair[0].lc.seq + 1);
        let whole = first.tag.first() && last.tag.last() && follow;
        let body = match (whole, kind) {
            (true, _) => parts.iter().flat_map(share).copied().collect(),
            (false, Kind::Video) => rescue(&parts)?,
            // Half a message of sound is noise.
            (false, _) => return None,
        };
        let timestamp = first.payload[..4].try_into().map(u32::from_be_bytes).ok()?;
        let media = Media { kind, timestamp, body: body.into() };
        let unit = Unit::new(epoch, first.unit.into(), media);
        Some(Assembled { unit, partial: !whole })
    }
}

/// A chunk's share of its unit.
fn share(part: &Chunk<Bytes>) -> &[u8] {
    &part.payload[HEAD..]
}

/// The whole slices that are there. A decoder conceals the others.
fn rescue(parts: &[Chunk<Bytes>]) -> Option<Vec<u8>> {
    let mut nals = Vec::new();
    for run in parts.chunk_by(|one, next| next.lc.seq == one.lc.seq + 1) {
        let is = |part: &Chunk<Bytes>, bit| part.tag.driver() & bit != 0;
        let Some(from) = run.iter().position(|part| part.tag.first() || is(part, BEGINS)) else {
            continue;
        };
        let Some(to) = run.iter().rposition(|part| is(part, ENDS)).filter(|to| *to >= from) else {
            continue;
        };
        for part in &run[from..=to] {
            let header = match part.tag.first() {
                true => BodyHeader::parse(Kind::Video, share(part))?.payload,
                false => 0,
            };
            nals.extend(share(part).get(header..).unwrap_or_default());
        }
    }
    let kinds = || avcc(&nals, 4).filter_map(|range| nals.get(range.start)).map(|nal| nal & 0x1f);
    // A stamp alone, or parameter sets, make no picture.
    if !kinds().any(|kind| matches!(kind, nal_type::SLICE | nal_type::IDR)) {
        return None;
    }
    let frame = if kinds().any(|kind| kind == nal_type::IDR) { 0x17 } else { 0x27 };
    let mut body = vec![frame, 1];
    body.extend(&parts[0].payload[4..HEAD]);
    body.extend(nals);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearcast_machine::Time;
    use nearcast_media::{Numberer, Placer};

    /// A stamped picture of slices with the given lengths, each filled with its own byte.
    fn picture(lengths: &[usize]) -> (Unit, Vec<Chunk<Bytes>>) {
        let mut body = b"\x27\x01\x00\x00\x42".to_vec();
        for (fill, length) in lengths.iter().enumerate() {
            body.extend((*length as u32).to_be_bytes());
            body.push(0x41);
            body.extend(vec![0x80 + fill as u8; length - 1]);
        }
        let media = Media { kind: Kind::Video, timestamp: 77, body: body.into() };
        let unit = Numberer::new(9).number(Time::from_nanos(1), media);
        let place = Placer::new().place(&unit).expect("the first unit has a place");
        let chunks = chunks(&unit, place);
        (unit, chunks)
    }

    fn assemble(chunks: &[Chunk<Bytes>], left_out: &[usize]) -> Option<Assembled> {
        let mut assembler = Assembler::default();
        let kept = chunks.iter().enumerate().filter(|(at, _)| !left_out.contains(at));
        let came = kept.flat_map(|(_, chunk)| assembler.take(9, chunk.clone()));
        let came: Vec<_> = came.flatten().collect();
        came.into_iter().next().or_else(|| assembler.finish(9))
    }

    fn slices(unit: &Unit) -> Vec<u8> {
        let data = &unit.body[5..];
        let slice = |range: Range<usize>| (data[range.start] == 0x41).then(|| data[range.end - 1]);
        avcc(data, 4).filter_map(slice).collect()
    }

    #[test]
    fn a_whole_unit_comes_out_as_it_went_in() {
        for lengths in [&[700][..], &[1100; 5], &[4000, 30, 2000]] {
            let (unit, chunks) = picture(lengths);
            assert!(chunks.iter().all(|chunk| chunk.payload.len() <= LONGEST));
            assert_eq!(assemble(&chunks, &[]), Some(Assembled { unit, partial: false }));
        }
    }

    #[test]
    fn of_a_torn_picture_the_whole_slices_are_kept_and_its_times() {
        let (unit, chunks) = picture(&[1100; 5]);
        assert_eq!(chunks.len(), 5);
        for lost in 0..5 {
            let Assembled { unit: torn, partial } =
                assemble(&chunks, &[lost]).expect("four slices");
            let expected: Vec<u8> =
                (0..5).filter(|at| *at != lost).map(|at| 0x80 + at as u8).collect();
            assert_eq!((slices(&torn), partial), (expected, true));
            assert_eq!((torn.timestamp, torn.number, &torn.body[..5]), (77, 0, &unit.body[..5]));
        }
    }

    #[test]
    fn a_slice_with_a_hole_is_left_out_and_nothing_is_made_of_none() {
        let (_, chunks) = picture(&[1100, 4000, 30]);
        // 1100 | 1250 1250 1250 254 | 30
        assert_eq!(chunks.len(), 6);
        let left = |left_out: &[usize]| assemble(&chunks, left_out).map(|torn| slices(&torn.unit));
        assert_eq!(left(&[2]), Some(vec![0x80, 0x82]));
        assert_eq!(left(&[0, 2]), Some(vec![0x82]));
        assert_eq!(left(&[0, 5]), Some(vec![0x81]));
        assert_eq!(left(&[0, 1, 5]), None);
        let sound = Media { kind: Kind::Audio, timestamp: 0, body: vec![1; 3000].into() };
        let unit = Unit::new(9, 0, sound);
        let chunks = super::chunks(&unit, Place { seq: 0, time: 0 });
        assert_eq!((chunks.len(), assemble(&chunks, &[1])), (3, None));
    }

    #[test]
    fn what_the_mesh_cannot_name_is_not_cut() {
        let unit = Unit::new(9, 0, Media { kind: Kind::Data, timestamp: 0, body: Bytes::new() });
        assert_eq!(chunks(&unit, Place { seq: SEQ_MAX - 1, time: 0 }), []);
        let far = Unit { number: 1 << 32, ..unit };
        assert_eq!(chunks(&far, Place { seq: 0, time: 0 }), []);
    }
}
