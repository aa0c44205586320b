//! The CPU time of another process.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Its clock at a moment.
pub(crate) struct Reading {
    cpu: Duration,
    at: Instant,
    clock: ClockId,
}

/// CPU time within a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) time: Duration,
}

impl Reading {
    /// Of all threads of `process`, in user and in kernel mode, to the nanosecond
    /// (`clock_getcpuclockid(3)`).
    pub(crate) fn of(process: u32) -> Reading {
        let clock = clock_getcpuclockid(Pid::from_raw(process as i32)).expect("it runs");
        Reading { cpu: read(clock), at: Instant::now(), clock }
    }

    /// What was spent since `before`.
    pub(crate) fn since(&self, before: &Reading) -> Spent {
        debug_assert_eq!(self.clock, before.clock);
        Spent { cpu: self.cpu - before.cpu, time: self.at - before.at }
    }
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("it runs").into()
}

impl Spent {
    /// Of one core.
    pub(crate) fn cores(self) -> f64 {
        self.cpu.as_secs_f64() / self.time.as_secs_f64()
    }
}
