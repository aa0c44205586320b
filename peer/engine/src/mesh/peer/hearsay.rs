//! What the neighbours' maps say of the layers, as one view of each.

use arrayvec::ArrayVec;
use nearcast_machine::Bitrate;

use super::super::median::median;
use super::super::neighbour::ROSTER_MAX;
use super::super::{BufferMap, LAYERS_MAX, Payload, SEQ_MAX};
use super::Peer;

/// What they say of each layer.
pub(super) type Hearsay = ArrayVec<Said, LAYERS_MAX>;

/// What they say of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// Where the window of most of them begins, as far as they know.
    pub(super) base: Option<u32>,
    /// What most of those who know its rate take for that.
    pub(super) rate: Option<Bitrate>,
    /// One past the highest chunk that any of them has.
    pub(super) end: u32,
}

impl<P: Payload> Peer<P> {
    /// Goes over all maps once, for all that a round wants to know of them beside who has what.
    pub(super) fn hear(&self) -> Hearsay {
        let mut maps: ArrayVec<&BufferMap, ROSTER_MAX> = ArrayVec::new();
        maps.extend(self.roster.iter().filter_map(|neighbour| neighbour.map.as_deref()));
        let mut bases: ArrayVec<u32, ROSTER_MAX> = ArrayVec::new();
        let mut rates: ArrayVec<Bitrate, ROSTER_MAX> = ArrayVec::new();
        let of = |layer| {
            bases.clear();
            rates.clear();
            let mut end = 0;
            for map in maps.iter().filter(|map| map.layers() > layer) {
                bases.extend(Some(map.base(layer)).filter(|&base| base < SEQ_MAX));
                rates.extend(map.rate(layer));
                // Of a map without any the end is where its owner's window begins, if it knows.
                if !map.bits(layer).is_empty() {
                    end = map.end(layer).max(end);
                }
            }
            Said { base: median(&bases), rate: median(&rates), end }
        };
        (0..self.settings.layers).map(of).collect()
    }
}
