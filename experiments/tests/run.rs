//! Whole runs with the real programs: FFmpeg, nginx-rtmp, Open vSwitch, Mininet, and ours. They
//! need root, and skip themselves without.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nearcast::result::{Outcome, System, Way, load, schema};
use nearcast::world::RUN_FOLDER;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Whether this test can run; `make test` sets `NEARCAST_TESTS=all`, and then it must.
fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "this test needs root");
        eprintln!("skipped: needs root");
    }
    is_root
}

fn nearcast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast"));
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    nearcast().args(arguments).arg("--out").arg(folder).output().expect("it starts")
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn a_quick_comparison_is_whole_fits_the_schema_and_can_be_reported_again() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let output = run(&["run", "fig3", "--quick", "--systems", "direct,assisted"], folder);
    assert!(output.status.success(), "{}", said(&output));

    let text = fs::read_to_string(folder.join("result.json")).expect("a result");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let schema = serde_json::to_value(schema()).expect("plain data");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut broken = value.clone();
    broken["runs"][0]["viewers"][0]["frames"][0]["released"] = "soon".into();
    assert!(!validator.is_valid(&broken), "a frame that was released `soon` fits");

    let outcome: Outcome = load(folder).expect("it is read");
    assert!(outcome.complete && outcome.runs.len() == 2, "{:?}", outcome.incomplete_why);
    let median = |system: System| {
        let run = outcome.runs.iter().find(|run| run.system == system).expect("it was run");
        let viewer = run.viewers.first().expect("one viewer");
        assert_eq!(run.sent.len(), 300, "ten seconds at 30 frames/s");
        assert_eq!((viewer.lost, viewer.repeated, viewer.disordered), (0, 0, 0), "{system:?}");
        let witness = viewer.witness.as_ref().expect("FFmpeg looked");
        assert!(witness.exact >= 290 && witness.exact == witness.decoded, "{witness:?}");
        let mut delays: Vec<u64> = viewer.settled().iter().map(|frame| frame.delay()).collect();
        delays.sort_unstable();
        delays[delays.len() / 2]
    };
    // Physics: 76 ms by the CDN, 16 ms by the switch.
    let (direct, assisted) = (median(System::Direct), median(System::Assisted));
    assert!(direct > 76_000_000 && assisted > 16_000_000, "{direct} {assisted}");
    assert!(assisted * 2 < direct, "{assisted} ns by the switch, {direct} ns directly");
    let switched =
        outcome.runs[1].viewers[0].settled().iter().filter(|f| f.way == Way::Switch).count();
    assert!(switched > 200, "{switched} frames by the switch");
    assert!(outcome.runs.iter().all(|run| run.pings.iter().all(|train| train.probes.len() == 20)));

    fs::remove_file(folder.join("report.html")).expect("there was a report");
    let again = nearcast().arg("report").arg(folder).output().expect("it starts");
    assert!(again.status.success(), "{}", said(&again));
    assert!(folder.join("report.html").exists());
}

#[test]
fn ctrl_c_keeps_what_there_is_and_leaves_nothing_behind() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = nearcast()
        .args(["run", "fig3", "--quick", "--systems", "assisted", "--out"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pid = Pid::from_raw(child.id() as i32);
    let stderr = child.stderr.take().expect("a pipe");
    for line in BufReader::new(stderr).lines() {
        if line.expect("text").ends_with(": streaming") {
            kill(pid, Signal::SIGINT).expect("signalled");
        }
    }
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    let outcome: Outcome = load(folder.path()).expect("a result");
    assert!(!outcome.complete);
    assert!(outcome.incomplete_why.is_some_and(|why| why.contains("interrupted")));
    let run = outcome.runs.first().expect("what there is of the run");
    assert!(!run.complete && !run.truth.is_empty() && !run.pings.is_empty());
    assert!(folder.path().join("report.html").exists());
    let noted = fs::read_dir(RUN_FOLDER).into_iter().flatten().filter_map(|item| item.ok());
    let ours =
        noted.filter(|item| item.file_name().to_string_lossy().contains(&format!("-{pid}-")));
    assert_eq!(ours.count(), 0, "the run has left something in {RUN_FOLDER}");
    // Every process of a run has the run's name in its environment.
    let processes = fs::read_dir("/proc").expect("a listing").filter_map(|item| item.ok());
    let environments = processes.filter_map(|item| fs::read(item.path().join("environ")).ok());
    let mark = format!("-{pid}-");
    let left = environments.filter(|text| {
        let text = String::from_utf8_lossy(text);
        text.split('\0').any(|line| line.starts_with("NEARCAST_RUN=") && line.contains(&mark))
    });
    assert_eq!(left.count(), 0, "processes of the run are left");
}

#[test]
fn a_disk_that_is_full_is_said_before_anything_is_built() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mount = |arguments: &[&str]| {
        let done = Command::new(arguments[0]).args(&arguments[1..]).arg(folder.path()).status();
        assert!(done.expect("it starts").success(), "{arguments:?}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=4k", "nearcast-test"]);
    let filled = fs::write(folder.path().join("filler"), [0; 4096]);
    let output = run(&["run", "fig3", "--quick"], folder.path());
    mount(&["umount"]);
    filled.expect("one page fits");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("No space left") && said.contains("--out"), "{said}");
}

