//! Runs in Mininet beside the same runs in virtual time, metric by metric.
//!
//! A run and its twins have the same peers, places, delays and moments of joining. They differ in
//! what peers draw, and in what the simulator leaves out. How much the former makes is seen in the
//! twins: of a metric with standard deviation s among the n twins of each of R runs, the difference
//! of means has one of s sqrt((1 + 1/n) / R) by chance.

use super::measures::{Measure, mean, mean_rate, ratio, student};
use super::result::{Flavour, MeshOutcome, MeshRun, PeerRecord};

/// A run, and the same in virtual time, several times.
pub(super) struct Twin<'a> {
    pub(super) measured: &'a MeshRun,
    pub(super) simulated: Vec<MeshRun>,
}

/// A metric of a class of peers (or of all) under a system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) system: Flavour,
    /// Which class, by number; nothing for all, and for the broadcaster.
    pub(super) class: Option<usize>,
    pub(super) peers: String,
    pub(super) metric: &'static str,
    pub(super) unit: &'static str,
    /// Nothing if a run does not have it.
    pub(super) compared: Option<Compared>,
    /// Differences up to this are none, however sure they are.
    slack: f64,
}

impl Row {
    /// Whether both say the same: within the slack, or within what chance leaves open.
    pub(super) fn agrees(&self) -> Option<bool> {
        let both = self.compared?;
        Some(both.difference().abs() <= both.chance.max(self.slack))
    }
}

/// Means over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Compared {
    pub(super) mininet: f64,
    pub(super) simulator: f64,
    /// By how much they differ by chance, 95 times in 100.
    pub(super) chance: f64,
}

impl Compared {
    /// The simulator's less Mininet's.
    pub(super) fn difference(&self) -> f64 {
        self.simulator - self.mininet
    }

    /// Nothing if a run or one of its twins does not have the metric: those that have it would be a
    /// choice.
    fn of(twins: &[&Twin<'_>], what: &dyn Fn(&MeshRun) -> Option<f64>) -> Option<Compared> {
        let (mut mininet, mut simulator) = (Vec::new(), Vec::new());
        let (mut squares, mut freedom, mut weight) = (0.0, 0, 0.0);
        for twin in twins {
            let values: Vec<f64> = twin.simulated.iter().map(what).collect::<Option<_>>()?;
            let centre = mean(values.iter().copied())?;
            squares += values.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
            freedom += values.len() - 1;
            weight += 1.0 + 1.0 / values.len() as f64;
            mininet.push(what(twin.measured)?);
            simulator.push(centre);
        }
        let runs = mininet.len() as f64;
        let variance = squares / freedom as f64 * weight / (runs * runs);
        Some(Compared {
            mininet: mean(mininet.into_iter())?,
            simulator: mean(simulator.into_iter())?,
            chance: student(freedom) * variance.sqrt(),
        })
    }
}

/// What is compared of peers, and the difference that means nothing.
struct Metric<'a> {
    name: &'static str,
    unit: &'static str,
    slack: f64,
    of: Measure<'a>,
}

