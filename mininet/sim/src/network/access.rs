use nearcast_machine::{Bitrate, Bytes, Span, Time};

/// How a node is connected: the first and the last link of every path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// From the node; `None` takes no time, a rate of zero carries nothing.
    pub up: Option<Bitrate>,
    /// To the node; `None` takes no time (and costs the simulator no event), a rate of zero carries
    /// nothing.
    pub down: Option<Bitrate>,
    /// What may wait in front of each of the two. A message that finds more is dropped (drop-tail).
    /// The one being sent is not counted.
    pub queue: Bytes,
}

/// No limit at all.
impl Default for Access {
    fn default() -> Access {
        Access { up: None, down: None, queue: Bytes::new(u64::MAX) }
    }
}

/// Serialisation is rounded up to the nanosecond, message by message; a queue of a thousand may
/// wait so much longer than its bytes together.
const ROUNDING: Span = Span::from_micros(1);

/// One direction of an access link: a transmitter and its queue, in constant time and space.
///
/// A first-in-first-out link at a constant rate is known by when it falls idle: the next message
/// begins then, and what waits is what can be sent until then. So one message is one addition and
/// one event, where a model with a queue in it (`nearcast_link::Pipe`, against which this is
/// tested) has two. Departures are exact. The bound is exact for messages of one size, to within
/// [`ROUNDING`]; among mixed sizes the rest of the one being sent counts as if it were the last one
/// waiting, so that the two models may differ by one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transmitter {
    rate: Option<Bitrate>,
    idle: Time,
    longest_wait: Span,
}

impl Transmitter {
    pub(crate) fn new(rate: Option<Bitrate>, queue: Bytes) -> Transmitter {
        let longest_wait = rate.map_or(Span::MAX, |rate| rate.serialisation(queue) + ROUNDING);
        Transmitter { rate, idle: Time::ZERO, longest_wait }
    }

    /// When the last bit of a message of `size`, handed over at `now`, will have left; `None` if
    /// the queue is full.
    pub(crate) fn send(&mut self, now: Time, size: Bytes) -> Option<Time> {
        let Some(rate) = self.rate else { return Some(now) };
        let serialisation = rate.serialisation(size);
        let start = self.idle.max(now);
        if serialisation == Span::MAX || start.since(now) > self.longest_wait {
            return None;
        }
        self.idle = start + serialisation;
        Some(self.idle)
    }
}

#[cfg(test)]
mod tests {
    use nearcast_link::{Input, LinkParams, Pipe, Queue};
    use nearcast_machine::{Machine, Seed};
    use proptest::prelude::*;

    use super::*;

    /// What the link model makes of messages (gap to the one before, size): when each leaves, and
    /// whether it was dropped.
    fn by_pipe(rate: Bitrate, queue: Queue, messages: &[(u64, u64)]) -> (Vec<Time>, Vec<bool>) {
        let params = LinkParams { rate: Some(rate), queue, ..LinkParams::default() };
        let mut pipe = Pipe::new(params, Seed::new(1));
        let (mut now, mut dropped) = (Time::ZERO, Vec::new());
        let mut departures = Vec::new();
        for (gap, size) in messages {
            now += Span::from_nanos(*gap);
            let before = pipe.counters().dropped_queue;
            pipe.handle(now, Input::Send(Bytes::new(*size)));
            dropped.push(pipe.counters().dropped_queue > before);
            departures.extend(std::iter::from_fn(|| pipe.poll()).map(|delivery| delivery.due));
        }
        while let Some(deadline) = pipe.deadline() {
            pipe.expire(deadline);
            departures.extend(std::iter::from_fn(|| pipe.poll()).map(|delivery| delivery.due));
        }
        (departures, dropped)
    }

    fn by_transmitter(
        rate: Bitrate,
        queue: Bytes,
        messages: &[(u64, u64)],
    ) -> (Vec<Time>, Vec<bool>) {
        let mut link = Transmitter::new(Some(rate), queue);
        let mut now = Time::ZERO;
        let sent = messages.iter().map(|(gap, size)| {
            now += Span::from_nanos(*gap);
            link.send(now, Bytes::new(*size))
        });
        let sent: Vec<Option<Time>> = sent.collect();
        (sent.iter().flatten().copied().collect(), sent.iter().map(Option::is_none).collect())
    }

    proptest! {
        #[test]
        fn equal_messages_leave_and_drop_as_on_the_emulated_link(
            nanos_per_byte in prop::sample::select(vec![16u64, 20, 32, 1_000, 8_000, 1_000_000]),
            bound in 0u32..20,
            // In tenths of a message's time, so that no wait is within the rounding of the bound.
            gaps in prop::collection::vec(0u64..18, 1..200),
        ) {
            let rate = Bitrate::from_bits_per_sec(8_000_000_000 / nanos_per_byte);
            let size = 1_250;
            let messages: Vec<(u64, u64)> =
                gaps.iter().map(|gap| (gap * 125 * nanos_per_byte, size)).collect();
            let pipe = by_pipe(rate, Queue::Packets(bound), &messages);
            let ours = by_transmitter(rate, Bytes::new(u64::from(bound) * size), &messages);
            prop_assert_eq!(pipe, ours);
        }

        #[test]
        fn messages_of_any_size_leave_when_they_do_on_the_emulated_link(
            rate in 1_000u64..2_000_000_000,
            messages in prop::collection::vec((0u64..20_000_000, 0u64..70_000), 1..200),
        ) {
            let rate = Bitrate::from_bits_per_sec(rate);
            let pipe = by_pipe(rate, Queue::Packets(1_000), &messages);
            let ours = by_transmitter(rate, Bytes::new(u64::MAX), &messages);
            prop_assert_eq!(pipe, ours);
        }
    }

    #[test]
    fn a_rate_of_zero_carries_nothing_and_no_rate_everything_at_once() {
        let now = Time::from_nanos(7);
        let mut cut = Transmitter::new(Some(Bitrate::from_bits_per_sec(0)), Bytes::new(u64::MAX));
        assert_eq!(cut.send(now, Bytes::new(1)), None);
        let mut free = Transmitter::new(None, Bytes::new(0));
        assert_eq!(free.send(now, Bytes::new(u64::MAX)), Some(now));
        assert_eq!(free.send(now, Bytes::new(u64::MAX)), Some(now));
    }
}
