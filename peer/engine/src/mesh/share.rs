//! Whom a supplier serves next.

use nearcast_machine::Rng;
use rand::Rng as _;

use super::Supply;

/// Chooses among those of `count` receivers for whom anything waits (I(n,k) is 1), which are given by their
/// places, in order, with d(n,k) + eps; answers a place.
///
/// Proportional is Eq. 1 of Liu et al.: place k with probability
/// `I(n,k) (d(n,k) + eps) / sum_i I(n,i) (d(n,i) + eps)`.
pub(super) fn choose(
    supply: Supply,
    waiting: impl Iterator<Item = (usize, f64)> + Clone,
    count: usize,
    last: usize,
    rng: &mut Rng,
) -> Option<usize> {
    match supply {
        Supply::RoundRobin => {
            // How far behind the one that was served last: that one itself comes last.
            waiting.map(|(at, _)| at).min_by_key(|&at| (at + 2 * count - last - 1) % count)
        }
        Supply::Proportional => {
            let total: f64 = waiting.clone().map(|(_, weight)| weight).sum();
            let mut left = rng.random::<f64>() * total;
            let mut chosen = None;
            for (at, weight) in waiting {
                // Rounding may leave a crumb at the end: then it is the last one.
                chosen = Some(at);
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
            chosen
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;
    use proptest::prelude::*;

    use super::*;

    /// The places of those who wait, with their weights.
    fn waiting(receivers: &[(bool, f64)]) -> impl Iterator<Item = (usize, f64)> + Clone {
        let all = receivers.iter().enumerate();
        all.filter(|(_, receiver)| receiver.0).map(|(at, receiver)| (at, receiver.1))
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
            for _ in 0..DRAWS {
                match choose(Supply::Proportional, waiting(&weights), weights.len(), 0, &mut rng) {
                    Some(at) => chosen[at] += 1,
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
        let turns: Vec<usize> = (0..6)
            .map(|_| {
                let next = choose(Supply::RoundRobin, waiting(&receivers), 4, last, &mut rng);
                last = next.expect("three wait");
                last
            })
            .collect();
        assert_eq!(turns, [2, 3, 0, 2, 3, 0]);
        let only = [(false, 1.0), (true, 1.0)];
        assert_eq!(choose(Supply::RoundRobin, waiting(&only), 2, 1, &mut rng), Some(1));
        let none = [(false, 1.0); 3];
        assert_eq!(choose(Supply::RoundRobin, waiting(&none), 3, 2, &mut rng), None);
    }
}
