//! The emulated world on the real thing: Mininet, Open vSwitch, TAP devices. Needs root, and skips
//! itself without.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nearcast::world::{
    Entry, Error, Exclusive, Identity, Interrupted, LinkKind, Options, Shutdown, World,
};
use nearcast_bridge::Kind;
use nearcast_link::LinkParams;
use nearcast_topologies::{Choice, Topology};

/// Set for the copy of this test program that builds a world and is killed.
const HELPER: &str = "NEARCAST_TEST_WORLD";

/// Whether this test can run; `make test` sets `NEARCAST_TESTS=all`, and then it must.
fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "this test needs root");
        eprintln!("skipped: needs root");
    }
    is_root
}

fn build(folder: &Path, viewers: u32) -> World {
    let choice = Choice::setting("fig3").with_count("viewers", viewers);
    let topology = Topology::named("single", &choice).expect("it comes with nearcast");
    let options = Options { seed: 7, ..Options::new(folder.to_owned()) };
    World::build(&topology, &options).expect("a world")
}

/// One packet from `from` to `to` and back, `None` if it does not come back in a second.
fn round_trip(world: &World, from: &str, to: &str) -> Option<Duration> {
    let address = world.topology().host(to).expect("a host").ip;
    let open = || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        socket
    };
    let here = world.in_namespace(from, open).expect("in the host");
    let there = world.in_namespace(to, open).expect("in the host");
    let port = there.local_addr().expect("bound").port();
    let echo = std::thread::spawn(move || {
        let mut packet = [0; 64];
        let (length, sender) = there.recv_from(&mut packet)?;
        there.send_to(&packet[..length], sender)
    });
    let sent = Instant::now();
    here.send_to(b"there and back", (address, port)).expect("sent");
    let answer = here.recv_from(&mut [0; 64]).ok().map(|_| sent.elapsed());
    let _ = echo.join();
    answer
}

#[test]
fn single_carries_packets_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let world = build(folder.path(), 2);

    let bridge = world.bridge("s1").expect("a switch");
    let interfaces: Vec<String> = world
        .nodes()
        .iter()
        .filter(|node| node.kind == Kind::Switch)
        .flat_map(|node| node.interfaces.iter().map(|interface| interface.name.clone()))
        .collect();
    assert_eq!(interfaces.len(), 4, "{interfaces:?}");
    assert!(interfaces.iter().all(|name| exists(name)), "{interfaces:?}");
    let hb = world.node("hb").expect("a host");
    assert_eq!(hb.interfaces[0].ip.as_deref(), Some("10.0.0.1"));
    assert_eq!(hb.interfaces[0].mac, "02:00:0a:00:00:01");

    // ARP, and the switch learning where everybody is.
    for to in ["hs", "hv1", "hv2"] {
        round_trip(&world, "hb", to).unwrap_or_else(|| panic!("nothing comes back from {to}"));
    }
    let least = world.topology().path("hb", "hv1").expect("a path").propagation() * 2;
    let took = round_trip(&world, "hb", "hv1").expect("an answer");
    assert!(took >= least.into(), "{took:?} is less than light takes");
    assert!(took < Duration::from_millis(150), "{took:?} for a path of {least}");

    world.set_link_up("hv1-s1", false).expect("pulled");
    assert_eq!(round_trip(&world, "hb", "hv1"), None, "through a cable that is pulled");
    world.set_link_up("hv1-s1", true).expect("plugged in");
    round_trip(&world, "hb", "hv1").expect("an answer again");
    let forwarded = world.links().expect("the link process").stats().expect("statistics");
    assert_eq!(forwarded.links.len(), 4);

    let removed = world.close().expect("taken down");
    assert!(removed.is_empty(), "what did not go by itself:\n{removed}");
    assert!(!interfaces.iter().any(|name| exists(name)), "{interfaces:?}");
    assert!(!bridges().contains(&bridge));
}

