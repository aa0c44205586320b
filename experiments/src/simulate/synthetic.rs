//! A result as no simulation made it, for tests.

use super::result::{Cost, Group, SIMULATION_FORMAT, Session, SimRun, Simulations, Step};
use super::scenario::Paper;

/// A session that played this part of all it was due.
pub(super) fn session(class_kbit: u32, upload_kbit: u32, part: f64) -> Session {
    const DUE: u64 = 10_000;
    let played = (DUE as f64 * part) as u64;
    Session {
        group: Group::of(upload_kbit.into(), 600.0),
        class_kbit: class_kbit.into(),
        upload_kbit: upload_kbit.into(),
        arrive_s: 5.0,
        stay_s: 500.0,
        startup_s: Some(1.5),
        due: [DUE; 3],
        played: [played; 3],
        bytes: played * 3 * 1_250,
        settled_due: [DUE / 2; 3],
        settled_played: [played / 2; 3],
        received: played * 3,
        served: u64::from(upload_kbit) * 50,
        served_bytes: u64::from(upload_kbit) * 50 * 1_250,
    }
}

/// An overloaded run of LayerP2P in which everything is as in the paper.
pub(crate) fn simulations() -> Simulations {
    let sessions = vec![session(320, 0, 0.2), session(448, 200, 0.96), session(1024, 720, 0.99)];
    let step = |at_s| Step { at_s, peers: 3, due: [5_000; 3], played: [4_900; 3] };
    Simulations {
        format: SIMULATION_FORMAT,
        scenario: "trace-overloaded".to_owned(),
        title: "A day <that> never was".to_owned(),
        command: "nearcast simulate trace-overloaded".to_owned(),
        seed: 1,
        version: "0".to_owned(),
        paper: Some(Paper::Trace),
        overloaded: true,
        full_kbit: 600.0,
        chunks_per_s: [20.0; 3],
        incomplete_why: None,
        runs: vec![SimRun {
            population: "day-x0.05".to_owned(),
            system: "layerp2p".to_owned(),
            resource_index: 0.51,
            uploaded: 0.98,
            offload: 0.9,
            peak: 3,
            digest: "00".to_owned(),
            cost: Cost {
                simulated_s: 7200.0,
                elapsed_s: 1.5,
                deliveries: 3_000,
                chunks: 2_000,
                deliveries_per_s: 2_000.0,
                speed: 4_800.0,
                threads: 1,
            },
            sessions,
            series: vec![step(1800.0), step(5400.0)],
        }],
        goals: Vec::new(),
    }
}
