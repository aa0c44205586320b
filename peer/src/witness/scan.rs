use nearcast_machine::Time;
use nearcast_media::stamp::{self, Stamp};

/// NAL unit types (ITU-T H.264 table 7-1).
const SEI: u8 = 6;
const ACCESS_UNIT_DELIMITER: u8 = 9;
/// Bytes kept of an SEI message; a stamp is much shorter.
const SEI_MAX: usize = 4096;
const START_CODE: [u8; 3] = [0, 0, 1];

/// Finds stamped access units in an H.264 byte stream (ITU-T H.264 annex B) that comes in pieces of
/// any size. Keeps a few kilobytes, whatever comes.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    zeros: usize,
    nal: Option<Nal>,
    open: Option<Seen>,
}

/// A stamped access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// When its stamp was complete.
    pub(super) at: Time,
    pub(super) stamp: Stamp,
    /// Bytes of its NAL units from the stamp on.
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Nal {
    kind: Option<u8>,
    length: u64,
    /// With a start code in front; filled only for SEI.
    kept: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes, which came at `at`, and hands each access unit that is complete to
    /// `seen`.
    pub(super) fn push(&mut self, at: Time, bytes: &[u8], mut seen: impl FnMut(Seen)) {
        for &byte in bytes {
            if byte == 1 && self.zeros >= 2 {
                self.end_of_nal(at, &mut seen);
                self.nal = Some(Nal { kind: None, length: 0, kept: Vec::new() });
            } else if let Some(nal) = &mut self.nal {
                nal.push(byte);
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
    }

    /// The stream is over.
    pub(super) fn end(mut self, at: Time, mut seen: impl FnMut(Seen)) {
        self.end_of_nal(at, &mut seen);
        self.open.take().into_iter().for_each(seen);
    }

    fn end_of_nal(&mut self, at: Time, seen: &mut impl FnMut(Seen)) {
        let Some(nal) = self.nal.take() else { return };
        // Zeros in front of a start code belong to it (leading_zero_8bits and zero_byte).
        let length = nal.length.saturating_sub(self.zeros as u64);
        match nal.kind {
            Some(SEI) => {
                if let Some(stamp) = stamp::find_annexb(&nal.kept) {
                    self.open.take().into_iter().for_each(&mut *seen);
                    self.open = Some(Seen { at, stamp, bytes: 0 });
                }
            }
            Some(ACCESS_UNIT_DELIMITER) => self.open.take().into_iter().for_each(&mut *seen),
            Some(_) | None => {}
        }
        if let Some(open) = &mut self.open {
            open.bytes += length;
        }
    }
}

impl Nal {
    fn push(&mut self, byte: u8) {
        if self.kind.is_none() {
            self.kind = Some(byte & 0x1f);
            if byte & 0x1f == SEI {
                self.kept.extend(START_CODE);
            }
        }
        self.length += 1;
        if self.kind == Some(SEI) && self.kept.len() < SEI_MAX {
            self.kept.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stamped SEI message as a NAL unit, from a stamped FLV body with one IDR slice.
    fn stamped(unit: u64) -> Vec<u8> {
        let idr = [0x65, 0x88, 0x84, 0x00];
        let mut body = vec![0x17, 1, 0, 0, 0, 0, 0, 0, idr.len() as u8];
        body.extend(idr);
        let stamp = Stamp {
            epoch: 7,
            unit,
            frame: unit / 2,
            captured: Time::from_nanos(1_000_000_000 + unit),
            extensions: Vec::new(),
        };
        let body = stamp::insert(&body, &stamp).expect("it is a picture");
        let length = u32::from_be_bytes([body[5], body[6], body[7], body[8]]) as usize;
        assert_eq!(body[9] & 0x1f, SEI);
        body[9..9 + length].to_vec()
    }

    fn stream() -> Vec<u8> {
        let mut bytes = b"noise before the first start code".to_vec();
        for unit in [4, 6, 8] {
            for nal in [vec![9, 0xf0], stamped(unit), vec![0x65; 500]] {
                bytes.extend([0, 0, 0, 1]);
                bytes.extend(nal);
            }
        }
        bytes
    }

    #[test]
    fn each_stamp_is_seen_once_however_the_bytes_are_cut() {
        let bytes = stream();
        for cut in [1, 2, 3, 7, 64, bytes.len()] {
            let mut scanner = Scanner::default();
            let mut seen = Vec::new();
            for (at, piece) in bytes.chunks(cut).enumerate() {
                scanner.push(Time::from_nanos(at as u64), piece, |unit| seen.push(unit));
            }
            scanner.end(Time::from_nanos(u64::MAX), |unit| seen.push(unit));
            let units: Vec<u64> = seen.iter().map(|seen| seen.stamp.unit).collect();
            assert_eq!(units, [4, 6, 8], "in pieces of {cut}");
            let sei = stamped(4).len() as u64;
            assert!(seen.iter().all(|seen| seen.bytes.abs_diff(sei + 500) <= 2), "{seen:?}");
            assert!(seen.windows(2).all(|pair| pair[0].at <= pair[1].at));
        }
    }

    #[test]
    fn noise_is_neither_seen_nor_kept() {
        let mut scanner = Scanner::default();
        let mut noise = vec![0, 0, 1, 6];
        noise.extend(vec![0xff; 1 << 20]);
        scanner.push(Time::ZERO, &noise, |unit| panic!("{unit:?}"));
        assert!(scanner.nal.as_ref().is_some_and(|nal| nal.kept.len() <= SEI_MAX));
        scanner.end(Time::ZERO, |unit| panic!("{unit:?}"));
    }
}
