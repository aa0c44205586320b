//! Results as tables: `csv/peers.csv` and `csv/series.csv`.

use std::path::Path;

use super::result::{LAYERS, MeshOutcome};
use crate::result::{FolderError, Rows, write_table};

const PEERS: [&str; 20] = [
    "system",
    "repeat",
    "peer",
    "class",
    "group",
    "delay_ms",
    "joined_s",
    "rate_kbit",
    "ratio_1",
    "ratio_2",
    "ratio_3",
    "served_bytes",
    "sent_bytes",
    "duplicates",
    "late",
    "by_switch",
    "q1",
    "q2",
    "q3",
    "q",
];

const SERIES: [&str; 13] = [
    "system", "repeat", "peer", "at_s", "due_1", "due_2", "due_3", "played_1", "played_2",
    "played_3", "bytes_1", "bytes_2", "bytes_3",
];

/// Writes both.
pub(super) fn write(folder: &Path, outcome: &MeshOutcome) -> Result<(), FolderError> {
    write_table(folder, "peers.csv", &PEERS, |rows| peers(outcome, rows))?;
    write_table(folder, "series.csv", &SERIES, |rows| series(outcome, rows))
}

fn peers(outcome: &MeshOutcome, rows: &mut Rows) -> csv::Result<()> {
    for run in &outcome.runs {
        for peer in &run.peers {
            let class = outcome.scale.classes.get(peer.class).map(|class| &class.name);
            let settled = peer.settled(outcome.scale.settled_s);
            let ratios: [Option<f64>; LAYERS] = std::array::from_fn(|layer| {
                let settled = settled.filter(|settled| settled.due[layer] > 0)?;
                Some(settled.played[layer] as f64 / settled.due[layer] as f64)
            });
            let q = peer.quality.as_ref();
            rows.serialize((
                (run.system.to_string(), run.repeat, &peer.host, class, peer.group),
                (peer.delay_ms, peer.joined_s, settled.map(|settled| settled.rate), ratios),
                (peer.served_bytes, peer.sent_bytes, peer.duplicates, peer.late, peer.by_switch),
                super::measures::QUALITIES.map(|(_, which)| q.and_then(which)),
            ))?;
        }
    }
    Ok(())
}

fn series(outcome: &MeshOutcome, rows: &mut Rows) -> csv::Result<()> {
    for run in &outcome.runs {
        for peer in &run.peers {
            for sample in &peer.series {
                let names = (run.system.to_string(), run.repeat, &peer.host);
                rows.serialize((names, sample.at_s, sample.due, sample.played, sample.bytes))?;
            }
        }
    }
    Ok(())
}
