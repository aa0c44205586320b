use super::bits::{BitWriter, Bits};
use super::escape::{escape, unescape};
use super::nal::{Nal, nal_type};

/// Width and height in pixels, after cropping, of the pictures of a sequence parameter set
/// (7.3.2.1.1). `None` if it is no such set, or makes no sense.
pub fn dimensions(sps: Nal<'_>) -> Option<(u32, u32)> {
    if sps.kind() != nal_type::SPS {
        return None;
    }
    let bytes = unescape(sps.payload(), MOST);
    picture_size(&mut Bits::new(&bytes))
}

/// The same sequence parameter set, saying that up to `frames` pictures come before another one
/// that is shown before them (max_num_reorder_frames, E.2.1): x264 says 2 of pyramids of any depth,
/// and decoders then show what they have too early. `None` if the set does not say how many.
pub fn with_reordering(sps: Nal<'_>, frames: u32) -> Option<Vec<u8>> {
    if sps.kind() != nal_type::SPS {
        return None;
    }
    let bytes = unescape(sps.payload(), MOST);
    let mut bits = Bits::new(&bytes);
    picture_size(&mut bits)?;
    let before = restrictions(&mut bits)?;
    let _reordered = bits.unsigned()?;
    let buffered = bits.unsigned()?;

    // Nothing follows but the trailing bits (7.3.2.11).
    let mut changed = BitWriter::default();
    let mut kept = Bits::new(&bytes);
    for _ in 0..before {
        changed.bit(kept.bit()?);
    }
    changed.unsigned(frames);
    changed.unsigned(buffered.max(frames));
    let mut nal = vec![sps.bytes()[0]];
    escape(&changed.finish(), &mut nal);
    Some(nal)
}

/// A sequence parameter set has no more bytes than this.
const MOST: usize = 512;

/// Reads up to and with the cropping (7.3.2.1.1).
fn picture_size(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.unsigned()?;
    let mut chroma = 1;
    if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        chroma = bits.unsigned()?;
        let separate_planes = chroma == 3 && bits.bit()?;
        if separate_planes {
            chroma = 0;
        }
        bits.unsigned()?;
        bits.unsigned()?;
        bits.bit()?;
        if bits.bit()? {
            let lists = if chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.bit()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned().filter(|cycle| *cycle < 256)? {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.bit()?;
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let frames_only = bits.bit()?;
    let fields = if frames_only { 1 } else { 2 };
    let height = map_units.checked_mul(fields)?;
    if !frames_only {
        bits.bit()?;
    }
    bits.bit()?;
    if !bits.bit()? {
        return Some((width, height));
    }
    // Table 6-1: cropping counts in chroma samples, and in pairs of rows for fields.
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let mut crop = |unit| bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit);
    let (cut_x, cut_y) = (crop(unit_x)?, crop(unit_y)?);
    Some((
        width.checked_sub(cut_x).filter(|width| *width > 0)?,
        height.checked_sub(cut_y).filter(|height| *height > 0)?,
    ))
}

/// Reads the usability information up to where its bitstream restrictions (E.1.1) count pictures,
/// and says how many bits stand before. `None` if there are none.
fn restrictions(bits: &mut Bits<'_>) -> Option<usize> {
    const EXTENDED_SAR: u32 = 255;

    bits.bit()?.then_some(())?;
    if bits.bit()? && bits.bits(8)? == EXTENDED_SAR {
        bits.bits(32)?;
    }
    // Overscan.
    if bits.bit()? {
        bits.bit()?;
    }
    // Video signal, and its colours.
    if bits.bit()? {
        bits.bits(4)?;
        if bits.bit()? {
            bits.bits(24)?;
        }
    }
    // Where chroma samples lie.
    if bits.bit()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    // Timing.
    if bits.bit()? {
        bits.bits(32)?;
        bits.bits(32)?;
        bits.bit()?;
    }
    let nal_hrd = bits.bit()?;
    if nal_hrd {
        skip_hrd(bits)?;
    }
    let vcl_hrd = bits.bit()?;
    if vcl_hrd {
        skip_hrd(bits)?;
    }
    if nal_hrd || vcl_hrd {
        bits.bit()?;
    }
    bits.bit()?;
    bits.bit()?.then_some(())?;
    bits.bit()?;
    for _ in 0..4 {
        bits.unsigned()?;
    }
    Some(bits.position())
}

/// E.1.2
fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let schedules = bits.unsigned().filter(|count| *count < 32)?;
    bits.bits(8)?;
    for _ in 0..=schedules {
        bits.unsigned()?;
        bits.unsigned()?;
        bits.bit()?;
    }
    bits.bits(20).map(drop)
}

/// 7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of x264 0.164 with seven B pictures in a pyramid, 704x576: it says that two are reordered,
    /// and four buffered.
    const SPS: &[u8] = b"\x67\x64\x00\x1f\xac\xc8\x70\x2c\x04\x9a\x10\x00\x00\x03\x00\
        \x10\x00\x00\x03\x03\xc8\xf1\x83\x19\xe0";

    #[test]
    fn the_number_of_reordered_pictures_is_changed_and_nothing_else() {
        let sps = Nal::new(SPS).expect("a NAL unit");
        assert_eq!(dimensions(sps), Some((704, 576)));
        assert_eq!(with_reordering(sps, 2).as_deref(), Some(SPS), "it says so already");
        let changed = with_reordering(sps, 4).expect("it says how many");
        assert_ne!(changed, SPS);
        let changed = Nal::new(&changed).expect("a NAL unit");
        assert_eq!(dimensions(changed), Some((704, 576)));
        assert_eq!(with_reordering(changed, 2).as_deref(), Some(SPS));
        for end in 1..SPS.len() {
            let cut = Nal::new(&SPS[..end]).expect("a NAL unit");
            assert_eq!(with_reordering(cut, 4), None, "cut at {end}");
        }
    }
}
