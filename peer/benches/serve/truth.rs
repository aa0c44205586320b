//! The stream as it is: what receivers must get.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use nearcast_media::{Followed, Follower, Media, Placer, Unit, cut};

/// What names a part of the stream, by whichever way it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// A whole unit.
    Unit(u64),
    /// A chunk of it.
    Chunk(u64, u16),
    /// A chunk of the mesh: its layer, counted from 0, and its place there.
    Layered(u8, u32),
}

/// The stream, taken from the server that relays it.
#[derive(Default)]
pub(crate) struct Truth {
    follower: Follower,
    placer: Placer,
    units: HashMap<u64, (Unit, Vec<Range<usize>>)>,
    /// Unit and index by layer and place.
    places: HashMap<(u8, u32), (u64, u16)>,
    latest: Option<(u32, u64)>,
    chunks: u64,
}

impl Truth {
    /// Takes what the server sent.
    pub(crate) fn receive(&mut self, media: Media) {
        self.follower.receive(media);
        while let Some(followed) = self.follower.poll() {
            let Followed::Unit(unit) = followed else { continue };
            let cuts = cut(unit.kind, &unit.body);
            if let Some(place) = self.placer.place(&unit) {
                let layer = unit.layer.number() - 1;
                let indices = (place.seq..).zip(0..).take(cuts.len());
                self.places.extend(indices.map(|(seq, at)| ((layer, seq), (unit.number, at))));
            }
            self.latest = Some((unit.epoch, unit.number));
            self.chunks += cuts.len() as u64;
            self.units.insert(unit.number, (unit, cuts));
        }
    }

    /// Epoch and number of the latest unit.
    pub(crate) fn latest(&self) -> Option<(u32, u64)> {
        self.latest
    }

    /// How many chunks the unit has; `None` if it was not seen.
    pub(crate) fn count(&self, unit: u64) -> Option<usize> {
        Some(self.units.get(&unit)?.1.len())
    }

    /// Units and chunks so far.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.units.len() as u64, self.chunks)
    }

    /// Whether `bytes` end with what the name stands for: a chunk of the mesh has a proof in front.
    /// `None` if that was never seen here.
    pub(crate) fn agrees(&self, name: Name, bytes: &Bytes) -> Option<bool> {
        let (unit, index) = match name {
            Name::Unit(unit) => return Some(self.units.get(&unit)?.0.body == *bytes),
            Name::Chunk(unit, index) => (unit, index),
            Name::Layered(layer, seq) => *self.places.get(&(layer, seq))?,
        };
        let (unit, cuts) = self.units.get(&unit)?;
        let share = cuts.get(usize::from(index)).map(|range| &unit.body[range.clone()]);
        Some(share.is_some_and(|share| bytes.ends_with(share)))
    }
}
