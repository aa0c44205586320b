//! Two controllers of one switch: the second takes over when the first is killed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{self, Lab, get, run, wait_for};
use crate::reserved::Reserved;
use crate::{nginx, peer, play, publish};

use nearcast_media::peering::PORT;

const HOSTS: [(&str, u8); 5] = [("b", 1), ("cdn", 100), ("v1", 11), ("v2", 12), ("v3", 13)];
const BOUND: Duration = Duration::from_secs(20);

/// Where a controller listens.
struct Ports {
    switches: Reserved,
    other: Reserved,
    http: Reserved,
}

/// A controller that knows of another. Its events are those of its last start.
struct Controller {
    name: &'static str,
    child: Option<Child>,
    starts: u32,
    folder: PathBuf,
    arguments: Vec<String>,
    ports: Ports,
}

impl Controller {
    fn start(&mut self) {
        self.starts += 1;
        let log = std::fs::File::create(self.folder.join(format!("{}.log", self.name)));
        let child = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .args(&self.arguments)
            .arg("--events")
            .arg(self.events_path())
            .stderr(log.expect("a log file"))
            .spawn();
        self.child = Some(child.expect("the controller starts"));
    }

    fn kill_9(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    fn events_path(&self) -> PathBuf {
        self.folder.join(format!("{}-{}.jsonl", self.name, self.starts))
    }

    fn event(&self, name: &str, about: &str) -> Value {
        wait_for(&format!("{}: {name} {about}", self.name), BOUND, || {
            let text = std::fs::read_to_string(self.events_path()).unwrap_or_default();
            let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.into_iter().find(|e| e["event"] == name && e.to_string().contains(about))
        })
    }

    /// How much the other one has told it of its streams.
    fn told(&self) -> u32 {
        let page = get(self.ports.http.address, "/metrics");
        let told = page.lines().find_map(|line| line.strip_prefix("nearcast_controller_replica "));
        told.and_then(|told| told.parse().ok()).expect("a gauge")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join(format!("{}.log", self.name)));
            eprintln!("{}:\n{}", self.name, log.unwrap_or_default());
        }
    }
}

/// What the switch calls its controllers.
fn controllers(lab: &Lab) -> Vec<String> {
    let bridge = lab.bridge_name("br");
    let ids = run(&format!("ovs-vsctl --timeout=20 get bridge {bridge} controller"));
    ids.trim().trim_matches(['[', ']']).split(", ").map(str::to_owned).collect()
}

