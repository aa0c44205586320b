//! From samples to the paper's measures: playback rate, received chunk ratio, PSNR (Liu et al.
//! V-B), per peer and, with confidence intervals over repetitions, per class and system.

use super::result::{Flavour, LAYERS, MeshOutcome, MeshRun, PeerRecord, Sample};
use crate::quality::Quality;

/// The rate of the paper's video, kbit/s.
pub(super) const PAPER_KBIT: f64 = 620.0;

/// A mean over repetitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// Half of the 95 % confidence interval; nothing from a single repetition.
    pub(super) half: Option<f64>,
}

impl Estimate {
    /// Of one value of each repetition; nothing of none.
    pub(super) fn of(values: &[f64]) -> Option<Estimate> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if values.is_empty() {
            return None;
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let half = (values.len() > 1)
            .then(|| student(values.len() - 1) * (squares / (n - 1.0) / n).sqrt());
        Some(Estimate { mean, half })
    }

    /// For people, each number with this many decimals.
    pub(super) fn text(&self, decimals: usize) -> String {
        match self.half {
            Some(half) => format!("{:.decimals$} ± {half:.decimals$}", self.mean),
            None => format!("{:.decimals$}", self.mean),
        }
    }
}

/// The 97.5 % quantile of Student's distribution with this many degrees of freedom.
pub(super) fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    QUANTILES.get(freedom.saturating_sub(1)).copied().unwrap_or_else(|| {
        // Abramowitz and Stegun, 26.7.5, of the normal distribution's.
        const NORMAL: f64 = 1.959_964;
        let freedom = freedom as f64;
        NORMAL + 2.3723 / freedom + 2.8225 / (freedom * freedom)
    })
}

/// What came of a peer once it had settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settled {
    /// How long it was there since, s.
    pub(super) seconds: f64,
    /// Playback rate, kbit/s.
    pub(super) rate: f64,
    /// Chunks that were due, by layer.
    pub(super) due: [u64; LAYERS],
    /// Those that were played.
    pub(super) played: [u64; LAYERS],
    /// The rate of all that was due, kbit/s, by layer and by the mean size of a layer's chunks;
    /// nothing if none of a layer came.
    pub(super) full: Option<[f64; LAYERS]>,
}

impl PeerRecord {
    /// From `settled` seconds after its join to the end; nothing if it was not there that long.
    pub(super) fn settled(&self, settled: f64) -> Option<Settled> {
        let last = self.series.last()?;
        let from = self.series.iter().find(|sample| sample.at_s >= self.joined_s + settled)?;
        let seconds = last.at_s - from.at_s;
        let less = |now: [u64; LAYERS], then: [u64; LAYERS]| {
            std::array::from_fn(|layer| now[layer].saturating_sub(then[layer]))
        };
        let bytes = less(last.bytes, from.bytes);
        let (due, played) = (less(last.due, from.due), less(last.played, from.played));
        let kbit = |bytes: f64| bytes * 8.0 / 1e3 / seconds;
        let full = played.iter().all(|played| *played > 0).then(|| {
            let of = |layer: usize| bytes[layer] as f64 / played[layer] as f64 * due[layer] as f64;
            std::array::from_fn(|layer| kbit(of(layer)))
        });
        (seconds > 0.0).then(|| Settled {
            seconds,
            rate: kbit(bytes.iter().sum::<u64>() as f64),
            due,
            played,
            full,
        })
    }

    /// Playback rates over time: s after the stream began, kbit/s over at least `window` seconds
    /// before.
    pub(super) fn rates(&self, window: f64) -> Vec<(f64, f64)> {
        let mut from = 0;
        let rate = |(at, sample): (usize, &Sample)| {
            while from + 1 < at && sample.at_s - self.series[from + 1].at_s >= window {
                from += 1;
            }
            let before = &self.series[from];
            let seconds = sample.at_s - before.at_s;
            let total = |sample: &Sample| sample.bytes.iter().sum::<u64>();
            let bytes = total(sample).saturating_sub(total(before));
            (seconds >= window * 0.5).then(|| (sample.at_s, bytes as f64 * 8.0 / 1e3 / seconds))
        };
        self.series.iter().enumerate().filter_map(rate).collect()
    }

    /// How long after its join it first played at `rate` kbit/s or more, over ten seconds.
    pub(super) fn reached(&self, rate: f64) -> Option<f64> {
        let first = self.rates(WINDOW).into_iter().find(|(_, kbit)| *kbit >= rate)?;
        Some(first.0 - self.joined_s)
    }
}

