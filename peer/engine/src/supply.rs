//! What a peer sends on request: one queue per receiver, served in turn, within bounds of rate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;

use nearcast_machine::{Bitrate, Bytes, Span, Time};
use nearcast_media::StreamId;

/// Bounds of what a peer does for others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SupplyLimits {
    /// What all receivers together may be sent.
    pub rate: Bitrate,
    /// What one receiver may be sent.
    pub receiver_rate: Bitrate,
    /// What may go out at once after a pause, per receiver and four times that in all: 64 KiB by
    /// default, which is the first window of a joiner (32 chunks) and half as much again.
    pub burst: u32,
    /// Most receivers at a time: 64 by default. Further ones are not answered until others have
    /// been silent for 5 s.
    pub receivers: usize,
    /// Most chunks that wait for one receiver: 512 by default.
    pub queue: usize,
    /// How long a chunk may wait: 1 s by default. By then its receiver has asked elsewhere.
    pub patience: Span,
}

impl SupplyLimits {
    /// Limits with these rates and the defaults for the rest.
    pub const fn new(rate: Bitrate, receiver_rate: Bitrate) -> SupplyLimits {
        SupplyLimits {
            rate,
            receiver_rate,
            burst: 64 * 1024,
            receivers: 64,
            queue: 512,
            patience: Span::from_secs(1),
        }
    }
}

/// The name of a chunk, by which it is looked up when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) stream: StreamId,
    pub(crate) epoch: u32,
    pub(crate) unit: u64,
    pub(crate) index: u16,
}

impl Name {
    fn is_of_unit_of(self, other: Name) -> bool {
        (self.stream, self.epoch, self.unit) == (other.stream, other.epoch, other.unit)
    }
}

/// Most chunks of a unit that one receiver is sent before it is the next one's turn. Up to then
/// they leave together, which costs a driver that sends runs little more than one of them alone: 40
/// kB, which at 100 Mbit/s keep the others waiting for 3 ms.
const RUN: usize = 32;

/// How long a receiver with nothing to send to is remembered, with what it still owes.
const IDLE: Span = Span::from_secs(5);

/// The queues of all receivers.
#[derive(Debug)]
pub(crate) struct Supply {
    limits: SupplyLimits,
    all: Bucket,
    receivers: BTreeMap<SocketAddrV4, Receiver>,
    /// Those with something in their queue, in the order in which they are served.
    turn: VecDeque<SocketAddrV4>,
    /// Chunks that the first of them has had in its turn, the next one counted.
    run: usize,
}

#[derive(Debug)]
struct Receiver {
    bucket: Bucket,
    queue: VecDeque<(Time, Name)>,
    /// What is in the queue, so that asking twice does not send twice.
    queued: BTreeSet<Name>,
    heard: Time,
}

impl Supply {
    pub(crate) fn new(limits: SupplyLimits) -> Supply {
        let all = Bucket::new(limits.rate, u64::from(limits.burst) * 4);
        Supply { limits, all, receivers: BTreeMap::new(), turn: VecDeque::new(), run: 1 }
    }

    /// Whether `receiver` may be sent an answer of `bytes` right now; if so, they are counted.
    pub(crate) fn admit(&mut self, now: Time, receiver: SocketAddrV4, bytes: usize) -> bool {
        if !self.all.ready(now)
            || !self.receiver(now, receiver).is_some_and(|r| r.bucket.ready(now))
        {
            return false;
        }
        self.charge(receiver, bytes);
        true
    }

    /// Queues a chunk; answers whether it will be sent, now or because it was queued before.
    pub(crate) fn push(&mut self, now: Time, to: SocketAddrV4, name: Name) -> bool {
        let most = self.limits.queue;
        let Some(receiver) = self.receiver(now, to) else { return false };
        if receiver.queue.len() >= most {
            return receiver.queued.contains(&name);
        }
        if !receiver.queued.insert(name) {
            return true;
        }
        receiver.queue.push_back((now, name));
        if receiver.queue.len() == 1 {
            self.turn.push_back(to);
        }
        true
    }

