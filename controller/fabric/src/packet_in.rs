//! Packet-ins: what each teaches and calls for.

use std::net::IpAddr;

use nearcast_machine::Span;
use nearcast_media::peering;
use nearcast_media::rtmp::Side;

use crate::event::Limit;
use crate::fabric::{Fabric, Timer};
use crate::frame::{Arp, Content, Frame, Segment};
use crate::ndp::Neighbour;
use crate::neighbours::{Asker, Held};
use crate::pipeline::{FORWARDING, INSPECT, PEERING};
use crate::switch::Class;
use crate::{Attachment, Event, Mac};

/// How old a probe may be when it arrives: longer than any link and control channel take.
const PROBE_AGE: Span = Span::from_secs(2);
/// How long an address is waited for before it is asked for again.
const ASK_AGAIN: Span = Span::from_millis(300);
/// How often an address is asked for.
const ASKS: u32 = 4;

impl Fabric {
    pub(crate) fn packet_in(&mut self, at: Attachment, table: u8, bytes: &[u8]) {
        let Some(frame) = Frame::parse(bytes) else { return };
        let class = match (table, frame.content) {
            (_, Content::Lldp(_)) => Class::Lldp,
            (INSPECT, Content::Arp(_) | Content::Ndp(_)) => Class::Arp,
            (INSPECT, Content::Tcp(_)) => Class::Rtmp,
            (PEERING, Content::Udp(_)) => Class::Answer,
            (FORWARDING, _) => Class::Unknown,
            _ => return,
        };
        *self.packet_ins.entry(class.name()).or_default() += 1;
        if !self.admits(at, class) {
            return;
        }
        match frame.content {
            Content::Lldp(payload) => {
                let probe = self.prober.receive(payload, self.heard_until(), PROBE_AGE);
                if let Some(probe) = probe {
                    self.probed(probe, at);
                }
            }
            Content::Arp(arp) if table == INSPECT => self.arp(at, &frame, arp),
            Content::Ndp(neighbour) if table == INSPECT => self.ndp(at, &frame, neighbour),
            Content::Tcp(segment) if table == INSPECT => self.rtmp(at, frame.source, &segment),
            Content::Udp(datagram) if table == PEERING => {
                if let Ok(peering::Message::Answer(answer)) =
                    peering::Message::parse(datagram.payload)
                {
                    self.answered(*datagram.source.ip(), at, answer);
                }
            }
            _ => self.unknown(at, &frame, bytes),
        }
    }

    fn admits(&mut self, at: Attachment, class: Class) -> bool {
        let now = self.now;
        let Some(switch) = self.switches.get_mut(&at.switch) else { return false };
        if !switch.ports.contains_key(&at.port) {
            return false;
        }
        if switch.admits(class, at.port, now) {
            return true;
        }
        *self.packet_ins.entry(class.dropped()).or_default() += 1;
        let quiet = Span::from_secs(10);
        if switch.reported.get(&class).is_none_or(|last| now.since(*last) >= quiet) {
            switch.reported.insert(class, now);
            self.event(Event::PacketInsLimited { switch: at.switch, class: class.name() });
        }
        false
    }

    fn arp(&mut self, at: Attachment, frame: &Frame<'_>, arp: Arp) {
        let range = self.config.virtual_range;
        // Who speaks for another, or for a virtual address, is not listened to.
        if arp.sender_mac != frame.source || range.contains(arp.sender) || !self.is_edge(at) {
            return;
        }
        let sender = IpAddr::V4(arp.sender);
        self.learn(arp.sender_mac, Some(sender), at);
        // What is sent to one host reaches it without us.
        let direct = !frame.destination.is_multicast() && frame.destination != range.mac();
        self.resolved(sender, direct.then_some(frame.destination));
        if direct || !arp.request || arp.target == arp.sender {
            return;
        }
        if range.contains(arp.target) {
            self.frame_out(at, arp.answered_by(range.mac()));
            return;
        }
        let asker = Asker { mac: arp.sender_mac, address: sender, at };
        self.asked(asker, arp.target.into());
    }

