/// Order statistics of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many values.
    pub count: usize,
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
}

impl Summary {
    /// Of these values, in any order; `None` if there are none. Values that are not numbers are an
    /// error of the caller's.
    ///
    /// Percentiles are nearest-rank: the p-th is the least value that at least p percent of all
    /// values do not exceed, so it is always one that was measured.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Summary> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Summary {
            count: sorted.len(),
            min,
            median: nearest_rank(&sorted, 0.5),
            p99: nearest_rank(&sorted, 0.99),
            max,
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
        })
    }
}

/// `sorted` must not be empty.
fn nearest_rank(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let summary = Summary::of((1..=200).rev().map(f64::from)).expect("there are values");
        assert_eq!(
            (summary.min, summary.median, summary.p99, summary.max),
            (1.0, 100.0, 198.0, 200.0)
        );
        assert_eq!(summary.mean, 100.5);
        assert_eq!(Summary::of([]), None);
        let one = Summary::of([7.0]).expect("there is one");
        assert_eq!((one.median, one.p99), (7.0, 7.0));
    }
}
