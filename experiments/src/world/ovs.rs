use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Error, registry};

const SCRIPT: &str = "/usr/share/openvswitch/scripts/ovs-ctl";
const REMEDY: &str = "apt install openvswitch-switch";

/// Where Open vSwitch forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Datapath {
    /// In the kernel, by its openvswitch module.
    Kernel,
    /// In ovs-vswitchd (`datapath_type=netdev`).
    User,
}

impl Datapath {
    /// The kernel's where there is one.
    pub fn detect() -> Datapath {
        // Loads the module where it is a file; where it is built in, or missing, this does nothing.
        let _ = quiet(Command::new("modprobe").args(["-q", "openvswitch"]));
        match quiet(Command::new("ovs-dpctl").arg("show")) {
            Ok(()) => Datapath::Kernel,
            Err(_) => Datapath::User,
        }
    }
}

/// The note that it was us who started Open vSwitch, and in which boot.
#[derive(Debug, Serialize, Deserialize)]
struct Started {
    boot: String,
}

/// Whether both of Open vSwitch's processes answer.
pub fn is_running() -> bool {
    quiet(Command::new("ovs-vsctl").args(["--timeout=3", "--no-wait", "show"])).is_ok()
        && quiet(Command::new("ovs-appctl").args(["--timeout=3", "-t", "ovs-vswitchd", "version"]))
            .is_ok()
}

/// Starts Open vSwitch unless it runs. `true` if it was started; that is noted, and `nearcast
/// clean` stops it again when no run needs it. A run leaves it running.
pub fn start() -> Result<bool, Error> {
    let lock = registry::folder()?.join("ovs.lock");
    let lock =
        fs::File::create(&lock).map_err(Error::system(format!("make {}", lock.display())))?;
    lock.lock().map_err(Error::system("take the lock of Open vSwitch"))?;
    if is_running() {
        return Ok(false);
    }

    if Path::new("/run/systemd/system").exists() {
        run(Command::new("systemctl").args(["start", "openvswitch-switch"]))?;
    } else if Path::new(SCRIPT).exists() {
        run(Command::new(SCRIPT).args(["start", "--system-id=random"]))?;
    } else {
        return Err(Error::Missing { program: "Open vSwitch".to_owned(), remedy: REMEDY });
    }
    if !is_running() {
        return Err(Error::Command {
            command: "start Open vSwitch".to_owned(),
            message: "it was started but does not answer; see /var/log/openvswitch".to_owned(),
        });
    }
    let note = serde_json::to_vec(&Started { boot: registry::boot_id()? }).expect("plain data");
    fs::write(note_path(), note).map_err(Error::system("note that Open vSwitch was started"))?;
    Ok(true)
}

/// Stops Open vSwitch if it was us who started it in this boot, and nobody has a bridge in it.
/// `true` if it was stopped.
pub fn stop_if_ours() -> Result<bool, Error> {
    let Ok(note) = fs::read(note_path()) else { return Ok(false) };
    let ours = serde_json::from_slice::<Started>(&note)
        .is_ok_and(|note| registry::boot_id().is_ok_and(|boot| boot == note.boot));
    if ours && is_running() {
        if !bridges()?.is_empty() {
            return Ok(false);
        }
        if Path::new("/run/systemd/system").exists() {
            run(Command::new("systemctl").args(["stop", "openvswitch-switch"]))?;
        } else {
            run(Command::new(SCRIPT).arg("stop"))?;
        }
    }
    fs::remove_file(note_path()).map_err(Error::system("remove the note on Open vSwitch"))?;
    Ok(ours)
}

/// The bridges there are.
pub(super) fn bridges() -> Result<Vec<String>, Error> {
    let listed = run(Command::new("ovs-vsctl").args(["--timeout=10", "list-br"]))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Removes a bridge; it is no error if there is none.
pub(super) fn remove_bridge(name: &str) -> Result<(), Error> {
    run(Command::new("ovs-vsctl").args(["--timeout=10", "--if-exists", "del-br", name])).map(drop)
}

/// Runs a command of the system's to its end; what it said on stdout, or on stderr if it failed.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { program: name.clone(), remedy: REMEDY },
        _ => Error::System { what: format!("run {name}"), source },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    Err(Error::Command {
        command: format!("{name} {}", arguments.join(" ")),
        message: match String::from_utf8_lossy(&output.stderr).trim() {
            "" => output.status.to_string(),
            said => said.to_owned(),
        },
    })
}

fn quiet(command: &mut Command) -> Result<(), Error> {
    run(command).map(drop)
}

fn note_path() -> PathBuf {
    Path::new(registry::RUN_FOLDER).join("ovs.json")
}
