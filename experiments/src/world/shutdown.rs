use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::Error;

/// Whether the user wants to stop: a flag that SIGINT and SIGTERM raise, and that every long wait
/// watches. There is one per process; the value is a handle to it.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    wake: BorrowedFd<'static>,
}

/// The user wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Never read from, so that once written to it wakes every wait there will ever be.
static WAKE: OnceLock<EventFd> = OnceLock::new();
static WAKE_FD: AtomicI32 = AtomicI32::new(-1);
const SIGNALS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

impl Shutdown {
    /// From here on SIGINT and SIGTERM raise the flag instead of ending the process. Calling it
    /// again gives another handle.
    pub fn install() -> Result<Shutdown, Error> {
        let shutdown = Shutdown::handle()?;
        let action =
            SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
        for signal in SIGNALS {
            // SAFETY: the handler only stores to an atomic and calls write(2).
            unsafe { sigaction(signal, &action) }.map_err(Error::system("handle signals"))?;
        }
        Ok(shutdown)
    }

    /// The flag without signals: only [`request`](Shutdown::request) raises it.
    pub fn handle() -> Result<Shutdown, Error> {
        if WAKE.get().is_none() {
            let made = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
            let made = made.map_err(Error::system("make an eventfd"))?;
            // If another thread was first, its descriptor is the one, and ours is closed here.
            let _ = WAKE.set(made);
        }
        let wake = WAKE.get().expect("it was set above").as_fd();
        WAKE_FD.store(wake.as_raw_fd(), Ordering::Release);
        Ok(Shutdown { wake })
    }

    /// Whether the flag is up.
    pub fn requested(self) -> bool {
        REQUESTED.load(Ordering::Acquire)
    }

    /// `Err` if the flag is up: for the steps of a long piece of work.
    pub fn check(self) -> Result<(), Interrupted> {
        if self.requested() { Err(Interrupted) } else { Ok(()) }
    }

    /// Raises the flag.
    pub fn request(self) {
        raise();
    }

    /// Sleeps, but not beyond the flag.
    pub fn sleep(self, duration: Duration) -> Result<(), Interrupted> {
        self.sleep_until(Instant::now() + duration)
    }

    /// Sleeps, but not beyond the flag.
    pub fn sleep_until(self, deadline: Instant) -> Result<(), Interrupted> {
        loop {
            self.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            wait_readable(&[self.wake], left);
        }
    }

    /// Asks `condition` every `interval` until it gives something, the flag is up, or `limit` is
    /// over, which gives `None`.
    pub fn wait_for<T>(
        self,
        limit: Duration,
        interval: Duration,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, Interrupted> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = condition() {
                return Ok(Some(found));
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            self.sleep_until(deadline.min(now + interval))?;
        }
    }

    /// The descriptor that becomes readable with the flag, for polling beside others. Do not read
    /// it.
    pub fn descriptor(self) -> BorrowedFd<'static> {
        self.wake
    }
}

/// Waits until one of `descriptors` is readable or `limit` is over, and says whether one is; may
/// return early.
pub(super) fn wait_readable(descriptors: &[BorrowedFd<'_>], limit: Duration) -> bool {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // Rounded up, so that the last millisecond is not spent in a busy loop.
    let millis = limit.as_nanos().div_ceil(1_000_000).min(60_000) as u16;
    match poll(&mut polled, PollTimeout::from(millis)) {
        Ok(ready) => ready > 0,
        Err(Errno::EINTR) => false,
        Err(error) => panic!("poll refuses descriptors that are open: {error}"),
    }
}

/// While it exists, programs that are started do not see the terminal's Ctrl-C: the ones that take
/// the world down must not be interrupted by an impatient second one.
#[derive(Debug)]
pub(super) struct Shield {
    before: Vec<(Signal, SigAction)>,
}

impl Shield {
    pub(super) fn raise() -> Shield {
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: ignoring a signal runs no code of ours.
        let replace = |signal| unsafe { sigaction(signal, &ignore) };
        let before = SIGNALS.into_iter().filter_map(|s| Some((s, replace(s).ok()?))).collect();
        Shield { before }
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        for (signal, action) in &self.before {
            // SAFETY: puts back what was there.
            let _ = unsafe { sigaction(*signal, action) };
        }
    }
}

extern "C" fn on_signal(_: libc::c_int) {
    let errno = Errno::last_raw();
    raise();
    Errno::set_raw(errno);
}

/// Async-signal-safe.
fn raise() {
    REQUESTED.store(true, Ordering::Release);
    let fd = WAKE_FD.load(Ordering::Acquire);
    if fd >= 0 {
        let one = 1u64.to_ne_bytes();
        // SAFETY: an eventfd that is never closed, and eight bytes that exist.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }
}
