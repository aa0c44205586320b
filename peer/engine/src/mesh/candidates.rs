//! Peers that one has heard of and could seek, and those that one wants nothing of.

use arrayvec::ArrayVec;
use nearcast_machine::{Rng, Span, Time};
use rand::Rng as _;

use super::PeerId;

/// Most candidates that are remembered: an answer of the tracker and one before it.
const CANDIDATES_MAX: usize = 2 * super::tracker::PEERS_MAX;

/// Most peers that are shunned at a time.
const SHUNNED_MAX: usize = 64;

/// Whom to seek.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// With the time from which they may be sought (again).
    known: Vec<(PeerId, Time)>,
    shunned: Vec<(PeerId, Time)>,
}

impl Candidates {
    /// Takes peers of a list. When there is no room, some that were known make it, at random.
    pub(super) fn learn(&mut self, peers: &[PeerId], rng: &mut Rng) {
        for &peer in peers {
            if self.known.iter().any(|&(known, _)| known == peer) {
                continue;
            }
            if self.known.len() >= CANDIDATES_MAX {
                let out = rng.random_range(0..self.known.len());
                self.known.swap_remove(out);
            }
            self.known.push((peer, Time::ZERO));
        }
    }

    /// Draws one that may be sought now and that `busy` does not hold back, and lets it rest until
    /// `again`.
    pub(super) fn draw(
        &mut self,
        now: Time,
        again: Time,
        rng: &mut Rng,
        busy: impl Fn(PeerId) -> bool,
    ) -> Option<PeerId> {
        let free = |(peer, from): &(PeerId, Time)| {
            *from <= now && !busy(*peer) && !shuns(&self.shunned, now, *peer)
        };
        let all = self.known.iter().enumerate();
        let free: ArrayVec<usize, CANDIDATES_MAX> =
            all.filter(|(_, known)| free(known)).map(|(at, _)| at).collect();
        if free.is_empty() {
            return None;
        }
        let (peer, from) = &mut self.known[free[rng.random_range(0..free.len())]];
        *from = again;
        Some(*peer)
    }

    /// Whether there is one to draw.
    pub(super) fn any(&self, now: Time, busy: impl Fn(PeerId) -> bool) -> bool {
        self.known
            .iter()
            .any(|&(peer, from)| from <= now && !busy(peer) && !shuns(&self.shunned, now, peer))
    }

    /// Lets a peer rest until `until`, as far as it is known.
    pub(super) fn rest(&mut self, peer: PeerId, until: Time) {
        if let Some(known) = self.known.iter_mut().find(|known| known.0 == peer) {
            known.1 = until;
        }
    }

    /// Has nothing to do with a peer for `span`.
    pub(super) fn shun(&mut self, now: Time, peer: PeerId, span: Span) {
        self.known.retain(|&(known, _)| known != peer);
        self.shunned.retain(|&(shunned, until)| shunned != peer && until > now);
        if self.shunned.len() >= SHUNNED_MAX {
            self.shunned.remove(0);
        }
        self.shunned.push((peer, now + span));
    }

    /// Whether one has nothing to do with a peer.
    pub(super) fn shuns(&self, now: Time, peer: PeerId) -> bool {
        shuns(&self.shunned, now, peer)
    }
}

fn shuns(shunned: &[(PeerId, Time)], now: Time, peer: PeerId) -> bool {
    shunned.iter().any(|&(shunned, until)| shunned == peer && until > now)
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    #[test]
    fn each_is_drawn_once_until_it_has_rested() {
        let (mut candidates, mut rng) = (Candidates::default(), Seed::new(1).rng());
        candidates.learn(&[PeerId(1), PeerId(2), PeerId(3), PeerId(1)], &mut rng);
        let busy = |peer| peer == PeerId(2);
        let mut draw = |now| candidates.draw(now, now + Span::from_secs(30), &mut rng, busy);
        let mut first = [draw(at(0)), draw(at(1))];
        first.sort();
        assert_eq!(first, [Some(PeerId(1)), Some(PeerId(3))]);
        assert_eq!(draw(at(2)), None);
        assert!(draw(at(40)).is_some());
    }

    #[test]
    fn who_is_shunned_is_not_drawn_and_lists_are_bounded() {
        let (mut candidates, mut rng) = (Candidates::default(), Seed::new(1).rng());
        candidates.learn(&(0..1000).map(PeerId).collect::<Vec<_>>(), &mut rng);
        assert_eq!(candidates.known.len(), CANDIDATES_MAX);
        (0..1000).for_each(|peer| candidates.shun(at(0), PeerId(peer), Span::from_secs(60)));
        assert_eq!((candidates.known.len(), candidates.shunned.len()), (0, SHUNNED_MAX));
        candidates.learn(&[PeerId(999)], &mut rng);
        assert!(candidates.shuns(at(59), PeerId(999)) && !candidates.any(at(59), |_| false));
        assert!(!candidates.shuns(at(60), PeerId(999)) && candidates.any(at(60), |_| false));
    }
}
