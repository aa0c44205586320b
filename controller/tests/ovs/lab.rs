//! A bridge of Open vSwitch (userspace datapath), hosts in namespaces, and a controller process,
//! all of which go when the lab is dropped.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::reserved::Reserved;

static LABS: AtomicU32 = AtomicU32::new(0);

/// Why this machine cannot run these tests; `None` if it can.
pub(crate) fn unable() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    for program in ["ovs-vsctl", "ip", "ethtool", "nginx", "ffmpeg"] {
        // Whatever it answers, it is there.
        let there =
            Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if there.is_err() {
            return Some(format!("no {program}"));
        }
    }
    let daemon = Command::new("ovs-vsctl").args(["--timeout=5", "show"]).output();
    match daemon {
        Ok(output) if output.status.success() => None,
        _ => Some("no ovs-vswitchd is running".to_owned()),
    }
}

/// The lock that everybody holds who builds a world on this machine (docs/architecture.md). Bridges
/// of one daemon share a userspace datapath, which drops packets that it would have to look up
/// while anybody makes or removes a bridge.
fn alone() -> File {
    std::fs::create_dir_all("/run/nearcast").expect("root may");
    let file = File::options().create(true).truncate(false).write(true).open("/run/nearcast/lock");
    let file = file.expect("a file to lock");
    file.lock().expect("it waits for whoever holds it");
    file
}

pub(crate) struct Lab {
    tag: String,
    bridge: String,
    /// Bridges besides the first.
    others: Vec<String>,
    hosts: Vec<&'static str>,
    /// One end of each cable between bridges.
    cables: Vec<String>,
    listen: Reserved,
    controller: Option<Child>,
    processes: Vec<Child>,
    pub(crate) folder: TempDir,
    runs: u32,
    /// Let go last.
    _alone: File,
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().expect("a program"))
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{command}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a controller answers to `GET path`.
pub(crate) fn get(http: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(http).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("an answer");
    let (_, body) = page.split_once("\r\n\r\n").expect("a head and a body");
    body.to_owned()
}