#[test]
fn processes_live_in_their_host_and_end_with_the_world() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let world = build(folder.path(), 1);

    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    };
    let said =
        world.spawn_in("hs", "who", shell("cat /proc/net/dev; echo no >&2; exit 3")).unwrap();
    let status = said.wait(Duration::from_secs(5)).expect("looked after").expect("it ended");
    assert_eq!(status.code(), Some(3));
    let text = fs::read_to_string(said.stdout()).expect("its output");
    assert!(text.contains("hs-eth0") && !text.contains("hb-eth0"), "{text}");
    assert_eq!(said.last_words(100), "no");

    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let stubborn = world.spawn_in("hv1", "stubborn", shell(stubborn)).unwrap();
    let polite = world.spawn("polite", shell("exec sleep 1000")).unwrap();
    // With a child of its own, which must go with it.
    let parent = world.spawn_in("hb", "parent", shell("sleep 1000 & sleep 1000")).unwrap();
    wait_for("stubborn is ready", || {
        fs::read(stubborn.stdout()).is_ok_and(|said| !said.is_empty())
    });
    wait_for("parent has its children", || group(parent.pid()) == 3);

    let status = polite.stop().expect("stopped");
    assert_eq!(status.signal(), Some(libc_signal("TERM")));
    let error = world.spawn("none", Command::new("no-such-program")).expect_err("no program");
    assert!(error.to_string().contains("no-such-program is not installed"), "{error}");
    let error = world.spawn_in("hx", "none", shell("true")).expect_err("no host");
    assert!(error.to_string().contains("there is no host `hx`"), "{error}");

    let began = Instant::now();
    let removed = world.close().expect("taken down");
    assert!(removed.is_empty(), "what did not go by itself:\n{removed}");
    assert!(began.elapsed() >= Duration::from_secs(2), "it has its grace");
    assert_eq!(stubborn.status().unwrap().and_then(|s| s.signal()), Some(libc_signal("KILL")));
    assert_eq!(group(parent.pid()), 0);
}

#[test]
fn hosts_are_alone_and_say_nothing_by_themselves() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let world = build(folder.path(), 1);
    let read = |path: &'static str| {
        world.in_namespace("hb", move || fs::read_to_string(path)).expect("in the host")
    };
    // One line of heading, then the emulated network and nothing else: no way out.
    let routes = read("/proc/thread-self/net/route").expect("routes");
    let routes: Vec<&str> = routes.lines().skip(1).collect();
    assert_eq!(routes.len(), 1, "{routes:?}");
    assert!(routes[0].contains("hb-eth0") && routes[0].contains("\t0000000A\t"), "{routes:?}");
    let no_ipv6 =
        read("/proc/thread-self/net/if_inet6").map_or(true, |addresses| addresses.is_empty());
    assert!(no_ipv6, "addresses of IPv6 announce themselves");
    let loopback = world.in_namespace("hb", || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"to myself", socket.local_addr()?)
    });
    assert_eq!(loopback.expect("in the host").expect("loopback is up"), 9);
    world.close().expect("taken down");
}

#[test]
fn a_world_that_cannot_be_built_says_why_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    // The kernel's netem can duplicate, but Mininet's TCLink has no word for it. The hosts exist by
    // the time the first link is made.
    let params =
        LinkParams { duplicate: "10%".parse().expect("a chance"), ..LinkParams::default() };
    let choice = Choice::setting("fig3").with_links("lan", params);
    let topology = Topology::named("single", &choice).expect("a topology");
    let options = Options { links: LinkKind::Tc, ..Options::new(folder.path().to_owned()) };
    let error = World::build(&topology, &options).expect_err("it cannot").to_string();
    assert!(error.contains("TCLink cannot do duplicate"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(own_records(), 0);
    assert_eq!(children(), Vec::<String>::new(), "shells of hosts");
}

#[test]
fn plain_mininet_makes_our_links_and_switches() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    // Not `s1`, which may be somebody's.
    let topology = include_str!("../../topologies/single.toml").replace("\"s1\"", "\"nct1\"");
    let file = folder.path().join("own.toml");
    fs::write(&file, topology).expect("written");
    let script = folder.path().join("script");
    fs::write(
        &script,
        "hv2 python3 -c \"import socket; s = socket.create_server(('', 9)); c, _ = s.accept(); \
         c.sendall(b'through')\" &\n\
         hb for try in 1 2 3 4 5 6 7 8 9; do python3 -c \"import socket; \
         print('came', socket.create_connection(('10.0.1.2', 9), 5).recv(9))\" && break; \
         sleep 0.2; done\n",
    )
    .expect("written");
    let custom = concat!(env!("CARGO_MANIFEST_DIR"), "/../topologies/nearcast.py");
    let beside = Path::new(env!("CARGO_BIN_EXE_nearcast")).parent().expect("a folder");
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").expect("a PATH"));
    nearcast::world::start_ovs().expect("Open vSwitch");
    let output = Command::new("/usr/bin/python3")
        .arg("/usr/bin/mn")
        .args(["--custom", custom, "--link", "near", "--switch", "near,failMode=standalone"])
        .args(["--controller", "none", "--test", "none", "--topo"])
        .arg(format!("nearcast,{},viewers=2,setting=fig3", file.display()))
        .arg("--post")
        .arg(&script)
        .env("PATH", path)
        .output()
        .expect("mn runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("came b'through'"), "{said}");
    assert!(!bridges().contains(&"nct1".to_owned()));
    assert!(!exists("nct1-eth1"), "the link process ends with mn");
}

#[test]
fn two_worlds_at_once_do_not_meet() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let one = build(folder.path(), 1);
    let other = build(folder.path(), 1);
    assert_ne!(one.bridge("s1").unwrap(), other.bridge("s1").unwrap());
    other.close().expect("taken down");
    // The switch may still be learning.
    let answered = (0..3).any(|_| round_trip(&one, "hb", "hv1").is_some());
    assert!(answered, "the first world lives on");
}

