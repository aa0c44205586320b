//! The control channel: a switch that is there twice, a connection that is half open, a controller
//! that is slower than its switches.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lab::{self, Lab, run, wait_for};

const BOUND: Duration = Duration::from_secs(10);

/// Whether a datagram of v1's comes to v2.
fn carries(lab: &Lab) -> bool {
    let [a, b] = ["v1", "v2"].map(|host| lab.socket(host, Ipv4Addr::UNSPECIFIED, 900));
    let mut buffer = [0; 8];
    (0..20).any(|_| {
        a.send_to(b"on", "10.0.0.12:900").expect("sent");
        b.recv(&mut buffer).is_ok()
    })
}

#[test]
fn a_second_switch_with_the_same_datapath_id_is_refused_and_the_first_one_served() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("v1", 11), ("v2", 12)]);
    lab.start_controller(&[]);
    let ready = lab.wait_events("switch_ready", 1).remove(0);
    let id = ready["switch"].as_str().expect("a text");
    lab.add_bridge("x", &[("v3", 13)]);
    let second = lab.bridge_name("x");
    run(&format!("ovs-vsctl --timeout=20 set bridge {second} other_config:datapath-id={id}"));
    let twice = || {
        let refused = lab.wait_events("connection_refused", 2);
        refused.iter().all(|event| event["cause"] == "duplicate").then_some(())
    };
    wait_for("the second to be refused, and again when it comes back", BOUND, twice);
    assert!(carries(&lab));
    // The second was itself for a moment, until it was given the id of the other.
    let gone: Vec<_> = lab.events();
    let gone = gone.iter().filter(|event| event["event"] == "switch_gone" && event["switch"] == id);
    assert_eq!(gone.count(), 0, "the first one never left");
}

/// Stands between switches and controller, and passes on what both say until it is told to fall
/// silent: connections that are there by then stay open, and carry nothing any more.
struct Between {
    port: u16,
    silent: Arc<AtomicBool>,
}

fn between(controller: SocketAddr) -> Between {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let silent = Arc::new(AtomicBool::new(false));
    let falls_silent = Arc::clone(&silent);
    std::thread::spawn(move || {
        // Only the first one falls silent.
        let mut first = Some(falls_silent);
        for stream in listener.incoming() {
            let Ok(switch) = stream else { return };
            let Ok(controller) = TcpStream::connect(controller) else { continue };
            let silent = first.take();
            pass_on(
                switch.try_clone().expect("a handle"),
                controller.try_clone().expect("a handle"),
                silent.clone(),
            );
            pass_on(controller, switch, silent);
        }
    });
    Between { port, silent }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, silent: Option<Arc<AtomicBool>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = std::io::Read::read(&mut from, &mut buffer) {
            if silent.as_ref().is_some_and(|silent| silent.load(Ordering::Relaxed)) {
                // Open for as long as the test runs.
                std::thread::park();
            }
            if n == 0 || std::io::Write::write_all(&mut to, &buffer[..n]).is_err() {
                let _ = to.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    });
}

#[test]
fn a_switch_comes_back_while_its_old_connection_is_half_open() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("v1", 11), ("v2", 12)]);
    let between = between(lab.address());
    let bridge = lab.bridge_name("br");
    run(&format!(
        "ovs-vsctl --timeout=20 set-controller {bridge} tcp:127.0.0.1:{} -- \
         set controller {bridge} connection_mode=out-of-band max_backoff=1000",
        between.port
    ));
    let file = lab.folder.path().join("settings.toml").display().to_string();
    std::fs::write(&file, "[timing]\necho_interval = \"60s\"\n").expect("written");
    lab.start_controller(&["--config", &file]);
    lab.wait_events("switch_ready", 1);
    assert!(carries(&lab));

    // Open vSwitch notices after 5 s without a word and 5 s without an echo, and connects anew; the
    // controller would take three minutes.
    between.silent.store(true, Ordering::Relaxed);
    let gone = lab.wait_events("switch_gone", 1).remove(0);
    assert_eq!(gone["cause"], "replaced", "{gone}");
    lab.wait_events("switch_ready", 2);
    assert!(carries(&lab));
}

#[test]
fn a_controller_that_stands_still_for_a_while_loses_no_switch_and_answers_what_waited() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("v1", 11), ("v2", 12)]);
    lab.start_controller(&[]);
    lab.wait_events("switch_ready", 1);
    lab.freeze_controller();
    // To a station that nobody knows, from two ports, faster than anybody answers.
    let floods = ["v1", "v2"].map(|host| {
        lab.neighbour(host, "10.1.0.1", "0e:00:00:00:00:01");
        lab.socket(host, Ipv4Addr::UNSPECIFIED, 901)
    });
    for _ in 0..20_000 {
        for flood in &floods {
            flood.send_to(&[0; 1000], "10.1.0.1:9").expect("sent");
        }
    }
    std::thread::sleep(Duration::from_secs(3));
    lab.thaw_controller();
    wait_for("the hosts to reach each other", BOUND, || carries(&lab).then_some(()));
    let names: Vec<_> = lab.events().iter().map(|event| event["event"].clone()).collect();
    assert!(names.iter().all(|name| name != "switch_gone"), "{names:?}");
}
