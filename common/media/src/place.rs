use bytes::Bytes;

use crate::stamp::{self, Extension, Stamp};
use crate::{Kind, Unit, cut};

/// Where a unit stands in a layered mesh, in which each layer counts its own chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The place of its first chunk among the chunks of its layer, from 0.
    pub seq: u32,
    /// Stream time in ms: it begins near 0, and never falls from one unit to the next.
    pub time: u32,
}

/// The field of a [`Stamp`] that says where its unit stands: chunks of each layer before it, what
/// RTMP's timestamps are counted from, and the unit's stream time; five `u32`.
const TALLY: u8 = 1;
const TALLY_LEN: usize = 20;

/// A timestamp that is off by more than this is no interleaving and no pause: the encoder has begun
/// to count anew, and stream time goes on from where it was.
const JUMP: i64 = 10_000;

/// What has been counted of a publish so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    chunks: [u32; 3],
    origin: u32,
    time: u32,
}

impl Tally {
    /// A publish whose first timestamp is `origin`.
    pub(crate) fn new(origin: u32) -> Tally {
        Tally { origin, ..Tally::default() }
    }

    /// The stream time of the next unit, of which only RTMP's timestamp is known.
    pub(crate) fn tell_time(&mut self, timestamp: u32) {
        // RTMP's timestamps wrap after 49 days; the shorter way round is the right one.
        let off = i64::from(timestamp.wrapping_sub(self.origin).wrapping_sub(self.time) as i32);
        if off.abs() > JUMP {
            self.origin = timestamp.wrapping_sub(self.time);
        } else if off > 0 {
            self.time = self.time.saturating_add(off as u32);
        }
    }

    /// Counts the chunks of the unit, and answers where it stands.
    pub(crate) fn count(&mut self, unit: &Unit) -> Place {
        let chunks = &mut self.chunks[usize::from(unit.layer.number()) - 1];
        let seq = *chunks;
        *chunks = seq.saturating_add(cut(unit.kind, &unit.body).len() as u32);
        Place { seq, time: self.time }
    }

    pub(crate) fn to_extension(self) -> Extension {
        let [one, two, three] = self.chunks;
        let words = [one, two, three, self.origin, self.time];
        let value: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        Extension { tag: TALLY, value: value.into() }
    }

    fn of(stamp: &Stamp) -> Option<Tally> {
        let value = &stamp.extensions.iter().find(|field| field.tag == TALLY)?.value;
        if value.len() != TALLY_LEN {
            return None;
        }
        let mut words = value.chunks_exact(4).map(|word| {
            u32::from_be_bytes(word.try_into().expect("chunks of four bytes have four"))
        });
        let mut next = || words.next().unwrap_or_default();
        Some(Tally { chunks: [next(), next(), next()], origin: next(), time: next() })
    }
}

/// Finds the [`Place`] of each unit: at the broadcaster, where every unit passes, and at whoever
/// reads the stream from a relay alike.
///
/// The broadcaster's [`Numberer`](crate::Numberer) counts the chunks of each layer and writes the
/// counts into the stamps, so that a reader knows them from the first stamped picture on. The
/// counts are of what comes *before* the picture, for a stamp cannot depend on its own length.
/// Units without a stamp follow by the same arithmetic; after a gap they wait for the next picture.
#[derive(Debug, Default)]
pub struct Placer {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    epoch: u32,
    /// The unit that comes next.
    next: u64,
    tally: Tally,
}

impl Placer {
    /// One that has seen nothing yet.
    pub fn new() -> Placer {
        Placer::default()
    }

    /// Where `unit` stands; `None` if that cannot be known.
    pub fn place(&mut self, unit: &Unit) -> Option<Place> {
        let stamped = (unit.kind == Kind::Video).then(|| stamp::find(&unit.body)).flatten();
        let stamped = stamped.as_ref().and_then(Tally::of);
        let tally = match (stamped, &self.known) {
            (Some(tally), _) => tally,
            (None, _) if unit.number == 0 => Tally::new(unit.timestamp),
            (None, Some(known)) if (known.epoch, known.next) == (unit.epoch, unit.number) => {
                let mut tally = known.tally;
                tally.tell_time(unit.timestamp);
                tally
            }
            (None, _) => {
                self.known = None;
                return None;
            }
        };
        let next = unit.number.checked_add(1)?;
        let known = self.known.insert(Known { epoch: unit.epoch, next, tally });
        Some(known.tally.count(unit))
    }
}

/// Fields of a stamp that hold a sequence header each, so that whoever has a keyframe can begin
/// with it: a tag for each kind.
const VIDEO_HEADER: u8 = 2;
const AUDIO_HEADER: u8 = 3;

/// The field that holds a sequence header; `None` if it is too long for one.
pub(crate) fn header_extension(kind: Kind, body: &Bytes) -> Option<Extension> {
    let tag = match kind {
        Kind::Video => VIDEO_HEADER,
        Kind::Audio => AUDIO_HEADER,
        Kind::Data => return None,
    };
    (body.len() <= 255).then(|| Extension { tag, value: body.clone() })
}

