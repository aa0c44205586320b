use std::fmt;
use std::str::FromStr;

use nearcast_machine::UnitError;
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A chance between 0 and 1. Written as that number (`0.01`) or as percent (`"1%"`).
///
/// Mininet's own `loss=` is in percent: `1` there is `"1%"` here, and a number above 1 is refused
/// rather than guessed at.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Probability(f64);

impl Probability {
    /// It never happens.
    pub const NEVER: Probability = Probability(0.0);
    /// It always happens.
    pub const ALWAYS: Probability = Probability(1.0);

    /// `chance` as a probability; `None` unless it lies between 0 and 1.
    pub fn new(chance: f64) -> Option<Probability> {
        (0.0..=1.0).contains(&chance).then_some(Probability(chance))
    }

    /// As a number between 0 and 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Draws whether it happens this time. Certainties draw nothing.
    pub fn happens(self, rng: &mut nearcast_machine::Rng) -> bool {
        self.0 > 0.0 && (self.0 >= 1.0 || rng.random::<f64>() < self.0)
    }
}

const EXPECTED: &str = "a chance between 0 and 1, such as 0.01 or \"1%\"";

impl FromStr for Probability {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Probability, UnitError> {
        let number = text.trim();
        let chance = match number.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|percent| percent / 100.0),
            None => number.parse(),
        };
        chance
            .ok()
            .and_then(Probability::new)
            .ok_or_else(|| UnitError { text: text.to_owned(), expected: EXPECTED })
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Probability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Probability, D::Error> {
        deserializer.deserialize_any(NumberOrPercent("a probability"))
    }
}

/// Reads a probability and names `field` when it is none.
pub(super) struct NumberOrPercent(pub(super) &'static str);

impl NumberOrPercent {
    fn check<E: de::Error>(&self, number: f64) -> Result<Probability, E> {
        Probability::new(number)
            .ok_or_else(|| E::custom(format_args!("{}: {number} is not {EXPECTED}", self.0)))
    }
}

impl de::Visitor<'_> for NumberOrPercent {
    type Value = Probability;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {EXPECTED}", self.0)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Probability, E> {
        self.check(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Probability, E> {
        self.check(number as f64)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Probability, E> {
        self.check(number as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Probability, E> {
        text.parse().map_err(|error| E::custom(format_args!("{}: {error}", self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_percents_are_read() {
        assert_eq!("1%".parse(), Ok(Probability(0.01)));
        assert_eq!("0.25".parse(), Ok(Probability(0.25)));
        assert_eq!(serde_json::from_str::<Probability>("1").expect("one"), Probability::ALWAYS);
        for text in ["2", "-0.1", "101%", "NaN", "inf%", "", "%"] {
            assert!(text.parse::<Probability>().is_err(), "{text}");
        }
    }
}
