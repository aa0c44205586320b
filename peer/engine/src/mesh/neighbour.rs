//! What a peer keeps of each neighbour.

use std::sync::Arc;

use nearcast_machine::{Bitrate, Span, Time};

use super::clock::Claim;
use super::index::Index;
use super::lines::lines;
use super::pace::Path;
use super::queue::Queue;
use super::rate::Rate;
use super::{BufferMap, Lc, NEIGHBOURS_MAX, NeighbourStatistics, PeerId, Relation};

/// Most neighbours: N_max and the fallback.
pub(super) const ROSTER_MAX: usize = NEIGHBOURS_MAX as usize + 1;

/// The longest round trip that is believed.
const ROUND_TRIP_MAX: Span = Span::from_secs(10);

/// Where a relationship stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// We have sought it, and wait for its answer until then.
    Sought(Time),
    /// It accepted, but we have not heard of it since.
    Accepted,
    /// Either has shown that it has the key that the other one gave it.
    Met,
}

/// A neighbour. What a chunk that comes looks at makes the first line of the cache, what a chunk
/// that goes looks at the next two; of the rest, news look at the most, and a round at the map and
/// the claim, with which the fourth line ends.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Neighbour {
    /// What its messages must bring.
    pub(super) key_in: u64,
    pub(super) state: State,
    pub(super) heard: Time,
    pub(super) rate_in: Rate,
    /// Bytes since the last adaptation, without credits.
    pub(super) contributed: u64,
    pub(super) relation: Relation,
    /// Whether any came of what it was asked for in this round.
    pub(super) served: bool,

    /// What ours must bring.
    pub(super) key_out: u64,
    pub(super) peer: PeerId,
    pub(super) rate_out: Rate,
    /// What we want of it, until it has been told.
    pub(super) wanted: Vec<Lc>,
    /// Whether it has yet to be told this round's map.
    pub(super) map_due: bool,
    /// Whether it was asked for any chunk in this round.
    pub(super) asked: bool,
    /// Rounds in a row in which it was asked and none came.
    pub(super) unserved: u16,
    /// What it waits for.
    pub(super) queue: Queue,

    pub(super) since: Time,
    pub(super) news_in: u32,
    pub(super) news_out: u32,
    pub(super) map: Option<Arc<BufferMap>>,
    pub(super) claim: Option<Claim>,
    /// Its newest stamp, and when that came.
    stamp: Option<(u32, Time)>,
    pub(super) round_trip: Option<Span>,
    pub(super) path: Path,
}

