use nearcast_machine::{Rng, Seed};

use super::params::{GilbertElliott, LinkParams};

/// Decides, packet by packet, what the wire loses.
#[derive(Debug)]
pub(super) struct Loss {
    independent: Rng,
    bursts: Rng,
    /// The Gilbert-Elliott chain's state; it starts good.
    bad: bool,
}

impl Loss {
    pub(super) fn new(seed: Seed) -> Loss {
        Loss {
            independent: seed.derive("independent").rng(),
            bursts: seed.derive("gilbert-elliott").rng(),
            bad: false,
        }
    }

    /// Whether the next packet is lost. Both processes advance for each packet, so that turning one
    /// off does not change what the other draws.
    pub(super) fn loses(&mut self, params: &LinkParams) -> bool {
        let independent = params.loss.happens(&mut self.independent);
        let burst = params.gilbert_elliott.is_some_and(|chain| self.chain(&chain));
        independent || burst
    }

    /// One step of the chain (Gilbert 1960, Elliott 1963): lose by the state, then change it.
    fn chain(&mut self, chain: &GilbertElliott) -> bool {
        let (loss, change) = if self.bad {
            (chain.loss_in_bad, chain.bad_to_good)
        } else {
            (chain.loss_in_good, chain.good_to_bad)
        };
        let lost = loss.happens(&mut self.bursts);
        self.bad ^= change.happens(&mut self.bursts);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Probability;

    fn chance(value: f64) -> Probability {
        Probability::new(value).expect("a chance")
    }

    /// Five standard errors of a mean over `n` packets: wrong once in two million seeds, and the
    /// seed is fixed.
    fn bound(rate: f64, n: u32) -> f64 {
        5.0 * (rate * (1.0 - rate) / f64::from(n)).sqrt()
    }

    #[test]
    fn independent_loss_has_its_rate_and_no_memory() {
        let params = LinkParams { loss: chance(0.03), ..LinkParams::default() };
        let mut loss = Loss::new(Seed::new(2));
        const N: u32 = 400_000;
        let lost: Vec<bool> = (0..N).map(|_| loss.loses(&params)).collect();
        let rate = lost.iter().filter(|&&lost| lost).count() as f64 / f64::from(N);
        assert!((rate - 0.03).abs() < bound(0.03, N), "{rate}");

        let after_loss: Vec<bool> =
            lost.windows(2).filter(|pair| pair[0]).map(|pair| pair[1]).collect();
        let again = after_loss.iter().filter(|&&lost| lost).count() as f64;
        let rate_after = again / after_loss.len() as f64;
        assert!((rate_after - 0.03).abs() < bound(0.03, after_loss.len() as u32), "{rate_after}");
    }

    #[test]
    fn gilbert_elliott_has_its_mean_and_its_burst_length() {
        let chain = GilbertElliott {
            good_to_bad: chance(0.01),
            bad_to_good: chance(0.25),
            ..GilbertElliott::default()
        };
        let params = LinkParams { gilbert_elliott: Some(chain), ..LinkParams::default() };
        let mut loss = Loss::new(Seed::new(5));
        const N: usize = 1_000_000;
        let lost: Vec<bool> = (0..N).map(|_| loss.loses(&params)).collect();
        let bursts = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len);
        let (count, packets) = bursts.fold((0, 0), |(count, sum), len| (count + 1, sum + len));

        // The chain is bad 0.01 / (0.01 + 0.25) of the time, and stays so for 1 / 0.25 packets.
        let (mean, burst) = (packets as f64 / N as f64, packets as f64 / f64::from(count));
        assert!((mean - chain.mean_loss()).abs() < 0.002, "{mean}");
        assert!((chain.mean_loss() - 0.01 / 0.26).abs() < 1e-12);
        // A geometric length of mean 4 has deviation sqrt(12); there are some 9,600 bursts.
        assert!((burst - 4.0).abs() < 5.0 * 12f64.sqrt() / f64::from(count).sqrt(), "{burst}");
    }
}