    /// The next chunk to be sent at `now`: receivers take turns, and in each get chunks of one
    /// unit. The caller says by [`charge`](Supply::charge) how long it was, before it asks again.
    pub(crate) fn next(&mut self, now: Time) -> Option<(SocketAddrV4, Name)> {
        if !self.all.ready(now) {
            return None;
        }
        for _ in 0..self.turn.len() {
            let to = self.turn.pop_front()?;
            let receiver = self.receivers.get_mut(&to).expect("who has a turn is a receiver");
            while let Some(&(since, name)) = receiver.queue.front()
                && since + self.limits.patience < now
            {
                receiver.queue.pop_front();
                receiver.queued.remove(&name);
            }
            let name = match receiver.bucket.ready(now) {
                true => receiver.queue.pop_front().map(|(_, name)| name),
                false => None,
            };
            if let Some(name) = name {
                receiver.queued.remove(&name);
            }
            let next = receiver.queue.front().map(|&(_, next)| next);
            match (name, next) {
                (Some(name), Some(next)) if name.is_of_unit_of(next) && self.run < RUN => {
                    self.run += 1;
                    self.turn.push_front(to);
                }
                (_, waits) => {
                    self.run = 1;
                    if waits.is_some() {
                        self.turn.push_back(to);
                    }
                }
            }
            if let Some(name) = name {
                return Some((to, name));
            }
        }
        None
    }

    /// Counts what was sent.
    pub(crate) fn charge(&mut self, receiver: SocketAddrV4, bytes: usize) {
        self.all.spend(bytes);
        if let Some(receiver) = self.receivers.get_mut(&receiver) {
            receiver.bucket.spend(bytes);
        }
    }

    /// When [`next`](Supply::next) may have something.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waiting = |to| self.receivers.get(to).map(|receiver| receiver.bucket.ready_at());
        let first = self.turn.iter().filter_map(waiting).min()?;
        Some(first.max(self.all.ready_at()))
    }

    /// Forgets all queues.
    pub(crate) fn clear(&mut self) {
        self.turn.clear();
        self.receivers.clear();
    }

    fn receiver(&mut self, now: Time, address: SocketAddrV4) -> Option<&mut Receiver> {
        let SupplyLimits { receivers: most, receiver_rate, burst, .. } = self.limits;
        let full = |receivers: &BTreeMap<_, _>| receivers.len() >= most;
        if full(&self.receivers) && !self.receivers.contains_key(&address) {
            self.receivers.retain(|_, r| !r.queue.is_empty() || r.heard + IDLE > now);
            if full(&self.receivers) {
                return None;
            }
        }
        let receiver = self.receivers.entry(address).or_insert_with(|| {
            let bucket = Bucket::new(receiver_rate, burst.into());
            Receiver { bucket, queue: VecDeque::new(), queued: BTreeSet::new(), heard: now }
        });
        receiver.heard = now;
        Some(receiver)
    }
}

/// A token bucket that may go into debt by one datagram. It keeps the time at which it would be
/// full again, so that nothing is lost by rounding.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Bitrate,
    /// The burst, as time at this rate.
    depth: Span,
    full_at: Time,
}

impl Bucket {
    pub(crate) fn new(rate: Bitrate, burst: u64) -> Bucket {
        let depth = rate.serialisation(Bytes::new(burst));
        Bucket { rate, depth, full_at: Time::ZERO }
    }

    /// Goes on at another rate; the burst stays as long in time.
    pub(crate) fn set_rate(&mut self, rate: Bitrate) {
        self.rate = rate;
    }

    pub(crate) fn ready(&mut self, now: Time) -> bool {
        self.full_at = self.full_at.max(now);
        self.full_at <= now + self.depth
    }

    pub(crate) fn ready_at(&self) -> Time {
        self.full_at - self.depth
    }

    /// Takes `bytes` out, at the time at which it was [`ready`](Bucket::ready).
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.full_at += self.rate.serialisation(Bytes::new(bytes as u64));
    }
}

#[cfg(test)]
#[path = "supply_tests.rs"]
mod tests;