/// Two controllers that know of each other, and a bridge that knows of both.
fn two(lab: &Lab) -> [Controller; 2] {
    let [a, b] = [(); 2].map(|()| Ports {
        switches: Reserved::new(),
        other: Reserved::new(),
        http: Reserved::new(),
    });
    let bridge = lab.bridge_name("br");
    let (to_a, to_b) = (a.switches.address, b.switches.address);
    run(&format!("ovs-vsctl --timeout=20 set-controller {bridge} tcp:{to_a} tcp:{to_b}"));
    for id in controllers(lab) {
        run(&format!(
            "ovs-vsctl --timeout=20 set controller {id} connection_mode=out-of-band max_backoff=1000"
        ));
    }
    let controller = |name, ports: Ports, other: SocketAddr, priority: &str| Controller {
        name,
        child: None,
        starts: 0,
        folder: lab.folder.path().to_owned(),
        arguments: [
            ("--listen", ports.switches.address.to_string()),
            ("--http", ports.http.address.to_string()),
            ("--peer-listen", ports.other.address.to_string()),
            ("--peer-controller", other.to_string()),
            ("--priority", priority.to_owned()),
            ("--cdn", "10.0.0.100".to_owned()),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect(),
        ports,
    };
    let (at_a, at_b) = (a.other.address, b.other.address);
    [controller("first", a, at_b, "200"), controller("second", b, at_a, "100")]
}

#[test]
fn no_datagram_is_lost_when_the_master_is_killed_and_the_second_goes_on_with_its_streams() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &HOSTS);
    let [mut first, mut second] = two(&lab);
    first.start();
    second.start();
    first.event("switch_role", "master");
    first.event("switch_ready", "");
    second.event("switch_role", "slave");

    nginx(&mut lab, "cdn");
    let [broadcaster, v1] = ["b", "v1"].map(|host| peer(&lab, host));
    let publisher = publish(&mut lab, "b");
    let player = play(&mut lab, "v1");
    let first_offer = broadcaster.offer();
    let group = first_offer.group;
    v1.offer();
    first.event("joined", "viewer");

    // A numbered datagram every few milliseconds, over all of what follows.
    let socket = broadcaster.socket.try_clone().expect("a second handle");
    let stop = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut sent = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let chunk = [&[1], &sent.to_be_bytes()[..]].concat();
                socket.send_to(&chunk, (group, PORT)).expect("sent");
                sent += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            sent
        }
    });
    let receive = || {
        let (_, chunk) = v1.chunks.recv_timeout(Duration::from_secs(5)).expect("a datagram");
        chunk[1..].try_into().map(u32::from_be_bytes).expect("a number")
    };
    // Those before the switch has the viewer's bucket do not count.
    let mut last = receive();
    let mut receive_to = |number: u32| {
        while last + 1 < number {
            assert_eq!(receive(), last + 1, "one was lost, came twice, or out of order");
            last += 1;
        }
    };
    receive_to(100);
    first.kill_9();
    second.event("standing", "master");
    second.event("switch_role", "master");
    let ready = second.event("switch_ready", "");
    assert!(ready["kept"].as_u64() > Some(5), "it reads what is there, and keeps it: {ready}");
    assert_eq!(ready["removed"], 0, "{ready}");

    // The one that was killed comes back, and stands by.
    first.start();
    first.event("switch_role", "slave");

    // Who comes now joins the peering that stands.
    let formed = second.event("peering_adopted", "live/room");
    assert_eq!(formed["viewers"], 1, "{formed}");
    let joins = |lab: &mut Lab, host: &'static str, controller: &Controller| {
        let viewer = peer(lab, host);
        play(lab, host);
        let offer = viewer.offer();
        assert_eq!((offer.peering, offer.group), (first_offer.peering, first_offer.group));
        controller.event("joined", &address(host));
        viewer
    };
    let v2 = joins(&mut lab, "v2", &second);
    v2.chunks.recv_timeout(BOUND).expect("a datagram of the same group");

    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("it does not panic");
    receive_to(sent);
    assert!(sent > 200, "{sent} datagrams say nothing");

    // Who leaves loses his bucket, and nobody else does.
    assert_eq!(viewers(&lab), [address("v1"), address("v2")]);
    let told = first.told();
    lab.kill(player);
    second.event("withdrawn", &address("v1"));
    assert_eq!(viewers(&lab), [address("v2")]);
    // Had the other one not heard of it, v1 would get its bucket back until its connection is
    // missed.
    wait_for("the first knows that too", BOUND, || (first.told() < told).then_some(()));

    // And back again.
    second.kill_9();
    first.event("switch_role", "master");
    first.event("peering_adopted", "live/room");
    joins(&mut lab, "v3", &first);
    assert_eq!(viewers(&lab), [address("v2"), address("v3")]);
    second.start();
    second.event("switch_role", "slave");

    // New peerings are the master's.
    lab.kill(publisher);
    first.event("peering_ended", "live/room");
    publish(&mut lab, "b");
    first.event("peering_formed", "live/room");
    // What the switch itself says; its database is brought up to date every few seconds.
    wait_for("one master and one slave", BOUND, || {
        let role = |id: &String| run(&format!("ovs-vsctl --timeout=20 get controller {id} role"));
        let mut roles: Vec<_> = controllers(&lab).iter().map(role).collect();
        roles.sort();
        (roles == ["master\n", "slave\n"]).then_some(())
    });
}

/// A host's address as text.
fn address(host: &str) -> String {
    let last = HOSTS.iter().find(|(name, _)| *name == host).expect("a host").1;
    format!("10.0.0.{last}")
}

/// The addresses that the switch's groups copy to.
fn viewers(lab: &Lab) -> Vec<String> {
    let dump = format!("ovs-ofctl -O OpenFlow13 dump-groups {}", lab.bridge_name("br"));
    let groups = run(&dump);
    let copies = groups.split("set_field:").filter_map(|part| part.split_once("->ip_dst"));
    let mut viewers: Vec<_> = copies.map(|(address, _)| address.to_owned()).collect();
    viewers.sort();
    viewers
}
