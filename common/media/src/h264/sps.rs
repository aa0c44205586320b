use super::bits::Bits;
use super::escape::unescape;
use super::nal::{Nal, nal_type};

/// Width and height in pixels, after cropping, of the pictures of a sequence parameter set (7.3.2.1.1).
/// `None` if it is no such set, or makes no sense.
pub fn dimensions(sps: Nal<'_>) -> Option<(u32, u32)> {
    if sps.kind() != nal_type::SPS {
        return None;
    }
    let bytes = unescape(sps.payload(), 512);
    let mut bits = Bits::new(&bytes);
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
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
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
