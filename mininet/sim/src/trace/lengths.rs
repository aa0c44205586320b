use std::f64::consts::SQRT_2;

use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};

/// How long sessions last: a mixture of log-normal distributions, in seconds, each shifted by the
/// shortest session there is.
///
/// Log-normal is what measurements of live streaming have found for most of the body (Veloso et
/// al., IMC 2002); a mixture gives those who only look in and those who leave it on a part of their
/// own. It is computed without the platform's mathematical library, so that a seed gives the same
/// trace everywhere.
#[derive(Clone, PartialEq, Debug)]
pub struct Lengths {
    /// Seconds that every session lasts.
    pub least: f64,
    /// Weight and distribution; weights need not sum to one.
    pub parts: Vec<(f64, LogNormal)>,
}

/// A log-normal distribution.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LogNormal {
    /// Half last longer than this, in seconds.
    pub median: f64,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
}

impl LogNormal {
    /// The chance to exceed `secs`.
    pub fn exceeds(&self, secs: f64) -> f64 {
        if secs <= 0.0 {
            return 1.0;
        }
        let deviations = libm::log(secs / self.median) / self.sigma;
        libm::erfc(deviations / SQRT_2) / 2.0
    }
}

impl Lengths {
    /// The chance that a session lasts longer than `secs`.
    pub fn exceeds(&self, secs: f64) -> f64 {
        let weighted = |(weight, part): &(f64, LogNormal)| weight * part.exceeds(secs - self.least);
        self.parts.iter().map(weighted).sum::<f64>() / self.weight()
    }

    /// Draws one, in seconds.
    pub fn draw(&self, rng: &mut nearcast_machine::Rng) -> f64 {
        let mut left = rng.random::<f64>() * self.weight();
        let part = self.parts.iter().find(|(weight, _)| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave nothing for the last.
        let (_, part) = part.or(self.parts.last()).expect("a mixture has parts");
        let normal: f64 = StandardNormal.sample(rng);
        self.least + part.median * libm::exp(part.sigma * normal)
    }

    fn weight(&self) -> f64 {
        self.parts.iter().map(|(weight, _)| weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    #[test]
    fn what_is_drawn_exceeds_as_often_as_is_said() {
        let lengths = Lengths {
            least: 2.0,
            parts: vec![
                (2.0, LogNormal { median: 50.0, sigma: 1.0 }),
                (6.0, LogNormal { median: 1_800.0, sigma: 0.5 }),
            ],
        };
        let mut rng = Seed::new(3).rng();
        let drawn: Vec<f64> = (0..40_000).map(|_| lengths.draw(&mut rng)).collect();
        for secs in [0.0, 2.0, 30.0, 60.0, 600.0, 1_800.0, 3_600.0] {
            let longer = drawn.iter().filter(|length| **length > secs).count() as f64 / 40_000.0;
            assert!((longer - lengths.exceeds(secs)).abs() < 0.0125, "{secs}: {longer}");
        }
        assert!(drawn.iter().all(|length| *length >= 2.0));
        // By hand: a quarter of the weight and half of that part.
        let half = lengths.exceeds(52.0);
        assert!((half - (0.75 + 0.125)).abs() < 1e-3, "{half}");
    }
}