#[test]
fn clean_removes_what_a_killed_run_left_and_nothing_of_a_live_one() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let live = build(folder.path(), 1);

    let mut helper = Helper::start(folder.path());
    let (path, entry, outsider) = (&helper.path, &helper.entry, helper.outsider);
    let bridge = helper.bridge.clone();
    assert!(entry.is_live());

    helper.process.kill().expect("killed");
    helper.process.wait().expect("dead");
    assert!(!entry.is_live());
    assert!(bridges().contains(&bridge), "nobody took the bridge down");

    let clean =
        Command::new(env!("CARGO_BIN_EXE_nearcast")).arg("clean").output().expect("it runs");
    let said = String::from_utf8_lossy(&clean.stdout);
    assert!(clean.status.success(), "{said}{}", String::from_utf8_lossy(&clean.stderr));
    assert!(said.contains(&format!("bridge {bridge}")), "{said}");
    assert!(said.contains("is going on"), "the live run is mentioned: {said}");

    assert!(!path.exists());
    assert!(!bridges().contains(&bridge));
    assert!(!entry.interfaces.iter().any(|name| exists(name)));
    assert!(!entry.folders.iter().any(|folder| folder.exists()));
    assert!(!entry.processes.iter().any(|process| process.is_alive()));
    assert!(!outsider.is_alive(), "a process that escaped from it");
    let namespaces = namespaces();
    assert!(!entry.namespaces.iter().any(|inode| namespaces.contains(inode)));

    let answered = (0..3).any(|_| round_trip(&live, "hb", "hv1").is_some());
    assert!(answered, "the live run lives on");
    live.close().expect("taken down");
}

#[test]
fn ctrl_c_takes_the_world_down() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let mut helper = Helper::start(folder.path());
    let pid = nix::unistd::Pid::from_raw(helper.process.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("interrupted");
    let status = helper.process.wait().expect("ended");
    assert!(status.success(), "{status}: it ends by itself");

    assert!(!helper.path.exists());
    assert!(!bridges().contains(&helper.bridge));
    assert!(!helper.entry.interfaces.iter().any(|name| exists(name)));
    assert!(!helper.entry.processes.iter().any(|process| process.is_alive()));
    assert!(!helper.outsider.is_alive(), "a process that escaped from it");
}

/// A copy of this test program that has built a world.
struct Helper {
    process: Child,
    bridge: String,
    outsider: Identity,
    path: PathBuf,
    entry: Entry,
}

impl Helper {
    fn start(folder: &Path) -> Helper {
        let mut process = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "helper_that_holds_a_world", "--ignored", "--nocapture"])
            .env(HELPER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a copy of this test");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let report = lines.find_map(|line| line.ok()?.strip_prefix("world ").map(str::to_owned));
        // Read on, or the helper would fail to write its last words.
        std::thread::spawn(move || lines.for_each(drop));
        let report = report.expect("the helper builds its world");
        let (bridge, outsider) = report.split_once(' ').expect("two words");
        let outsider = outsider.parse().ok().and_then(Identity::of).expect("it runs");
        let mut records = Entry::all().expect("records").into_iter();
        let record = records.find_map(|record| {
            let entry = record.entry.ok()?;
            (entry.owner.pid == process.id() as i32).then_some((record.path, entry))
        });
        let (path, entry) = record.expect("the helper's record");
        Helper { process, bridge: bridge.to_owned(), outsider, path, entry }
    }
}

