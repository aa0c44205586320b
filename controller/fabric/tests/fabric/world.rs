//! Hosts, links and switches in memory around one fabric, with a virtual clock.
//!
//! Frames and control messages take no time, unless a link or a switch was given a delay; time
//! passes only in [`World::run`].

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use nearcast_fabric::{
    Config, ConnectionId, Ending, Event, Fabric, Input, Limits, Output, Replica, Update,
};
use nearcast_machine::{Machine, Span, Time};
use nearcast_media::peering::{self, Answer, Offer, Withdraw};
use nearcast_topologies::Topology;
use rust_openflow::Mac;
use rust_openflow::v13::{Body, Message};

use crate::packet;
use crate::switch::{Effects, Switch};

/// What a host's peer does with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// There is none.
    Absent,
    Accepts,
    Declines,
}

/// A datagram that reached a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    pub(crate) payload: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv4Addr,
    pub(crate) at: (u64, u32),
    pub(crate) peer: Peer,
    pub(crate) neighbours: BTreeMap<Ipv4Addr, Mac>,
    pub(crate) neighbours6: BTreeMap<Ipv6Addr, Mac>,
    /// ARP replies, IP packets and broadcasts that reached it, but no offers.
    pub(crate) inbox: Vec<Vec<u8>>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) withdrawals: Vec<Withdraw>,
}

impl Host {
    pub(crate) fn ip6(&self) -> Ipv6Addr {
        let [a, b, c, d] = self.ip.octets();
        Ipv6Addr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
    }
}

enum Item {
    ToFabric(ConnectionId, Message),
    ToSwitch(u64, Message),
    /// A frame arrives at a switch.
    Frame(u64, u32, Vec<u8>),
    /// A frame arrives at what is attached to a port.
    Deliver((u64, u32), Vec<u8>),
}

pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) config: Config,
    pub(crate) now: Time,
    pub(crate) switches: BTreeMap<u64, Switch>,
    pub(crate) connections: BTreeMap<u64, ConnectionId>,
    pub(crate) hosts: BTreeMap<&'static str, Host>,
    pub(crate) links: BTreeMap<(u64, u32), (u64, u32)>,
    /// How long frames take on the link at a port, either way; no time if it is not here.
    pub(crate) delays: BTreeMap<(u64, u32), Span>,
    /// How long messages take between a switch and the fabric, one way.
    pub(crate) control: BTreeMap<u64, Span>,
    /// How long what a switch said waits to be handed in, as by a driver that is overloaded.
    pub(crate) lag: Span,
    /// Switches still take what waits for them, slowly.
    pub(crate) takes: bool,
    /// How long a host waits for what it sent to arrive.
    pub(crate) patience: Span,
    pub(crate) events: Vec<Event>,
    /// When each of them was said.
    pub(crate) said: Vec<Time>,
    /// How often each datagram of a stream left by a port that leads to a switch.
    pub(crate) carried: BTreeMap<((u64, u32), Vec<u8>), usize>,
    /// Every message that went to a switch.
    pub(crate) sent: Vec<(u64, Message)>,
    /// When each of them was sent.
    pub(crate) sent_at: Vec<Time>,
    /// What the fabric told a controller that stands by.
    told: Replica,
    /// Of the last that led.
    generation: u64,
    /// Connections that the fabric closed.
    pub(crate) closed: Vec<ConnectionId>,
    /// Frames that entered a switch.
    pub(crate) frames: usize,
    next_connection: u64,
    /// What is under way, by when it arrives and then in the order it was sent.
    items: BTreeMap<(Time, u64), Item>,
    sequence: u64,
}