/// What a layer comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LayerRate {
    /// With stamps, heads and proofs, kbit/s.
    pub(super) kbit: f64,
    /// Chunks per second.
    pub(super) chunks: f64,
}

/// The video's rate varies within a group of pictures; over five of them it does not.
pub(super) const WINDOW: f64 = 10.0;

/// What is measured of the peers of one class in one run.
pub(super) type Measure<'a> = &'a dyn Fn(&[&PeerRecord]) -> Option<f64>;

impl MeshRun {
    /// Measures the peers of a class (of all classes if none).
    pub(super) fn measure(&self, class: Option<usize>, what: Measure<'_>) -> Option<f64> {
        let wanted = |peer: &&PeerRecord| class.is_none_or(|class| peer.class == class);
        what(&self.peers.iter().filter(wanted).collect::<Vec<_>>())
    }

    /// What the broadcaster sent by UDP, kbit/s.
    pub(super) fn source_kbit(&self) -> f64 {
        self.seed_bytes as f64 * 8.0 / 1e3 / self.lasted_s.max(1.0)
    }
}

impl MeshOutcome {
    /// The stream's layers as the mesh carries them, if they were measured.
    pub(super) fn stream(&self) -> Option<[LayerRate; LAYERS]> {
        let settled = self.scale.settled_s;
        let of_mesh = |peer: &&PeerRecord| peer.by_switch.is_none();
        let peers = self.runs.iter().flat_map(|run| &run.peers).filter(of_mesh);
        let all: Vec<Settled> = peers.filter_map(|peer| peer.settled(settled)).collect();
        let of = |layer: usize| {
            let kbit = mean(all.iter().filter_map(|peer| Some(peer.full?[layer])))?;
            let chunks = mean(all.iter().map(|peer| peer.due[layer] as f64 / peer.seconds))?;
            Some(LayerRate { kbit, chunks })
        };
        Some([of(0)?, of(1)?, of(2)?])
    }

    /// The rate of the whole stream, kbit/s; the paper's before it was measured.
    pub(super) fn full_kbit(&self) -> f64 {
        self.stream().map_or(PAPER_KBIT, |layers| layers.iter().map(|layer| layer.kbit).sum())
    }

    /// Mean upload over the full rate.
    pub(super) fn resource_index(&self) -> f64 {
        self.scale.mean_upload_kbit / self.full_kbit()
    }

    /// The systems that were run, in the order of tables.
    pub(super) fn systems(&self) -> Vec<Flavour> {
        let was_run = |system: &Flavour| self.runs.iter().any(|run| run.system == *system);
        Flavour::ALL.into_iter().filter(was_run).collect()
    }

    /// Whether peers get less than the video takes.
    pub(super) fn overloaded(&self) -> bool {
        self.resource_index() < 1.0
    }

    /// The number of the class of this name.
    pub(super) fn class(&self, name: &str) -> Option<usize> {
        self.scale.classes.iter().position(|class| class.name == name)
    }

    /// Measures the peers of a class (of all classes if none), run by run.
    pub(super) fn each(
        &self,
        system: Flavour,
        class: Option<usize>,
        what: Measure<'_>,
    ) -> Vec<f64> {
        let runs = self.runs.iter().filter(|run| run.system == system);
        runs.filter_map(|run| run.measure(class, what)).collect()
    }

    /// The mean of that over runs.
    pub(super) fn measure(
        &self,
        system: Flavour,
        class: Option<usize>,
        what: Measure<'_>,
    ) -> Option<Estimate> {
        Estimate::of(&self.each(system, class, what))
    }

    /// The received chunk ratio of a layer (of all if none).
    pub(super) fn ratio(
        &self,
        system: Flavour,
        class: Option<usize>,
        layer: Option<usize>,
    ) -> Option<Estimate> {
        let settled = self.scale.settled_s;
        self.measure(system, class, &|peers| ratio(peers, settled, layer))
    }

    /// The mean playback rate, kbit/s.
    pub(super) fn rate(&self, system: Flavour, class: Option<usize>) -> Option<Estimate> {
        let settled = self.scale.settled_s;
        self.measure(system, class, &|peers| mean_rate(peers, settled))
    }

    /// What the broadcaster sent by UDP, kbit/s.
    pub(super) fn source_kbit(&self, system: Flavour) -> Option<Estimate> {
        let runs = self.runs.iter().filter(|run| run.system == system);
        Estimate::of(&runs.map(MeshRun::source_kbit).collect::<Vec<_>>())
    }