/// Every metric of every class under every system that was simulated.
pub(super) fn rows(mininet: &MeshOutcome, twins: &[Twin<'_>]) -> Vec<Row> {
    let settled = mininet.scale.settled_s;
    let full = mininet.full_kbit();
    let part = |peers: &[&PeerRecord], layer: Option<usize>| {
        ratio(peers, settled, layer).map(|part| part * 100.0)
    };
    let stayed = |peer: &PeerRecord| {
        let last = peer.series.last()?.at_s - peer.joined_s;
        (last > 0.0).then_some(last)
    };
    let rate = |peers: &[&PeerRecord], of: &dyn Fn(&PeerRecord) -> u64| {
        mean(peers.iter().filter_map(|peer| Some(of(peer) as f64 * 8e-3 / stayed(peer)?)))
    };
    let metrics = [
        Metric {
            name: "plays",
            unit: "kbit/s",
            slack: full * 0.02,
            of: &|peers| mean_rate(peers, settled),
        },
        Metric { name: "layer 1", unit: "%", slack: 2.0, of: &|peers| part(peers, Some(0)) },
        Metric { name: "layer 2", unit: "%", slack: 2.0, of: &|peers| part(peers, Some(1)) },
        Metric { name: "layer 3", unit: "%", slack: 2.0, of: &|peers| part(peers, Some(2)) },
        Metric { name: "all layers", unit: "%", slack: 2.0, of: &|peers| part(peers, None) },
        Metric {
            name: "join to 90 % of rate, median",
            unit: "s",
            slack: 2.0,
            of: &|peers| half_reached(peers, 0.9 * full),
        },
        Metric {
            name: "chunks due",
            unit: "/s",
            slack: 2.0,
            of: &|peers| {
                let all = peers.iter().filter_map(|peer| peer.settled(settled));
                mean(all.map(|of| of.due.iter().sum::<u64>() as f64 / of.seconds))
            },
        },
        Metric {
            name: "gives",
            unit: "kbit/s",
            slack: full * 0.02,
            of: &|peers| rate(peers, &|peer| peer.served_bytes),
        },
        Metric {
            name: "sends in all",
            unit: "kbit/s",
            slack: full * 0.02,
            of: &|peers| rate(peers, &|peer| peer.sent_bytes),
        },
        Metric {
            name: "twice",
            unit: "chunks of a peer",
            slack: 20.0,
            of: &|peers| mean(peers.iter().map(|peer| peer.duplicates as f64)),
        },
    ];
    let mut rows = Vec::new();
    for system in mininet.systems() {
        let twins: Vec<&Twin<'_>> =
            twins.iter().filter(|twin| twin.measured.system == system).collect();
        if twins.is_empty() {
            continue;
        }
        let classes = mininet.scale.classes.iter().enumerate();
        let classes = classes.map(|(at, facts)| (Some(at), facts.name.clone()));
        for (class, peers) in classes.chain([(None, "all".to_owned())]) {
            rows.extend(metrics.iter().map(|metric| Row {
                system,
                class,
                peers: peers.clone(),
                metric: metric.name,
                unit: metric.unit,
                compared: Compared::of(&twins, &|run| run.measure(class, metric.of)),
                slack: metric.slack,
            }));
        }
        rows.push(Row {
            system,
            class: None,
            peers: "broadcaster".to_owned(),
            metric: "sends in all",
            unit: "kbit/s",
            compared: Compared::of(&twins, &|run| Some(run.source_kbit())),
            slack: full * 0.02,
        });
    }
    rows
}

/// How long after joining half of the peers have played at `kbit` or more, s; nothing if they never
/// do.
fn half_reached(peers: &[&PeerRecord], kbit: f64) -> Option<f64> {
    let mut times: Vec<f64> = peers.iter().filter_map(|peer| peer.reached(kbit)).collect();
    times.sort_by(f64::total_cmp);
    times.get(peers.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{outcome, peer, twins};
    use super::*;

    fn find<'a>(rows: &'a [Row], peers: &str, metric: &str) -> &'a Row {
        let found = rows.iter().find(|row| {
            row.system == Flavour::LayerP2p && row.peers == peers && row.metric == metric
        });
        found.expect("it is compared")
    }

    #[test]
    fn the_same_agrees_in_everything() {
        let outcome = outcome();
        let rows = rows(&outcome, &twins(&outcome, 3, |_, _| {}));
        // Ten metrics of three classes and of all, and the broadcaster, of three systems.
        assert_eq!(rows.len(), 3 * (4 * 10 + 1));
        for row in &rows {
            assert!(row.compared.is_none() || row.agrees() == Some(true), "{row:?}");
        }
        let layer = find(&rows, "institutional", "layer 1").compared.expect("it was measured");
        assert!(layer.mininet > 95.0 && layer.chance == 0.0, "{layer:?}");
        let due = find(&rows, "all", "chunks due").compared.map(|both| both.mininet.round());
        assert_eq!(due, Some(60.0));
    }

    #[test]
    fn half_of_the_peers_must_have_reached_a_rate() {
        let [soon, never] = [peer(0, 3.0, [0.9; 3]), peer(0, 9.0, [0.1; 3])];
        let soon_at = soon.reached(500.0).expect("it plays that");
        assert_eq!(half_reached(&[&soon, &never, &soon], 500.0), Some(soon_at));
        assert_eq!(half_reached(&[&never, &never, &soon], 500.0), None);
        assert_eq!(half_reached(&[], 500.0), None);
    }

    #[test]
    fn chance_is_what_twins_differ_by() {
        let outcome = outcome();
        // The broadcaster sends 1, 2 and 3 times as much in the three twins of each of two runs.
        let twins = twins(&outcome, 3, |draw, run| run.seed_bytes *= u64::from(draw) + 1);
        let rows = rows(&outcome, &twins);
        let sent = find(&rows, "broadcaster", "sends in all").compared.expect("it was measured");
        let once = sent.mininet;
        assert!((sent.simulator - 2.0 * once).abs() < 1e-9, "{sent:?}");
        // Student's quantile for four degrees of freedom; a standard deviation of once; two runs.
        let chance = 2.776 * once * ((1.0 + 1.0 / 3.0) / 2.0_f64).sqrt();
        assert!((sent.chance - chance).abs() < 1e-6 * chance, "{sent:?}");
        assert_eq!(find(&rows, "broadcaster", "sends in all").agrees(), Some(true));
    }

    #[test]
    fn what_differs_by_more_than_chance_is_said_to() {
        let outcome = outcome();
        let twins = twins(&outcome, 3, |draw, run| {
            for peer in run.peers.iter_mut().filter(|peer| peer.class == 2) {
                peer.series.iter_mut().for_each(|sample| sample.played[2] /= 2);
                peer.served_bytes = 10 + u64::from(draw);
            }
        });
        let rows = rows(&outcome, &twins);
        let layer = find(&rows, "institutional", "layer 3");
        let less = layer.compared.expect("both").difference();
        assert!((-52.0..-45.0).contains(&less), "{layer:?}");
        assert_eq!(layer.agrees(), Some(false));
        assert_eq!(find(&rows, "institutional", "gives").agrees(), Some(false));
        assert_eq!(find(&rows, "residential", "layer 3").agrees(), Some(true));
    }
}
