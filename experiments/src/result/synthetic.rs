//! An outcome that no run produced, for tests of what is made from outcomes. Its numbers follow the
//! formulas of an emulation without noise, so that a test knows what must come out.

use super::*;

const MS: u64 = 1_000_000;
/// A round point in time.
pub(crate) const ORIGIN: u64 = 1_700_000_000_000_000_000;

/// `compare` with fig3 in all systems and a sweep of 1 and 8 viewers.
pub(crate) fn outcome() -> Outcome {
    let mut runs: Vec<Run> = System::ALL.into_iter().map(|system| run("fig3", system, 1)).collect();
    for viewers in [1, 8] {
        runs.push(run("single", System::Direct, viewers));
        runs.push(run("single", System::Assisted, viewers));
    }
    runs.push(run("single", System::Assisted, 8));
    let mut outcome = Outcome {
        format: FORMAT,
        experiment: "compare".to_owned(),
        complete: true,
        incomplete_why: None,
        started: ORIGIN,
        took_s: 500.0,
        seed: 1,
        quick: false,
        command: "nearcast compare --seed 1".to_owned(),
        versions: [("ffmpeg".to_owned(), "5.1".to_owned())].into(),
        machine: MachineFacts {
            cores: 2,
            processor: "<synthetic>".to_owned(),
            memory: 1 << 30,
            system: "none".to_owned(),
            kernel: "0".to_owned(),
        },
        clip: Some(ClipFacts {
            recipe: "0".repeat(16),
            width: 704,
            height: 576,
            fps: 30,
            gop: 64,
            frames: 900,
            layer_bits_per_s: vec![400_000, 120_000, 100_000],
            largest_slice: 1238,
        }),
        runs,
        goals: Vec::new(),
    };
    outcome.goals = crate::measure::goals(&outcome);
    outcome
}

fn hop(from: &str, to: &str, mbit: u64, ms: u64) -> Hop {
    Hop { from: from.to_owned(), to: to.to_owned(), rate: Some(mbit * 1_000_000), delay: ms * MS }
}

fn paths(host: &str) -> Vec<Path> {
    let around = vec![
        hop("hb", "s1", 10, 8),
        hop("s1", "hs", 100, 30),
        hop("hs", "s1", 100, 30),
        hop("s1", host, 10, 8),
    ];
    let across = vec![hop("hb", "s1", 10, 8), hop("s1", host, 10, 8)];
    vec![
        Path { way: Way::Cdn, hops: around.clone() },
        Path { way: Way::Hls, hops: around },
        Path { way: Way::Switch, hops: across.clone() },
        Path { way: Way::Neighbour, hops: across },
    ]
}

fn sent(number: u64) -> Sent {
    let layer = [1, 3, 2, 3][(number % 4) as usize];
    let keyframe = number.is_multiple_of(64);
    let bytes = if keyframe { 11_000 } else { [5_000, 800, 2_000, 800][(number % 4) as usize] };
    let captured = ORIGIN + 15_000 * MS + number * 1_000_000_000 / 30;
    Sent { frame: number, unit: number + 1, layer, bytes, captured, keyframe }
}

fn viewer(index: usize, system: System) -> Viewer {
    let host = format!("hv{}", index + 1);
    let paths = paths(&host);
    let early = index == 0;
    let joined = 15_000 * MS + if early { 0 } else { index as u64 * 1_300 * MS };
    let group = joined.saturating_sub(15_000 * MS) * 30 / (64_000 * MS) * 64;
    let mut frames = Vec::new();
    for number in group..900 {
        let sent = sent(number);
        let way = match system {
            System::Direct => Way::Cdn,
            System::Hls => Way::Hls,
            System::Assisted if number < 6 => Way::Cdn,
            System::Assisted => Way::Switch,
        };
        let path = paths.iter().find(|path| path.way == way).expect("all ways have one");
        let floor =
            crate::measure::frame_floor(&path.hops, &crate::measure::packets(way, sent.bytes));
        // A wobble that repeats, of up to 5 % of the floor.
        let delay = floor + floor * (number * 7 % 11) / 220;
        let mut released = sent.captured + delay;
        if way == Way::Hls {
            released = sent.captured + 3_000 * MS - (number % 90) * 33 * MS + delay;
        }
        let before = sent.captured < ORIGIN + joined;
        let (way, released) = match (early, before) {
            (false, true) if system == System::Assisted => {
                (Way::Neighbour, ORIGIN + joined + 90 * MS)
            }
            (false, true) => continue,
            _ => (way, released),
        };
        frames.push(Frame {
            frame: number,
            unit: sent.unit,
            layer: sent.layer,
            bytes: sent.bytes,
            captured: sent.captured,
            released,
            played: (way == Way::Hls).then(|| sent.captured + 3_200 * MS),
            way,
        });
    }
    let played = crate::measure::playback(&frames);
    let switched = frames.iter().find(|frame| frame.way == Way::Switch).map(|frame| frame.released);
    Viewer {
        host,
        player: "ffmpeg".to_owned(),
        early,
        paths,
        opened: ORIGIN + joined - 20 * MS,
        requested: Some(ORIGIN + joined),
        play_accepted: Some(ORIGIN + joined + 120 * MS),
        first_frame: frames.first().map(|frame| frame.released),
        first_way: frames.first().map(|frame| frame.way),
        offered: switched.map(|at| at - 40 * MS),
        first_switched_arrival: switched.map(|at| at.min(ORIGIN + joined + 180 * MS)),
        first_switched: switched,
        join: (!early && system == System::Assisted).then_some(Join {
            started: ORIGIN + joined,
            first_decodable: Some(ORIGIN + joined + 90 * MS),
            complete: Some(ORIGIN + joined + 160 * MS),
            chunks: 90,
            bytes: 90_000,
        }),
        frames,
        changes: Vec::new(),
        stalls: played.stalls,
        lost: played.lost,
        late: played.late,
        repeated: played.repeated,
        disordered: played.disordered,
        repaired: 0,
        witness: early.then_some(Witness {
            decoded: 900,
            exact: 900,
            missing: 0,
            repeated: 0,
            differing: 0,
        }),
    }
}