    fn ndp(&mut self, at: Attachment, frame: &Frame<'_>, neighbour: Neighbour) {
        // As above: nobody speaks for another.
        let own = neighbour.link_layer.is_none_or(|mac| mac == frame.source);
        if !own || !self.is_edge(at) {
            return;
        }
        let Neighbour { source, target, .. } = neighbour;
        let sender = if neighbour.solicitation { source } else { target };
        self.learn(frame.source, Some(sender.into()), at);
        let direct = !frame.destination.is_multicast();
        self.resolved(sender.into(), direct.then_some(frame.destination));
        if !direct && neighbour.solicitation && target != source {
            self.asked(Asker { mac: frame.source, address: source.into(), at }, target.into());
        }
    }

    /// A host asks everybody for an address: it is answered, or the address is asked for.
    fn asked(&mut self, asker: Asker, target: IpAddr) {
        if let Some(owner) = self.hosts.owner(target) {
            // Hosts behind one port hear each other, and one that probes its own address must not
            // be told that it is taken.
            let elsewhere = self.hosts.host(owner).is_some_and(|host| host.at != asker.at);
            if elsewhere && owner != asker.mac {
                self.frame_out(asker.at, asker.answer(target, owner));
            }
            return;
        }
        if self.neighbours.want(target, asker) {
            self.ask_again(target);
        }
    }

    /// Asks for an address at the edge, or gives up.
    pub(crate) fn ask_again(&mut self, target: IpAddr) {
        let Some(ask) = self.neighbours.ask(target) else { return };
        ask.tries += 1;
        let tries = ask.tries;
        let asker = ask.askers.first().copied();
        if tries > ASKS {
            self.neighbours.settle(target);
            let frames = self.neighbours.take(|held| held.address == target);
            self.spread(frames);
            return;
        }
        self.agenda.set(Timer::Ask(target), self.now + ASK_AGAIN);
        // The first asker's own addresses make the request one that any host answers.
        let Some(asker) = asker else { return };
        let frame = asker.request(target);
        let edges = self.edges();
        self.spread_frame(&edges, asker.at, &frame);
    }

    /// Answers those who waited for an address that is known now, but for who `heard` it already.
    pub(crate) fn resolved(&mut self, address: IpAddr, heard: Option<Mac>) {
        let Some(owner) = self.hosts.owner(address) else { return };
        let Some(ask) = self.neighbours.settle(address) else { return };
        self.agenda.cancel(&Timer::Ask(address));
        for asker in ask.askers.into_iter().filter(|asker| Some(asker.mac) != heard) {
            self.frame_out(asker.at, asker.answer(address, owner));
        }
    }

    fn rtmp(&mut self, at: Attachment, source: Mac, segment: &Segment<'_>) {
        if !self.is_edge(at) {
            return;
        }
        self.learn(source, self.unowned(segment.source.ip()), at);
        let ports = &self.rtmp_ports;
        let side = if ports.contains(&segment.destination.port()) {
            Side::Client
        } else if ports.contains(&segment.source.port()) {
            Side::Server
        } else {
            return;
        };
        self.inspection.segment(self.now, side, segment, source, at);
        self.take_findings(Some((at, segment.source, segment.destination)));
    }

    /// A frame to a host that is not known.
    fn unknown(&mut self, at: Attachment, frame: &Frame<'_>, bytes: &[u8]) {
        let addresses = frame.addresses();
        if self.is_edge(at) {
            self.learn(frame.source, addresses.and_then(|(source, _)| self.unowned(source)), at);
        }
        if frame.destination.is_multicast() {
            // The port it came by is not settled yet, or no port is.
            return;
        }
        if let Some(host) = self.hosts.host(frame.destination) {
            // Learned while this frame was under way.
            let to = host.at;
            if to != at {
                self.frame_out(to, bytes.to_vec());
            }
            return;
        }
        let Some((source, destination)) = addresses else {
            let edges = self.edges();
            self.spread_frame(&edges, at, bytes);
            return;
        };
        let held = Held {
            destination: frame.destination,
            address: destination,
            from: at,
            frame: bytes.to_vec(),
        };
        if !self.neighbours.hold(held) {
            self.limit_reached(Limit::HeldFrames);
            return;
        }
        let asker = Asker { mac: frame.source, address: source, at };
        if self.neighbours.want(destination, asker) {
            self.ask_again(destination);
        }
    }

    /// An address that a mere IP packet may claim: one that no host has shown by ARP or neighbour
    /// discovery.
    fn unowned(&self, address: IpAddr) -> Option<IpAddr> {
        self.hosts.owner(address).is_none().then_some(address)
    }
}
