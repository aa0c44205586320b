//! The window of a stream that a peer holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use bytes::{Bytes, BytesMut};
use nearcast_machine::{Span, Time};
use nearcast_media::{CHUNK_MAX, Kind, Media, StreamId, Unit, cut, stamp};

use crate::headers::Headers;
use crate::wire::Chunk;
use crate::{Head, WindowLimits};

/// How long a stream must have shown audio and no video before it counts as one without video.
const NO_VIDEO_AFTER: Span = Span::from_secs(1);

/// How far back a joiner of a stream without video is started, in units.
const AUDIO_GROUP: u64 = 32;

/// The bookkeeping of a chunk that has not come, for the bound on bytes.
const PART_COST: u64 = size_of::<Option<Bytes>>() as u64;

/// The bookkeeping of a unit, likewise.
const UNIT_COST: u64 = 256;

/// The units of one epoch of a stream, whole or in part, within bounds of time and bytes.
#[derive(Debug)]
pub(crate) struct Store {
    stream: StreamId,
    epoch: u32,
    limits: WindowLimits,
    units: BTreeMap<u64, Held>,
    /// Whole video keyframes.
    keyframes: BTreeSet<u64>,
    headers: Headers,
    /// Units below are forgotten and not taken again.
    floor: u64,
    bytes: u64,
    video: bool,
    audio_since: Option<Time>,
}

#[derive(Debug)]
struct Held {
    head: Head,
    body: Body,
    touched: Time,
}

#[derive(Debug)]
enum Body {
    Parts { parts: Vec<Option<Bytes>>, have: u16, bytes: u64 },
    Whole { body: Bytes, cuts: Vec<Range<usize>> },
}

/// What became of a chunk or unit that was handed to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was missing; its unit still has holes.
    Part,
    /// It was missing, and its unit is whole now.
    Whole,
    /// It was there.
    Duplicate,
    /// It is too old, too large, or contradicts what its unit's other chunks or bytes say. In the
    /// last case nothing is left of the unit.
    Refused,
}

/// What a store lacks of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing.
    Nothing,
    /// Some chunks of it: ranges of index, first and last included.
    Some(Vec<(u16, u16)>),
    /// All, and it is not known how many those are.
    All,
}

