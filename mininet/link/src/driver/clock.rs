use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nearcast_machine::{Span, Time};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;

/// Now, on the clock that never jumps. The machines' origin is that of `CLOCK_MONOTONIC`.
pub(super) fn now() -> Time {
    read(nix::time::ClockId::CLOCK_MONOTONIC)
}

/// Now, on the clock that capture files are dated with.
pub(super) fn wall() -> Time {
    read(nix::time::ClockId::CLOCK_REALTIME)
}

fn read(clock: nix::time::ClockId) -> Time {
    let now = clock_gettime(clock).expect("Linux always has these clocks");
    Time::ZERO + Span::from_secs(now.tv_sec() as u64) + Span::from_nanos(now.tv_nsec() as u64)
}

/// Wakes an `epoll` at a point in time. Registered edge-triggered it need not be read: setting it
/// anew forgets the last expiry.
pub(super) struct Alarm {
    timer: TimerFd,
    set_to: Option<Time>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Alarm> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Alarm { timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, set_to: None })
    }

    /// It rang: the next [`set`](Alarm::set) holds even if it is to the same time, should another
    /// processor's clock be behind the one that rang.
    pub(super) fn rang(&mut self) {
        self.set_to = None;
    }

    /// Rings at `at`, at once if that is past. An alarm that is no longer wanted is left to ring:
    /// that costs one look, and unsetting it a system call.
    pub(super) fn set(&mut self, at: Option<Time>) -> io::Result<()> {
        let Some(at) = at.filter(|_| at != self.set_to) else { return Ok(()) };
        let nanos = at.as_nanos().clamp(1, i64::MAX as u64);
        let time = TimeSpec::new((nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as i64);
        self.timer.set(Expiration::OneShot(time), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.set_to = Some(at);
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
