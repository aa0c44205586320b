//! A setting and the values that it takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The setting that is a file, whose name may have points in it.
pub(super) const TRACE: &str = "trace";

/// Most values of a setting.
const VALUES_MAX: usize = 10_000;

/// A setting and its values: `engine.neighbours_min=5,10`, `seed=1..5`, `engine.lag=10s..30s:5s`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The setting's name.
    pub name: String,
    /// Its values, each once.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Axis, String> {
        let (name, list) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}`: say NAME=VALUE,... or NAME=FIRST..LAST:STEP"))?;
        let mut values: Vec<String> = Vec::new();
        for item in list.split(',') {
            let range_of = item.split_once("..").filter(|_| name.trim() != TRACE);
            let more = match range_of {
                Some((first, rest)) => {
                    range(first, rest).map_err(|why| format!("{name}: {why}"))?
                }
                None => vec![item.trim().to_owned()],
            };
            for value in more {
                if value.is_empty() {
                    return Err(format!("{name}: a value is empty in `{list}`"));
                }
                if !values.contains(&value) {
                    values.push(value);
                }
                if values.len() > VALUES_MAX {
                    return Err(format!("{name}: more than {VALUES_MAX} values"));
                }
            }
        }
        Ok(Axis { name: name.trim().to_owned(), values })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.values.join(","))
    }
}

/// A number as it was written: its unit, and how many digits follow the point.
struct Written<'a> {
    value: f64,
    unit: &'a str,
    digits: usize,
}

fn written(text: &str) -> Result<Written<'_>, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let value = number.parse().map_err(|_| format!("`{text}` is no number to count from or to"))?;
    let digits = number.split_once('.').map_or(0, |(_, digits)| digits.len());
    Ok(Written { value, unit, digits })
}

/// `FIRST..LAST:STEP` without what stands before the points; the step is 1 if there is none.
fn range(first: &str, rest: &str) -> Result<Vec<String>, String> {
    let (last, step) = rest.split_once(':').unwrap_or((rest, ""));
    let (first, last) = (written(first)?, written(last)?);
    let step = match step {
        "" => Written { value: 1.0, unit: last.unit, digits: 0 },
        step => written(step)?,
    };
    if first.unit != last.unit || step.unit != last.unit {
        return Err("both ends of a range and its step have the same unit".to_owned());
    }
    if step.value <= 0.0 || first.value > last.value {
        return Err("a range goes upwards".to_owned());
    }
    // The last value counts, whatever was lost in dividing.
    let steps = ((last.value - first.value) / step.value + 1e-9).floor();
    if steps >= VALUES_MAX as f64 {
        return Err(format!("more than {VALUES_MAX} values"));
    }
    let (digits, unit) = (first.digits.max(step.digits).min(12), last.unit);
    let value = |n: usize| format!("{:.digits$}{unit}", first.value + n as f64 * step.value);
    Ok((0..=steps as usize).map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        text.parse::<Axis>().expect("well formed").values
    }

    #[test]
    fn lists_and_ranges_with_units() {
        let axis: Axis = "engine.neighbours_min=5,10".parse().expect("well formed");
        assert_eq!((axis.name.as_str(), axis.values.len()), ("engine.neighbours_min", 2));
        assert_eq!(axis.to_string().parse(), Ok(axis), "as it is written");
        assert_eq!(values("seed=1..4"), ["1", "2", "3", "4"]);
        assert_eq!(values("seed=1..3,2..4,9"), ["1", "2", "3", "4", "9"], "each once");
        assert_eq!(values("engine.lag=10s..30s:10s"), ["10s", "20s", "30s"]);
        assert_eq!(values("free_riders=0..0.3:0.1"), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(values("resource_index=0.6..1.0:0.15"), ["0.60", "0.75", "0.90"]);
        assert_eq!(values("system=layerp2p,single-layer"), ["layerp2p", "single-layer"]);
        assert_eq!(values("trace=../a.csv,v1..2.csv"), ["../a.csv", "v1..2.csv"]);
    }

    #[test]
    fn what_is_none_is_said() {
        for (text, why) in [
            ("seed", "NAME=VALUE"),
            ("seed=1,,2", "a value is empty"),
            ("seed=", "a value is empty"),
            ("seed=a..b", "no number"),
            ("seed=5..1", "upwards"),
            ("seed=1..5:0", "upwards"),
            ("seed=1..5:-1", "upwards"),
            ("engine.lag=10s..1m:10s", "same unit"),
            ("seed=1..99999999999", "more than"),
            ("seed=0..1:0.00001", "more than"),
        ] {
            let told = text.parse::<Axis>().expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
