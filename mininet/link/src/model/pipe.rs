use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::iter;

use nearcast_machine::{Bytes, Machine, Rng, Seed, Span, Time};

use super::counters::Counters;
use super::jitter::Jitter;
use super::loss::Loss;
use super::params::{LinkParams, Queue};

/// What a pipe carries: a frame for a driver, a mere size for a simulator. A duplicate is a clone.
pub trait Packet: Clone {
    /// The whole Ethernet frame, header and payload: what serialisation and queues count.
    fn wire_len(&self) -> Bytes;
}

impl Packet for Bytes {
    fn wire_len(&self) -> Bytes {
        *self
    }
}

/// What is done to a pipe.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// A packet enters.
    Send(P),
    /// New parameters hold from now on. Packets past the transmitter keep the due time they have,
    /// the one on it finishes at the rate it began with, those in the queue follow the new rate;
    /// a queue longer than its new bound drains rather than being cut.
    Configure(Box<LinkParams>),
    /// The cable is plugged in (it is, at first).
    Up,
    /// The cable is pulled: what is in the pipe is gone, what comes is dropped.
    Down,
}

/// A packet that left the far end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery<P> {
    /// The packet.
    pub packet: P,
    /// When it was due to leave; the difference from when it does is the driver's own error.
    pub due: Time,
}

/// One direction of a link: queue, transmitter, wire.
///
/// A packet waits in a bounded drop-tail queue, occupies the transmitter for its size over the
/// rate, and then spends the propagation delay on the wire, where it may be lost, held back or
/// duplicated. A lost packet has used the link's capacity, as on a real wire, and a copy has not.
/// Nothing is reordered unless [`Reorder`](crate::Reorder) asks for it: neither by jitter, nor when
/// the delay is lowered while packets are on their way (later ones then arrive right behind them).
///
/// Every kind of chance draws from a generator of its own, so that adding loss to a link does not
/// change which of its packets are duplicated.
///
/// ```
/// use nearcast_link::{Delivery, Input, LinkParams, Pipe};
/// use nearcast_machine::{Bytes, Machine, Seed, Span, Time};
///
/// let params: LinkParams = toml::from_str("rate = '10Mbit/s'\ndelay = '8ms'").unwrap();
/// let mut pipe = Pipe::new(params, Seed::new(1).derive("hb-s1 a_to_b"));
///
/// pipe.handle(Time::ZERO, Input::Send(Bytes::new(1250)));
/// while pipe.poll().is_none() {
///     let deadline = pipe.deadline().expect("a packet is on its way");
///     pipe.expire(deadline);
///     // 1 ms of serialisation and 8 ms of propagation.
///     assert!(deadline <= Time::ZERO + Span::from_millis(9));
/// }
/// assert_eq!(pipe.counters().delivered, 1);
/// assert_eq!(pipe.deadline(), None);
/// ```
#[derive(Debug)]
pub struct Pipe<P> {
    params: LinkParams,
    up: bool,
    queue: VecDeque<P>,
    /// The packet on the transmitter and when its last bit leaves.
    sending: Option<(P, Time)>,
    /// On the wire, in order, by when they are due.
    wire: VecDeque<Delivery<P>>,
    /// On the wire, held back for reordering.
    stragglers: BinaryHeap<Reverse<Straggler<P>>>,
    ready: VecDeque<Delivery<P>>,
    /// No packet in order is due before this: when the one before it was.
    floor: Time,
    jitter: Jitter,
    loss: Loss,
    duplicates: Rng,
    reordering: Rng,
    counters: Counters,
}

impl<P: Packet> Pipe<P> {
    /// A pipe that is up and empty, and draws from `seed`. Parameters that
    /// [`validate`](LinkParams::validate) would refuse make for an odd link, and not for a panic.
    pub fn new(params: LinkParams, seed: Seed) -> Pipe<P> {
        Pipe {
            params,
            up: true,
            queue: VecDeque::new(),
            sending: None,
            wire: VecDeque::new(),
            stragglers: BinaryHeap::new(),
            ready: VecDeque::new(),
            floor: Time::ZERO,
            jitter: Jitter::new(seed.derive("jitter")),
            loss: Loss::new(seed.derive("loss")),
            duplicates: seed.derive("duplicate").rng(),
            reordering: seed.derive("reorder").rng(),
            counters: Counters::default(),
        }
    }

    /// The parameters that hold now.
    pub fn params(&self) -> &LinkParams {
        &self.params
    }

    /// Whether the cable is plugged in.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// What it has done so far. Departures count when the pipe is next handed the time.
    pub fn counters(&self) -> Counters {
        Counters { queued: self.queue.len() as u64, ..self.counters }
    }

    /// How many packets are inside, waiting or on their way.
    pub fn in_transit(&self) -> usize {
        self.queue.len()
            + usize::from(self.sending.is_some())
            + self.wire.len()
            + self.stragglers.len()
    }

    fn send(&mut self, now: Time, packet: P) {
        let size = packet.wire_len().get();
        self.counters.offered += 1;
        self.counters.offered_bytes += size;
        if !self.up {
            self.counters.dropped_down += 1;
        } else if self.sending.is_none() {
            self.transmit(now, packet);
        } else if self.has_room(size) {
            self.queue.push_back(packet);
            self.counters.queued_bytes += size;
            self.counters.queued_peak = self.counters.queued_peak.max(self.queue.len() as u64);
        } else {
            self.counters.dropped_queue += 1;
        }
    }

