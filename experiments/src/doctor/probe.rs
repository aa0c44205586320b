//! Questions to the machine that are answered by trying.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sched::{CloneFlags, unshare};

use crate::world::find_system_program;

/// What a program says, on stdout and stderr; `None` if there is no such program or it fails.
pub(super) fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(find_system_program(program)?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    Some(text)
}

/// The first number with a dot in what a program says to `argument`, which is its version; its path
/// if it says none, or is not asked (`argument` is empty).
pub(super) fn version(program: &str, argument: &str) -> Option<String> {
    let path = find_system_program(program)?;
    let text = match argument {
        "" => String::new(),
        argument => says(program, &[argument]).unwrap_or_default(),
    };
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let mut words = text.split(|c: char| !is_part(c)).map(|word| word.trim_matches('.'));
    let version = words.find(|word| word.contains('.'));
    Some(version.map_or_else(|| path.display().to_string(), str::to_owned))
}

/// Whether TAP devices can be made.
pub(super) fn tun() -> io::Result<()> {
    File::options().read(true).write(true).open("/dev/net/tun").map(drop)
}

/// Whether the kernel has netem, tried on the loopback device of a namespace that exists for this.
pub(super) fn netem() -> bool {
    let attempt = || {
        unshare(CloneFlags::CLONE_NEWNET).is_ok()
            && says("tc", &["qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]).is_some()
    };
    // The namespace ends with the thread, as nothing else is in it.
    std::thread::spawn(attempt).join().unwrap_or(false)
}

/// Whether a thread may be scheduled in real time.
pub(super) fn realtime() -> bool {
    let attempt = || {
        let parameters = libc::sched_param { sched_priority: 1 };
        // SAFETY: 0 is the calling thread, which ends right after.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) == 0 }
    };
    std::thread::spawn(attempt).join().unwrap_or(false)
}

/// A figure of `/proc/meminfo`, in bytes.
pub(super) fn memory(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Bytes that this user may still write to the file system of the working folder.
pub(super) fn disk() -> Option<u64> {
    let figures = nix::sys::statvfs::statvfs(".").ok()?;
    Some(figures.blocks_available() as u64 * figures.fragment_size() as u64)
}
