use nearcast_media::{Error, Kind, Unit, flv, h264};

use crate::result::ClipFacts;

/// Measures an FLV file, and checks that it is what `shape` says: frames in three layers, an IDR
/// every `gop` frames, no slice longer than a chunk takes.
///
/// # Errors
/// What is not so, in words.
pub(super) fn measure(data: &[u8], shape: ClipFacts) -> Result<ClipFacts, String> {
    let mut rest = data.get(flv::HEADER.len()..).ok_or("it is no FLV file")?;
    let mut layer_bytes = [0_u64; 3];
    let mut facts = ClipFacts { frames: 0, largest_slice: 0, ..shape };
    while !rest.is_empty() {
        let (media, taken) = match flv::parse_tag(rest) {
            Ok(tag) => tag,
            Err(Error::Incomplete { .. }) => {
                return Err("it ends in the middle of a tag".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        };
        rest = &rest[taken..];
        let Some(media) = media.filter(|media| media.kind == Kind::Video) else { continue };
        let Some(header) = flv::BodyHeader::parse(media.kind, &media.body) else { continue };
        let body = media.body.clone();
        let unit = Unit::new(0, facts.frames, media);
        // The sequence header, and the end of sequence that FFmpeg writes last, hold no picture.
        let nals = body.get(header.payload..).unwrap_or_default();
        if header.sequence_header || nals.is_empty() {
            continue;
        }
        if unit.keyframe != facts.frames.is_multiple_of(u64::from(facts.gop)) {
            return Err(format!("frame {} begins a group of pictures, or should", facts.frames));
        }
        facts.frames += 1;
        layer_bytes[usize::from(unit.layer.number()) - 1] += body.len() as u64;
        let longest = h264::avcc(nals, 4).map(|range| range.len() as u64 + 4).max();
        facts.largest_slice = facts.largest_slice.max(longest.unwrap_or(0));
    }
    if facts.frames == 0 || layer_bytes.contains(&0) {
        return Err(format!("its layers have {layer_bytes:?} bytes"));
    }
    let seconds = facts.frames as f64 / f64::from(facts.fps);
    facts.layer_bits_per_s =
        layer_bytes.iter().map(|bytes| (*bytes as f64 * 8.0 / seconds).round() as u64).collect();
    Ok(facts)
}
