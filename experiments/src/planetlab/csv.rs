//! Results as tables: `csv/peers.csv` and `csv/series.csv`.

use std::fs;
use std::path::Path;

use super::result::MeshOutcome;
use crate::Failure;
use crate::result::FolderError;

/// Writes both.
pub(super) fn write(folder: &Path, outcome: &MeshOutcome) -> Result<(), Failure> {
    let folder = folder.join("csv");
    fs::create_dir_all(&folder).map_err(FolderError::io(&folder))?;
    let mut peers = csv::Writer::from_path(folder.join("peers.csv"))?;
    peers.write_record([
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
    ])?;
    let mut series = csv::Writer::from_path(folder.join("series.csv"))?;
    series.write_record([
        "system", "repeat", "peer", "at_s", "due_1", "due_2", "due_3", "played_1", "played_2",
        "played_3", "bytes_1", "bytes_2", "bytes_3",
    ])?;
    for run in &outcome.runs {
        let of_run = [run.system.to_string(), run.repeat.to_string()];
        for peer in &run.peers {
            let class = outcome.scale.classes.get(peer.class).map(|class| class.name.clone());
            let settled = peer.settled(outcome.scale.settled_s);
            let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
            let mut row = of_run.to_vec();
            row.extend([peer.host.clone(), class.unwrap_or_default()]);
            row.push(peer.group.map(|group| group.to_string()).unwrap_or_default());
            row.extend([peer.delay_ms.to_string(), peer.joined_s.to_string()]);
            row.push(number(settled.map(|settled| settled.rate)));
            for layer in 0..super::result::LAYERS {
                let ratio = settled.filter(|settled| settled.due[layer] > 0);
                row.push(number(
                    ratio.map(|settled| settled.played[layer] as f64 / settled.due[layer] as f64),
                ));
            }
            let counts = [peer.served_bytes, peer.sent_bytes, peer.duplicates, peer.late];
            row.extend(counts.map(|count| count.to_string()));
            row.push(number(peer.by_switch));
            let q = peer.quality.as_ref();
            row.extend(super::measures::QUALITIES.map(|(_, which)| number(q.and_then(which))));
            peers.write_record(row)?;
            for sample in &peer.series {
                let counts = sample.due.iter().chain(&sample.played).chain(&sample.bytes);
                let row =
                    of_run.iter().cloned().chain([peer.host.clone(), sample.at_s.to_string()]);
                series.write_record(row.chain(counts.map(u64::to_string)))?;
            }
        }
    }
    peers.flush()?;
    series.flush()?;
    Ok(())
}
