use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::registry::{self, Entry, Identity, RUN_FOLDER, RUN_VARIABLE, Stat};
use super::{Error, ovs};

/// How long a process may take to be gone after KILL.
const GONE: Duration = Duration::from_secs(10);

/// What was removed because a run had left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Processes, with what they were running.
    pub processes: Vec<(i32, String)>,
    /// Bridges of Open vSwitch.
    pub bridges: Vec<String>,
    /// Network interfaces.
    pub interfaces: Vec<String>,
    /// Folders.
    pub folders: Vec<PathBuf>,
}

impl Removed {
    /// Whether there was nothing.
    pub fn is_empty(&self) -> bool {
        *self == Removed::default()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pid, program) in &self.processes {
            writeln!(f, "  process {pid} ({program})")?;
        }
        for bridge in &self.bridges {
            writeln!(f, "  bridge {bridge}")?;
        }
        for interface in &self.interfaces {
            writeln!(f, "  interface {interface}")?;
        }
        for folder in &self.folders {
            writeln!(f, "  folder {}", folder.display())?;
        }
        Ok(())
    }
}

/// Removes what `entry` notes and is still there, then its file at `path`. The caller has made sure
/// that the run is dead, or is to be ended.
///
/// # Errors
/// At the first thing that cannot be removed; the file is kept, so that another try can be made.
pub fn sweep(path: &Path, entry: &Entry) -> Result<Removed, Error> {
    let removed = remove_all(entry)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system(format!("remove {}", path.display()))(error))
        }
        _ => Ok(removed),
    }
}

/// Like [`sweep`], for a run that may still be going on: its own process is asked to end (TERM),
/// which makes it take its world down, and after a while is killed.
pub fn end(path: &Path, entry: &Entry) -> Result<Removed, Error> {
    let owner = Pid::from_raw(entry.owner.pid);
    for (signal, patience) in [(Signal::SIGTERM, 15), (Signal::SIGKILL, 5)] {
        let deadline = Instant::now() + Duration::from_secs(patience);
        if entry.is_live() {
            kill(owner, signal)
                .map_err(Error::system(format!("end process {}", entry.owner.pid)))?;
        }
        while entry.is_live() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    sweep(path, entry)
}

pub(super) fn remove_all(entry: &Entry) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    if registry::boot_id()? == entry.boot {
        removed.processes = end_processes(entry)?;
        removed.interfaces = remove_interfaces(entry)?;
    }
    // Open vSwitch remembers bridges beyond a boot.
    if ovs::is_running() {
        let there = ovs::bridges()?;
        for bridge in entry.bridges.iter().filter(|bridge| there.contains(bridge)) {
            ovs::remove_bridge(bridge)?;
            removed.bridges.push(bridge.clone());
        }
    }
    for folder in &entry.folders {
        // A record is a file of root's, and yet nothing outside is ever removed on its word.
        let inside = folder.strip_prefix(RUN_FOLDER).is_ok_and(|rest| rest.iter().count() == 1);
        if inside && !folder.ends_with("..") && folder.is_dir() {
            fs::remove_dir_all(folder)
                .map_err(Error::system(format!("remove {}", folder.display())))?;
            removed.folders.push(folder.clone());
        }
    }
    Ok(removed)
}

/// Kills the run's processes and waits until they are gone.
fn end_processes(entry: &Entry) -> Result<Vec<(i32, String)>, Error> {
    let mut ended: Vec<(i32, String)> = Vec::new();
    let deadline = Instant::now() + GONE;
    loop {
        // Again and again, as one may start another just before it is killed.
        let there = processes_of(entry)?;
        if there.is_empty() {
            return Ok(ended);
        }
        if Instant::now() > deadline {
            let what = format!("processes {there:?} are not gone after KILL");
            return Err(Error::Late { what, seconds: GONE.as_secs() });
        }
        for identity in there {
            let program = fs::read_to_string(format!("/proc/{}/comm", identity.pid));
            match kill(Pid::from_raw(identity.pid), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => {
                    return Err(Error::system(format!("kill process {}", identity.pid))(error));
                }
            }
            if !ended.iter().any(|(pid, _)| *pid == identity.pid) {
                ended.push((identity.pid, program.unwrap_or_default().trim().to_owned()));
            }
        }
        // There is no event for the end of a process that is not one's own child, short of a pidfd
        // for each; they are gone in a millisecond or two.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The run's living processes, without the one that is asking. A process is the run's if it is one
/// it noted, or carries the run's variable, or is in a noted process group and in a noted network
/// namespace (nginx's workers overwrite their environment).
fn processes_of(entry: &Entry) -> Result<Vec<Identity>, Error> {
    let own = std::process::id() as i32;
    let marker = format!("{RUN_VARIABLE}={}", entry.run);
    let listing = fs::read_dir("/proc").map_err(Error::system("list /proc"))?;
    let pids = listing.filter_map(|item| item.ok()?.file_name().to_str()?.parse::<i32>().ok());

    let mut found = Vec::new();
    for pid in pids.filter(|pid| *pid != own) {
        let Some(stat) = Stat::read(pid).filter(|stat| !stat.is_zombie) else { continue };
        let identity = Identity { pid, started: stat.started };
        // What is younger than the record is not thereby its own, but what is older never is.
        if stat.started < entry.owner.started {
            continue;
        }
        let noted = entry.processes.contains(&identity);
        let marked = || {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        };
        let left_behind = || {
            let in_group = entry.processes.iter().any(|leader| leader.pid == stat.group);
            let namespace = fs::metadata(format!("/proc/{pid}/ns/net")).map(|ns| ns.ino());
            in_group && namespace.is_ok_and(|inode| entry.namespaces.contains(&inode))
        };
        if noted || marked() || left_behind() {
            found.push(identity);
        }
    }
    Ok(found)
}

/// Interfaces outlive the processes that they belonged to only if they are veth ends, or if their
/// owner could not be killed.
fn remove_interfaces(entry: &Entry) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for name in &entry.interfaces {
        if if_nametoindex(name.as_str()).is_err() {
            continue;
        }
        match ovs::run(Command::new("ip").args(["link", "delete", "dev", name])) {
            Ok(_) => removed.push(name.clone()),
            // It went by itself meanwhile, with its other end.
            Err(_) if if_nametoindex(name.as_str()).is_err() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
