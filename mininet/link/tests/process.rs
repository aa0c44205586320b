//! The program as those meet it who start it, talk to it, and end it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nearcast_link::{Client, ClientError, PROTOCOL, Request};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use support::{LinkProcess, Namespace, first_line, link, lossy, turn, until};

mod support;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nearcast-link");

/// A connection that sends whatever it likes.
fn connect(process: &LinkProcess) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(&process.socket).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    BufReader::new(stream)
}

fn ask(stream: &mut BufReader<UnixStream>, line: &[u8]) -> Value {
    stream.get_mut().write_all(line).expect("it reads");
    stream.get_mut().write_all(b"\n").expect("it reads");
    answer(stream)
}

fn answer(stream: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    stream.read_line(&mut line).expect("an answer");
    serde_json::from_str(&line).expect("JSON")
}

fn add(name: &str, a: &str, b: &str) -> Vec<u8> {
    serde_json::to_vec(&json!({"op": "add", "name": name, "a": a, "b": b})).expect("JSON")
}

#[test]
fn a_script_makes_changes_and_removes_a_link() {
    let Some(_turn) = turn() else { return };
    let home = Namespace::new();
    let process = LinkProcess::start(&home);
    let mut script = connect(&process);
    let done = json!({"ok": true});

    let request = br#"{"op":"add","name":"h1-s1","a":"h1-eth0","b":"s1-eth1",
        "a_to_b":{"rate":"10Mbit/s","delay":"8ms"},"b_to_a":{"delay":"8ms"}}"#;
    let request: Vec<u8> = request.iter().copied().filter(|byte| *byte != b'\n').collect();
    assert_eq!(ask(&mut script, &request), done);
    assert!(home.carrier("h1-eth0").is_some() && home.carrier("s1-eth1").is_some());

    let request = br#"{"op":"set","name":"h1-s1","direction":"a_to_b","params":{"delay":"30ms"}}"#;
    assert_eq!(ask(&mut script, request), done);
    let list = ask(&mut script, br#"{"op":"list"}"#);
    assert_eq!(list["links"][0]["a_to_b"]["rate"], "10Mbit/s");
    assert_eq!(list["links"][0]["a_to_b"]["delay"], "30ms");
    assert_eq!(list["links"][0]["b_to_a"]["delay"], "8ms");

    assert_eq!(ask(&mut script, br#"{"op":"remove","name":"h1-s1"}"#), done);
    assert_eq!(home.carrier("h1-eth0"), None);
    assert_eq!(ask(&mut script, br#"{"op":"list"}"#), json!({"ok": true, "links": []}));
}

#[test]
fn a_refusal_says_why_and_leaves_nothing_half_done() {
    let Some(_turn) = turn() else { return };
    let home = Namespace::new();
    let process = LinkProcess::start(&home);
    let mut script = connect(&process);
    assert_eq!(ask(&mut script, &add("one", "one-a", "one-b")), json!({"ok": true}));

    for (request, says) in [
        (add("one", "x", "y"), "there is a link `one` already"),
        (add("two", "two-a", "one-b"), "there is an interface `one-b` already"),
        (add("two", "two-a", "lo"), "there is an interface `lo` already"),
        (add("two", "two-a", "two-a"), "a link has two different ends"),
        (add("two", "two-a", "eth%d"), "`eth%d` is no interface name"),
        (br#"{"op":"up","name":"two"}"#.to_vec(), "there is no link `two`"),
        (
            br#"{"op":"set","name":"one","params":{"delay":8}}"#.to_vec(),
            "delay as text with a unit, such as \"8ms\"",
        ),
        (
            br#"{"op":"pcap","name":"one","path":"/nowhere/one.pcap"}"#.to_vec(),
            "cannot write the capture /nowhere/one.pcap: No such file",
        ),
        (b"".to_vec(), "the request cannot be read"),
        (b"{\"op\":\"list\"".to_vec(), "the request cannot be read"),
        ([b"[".repeat(10_000)].concat(), "the request cannot be read"),
        (vec![0xff; 100], "the request cannot be read"),
    ] {
        let reply = ask(&mut script, &request);
        assert_eq!(reply["ok"], false, "{}", lossy(&request));
        let error = reply["error"].as_str().expect("a reason");
        assert!(error.contains(says), "{}: {error}", lossy(&request));
    }
    assert_eq!(home.carrier("two-a"), None, "the first end went with the second");
    assert_eq!(ask(&mut script, br#"{"op":"list"}"#)["links"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_hostile_client_is_bounded_and_others_are_served() {
    let Some(_turn) = turn() else { return };
    let home = Namespace::new();
    let process = LinkProcess::start(&home);
    let mut good = process.client();
    for number in 0..50 {
        let request = add(&format!("l{number}"), &format!("a{number}"), &format!("b{number}"));
        let request: Request = serde_json::from_slice(&request).expect("a request");
        good.done(&request).expect("a link");
    }

    // A line without an end.
    let mut endless = connect(&process);
    endless.get_mut().write_all(&[b'x'; 70_000]).expect("it is read so far");
    assert!(answer(&mut endless)["error"].as_str().expect("a reason").contains("65536 bytes"));
    // Closed, and reset if it was not all read.
    let reset = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(endless.read(&mut [0; 1]).map_or_else(reset, |length| length == 0));

    // One that asks a great deal and reads nothing: it is not read from either, so that writing to
    // it blocks at last.
    let silent = connect(&process);
    silent.get_ref().set_nonblocking(true).expect("non-blocking");
    let questions = "{\"op\":\"stats\"}\n".repeat(1000);
    let mut sent = 0;
    until("the process stops reading", || match silent.get_ref().write(questions.as_bytes()) {
        Ok(length) => {
            sent += length;
            assert!(sent < 50_000_000, "it reads on without being read");
            false
        }
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    });

    // One that goes away in the middle of a line, and one that only listens after it asked.
    connect(&process).get_mut().write_all(b"{\"op\":").expect("it is read");
    let mut last = connect(&process);
    last.get_mut().write_all(b"{\"op\":\"version\"}\n{\"op\":\"version\"}\n").expect("it is read");
    last.get_ref().shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut replies = String::new();
    last.read_to_string(&mut replies).expect("two replies and the end");
    assert_eq!(replies.lines().count(), 2);

    // More clients than there may be.
    let crowd: Vec<_> = (0..20).map(|_| connect(&process)).collect();
    let mut late = connect(&process);
    assert!(answer(&mut late)["error"].as_str().expect("a reason").contains("16 clients"));
    assert_eq!(good.version().expect("it still serves").protocol, PROTOCOL);
    drop(crowd);
    until("there is room again", || {
        Client::connect(&process.socket).is_ok_and(|mut client| client.version().is_ok())
    });
    // The silent one's backlog is bounded by one reply and what it sent.
    let held = std::fs::read_to_string(format!("/proc/{}/status", process.child.id()));
    let held = held.expect("its status");
    let resident = held.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 64 << 10, "{kib} KiB resident");
}

#[test]
fn every_link_is_captured_on_demand_from_its_beginning() {
    let Some(_turn) = turn() else { return };
    let home = Namespace::new();
    let captures = tempfile::tempdir().expect("a folder");
    let folder = captures.path().to_str().expect("text");
    let process = LinkProcess::start_with(&home, &["--pcap-dir", folder, "--realtime", "off"]);
    let mut client = process.client();
    let add = |name: &str| serde_json::from_slice::<Request>(&add(name, "a0", "b0"));
    let request = add("one").expect("a request");
    client.done(&request).expect("a link");
    client.done(&request).expect_err("a second of the same name");
    assert_eq!(
        client.list().expect("a list").links[0].pcap,
        Some(captures.path().join("one.pcap"))
    );
    assert!(!client.stats().expect("statistics").process.realtime);
    client.remove(&link("one")).expect("it is there");
    let file = std::fs::read(captures.path().join("one.pcap")).expect("the capture");
    assert_eq!(file.len(), 24, "the header, once: interfaces that are down send nothing");

    std::fs::remove_dir_all(captures.path()).expect("it is ours");
    let refused = client.done(&add("two").expect("a request")).expect_err("no such folder");
    assert!(refused.to_string().contains("two.pcap: No such file"), "{refused}");
    assert_eq!(home.carrier("a0"), None, "no link without its capture");
}

#[test]
fn the_client_tells_refusal_from_silence() {
    let Some(_turn) = turn() else { return };
    let process = LinkProcess::start(&Namespace::new());
    let mut client = process.client();
    let refused = client.remove(&link("none")).expect_err("there is none");
    assert_eq!(refused.to_string(), "the link process refused: there is no link `none`");
    client.quit().expect("it ends");
    assert!(matches!(client.version(), Err(ClientError::Io(_))));
}

#[test]
fn it_ends_cleanly_when_told_to() {
    let Some(_turn) = turn() else { return };
    for how in ["quit", "SIGTERM", "SIGINT", "SIGHUP"] {
        let mut process = LinkProcess::start(&Namespace::new());
        let pid = Pid::from_raw(process.child.id() as i32);
        match how {
            "quit" => process.client().quit().expect("an answer before it ends"),
            "SIGTERM" => kill(pid, Signal::SIGTERM).expect("it runs"),
            "SIGINT" => kill(pid, Signal::SIGINT).expect("it runs"),
            _ => kill(pid, Signal::SIGHUP).expect("it runs"),
        }
        let status = process.child.wait().expect("it ends");
        assert!(status.success(), "{how}: {status}");
        assert!(!process.socket.exists(), "{how}: the socket is left");
    }
}

#[test]
fn a_socket_is_taken_over_from_the_dead_and_not_from_the_living() {
    let Some(_turn) = turn() else { return };
    let home = Namespace::new();
    let mut first = LinkProcess::start(&home);
    let again = || home.command(PROGRAM).args(["run", "--socket"]).arg(&first.socket).output();
    let output = again().expect("it starts");
    assert!(!output.status.success());
    assert!(lossy(&output.stderr).contains("another nearcast-link is serving"));
    first.client().version().expect("the first is still there");

    first.child.kill().expect("it runs");
    first.child.wait().expect("it ends");
    assert!(first.socket.exists(), "a killed process cannot remove its socket");
    let mut second = home
        .command(PROGRAM)
        .args(["run", "--socket"])
        .arg(&first.socket)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    assert_eq!(first_line(second.stdout.take().expect("a pipe")), "ready\n");
    Client::connect(&first.socket).and_then(|mut client| client.quit()).expect("it serves");
    assert!(second.wait().expect("it ends").success());

    std::fs::write(&first.socket, "precious").expect("a file");
    let output = home.command(PROGRAM).args(["run", "--socket"]).arg(&first.socket).output();
    assert!(!output.expect("it starts").status.success());
    assert_eq!(std::fs::read(&first.socket).expect("the file"), b"precious");
}

#[test]
fn it_ends_with_its_parent() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("link.sock");
    let script = format!("{PROGRAM} run --with-parent --socket {} & wait", socket.display());
    let mut parent = Namespace::new()
        .command("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut output = BufReader::new(parent.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    parent.kill().expect("it runs");
    parent.wait().expect("it ends");
    // Once nobody has the pipe open any more, the child is gone too.
    assert_eq!(output.read(&mut [0; 1]).expect("the end"), 0);
    assert!(!socket.exists(), "it ended cleanly");
}

#[test]
fn an_unprivileged_start_says_what_is_needed_in_one_line() {
    let Some(_turn) = turn() else { return };
    // Where nobody may read the build's own folder, a copy can still be run.
    let folder = tempfile::tempdir().expect("a folder");
    let readable = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    let copy = folder.path().join("nearcast-link");
    std::fs::copy(PROGRAM, &copy).expect("a copy");
    readable(&copy);
    readable(folder.path());
    const NOBODY: u32 = 65_534;
    let output = Command::new(&copy)
        .args(["run", "--socket", "/tmp/nearcast-link-unprivileged.sock"])
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("it starts");
    let said = lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("/dev/net/tun"), "{said}");
    assert_eq!(lossy(&output.stdout), "");
}

#[test]
fn the_help_shows_how() {
    let output = Command::new(PROGRAM).args(["run", "--help"]).output().expect("it starts");
    let help = lossy(&output.stdout);
    for line in help.lines().map(str::trim).filter(|line| line.starts_with(r#"{"op""#)) {
        serde_json::from_str::<Request>(line).expect(line);
    }
    assert!(help.matches(r#"{"op""#).count() >= 6, "{help}");
}