pub(crate) const CDN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// A fabric with the CDN of these tests.
pub(crate) fn config() -> Config {
    Config { cdn: vec![(CDN, 1935).into()], probe_key: [7; 32], ..Config::default() }
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        World {
            fabric: Fabric::new(config.clone()),
            config,
            now: Time::from_nanos(1_000_000_000),
            switches: BTreeMap::new(),
            connections: BTreeMap::new(),
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            delays: BTreeMap::new(),
            control: BTreeMap::new(),
            lag: Span::ZERO,
            takes: false,
            patience: Span::ZERO,
            events: Vec::new(),
            said: Vec::new(),
            carried: BTreeMap::new(),
            sent: Vec::new(),
            sent_at: Vec::new(),
            told: Replica::new(&Limits::default()),
            generation: 0,
            closed: Vec::new(),
            frames: 0,
            next_connection: 1,
            items: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// What a topology says, with all its delays, connected and settled. Every message between a
    /// switch and the fabric takes `control`.
    pub(crate) fn of(topology: &Topology, mut config: Config, control: Span) -> World {
        let cdn = topology.with_role(nearcast_topologies::Role::Cdn);
        config.cdn = cdn.map(|host| (host.ip, 1935).into()).collect();
        // Links between switches are measured; those of hosts somebody has to say.
        for link in topology.links.iter().filter(|link| topology.host(&link.a).is_some()) {
            let port = topology.interface(&link.b, link).expect("it ends there");
            config.link_delays.insert(port, link.a_to_b.delay);
        }
        let mut world = World::new(config);
        for switch in &topology.switches {
            world.add_switch(switch.datapath_id, &switch.name);
            world.control.insert(switch.datapath_id, control);
        }
        let id = |name: &str| {
            topology.switches.iter().find(|switch| switch.name == name).map(|s| s.datapath_id)
        };
        let mut ports: BTreeMap<u64, u32> = BTreeMap::new();
        for link in &topology.links {
            let mut port = |switch: u64| {
                let next = ports.entry(switch).or_default();
                *next += 1;
                (switch, *next)
            };
            let ends = [id(&link.a), id(&link.b)].map(|end| end.map(&mut port));
            for end in ends.iter().flatten() {
                world.delays.insert(*end, link.a_to_b.delay);
            }
            match ends {
                [Some(a), Some(b)] => world.add_link(a, b),
                [None, Some(at)] => {
                    let host = topology.host(&link.a).expect("a host, or it would be a switch");
                    let name = match host.role {
                        nearcast_topologies::Role::Cdn => "cdn",
                        _ => host.name.clone().leak(),
                    };
                    world.add_host(name, host.ip, at);
                    world.hosts.get_mut(name).expect("added").mac = Mac(host.mac());
                }
                other => panic!("a link of a host is written from the host: {other:?}"),
            }
        }
        for switch in &topology.switches {
            world.connect(switch.datapath_id);
        }
        world.patience = Span::from_millis(150);
        world.run(Span::from_secs(12));
        world
    }

    fn later(&mut self, after: Span, item: Item) {
        self.sequence += 1;
        self.items.insert((self.now + after, self.sequence), item);
    }

    fn delay(&self, at: (u64, u32)) -> Span {
        self.delays.get(&at).copied().unwrap_or_default()
    }

    fn control_delay(&self, switch: u64) -> Span {
        self.control.get(&switch).copied().unwrap_or_default()
    }

    fn tell_fabric(&mut self, switch: u64, message: Message) {
        if let Some(id) = self.connections.get(&switch).copied() {
            self.later(self.control_delay(switch) + self.lag, Item::ToFabric(id, message));
        }
    }

    /// One switch `s1` with the hosts `b`, `v1` to `v{viewers}` and `cdn`, connected and settled.
    pub(crate) fn single(config: Config, viewers: usize) -> World {
        let mut world = World::new(config);
        world.attach(viewers);
        world
    }

    fn attach(&mut self, viewers: usize) {
        self.add_switch(1, "s1");
        self.add_host("b", Ipv4Addr::new(10, 0, 0, 1), (1, 1));
        self.add_host("cdn", CDN, (1, 2));
        const NAMES: [&str; 8] = ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"];
        for (n, name) in (0u8..).zip(NAMES).take(viewers) {
            self.add_host(name, Ipv4Addr::new(10, 0, 0, 11 + n), (1, 3 + u32::from(n)));
        }
        self.connect(1);
        self.run(Span::from_secs(1));
    }

    /// The same under a controller that is master, as there is another.
    pub(crate) fn mastered(config: Config, viewers: usize) -> World {
        let mut world = World::new(config);
        world.lead(Replica::new(&Limits::default()));
        world.attach(viewers);
        world
    }

    /// The fabric stands by, and then leads with what it was told.
    pub(crate) fn lead(&mut self, replica: Replica) {
        self.generation += 1 << 16;
        self.fabric.handle(self.now, Input::Stand);
        let ids: Vec<_> = self.switches.keys().copied().collect();
        for id in ids {
            self.connect(id);
        }
        self.run(Span::from_millis(100));
        let (generation, incarnation) = (self.generation, self.config.incarnation);
        let replica = Box::new(replica);
        self.fabric.handle(self.now, Input::Lead { generation, incarnation, replica });
        self.settle();
    }

    /// What the controller that stands by was told: piece by piece, and so the same as if it began
    /// to listen now.
    pub(crate) fn told(&self) -> Replica {
        let mut whole = Replica::new(&self.config.limits);
        for update in self.fabric.replica() {
            assert!(whole.apply(update), "there is room");
        }
        assert_eq!(whole, self.told);
        whole
    }

    /// The master is killed, and the other takes over.
    pub(crate) fn take_over(&mut self, replica: Replica) {
        self.config.incarnation += 100;
        self.fabric = Fabric::new(self.config.clone());
        self.connections.clear();
        self.told = Replica::new(&self.config.limits);
        self.lead(replica);
    }

    pub(crate) fn add_switch(&mut self, id: u64, name: &str) {
        self.switches.insert(id, Switch::new(id, name));
    }

    pub(crate) fn add_port(&mut self, (switch, port): (u64, u32)) {
        let switch = self.switches.get_mut(&switch).expect("a switch of this world");
        let name = format!("{}-eth{port}", switch.name);
        switch.ports.insert(port, name);
    }

    pub(crate) fn add_host(&mut self, name: &'static str, ip: Ipv4Addr, at: (u64, u32)) {
        self.add_port(at);
        let [.., last] = ip.octets();
        let host = Host {
            mac: Mac([2, 0, 0, 0, 0, last]),
            ip,
            at,
            peer: Peer::Accepts,
            neighbours: BTreeMap::new(),
            neighbours6: BTreeMap::new(),
            inbox: Vec::new(),
            offers: Vec::new(),
            withdrawals: Vec::new(),
        };
        self.hosts.insert(name, host);
    }

    pub(crate) fn add_link(&mut self, a: (u64, u32), b: (u64, u32)) {
        self.add_port(a);
        self.add_port(b);
        self.links.insert(a, b);
        self.links.insert(b, a);
    }

    /// Connects a switch to the fabric.
    pub(crate) fn connect(&mut self, switch: u64) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(switch, id);
        self.fabric.handle(self.now, Input::Connected(id));
        self.settle();
    }

    /// The controller is killed, and another one started with other settings.
    pub(crate) fn restart(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.fabric = Fabric::new(self.config.clone());
        self.connections.clear();
        let ids: Vec<_> = self.switches.keys().copied().collect();
        for id in ids {
            self.connect(id);
        }
    }

    /// Somebody else tells a switch something, as `ovs-ofctl` does.
    pub(crate) fn by_hand(&mut self, switch: u64, body: Body) {
        let state = self.switches.get_mut(&switch).expect("a switch of this world");
        let effects = state.message(self.now, Message::new(0, body));
        self.effects(switch, effects);
        self.settle();
    }

    /// Breaks a switch's connection.
    pub(crate) fn disconnect(&mut self, switch: u64, reason: &str) {
        let id = self.connections.remove(&switch).expect("a connected switch");
        self.fabric.handle(self.now, Input::Gone(id, Ending::Closed, reason.to_owned()));
        self.settle();
    }

    /// Brings a port down or up; a host's cable is pulled or plugged.
    pub(crate) fn set_port(&mut self, at: (u64, u32), up: bool) {
        let switch = self.switches.get_mut(&at.0).expect("a switch of this world");
        if up {
            let name = format!("{}-eth{}", switch.name, at.1);
            switch.ports.insert(at.1, name);
        } else {
            switch.ports.remove(&at.1);
        }
        let status = switch.port_status(at.1);
        self.tell_fabric(at.0, status);
        self.settle();
    }

    /// Cuts a link between switches; what is under way on it is lost.
    pub(crate) fn cut(&mut self, at: (u64, u32)) {
        let other = self.links[&at];
        self.set_port(at, false);
        self.set_port(other, false);
    }

    /// A switch loses its power: its connection goes, and its neighbours see their ports go down.
    pub(crate) fn kill(&mut self, id: u64) {
        let ends: Vec<_> =
            self.links.iter().filter(|(at, _)| at.0 == id).map(|(_, to)| *to).collect();
        self.switches.get_mut(&id).expect("a switch of this world").ports.clear();
        for end in ends {
            self.set_port(end, false);
        }
        self.disconnect(id, "it lost its power");
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Span) {
        let end = self.now + span;
        while self.now < end {
            let due = self.fabric.deadline().unwrap_or(end);
            let arrives = self.items.keys().next().map_or(end, |(at, _)| *at);
            let next = due.min(arrives).max(self.now);
            self.now = next.min(end).min(self.now + Span::from_millis(500));
            if self.lag > Span::ZERO {
                self.fabric.behind(Some(self.now - self.lag));
            }
            self.fabric.expire(self.now);
            let ids: Vec<_> = self.switches.keys().copied().collect();
            for id in ids {
                let told = self.switches.get_mut(&id).expect("listed").expire(self.now);
                told.into_iter().for_each(|message| self.tell_fabric(id, message));
            }
            self.settle();
        }
    }

    /// Carries messages and frames until nothing more arrives now.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(output) = self.fabric.poll() {
                match output {
                    Output::Generation(_) => {}
                    Output::Replicate(update) => {
                        // As it travels.
                        let line = serde_json::to_string(&update).expect("JSON");
                        assert!(line.len() <= Update::MAX, "{line}");
                        self.told.apply(serde_json::from_str(&line).expect("read back"));
                    }
                    Output::Event(event) => {
                        self.events.push(event);
                        self.said.push(self.now);
                    }
                    Output::Close(id) => {
                        self.closed.push(id);
                        self.connections.retain(|_, connection| *connection != id);
                    }
                    Output::Unresponsive(id, _) if self.takes => self.fabric.spare(id),
                    Output::Unresponsive(id, reason) => {
                        self.closed.push(id);
                        self.connections.retain(|_, connection| *connection != id);
                        self.fabric.handle(self.now, Input::Gone(id, Ending::Silent, reason));
                    }
                    Output::Send(id, message) => {
                        let to = self.connections.iter().find(|(_, c)| **c == id);
                        if let Some(switch) = to.map(|(switch, _)| *switch) {
                            self.sent.push((switch, message.clone()));
                            self.sent_at.push(self.now);
                            self.later(self.control_delay(switch), Item::ToSwitch(switch, message));
                        }
                    }
                }
            }
            let Some(first) = self.items.first_entry().filter(|item| item.key().0 <= self.now)
            else {
                return;
            };
            match first.remove() {
                Item::ToFabric(id, message) => {
                    if self.connections.values().any(|known| *known == id) {
                        self.fabric.handle(self.now, Input::Message(id, message));
                    }
                }
                Item::Deliver(at, frame) => self.deliver(at, frame),
                Item::ToSwitch(id, message) => {
                    let switch = self.switches.get_mut(&id).expect("a switch of this world");
                    let effects = switch.message(self.now, message);
                    self.effects(id, effects);
                }
                Item::Frame(id, port, frame) => {
                    self.frames += 1;
                    assert!(self.frames < 100_000, "frames multiply: a storm");
                    let switch = self.switches.get_mut(&id).expect("a switch of this world");
                    let effects = switch.frame(self.now, port, frame);
                    self.effects(id, effects);
                }
            }
        }
    }

    fn effects(&mut self, id: u64, effects: Effects) {
        effects.messages.into_iter().for_each(|message| self.tell_fabric(id, message));
        for (port, frame) in effects.frames {
            if !self.switches[&id].ports.contains_key(&port) {
                continue;
            }
            let delay = self.delay((id, port));
            match self.links.get(&(id, port)).copied() {
                Some((switch, to)) => {
                    if let Some(chunk) = datagram(&frame).filter(|d| d.destination.port() == 7935) {
                        *self.carried.entry(((id, port), chunk.payload)).or_default() += 1;
                    }
                    self.later(delay, Item::Frame(switch, to, frame));
                }
                None => self.later(delay, Item::Deliver((id, port), frame)),
            }
        }
    }

    /// A frame leaves the fabric.
    fn deliver(&mut self, at: (u64, u32), frame: Vec<u8>) {
        let Some(host) = self.hosts.values_mut().find(|host| host.at == at) else { return };
        let to = packet::mac_at(&frame, 0);
        if to != host.mac && !to.is_multicast() {
            return;
        }
        match packet::eth_type(&frame) {
            0x0806 => {
                let ip = |at: usize| {
                    Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3])
                };
                let (request, sender, target) = (frame[21] == 1, ip(28), ip(38));
                if target != host.ip {
                    return;
                }
                host.neighbours.insert(sender, packet::mac_at(&frame, 22));
                if request {
                    let reply = arp(2, (host.mac, host.ip), (packet::mac_at(&frame, 22), sender));
                    self.later(self.delay(at), Item::Frame(at.0, at.1, reply));
                } else {
                    host.inbox.push(frame);
                }
            }
            0x88cc => {}
            0x86dd if matches!(packet::icmpv6(&frame), Some(135 | 136)) => {
                let ip = |at: usize| {
                    Ipv6Addr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).expect("16 bytes"))
                };
                let (source, target) = (ip(22), ip(62));
                if packet::icmpv6(&frame) == Some(136) {
                    host.neighbours6.insert(target, packet::mac_at(&frame, 80));
                    host.inbox.push(frame);
                } else if target == host.ip6() {
                    let asker = (packet::mac_at(&frame, 6), source);
                    let reply = neighbour(136, (host.mac, target), asker, target);
                    self.later(self.delay(at), Item::Frame(at.0, at.1, reply));
                }
            }
            _ => {
                let ours = datagram(&frame).filter(|datagram| datagram.destination.port() == 7935);
                let message =
                    ours.and_then(|d| Some((peering::Message::parse(&d.payload).ok()?, d)));
                match message {
                    Some((peering::Message::Offer(offer), datagram)) => {
                        let answer = Answer {
                            peering: offer.peering,
                            generation: offer.generation,
                            role: offer.role,
                            accept: host.peer == Peer::Accepts,
                        };
                        host.offers.push(offer);
                        if host.peer != Peer::Absent {
                            let payload = peering::Message::Answer(answer).encode();
                            let back = packet::mac_at(&frame, 6);
                            let (from, to) = ((host.mac, host.ip), (back, *datagram.source.ip()));
                            let frame = udp(from, to, 7935, 7935, &payload);
                            self.later(self.delay(at), Item::Frame(at.0, at.1, frame));
                        }
                    }
                    Some((peering::Message::Withdraw(withdraw), _)) => {
                        host.withdrawals.push(withdraw);
                    }
                    _ => host.inbox.push(frame),
                }
            }
        }
    }

    /// A host sends a frame, and waits until it should have arrived.
    pub(crate) fn send(&mut self, from: &str, frame: Vec<u8>) {
        self.send_now(from, frame);
        if self.patience > Span::ZERO {
            self.run(self.patience);
        }
    }

    /// A host sends a frame.
    pub(crate) fn send_now(&mut self, from: &str, frame: Vec<u8>) {
        let (switch, port) = self.hosts[from].at;
        self.later(self.delay((switch, port)), Item::Frame(switch, port, frame));
        self.settle();
    }

    /// The MAC address by which a host reaches an address, asked for by ARP if need be.
    pub(crate) fn resolve(&mut self, from: &str, address: Ipv4Addr) -> Option<Mac> {
        let host = &self.hosts[from];
        if !host.neighbours.contains_key(&address) {
            let request = arp(1, (host.mac, host.ip), (Mac([0; 6]), address));
            self.send(from, request);
            if !self.hosts[from].neighbours.contains_key(&address) {
                self.run(Span::from_millis(700));
            }
        }
        self.hosts[from].neighbours.get(&address).copied()
    }

    /// The MAC address by which a host reaches an IPv6 address, asked for if need be.
    pub(crate) fn resolve6(&mut self, from: &str, address: Ipv6Addr) -> Option<Mac> {
        let host = &self.hosts[from];
        if !host.neighbours6.contains_key(&address) {
            let asked = solicit((host.mac, host.ip6()), address);
            self.send(from, asked);
            self.run(Span::from_millis(400));
        }
        self.hosts[from].neighbours6.get(&address).copied()
    }

    /// A host sends a datagram.
    pub(crate) fn udp(&mut self, from: &str, to: Ipv4Addr, port: u16, payload: &[u8]) {
        let mac = self.resolve(from, to).expect("somebody answers for the address");
        let host = &self.hosts[from];
        let frame = udp((host.mac, host.ip), (mac, to), port, port, payload);
        self.send(from, frame);
    }

    /// The datagrams that reached a host since it was last asked.
    pub(crate) fn received(&mut self, name: &str) -> Vec<Datagram> {
        let host = self.hosts.get_mut(name).expect("a host of this world");
        std::mem::take(&mut host.inbox).iter().filter_map(|frame| datagram(frame)).collect()
    }

    /// Whether a datagram from one host reaches another, and only it.
    pub(crate) fn reaches(&mut self, from: &str, to: &str) -> bool {
        let address = self.hosts[to].ip;
        for host in self.hosts.values_mut() {
            host.inbox.clear();
        }
        if self.resolve(from, address).is_none() {
            return false;
        }
        self.udp(from, address, 9, b"hello");
        let names: Vec<_> = self.hosts.keys().copied().collect();
        let got: Vec<_> =
            names.into_iter().filter(|name| !self.received(name).is_empty()).collect();
        assert!(got.iter().all(|name| *name == to), "it reached others: {got:?}");
        !got.is_empty()
    }

    /// Events of interest, as their JSON names.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |event: &Event| {
            serde_json::to_value(event).expect("JSON")["event"].as_str().expect("a name").to_owned()
        };
        self.events.iter().map(name).collect()
    }

    /// How many events of a name there were.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.names().iter().filter(|known| *known == name).count()
    }

    /// The latest offer to a host.
    pub(crate) fn offer(&self, host: &str) -> &Offer {
        self.hosts[host]
            .offers
            .last()
            .unwrap_or_else(|| panic!("{host} was offered nothing; events: {:#?}", self.events))
    }
}