fn train(from: &str, to: &str, ms: u64) -> PingTrain {
    let probe = |second: u64| Probe {
        sent: ORIGIN + second * 1_000 * MS,
        rtt: (second != 33).then_some(
            ms * MS
                + (second * 13 % 7) * 50_000
                + if (15..45).contains(&second) { 400_000 } else { 0 },
        ),
    };
    PingTrain {
        from: from.to_owned(),
        to: to.to_owned(),
        interval: 1_000 * MS,
        size: 56,
        floor: ms * MS,
        probes: (0..60).map(probe).collect(),
    }
}

fn run(scenario: &str, system: System, viewers: usize) -> Run {
    let up = match system {
        System::Assisted => 2,
        _ => 1,
    };
    let down = match system {
        System::Assisted => 0,
        _ => viewers as u64,
    };
    let link = |from: &str, to: &str, copies: u64| LinkTraffic {
        from: from.to_owned(),
        to: to.to_owned(),
        packets: copies * 2_500 + 40,
        bytes: copies * 2_400_000 + 4_000,
        dropped: 0,
        lost: 0,
    };
    let setting = |a: &str, b: &str, mbit: u64, ms: u64| LinkSetting {
        a: a.to_owned(),
        b: b.to_owned(),
        rate: Some(mbit * 1_000_000),
        delay: ms * MS,
        queue: "1000packets".to_owned(),
    };
    Run {
        scenario: scenario.to_owned(),
        title: "synthetic".to_owned(),
        system,
        complete: true,
        incomplete_why: None,
        topology: "single".to_owned(),
        links: vec![
            setting("hb", "s1", 10, 8),
            setting("hs", "s1", 100, 30),
            setting("hv1", "s1", 10, 8),
        ],
        timeline: Timeline {
            origin: ORIGIN,
            duration_s: 60.0,
            stream_from_s: 15.0,
            stream_until_s: 45.0,
            published: Some(ORIGIN + 15_000 * MS),
            ended: Some(ORIGIN + 45_000 * MS),
        },
        sent: (0..900).map(sent).collect(),
        viewers: (0..viewers).map(|index| viewer(index, system)).collect(),
        pings: vec![train("hb", "hs", 76), train("hs", "hv1", 76), train("hb", "hv1", 32)],
        truth: vec![
            LinkTruth::Rtt {
                from: "hb".to_owned(),
                to: "hv1".to_owned(),
                propagation: 32 * MS,
                rtts: (0..200).map(|n| 32 * MS + 350_000 + n * 31 % 17 * 20_000).collect(),
                lost: 0,
            },
            LinkTruth::Rate {
                from: "hb".to_owned(),
                to: "hv1".to_owned(),
                set: 10_000_000,
                carried: 9_950_000,
                bound: Some(1000),
                deepest: 1000,
                sent: 3000,
                arrived: 2100,
                dropped: 900,
            },
        ],
        traffic: vec![
            link("hb", "s1", up),
            link("s1", "hb", 0),
            link("hs", "s1", down),
            link("s1", "hs", 1),
        ],
        controller: (system == System::Assisted).then(|| ControllerRecord {
            decisions: (0..viewers).map(|n| format!("joined live/cam hv{n}")).collect(),
            messages: [("packet_in".to_owned(), 40)].into(),
        }),
        faults: Vec::new(),
        fidelity: Fidelity {
            verdict: Trust::Trusted,
            reasons: Vec::new(),
            cpu: vec![0.3; 60],
            stolen: vec![0.0; 60],
            link_late_p99: Some(90_000),
            link_late_max: Some(400_000),
            unasked_drops: Default::default(),
            clock_step: 12_000,
        },
    }
}
