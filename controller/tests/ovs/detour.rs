//! A link goes down while the controller does nothing: the switches go round it by themselves.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::lab::{self, Lab, run, wait_for};

const BOUND: Duration = Duration::from_secs(20);

/// Whether a datagram gets from one host to another.
fn reaches(from: &UdpSocket, to: &UdpSocket, address: Ipv4Addr, number: u32) -> bool {
    from.send_to(&number.to_be_bytes(), (address, 900)).expect("sent");
    let mut buffer = [0; 4];
    while let Ok(4) = to.recv(&mut buffer) {
        if u32::from_be_bytes(buffer) == number {
            return true;
        }
    }
    false
}

/// Packets that left by a cable, both ends together.
fn carried(cable: &str) -> u64 {
    ["tx", "rx"]
        .map(|way| format!("/sys/class/net/{cable}/statistics/{way}_packets"))
        .map(|path| std::fs::read_to_string(path).expect("a counter").trim().parse::<u64>())
        .into_iter()
        .map(|count| count.expect("a number"))
        .sum()
}

#[test]
fn frames_go_round_a_link_that_is_down_while_the_controller_stands_still() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("b", 1)]);
    lab.add_bridge("x", &[("v1", 11)]);
    lab.add_bridge("y", &[("v2", 12)]);
    lab.add_bridge("z", &[("v3", 13)]);
    let ring = [("br", "x"), ("x", "y"), ("y", "z"), ("z", "br")];
    let cables = ring.map(|(a, b)| lab.cable(a, b));
    lab.start_controller(&[]);
    lab.wait_events("switch_ready", 4);
    lab.wait_events("link", 8);

    let hosts = [("b", 1), ("v1", 11), ("v2", 12), ("v3", 13)];
    let socket = |name: &str| lab.socket(name, Ipv4Addr::UNSPECIFIED, 900);
    let sockets = hosts.map(|(name, _)| socket(name));
    let mut number = 0;
    let mut all_reach_all = |what: &str| {
        for (from, (a, _)) in sockets.iter().zip(hosts) {
            for (to, (b, last)) in sockets.iter().zip(hosts).filter(|(_, (b, _))| *b != a) {
                wait_for(&format!("{what}: {a} to {b}"), BOUND, || {
                    number += 1;
                    reaches(from, to, Ipv4Addr::new(10, 0, 0, last), number).then_some(())
                });
            }
        }
    };
    all_reach_all("all links up");
    for bridge in ["br", "x", "y", "z"] {
        let bridge = lab.bridge_name(bridge);
        wait_for("a way round both links", BOUND, || {
            let groups = run(&format!("ovs-ofctl -O OpenFlow13 dump-groups {bridge}"));
            (groups.matches("type=ff").count() == 4).then_some(())
        });
    }

    lab.freeze_controller();
    for cable in &cables {
        // A stream of datagrams, and in its midst the link is gone.
        let (b, v1) = (&sockets[0], &sockets[1]);
        let address = Ipv4Addr::new(10, 0, 0, 11);
        v1.set_nonblocking(true).expect("a socket option");
        let (mut got, mut buffer) = (0, [0; 4]);
        const SENT: u32 = 2000;
        let start = Instant::now();
        for n in 0..SENT {
            if n == SENT / 4 {
                run(&format!("ip link set {cable} down"));
            }
            b.send_to(&n.to_be_bytes(), (address, 900)).expect("sent");
            while v1.recv(&mut buffer).is_ok() {
                got += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        v1.set_nonblocking(false).expect("a socket option");
        while v1.recv(&mut buffer).is_ok() {
            got += 1;
        }
        println!(
            "{cable} went down: {} of {SENT} datagrams lost, one sent each {:.2} ms",
            SENT - got,
            start.elapsed().as_secs_f64() * 1e3 / f64::from(SENT)
        );
        assert!(got > SENT / 2, "what came after the link was gone went round it: {got}");
        all_reach_all(&format!("without {cable}"));
        run(&format!("ip link set {cable} up"));
        all_reach_all(&format!("with {cable} again"));
    }

    // Cut off altogether: what is turned away ends, and does not go in circles.
    for cable in [&cables[0], &cables[2]] {
        run(&format!("ip link set {cable} down"));
    }
    let between = || carried(&cables[1]) + carried(&cables[3]);
    let before = between();
    for n in 0..100_u32 {
        let (b, address) = (&sockets[0], Ipv4Addr::new(10, 0, 0, 11));
        b.send_to(&n.to_be_bytes(), (address, 900)).expect("sent");
    }
    assert!(!reaches(&sockets[0], &sockets[1], Ipv4Addr::new(10, 0, 0, 11), u32::MAX));
    let after = between() - before;
    assert!(after < 1000, "{after} packets on the links that are left, for a hundred");
}