/// Waits for a condition.
pub(crate) fn wait_for<T>(what: &str, bound: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(start.elapsed() < bound, "waited {bound:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Lab {
    /// A bridge that expects a controller, with these hosts at ports 1, 2, ... and with the last
    /// bytes of their addresses in 10.0.0.0/8.
    pub(crate) fn new(protocols: &str, hosts: &[(&'static str, u8)]) -> Lab {
        let alone = alone();
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let tag = format!("nf{}{}", std::process::id() % 100_000, (b'a' + number as u8) as char);
        let mut lab = Lab {
            bridge: format!("{tag}br"),
            others: Vec::new(),
            tag,
            hosts: Vec::new(),
            cables: Vec::new(),
            listen: Reserved::new(),
            controller: None,
            processes: Vec::new(),
            folder: TempDir::new().expect("a temporary folder"),
            runs: 0,
            _alone: alone,
        };
        let bridge = lab.bridge.clone();
        lab.bridge(&bridge, protocols, hosts);
        lab
    }

    /// One more bridge like the first.
    pub(crate) fn add_bridge(&mut self, name: &str, hosts: &[(&'static str, u8)]) {
        let bridge = format!("{}{name}", self.tag);
        self.others.push(bridge.clone());
        self.bridge(&bridge, "OpenFlow13", hosts);
    }

    fn bridge(&mut self, bridge: &str, protocols: &str, hosts: &[(&'static str, u8)]) {
        let address = self.listen.address;
        run(&format!(
            "ovs-vsctl --timeout=20 add-br {bridge} -- set bridge {bridge} datapath_type=netdev \
             protocols={protocols} fail_mode=secure other_config:disable-in-band=true -- \
             set-controller {bridge} tcp:{address} -- \
             set controller {bridge} connection_mode=out-of-band max_backoff=1000"
        ));
        for (number, (name, last)) in (1..).zip(hosts) {
            let (namespace, outside) = (self.namespace(name), format!("{}{last}", self.tag));
            self.hosts.push(name);
            run(&format!("ip netns add {namespace}"));
            run(&format!("ip link add {outside} type veth peer name eth0 netns {namespace}"));
            run(&format!("ip link set {outside} up"));
            run(&format!("ip -n {namespace} link set lo up"));
            run(&format!("ip -n {namespace} addr add 10.0.0.{last}/8 dev eth0"));
            run(&format!("ip -n {namespace} link set eth0 up"));
            // A userspace switch passes on segments whose checksum the sender left to its hardware.
            run(&format!("ip netns exec {namespace} ethtool -K eth0 tx off"));
            run(&format!(
                "ovs-vsctl --timeout=20 add-port {bridge} {outside} -- \
                 set interface {outside} ofport_request={number}"
            ));
        }
    }

    /// A bridge's name on the machine; `br` is the first.
    pub(crate) fn bridge_name(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    /// Connects two bridges.
    pub(crate) fn link(&self, a: &str, b: &str) {
        let port = |from: &str, to: &str| format!("{}{from}{to}", self.tag);
        for (here, there) in [(a, b), (b, a)] {
            let (bridge, own, peer) =
                (self.bridge_name(here), port(here, there), port(there, here));
            run(&format!(
                "ovs-vsctl --timeout=20 add-port {bridge} {own} -- \
                 set interface {own} type=patch options:peer={peer}"
            ));
        }
    }

    /// Connects two bridges by a cable that can be pulled: the name of the first one's end.
    pub(crate) fn cable(&mut self, a: &str, b: &str) -> String {
        let (here, there) = (format!("{}{a}{b}", self.tag), format!("{}{b}{a}", self.tag));
        run(&format!("ip link add {here} type veth peer name {there}"));
        self.cables.push(here.clone());
        for (bridge, end) in [(a, &here), (b, &there)] {
            run(&format!("ip link set {end} up"));
            let bridge = self.bridge_name(bridge);
            run(&format!("ovs-vsctl --timeout=20 add-port {bridge} {end}"));
        }
        here
    }

    /// Cuts the link between two bridges.
    pub(crate) fn cut(&self, a: &str, b: &str) {
        for (here, there) in [(a, b), (b, a)] {
            let (bridge, own) = (self.bridge_name(here), format!("{}{here}{there}", self.tag));
            run(&format!("ovs-vsctl --timeout=20 del-port {bridge} {own}"));
        }
    }

    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}{host}", self.tag)
    }

    /// Starts the controller; its events are those of this run only.
    pub(crate) fn start_controller(&mut self, arguments: &[&str]) {
        self.runs += 1;
        let log = File::create(self.folder.path().join(format!("log{}", self.runs)));
        let child = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .args(["--listen", &self.listen.address.to_string(), "--events"])
            .arg(self.events_path())
            .args(arguments)
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the controller starts");
        self.controller = Some(child);
    }

    /// Asks the controller to stop and waits until it has.
    pub(crate) fn stop_controller(&mut self) {
        self.signal_controller(Signal::SIGTERM);
        let mut child = self.controller.take().expect("a controller runs");
        let bound = Duration::from_secs(5);
        let status = wait_for("the controller to stop", bound, || child.try_wait().expect("ours"));
        assert!(status.success(), "{status}");
    }

    /// Stops the controller as it stands: it keeps its connections, and does nothing.
    pub(crate) fn freeze_controller(&self) {
        self.signal_controller(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw_controller(&self) {
        self.signal_controller(Signal::SIGCONT);
    }

    fn signal_controller(&self, signal: Signal) {
        let child = self.controller.as_ref().expect("a controller runs");
        kill(Pid::from_raw(child.id() as i32), signal).expect("it is ours");
    }

    /// Where the controller listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.address
    }

    fn events_path(&self) -> PathBuf {
        self.folder.path().join(format!("events{}.jsonl", self.runs))
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.events_path()).unwrap_or_default();
        // The last line may be being written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until there are `n` events of a name, and returns them.
    pub(crate) fn wait_events(&self, name: &str, n: usize) -> Vec<Value> {
        let bound = Duration::from_secs(20);
        wait_for(&format!("{n} events {name}, got {:#?}", self.events()), bound, || {
            let all = self.events();
            let found: Vec<_> = all.into_iter().filter(|event| event["event"] == name).collect();
            (found.len() >= n).then_some(found)
        })
    }

    /// Starts a program in a host.
    pub(crate) fn spawn(&mut self, host: &str, program: &str, arguments: &[&str]) -> usize {
        let namespace = self.namespace(host);
        let log = File::create(self.folder.path().join(format!("{host}-{program}.log")));
        let child = Command::new("ip")
            .args(["netns", "exec", &namespace, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        self.processes.push(child);
        self.processes.len() - 1
    }

    /// Ends a program.
    pub(crate) fn kill(&mut self, process: usize) {
        let child = &mut self.processes[process];
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    /// A socket inside a host.
    pub(crate) fn socket(&self, host: &str, address: Ipv4Addr, port: u16) -> UdpSocket {
        self.inside(host, move || {
            let socket = UdpSocket::bind((address, port)).expect("the address is the host's");
            socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
            socket
        })
    }

    /// Does something in a host's namespace.
    pub(crate) fn inside<T: Send>(&self, host: &str, act: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/var/run/netns").join(self.namespace(host));
        let act = || {
            let namespace = File::open(path).expect("a namespace of ours");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
            act()
        };
        std::thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
    }

    /// Has a host take this for a station's address, whoever has it.
    pub(crate) fn neighbour(&self, host: &str, address: &str, mac: &str) {
        let namespace = self.namespace(host);
        run(&format!("ip -n {namespace} neigh add {address} lladdr {mac} nud permanent dev eth0"));
    }

    pub(crate) fn address_add(&self, host: &str, address: &str) {
        run(&format!("ip -n {} addr add {address} dev eth0", self.namespace(host)));
    }

    /// The entries of the bridge.
    pub(crate) fn flows(&self) -> Vec<String> {
        let dump = format!("ovs-ofctl -O OpenFlow13 --no-stats dump-flows {}", self.bridge);
        let mut flows: Vec<_> = run(&dump).lines().map(|line| line.trim().to_owned()).collect();
        flows.retain(|flow| flow.contains("priority") || flow.contains("actions"));
        flows.sort();
        flows
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().chain(&mut self.controller) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let quiet = |program: &str, arguments: &[&str]| {
            let _ = Command::new(program).args(arguments).stderr(Stdio::null()).status();
        };
        for bridge in self.others.iter().chain([&self.bridge]) {
            quiet("ovs-vsctl", &["--timeout=20", "--if-exists", "del-br", bridge]);
        }
        for cable in &self.cables {
            quiet("ip", &["link", "del", cable]);
        }
        for host in &self.hosts {
            quiet("ip", &["netns", "del", &self.namespace(host)]);
        }
        if std::thread::panicking() {
            for run in 1..=self.runs {
                let log = self.folder.path().join(format!("log{run}"));
                eprintln!("{}", std::fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}
