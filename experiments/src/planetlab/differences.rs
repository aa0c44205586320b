//! Two results of the same experiment, metric by metric.

use super::measures::{Estimate, Measure, mean, mean_rate, ratio};
use super::result::{MeshOutcome, PeerRecord};

/// A metric of a class of peers (or of all) under a system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) system: &'static str,
    pub(super) class: String,
    pub(super) metric: &'static str,
    pub(super) unit: &'static str,
    pub(super) mininet: Option<Estimate>,
    pub(super) simulator: Option<Estimate>,
    /// Differences up to this are none, whatever repetitions say.
    slack: f64,
}

impl Row {
    /// The simulator's less Mininet's.
    pub(super) fn difference(&self) -> Option<f64> {
        Some(self.simulator?.mean - self.mininet?.mean)
    }

    /// Whether both say the same: within the slack, or within what repetitions leave open.
    pub(super) fn agrees(&self) -> Option<bool> {
        let half = |of: Option<Estimate>| of.and_then(|of| of.half).unwrap_or(0.0);
        let open = half(self.mininet).hypot(half(self.simulator));
        Some(self.difference()?.abs() <= open.max(self.slack))
    }
}

/// What is compared of peers, and the difference that means nothing.
struct Metric<'a> {
    name: &'static str,
    unit: &'static str,
    slack: f64,
    of: Measure<'a>,
}

/// Every metric of every class under every system that both have.
pub(super) fn rows(mininet: &MeshOutcome, simulator: &MeshOutcome) -> Vec<Row> {
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
            name: "joined until 90 % of rate",
            unit: "s",
            slack: 2.0,
            of: &|peers| mean(peers.iter().filter_map(|peer| peer.reached(0.9 * full))),
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
    for system in simulator.systems() {
        let classes = mininet.scale.classes.iter().enumerate();
        let classes = classes.map(|(at, facts)| (Some(at), facts.name.clone()));
        for (class, name) in classes.chain([(None, "all".to_owned())]) {
            rows.extend(metrics.iter().map(|metric| Row {
                system: system.name(),
                class: name.clone(),
                metric: metric.name,
                unit: metric.unit,
                mininet: mininet.measure(system, class, metric.of),
                simulator: simulator.measure(system, class, metric.of),
                slack: metric.slack,
            }));
        }
        rows.push(Row {
            system: system.name(),
            class: "broadcaster".to_owned(),
            metric: "sends in all",
            unit: "kbit/s",
            mininet: mininet.source_kbit(system),
            simulator: simulator.source_kbit(system),
            slack: full * 0.02,
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::outcome;
    use super::*;

    fn find<'a>(rows: &'a [Row], class: &str, metric: &str) -> &'a Row {
        let found = rows
            .iter()
            .find(|row| row.system == "layerp2p" && row.class == class && row.metric == metric);
        found.expect("it is compared")
    }

    #[test]
    fn the_same_agrees_in_everything() {
        let rows = rows(&outcome(), &outcome());
        // Ten metrics of three classes and of all, and the broadcaster, of three systems.
        assert_eq!(rows.len(), 3 * (4 * 10 + 1));
        for row in &rows {
            assert!(row.mininet.is_none() || row.agrees() == Some(true), "{row:?}");
        }
        let layer = find(&rows, "institutional", "layer 1").mininet.expect("it was measured");
        assert!(layer.mean > 95.0, "{layer:?}");
        assert_eq!(find(&rows, "all", "chunks due").mininet.map(|of| of.mean.round()), Some(60.0));
    }

    #[test]
    fn what_differs_by_more_than_chance_is_said_to() {
        let mut other = outcome();
        for run in &mut other.runs {
            for peer in run.peers.iter_mut().filter(|peer| peer.class == 2) {
                peer.series.iter_mut().for_each(|sample| sample.played[2] /= 2);
                peer.served_bytes = 10;
            }
        }
        let rows = rows(&outcome(), &other);
        let layer = find(&rows, "institutional", "layer 3");
        assert!(layer.difference().is_some_and(|less| (-52.0..-45.0).contains(&less)), "{layer:?}");
        // Half of 5 points between two repetitions: an interval of 12.7 times 2.5 points.
        let intervals = layer.mininet.and_then(|of| of.half).expect("two repetitions");
        assert_eq!(
            layer.agrees(),
            Some(layer.difference().expect("both").abs() <= intervals * 1.12)
        );
        let given = find(&rows, "institutional", "gives");
        assert_eq!(given.agrees(), Some(false), "{given:?}");
        assert_eq!(find(&rows, "residential", "layer 3").agrees(), Some(true));
    }
}
