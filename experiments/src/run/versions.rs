use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::result::MachineFacts;
use crate::world::{find_program, find_system_program};

/// The programs that take part, with the argument that makes each say its version.
const PROGRAMS: [(&str, &str); 7] = [
    ("ffmpeg", "-version"),
    ("nginx", "-v"),
    ("ovs-vswitchd", "--version"),
    ("mn", "--version"),
    ("rtmpdump", "--help"),
    ("mplayer", "-v"),
    ("mpv", "--version"),
];
const OURS: [&str; 3] = ["nearcast-controller", "nearcast-peer", "nearcast-link"];

/// Every program's own word on its version; the kernel and this program too.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for (program, argument) in PROGRAMS {
        if let Some(path) = find_system_program(program) {
            versions.insert(program.to_owned(), first_line(&path, argument));
        }
    }
    for program in OURS {
        if let Ok(path) = find_program(program) {
            versions.insert(program.to_owned(), first_line(&path, "--version"));
        }
    }
    versions.insert("linux".to_owned(), read("/proc/sys/kernel/osrelease"));
    versions.insert("nearcast".to_owned(), own_version());
    versions
}

/// The package's version, and the commit where it runs from its repository.
fn own_version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut git = Command::new("git");
    git.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(["describe", "--always", "--dirty"]);
    match git.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            format!("{version} ({})", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => version.to_owned(),
    }
}

/// The first line that a program says with a digit in it, on stdout or stderr.
fn first_line(program: &Path, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).stdin(Stdio::null()).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().chars().take(120).collect())
}

/// What this machine is.
pub(crate) fn machine() -> MachineFacts {
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once([':', '='])?.1.trim().trim_matches('"').to_owned())
    };
    let kilobytes = after(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    MachineFacts {
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        processor: after(&read("/proc/cpuinfo"), "model name")
            .unwrap_or_else(|| "unknown".to_owned()),
        memory: kilobytes.unwrap_or(0) * 1024,
        system: after(&read("/etc/os-release"), "PRETTY_NAME")
            .unwrap_or_else(|| "unknown".to_owned()),
        kernel: read("/proc/sys/kernel/osrelease"),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether this FFmpeg sends the beginning of a file at once with `-re`, and can be told not to.
pub(crate) fn ffmpeg_bursts() -> bool {
    let output =
        Command::new("ffmpeg").args(["-hide_banner", "-h", "long"]).stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains("readrate_initial_burst")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_its_programs_are_known() {
        let machine = machine();
        assert!(
            machine.cores > 0 && machine.memory > 1 << 20 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
        let versions = versions();
        assert_eq!(versions["linux"], machine.kernel);
        assert!(versions["nearcast"].starts_with(env!("CARGO_PKG_VERSION")));
        for (program, version) in &versions {
            assert!(version.len() <= 120 || program == "nearcast", "{program}: {version}");
        }
    }
}
