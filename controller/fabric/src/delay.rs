//! Delays out of noisy samples.

use std::collections::VecDeque;

use nearcast_machine::Span;

/// Samples that are looked back on. Queues and schedulers only ever add to a delay, so the least of
/// the last few is the best guess; that they are few is what lets it rise again.
const WINDOW: usize = 5;

/// Differences below this are not told apart: a controller in user space measures no better. In a
/// network where every link is faster all are equal, and hops decide.
pub(crate) const RESOLUTION: Span = Span::from_millis(1);

/// How much above a whole number of [`RESOLUTION`]s still counts as that number, from below: half a
/// round trip of the control channel is subtracted, and may be a little too much.
const SLACK: Span = Span::from_micros(250);

/// The least of the last samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Least {
    samples: VecDeque<Span>,
}

impl Least {
    pub(crate) fn sample(&mut self, sample: Span) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    pub(crate) fn value(&self) -> Option<Span> {
        self.samples.iter().min().copied()
    }
}

/// A delay that paths are chosen by: it moves in steps of [`RESOLUTION`], and only by at least an
/// eighth, so that noise neither makes equal links unequal nor moves traffic back and forth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimate {
    least: Least,
    used: Option<Span>,
}

impl Estimate {
    /// Takes a sample; `true` if the delay in use changed.
    pub(crate) fn sample(&mut self, sample: Span) -> bool {
        self.least.sample(sample);
        let least = self.least.value().unwrap_or(sample);
        let steps = (least + SLACK).as_nanos() / RESOLUTION.as_nanos();
        let now = RESOLUTION * steps;
        let moved = self.used.is_none_or(|used| {
            let difference = now.max(used).saturating_sub(now.min(used));
            difference > Span::ZERO && difference.as_nanos() >= used.as_nanos() / 8
        });
        if moved {
            self.used = Some(now);
        }
        moved
    }

    pub(crate) fn delay(&self) -> Option<Span> {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(micros: u64) -> Span {
        Span::from_micros(micros)
    }

    #[test]
    fn noise_moves_nothing() {
        let mut estimate = Estimate::default();
        assert!(estimate.sample(us(8_400)));
        assert_eq!(estimate.delay(), Some(us(8_000)));
        for sample in [8_100, 30_000, 8_900, 7_900, 12_000, 7_800, 9_200] {
            assert!(!estimate.sample(us(sample)), "{sample}");
        }
        assert_eq!(estimate.delay(), Some(us(8_000)));
    }

    #[test]
    fn a_link_that_became_slower_is_believed_once_no_fast_sample_is_left() {
        let mut estimate = Estimate::default();
        estimate.sample(us(8_000));
        let believed = (0..10).position(|_| estimate.sample(us(40_000)));
        assert_eq!((believed, estimate.delay()), (Some(WINDOW - 1), Some(us(40_000))));
        assert!(estimate.sample(us(8_000)), "one that became faster, at once");
    }

    #[test]
    fn links_below_the_resolution_are_equal() {
        for sample in [3, 200, 700] {
            let mut estimate = Estimate::default();
            assert!(estimate.sample(us(sample)), "known from now on");
            assert_eq!(estimate.delay(), Some(Span::ZERO));
        }
    }
}