impl Stamp {
    /// The sequence headers that are valid from this picture on, as message bodies. A keyframe's
    /// stamp has those that fit, so that a keyframe can be played by who never saw the beginning.
    pub fn headers(&self) -> impl Iterator<Item = (Kind, &Bytes)> {
        self.extensions.iter().filter_map(|field| match field.tag {
            VIDEO_HEADER => Some((Kind::Video, &field.value)),
            AUDIO_HEADER => Some((Kind::Audio, &field.value)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::{Followed, Follower, Media, Numberer};

    /// Message bodies by layer: I or P, reference B, plain B; and sound.
    fn body(what: u8, length: usize) -> (Kind, Bytes) {
        let nal = match what {
            0 => 0x65,
            1 => 0x41,
            2 => 0x01,
            _ => return (Kind::Audio, [&b"\xaf\x01"[..], &vec![7; length]].concat().into()),
        };
        let frame = if what == 0 { 0x17 } else { 0x27 };
        let mut body = vec![frame, 1, 0, 0, 0];
        body.extend((length as u32 + 2).to_be_bytes());
        body.extend([nal, 0x9e]);
        body.extend(vec![0x84; length]);
        (Kind::Video, body.into())
    }

    fn published(units: &[(u8, usize, i32)]) -> Vec<Unit> {
        let mut numberer = Numberer::new(9);
        let mut timestamp = u32::MAX - 300;
        units
            .iter()
            .map(|&(what, length, step)| {
                timestamp = timestamp.wrapping_add_signed(step);
                let (kind, body) = body(what, length);
                numberer.number(Time::from_nanos(1), Media { kind, timestamp, body })
            })
            .collect()
    }

    fn units() -> impl Strategy<Value = Vec<(u8, usize, i32)>> {
        let step = prop_oneof![8 => -60i32..120, 1 => Just(50_000), 1 => Just(-40_000)];
        prop::collection::vec((0u8..4, 0usize..4000, step), 1..60)
    }

    proptest! {
        /// Who reads a relay from the middle, with holes in it, comes to the broadcaster's answer
        /// for every unit, or to none.
        #[test]
        fn every_reader_comes_to_the_same_places(
            sent in units(),
            from in any::<prop::sample::Index>(),
            lost in prop::collection::vec(prop::bool::weighted(0.1), 60),
        ) {
            let sent = published(&sent);
            let mut source = Placer::new();
            let places: Vec<_> = sent.iter().map(|unit| source.place(unit)).collect();
            let mut counts = [0u32; 3];
            let mut last = 0;
            for (unit, place) in sent.iter().zip(&places) {
                let place = place.expect("the source knows all");
                let count = &mut counts[usize::from(unit.layer.number()) - 1];
                prop_assert_eq!(place.seq, *count);
                *count += cut(unit.kind, &unit.body).len() as u32;
                prop_assert!(place.time >= last, "time never falls");
                last = place.time;
            }
            let (mut follower, mut reader) = (Follower::new(), Placer::new());
            for (unit, _) in sent.iter().zip(&lost).skip(from.index(sent.len())).filter(|(_, l)| !**l) {
                follower.receive(unit.media());
            }
            follower.finish();
            while let Some(followed) = follower.poll() {
                let Followed::Unit(unit) = followed else { continue };
                // What stands behind the last picture is numbered on trust.
                let confirmed = sent.get(unit.number as usize) == Some(&unit);
                if let (true, Some(place)) = (confirmed, reader.place(&unit)) {
                    prop_assert_eq!(Some(place), places[unit.number as usize]);
                }
            }
        }
    }

    #[test]
    fn a_keyframe_brings_the_headers() {
        let mut numberer = Numberer::new(9);
        let header = Bytes::from_static(b"\x17\x00\x00\x00\x00\x01\x64");
        let sound = Bytes::from_static(b"\xaf\x00\x12\x10");
        let mut number =
            |kind, body| numberer.number(Time::from_nanos(1), Media { kind, timestamp: 0, body });
        number(Kind::Video, header.clone());
        number(Kind::Audio, sound.clone());
        let (kind, key) = body(0, 10);
        let unit = number(kind, key);
        let stamp = stamp::find(&unit.body).expect("stamped");
        let headers: Vec<_> = stamp.headers().collect();
        assert_eq!(headers, [(Kind::Video, &header), (Kind::Audio, &sound)]);
        let (kind, other) = body(1, 10);
        let unit = number(kind, other);
        assert_eq!(stamp::find(&unit.body).expect("stamped").headers().count(), 0);
    }

    #[test]
    fn time_goes_on_when_timestamps_begin_anew() {
        let sent = published(&[
            (0, 9, 0),
            (1, 9, 400),
            (1, 9, -20),
            (1, 9, 60),
            (3, 9, -90_000),
            (1, 9, 40),
        ]);
        let mut placer = Placer::new();
        let times: Vec<_> = sent.iter().map(|u| placer.place(u).expect("all").time).collect();
        assert_eq!(times, [0, 400, 400, 440, 440, 480]);
    }
}
