//! Network namespaces, a link process in one of them, and sockets to measure with. A namespace is
//! held by a descriptor alone: whatever ends the test, a panic or a kill, takes it away, and with
//! it whatever is inside. So names need be unique in nothing but the test.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part of it")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nearcast_link::{Client, LinkName, LinkParams, PipeStats, Request};
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;

pub mod ping;
pub mod udp;

/// One at a time: on two cores a flood next door is not what is being measured.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn; `None`, with the reason on stderr, where it cannot run at all.
/// `make test` sets `NEARCAST_TESTS=all`, and then it must.
pub fn turn() -> Option<MutexGuard<'static, ()>> {
    let lacks = if !nix::unistd::geteuid().is_root() {
        Some("making network namespaces and TAP devices needs root")
    } else if !std::path::Path::new("/dev/net/tun").exists() {
        Some("there is no /dev/net/tun")
    } else {
        None
    };
    if let Some(lacks) = lacks {
        assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "{lacks}");
        eprintln!("skipped: {lacks}");
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A network namespace, for as long as this value lives.
pub struct Namespace(File);

impl Namespace {
    pub fn new() -> Namespace {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            // Nothing but what a test sends is to cross its links.
            for scope in ["all", "default"] {
                let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
                let _ = std::fs::write(path, "1");
            }
            File::open("/proc/thread-self/ns/net").expect("the thread's namespace")
        });
        Namespace(made.join().expect("a namespace"))
    }

    /// Does something on a thread inside.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("into the namespace");
                act()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let namespace = self.0.try_clone().expect("another descriptor");
        let mut command = Command::new(program);
        // SAFETY: setns is a system call and nothing else.
        unsafe {
            command.pre_exec(move || Ok(setns(&namespace, CloneFlags::CLONE_NEWNET)?));
        }
        command
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &str) {
        let output = self.command("ip").args(arguments.split(' ')).output().expect("ip runs");
        assert!(output.status.success(), "ip {arguments}: {}", lossy(&output.stderr));
    }

    /// How another process can name it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Whether an interface inside exists, and if it does, whether it has a carrier.
    pub fn carrier(&self, interface: &str) -> Option<bool> {
        use nix::net::if_::InterfaceFlags;
        self.inside(|| {
            let mut all = nix::ifaddrs::getifaddrs().expect("the interfaces");
            let found = all.find(|it| it.interface_name == interface)?;
            Some(found.flags.contains(InterfaceFlags::IFF_RUNNING))
        })
    }
}

/// A running `nearcast-link`, killed when this value goes.
pub struct LinkProcess {
    pub child: Child,
    pub socket: PathBuf,
    pub folder: TempDir,
}

impl LinkProcess {
    /// Starts it in `namespace`, and waits until it is ready.
    pub fn start(namespace: &Namespace) -> LinkProcess {
        LinkProcess::start_with(namespace, &[])
    }

    pub fn start_with(namespace: &Namespace, arguments: &[&str]) -> LinkProcess {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("link.sock");
        let mut child = namespace
            .command(env!("CARGO_BIN_EXE_nearcast-link"))
            .arg("run")
            .arg("--socket")
            .arg(&socket)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("nearcast-link starts");
        let stdout = child.stdout.take().expect("a pipe");
        let process = LinkProcess { child, socket, folder };
        assert_eq!(first_line(stdout), "ready\n");
        process
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket).expect("it listens")
    }
}

impl Drop for LinkProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which some tests are about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line of a program's output, within ten seconds.
pub fn first_line(output: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(output).read_line(&mut line);
        let _ = sender.send(line);
    });
    receiver.recv_timeout(Duration::from_secs(10)).expect("a line of output in ten seconds")
}

/// Links between namespaces, all run by one process.
pub struct World {
    pub process: LinkProcess,
    pub client: Client,
    /// Where the process runs and its interfaces are made.
    home: Namespace,
}

/// One end of a link: where it is, and its address.
pub type Place<'a> = (&'a Namespace, &'static str, Ipv4Addr);

impl World {
    pub fn new() -> World {
        let home = Namespace::new();
        let process = LinkProcess::start(&home);
        let client = process.client();
        World { process, client, home }
    }

    /// Makes a link, alike both ways, and moves its ends to where they belong.
    pub fn link(&mut self, name: &str, a: Place, b: Place, params: &str) {
        let params: LinkParams = toml::from_str(params).expect(params);
        let request = Request::Add {
            name: link(name),
            a: a.1.parse().expect("an interface name"),
            b: b.1.parse().expect("an interface name"),
            a_to_b: params.clone(),
            b_to_a: params,
        };
        self.client.done(&request).expect("a link");
        for (namespace, interface, address) in [a, b] {
            self.home.ip(&format!("link set {interface} netns {}", namespace.path()));
            namespace.ip(&format!("addr add {address}/24 dev {interface}"));
            namespace.ip(&format!("link set {interface} up"));
        }
    }

    /// The statistics of the direction from `a` to `b` of a link.
    pub fn a_to_b(&mut self, name: &str) -> PipeStats {
        let stats = self.client.stats().expect("statistics");
        stats.links.into_iter().find(|it| it.name.as_str() == name).expect("the link").a_to_b
    }
}

pub fn link(name: &str) -> LinkName {
    name.parse().expect("a link name")
}

/// Looks until `condition` holds, and fails with `what` if it does not in ten seconds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not within ten seconds: {what}");
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
