use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Span, UnitError};

/// Bits per second. Written `"4Mbit/s"`, `"620kbit/s"`, `"1Gbit/s"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bitrate(u64);

impl Bitrate {
    /// `bits` per second.
    pub const fn from_bits_per_sec(bits: u64) -> Bitrate {
        Bitrate(bits)
    }

    /// In bits per second.
    pub const fn bits_per_sec(self) -> u64 {
        self.0
    }

    /// How long `bytes` take on a link of this rate, rounded up to the nanosecond;
    /// [`Span::MAX`] on a link of rate zero.
    ///
    /// ```
    /// use nearcast_machine::{Bitrate, Bytes, Span};
    /// let rate: Bitrate = "10Mbit/s".parse().unwrap();
    /// assert_eq!(rate.serialisation(Bytes::new(1250)), Span::from_millis(1));
    /// ```
    pub fn serialisation(self, bytes: Bytes) -> Span {
        if self.0 == 0 {
            return Span::MAX;
        }
        // Up to 2 GB at once fit 64 bits, where a division takes a fraction of the time.
        if let Some(bits) = bytes.get().checked_mul(8_000_000_000) {
            return Span::from_nanos(bits.div_ceil(self.0));
        }
        let nanos = (u128::from(bytes.get()) * 8_000_000_000).div_ceil(u128::from(self.0));
        Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const RATES: [(&str, f64); 4] = [("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9), ("bit/s", 1.0)];

impl FromStr for Bitrate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Bitrate, UnitError> {
        let bits = number_with_unit(text, &RATES);
        bits.map(|bits| Bitrate(bits.round() as u64)).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a rate such as \"4Mbit/s\", \"620kbit/s\" or \"1Gbit/s\"",
        })
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            0 => ("bit/s", 1),
            n if n % 1_000_000_000 == 0 => ("Gbit/s", 1_000_000_000),
            n if n % 1_000_000 == 0 => ("Mbit/s", 1_000_000),
            n if n % 1_000 == 0 => ("kbit/s", 1_000),
            _ => ("bit/s", 1),
        };
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl fmt::Debug for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number of bytes. Written `"1250B"`, `"64KiB"`, `"2MB"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

impl Bytes {
    /// `bytes` bytes.
    pub const fn new(bytes: u64) -> Bytes {
        Bytes(bytes)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

const SIZES: [(&str, f64); 7] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Bytes, UnitError> {
        let bytes = number_with_unit(text, &SIZES);
        bytes.map(|bytes| Bytes(bytes.round() as u64)).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a size such as \"1250B\", \"64KiB\" or \"2MB\"",
        })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", self.0)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_text {
    ($($unit:ty),*) => {$(
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$unit, D::Error> {
                from_text(deserializer)
            }
        }
    )*};
}
as_text!(Bitrate, Bytes);

/// Reads a value with a unit out of a text field.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = UnitError>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// `"1.5 ms"` in the base unit of `units`; `None` unless it is a plain non-negative decimal number
/// followed by one of the units, and fits a `u64`.
pub(crate) fn number_with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    let value = number.parse::<f64>().ok()? * scale;
    (value < u64::MAX as f64).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_sizes_are_read_as_people_write_them() {
        assert_eq!("4Mbit/s".parse(), Ok(Bitrate::from_bits_per_sec(4_000_000)));
        assert_eq!("0.5Mbit/s".parse(), Ok(Bitrate::from_bits_per_sec(500_000)));
        assert_eq!("64KiB".parse(), Ok(Bytes::new(65_536)));
        for text in ["4mbps", "4", "4 MB/s", "1.2.3Mbit/s", "-1Mbit/s", ""] {
            let error = text.parse::<Bitrate>().expect_err(text);
            assert!(error.to_string().contains("4Mbit/s"), "{error}");
        }
    }

    #[test]
    fn serialisation_is_the_same_however_large_the_numbers() {
        let most = u64::MAX / 8_000_000_000;
        for rate in [1, 7, 620_000, 4_000_000, 100_000_000_000] {
            for bytes in [0, 1, 1250, most - 1, most, most + 1, 1 << 40] {
                let exact = (u128::from(bytes) * 8_000_000_000).div_ceil(u128::from(rate));
                let exact = u64::try_from(exact).unwrap_or(u64::MAX);
                let span = Bitrate::from_bits_per_sec(rate).serialisation(Bytes::new(bytes));
                assert_eq!(span.as_nanos(), exact, "{bytes} bytes at {rate} bit/s");
            }
        }
    }

    #[test]
    fn values_travel_as_text() {
        let rate: Bitrate = serde_json::from_str("\"10Mbit/s\"").expect("a rate");
        assert_eq!(serde_json::to_string(&rate).expect("text"), "\"10Mbit/s\"");
        assert!(serde_json::from_str::<Bitrate>("10").is_err(), "a number without a unit");
    }
}
