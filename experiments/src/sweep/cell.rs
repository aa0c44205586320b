//! One cell: a process of its own, and what it leaves in its folder.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::plan::{Cell, Plan, replace};
use crate::Failure;
use crate::result::{FolderError, RESULT_FILE};
use crate::simulate::{SIMULATION_FORMAT, Simulations};
use crate::world::Shutdown;

/// What a cell that failed said.
const ERROR_FILE: &str = "error.txt";
/// What a cell's process writes to its standard output and error.
const LOG_FILES: [&str; 2] = ["log.txt", "stderr.txt"];
/// How much of an error is kept.
const ERROR_MAX: u64 = 2048;
/// How long an interrupted cell has to write what there is.
const GRACE: Duration = Duration::from_secs(20);

/// Where a cell stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Its result is whole.
    Done,
    /// It ended without one, for this reason.
    Failed(String),
    /// It has not been run, or was interrupted.
    Open,
}

/// Where the cell of a folder stands.
pub(super) fn state(folder: &Path) -> State {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        incomplete_why: Option<String>,
    }
    let text = fs::read(folder.join(RESULT_FILE)).unwrap_or_default();
    // What cannot be read is not there: the cell is run again.
    let done = serde_json::from_slice(&text)
        .is_ok_and(|head: Head| head.format == SIMULATION_FORMAT && head.incomplete_why.is_none());
    match fs::read_to_string(folder.join(ERROR_FILE)) {
        _ if done => State::Done,
        Ok(why) => State::Failed(why),
        Err(_) => State::Open,
    }
}

/// The result of a cell that is done.
///
/// # Errors
/// If it is none.
pub(super) fn result(folder: &Path) -> Result<Simulations, Failure> {
    let path = folder.join(RESULT_FILE);
    let text = fs::read(&path).map_err(FolderError::io(&path))?;
    let result = serde_json::from_slice(&text);
    result.map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Runs a cell, whatever was there of it, and answers where it stands then.
///
/// # Errors
/// If its folder cannot be written or no process be started: that is no failure of the cell.
pub(super) fn run(
    program: &Path,
    plan: &Plan,
    folder: &Path,
    cell: &Cell,
    shutdown: Shutdown,
) -> Result<State, Failure> {
    let place = plan.folder(folder, cell);
    fs::create_dir_all(&place).map_err(FolderError::io(&place))?;
    // An error is that of the last time.
    let _ = fs::remove_file(place.join(ERROR_FILE));
    let open = |name: &str| {
        let path = place.join(name);
        File::create(&path).map_err(FolderError::io(&path))
    };
    let [out, err] = LOG_FILES.map(open);
    let child = Command::new(program)
        .args(plan.arguments(folder, cell))
        .stdin(Stdio::null())
        .stdout(out?)
        .stderr(err?)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let status = wait(child, shutdown)?;
    match state(&place) {
        _ if shutdown.requested() && !status.success() => Ok(State::Open),
        State::Done if status.success() => Ok(State::Done),
        _ => {
            let why = why(&place, status);
            replace(&place.join(ERROR_FILE), why.as_bytes())?;
            Ok(State::Failed(why))
        }
    }
}

/// Waits for a cell's process; once the user wants to stop, that is told to it.
fn wait(mut child: Child, shutdown: Shutdown) -> Result<ExitStatus, Failure> {
    // A terminal tells all at once, `kill` only us; twice does no harm.
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if shutdown.sleep(Duration::from_millis(50)).is_err() {
            break;
        }
    }
    let pid = Pid::from_raw(child.id() as i32);
    // One that has just ended needs no signal.
    let _ = kill(pid, Signal::SIGTERM);
    let deadline = Instant::now() + GRACE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Why a process that gave no result ended: what it called its error on standard error, or the last
/// line there, or else how it ended.
fn why(place: &Path, status: ExitStatus) -> String {
    let last = || -> Option<String> {
        let mut file = File::open(place.join(LOG_FILES[1])).ok()?;
        let from = file.metadata().ok()?.len().saturating_sub(ERROR_MAX);
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.take(ERROR_MAX).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
        let named = |line: &str| {
            let said = line.strip_prefix("nearcast: ").or(line.strip_prefix("error: "));
            said.map(str::to_owned)
        };
        let panic = || lines().find(|line| line.contains("panicked at")).map(str::to_owned);
        lines().find_map(named).or_else(panic).or_else(|| lines().next().map(str::to_owned))
    };
    match status.signal() {
        Some(signal) => format!("its process was killed by signal {signal}"),
        None => last().unwrap_or_else(|| format!("its process ended with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_result_of_this_version_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |text: &str| {
            fs::write(folder.path().join(RESULT_FILE), text).expect("written");
            state(folder.path())
        };
        assert_eq!(state(folder.path()), State::Open);
        let head =
            |format: u32, why: &str| format!("{{\"format\":{format},\"incomplete_why\":{why}}}");
        assert_eq!(with(&head(SIMULATION_FORMAT, "null")), State::Done);
        assert_eq!(with(&head(SIMULATION_FORMAT, "\"interrupted\"")), State::Open);
        assert_eq!(with(&head(SIMULATION_FORMAT + 1, "null")), State::Open);
        assert_eq!(with("{\"format\":"), State::Open);
        fs::write(folder.path().join(ERROR_FILE), "no room").expect("written");
        assert_eq!(with("{}"), State::Failed("no room".to_owned()));
    }

    #[test]
    fn a_process_without_a_word_is_told_by_how_it_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let ended = |wait: i32| why(folder.path(), ExitStatus::from_raw(wait));
        assert!(ended(9).contains("signal 9"));
        assert!(ended(3 << 8).contains('3'));
        let said = "thread 'main' panicked\n\nnearcast: lag: too long\n\n";
        fs::write(folder.path().join(LOG_FILES[1]), said).expect("written");
        assert_eq!(ended(1 << 8), "lag: too long");
        let said = "error: invalid value 'x'\n\nFor more information, try '--help'.\n";
        fs::write(folder.path().join(LOG_FILES[1]), said).expect("written");
        assert_eq!(ended(2 << 8), "invalid value 'x'");
        let said = "thread 'main' panicked at a.rs:1:2:\nwhy\nnote: run with RUST_BACKTRACE\n";
        fs::write(folder.path().join(LOG_FILES[1]), said).expect("written");
        assert!(ended(101 << 8).contains("panicked at a.rs:1:2"));
    }
}