impl Store {
    pub(crate) fn new(stream: StreamId, epoch: u32, limits: WindowLimits) -> Store {
        Store {
            stream,
            epoch,
            limits,
            units: BTreeMap::new(),
            keyframes: BTreeSet::new(),
            headers: Headers::default(),
            floor: 0,
            bytes: 0,
            video: false,
            audio_since: None,
        }
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Takes note of a header that came outside the numbering.
    pub(crate) fn learn(&mut self, header: Media) {
        self.video |= header.kind == Kind::Video;
        self.headers.learn(header);
    }

    /// Takes a whole unit; `gop` as in [`Head::gop`].
    pub(crate) fn insert_unit(&mut self, now: Time, unit: &Unit, gop: u64) -> Inserted {
        debug_assert_eq!(unit.epoch, self.epoch, "a store holds one epoch");
        if unit.number < self.floor {
            return Inserted::Refused;
        }
        if self.is_whole(unit.number) {
            return Inserted::Duplicate;
        }
        let cuts = cut(unit.kind, &unit.body);
        let Ok(count) = u16::try_from(cuts.len()) else { return Inserted::Refused };
        if count > self.limits.chunks {
            return Inserted::Refused;
        }
        self.remove(unit.number);
        self.put_whole(now, Head::new(unit, count, gop), unit.body.clone(), cuts);
        Inserted::Whole
    }

    /// Takes a chunk of this store's stream and epoch.
    pub(crate) fn insert_chunk(&mut self, now: Time, chunk: &Chunk) -> Inserted {
        let Chunk { head, index, payload, .. } = chunk;
        debug_assert_eq!((chunk.stream, chunk.epoch), (self.stream, self.epoch));
        let fits = head.count <= self.limits.chunks && payload.len() <= CHUNK_MAX;
        if head.number < self.floor || *index >= head.count || !fits {
            return Inserted::Refused;
        }
        let held = self.units.entry(head.number).or_insert_with(|| {
            self.bytes += UNIT_COST + u64::from(head.count) * PART_COST;
            let parts = vec![None; head.count.into()];
            Held { head: *head, body: Body::Parts { parts, have: 0, bytes: 0 }, touched: now }
        });
        if !same_unit(&held.head, head) {
            return Inserted::Refused;
        }
        let Body::Parts { parts, have, bytes } = &mut held.body else {
            return Inserted::Duplicate;
        };
        if parts[usize::from(*index)].is_some() {
            return Inserted::Duplicate;
        }
        parts[usize::from(*index)] = Some(payload.clone());
        *have += 1;
        *bytes += payload.len() as u64;
        self.bytes += payload.len() as u64;
        held.touched = now;
        // A peer that did not see the group's start can only name the unit itself.
        held.head.gop = held.head.gop.min(head.gop);
        match *have == head.count {
            true => self.assemble(now, head.number),
            false => {
                self.bound_bytes();
                Inserted::Part
            }
        }
    }

    /// Joins the parts of a unit that has them all, if they agree with what they said about it.
    fn assemble(&mut self, now: Time, number: u64) -> Inserted {
        let Some(Held { head, body: Body::Parts { parts, bytes, .. }, .. }) = self.remove(number)
        else {
            unreachable!("only a unit in parts is assembled");
        };
        let mut body = BytesMut::with_capacity(bytes as usize);
        parts.iter().flatten().for_each(|part| body.extend_from_slice(part));
        let body = body.freeze();
        let cuts = cut(head.kind, &body);
        let media = Media { kind: head.kind, timestamp: head.timestamp, body: body.clone() };
        let unit = Unit::new(self.epoch, number, media);
        // The keyframe flag is what playing starts and resumes by, and the number is what order
        // goes by, so neither is taken on a sender's word where the bytes say it themselves.
        let stamped = head.kind == Kind::Video
            && stamp::find(&body).is_some_and(|s| (s.epoch, s.unit) != (self.epoch, number));
        let fits = cuts.len() == usize::from(head.count)
            && cuts.iter().zip(parts.iter().flatten()).all(|(cut, part)| cut.len() == part.len());
        if !fits || stamped || !same_unit(&head, &Head::new(&unit, head.count, head.gop)) {
            return Inserted::Refused;
        }
        self.put_whole(now, head, body, cuts);
        Inserted::Whole
    }

    fn put_whole(&mut self, now: Time, head: Head, body: Bytes, cuts: Vec<Range<usize>>) {
        if head.header {
            let media = Media { kind: head.kind, timestamp: head.timestamp, body: body.clone() };
            self.headers.learn(media);
        }
        match head.kind {
            Kind::Video => self.video = true,
            Kind::Audio => self.audio_since = self.audio_since.or(Some(now)),
            Kind::Data => {}
        }
        if head.kind == Kind::Video && head.keyframe && !head.header {
            self.keyframes.insert(head.number);
        }
        self.bytes += UNIT_COST + body.len() as u64;
        self.units
            .insert(head.number, Held { head, body: Body::Whole { body, cuts }, touched: now });
        self.bound_bytes();
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.units.remove(&number)?;
        self.keyframes.remove(&number);
        self.bytes -= UNIT_COST
            + match &held.body {
                Body::Parts { parts, bytes, .. } => parts.len() as u64 * PART_COST + bytes,
                Body::Whole { body, .. } => body.len() as u64,
            };
        Some(held)
    }

    /// Forgets what is older than the window.
    pub(crate) fn prune(&mut self, now: Time) {
        while let Some((&number, held)) = self.units.first_key_value()
            && held.touched + self.limits.span < now
        {
            self.forget(number);
        }
    }

    fn bound_bytes(&mut self) {
        while self.bytes > self.limits.bytes.get()
            && let Some((&number, _)) = self.units.first_key_value()
        {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        self.remove(number);
        self.floor = number + 1;
    }

    /// How many bytes it holds, bookkeeping included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the unit is there in full.
    pub(crate) fn is_whole(&self, number: u64) -> bool {
        self.units.get(&number).is_some_and(|held| matches!(held.body, Body::Whole { .. }))
    }

    /// The unit, if it is there in full.
    pub(crate) fn unit(&self, number: u64) -> Option<Unit> {
        match self.units.get(&number)? {
            Held { head, body: Body::Whole { body, .. }, .. } => {
                Some(head.unit(self.epoch, body.clone()))
            }
            _ => None,
        }
    }

    /// A chunk of a unit that is there in full.
    pub(crate) fn chunk(&self, number: u64, index: u16) -> Option<Chunk> {
        let Held { head, body: Body::Whole { body, cuts }, .. } = self.units.get(&number)? else {
            return None;
        };
        let payload = body.slice(cuts.get(usize::from(index))?.clone());
        Some(Chunk { stream: self.stream, epoch: self.epoch, head: *head, index, payload })
    }

    /// How many chunks a unit has that is there in full, else 0.
    pub(crate) fn count(&self, number: u64) -> u16 {
        match self.units.get(&number) {
            Some(Held { head, body: Body::Whole { .. }, .. }) => head.count,
            _ => 0,
        }
    }

    /// The units of a range that are there in full, with their number of chunks. It takes time for
    /// what is held, however long the range is.
    pub(crate) fn counts(&self, units: RangeInclusive<u64>) -> impl Iterator<Item = (u64, u16)> {
        let whole = |held: &Held| matches!(held.body, Body::Whole { .. });
        // BTreeMap's own ranges panic if their ends are the wrong way round.
        let held = (!units.is_empty()).then(|| self.units.range(units)).into_iter().flatten();
        let held = held.filter(move |(_, held)| whole(held));
        held.map(|(&number, held)| (number, held.head.count))
    }

    /// What a unit lacks.
    pub(crate) fn missing(&self, number: u64) -> Missing {
        let Some(held) = self.units.get(&number) else { return Missing::All };
        let Body::Parts { parts, .. } = &held.body else { return Missing::Nothing };
        let holes = (0..held.head.count).filter(|&i| parts[usize::from(i)].is_none());
        Missing::Some(ranges(holes))
    }

    /// When the last chunk of a unit came that is still in parts.
    pub(crate) fn touched(&self, number: u64) -> Option<Time> {
        let held = self.units.get(&number)?;
        matches!(held.body, Body::Parts { .. }).then_some(held.touched)
    }

    /// The highest unit of which anything is there.
    pub(crate) fn latest(&self) -> Option<u64> {
        self.units.last_key_value().map(|(&number, _)| number)
    }

    /// The lowest unit of `from..` that is there in full and that playing can begin with: a video
    /// keyframe, or any sound of a stream that has no video. What decoding needs before it must be
    /// known.
    pub(crate) fn entry(&self, now: Time, from: u64) -> Option<u64> {
        if !self.is_audio_only(now) {
            let keyframe = self.keyframes.range(from..).next().copied()?;
            return (!self.needs_header(keyframe) || self.headers.of(Kind::Video).is_some())
                .then_some(keyframe);
        }
        let sound =
            |held: &Held| held.head.kind == Kind::Audio && matches!(held.body, Body::Whole { .. });
        self.units.range(from..).find(|(_, held)| sound(held)).map(|(&number, _)| number)
    }

    /// When [`entry`](Store::entry) may change its answer without anything having arrived.
    pub(crate) fn entry_deadline(&self) -> Option<Time> {
        if self.video { None } else { self.audio_since.map(|since| since + NO_VIDEO_AFTER) }
    }

    /// Where a joiner should begin: the last whole keyframe; in a stream without video, a little
    /// before its end.
    pub(crate) fn group(&self, now: Time) -> Option<u64> {
        if !self.is_audio_only(now) {
            return self.keyframes.last().copied();
        }
        let latest = self.latest()?;
        let from = self.entry(now, latest.saturating_sub(AUDIO_GROUP))?;
        (from..=latest).rev().take_while(|&number| self.is_whole(number)).last()
    }

    /// Whether the stream shows no video.
    fn is_audio_only(&self, now: Time) -> bool {
        !self.video && self.audio_since.is_some_and(|since| since + NO_VIDEO_AFTER <= now)
    }

    /// Whether the codec of a video unit has sequence headers: H.264, and all of Enhanced RTMP
    /// (whose first bit is set) and HEVC by its unofficial id (Adobe FLV E.4.3.1; Enhanced RTMP
    /// v1).
    fn needs_header(&self, number: u64) -> bool {
        match self.units.get(&number) {
            Some(Held { body: Body::Whole { body, .. }, .. }) => {
                body.first().is_some_and(|byte| byte & 0x80 != 0 || matches!(byte & 0x0f, 7 | 12))
            }
            _ => true,
        }
    }
}

/// Ascending indices as ranges, first and last included.
pub(crate) fn ranges(indices: impl Iterator<Item = u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    ranges
}

/// Whether two chunks can be of the same unit.
fn same_unit(one: &Head, other: &Head) -> bool {
    Head { gop: 0, ..*one } == Head { gop: 0, ..*other }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