impl Neighbour {
    pub(super) fn new(
        now: Time,
        peer: PeerId,
        relation: Relation,
        state: State,
        credit: Bitrate,
    ) -> Neighbour {
        Neighbour {
            peer,
            relation,
            state,
            key_in: 0,
            key_out: 0,
            since: now,
            heard: now,
            news_in: 0,
            news_out: 0,
            map: None,
            claim: None,
            stamp: None,
            round_trip: None,
            path: Path::default(),
            rate_in: Rate::new(credit),
            rate_out: Rate::new(Bitrate::default()),
            contributed: 0,
            asked: false,
            served: false,
            unserved: 0,
            queue: Queue::default(),
            wanted: Vec::new(),
            map_due: false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        !matches!(self.state, State::Sought(_))
    }

    /// Whether it gives on what it gets: who contributes nothing announces no chunks.
    pub(super) fn passes_on(&self) -> bool {
        self.map.as_ref().is_some_and(|map| !map.is_empty())
    }

    /// Takes note of the stamps of a report.
    pub(super) fn stamped(&mut self, now: Time, stamp: u32, echo: u32, held: u32) {
        self.stamp = Some((stamp, now));
        if echo != 0 {
            let micros = clock(now).wrapping_sub(echo).wrapping_sub(held);
            self.measured(now, Span::from_micros(micros.into()));
        }
    }

    /// Takes a round trip, smoothed as in RFC 6298 2.3.
    pub(super) fn measured(&mut self, now: Time, span: Span) {
        if span <= ROUND_TRIP_MAX {
            self.path.sample(now, span);
            let smooth = |old: Span| Span::from_nanos((old.as_nanos() * 7 + span.as_nanos()) / 8);
            self.round_trip = Some(self.round_trip.map_or(span, smooth));
        }
    }

    /// Its newest stamp and for how long we have had it, in us; zeros if there is none.
    pub(super) fn echo(&self, now: Time) -> (u32, u32) {
        self.stamp.map_or((0, 0), |(stamp, came)| {
            (stamp, u32::try_from(now.since(came).as_nanos() / 1000).unwrap_or(u32::MAX))
        })
    }

    pub(super) fn statistics(&self) -> NeighbourStatistics {
        NeighbourStatistics {
            peer: self.peer,
            relation: self.relation,
            rate_in: self.rate_in.rate(),
            rate_out: self.rate_out.rate(),
            round_trip: self.round_trip,
            queued: self.queue.len() as u16,
            unserved_rounds: self.unserved,
            held: self.map.as_ref().map_or(0, |map| map.held()),
        }
    }
}

/// A clock in us, cut to 32 bits, for stamps; never 0, which stands for none.
pub(super) fn clock(now: Time) -> u32 {
    ((now.as_nanos() / 1000) as u32).max(1)
}

/// All neighbours. What is looked at for every chunk lies together: with ten thousand peers in one
/// simulator, each line of the cache counts.
#[derive(Debug, Default)]
pub(super) struct Roster {
    peers: Vec<PeerId>,
    /// Where in `peers` each is.
    index: Index,
    /// Whether anything waits for it, in bits: mostly few of many do.
    waiting: Vec<u64>,
    /// d + eps.
    weights: Vec<f64>,
    list: Vec<Neighbour>,
}

impl Roster {
    pub(super) fn find(&self, peer: PeerId) -> Option<usize> {
        self.index.find(&self.peers, peer)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn push(&mut self, neighbour: Neighbour, epsilon: Bitrate) {
        self.peers.push(neighbour.peer);
        self.index.build(&self.peers);
        self.waiting.resize(self.peers.len().div_ceil(64), 0);
        self.weights.push(weight(&neighbour, epsilon));
        // Seldom enough, and these are the large ones.
        self.list.reserve_exact(1);
        self.list.push(neighbour);
    }

    pub(super) fn remove(&mut self, at: usize) -> Neighbour {
        for after in at..self.peers.len() {
            let waits = after + 1 < self.peers.len() && self.waits(after + 1);
            self.set_waiting(after, waits);
        }
        self.peers.remove(at);
        self.index.build(&self.peers);
        self.weights.remove(at);
        self.list.remove(at)
    }

    /// Takes what was measured into the weights.
    pub(super) fn weigh(&mut self, epsilon: Bitrate) {
        for (weight_of, neighbour) in self.weights.iter_mut().zip(&self.list) {
            *weight_of = weight(neighbour, epsilon);
        }
    }

    fn waits(&self, at: usize) -> bool {
        self.waiting[at / 64] >> (at % 64) & 1 != 0
    }

    pub(super) fn set_waiting(&mut self, at: usize, waiting: bool) {
        let word = &mut self.waiting[at / 64];
        *word = *word & !(1 << (at % 64)) | u64::from(waiting) << (at % 64);
    }

    pub(super) fn any_waiting(&self) -> bool {
        self.waiting.iter().any(|&word| word != 0)
    }

    /// Those for whom anything waits.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> + Clone {
        self.waiting.iter().zip(0..).flat_map(|(&word, n)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(64 * n + bit)
            })
        })
    }

    /// The same, as those whose I(n,k) is 1, with d(n,k) + eps of each.
    pub(super) fn shares(&self) -> impl Iterator<Item = (usize, f64)> + Clone {
        self.waiting().map(|at| (at, self.weights[at]))
    }

    /// Names where what is looked at for every chunk lies.
    pub(super) fn foresee(&self, name: &mut impl FnMut(*const u8)) {
        lines(self.index.table(), name);
        lines(&self.peers, name);
        lines(&self.waiting, name);
        lines(&self.weights, name);
    }

    pub(super) fn at(&self, at: usize) -> &Neighbour {
        &self.list[at]
    }

    pub(super) fn at_mut(&mut self, at: usize) -> &mut Neighbour {
        &mut self.list[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Neighbour> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Neighbour> {
        self.list.iter_mut()
    }
}

fn weight(neighbour: &Neighbour, epsilon: Bitrate) -> f64 {
    neighbour.rate_in.bits_per_sec() + epsilon.bits_per_sec() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_known_whoever_goes() {
        let mut roster = Roster::default();
        let credit = Bitrate::default();
        for peer in 0..200 {
            let state = State::Met;
            let new = Neighbour::new(Time::ZERO, PeerId(peer), Relation::Receptor, state, credit);
            roster.push(new, Bitrate::from_bits_per_sec(peer));
        }
        let mut waiting: Vec<(u64, bool)> = (0..200).map(|n| (n, n % 7 == 0 || n > 180)).collect();
        for (at, &(_, waits)) in waiting.iter().enumerate() {
            roster.set_waiting(at, waits);
        }
        for gone in [0, 63, 62, 64, 126, 194, 100] {
            roster.remove(gone);
            waiting.remove(gone);
            let expected = waiting.iter().enumerate().filter(|(_, one)| one.1);
            let expected: Vec<_> = expected.map(|(at, one)| (at, one.0 as f64)).collect();
            assert_eq!(roster.shares().collect::<Vec<_>>(), expected);
        }
        assert!(roster.any_waiting());
        while roster.len() > 0 {
            roster.remove(0);
        }
        assert!(!roster.any_waiting() && roster.shares().next().is_none());
    }
}
