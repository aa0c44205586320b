//! Layer chunks: their names, what each says about itself, and what it carries.

use std::fmt::Debug;

use bytes::Bytes;

/// Most layers of a stream. The name of a chunk takes 3 bits for its layer.
pub const LAYERS_MAX: usize = 8;

/// Sequence numbers are below 2^29: at a hundred layer chunks (LC) per second and layer, 62 days of
/// one epoch.
pub const SEQ_MAX: u32 = 1 << 29;

/// The name of a layer chunk within an epoch of a stream.
///
/// Each layer counts its own chunks from 0, in publish order, so that a peer knows the layer of a
/// chunk that it has never seen: Algorithm 1 of Liu et al. asks for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lc {
    /// The layer, counted from 0: the paper's layer 1 is 0 here.
    pub layer: u8,
    /// Its place in the layer, below [`SEQ_MAX`].
    pub seq: u32,
}

impl Lc {
    /// In one word: queues hold many of them.
    pub(crate) fn pack(self) -> u32 {
        debug_assert!(usize::from(self.layer) < LAYERS_MAX && self.seq < SEQ_MAX);
        u32::from(self.layer) << 29 | self.seq
    }

    pub(crate) fn unpack(word: u32) -> Lc {
        Lc { layer: (word >> 29) as u8, seq: word & (SEQ_MAX - 1) }
    }
}

/// Whether a chunk is the first or last one of its unit, and six bits that are the driver's own
/// (what kind of unit it is, whether it is a keyframe), which the engine only carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tag(u8);

impl Tag {
    const FIRST: u8 = 1;
    const LAST: u8 = 2;

    /// A tag; of `driver` the lower six bits are kept.
    pub const fn new(first: bool, last: bool, driver: u8) -> Tag {
        Tag(driver << 2 | (last as u8) << 1 | first as u8)
    }

    /// From its byte.
    pub const fn from_bits(bits: u8) -> Tag {
        Tag(bits)
    }

    /// As a byte: bit 0 first, bit 1 last, bits 2 to 7 the driver's.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the chunk is its unit's first.
    pub const fn first(self) -> bool {
        self.0 & Tag::FIRST != 0
    }

    /// Whether the chunk is its unit's last.
    pub const fn last(self) -> bool {
        self.0 & Tag::LAST != 0
    }

    /// The driver's bits.
    pub const fn driver(self) -> u8 {
        self.0 >> 2
    }
}

/// What a layer chunk carries. The engine never looks into it: a live driver's payload is
/// [`Bytes`], a simulator's is a [`Size`].
pub trait Payload: Clone + Default + Debug {
    /// How many bytes of the stream it stands for.
    fn size(&self) -> usize;
}

impl Payload for Bytes {
    fn size(&self) -> usize {
        self.len()
    }
}

/// A payload of which only the length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size(pub u16);

impl Payload for Size {
    fn size(&self) -> usize {
        self.0.into()
    }
}

/// A layer chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<P> {
    /// Its name.
    pub lc: Lc,
    /// The unit (frame) that it is a part of, counted over all layers in publish order. A chunk
    /// never holds data of two units; the chunks of one unit follow each other in one layer.
    pub unit: u32,
    /// Stream time of the unit in ms, the same for all its chunks; it never falls from one unit of
    /// a layer to the next.
    pub time: u32,
    /// Its place in the unit.
    pub tag: Tag,
    /// What it carries, at most [`Settings::lc_max`](super::Settings::lc_max) bytes.
    pub payload: P,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_one_word() {
        for lc in [
            Lc { layer: 0, seq: 0 },
            Lc { layer: 7, seq: SEQ_MAX - 1 },
            Lc { layer: 3, seq: 0x0123_4567 },
        ] {
            assert_eq!(Lc::unpack(lc.pack()), lc);
        }
    }

    #[test]
    fn a_tag_keeps_its_parts_apart() {
        let tag = Tag::new(true, false, 0x2a);
        assert_eq!((tag.first(), tag.last(), tag.driver()), (true, false, 0x2a));
        assert_eq!(Tag::from_bits(tag.bits()), tag);
        assert_eq!(Tag::new(false, true, 0xff).driver(), 0x3f, "six bits are the driver's");
    }
}
