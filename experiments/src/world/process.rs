use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getppid};

use super::Error;
use super::namespace::Namespace;
use super::shutdown::{Shutdown, wait_readable};

/// How long a process has to end after TERM.
const GRACE: Duration = Duration::from_secs(2);

/// A process of the world, in a process group of its own. It ends with the world at the latest, and
/// with nearcast itself however that ends. Clones are handles to the same process.
#[derive(Clone)]
pub struct Process {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    pid: u32,
    stdout: PathBuf,
    stderr: PathBuf,
    /// Becomes readable when the process ends.
    ended: OwnedFd,
    child: Mutex<Child>,
}

impl Process {
    /// What it was called when it was started; its log files are called so too.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its number, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// Where its standard output goes.
    pub fn stdout(&self) -> &Path {
        &self.shared.stdout
    }

    /// Where its standard error goes.
    pub fn stderr(&self) -> &Path {
        &self.shared.stderr
    }

    /// The end of its standard error, at most `limit` bytes: what to show when it failed.
    pub fn last_words(&self, limit: u64) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.stderr())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
            let mut text = Vec::new();
            file.take(limit).read_to_end(&mut text)?;
            Ok(text)
        };
        read().map(|text| String::from_utf8_lossy(&text).trim().to_owned()).unwrap_or_default()
    }

    /// How it ended; `None` while it runs.
    pub fn status(&self) -> Result<Option<ExitStatus>, Error> {
        self.child().try_wait().map_err(Error::system(format!("look after {}", self.name())))
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        matches!(self.status(), Ok(None))
    }

    /// Waits until it ends, `limit` at most; `None` if it still runs then.
    pub fn wait(&self, limit: Duration) -> Result<Option<ExitStatus>, Error> {
        self.wait_until_ended(Instant::now() + limit);
        self.status()
    }

    /// Like [`wait`](Process::wait), but not beyond the flag of `shutdown`.
    pub fn wait_unless(
        &self,
        shutdown: Shutdown,
        limit: Duration,
    ) -> Result<Option<ExitStatus>, Error> {
        let deadline = Instant::now() + limit;
        loop {
            shutdown.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = wait_readable(&[self.descriptor(), shutdown.descriptor()], left);
            if (woken && !shutdown.requested()) || left.is_zero() {
                return self.status();
            }
        }
    }

    /// The descriptor that becomes readable when it ends, for polling beside others.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.ended.as_fd()
    }

    /// Sends `signal` to its whole process group, if it still runs.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        // The lock keeps it from being reaped meanwhile, so the number is still its own.
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            killpg(Pid::from_raw(self.pid() as i32), signal)
                .map_err(Error::system(format!("signal {}", self.name())))?;
        }
        Ok(())
    }

    /// TERM, two seconds of grace, KILL; returns how it ended.
    pub fn stop(&self) -> Result<ExitStatus, Error> {
        stop_all(std::slice::from_ref(self))?;
        let status = self.child().wait();
        status.map_err(Error::system(format!("wait for {}", self.name())))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.shared.child.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn wait_until_ended(&self, deadline: Instant) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if wait_readable(&[self.descriptor()], left) || left.is_zero() {
                return;
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.pid())
    }
}

/// Stops all of them, with one grace for all together. Goes on after a failure, and returns the
/// first.
pub(super) fn stop_all(processes: &[Process]) -> Result<(), Error> {
    let asked: Vec<_> = processes.iter().map(|it| it.signal(Signal::SIGTERM)).collect();
    let deadline = Instant::now() + GRACE;
    let ended = processes.iter().map(|process| {
        process.wait_until_ended(deadline);
        // While its leader is not reaped the group keeps its number, so this reaches what the
        // leader left behind and nobody else.
        let mut child = process.child();
        if !is_reaped(&child) {
            let _ = killpg(Pid::from_raw(process.pid() as i32), Signal::SIGKILL);
        }
        child.wait().map(drop).map_err(Error::system(format!("wait for {}", process.name())))
    });
    let ended: Vec<_> = ended.collect();
    asked.into_iter().chain(ended).collect()
}

/// The thread that starts processes. A child's parent-death signal follows the *thread* that
/// started it (prctl(2), PR_SET_PDEATHSIG), so that thread has to live as long as the world.
pub(super) struct Spawner {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

struct Order {
    command: Command,
    answer: mpsc::SyncSender<io::Result<Child>>,
}

/// How a process is started.
pub(super) struct Launch<'a> {
    pub(super) name: &'a str,
    /// The machine's own if `None`.
    pub(super) namespace: Option<&'a Namespace>,
    /// Where `NAME.out` and `NAME.err` go.
    pub(super) logs: &'a Path,
}

impl Spawner {
    pub(super) fn new() -> Result<Spawner, Error> {
        let (orders, inbox) = mpsc::channel::<Order>();
        let thread = std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for mut order in inbox {
                let child = order.command.spawn();
                // Whoever asked is waiting for this.
                let _ = order.answer.send(child);
            }
        });
        let thread = thread.map_err(Error::system("start a thread"))?;
        Ok(Spawner { orders: Some(orders), thread: Some(thread) })
    }

    pub(super) fn spawn(
        &self,
        launch: &Launch<'_>,
        mut command: Command,
    ) -> Result<Process, Error> {
        let stdout = launch.logs.join(format!("{}.out", launch.name));
        let stderr = launch.logs.join(format!("{}.err", launch.name));
        let create = |path: &Path| {
            File::create(path).map_err(Error::system(format!("write {}", path.display())))
        };
        command.stdin(Stdio::null()).stdout(create(&stdout)?).stderr(create(&stderr)?);
        command.process_group(0);

        let namespace = launch.namespace.map(|namespace| {
            namespace.descriptor().try_clone_to_owned().map_err(Error::system("keep a namespace"))
        });
        let namespace = namespace.transpose()?;
        let parent = Pid::this();
        let prepare = move || {
            if let Some(namespace) = &namespace {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
            }
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the line above.
            if getppid() != parent {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe));
            }
            Ok(())
        };
        // SAFETY: it runs between fork and exec, and makes system calls only.
        unsafe { command.pre_exec(prepare) };

        let program = command.get_program().to_string_lossy().into_owned();
        let child = self.order(command).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing {
                program: program.clone(),
                remedy: "`nearcast doctor` says what to install",
            },
            _ => Error::System { what: format!("start {program} as {}", launch.name), source },
        })?;
        let ended = pidfd(child.id()).map_err(Error::system("watch a process"))?;
        let shared = Shared {
            name: launch.name.to_owned(),
            pid: child.id(),
            stdout,
            stderr,
            ended,
            child: Mutex::new(child),
        };
        Ok(Process { shared: Arc::new(shared) })
    }

    fn order(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = mpsc::sync_channel(1);
        let orders = self.orders.as_ref().expect("only dropping takes it");
        orders.send(Order { command, answer }).expect("the spawner listens as long as it is owned");
        answered.recv().expect("the spawner answers every order")
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether its exit status was fetched before: only then may its number belong to somebody else.
fn is_reaped(child: &Child) -> bool {
    // Asked without reaping it (WNOWAIT); ECHILD says that it was.
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: a plain waitid(2) that writes into `info`.
    let answer = unsafe { libc::waitid(libc::P_PID, child.id(), info.as_mut_ptr(), options) };
    answer != 0
}
