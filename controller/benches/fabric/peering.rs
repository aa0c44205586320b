//! From a play that the server accepts to a peering that the switch has installed.

use std::net::SocketAddrV4;
use std::time::Instant;

use nearcast_fabric::{Config, Limits};
use nearcast_machine::Span;
use nearcast_media::Role;
use nearcast_media::peering::{self, Answer, Message, Offer};

use crate::frames::{Host, datagram};
use crate::process::Controller;
use crate::quantiles::{COLUMNS, Times};
use crate::rtmp;
use crate::switch::{Switch, Told};
use crate::wire::{InMemory, Socket, Wire};

/// The tables that send packets up: copies of RTMP, and what is said to the controller's alias.
const INSPECT: u8 = 0;
const PEERING: u8 = 1;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Viewers that join one stream, one after the other; more than 512 a switch does not have.
    #[arg(long, default_value_t = Arguments::default().viewers)]
    viewers: u32,

    /// How often all of them do, in memory and over a socket in turn.
    #[arg(long, default_value_t = Arguments::default().rounds)]
    rounds: u32,
}

impl Default for Arguments {
    fn default() -> Arguments {
        Arguments { viewers: 200, rounds: 5 }
    }
}

/// How long the parts of it took.
#[derive(Default)]
struct Took {
    /// Until the switch is asked to confirm the last of what the viewer needs.
    installed: Times,
    /// Until the viewer's offer leaves the switch.
    offered: Times,
    /// From the viewer's answer until the group has its bucket.
    joined: Times,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let (viewers, rounds) = (arguments.viewers.clamp(1, 512), arguments.rounds);
    let (mut in_memory, mut over_socket) = (Took::default(), Took::default());
    for _ in 0..rounds {
        let switch = || Switch::new(1, viewers + 2);
        let hour = Span::from_secs(3600);
        // Whatever is due now and then stays out of it, and so do limits: plays follow each other
        // faster than those of people.
        let limits = Limits { rtmp_rate: 1_000_000, answer_rate: 1_000_000, ..Limits::default() };
        let config = Config { lease: hour, audit_interval: hour, limits, ..Config::default() };
        all_join(&mut InMemory::new(config, switch()), viewers, &mut in_memory)?;
        let settings = "lease = \"3600s\"\n[timing]\naudit_interval = \"3600s\"\n\
                        [limits]\nrtmp_rate = 1000000\nanswer_rate = 1000000\n";
        let controller = Controller::start(settings)?;
        all_join(&mut Socket::connect(controller.address(), switch())?, viewers, &mut over_socket)?;
    }
    println!("{rounds} x {viewers} viewers join one stream at one switch{COLUMNS:>51}");
    for (name, took) in [("in memory", in_memory), ("over a socket", over_socket)] {
        println!("{name:<14} accepted play -> peering installed {}", took.installed);
        println!("{name:<14} accepted play -> offer sent        {}", took.offered);
        println!("{name:<14} viewer's answer -> bucket in group {}", took.joined);
    }
    Ok(())
}

/// A broadcaster publishes, and viewers play and take their parts.
fn all_join(wire: &mut impl Wire, viewers: u32, took: &mut Took) -> Result<(), String> {
    wire.become_live()?;
    let (broadcaster, server) = (Host::new(0, 1), Host::new(1, 2));
    for (port, frame) in session(Role::Broadcaster, broadcaster, server) {
        wire.send(Switch::packet_in(INSPECT, port, frame))?;
    }
    wire.settle()?;
    let mut unanswered = Some(broadcaster);
    for number in 0..viewers {
        let viewer = Host::new(2 + number, 3 + number);
        let frames = session(Role::Viewer, viewer, server);
        let (last, before) = frames.split_last().expect("a session has segments");
        for (port, frame) in before {
            wire.send(Switch::packet_in(INSPECT, *port, frame.clone()))?;
        }
        wire.settle()?;

        let accepted = Instant::now();
        wire.send(Switch::packet_in(INSPECT, last.0, last.1.clone()))?;
        let mut installed = accepted;
        let (offer, from) = loop {
            match wire.told()? {
                Told::Barrier => installed = Instant::now(),
                Told::Frame(port, frame) => {
                    let Some((offer, from)) = offered(&frame) else { continue };
                    if port == viewer.port {
                        break (offer, from);
                    }
                    if let Some(host) = unanswered.take_if(|host| host.port == port) {
                        answer(wire, &host, &offer, from)?;
                    }
                }
                _ => {}
            }
        };
        took.offered.push(accepted.elapsed());
        took.installed.push(installed - accepted);
        wire.settle()?;

        let answered = Instant::now();
        answer(wire, &viewer, &offer, from)?;
        while !matches!(wire.told()?, Told::Change) {}
        took.joined.push(answered.elapsed());
        wire.settle()?;
    }
    Ok(())
}

/// The frames by which a client publishes or plays; with the last one the server accepts.
fn session(role: Role, client: Host, server: Host) -> Vec<(u32, Vec<u8>)> {
    let address = |host: Host, port| (host, SocketAddrV4::new(host.ip, port));
    let said = rtmp::session(role, "live/room");
    rtmp::frames(&said, address(client, 40_000), address(server, rtmp::PORT), rtmp::MSS)
}

/// The offer in a frame, and who it is from.
fn offered(frame: &[u8]) -> Option<(Offer, SocketAddrV4)> {
    let (from, _, payload) = datagram(frame)?;
    match Message::parse(payload) {
        Ok(Message::Offer(offer)) => Some((offer, from)),
        _ => None,
    }
}

/// A host takes its part. Table 0 has put its alias in place of its address by then.
fn answer(
    wire: &mut impl Wire,
    host: &Host,
    offer: &Offer,
    to: SocketAddrV4,
) -> Result<(), String> {
    let Offer { peering, generation, role, alias, .. } = *offer;
    let payload = Message::Answer(Answer { peering, generation, role, accept: true }).encode();
    let frame = host.udp((host.mac, to), SocketAddrV4::new(alias, peering::PORT), &payload);
    wire.send(Switch::packet_in(PEERING, host.port, frame))
}
