//! One peer that chunks are asked of: how fast it answers, and how much it may be asked at once.

use std::net::SocketAddrV4;

use nearcast_machine::{Rng, Span, Time};
use rand::Rng as _;

use crate::serve::FIRST_WINDOW;

/// The shortest and longest time that a supplier is given to answer.
const TIMEOUT: (Span, Span) = (Span::from_millis(15), Span::from_millis(500));
/// A window is never halved below this.
const WINDOW_MIN: f64 = 4.0;
/// The longest rest of a supplier that does not answer.
const REST_MAX: Span = Span::from_secs(8);
/// Unanswered timeouts in a row after which a supplier rests.
const PATIENCE: u32 = 2;

#[derive(Debug)]
pub(super) struct Supplier {
    pub(super) address: SocketAddrV4,
    /// Chunks asked for and not come yet.
    pub(super) in_flight: usize,
    /// When it last answered a question.
    pub(super) answered: Time,
    window: f64,
    threshold: f64,
    halved: Time,
    /// Smoothed round-trip time and its variation (RFC 6298).
    rtt: Option<(Span, Span)>,
    failures: u32,
    rests_until: Time,
}

impl Supplier {
    pub(super) fn new(address: SocketAddrV4) -> Supplier {
        Supplier {
            address,
            in_flight: 0,
            answered: Time::ZERO,
            window: FIRST_WINDOW.into(),
            threshold: f64::INFINITY,
            halved: Time::ZERO,
            rtt: None,
            failures: 0,
            rests_until: Time::ZERO,
        }
    }

    /// Takes a sample of the round-trip time (RFC 6298 2.2, 2.3).
    pub(super) fn sample(&mut self, rtt: Span) {
        self.rtt = Some(match self.rtt {
            None => (rtt, rtt / 2),
            Some((mean, variation)) => {
                let off = rtt.saturating_sub(mean) + mean.saturating_sub(rtt);
                ((mean * 7 + rtt) / 8, (variation * 3 + off) / 4)
            }
        });
    }

    /// How long it has to answer: twice the round-trip time, or more if that varies; `unknown`
    /// while there is no sample.
    pub(super) fn timeout(&self, unknown: Span) -> Span {
        let Some((mean, variation)) = self.rtt else { return unknown };
        (mean * 2).max(mean + variation * 4).clamp(TIMEOUT.0, TIMEOUT.1)
    }

    /// How many more chunks it may be asked for. While others are on their way, room for less than
    /// an eighth of the window is none: a datagram per chunk would be spent on asking.
    pub(super) fn room(&self, most: usize) -> usize {
        let window = (self.window as usize).min(most);
        let room = window.saturating_sub(self.in_flight);
        if self.in_flight > 0 && room < window / 8 { 0 } else { room }
    }

    /// It sent a chunk that it was asked for.
    pub(super) fn answers(&mut self, now: Time) {
        self.heard(now);
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
    }

    /// It said something, if only that it lacks what it was asked for.
    pub(super) fn heard(&mut self, now: Time) {
        self.answered = self.answered.max(now);
        self.failures = 0;
        self.rests_until = Time::ZERO;
    }

    /// A chunk from or to it got lost. Losses of one round trip count once.
    pub(super) fn loses(&mut self, now: Time, unknown: Span) {
        if now >= self.halved + self.timeout(unknown) {
            self.halved = now;
            self.window = (self.window / 2.0).max(WINDOW_MIN);
            self.threshold = self.window;
        }
    }

    /// It did not answer in time. After some such times in a row it is left alone for a while,
    /// which doubles up to 8 s and is drawn from its upper half, so that not all viewers return at
    /// once.
    pub(super) fn fails(&mut self, now: Time, unknown: Span, rng: &mut Rng) {
        self.loses(now, unknown);
        self.failures += 1;
        if let Some(excess) = self.failures.checked_sub(PATIENCE) {
            let rest = (unknown * 4 * (1 << excess.min(10))).min(REST_MAX);
            let rest = rng.random_range(rest.as_nanos() / 2..=rest.as_nanos());
            self.rests_until = now + Span::from_nanos(rest);
        }
    }

    /// Leaves it alone for `span`.
    pub(super) fn rest(&mut self, now: Time, span: Span) {
        self.rests_until = self.rests_until.max(now + span);
    }

    /// Until when it is left alone; a time in the past if it is not.
    pub(super) fn rests_until(&self) -> Time {
        self.rests_until
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    const UNKNOWN: Span = Span::from_millis(60);

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    fn supplier() -> Supplier {
        Supplier::new(SocketAddrV4::new([10, 254, 1, 1].into(), 7935))
    }

    #[test]
    fn the_window_doubles_per_round_trip_and_halves_once_per_round_trip() {
        let mut supplier = supplier();
        assert_eq!(supplier.room(256), 32);
        (0..32).for_each(|_| supplier.answers(at(100)));
        assert_eq!(supplier.room(256), 64);
        (0..5).for_each(|_| supplier.loses(at(100), UNKNOWN));
        assert_eq!(supplier.room(256), 32, "five losses of one round trip are one");
        (0..32).for_each(|_| supplier.answers(at(130)));
        assert_eq!(supplier.room(256), 32, "past its threshold it grows by one per window");
        (0..2).for_each(|_| supplier.answers(at(130)));
        assert_eq!(supplier.room(256), 33);
        assert_eq!(supplier.room(20), 20);
        supplier.in_flight = 30;
        assert_eq!(supplier.room(256), 0, "room for three is not worth a datagram");
    }

    #[test]
    fn the_time_to_answer_follows_the_round_trip() {
        let mut supplier = supplier();
        assert_eq!(supplier.timeout(UNKNOWN), UNKNOWN);
        (0..50).for_each(|_| supplier.sample(Span::from_millis(32)));
        assert_eq!(supplier.timeout(UNKNOWN), Span::from_millis(64));
        supplier.sample(Span::from_millis(132));
        assert!(supplier.timeout(UNKNOWN) > Span::from_millis(120), "it varies");
        (0..50).for_each(|_| supplier.sample(Span::from_micros(300)));
        assert_eq!(supplier.timeout(UNKNOWN), TIMEOUT.0);
    }

    #[test]
    fn one_who_does_not_answer_rests_longer_and_longer_until_heard_again() {
        let mut supplier = supplier();
        let mut rng = Seed::new(1).rng();
        supplier.fails(at(1000), UNKNOWN, &mut rng);
        assert!(supplier.rests_until() <= at(1000), "once may be chance");
        let mut before = Span::ZERO;
        for _ in 0..4 {
            supplier.fails(at(2000), UNKNOWN, &mut rng);
            let rest = supplier.rests_until().since(at(2000));
            assert!(rest > before && rest <= REST_MAX, "{rest} after {before}");
            before = rest;
        }
        supplier.heard(at(2100));
        assert!(supplier.rests_until() <= at(2100));
    }
}
