//! One direction of a link.

use nearcast_machine::{Bitrate, Bytes, Rng, Span, Time};
use rand::Rng as _;

#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) rate: Bitrate,
    pub(crate) delay: Span,
    /// The chance that a datagram is lost.
    pub(crate) loss: f64,
    /// What may wait, as time on the wire.
    pub(crate) queue: Span,
    free: Time,
    /// What it carried.
    pub(crate) bytes: u64,
}

impl Link {
    pub(crate) fn new(rate: &str, delay: Span) -> Link {
        let rate = rate.parse().expect("a rate");
        let queue = Span::from_millis(300);
        Link { rate, delay, loss: 0.0, queue, free: Time::ZERO, bytes: 0 }
    }

    /// When a datagram that enters at `now` leaves at the other end; `None` if it does not.
    pub(crate) fn carry(&mut self, now: Time, bytes: usize, rng: &mut Rng) -> Option<Time> {
        if rng.random_bool(self.loss) || self.free > now + self.queue {
            return None;
        }
        Some(self.carry_surely(now, bytes))
    }

    /// As [`carry`](Link::carry), for what TCP would send again.
    pub(crate) fn carry_surely(&mut self, now: Time, bytes: usize) -> Time {
        const HEADERS: u64 = 42;
        let bytes = bytes as u64 + HEADERS;
        self.bytes += bytes;
        self.free = self.free.max(now) + self.rate.serialisation(Bytes::new(bytes));
        self.free + self.delay
    }
}
