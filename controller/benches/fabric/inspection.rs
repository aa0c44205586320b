//! Copies of RTMP segments, read for roles: how many bits a second one core takes.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use nearcast_fabric::{Config, Event, Fabric, Input, Limits, Output};
use nearcast_machine::{Machine, Span, Time};
use rust_openflow::Framer;
use rust_openflow::v13::Message;

use crate::captures::{Capture, NAMES};
use crate::frames::Host;
use crate::quantiles::median;
use crate::rtmp::{MSS, PORT, reset};
use crate::switch::Switch;
use crate::wire::{CONNECTION, InMemory, Wire};

/// The table that sends up copies of RTMP.
const INSPECT: u8 = 0;
/// Servers, each with a publisher and three players: every server's streams are its own.
const SERVERS: u32 = 64;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often everything is measured, in turn.
    #[arg(long, default_value_t = Arguments::default().rounds)]
    rounds: usize,
}

impl Default for Arguments {
    fn default() -> Arguments {
        Arguments { rounds: 31 }
    }
}

/// In which order, and how large, the segments come.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: &'static str,
    mss: usize,
    /// Every second segment before the first.
    swapped: bool,
    /// With what comes after the server accepted, most of which is media.
    whole: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "until accepted", mss: MSS, swapped: false, whole: false },
    Shape { name: "until accepted, pairs swapped", mss: MSS, swapped: true, whole: false },
    Shape { name: "until accepted, segments of 100 bytes", mss: 100, swapped: false, whole: false },
    Shape { name: "first 36 KiB, media included", mss: MSS, swapped: false, whole: true },
];

/// Connections of one shape, opened, read and reset.
struct Load {
    shape: Shape,
    messages: Vec<Message>,
    wire: Vec<u8>,
    /// Bytes of all frames.
    bytes: usize,
    decoded: Vec<Duration>,
    encoded: Vec<Duration>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let captures: Vec<_> = NAMES.into_iter().map(Capture::read).collect::<Result<_, _>>()?;
    let mut loads: Vec<_> = SHAPES.map(|shape| Load::of(shape, &captures)).into();
    for _ in 0..arguments.rounds {
        for load in &mut loads {
            let (decoded, encoded) = (load.by_message()?, load.by_bytes()?);
            load.decoded.push(decoded);
            load.encoded.push(encoded);
        }
    }
    println!(
        "RTMP inspection, one core, medians of {}: {} connections of {}",
        arguments.rounds,
        SERVERS as usize * NAMES.len(),
        NAMES.join(", ")
    );
    println!("{:<40} {:>8} {:>26} {:>26}", "", "segments", "fabric alone", "from and to the wire");
    for load in loads {
        let segments = load.messages.len();
        let figures = |times| {
            let time = median(times).as_secs_f64();
            let gbit = load.bytes as f64 * 8.0 / time / 1e9;
            format!("{gbit:>8.2} Gbit/s {:>6.0} ns each", time * 1e9 / segments as f64)
        };
        let (alone, wire) = (figures(load.decoded), figures(load.encoded));
        println!("{:<40} {segments:>8} {alone:>26} {wire:>26}", load.shape.name);
    }
    Ok(())
}

impl Load {
    fn of(shape: Shape, captures: &[Capture]) -> Load {
        let mut messages = Vec::new();
        let mut bytes = 0;
        for number in 0..SERVERS {
            let server = Host::new(number, 1);
            let server = (server, SocketAddrV4::new(server.ip, PORT));
            for (at, capture) in (0..).zip(captures) {
                let client = Host::new(1000 + number, 2 + at);
                let client = (client, SocketAddrV4::new(client.ip, 40_000 + at as u16));
                let mut frames = match shape.whole {
                    true => capture.frames(client, server, shape.mss),
                    false => capture.until_accepted(shape.mss).frames(client, server, shape.mss),
                };
                if shape.swapped {
                    // Not the SYNs: without them there is nothing to put in order.
                    swap_pairs(&mut frames[2..]);
                }
                frames.push(reset(client, server));
                for (port, frame) in frames {
                    bytes += frame.len();
                    messages.push(Switch::packet_in(INSPECT, port, frame));
                }
            }
        }
        let mut wire = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut wire));
        Load { shape, messages, wire, bytes, decoded: Vec::new(), encoded: Vec::new() }
    }

    /// The fabric alone: messages in, messages out.
    fn by_message(&self) -> Result<Duration, String> {
        let (mut fabric, mut now) = fabric()?;
        let inputs: Vec<_> =
            self.messages.iter().map(|m| Input::Message(CONNECTION, m.clone())).collect();
        let mut accepted = 0;
        let start = Instant::now();
        for input in inputs {
            now += TICK;
            fabric.handle(now, input);
            while let Some(output) = fabric.poll() {
                accepted += u32::from(is_accepted(&output));
            }
        }
        let took = start.elapsed();
        sound(&fabric, accepted).map(|()| took)
    }

    /// As the controller does it, but for the sockets: bytes in, bytes out.
    fn by_bytes(&self) -> Result<Duration, String> {
        let (mut fabric, mut now) = fabric()?;
        let (mut framer, mut out) = (Framer::new(), Vec::with_capacity(1 << 16));
        let mut accepted = 0;
        let start = Instant::now();
        // As much as the controller reads at once.
        for read in self.wire.chunks(64 << 10) {
            framer.push(read);
            while let Some(frame) = framer.next_frame().expect("sound headers") {
                let message = Message::parse(&frame).expect("a message");
                now += TICK;
                fabric.handle(now, Input::Message(CONNECTION, message));
                while let Some(output) = fabric.poll() {
                    accepted += u32::from(is_accepted(&output));
                    if let Output::Send(_, message) = output {
                        message.encode(&mut out);
                    }
                }
            }
            out.clear();
        }
        let took = start.elapsed();
        sound(&fabric, accepted).map(|()| took)
    }
}

/// Time from one segment to the next.
const TICK: Span = Span::from_micros(1);

/// A fabric with one live switch. Nothing becomes due while it is measured, and nothing is limited.
fn fabric() -> Result<(Fabric, Time), String> {
    let hour = Span::from_secs(3600);
    let limits = Limits { rtmp_rate: 1_000_000_000, ..Limits::default() };
    let config = Config {
        // Roles are found and judged; what peerings cost is another figure.
        observe_only: true,
        settle: hour,
        probe_interval: hour,
        echo_interval: hour,
        audit_interval: hour,
        limits,
        ..Config::default()
    };
    let mut wire = InMemory::new(config, Switch::new(1, 8));
    wire.become_live()?;
    Ok(wire.into_fabric())
}

/// Swaps each two segments that one end sent in a row.
fn swap_pairs(frames: &mut [(u32, Vec<u8>)]) {
    let mut at = 0;
    while at + 1 < frames.len() {
        if frames[at].0 == frames[at + 1].0 {
            frames.swap(at, at + 1);
            at += 1;
        }
        at += 1;
    }
}

fn is_accepted(output: &Output) -> bool {
    matches!(output, Output::Event(Event::RoleAccepted { .. }))
}

/// Every role must have been found, and every connection be forgotten.
fn sound(fabric: &Fabric, accepted: u32) -> Result<(), String> {
    let statistics = fabric.statistics();
    let wanted = SERVERS * NAMES.len() as u32;
    if accepted != wanted || statistics.connections != 0 || statistics.streams != 0 {
        return Err(format!("{accepted} roles were found, not {wanted}; left is {statistics:?}"));
    }
    Ok(())
}
