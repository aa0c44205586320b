/// Reads bits and Exp-Golomb codes (9.1) off an unescaped payload. Past its end all answers are
/// `None`.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// How many bits were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits, the first one highest.
    pub(super) fn bits(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    /// ue(v). Codes of more than 32 bits do not occur in any field.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v)
    pub(super) fn signed(&mut self) -> Option<i32> {
        let code = self.unsigned()?;
        let half = (code / 2) as i32;
        Some(if code % 2 == 1 { half + 1 } else { -half })
    }
}

/// Writes bits and Exp-Golomb codes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken; 0 before the first and after a whole one.
    used: u8,
}

impl BitWriter {
    pub(super) fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    /// ue(v)
    pub(super) fn unsigned(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = u64::BITS - code.leading_zeros();
        (1..length).for_each(|_| self.bit(false));
        (0..length).rev().for_each(|at| self.bit(code >> at & 1 == 1));
    }

    /// The payload, with its trailing bits (7.3.2.11).
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_table_9_2_are_read() {
        // 1, 010, 011, 00100, 00101: 0 to 4, and as signed 0, 1, -1, 2, -2.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.unsigned()), [0, 1, 2, 3, 4].map(Some));
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.signed()), [0, 1, -1, 2, -2].map(Some));
    }

    #[test]
    fn codes_read_back_as_they_were_written() {
        let values = [0, 1, 2, 7, 8, 254, 255, 256, (1 << 31) - 1];
        let mut writer = BitWriter::default();
        values.iter().for_each(|value| writer.unsigned(*value));
        let bytes = writer.finish();
        let mut bits = Bits::new(&bytes);
        assert!(values.iter().all(|value| bits.unsigned() == Some(*value)));
        assert_eq!(bits.bit(), Some(true), "the trailing bits");
    }

    #[test]
    fn the_end_and_endless_zeros_are_none() {
        assert_eq!(Bits::new(&[0; 16]).unsigned(), None);
        assert_eq!(Bits::new(&[0b0000_0100]).unsigned(), None);
        assert_eq!(Bits::new(&[]).signed(), None);
    }
}
