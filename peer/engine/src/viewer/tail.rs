//! The CDN seed's token, and the tail that bridges the time until RTMP has joined on.

use nearcast_machine::{Span, Time};

/// How often a token is refreshed: half the time that the seed promises.
const REFRESH: Span = Span::from_secs(30);
/// How long to wait for a first token before asking again; doubles up to the longest.
const RETRY: (Span, Span) = (Span::from_secs(1), Span::from_secs(8));

/// What is going on with the CDN seed.
#[derive(Debug, Default)]
pub(super) struct Tailing {
    token: Option<u64>,
    /// When to ask for a token (again).
    greet_at: Time,
    greeted: Option<Time>,
    retries: u32,
    tail: Option<Tail>,
}

#[derive(Debug)]
struct Tail {
    sent: Time,
    /// When to ask again.
    again: Time,
    tries: u32,
}

impl Tailing {
    pub(super) fn token_held(&self) -> Option<u64> {
        self.token
    }

    /// Whether a tail was asked for, so that units from the seed are no surprise.
    pub(super) fn on(&self) -> bool {
        self.tail.is_some()
    }

    /// Whether to ask for a token now.
    pub(super) fn greets(&mut self, now: Time) -> bool {
        if self.greet_at > now {
            return false;
        }
        self.greeted = Some(now);
        self.greet_at = now + (RETRY.0 * (1 << self.retries.min(10))).min(RETRY.1);
        self.retries += 1;
        true
    }

    /// Takes a token; gives the round-trip time, if it answers a question for one.
    pub(super) fn token(&mut self, now: Time, token: u64) -> Option<Span> {
        self.token = Some(token);
        self.greet_at = now + REFRESH;
        self.retries = 0;
        if let Some(tail) = &mut self.tail {
            tail.again = now;
        }
        self.greeted.take().map(|at| now.since(at))
    }

    /// The seed sent a unit.
    pub(super) fn heard(&mut self, now: Time) {
        if let Some(tail) = &mut self.tail {
            tail.tries = 0;
            // As long as units come, the tail is renewed well before it ends.
            tail.again = tail.again.max(tail.sent + Span::from_millis(500)).max(now);
        }
    }

    /// Whether to ask for the tail now, or again. `timeout` is how long the seed has to answer.
    pub(super) fn asks(&mut self, now: Time, timeout: Span) -> bool {
        let tries = match &self.tail {
            Some(tail) if tail.again > now => return false,
            Some(tail) => tail.tries + 1,
            None => 0,
        };
        let again = now + (timeout * (1 << tries.min(6))).min(Span::from_secs(1));
        self.tail = Some(Tail { sent: now, again, tries });
        true
    }

    /// Lets go of the tail; answers whether there was one.
    pub(super) fn ends(&mut self) -> bool {
        self.tail.take().is_some()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let tail = self.tail.as_ref().map(|tail| tail.again);
        Some(tail.map_or(self.greet_at, |at| at.min(self.greet_at)))
    }
}