    fn has_room(&self, size: u64) -> bool {
        match self.params.queue {
            Queue::Packets(bound) => self.queue.len() < bound as usize,
            Queue::Bytes(bound) => {
                self.counters.queued_bytes.checked_add(size).is_some_and(|sum| sum <= bound.get())
            }
        }
    }

    /// Puts `packet` on the idle transmitter at `start`, or straight on the wire if that takes no
    /// time.
    fn transmit(&mut self, start: Time, packet: P) {
        match self.params.rate {
            Some(rate) => {
                let finish = start + rate.serialisation(packet.wire_len());
                self.sending = Some((packet, finish));
            }
            None => self.propagate(start, packet),
        }
    }

    /// Moves on every packet whose last bit left the transmitter by `now`, each at its own time: it
    /// does not matter how late or how seldom the pipe is looked at.
    fn advance(&mut self, now: Time) {
        while let Some((packet, finish)) = self.sending.take_if(|(_, finish)| *finish <= now) {
            self.propagate(finish, packet);
            while self.sending.is_none()
                && let Some(next) = self.queue.pop_front()
            {
                self.counters.queued_bytes -= next.wire_len().get();
                self.transmit(finish, next);
            }
        }
    }

    /// Puts a packet on the wire whose last bit leaves the transmitter at `sent`.
    fn propagate(&mut self, sent: Time, packet: P) {
        let size = packet.wire_len().get();
        self.counters.sent += 1;
        self.counters.sent_bytes += size;
        if self.loss.loses(&self.params) {
            self.counters.lost += 1;
            return;
        }
        // The offset reaches twice the jitter, so it begins that much below the delay.
        let offset = self.jitter.offset(sent, self.params.jitter);
        let arrival = sent + self.params.delay.saturating_sub(self.params.jitter) + offset;
        let due = arrival.max(self.floor);

        let duplicated = self.params.duplicate.happens(&mut self.duplicates);
        let held_back =
            self.params.reorder.filter(|reorder| reorder.probability.happens(&mut self.reordering));
        let copy = duplicated.then(|| packet.clone());
        self.counters.duplicated += u64::from(duplicated);
        match held_back {
            Some(reorder) => {
                self.counters.reordered += 1;
                let (due, order) = (due + reorder.extra, self.counters.sent);
                let held = iter::once(packet).chain(copy);
                self.stragglers
                    .extend(held.map(|packet| Reverse(Straggler { due, order, packet })));
            }
            None => {
                self.floor = due;
                let arriving = iter::once(packet).chain(copy);
                self.wire.extend(arriving.map(|packet| Delivery { packet, due }));
            }
        }
    }

    /// Hands out what is due by `now`, in the order it is due.
    fn deliver(&mut self, now: Time) {
        loop {
            let in_order = self.wire.front().map(|delivery| delivery.due);
            let held_back = self.stragglers.peek().map(|Reverse(straggler)| straggler.due);
            let delivery = match (in_order, held_back) {
                (Some(due), held) if due <= now && held.is_none_or(|held| due <= held) => {
                    self.wire.pop_front()
                }
                (_, Some(due)) if due <= now => self.stragglers.pop().map(|Reverse(straggler)| {
                    Delivery { packet: straggler.packet, due: straggler.due }
                }),
                _ => return,
            };
            if let Some(delivery) = delivery {
                self.counters.delivered += 1;
                self.counters.delivered_bytes += delivery.packet.wire_len().get();
                self.ready.push_back(delivery);
            }
        }
    }

    fn pull_cable(&mut self) {
        self.up = false;
        self.counters.dropped_down += self.in_transit() as u64;
        self.queue.clear();
        self.counters.queued_bytes = 0;
        self.sending = None;
        self.wire.clear();
        self.stragglers.clear();
        // Nothing is left to be overtaken.
        self.floor = Time::ZERO;
    }
}

impl<P: Packet> Machine for Pipe<P> {
    type Input = Input<P>;
    type Output = Delivery<P>;

    fn handle(&mut self, now: Time, input: Input<P>) {
        self.advance(now);
        match input {
            Input::Send(packet) => self.send(now, packet),
            Input::Configure(params) => self.params = *params,
            Input::Up => self.up = true,
            Input::Down => {
                self.deliver(now);
                self.pull_cable();
            }
        }
        self.deliver(now);
    }

    fn expire(&mut self, now: Time) {
        self.advance(now);
        self.deliver(now);
    }

    fn poll(&mut self) -> Option<Delivery<P>> {
        self.ready.pop_front()
    }

    /// While something is on the wire in order, nothing behind it can be due earlier, so the
    /// transmitter needs no waking of its own: a loaded link wakes its driver once per packet.
    fn deadline(&self) -> Option<Time> {
        let in_order = match self.wire.front() {
            Some(delivery) => Some(delivery.due),
            None => self.sending.as_ref().map(|(_, finish)| *finish + self.quickest()),
        };
        let held_back = self.stragglers.peek().map(|Reverse(straggler)| straggler.due);
        in_order.into_iter().chain(held_back).min()
    }
}

impl<P> Pipe<P> {
    /// The least that the wire takes. With jitter the packet may yet turn out to be later, which
    /// only makes for a second look.
    fn quickest(&self) -> Span {
        self.params.delay.saturating_sub(self.params.jitter)
    }
}

/// A packet that others overtake. Ordered by when it is due, and by departure among equals.
#[derive(Debug)]
struct Straggler<P> {
    due: Time,
    order: u64,
    packet: P,
}

impl<P> Ord for Straggler<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl<P> PartialOrd for Straggler<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialEq for Straggler<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P> Eq for Straggler<P> {}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
