//! What tracked RTMP connections cost in memory, with very many of them at once.
//!
//!     cargo bench -p nearcast-controller --bench memory
//!
//! It fails if 100,000 of them take 400 MiB or more. Counted is what the fabric holds in all:
//! connections, roles, hosts, and the entries that let connections through. It stands apart from
//! the other benchmarks because it counts every allocation, which takes time.

#[allow(dead_code, reason = "shared with benchmarks that use more of it")]
#[path = "fabric/captures.rs"]
mod captures;
#[allow(dead_code, reason = "shared with benchmarks that use more of it")]
#[path = "fabric/frames.rs"]
mod frames;
#[allow(dead_code, reason = "shared with benchmarks that use more of it")]
#[path = "fabric/rtmp.rs"]
mod rtmp;
#[allow(dead_code, reason = "shared with benchmarks that use more of it")]
#[path = "fabric/switch.rs"]
mod switch;
#[allow(dead_code, reason = "shared with benchmarks that use more of it")]
#[path = "fabric/wire.rs"]
mod wire;

use std::net::SocketAddrV4;
use std::process::ExitCode;

use clap::Parser;
use nearcast_fabric::{Config, Event, Fabric, Input, Limits, Output};
use nearcast_machine::{Machine, Span, Time};
use peak_alloc::PeakAlloc;

use crate::captures::Capture;
use crate::frames::Host;
use crate::rtmp::{MSS, PORT};
use crate::switch::Switch;
use crate::wire::{CONNECTION, InMemory, Wire};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What 100,000 connections may take, in bytes.
const GOAL: usize = 400 << 20;
const CONNECTIONS: u32 = 100_000;
/// Connections of each client; more than 64 roles a host may not have.
const EACH: u32 = 50;
/// Players of each server.
const AUDIENCE: u32 = 500;
/// Hosts behind each port.
const NEIGHBOURS: u32 = 200;
/// The table that sends up copies of RTMP.
const INSPECT: u8 = 0;

/// Measures the memory of tracked RTMP connections.
#[derive(Debug, Parser)]
struct Arguments {
    /// Connections at once.
    #[arg(long, default_value_t = CONNECTIONS)]
    connections: u32,

    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("memory: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let count = arguments.connections;
    let capture = Capture::read("ffmpeg-play")?.until_accepted(MSS);
    let mut network = Network::new(count)?;
    let before = HEAP.current_usage();
    let report = |what: &str, bytes: usize| {
        let (mib, each) = (bytes as f64 / f64::from(1 << 20), bytes / count as usize);
        println!("{what:<48} {mib:>8.1} MiB {each:>6} B each");
    };

    println!("{count} RTMP connections of ffmpeg players, tracked at once");
    for number in 0..count {
        let frames = session(&capture, number);
        let (_, early) = frames.split_last().expect("a session has segments");
        early.iter().cloned().for_each(|frame| network.frame(frame));
    }
    network.holds(count, 0)?;
    let undecided = HEAP.current_usage() - before;
    report("one segment before the server accepts", undecided);

    for number in 0..count {
        let last = session(&capture, number).pop().expect("a session has segments");
        network.frame(last);
    }
    network.holds(count, count)?;
    let accepted = HEAP.current_usage() - before;
    let entries = network.fabric.statistics().entries as f64 / f64::from(count);
    report(&format!("accepted and let through, {entries:.1} entries each"), accepted);
    report("most at any time", HEAP.peak_usage() - before);
    let allowed = GOAL / CONNECTIONS as usize * count as usize;
    Ok(undecided.max(accepted) < allowed)
}

/// The frames of the `number`th connection.
fn session(capture: &Capture, number: u32) -> Vec<(u32, Vec<u8>)> {
    let (client, server) = (number / EACH, number / AUDIENCE);
    let server = Host::new(server, 1);
    let client = Host::new(10_000 + client, 2 + client / NEIGHBOURS);
    let port = 40_000 + (number % EACH) as u16;
    let ends = [(client, port), (server, PORT)];
    let [client, server] = ends.map(|(host, port)| (host, SocketAddrV4::new(host.ip, port)));
    capture.frames(client, server, MSS)
}

/// A fabric and its one switch.
struct Network {
    fabric: Fabric,
    now: Time,
    accepted: u32,
}

impl Network {
    fn new(connections: u32) -> Result<Network, String> {
        let hour = Span::from_secs(3600);
        let limits = Limits {
            connections: connections as usize,
            rtmp_rate: 1_000_000_000,
            hosts_per_port: 1000,
            ..Limits::default()
        };
        // Nothing becomes due while it is measured.
        let config = Config {
            settle: hour,
            probe_interval: hour,
            echo_interval: hour,
            audit_interval: hour,
            limits,
            ..Config::default()
        };
        let ports = 2 + connections / EACH / NEIGHBOURS;
        let mut wire = InMemory::new(config, Switch::new(1, ports));
        wire.become_live()?;
        let (fabric, now) = wire.into_fabric();
        Ok(Network { fabric, now, accepted: 0 })
    }

    fn frame(&mut self, (port, frame): (u32, Vec<u8>)) {
        self.now += Span::from_micros(1);
        let message = Switch::packet_in(INSPECT, port, frame);
        self.fabric.handle(self.now, Input::Message(CONNECTION, message));
        while let Some(output) = self.fabric.poll() {
            if let Output::Event(Event::RoleAccepted { .. }) = output {
                self.accepted += 1;
            }
        }
    }

    /// Whether it follows so many connections, and has found so many roles.
    fn holds(&self, connections: u32, roles: u32) -> Result<(), String> {
        let followed = self.fabric.connections();
        if (followed, self.accepted) != (connections as usize, roles) {
            let statistics = self.fabric.statistics();
            return Err(format!(
                "{followed} connections and {} roles, not {connections} and {roles}: {statistics:?}",
                self.accepted
            ));
        }
        Ok(())
    }
}
