use nearcast_media::Layer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a picture that does not differ at all is counted as, dB; without a bound one such picture
/// would outweigh all others.
const SAME: f64 = 100.0;

/// The quality of a received stream, dB: means over the pictures of a layer, and over all. Nothing
/// where no picture was judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// I and P pictures.
    pub q1: Option<f64>,
    /// Reference B pictures.
    pub q2: Option<f64>,
    /// Plain B pictures.
    pub q3: Option<f64>,
    /// All.
    pub q: Option<f64>,
    /// How many pictures were judged.
    pub pictures: u64,
    /// For how many of them an earlier one was still shown.
    pub frozen: u64,
}

/// Sums up pictures as they were shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    layers: [(f64, u64); 3],
    frozen: u64,
}

impl Score {
    /// A picture of `layer` looked `decibels` good. `frozen`: an earlier one was still shown for
    /// it.
    pub fn add(&mut self, layer: Layer, decibels: f64, frozen: bool) {
        let (sum, count) = &mut self.layers[usize::from(layer.number()) - 1];
        *sum += decibels;
        *count += 1;
        self.frozen += u64::from(frozen);
    }

    /// The means.
    pub fn quality(&self) -> Quality {
        let mean = |(sum, count): (f64, u64)| (count > 0).then(|| sum / count as f64);
        let all = self.layers.iter().fold((0.0, 0), |all, of| (all.0 + of.0, all.1 + of.1));
        let [q1, q2, q3] = self.layers.map(mean);
        Quality { q1, q2, q3, q: mean(all), pictures: all.1, frozen: self.frozen }
    }
}

/// Peak signal-to-noise ratio of 8-bit samples, dB, at most 100.
///
/// # Panics
/// If there are not as many of one as of the other, or none.
pub fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert!(one.len() == other.len() && !one.is_empty(), "pictures of one size are compared");
    let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = one.iter().zip(other).map(square).sum();
    match sum {
        0 => SAME,
        sum => {
            let mean = sum as f64 / one.len() as f64;
            (10.0 * (255.0 * 255.0 / mean).log10()).min(SAME)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_a_known_size_has_a_known_ratio() {
        let grey = vec![100u8; 1000];
        // An error of 5 everywhere: 10 log10(255^2 / 25) = 34.151 dB.
        assert!((psnr(&grey, &[105; 1000]) - 34.1514).abs() < 1e-3);
        // The same in one sample of a hundred is 20 dB less of it.
        let few: Vec<u8> = (0..1000).map(|at| if at % 100 == 0 { 95 } else { 100 }).collect();
        assert!((psnr(&grey, &few) - 54.1514).abs() < 1e-3);
        assert_eq!(psnr(&grey, &grey), SAME);
        assert_eq!(psnr(&[0; 4], &[255; 4]), 0.0);
    }

    #[test]
    fn means_are_by_layer_and_over_all_pictures() {
        let mut score = Score::default();
        score.add(Layer::One, 40.0, false);
        score.add(Layer::Three, 30.0, false);
        score.add(Layer::Three, 20.0, true);
        let quality = score.quality();
        assert_eq!((quality.q1, quality.q2, quality.q3), (Some(40.0), None, Some(25.0)));
        assert_eq!((quality.q, quality.pictures, quality.frozen), (Some(30.0), 3, 1));
    }
}
