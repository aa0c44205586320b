//! Many times as a few figures.

use std::fmt;
use std::time::Duration;

/// How long something took, many times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that a part `q` of them does not exceed (nearest rank).
    fn quantile(sorted: &[Duration], q: f64) -> Duration {
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Median, 90 %, 99 % and the longest, in microseconds.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        for q in [0.5, 0.9, 0.99, 1.0] {
            write!(f, "{:>10.1}", Times::quantile(&sorted, q).as_secs_f64() * 1e6)?;
        }
        Ok(())
    }
}

/// What the columns of [`Times`] are.
pub(crate) const COLUMNS: &str = "    median       90%       99%      most   (us)";

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
