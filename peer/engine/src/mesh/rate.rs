//! How much comes from a neighbour, and goes to it.

use nearcast_machine::{Bitrate, Span};

/// An exponential mean over rounds, in bit/s. It begins with a credit, as if that had been measured
/// in the recent past (Liu et al. III-D), which fades as measurements come in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    bits: f64,
    /// What this round has brought so far.
    bytes: u32,
}

/// What a round is to all rates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    seconds: f64,
    weight: f64,
}

impl Round {
    /// A round's weight is `round / (memory + round)`.
    pub(super) fn new(round: Span, memory: Span) -> Round {
        let seconds = round.as_secs_f64();
        Round { seconds, weight: seconds / (memory + round).as_secs_f64() }
    }
}

impl Rate {
    pub(super) fn new(credit: Bitrate) -> Rate {
        Rate { bits: credit.bits_per_sec() as f64, bytes: 0 }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u32);
    }

    /// Ends a round.
    pub(super) fn round(&mut self, round: &Round) {
        let measured = f64::from(std::mem::take(&mut self.bytes)) * 8.0 / round.seconds;
        self.bits += (measured - self.bits) * round.weight;
    }

    pub(super) fn bits_per_sec(&self) -> f64 {
        self.bits
    }

    pub(super) fn rate(&self) -> Bitrate {
        Bitrate::from_bits_per_sec(self.bits.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Span = Span::from_secs(1);
    const MEMORY: Span = Span::from_secs(10);

    #[test]
    fn a_credit_fades_and_what_is_measured_takes_its_place() {
        let mut rate = Rate::new(Bitrate::from_bits_per_sec(60_000));
        assert_eq!(rate.bits_per_sec(), 60_000.0);
        let round = Round::new(ROUND, MEMORY);
        for _ in 0..30 {
            rate.round(&round);
        }
        assert!(rate.bits_per_sec() < 0.06 * 60_000.0, "gone within an adaptation period");
        for _ in 0..60 {
            rate.add(5000);
            rate.round(&round);
        }
        assert!((rate.bits_per_sec() - 40_000.0).abs() < 400.0);
    }
}
