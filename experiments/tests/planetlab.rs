//! The mesh in Mininet with the real programs, small and short. It needs root, and skips itself
//! without.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nearcast::planetlab::{Flavour, MeshOutcome, MeshRun, schema};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Whether this test can run; `make test` sets `NEARCAST_TESTS=all`, and then it must.
fn can_run() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    let x264 = Command::new("x264").arg("--version").stdout(Stdio::null()).status();
    let can = is_root && x264.is_ok_and(|status| status.success());
    if !can {
        assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "this test needs root and x264");
        eprintln!("skipped: needs root and x264");
    }
    can
}

fn nearcast(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast"));
    command.stdin(Stdio::null()).args(arguments).arg("--out").arg(folder);
    command
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn outcome(folder: &Path) -> MeshOutcome {
    let text = fs::read_to_string(folder.join("result.json")).expect("a result");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let schema = serde_json::to_value(schema()).expect("plain data");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    serde_json::from_value(value).expect("an outcome")
}

/// The part of chunks of all layers that came to these peers of a run in its second half.
fn part(run: &MeshRun, grouped: bool) -> f64 {
    let (mut due, mut played) = (0, 0);
    for peer in run.peers.iter().filter(|peer| peer.group.is_some() == grouped) {
        let half = peer.series.len() / 2;
        let (from, to) = (peer.series[half], peer.series[peer.series.len() - 1]);
        due += to.due.iter().sum::<u64>() - from.due.iter().sum::<u64>();
        played += to.played.iter().sum::<u64>() - from.played.iter().sum::<u64>();
    }
    assert!(due > 100, "{due} chunks were due");
    played as f64 / due as f64
}

#[test]
fn eight_peers_play_some_by_the_mesh_and_some_with_the_switchs_help() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let words = ["--quick", "--duration", "20s", "--system", "layerp2p+switch"];
    let words = [&["run", "planetlab-underloaded"], &words[..]].concat();
    let output = nearcast(&words, folder).output().expect("it starts");
    assert!(output.status.success(), "{}", said(&output));
    let outcome = outcome(folder);
    assert_eq!(outcome.incomplete_why, None);
    let [run] = &outcome.runs[..] else { panic!("{} runs", outcome.runs.len()) };
    assert_eq!((run.system, run.peers.len()), (Flavour::Switched, 8));
    assert!(run.peers.iter().all(|peer| peer.disordered == 0 && peer.pictures > 0));
    assert!(run.seed_bytes > 100_000 && run.cpu["peers"] > 0.0, "{:?}", run.cpu);
    assert!(part(run, false) > 0.5, "{} of the mesh's chunks", part(run, false));
    // The groups get what the broadcaster sent once, whatever the mesh has.
    let grouped: Vec<f64> = run.peers.iter().filter_map(|peer| peer.by_switch).collect();
    assert!(grouped.len() == 2 && grouped.iter().all(|part| *part > 0.5), "{grouped:?}");
    assert!(part(run, true) > 0.9, "{} of the groups' chunks", part(run, true));
    let judged: Vec<_> = run.peers.iter().filter_map(|peer| peer.quality).collect();
    assert_eq!(judged.len(), 2, "one of each class");
    assert!(judged.iter().all(|quality| quality.pictures > 100), "{judged:?}");
    for file in ["report.html", "csv/peers.csv", "figures/ratios.svg", "figures/quality.png"] {
        assert!(folder.join(file).exists(), "{file}");
    }
}

#[test]
fn ctrl_c_keeps_what_there_is_of_a_mesh() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["run", "planetlab-overloaded", "--quick", "--systems", "single-layer"];
    let mut child = nearcast(&words, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pid = Pid::from_raw(child.id() as i32);
    let stderr = child.stderr.take().expect("a pipe");
    for line in BufReader::new(stderr).lines() {
        if line.expect("text").contains("8 of 8 peers") {
            kill(pid, Signal::SIGINT).expect("signalled");
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let outcome = outcome(folder.path());
    assert!(outcome.incomplete_why.is_some_and(|why| why.contains("interrupted")));
    assert_eq!(outcome.runs.len(), 1);
    assert_eq!(outcome.runs[0].peers.len(), 8, "who had joined is in it");
    assert!(folder.path().join("report.html").exists());
}

#[test]
fn what_belongs_to_the_other_kind_of_experiment_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (words, hint) in [
        (&["run", "fig3", "--peers", "4"][..], "planetlab-overloaded"),
        (&["run", "planetlab-overloaded", "--viewers", "4"], "--peers"),
        (&["run", "planetlab-overloaded", "--systems", "direct"], "layerp2p+switch"),
        (&["run", "planetlab-overloaded", "--duration", "1s"], "duration: 20s"),
    ] {
        let output = nearcast(words, folder.path()).output().expect("it starts");
        assert!(!output.status.success());
        assert!(said(&output).contains(hint), "{words:?} says: {}", said(&output));
    }
}
