use super::bits::Bits;
use super::escape::unescape;
use super::nal::{Nal, nal_type};
use crate::Layer;

/// How the macroblocks of a slice may be predicted (table 7-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceType {
    /// From earlier pictures. SP counts as P.
    P,
    /// From two pictures.
    B,
    /// From itself alone. SI counts as I.
    I,
}

impl SliceType {
    /// The slice type of a NAL unit; `None` if it holds no beginning of a slice.
    pub fn of(nal: Nal<'_>) -> Option<SliceType> {
        if !matches!(nal.kind(), nal_type::SLICE | nal_type::PARTITION_A | nal_type::IDR) {
            return None;
        }
        // 7.3.3: first_mb_in_slice and slice_type, two codes of at most 63 bits each.
        let beginning = unescape(nal.payload(), 16);
        let mut bits = Bits::new(&beginning);
        let _first_macroblock = bits.unsigned()?;
        match bits.unsigned()? {
            // 5 to 9 say that all slices of the picture are alike.
            0 | 3 | 5 | 8 => Some(SliceType::P),
            1 | 6 => Some(SliceType::B),
            2 | 4 | 7 | 9 => Some(SliceType::I),
            _ => None,
        }
    }
}

/// What the NAL units of one access unit make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Its temporal layer: 3 if nothing refers to it, else 2 if it has B slices, else 1.
    pub layer: Layer,
    /// Whether it is an IDR: no picture from here on refers to one before it.
    pub idr: bool,
}

impl Picture {
    /// Looks at the slices among `nals`; `None` if there are none.
    pub fn of<'a>(nals: impl Iterator<Item = Nal<'a>>) -> Option<Picture> {
        let mut picture = None;
        for nal in nals {
            let Some(slice) = SliceType::of(nal) else { continue };
            let layer = match slice {
                _ if nal.ref_idc() == 0 => Layer::Three,
                SliceType::B => Layer::Two,
                SliceType::I | SliceType::P => Layer::One,
            };
            let idr = nal.kind() == nal_type::IDR;
            // One B slice makes the picture depend on later ones. nal_ref_idc is zero in all slices
            // of a picture or in none (7.4.1).
            let found = picture.get_or_insert(Picture { layer, idr });
            found.layer = found.layer.max(layer);
            found.idr &= idr;
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slice at macroblock 0: `1`, then the code of `slice_type`.
    fn slice(header: u8, slice_type: u32) -> Vec<u8> {
        let code = slice_type + 1;
        let zeros = code.ilog2();
        let bits = 1u32 << 31 | code << (31 - 1 - 2 * zeros);
        [&[header][..], &bits.to_be_bytes()].concat()
    }

    fn picture(slices: &[(u8, u32)]) -> Option<Picture> {
        let slices: Vec<_> = slices.iter().map(|(header, kind)| slice(*header, *kind)).collect();
        Picture::of(slices.iter().filter_map(|bytes| Nal::new(bytes)))
    }

    #[test]
    fn layers_are_told_from_the_bitstream() {
        let make = |layer, idr| Some(Picture { layer, idr });
        assert_eq!(picture(&[(0x65, 7)]), make(Layer::One, true), "IDR");
        assert_eq!(picture(&[(0x65, 2), (0x65, 2)]), make(Layer::One, true), "IDR of two slices");
        assert_eq!(picture(&[(0x41, 5)]), make(Layer::One, false), "P");
        assert_eq!(picture(&[(0x41, 6)]), make(Layer::Two, false), "B that is referred to");
        assert_eq!(picture(&[(0x41, 0), (0x41, 1)]), make(Layer::Two, false), "P and B slices");
        assert_eq!(picture(&[(0x01, 6)]), make(Layer::Three, false), "B");
        assert_eq!(picture(&[(0x01, 5)]), make(Layer::Three, false), "P that nothing refers to");
        assert_eq!(picture(&[(0x06, 5), (0x67, 5), (0x09, 1)]), None, "no slices");
        assert_eq!(picture(&[(0x41, 77)]), None, "no such slice type");
    }
}
