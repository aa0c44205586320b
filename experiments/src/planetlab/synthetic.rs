//! An outcome as a run makes them, for tests of what is made of it.

use super::differences::Twin;
use super::result::{
    ClassFacts, Flavour, MESH_FORMAT, MeshOutcome, MeshRun, PeerRecord, Sample, Scale,
};
use crate::quality::Quality;
use crate::result::{Fidelity, MachineFacts, Trust};

/// A peer of `class` that joined at `joined_s` and was there for a minute; of each layer 200 kbit/s
/// were due, of which it played that part from ten seconds on.
pub(super) fn peer(class: usize, joined_s: f64, parts: [f64; 3]) -> PeerRecord {
    let mut sample = Sample { at_s: joined_s, ..Sample::default() };
    let mut series = vec![sample];
    for second in 1..=60u32 {
        sample.at_s = joined_s + f64::from(second);
        for (layer, part) in parts.into_iter().enumerate() {
            // 20 chunks of 1250 bytes.
            let played = if second > 10 { (20.0 * part).round() as u64 } else { 0 };
            sample.due[layer] += 20;
            sample.played[layer] += played;
            sample.bytes[layer] += played * 1250;
        }
        series.push(sample);
    }
    let look = |part: f64| Some(15.0 + 25.0 * part);
    let [q1, q2, q3] = parts.map(look);
    let q = look(parts.iter().sum::<f64>() / 3.0);
    PeerRecord {
        host: format!("p{class}"),
        class,
        group: None,
        delay_ms: 35.0,
        joined_s,
        series,
        served_bytes: 1_000_000,
        sent_bytes: 1_100_000,
        duplicates: 0,
        late: 0,
        pictures: 1500,
        disordered: 0,
        by_switch: None,
        quality: Some(Quality { q1, q2, q3, q, pictures: 1500, frozen: 0 }),
    }
}

fn run(system: Flavour, repeat: u32, ratios: [[f64; 3]; 3]) -> MeshRun {
    let peers = ratios.into_iter().enumerate().map(|(class, parts)| peer(class, 3.0, parts));
    MeshRun {
        system,
        repeat,
        incomplete_why: None,
        lasted_s: 66.0,
        peers: peers.collect(),
        seed_bytes: 9_000_000,
        cpu: [("peers".to_owned(), 0.4), ("links".to_owned(), 0.2)].into(),
        queue_drops: 0,
        fidelity: Fidelity {
            verdict: Trust::Trusted,
            reasons: Vec::new(),
            cpu: vec![0.5; 60],
            stolen: vec![0.0; 60],
            link_late_p99: Some(90_000),
            link_late_max: Some(900_000),
            unasked_drops: Default::default(),
            clock_step: 0,
        },
    }
}

/// Each run so many times more, changed by `change`, which is told which of the draws it is.
pub(super) fn twins(
    outcome: &MeshOutcome,
    draws: u32,
    change: impl Fn(u32, &mut MeshRun),
) -> Vec<Twin<'_>> {
    let twin = |measured| {
        let draw = |draw| {
            let mut run = MeshRun::clone(measured);
            change(draw, &mut run);
            run
        };
        Twin { measured, simulated: (0..draws).map(draw).collect() }
    };
    outcome.runs.iter().map(twin).collect()
}

/// The overloaded experiment as the paper had it, twice.
pub(crate) fn outcome() -> MeshOutcome {
    let class = |name: &str, upload_kbit| ClassFacts { name: name.to_owned(), upload_kbit };
    let runs = (0..2).flat_map(|repeat| {
        let off = f64::from(repeat) * 0.05;
        [
            run(
                Flavour::LayerP2p,
                repeat,
                [[0.2; 3], [1.0, 0.8, 0.5 - off], [1.0, 1.0, 1.0 - off]]
                    .map(|parts: [f64; 3]| parts.map(|part| (part - off).max(0.1))),
            ),
            run(Flavour::SingleLayer, repeat, [[0.8; 3]; 3]),
            run(Flavour::SingleIncent, repeat, [[0.2; 3], [0.6; 3], [0.9; 3]]),
        ]
    });
    MeshOutcome {
        format: MESH_FORMAT,
        scenario: "planetlab-overloaded".to_owned(),
        title: "An experiment <that> never was".to_owned(),
        command: "sudo nearcast run planetlab-overloaded".to_owned(),
        seed: 1,
        versions: Default::default(),
        machine: MachineFacts {
            cores: 2,
            processor: "one".to_owned(),
            memory: 1 << 32,
            system: "one".to_owned(),
            kernel: "6".to_owned(),
        },
        incomplete_why: None,
        scale: Scale {
            peers: 3,
            joins_s: 6.0,
            duration_s: 60.0,
            lag_s: 12.0,
            settled_s: 20.0,
            repeat: 2,
            neighbours: [1, 3],
            classes: vec![
                class("free-riders", 0.0),
                class("residential", 300.0),
                class("institutional", 700.0),
            ],
            mean_upload_kbit: 510.0,
        },
        clip: None,
        whole: None,
        runs: runs.collect(),
        goals: Vec::new(),
    }
}
