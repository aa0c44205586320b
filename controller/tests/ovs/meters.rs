//! A storm that the switch's own meters cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{self, Lab, get, run, wait_for};
use crate::reserved::Reserved;

const BOUND: Duration = Duration::from_secs(20);

/// Packet-ins by class, as the controller counts them.
fn packet_ins(http: SocketAddr) -> Value {
    let mut counters: Value = serde_json::from_str(&get(http, "/v1/counters")).expect("JSON");
    counters["fabric"]["packet_ins"].take()
}

fn meters(bridge: &str) -> Vec<String> {
    let text = run(&format!("ovs-ofctl -O OpenFlow13 dump-meters {bridge}"));
    let mut ids: Vec<_> = text
        .split_whitespace()
        .filter(|word| word.starts_with("meter="))
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids
}

#[test]
fn a_storm_is_cut_by_the_switch_and_neither_arp_nor_probes_starve() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("b", 1), ("v1", 11), ("v2", 12)]);
    lab.add_bridge("x", &[("w", 13)]);
    lab.link("br", "x");
    let http = Reserved::new();
    let file = lab.folder.path().join("controller.toml");
    let settings = "[timing]\naudit_interval = \"1s\"\nprobe_interval = \"1s\"\n";
    std::fs::write(&file, settings).expect("written");
    let (file, address) = (file.display().to_string(), http.address.to_string());
    let arguments = ["--config", file.as_str(), "--http", address.as_str()];
    lab.start_controller(&arguments);
    lab.wait_events("switch_ready", 2);
    lab.wait_events("link", 2);
    let bridge = lab.bridge_name("br");
    // Three for each of four ports, and two of the switch.
    let before = meters(&bridge);
    assert_eq!(before.len(), 14, "{before:?}");

    // A neighbour that is nobody: what is sent to it is unknown everywhere.
    let namespace = lab.namespace("b");
    run(&format!("ip -n {namespace} neigh add 10.0.0.200 lladdr 02:00:00:00:99:99 dev eth0"));
    let flood = lab.socket("b", Ipv4Addr::UNSPECIFIED, 901);
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let sender = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut sent = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                sent += u64::from(flood.send_to(b"?", "10.0.0.200:901").is_ok());
            }
            sent
        }
    });
    wait_for("the switch to cut the storm", BOUND, || {
        (packet_ins(http.address)["unknown metered"].as_u64() > Some(10_000)).then_some(())
    });
    // Others find each other by ARP meanwhile, for the first time.
    let probes = packet_ins(http.address)["lldp"].as_u64().expect("a number");
    let [a, b] = ["v1", "w"].map(|name| lab.socket(name, Ipv4Addr::UNSPECIFIED, 902));
    let mut buffer = [0; 16];
    wait_for("v1 to reach w", BOUND, || {
        a.send_to(b"hello", "10.0.0.13:902").expect("sent");
        b.recv(&mut buffer).ok()
    });
    wait_for("probes to go on", BOUND, || {
        (packet_ins(http.address)["lldp"].as_u64() >= Some(probes + 4)).then_some(())
    });
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("it does not panic");
    let took = start.elapsed().as_secs_f64();
    let counted = packet_ins(http.address);
    let unknown = counted["unknown"].as_u64().expect("a number");
    println!("{sent} frames in {took:.1} s to nobody: {unknown} packet-ins; {counted}");
    // A port's share: 125 a second, of which half as many at once; v1's first frames came as well.
    let most = 62.0 + 125.0 * took;
    assert!((unknown as f64) < 1.2 * most + 20.0, "{unknown} packet-ins, and {most:.0} may be");
    assert!(sent > 20 * unknown, "{sent} frames are no storm");
    let lost = |event: &Value| event["event"] == "link" && event["up"] == false;
    assert!(!lab.events().iter().any(lost), "the link was proven all the while");

    // What the switch itself says it dropped.
    let stats = run(&format!("ovs-ofctl -O OpenFlow13 meter-stats {bridge}"));
    let dropped = stats.lines().filter_map(|line| line.trim().strip_prefix("0: packet_count:"));
    let counts = dropped.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    assert!(counts.max() > Some(10_000), "{stats}");

    // Deleted by hand they are put back; a restart leaves them as they are.
    run(&format!("ovs-ofctl -O OpenFlow13 del-meters {bridge}"));
    wait_for("the meters to be back", BOUND, || (meters(&bridge) == before).then_some(()));
    wait_for("what needs them to be back", BOUND, || {
        let flows = lab.flows();
        let metered = flows.iter().filter(|flow| flow.contains("meter:")).count();
        let copies = flows.iter().filter(|flow| flow.contains("meter_id=")).count();
        (metered == 4 * 4 + 1 && copies == 3 * 4 + 16).then_some(())
    });
    lab.stop_controller();
    lab.start_controller(&arguments);
    let ready = lab.wait_events("switch_ready", 2);
    assert!(ready.iter().all(|ready| ready["added"] == 0), "{ready:?}");
    assert_eq!(meters(&bridge), before);
    let errors: Vec<_> =
        lab.events().into_iter().filter(|event| event["event"] == "switch_error").collect();
    assert!(errors.is_empty(), "{errors:?}");
}