/// Not a test by itself: builds a world, says so, and waits for Ctrl-C or to be killed.
#[test]
#[ignore = "started by other tests"]
fn helper_that_holds_a_world() {
    let Some(folder) = std::env::var_os(HELPER) else { return };
    let shutdown = Shutdown::install().expect("handlers");
    let world = build(Path::new(&folder), 2);
    // A process that escapes both its process group and the parent-death signal.
    let mut command = Command::new("sh");
    command.args(["-c", "setsid sleep 1000 & echo $!; wait"]);
    let process = world.spawn_in("hv2", "escaping", command).expect("started");
    let spoke = || fs::read(process.stdout()).is_ok_and(|said| said.ends_with(b"\n"));
    wait_for("it says its number", spoke);
    let outsider = fs::read_to_string(process.stdout()).expect("a number");
    println!("world {} {}", world.bridge("s1").expect("a switch"), outsider.trim());
    let waited = process.wait_unless(shutdown, Duration::from_secs(60));
    assert!(matches!(waited, Err(Error::Interrupted(Interrupted))), "{waited:?}");
}

#[test]
fn an_unprivileged_start_says_so_in_one_line() {
    if !is_root() {
        return;
    }
    // As nobody, who may not look into the folder of the program either.
    let folder = tempfile::Builder::new().prefix("nearcast-test").tempdir_in("/tmp").unwrap();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), everybody).expect("open to everybody");
    let program = folder.path().join("nearcast");
    fs::copy(env!("CARGO_BIN_EXE_nearcast"), &program).expect("copied");
    let said = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("clean")
        .current_dir("/")
        .output()
        .expect("setpriv runs");
    let message = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("needs root") && message.contains("sudo"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_anything_is_made() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let topology = Topology::named("single", &Choice::default()).expect("a topology");
    let options = Options::new("/proc/nowhere".into());
    let error = World::build(&topology, &options).expect_err("no such folder").to_string();
    assert!(error.contains("/proc/nowhere/logs"), "{error}");
    assert_eq!(own_records(), 0);
}

/// How many runs this process has a record of.
fn own_records() -> usize {
    let records = Entry::all().expect("records").into_iter();
    let own = std::process::id() as i32;
    records.filter(|record| record.entry.as_ref().is_ok_and(|e| e.owner.pid == own)).count()
}

/// What the children of this process run.
fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<String> = lists
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    pids.iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()).collect()
}

#[test]
fn a_full_disk_is_an_error_before_anything_is_made() {
    if !is_root() {
        return;
    }
    let _exclusive = Exclusive::acquire().expect("the lock");
    let folder = tempfile::tempdir().expect("a folder");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).arg(folder.path()).status();
        assert!(status.expect("it runs").success(), "{program}");
    };
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "none"]);
    let filled = fs::write(folder.path().join("filler"), [1; 1 << 20]);
    let topology = Topology::named("single", &Choice::default()).expect("a topology");
    let error = World::build(&topology, &Options::new(folder.path().to_owned()));
    let records = own_records();
    run("umount", &[]);

    assert!(filled.is_err(), "the disk is full");
    let error = error.expect_err("there is no room").to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(records, 0);
}

fn exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

fn bridges() -> Vec<String> {
    let listed = Command::new("ovs-vsctl").arg("list-br").output().expect("Open vSwitch");
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

/// The network namespaces that some process is in.
fn namespaces() -> Vec<u64> {
    use std::os::unix::fs::MetadataExt;
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|p| Some(fs::metadata(p.path().join("ns/net")).ok()?.ino())).collect()
}

/// How many processes are in a process group.
fn group(leader: u32) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = processes.filter_map(|p| fs::read_to_string(p.path().join("stat")).ok());
    let groups = stats.filter_map(|stat| {
        let after_name = stat.rsplit_once(')')?.1.to_owned();
        let mut fields = after_name.split_whitespace();
        let is_zombie = fields.next()? == "Z";
        (!is_zombie).then(|| fields.nth(1)?.parse::<u32>().ok()).flatten()
    });
    groups.filter(|group| *group == leader).count()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not so after 10 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn libc_signal(name: &str) -> i32 {
    format!("SIG{name}").parse::<nix::sys::signal::Signal>().expect("a signal") as i32
}
