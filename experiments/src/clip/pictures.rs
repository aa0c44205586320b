use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Clip, ClipError};
use crate::result::Witness;

/// The checksum of every picture of a clip, in the order they are shown.
#[derive(Debug, Clone)]
pub struct Pictures {
    checksums: Vec<u32>,
    /// Where each checksum is, in ascending order: a picture may be shown again later.
    places: HashMap<u32, Vec<usize>>,
}

/// How FFmpeg is made to write a line per decoded picture, none dropped or doubled for the sake of
/// a steady rate.
pub(crate) const FRAMECRC: [&str; 6] =
    ["-fps_mode", "passthrough", "-f", "framecrc", "-flush_packets", "1"];

impl Pictures {
    /// Decodes the clip.
    ///
    /// # Errors
    /// If FFmpeg is missing or fails.
    pub fn of_clip(clip: &Clip) -> Result<Pictures, ClipError> {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-i"]).arg(&clip.file);
        let output = command.args(FRAMECRC).arg("-").stdin(Stdio::null()).output();
        let output = output.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ClipError::Missing("ffmpeg".to_owned()),
            _ => ClipError::Io { path: "ffmpeg".into(), source },
        })?;
        if !output.status.success() {
            let what = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ClipError::Encode { program: "ffmpeg".to_owned(), what });
        }
        Ok(Pictures::new(checksums(&String::from_utf8_lossy(&output.stdout))))
    }

    fn new(checksums: Vec<u32>) -> Pictures {
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, checksum) in checksums.iter().enumerate() {
            places.entry(*checksum).or_default().push(place);
        }
        Pictures { checksums, places }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.checksums.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.checksums.is_empty()
    }

    /// Compares what a player decoded, in the framecrc file at `path`, with the clip.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn compare(&self, path: &Path) -> std::io::Result<Witness> {
        Ok(self.judge(&checksums(&String::from_utf8_lossy(&std::fs::read(path)?))))
    }

    fn judge(&self, seen: &[u32]) -> Witness {
        let mut witness =
            Witness { decoded: seen.len() as u64, exact: 0, missing: 0, repeated: 0, differing: 0 };
        // The place that the next picture should have; none before the first.
        let mut next: Option<usize> = None;
        for checksum in seen {
            let Some(places) = self.places.get(checksum) else {
                witness.differing += 1;
                // It stands where one of the clip's should.
                next = next.map(|next| next + 1);
                continue;
            };
            let ahead = places.iter().copied().find(|place| next.is_none_or(|next| *place >= next));
            match (ahead, next) {
                (Some(place), Some(expected)) => {
                    witness.exact += 1;
                    witness.missing += (place - expected) as u64;
                    next = Some(place + 1);
                }
                (Some(place), None) => {
                    witness.exact += 1;
                    next = Some(place + 1);
                }
                (None, _) => witness.repeated += 1,
            }
        }
        witness
    }
}

/// `0, dts, pts, duration, size, 0xCHECKSUM` for each picture; lines with # are about the stream. A
/// line that was cut off by the player's end is left out.
fn checksums(text: &str) -> Vec<u32> {
    let lines =
        text.split_inclusive('\n').filter(|line| line.ends_with('\n') && !line.starts_with('#'));
    let last = |line: &str| {
        let field = line.rsplit(',').next()?.trim().strip_prefix("0x")?;
        u32::from_str_radix(field, 16).ok()
    };
    lines.filter_map(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_differ_is_told_apart() {
        let clip = Pictures::new((100..200).collect());
        let judge = |seen: &[u32]| {
            let w = clip.judge(seen);
            (w.exact, w.missing, w.repeated, w.differing)
        };
        assert_eq!(judge(&(110..150).collect::<Vec<_>>()), (40, 0, 0, 0), "from the middle, whole");
        assert_eq!(judge(&[100, 101, 104, 105]), (4, 2, 0, 0), "two are missing");
        assert_eq!(judge(&[100, 101, 101, 102]), (3, 0, 1, 0), "one twice");
        assert_eq!(judge(&[100, 999, 102]), (2, 0, 0, 1), "one is another");
        assert_eq!(judge(&[]), (0, 0, 0, 0));
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_a_picture() {
        let text = "#software: x\n0, 0, 0, 33, 608256, 0x0a0b0c0d\n0, 33, 33, 33, 608256, 0x0102";
        assert_eq!(checksums(text), [0x0a0b_0c0d]);
    }
}
