//! What is asked of the kernel, and wrapped by no crate here.

use std::fs::File;
use std::io::{self, Read};
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

use crate::error::Error;

/// What nobody can guess.
pub(crate) fn entropy() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(Error::system("/dev/urandom cannot be read"))?;
    Ok(bytes)
}

/// What becomes of a datagram that the path does not take whole (`ip(7)`, IP_MTU_DISCOVER). Either
/// way the kernel learns the MTU of each path from ICMP, and routers may not fragment what fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooLong {
    /// It is an error (EMSGSIZE).
    Refused,
    /// The kernel fragments it. What it cuts apart itself then leaves as if it had no MTU to keep
    /// to: routers may fragment it.
    Fragmented,
}

/// Says what is to become of datagrams that are too long.
pub(crate) fn treat_too_long(socket: &impl AsFd, treatment: TooLong) -> io::Result<()> {
    let value: libc::c_int = match treatment {
        TooLong::Refused => libc::IP_PMTUDISC_DO,
        TooLong::Fragmented => libc::IP_PMTUDISC_WANT,
    };
    // SAFETY: the descriptor is borrowed for the call, and the pointer and length are of `value`.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread real-time priority, the lowest (`sched(7)`, SCHED_RR 1). Threads that
/// it starts afterwards have the ordinary one.
pub(crate) fn run_in_real_time() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: `priority` outlives the call; 0 is the calling thread.
    let answer = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &priority)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
