use std::ops::Range;

/// The values of nal_unit_type (table 7-1) that matter here.
pub mod nal_type {
    /// A slice of a picture that is not an IDR.
    pub const SLICE: u8 = 1;
    /// The first partition of such a slice.
    pub const PARTITION_A: u8 = 2;
    /// A slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
}

/// A NAL unit without its framing, at least the header byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a>(&'a [u8]);

impl<'a> Nal<'a> {
    /// The NAL unit `bytes`; `None` if they are empty.
    pub fn new(bytes: &'a [u8]) -> Option<Nal<'a>> {
        (!bytes.is_empty()).then_some(Nal(bytes))
    }

    /// nal_unit_type
    pub fn kind(self) -> u8 {
        self.0[0] & 0x1f
    }

    /// nal_ref_idc; zero if no other picture refers to this one.
    pub fn ref_idc(self) -> u8 {
        self.0[0] >> 5 & 3
    }

    /// What follows the header byte, with emulation prevention.
    pub fn payload(self) -> &'a [u8] {
        &self.0[1..]
    }

    /// The whole unit.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// The NAL units of `data`, each behind its length in `length_size` bytes (ISO/IEC 14496-15
/// 5.3.4.2), as ranges without the length. It ends where a length points past the end.
pub fn avcc(data: &[u8], length_size: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = data.get(at..)?.get(..length_size)?;
        let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let start = at + length_size;
        let end = start.checked_add(length).filter(|end| *end <= data.len())?;
        at = end;
        Some(start..end)
    })
}

/// In how many bytes `data` gives the lengths of its NAL units, told from the bytes alone: the
/// first of 4, 2 and 1 (what ISO/IEC 14496-15 allows) with which the units fill `data` exactly.
/// `None` if none does.
///
/// All nodes must cut and stamp alike, whether or not they saw the decoder configuration.
pub fn avcc_length_size(data: &[u8]) -> Option<usize> {
    [4, 2, 1].into_iter().find(|&size| {
        let mut end = 0;
        let well_formed = avcc(data, size).all(|range| {
            end = range.end;
            // A unit's first bit is zero (7.4.1).
            data.get(range.start).is_some_and(|first| range.is_empty() || first & 0x80 == 0)
        });
        well_formed && end > 0 && end == data.len()
    })
}

/// The NAL units of a byte stream with start codes (annex B), as ranges without start codes and
/// without the zeros between units.
pub fn annexb(data: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = start_code(data, 0).map(|code| code + 3);
    std::iter::from_fn(move || {
        let start = at?;
        let code = start_code(data, start);
        at = code.map(|code| code + 3);
        let end = code.unwrap_or(data.len());
        // B.1.1: trailing zeros belong to no unit, whose last byte is never zero.
        let length =
            data[start..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(start..start + length)
    })
}

/// Where the next `00 00 01` stands, from `from` on.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    data[from..].windows(3).position(|window| window == [0, 0, 1]).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_told_from_the_bytes() {
        for size in [4, 2, 1] {
            let mut data = Vec::new();
            for unit in [&[0x65, 1, 2][..], &[0x06], &[0x41; 90]] {
                data.extend(&(unit.len() as u32).to_be_bytes()[4 - size..]);
                data.extend(unit);
            }
            assert_eq!(avcc_length_size(&data), Some(size));
            assert_eq!(avcc(&data, size).map(|range| range.len()).collect::<Vec<_>>(), [3, 1, 90]);
            data.push(7);
            assert_eq!(avcc_length_size(&data), None);
        }
        assert_eq!(avcc_length_size(&[]), None);
        assert_eq!(avcc_length_size(&[0xff; 20]), None);
    }

    proptest! {
        #[test]
        fn units_of_a_byte_stream_are_found(
            units in prop::collection::vec(prop::collection::vec(1u8.., 1..20), 0..6),
            zeros in 0usize..3,
        ) {
            let mut data = Vec::new();
            for unit in &units {
                data.extend(vec![0; 2 + zeros]);
                data.push(1);
                data.extend(unit);
            }
            let found: Vec<_> = annexb(&data).map(|range| data[range].to_vec()).collect();
            prop_assert_eq!(found, units);
        }

        #[test]
        fn no_bytes_panic(data in prop::collection::vec(0u8..4, 0..40), size in 0usize..9) {
            prop_assert!(annexb(&data).all(|range| range.end <= data.len()));
            prop_assert!(avcc(&data, size).take(100).all(|range| range.end <= data.len()));
            let _ = avcc_length_size(&data);
        }
    }
}
