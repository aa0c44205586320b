//! What the process asks of the machine it runs on, once, at its start.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};

use nearcast_machine::Span;
use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_timerslack;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;

use super::error::DriverError;
use super::tap;

/// Whether to ask for real-time scheduling, and for processors that wake at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Realtime {
    /// If the kernel grants it.
    #[default]
    Auto,
    /// Or not start at all.
    On,
    /// Not even if it would be granted.
    Off,
}

/// Above every ordinary process, below the kernel's own interrupt threads (50).
const PRIORITY: libc::c_int = 10;

/// CAP_NET_ADMIN's bit (linux/capability.h).
const CAP_NET_ADMIN: u32 = 12;

/// Checks that TAP devices can be made.
pub(super) fn check_privileges() -> Result<(), DriverError> {
    match OpenOptions::new().read(true).write(true).open(tap::DEVICE) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(DriverError::Unprivileged);
        }
        Err(_) => return Err(DriverError::NoTun),
    }
    // proc_pid_status(5): CapEff is a hexadecimal mask of the effective capabilities. Where /proc
    // is not mounted, making the first link will tell.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    if mask >> CAP_NET_ADMIN & 1 == 0 {
        return Err(DriverError::Unprivileged);
    }
    Ok(())
}

/// Makes the calling thread wake on time: real-time scheduling, no timer slack, no page-outs of the
/// program. Whether it is scheduled in real time now.
pub(super) fn keep_time(wanted: Realtime) -> Result<bool, DriverError> {
    // Both are improvements that a run can do without; their effect shows in the timing figures.
    let _ = set_timerslack(1);
    let _ = mlockall(MlockAllFlags::MCL_CURRENT);
    if wanted == Realtime::Off {
        return Ok(false);
    }
    let priority = libc::sched_param { sched_priority: PRIORITY };
    // Threads that write capture files are not to inherit it.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameter is a valid sched_param.
    let result = Errno::result(unsafe { libc::sched_setscheduler(0, policy, &priority) });
    match result {
        Ok(_) => Ok(true),
        Err(errno) if wanted == Realtime::On => Err(DriverError::Realtime(errno)),
        Err(_) => Ok(false),
    }
}

/// Keeps the machine's processors from sleeping deeper than they wake at once, until what is
/// returned is dropped (Documentation/power/pm_qos_interface.rst). A packet wakes a processor some
/// ten times on its way there and back, and a virtual one that the host has put to sleep takes 0.1
/// ms each time.
pub(super) fn stay_awake(wanted: Realtime) -> Option<File> {
    if wanted == Realtime::Off {
        return None;
    }
    // A container may have no such device; the timing figures show it.
    let mut request = OpenOptions::new().write(true).open("/dev/cpu_dma_latency").ok()?;
    let microseconds = 0_i32;
    request.write_all(&microseconds.to_ne_bytes()).ok()?;
    Some(request)
}

/// Allows as many descriptors as the administrator does: each link takes two.
pub(super) fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it is refused, the link that is one too many says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Becomes readable when the parent process ends. (PR_SET_PDEATHSIG would fire when the *thread*
/// that started this process ends, which a thread pool does at any time.)
pub(super) fn watch_parent() -> Result<OwnedFd, DriverError> {
    let parent = nix::unistd::getppid();
    // SAFETY: pidfd_open takes two integers and returns a new descriptor or an error.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, parent.as_raw(), 0) })
        .map_err(DriverError::system("watch the parent process"))?;
    // SAFETY: the kernel just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// CPU time used by this process so far: in user space, and in the kernel.
pub(super) fn cpu_time() -> (Span, Span) {
    let span = |time: TimeVal| {
        Span::from_secs(time.tv_sec() as u64) + Span::from_micros(time.tv_usec() as u64)
    };
    getrusage(UsageWho::RUSAGE_SELF)
        .map(|usage| (span(usage.user_time()), span(usage.system_time())))
        .unwrap_or_default()
}