pub(crate) fn arp(operation: u8, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let to = if operation == 1 { Mac::BROADCAST } else { target.0 };
    let mut frame = [to.0, sender.0.0].concat();
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender.0.0);
    frame.extend(sender.1.octets());
    frame.extend(target.0.0);
    frame.extend(target.1.octets());
    frame
}

/// A neighbour solicitation (135) or advertisement (136) about `target`.
pub(crate) fn neighbour(
    kind: u8,
    from: (Mac, Ipv6Addr),
    to: (Mac, Ipv6Addr),
    target: Ipv6Addr,
) -> Vec<u8> {
    let mut payload = target.octets().to_vec();
    if !from.1.is_unspecified() {
        payload.extend([if kind == 135 { 1 } else { 2 }, 1]);
        payload.extend(from.0.0);
    }
    let flags = if kind == 135 { 0 } else { 0x60 };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.0.0, to.0.0)
        .ipv6(from.1.octets(), to.1.octets(), 255)
        .icmpv6_raw(kind, 0, [flags, 0, 0, 0])
        .write(&mut frame, &payload)
        .expect("it fits");
    frame
}

/// A solicitation to everybody.
pub(crate) fn solicit(from: (Mac, Ipv6Addr), target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    neighbour(135, from, (Mac([0x33, 0x33, 0xff, a, b, c]), group), target)
}

/// A datagram over IPv6.
pub(crate) fn udp6(from: (Mac, Ipv6Addr), to: (Mac, Ipv6Addr), payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.0.0, to.0.0)
        .ipv6(from.1.octets(), to.1.octets(), 64)
        .udp(9, 9)
        .write(&mut frame, payload)
        .expect("it fits");
    frame
}

pub(crate) fn udp(
    from: (Mac, Ipv4Addr),
    to: (Mac, Ipv4Addr),
    source: u16,
    destination: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.0.0, to.0.0)
        .ipv4(from.1.octets(), to.1.octets(), 64)
        .udp(source, destination)
        .write(&mut frame, payload)
        .expect("it fits");
    frame
}

pub(crate) fn datagram(frame: &[u8]) -> Option<Datagram> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport)
    else {
        return None;
    };
    Some(Datagram {
        source: SocketAddrV4::new(ip.header().source_addr(), udp.source_port()),
        destination: SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port()),
        payload: udp.payload().to_vec(),
    })
}
