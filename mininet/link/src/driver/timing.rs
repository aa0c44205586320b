use nearcast_machine::Span;

use crate::control::Timing;

/// Each octave of a span is told apart in this many steps, so that a figure is right to 3 %.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.ilog2();

/// A histogram of spans from nanoseconds to centuries, in fixed memory.
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Histogram {
        Histogram { counts: vec![0; bucket(u64::MAX) + 1], total: 0, max: 0 }
    }

    pub(super) fn record(&mut self, span: Span) {
        let nanos = span.as_nanos();
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The span that `share` of all were at most as long as; zero if there are none.
    fn quantile(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return upper_end(index).min(self.max);
            }
        }
        0
    }

    pub(super) fn summary(&self) -> Timing {
        Timing {
            released: self.total,
            p50_ns: self.quantile(0.5),
            p99_ns: self.quantile(0.99),
            max_ns: self.max,
        }
    }
}

/// Spans below [`STEPS`] nanoseconds have a bucket each; above, every octave has [`STEPS`] of them.
fn bucket(nanos: u64) -> usize {
    let octave = nanos.max(1).ilog2().saturating_sub(STEP_BITS);
    (u64::from(octave) * STEPS + (nanos >> octave)) as usize
}

/// The largest span that falls into a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let octave = index / STEPS - 1;
    let step = index % STEPS + STEPS;
    (step << octave) + ((1 << octave) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_narrow() {
        for index in 0..bucket(u64::MAX) {
            let end = upper_end(index);
            assert_eq!(bucket(end), index);
            assert_eq!(bucket(end + 1), index + 1);
        }
        assert_eq!(upper_end(bucket(u64::MAX)), u64::MAX);
        for nanos in [1_000, 54_321, 987_654_321] {
            assert!(upper_end(bucket(nanos)) - nanos <= nanos / STEPS);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_spans() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.summary(), Timing::default());
        for micros in 1..=1000 {
            histogram.record(Span::from_micros(micros));
        }
        let timing = histogram.summary();
        assert!((500_000..=516_000).contains(&timing.p50_ns), "{timing:?}");
        assert!((990_000..=1_000_000).contains(&timing.p99_ns), "{timing:?}");
        assert_eq!((timing.released, timing.max_ns), (1000, 1_000_000));
    }
}
