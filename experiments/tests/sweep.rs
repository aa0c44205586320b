//! Sweeps as a user starts them: worker processes, a job array's tasks, an interruption.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A mesh that takes a blink: twelve peers for a minute.
const SMALL: [&str; 6] =
    ["planetlab-overloaded", "--set", "peers=12", "--set", "duration=60s", "--vary=seed=1..2"];

fn sweep(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast"));
    command.arg("sweep").args(arguments).arg("--out").arg(folder).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The table's rows without what differs from one machine's minute to the next.
fn rows(folder: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join("table.csv")).expect("a table");
    let rows = reader.deserialize().map(|row| row.expect("a row"));
    rows.map(|mut row: BTreeMap<String, String>| {
        row.remove("elapsed_s");
        row
    })
    .collect()
}

/// The results of cells that there are, with what tells whether they were written again.
fn results(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let cells = fs::read_dir(folder.join("cells")).expect("cells");
    let paths = cells.map(|cell| cell.expect("a cell").path().join("result.json"));
    paths.filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect()
}

#[test]
fn what_is_done_is_kept_what_failed_is_named_and_all_is_one_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // 30 neighbours at least are more than 20 at most.
    let arguments = [&SMALL[..], &["--vary=engine.neighbours_min=4,30"]].concat();
    let output = sweep(&arguments, folder).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("4 cells: 2 done, 2 failed, 0 left"), "{told}");
    let named = "failed: seed=2 engine.neighbours_min=30: ";
    assert!(told.contains(named) && told.contains("neighbours_min is above"), "{told}");
    let failed = fs::read_to_string(folder.join("failed.csv")).expect("written");
    assert_eq!(failed.lines().filter(|line| line.contains("neighbours_min=30")).count(), 2);
    // Three systems, three groups and all of them, three layers.
    let first = rows(folder);
    assert_eq!(first.len(), 2 * 3 * 4 * 3);
    assert!(first.iter().all(|row| row["engine.neighbours_min"] == "4"));
    let parquet = fs::read(folder.join("table.parquet")).expect("written");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    // Another seed: what is there is not run again.
    let before = results(folder);
    assert_eq!(before.len(), 2);
    let more = [&SMALL[..5], &["--vary=seed=1..3", "--set=engine.neighbours_min=4"]].concat();
    let output = sweep(&more, folder).output().expect("it starts");
    assert!(output.status.success(), "{}", said(&output));
    let after = results(folder);
    assert_eq!(after.len(), 3);
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
    assert_eq!(rows(folder).len(), 3 * 3 * 4 * 3);

    // A result that is lost is made again, and is the same.
    let lost = before.keys().next().expect("two are there");
    fs::write(lost, "{").expect("it can be spoilt");
    let kept = rows(folder);
    let output = sweep(&[], folder).output().expect("it starts");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(rows(folder), kept, "the same seed is the same run");
}

#[test]
fn two_workers_of_a_job_array_do_what_one_sweep_does() {
    let [alone, shared] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let output = sweep(&SMALL, alone.path()).output().expect("it starts");
    assert!(output.status.success(), "{}", said(&output));

    let output = sweep(&[&SMALL[..], &["--slurm"]].concat(), shared.path()).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", said(&output));
    let script = shared.path().join("sweep.sbatch");
    fs::write(&script, &output.stdout).expect("written");
    let text = fs::read_to_string(&script).expect("text");
    assert!(text.contains("#SBATCH --array=0-1%2\n"), "{text}");
    let task = |id: &str| {
        let mut bash = Command::new("bash");
        bash.arg(&script).env("SLURM_ARRAY_TASK_ID", id).stdout(Stdio::null());
        bash.spawn().expect("bash starts")
    };
    let workers = ["0", "1"].map(task);
    for mut worker in workers {
        assert!(worker.wait().expect("it ends").success());
    }
    assert!(!shared.path().join("table.csv").exists(), "tasks put nothing together");
    let output = sweep(&["--collect"], shared.path()).output().expect("it starts");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(rows(shared.path()), rows(alone.path()));
}

#[test]
fn an_interrupted_sweep_keeps_what_is_done_and_leaves_nobody_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let long = [
        "planetlab-overloaded",
        "--set=peers=40",
        "--set=system=layerp2p",
        // The second cell would take minutes.
        "--vary=duration=50s,86400s",
        "--jobs=1",
    ];
    let mut child = sweep(&long, folder).stdout(Stdio::piped()).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(120);
    // The second cell has begun once there are two folders with results, the second one not whole.
    while !folder.join("cells").exists() || results(folder).len() < 2 {
        assert!(Instant::now() < deadline, "the second cell does not begin");
        assert!(child.try_wait().expect("it can be asked").is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("2 cells: 1 done, 0 failed, 1 left"), "{}", said(&output));
    assert!(rows(folder).iter().all(|row| row["duration"] == "50s"));
    let name = folder.to_str().expect("text");
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let left = lines.filter(|line| String::from_utf8_lossy(line).contains(name)).count();
    assert_eq!(left, 0, "a cell's process is left");
}

#[test]
fn what_cannot_be_swept_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("new");
    for (arguments, why) in [
        (&["planetlab-overloaded", "--vary=engine.neighbors_min=4"][..], "neighbours_min"),
        (&["planetlab-overloaded", "--vary=seed=one"], "seed=one"),
        (&["nowhere", "--vary=seed=1"], "there is no simulation `nowhere`"),
        (&["--collect"], "sweep.json"),
    ] {
        let output = sweep(arguments, &folder).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said(&output).contains(why), "{arguments:?}: {}", said(&output));
        assert!(!folder.join("cells").exists());
    }
}