#[test]
fn what_cannot_be_run_is_said_in_a_line() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("mine.toml");
    let fig3 = include_str!("../scenarios/fig3.toml");
    fs::write(&scenario, fig3.replace("\"60s\"", "\"60 parsecs\"")).expect("written");
    for (experiment, expected) in [
        ("fig4", "there are fig2, fig3"),
        (scenario.to_str().expect("a path"), "duration: `60 parsecs`"),
    ] {
        let output = run(&["run", experiment], &folder.path().join("out"));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().count() == 1 && said.contains(expected), "{said}");
    }
}

#[test]
fn pings_are_those_of_the_links() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words =
        ["ping", "single", "--pairs", "hb-hv1,hb-hs", "--interval", "20ms", "--count", "50"];
    let output = run(&words, folder.path());
    assert!(output.status.success(), "{}", said(&output));
    let text = fs::read(folder.path().join("pings.json")).expect("written");
    let trains: Vec<nearcast::result::PingTrain> = serde_json::from_slice(&text).expect("trains");
    // By arithmetic: 2 x (8 + 8) ms, and 2 x (8 + 30) ms.
    for (train, floor) in trains.iter().zip([32_000_000, 76_000_000]) {
        let mut rtts: Vec<u64> = train.probes.iter().filter_map(|probe| probe.rtt).collect();
        rtts.sort_unstable();
        assert_eq!(rtts.len(), 50, "{} - {}: some were lost", train.from, train.to);
        let median = rtts[rtts.len() / 2];
        assert!((floor..floor + 2_000_000).contains(&median), "{median} ns");
    }
    for file in ["histogram.svg", "histogram.png", "pings.svg", "pings.png"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

#[test]
fn pings_under_a_stream_are_answered() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words =
        ["ping", "single", "--pairs", "hb-hv1", "--interval", "50ms", "--count", "60", "--stream"];
    let output = run(&words, folder.path());
    assert!(output.status.success(), "{}", said(&output));
    let text = fs::read(folder.path().join("pings.json")).expect("written");
    let trains: Vec<nearcast::result::PingTrain> = serde_json::from_slice(&text).expect("trains");
    let [train] = trains.as_slice() else { panic!("{} trains", trains.len()) };
    let rtts: Vec<u64> = train.probes.iter().filter_map(|probe| probe.rtt).collect();
    assert_eq!((train.probes.len(), rtts.len()), (60, 60), "some were lost");
    // The stream's chunks of 1250 bytes are before a ping now and then, which idle it never waits
    // for.
    assert!(rtts.iter().all(|rtt| *rtt >= 32_000_000), "{rtts:?}");
    assert!(rtts.iter().any(|rtt| *rtt >= 33_000_000), "no ping met the stream: {rtts:?}");
}

#[test]
fn no_frame_is_lost_when_a_peering_breaks() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&["run", "fallback", "--quick"], folder.path());
    assert!(output.status.success(), "{}", said(&output));
    let outcome: Outcome = load(folder.path()).expect("a result");
    assert_eq!(outcome.runs.len(), 4, "flow entries, group, datagrams, controller");
    for run in &outcome.runs {
        let [fault] = run.faults.as_slice() else { panic!("one fault each: {:?}", run.faults) };
        for viewer in &run.viewers {
            let tally = (viewer.lost, viewer.repeated, viewer.disordered);
            assert_eq!(tally, (0, 0, 0), "{fault:?}, {}", viewer.host);
            let carried = viewer.frames.iter().filter(|frame| frame.way == Way::Switch).count();
            assert!(carried > 0, "{fault:?}, {}: there was no peering to break", viewer.host);
        }
    }
}

#[test]
fn a_program_that_is_missing_is_named_before_anything_is_built() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // In a mount namespace of its own, FFmpeg's place holds something that is no program.
    let hidden = Command::new("unshare")
        .args([
            "--mount",
            "sh",
            "-c",
            "mount --bind /dev/null \"$(command -v ffmpeg)\" && exec \"$@\"",
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_nearcast"))
        .args(["run", "fig3", "--quick", "--out"])
        .arg(folder.path())
        .output()
        .expect("it starts");
    let said = said(&hidden);
    assert_eq!(hidden.status.code(), Some(1), "{said}");
    assert_eq!(said.trim(), "nearcast: not installed: ffmpeg; apt install ffmpeg");
}
