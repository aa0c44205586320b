//! Token buckets: what keeps one class of packet-ins from starving the others.

use nearcast_machine::{Span, Time};

/// Lets `per_second` pass on average and `burst` at once.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    /// Time that one token takes to come back.
    refill: Span,
    /// Credit, in time: full at `refill * burst`.
    credit: Span,
    full: Span,
    updated: Time,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32, burst: u32) -> TokenBucket {
        let refill = Span::from_nanos(1_000_000_000 / u64::from(per_second.max(1)));
        let full = refill * u64::from(burst.max(1));
        TokenBucket { refill, credit: full, full, updated: Time::ZERO }
    }

    /// Whether one more may pass at `now`; takes a token if so.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        self.credit = (self.credit + now.since(self.updated)).min(self.full);
        self.updated = self.updated.max(now);
        if self.credit < self.refill {
            return false;
        }
        self.credit = self.credit.saturating_sub(self.refill);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = TokenBucket::new(10, 3);
        let start = Time::from_nanos(5_000_000_000);
        let passed = (0..10).filter(|_| bucket.take(start)).count();
        assert_eq!(passed, 3);
        let passed = (0..1000).filter(|ms| bucket.take(start + Span::from_millis(*ms))).count();
        assert_eq!(passed, 9, "ten a second, the tenth at the full second");
    }
}
