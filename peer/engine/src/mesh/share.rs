//! Whom a supplier serves next.

use arrayvec::ArrayVec;
use nearcast_machine::Rng;
use rand::Rng as _;

use super::Supply;
use super::neighbour::ROSTER_MAX;

/// Those for whom anything waits, of whom I(n,k) of Eq. 1 is 1. Gathered once for all that is sent
/// at a time, with the sum over them.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Where among all receivers each is, in order.
    places: ArrayVec<u8, ROSTER_MAX>,
    /// d(n,k) + eps of each.
    weights: ArrayVec<f64, ROSTER_MAX>,
    total: f64,
}

impl Waiting {
    /// Takes in receivers, by their places in order, in place: it is too long to be moved.
    pub(super) fn gather(&mut self, receivers: impl Iterator<Item = (usize, f64)>) {
        for (place, weight) in receivers {
            self.places.push(place as u8);
            self.weights.push(weight);
        }
        self.total = self.weights.iter().sum();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where among the `count` receivers one of those who wait is.
    pub(super) fn place(&self, nth: usize) -> usize {
        self.places[nth].into()
    }

    /// Takes out one for whom nothing waits any more.
    pub(super) fn remove(&mut self, nth: usize) {
        self.places.remove(nth);
        self.weights.remove(nth);
        // Anew, or rounding would add up.
        self.total = self.weights.iter().sum();
    }

    /// Chooses one of them; `None` if there is none.
    ///
    /// Proportional is Eq. 1 of Liu et al.: place k with probability
    /// `I(n,k) (d(n,k) + eps) / sum_i I(n,i) (d(n,i) + eps)`.
    pub(super) fn choose(
        &self,
        supply: Supply,
        count: usize,
        last: usize,
        rng: &mut Rng,
    ) -> Option<usize> {
        match supply {
            Supply::RoundRobin => {
                // How far behind the one that was served last: that one itself comes last.
                let behind = |nth: &usize| (self.place(*nth) + 2 * count - last - 1) % count;
                (0..self.places.len()).min_by_key(behind)
            }
            Supply::Proportional => {
                let mut left = rng.random::<f64>() * self.total;
                let chosen = self.weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                // Rounding may leave a crumb at the end: then it is the last one.
                chosen.or(self.places.len().checked_sub(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;
    use proptest::prelude::*;

    use super::*;

    /// Those of some receivers who wait.
    fn waiting(receivers: &[(bool, f64)]) -> Waiting {
        let all = receivers.iter().enumerate();
        let mut waiting = Waiting::default();
        waiting.gather(all.filter(|(_, of)| of.0).map(|(at, of)| (at, of.1)));
        waiting
    }

    proptest! {
        /// p(n,k) of Eq. 1, within five standard deviations over 20,000 draws.
        #[test]
        fn shares_are_in_proportion_to_what_was_contributed(
            receivers in prop::collection::vec((any::<bool>(), 0u32..800), 1..20),
            seed: u64,
        ) {
            const DRAWS: u32 = 20_000;
            let mut rng = Seed::new(seed).rng();
            let weights: Vec<_> =
                receivers.iter().map(|&(waits, kbit)| (waits, f64::from(kbit) + 1.0)).collect();
            let total: f64 = weights.iter().filter(|w| w.0).map(|w| w.1).sum();
            let mut chosen = vec![0u32; weights.len()];
            let waiting = waiting(&weights);
            for _ in 0..DRAWS {
                match waiting.choose(Supply::Proportional, weights.len(), 0, &mut rng) {
                    Some(nth) => chosen[waiting.place(nth)] += 1,
                    None => prop_assert!(weights.iter().all(|w| !w.0)),
                }
            }
            for (count, (waits, weight)) in chosen.into_iter().zip(weights) {
                let p = if waits { weight / total } else { 0.0 };
                let expected = f64::from(DRAWS) * p;
                let deviation = (expected * (1.0 - p)).sqrt();
                let off = (f64::from(count) - expected).abs();
                prop_assert!(off <= 5.0 * deviation + 1e-9, "{} for {}", count, expected);
            }
        }
    }

    #[test]
    fn in_turn_means_everyone_once_whatever_they_gave() {
        let mut rng = Seed::new(1).rng();
        let receivers = [(true, 1.0), (false, 9.0), (true, 900.0), (true, 0.1)];
        let mut last = 0;
        let mut next = |receivers: &[(bool, f64)], last| {
            let waiting = waiting(receivers);
            let chosen = waiting.choose(Supply::RoundRobin, receivers.len(), last, &mut rng);
            chosen.map(|nth| waiting.place(nth))
        };
        let turns: Vec<usize> = (0..6)
            .map(|_| {
                last = next(&receivers, last).expect("three wait");
                last
            })
            .collect();
        assert_eq!(turns, [2, 3, 0, 2, 3, 0]);
        assert_eq!(next(&[(false, 1.0), (true, 1.0)], 1), Some(1));
        assert_eq!(next(&[(false, 1.0); 3], 2), None);
    }

    proptest! {
        #[test]
        fn who_is_done_is_not_chosen_and_the_others_keep_their_shares(
            weights in prop::collection::vec(1u32..800, 2..20),
            gone: prop::sample::Index,
            seed: u64,
        ) {
            let gone = gone.index(weights.len());
            let receivers = |waits: &dyn Fn(usize) -> bool| -> Vec<_> {
                let all = weights.iter().enumerate();
                all.map(|(at, &weight)| (waits(at), f64::from(weight))).collect()
            };
            let mut all = waiting(&receivers(&|_| true));
            all.remove(gone);
            let without = waiting(&receivers(&|at| at != gone));
            let mut rngs = [Seed::new(seed).rng(), Seed::new(seed).rng()];
            for _ in 0..20 {
                let chosen = [&all, &without].into_iter().zip(&mut rngs).map(|(of, rng)| {
                    of.choose(Supply::Proportional, weights.len(), 0, rng).map(|nth| of.place(nth))
                });
                let chosen: Vec<_> = chosen.collect();
                prop_assert_ne!(chosen[0], Some(gone));
                prop_assert_eq!(chosen[0], chosen[1]);
            }
        }
    }
}