    /// The playback rates of every peer of every run, kbit/s.
    pub(super) fn rates(&self, system: Flavour, class: usize) -> Vec<f64> {
        let runs = self.runs.iter().filter(|run| run.system == system);
        let peers = runs.flat_map(|run| &run.peers).filter(|peer| peer.class == class);
        let settled = self.scale.settled_s;
        let mut rates: Vec<f64> =
            peers.filter_map(|peer| Some(peer.settled(settled)?.rate)).collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// The mean quality, dB, of what `which` takes from each.
    pub(super) fn quality(
        &self,
        system: Flavour,
        class: Option<usize>,
        which: Which,
    ) -> Option<Estimate> {
        self.measure(system, class, &|peers| {
            mean(peers.iter().filter_map(|peer| peer.quality.as_ref().and_then(which)))
        })
    }
}

/// One of the values of a quality.
pub(super) type Which = fn(&Quality) -> Option<f64>;

/// Q1, Q2, Q3 and Q, by name.
pub(super) const QUALITIES: [(&str, Which); 4] =
    [("Q1", |q| q.q1), ("Q2", |q| q.q2), ("Q3", |q| q.q3), ("Q", |q| q.q)];

/// The mean playback rate, kbit/s.
pub(super) fn mean_rate(peers: &[&PeerRecord], settled: f64) -> Option<f64> {
    mean(peers.iter().filter_map(|peer| Some(peer.settled(settled)?.rate)))
}

/// The received chunk ratio of a layer (of all if none).
pub(super) fn ratio(peers: &[&PeerRecord], settled: f64, layer: Option<usize>) -> Option<f64> {
    let (mut played, mut due) = (0, 0);
    for settled in peers.iter().filter_map(|peer| peer.settled(settled)) {
        for at in (0..LAYERS).filter(|at| layer.is_none_or(|layer| layer == *at)) {
            played += settled.played[at];
            due += settled.due[at];
        }
    }
    (due > 0).then(|| played as f64 / due as f64)
}

/// Nothing of none.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{outcome, peer};
    use super::*;

    #[test]
    fn an_interval_is_students() {
        // Mean 3, standard deviation sqrt(2.5), five values: 2.776 * sqrt(2.5 / 5).
        let of = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("values");
        assert!((of.mean - 3.0).abs() < 1e-12);
        assert!((of.half.expect("more than one") - 1.9629).abs() < 1e-3, "{of:?}");
        assert_eq!(Estimate::of(&[7.0]), Some(Estimate { mean: 7.0, half: None }));
        assert_eq!(Estimate::of(&[]), None);
        for (freedom, quantile) in
            [(1, 12.706), (30, 2.042), (31, 2.0395), (35, 2.0301), (120, 1.9799)]
        {
            assert!((student(freedom) - quantile).abs() < 1e-4, "{freedom}: {}", student(freedom));
        }
        assert_eq!(of.text(1), "3.0 ± 2.0");
    }

    #[test]
    fn a_peer_counts_from_when_it_has_settled() {
        // 600 kbit/s for a minute, of which nothing came in the first ten seconds.
        let peer = peer(0, 5.0, [1.0, 0.5, 0.0]);
        let settled = peer.settled(20.0).expect("it was there");
        assert!((settled.rate - 300.0).abs() < 1.0, "{settled:?}");
        assert_eq!(settled.due[0], settled.played[0]);
        assert_eq!((settled.due[1], settled.played[2]), (2 * settled.played[1], 0));
        assert_eq!((settled.full, peer.settled(1000.0)), (None, None), "of a layer none came");
        let reached = peer.reached(280.0).expect("it did");
        assert!((15.0..=25.0).contains(&reached), "{reached}");
        assert_eq!(peer.reached(400.0), None);
    }

    #[test]
    fn classes_are_kept_apart_and_repetitions_make_the_interval() {
        let outcome = outcome();
        let ratio = |class| outcome.ratio(Flavour::LayerP2p, Some(class), Some(0)).expect("runs");
        assert!(ratio(0).mean < 0.3 && ratio(1).mean > 0.95, "{:?} {:?}", ratio(0), ratio(1));
        assert!(ratio(1).half.is_some_and(|half| half > 0.0), "two runs that differ");
        assert_eq!(outcome.ratio(Flavour::Switched, None, None), None);
        let all = outcome.ratio(Flavour::LayerP2p, None, None).expect("runs");
        assert!(ratio(0).mean < all.mean && all.mean < 1.0);
        // 200 kbit/s of each layer are due, whatever came of them.
        assert!((outcome.full_kbit() - 600.0).abs() < 1e-6, "{}", outcome.full_kbit());
        assert!((outcome.resource_index() - 510.0 / 600.0).abs() < 1e-6);
        assert_eq!(outcome.rates(Flavour::LayerP2p, 1).len(), 2, "a peer of each run");
    }
}
