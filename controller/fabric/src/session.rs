//! Connections: handshake, echo, reading back what a switch holds, and errors.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_machine::{Span, Time};
use rust_openflow::v13::{
    Body, ErrorMessage, ErrorType, Features, Message, MultipartReply, MultipartRequest, PacketIn,
    Port, PortReason, PortStatus, Reply, Request, SwitchConfig, meter_number, port_number,
};
use rust_openflow::{Hello, VERSION_13};

use crate::audit::ours;
use crate::delay::Least;
use crate::event::{Ending, Limit};
use crate::fabric::{ConnectionId, Fabric, Output, Timer};
use crate::pipeline::GroupName;
use crate::stream::Place;
use crate::switch::{Concern, PortInfo, Reading, Stage, Switch};
use crate::{Attachment, DatapathId, Event, pipeline};

/// How long a connection may take to say who it is.
const HANDSHAKE: Span = Span::from_secs(5);
/// Echoes that a connection leaves unanswered, an interval apart, before it counts as gone. That
/// time has passed is not enough: whoever was stopped meanwhile, this program for one, has not
/// asked.
const ECHOES: u32 = 2;
/// An echo older than this says nothing about the control channel as it is now.
const STALE_ECHO: Span = Span::from_secs(10);
/// Messages of one connection that may be undecodable before it is closed.
const UNDECODABLE: u32 = 16;
/// The highest number of an ordinary port (OpenFlow 1.3.5 7.2.1, `OFPP_MAX`).
const PORT_MAX: u32 = 0xffff_ff00;

/// A connection, before and after it is known which switch it is of.
#[derive(Debug)]
pub(crate) struct Session {
    greeted: bool,
    switch: Option<DatapathId>,
    since: Time,
    heard: Time,
    /// Echoes it was asked for since it was heard.
    asked: u32,
    undecodable: u32,
    /// Round trips of echoes: what the control channel itself takes.
    round_trips: Least,
}

impl Session {
    fn hear(&mut self, now: Time) {
        self.heard = now;
        self.asked = 0;
    }
}

impl Fabric {
    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        let session = Session {
            greeted: false,
            switch: None,
            since: self.now,
            heard: self.now,
            asked: 0,
            undecodable: 0,
            round_trips: Least::default(),
        };
        self.sessions.insert(connection, session);
        self.say(connection, 0, Body::Hello(Hello::offering(&[VERSION_13])));
        self.agenda.set(Timer::Handshake(connection), self.now + HANDSHAKE);
        self.agenda.set(Timer::Echo(connection), self.now + self.config.echo_interval);
    }

    pub(crate) fn gone(&mut self, connection: ConnectionId, cause: Ending, reason: String) {
        let Some(session) = self.sessions.remove(&connection) else { return };
        self.agenda.cancel(&Timer::Handshake(connection));
        self.agenda.cancel(&Timer::Echo(connection));
        self.end_contests(connection);
        let Some(switch) = session.switch else {
            self.event(Event::ConnectionRefused { connection: connection.0, cause, reason });
            return;
        };
        if let Some(state) = self.switches.get_mut(&switch)
            && state.connection == Some(connection)
        {
            state.attach(None);
            self.event(Event::SwitchGone { switch, cause, reason });
            // A tree that waits for it would wait for long.
            self.reconsider_all();
        }
    }

    pub(crate) fn handshake_due(&mut self, connection: ConnectionId) {
        let heard_until = self.heard_until();
        let Some(session) = self.sessions.get(&connection).filter(|s| s.switch.is_none()) else {
            return;
        };
        if heard_until.since(session.since) < HANDSHAKE {
            self.agenda.set(Timer::Handshake(connection), self.now + HANDSHAKE);
            return;
        }
        let reason = "it did not finish the handshake in time".to_owned();
        self.close(connection, Ending::Handshake, reason);
    }

    pub(crate) fn echo_due(&mut self, connection: ConnectionId) {
        let heard_until = self.heard_until();
        let interval = self.config.echo_interval;
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        let silent = heard_until.since(session.heard);
        let introduced = session.switch.is_some();
        let unanswered = session.asked >= ECHOES;
        if silent >= interval {
            session.asked += 1;
        }
        if silent >= interval * u64::from(ECHOES + 1) && unanswered {
            let reason = format!("it was silent for {:.1} s", silent.as_secs_f64());
            self.output(Output::Unresponsive(connection, reason));
        }
        if silent >= interval {
            self.ask_for_echo(connection);
        }
        if introduced {
            self.check_role(connection);
        }
        self.agenda.set(Timer::Echo(connection), self.now + interval);
    }

    /// Asks a connection anew before it counts as unresponsive: it is busy with what it was sent,
    /// and the echoes that it was asked for wait behind that.
    pub fn spare(&mut self, connection: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(&connection) {
            session.asked = 0;
        }
    }

    /// Asks for an echo of the time (OpenFlow 1.3.5 7.5.2): it shows that the switch is there, and
    /// how long it takes to speak with it.
    pub(crate) fn ask_for_echo(&mut self, connection: ConnectionId) {
        let now = self.now.as_nanos().to_be_bytes().to_vec();
        self.say(connection, 0, Body::EchoRequest(now));
    }

    fn echoed(&mut self, connection: ConnectionId, data: &[u8]) {
        let now = self.heard_until();
        let asked = data.try_into().ok().map(|sent| Time::from_nanos(u64::from_be_bytes(sent)));
        let Some(asked) = asked.filter(|asked| *asked <= now && now.since(*asked) < STALE_ECHO)
        else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&connection) {
            session.round_trips.sample(now.since(asked));
        }
        self.proven(connection, asked);
    }

    /// How long a switch takes to hear from us, or we from it; `None` until that was measured.
    pub(crate) fn control_delay(&self, switch: DatapathId) -> Option<Span> {
        let connection = self.switches.get(&switch)?.connection?;
        Some(self.sessions.get(&connection)?.round_trips.value()? / 2)
    }

    /// Takes what cannot be read: the switch is told, and kept unless it goes on like that.
    pub(crate) fn undecodable(
        &mut self,
        connection: ConnectionId,
        frame: &[u8],
        error: &rust_openflow::Error,
    ) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        session.hear(now);
        session.undecodable += 1;
        let (greeted, count, switch) = (session.greeted, session.undecodable, session.switch);
        let xid = frame.get(4..8).and_then(|xid| xid.try_into().ok()).map_or(0, u32::from_be_bytes);
        // The offending message goes along, at least 64 bytes of it (OpenFlow 1.3.5 7.4.4).
        let data = frame[..frame.len().min(64)].to_vec();
        let (kind, code) = match error {
            rust_openflow::Error::Version(_) if !greeted => {
                (ErrorType::HELLO_FAILED, HELLO_INCOMPATIBLE)
            }
            rust_openflow::Error::Version(_) => (ErrorType::BAD_REQUEST, BAD_VERSION),
            _ => (ErrorType::BAD_REQUEST, BAD_LEN),
        };
        self.say(connection, xid, Body::Error(ErrorMessage { kind, code, data }));
        let reason = format!("it sent a message that cannot be read: {error}");
        if !greeted || count > UNDECODABLE {
            self.close(connection, Ending::Protocol, reason);
        } else if let Some(switch) = switch {
            self.event(Event::Undecodable { switch, reason });
        }
    }

    pub(crate) fn message(&mut self, connection: ConnectionId, message: Message) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        session.hear(now);
        let (greeted, switch) = (session.greeted, session.switch);
        let xid = message.xid;
        match (message.body, switch) {
            (Body::Hello(hello), _) => self.hello(connection, xid, message.version, &hello),
            (Body::EchoRequest(data), _) => self.say(connection, xid, Body::EchoReply(data)),
            (Body::EchoReply(data), _) => self.echoed(connection, &data),
            (Body::FeaturesReply(features), None) if greeted => {
                self.features(connection, &features)
            }
            (Body::Error(error), None) => {
                let reason = format!("it answered with error {:?} code {}", error.kind, error.code);
                self.close(connection, Ending::Protocol, reason);
            }
            // Nothing else means anything before it is known which switch speaks.
            (_, None) => {}
            (Body::Error(error), Some(_)) if Fabric::is_about_role(xid, &error) => {
                self.check_role(connection);
            }
            (Body::Error(error), Some(switch)) => self.error(switch, xid, &error),
            (Body::RoleReply(reply), Some(switch)) => {
                self.role_reply(connection, switch, xid, &reply);
            }
            (Body::MultipartReply(reply), Some(switch)) => self.multipart(switch, xid, reply),
            (Body::BarrierReply, Some(switch)) => {
                let state = self.switches.get_mut(&switch);
                for then in state.map(|state| state.confirmed(xid)).unwrap_or_default() {
                    self.confirmed(switch, then);
                }
            }
            (Body::PortStatus(status), Some(switch)) => self.port_status(switch, &status),
            (Body::FlowRemoved(removed), Some(switch)) => self.flow_removed(switch, &removed),
            (Body::PacketIn(packet), Some(switch)) => self.packet(switch, &packet),
            (_, Some(_)) => {}
        }
    }

    fn hello(&mut self, connection: ConnectionId, xid: u32, version: u8, hello: &Hello) {
        if hello.negotiate(version, &[VERSION_13]).is_none() {
            let text = "this controller speaks OpenFlow 1.3 (0x04)".to_owned();
            let kind = ErrorType::HELLO_FAILED;
            let error = ErrorMessage { kind, code: HELLO_INCOMPATIBLE, data: text.into_bytes() };
            self.say(connection, xid, Body::Error(error));
            let reason = format!(
                "it speaks OpenFlow 0x{version:02x} and not 1.3 (0x04); on Open vSwitch: \
                 ovs-vsctl set bridge NAME protocols=OpenFlow13"
            );
            self.close(connection, Ending::Protocol, reason);
            return;
        }
        if let Some(session) = self.sessions.get_mut(&connection)
            && !std::mem::replace(&mut session.greeted, true)
        {
            self.say(connection, 0, Body::FeaturesRequest);
        }
    }

    fn features(&mut self, connection: ConnectionId, features: &Features) {
        let id = DatapathId(features.datapath_id);
        if self.ask_for_role(connection) {
            self.bring_in(connection, id);
        } else if let Some(session) = self.sessions.get_mut(&connection) {
            session.switch = Some(id);
            self.agenda.cancel(&Timer::Handshake(connection));
        }
    }

    /// The connections of which it is known which switch they are of, and that.
    pub fn introduced(&self) -> Vec<(ConnectionId, DatapathId)> {
        let of =
            |(connection, session): (&ConnectionId, &Session)| Some((*connection, session.switch?));
        self.sessions.iter().filter_map(of).collect()
    }

    /// Asks a switch that was left to another controller for the role, and takes it in.
    pub(crate) fn take_switch(&mut self, connection: ConnectionId, id: DatapathId) {
        self.ask_for_role(connection);
        self.bring_in(connection, id);
    }

    /// Takes a connection for a switch's, and asks the switch what it holds.
    pub(crate) fn bring_in(&mut self, connection: ConnectionId, id: DatapathId) {
        if !self.know_switch(id) {
            let reason = "there are as many switches as may be".to_owned();
            self.close(connection, Ending::NoRoom, reason);
            return;
        }
        let before = self.switches.get(&id).and_then(|switch| switch.connection);
        if let Some(before) = before.filter(|before| *before != connection) {
            self.contest(connection, id, before);
            return;
        }
        if let Some(session) = self.sessions.get_mut(&connection) {
            session.switch = Some(id);
        }
        self.agenda.cancel(&Timer::Handshake(connection));
        let Some(switch) = self.switches.get_mut(&id) else { return };
        switch.attach(Some(connection));
        let config = SwitchConfig { flags: 0, miss_send_len: 0xffff };
        switch.send(Concern::Common, Body::SetConfig(config));
        // It may know of no meters, and say so by an error. The answers come in order.
        for request in [Request::MeterFeatures, Request::MeterConfig(meter_number::ALL)] {
            switch.send(Concern::Question, Body::MultipartRequest(MultipartRequest::new(request)));
        }
        for request in [Request::Desc, Request::PortDesc, Request::GroupDesc, Request::Flow(ours())]
        {
            switch.send(Concern::Common, Body::MultipartRequest(MultipartRequest::new(request)));
        }
        self.flush(id);
        self.ask_for_echo(connection);
    }

    /// Makes a switch known and wants the pipeline on it; `false` if there are as many as may be.
    pub(crate) fn know_switch(&mut self, id: DatapathId) -> bool {
        if self.switches.contains_key(&id) {
            return true;
        }
        if self.switches.len() >= self.config.limits.switches {
            self.limit_reached(Limit::Switches);
            return false;
        }
        let mut switch = Switch::new(id, &self.config.limits);
        let ports = &self.rtmp_ports;
        let fixed = pipeline::fixed(self.config.virtual_range, ports);
        for placed in fixed.into_iter().chain(pipeline::rtmp_ends(ports)) {
            switch.ledger.set(placed);
        }
        self.switches.insert(id, switch);
        true
    }

    fn multipart(&mut self, id: DatapathId, xid: u32, reply: MultipartReply) {
        let limit = self.config.limits.ports;
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let Stage::Reading(reading) = &mut switch.stage else {
            self.audited(id, xid, reply);
            return;
        };
        match reply.body {
            Reply::Desc(desc) => {
                // OVS says "None" unless it was given one.
                if !desc.datapath.is_empty() && desc.datapath != "None" {
                    switch.name = desc.datapath;
                }
                reading.described = true;
            }
            Reply::PortDesc(ports) => {
                // On OVS the local port has the name of the bridge.
                let local = ports.iter().find(|port| port.number == port_number::LOCAL);
                if let Some(local) = local.filter(|_| switch.name == id.to_string()) {
                    switch.name = local.name.clone();
                }
                let known = reading.ports.get_or_insert_default();
                known.extend(
                    ports.iter().filter_map(port_info).take(limit - known.len().min(limit)),
                );
            }
            body => reading.tables(body, reply.more),
        }
        if reading.is_complete() {
            let reading = std::mem::take(reading.as_mut());
            self.reconcile(id, reading);
        }
    }

    /// Brings a switch that told what it holds to what it should hold, and goes live.
    fn reconcile(&mut self, id: DatapathId, mut reading: Reading) {
        let ports = reading.ports.take().unwrap_or_default();
        let name = self.switches.get(&id).map(|switch| switch.name.clone()).unwrap_or_default();
        self.event(Event::SwitchConnected { switch: id, name, ports: ports.len() });
        self.replace_ports(id, ports);
        self.believe_buckets(id, &reading.groups);
        self.meter_switch(id, reading.metering);
        let range = self.config.virtual_range;
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let Reading { entries, groups, meters, .. } = &reading;
        let (changes, outcome) = switch.ledger.reconcile(entries, groups, meters);
        for host in switch.ledger.orphans().iter().filter_map(pipeline::admitted) {
            let at = Attachment { switch: id, port: host.port };
            let place = Place { mac: host.mac, address: host.address, at };
            self.aliases.remember(place, host.alias, &mut self.pool);
        }
        for group in switch.ledger.orphan_groups() {
            match pipeline::group_name(*group, range) {
                GroupName::Address(address) => drop(self.pool.reserve(address)),
                GroupName::Tree(tag) => drop(self.tags.reserve(tag)),
                GroupName::Link => {}
            }
        }
        let removed = outcome.removed + reading.garbage.len();
        switch.reconciled = (outcome.kept, outcome.added, removed);
        switch.go_live(changes, reading.garbage);
        if outcome.orphans > 0 {
            self.event(Event::OrphanKept { switch: id, entries: outcome.orphans });
            self.agenda.ensure(Timer::Orphans(id), self.now + self.config.lease);
        }
        self.flush(id);
    }

    /// The time of what a controller before left is over. Hosts that were not heard of since are
    /// taken over: by now it is known which ports lead to switches.
    pub(crate) fn drop_orphans(&mut self, id: DatapathId) {
        let range = self.config.virtual_range;
        let Some(switch) = self.switches.get(&id) else { return };
        let reached: Vec<_> =
            switch.ledger.orphans().iter().filter_map(pipeline::reached).collect();
        for (mac, port) in reached {
            if self.hosts.host(mac).is_none() {
                self.learn(mac, None, Attachment { switch: id, port });
            }
        }
        let Some(switch) = self.switches.get_mut(&id) else { return };
        // The same peering may have groups on other switches; those are given up at the same time.
        for group in switch.ledger.orphan_groups() {
            match pipeline::group_name(*group, range) {
                GroupName::Address(address) => self.pool.release(address),
                GroupName::Tree(tag) => self.tags.release(tag),
                GroupName::Link => {}
            }
        }
        let changes = switch.ledger.drop_orphans();
        let entries = changes.len();
        for change in changes {
            self.make(id, &Concern::Common, Some(change));
        }
        self.aliases.forget_before(|at| at.switch == id, &mut self.pool);
        if entries > 0 {
            self.event(Event::OrphanRemoved { switch: id, entries });
        }
        self.flush(id);
    }

    pub(crate) fn switch_ready(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get(&id) else { return };
        let (kept, added, removed) = switch.reconciled;
        let ports: Vec<_> = switch.ports.keys().copied().collect();
        self.event(Event::SwitchReady { switch: id, kept, added, removed });
        self.agenda.set(Timer::Audit(id), self.now + self.config.audit_interval);
        self.reconsider_all();
        for port in ports {
            self.probe(Attachment { switch: id, port });
        }
        self.agenda.ensure(Timer::Probe, self.now + self.config.probe_interval);
    }

    /// Takes the list of a switch that connected: what went down meanwhile is down, and so on.
    fn replace_ports(&mut self, id: DatapathId, ports: Vec<(u32, String, bool)>) {
        let now_up: BTreeMap<_, _> =
            ports.into_iter().filter(|(_, _, up)| *up).map(|(n, name, _)| (n, name)).collect();
        let Some(switch) = self.switches.get(&id) else { return };
        let gone: Vec<_> =
            switch.ports.keys().filter(|port| !now_up.contains_key(port)).copied().collect();
        for port in gone {
            self.port_down(Attachment { switch: id, port });
        }
        // Another controller may have told of hosts and links at ports that were not up any more.
        let told = self.hosts.ports(id).chain(self.topology.trunks_of(id));
        let told: BTreeSet<_> = told.filter(|at| !now_up.contains_key(&at.port)).collect();
        for at in told {
            self.port_lost(at);
        }
        for (port, name) in now_up {
            self.port_up(Attachment { switch: id, port }, name);
        }
    }

    fn port_status(&mut self, id: DatapathId, status: &PortStatus) {
        let Some((port, name, up)) = port_info(&status.port) else { return };
        let at = Attachment { switch: id, port };
        if up && status.reason != PortReason::Delete {
            self.port_up(at, name);
        } else {
            self.port_down(at);
        }
    }

    fn port_up(&mut self, at: Attachment, name: String) {
        let delay = self.config.link_delays.get(&name).copied();
        let limit = self.config.limits.ports;
        let Some(switch) = self.switches.get_mut(&at.switch) else { return };
        if let Some(port) = switch.ports.get_mut(&at.port) {
            port.name = name;
            return;
        }
        if switch.ports.len() >= limit {
            self.limit_reached(Limit::Ports);
            return;
        }
        switch.ports.insert(at.port, PortInfo { name: name.clone(), settled: false });
        self.topology.configure_delay(at, delay);
        self.meter_port(at);
        self.agenda.set(Timer::Settle(at), self.now + self.config.settle);
        self.event(Event::Port { switch: at.switch, port: at.port, name, up: true });
        self.probe(at);
    }

    fn port_down(&mut self, at: Attachment) {
        let Some(switch) = self.switches.get_mut(&at.switch) else { return };
        let Some(port) = switch.ports.remove(&at.port) else { return };
        switch.forget_port(at.port);
        self.agenda.cancel(&Timer::Settle(at));
        self.unmeter_port(at);
        self.event(Event::Port { switch: at.switch, port: at.port, name: port.name, up: false });
        self.port_lost(at);
    }

    fn error(&mut self, id: DatapathId, xid: u32, error: &ErrorMessage) {
        let Some(switch) = self.switches.get_mut(&id) else { return };
        let Some(concern) = switch.concern_of(xid) else { return };
        match concern {
            Concern::Question => return,
            Concern::TcpFlags => self.tcp_flags_refused(id),
            Concern::Detour if switch.refuses_detours => return,
            Concern::Detour => self.detours_refused(id),
            _ => {}
        }
        let metered = matches!(concern, Concern::Meters | Concern::MeteredCopy);
        if metered && !self.meters_refused(id, &concern, error.kind) {
            return;
        }
        let (kind, code) = (error.kind.0, error.code);
        let concerning = concern.name();
        self.event(Event::SwitchError { switch: id, kind, code, concerning });
        if let Concern::Peering(stream, peering) = concern {
            self.peering_refused(&stream, peering, id);
        }
    }

    fn packet(&mut self, id: DatapathId, packet: &PacketIn) {
        let live = self.switches.get(&id).is_some_and(Switch::is_live);
        if let Some(port) = packet.matching.ingress().filter(|_| live) {
            self.packet_in(Attachment { switch: id, port }, packet.table_id, &packet.data);
        }
    }

    pub(crate) fn say(&mut self, connection: ConnectionId, xid: u32, body: Body) {
        self.output(Output::Send(connection, Message::new(xid, body)));
    }

    pub(crate) fn close(&mut self, connection: ConnectionId, cause: Ending, reason: String) {
        self.output(Output::Close(connection));
        self.gone(connection, cause, reason);
    }
}

/// `OFPHFC_INCOMPATIBLE`
const HELLO_INCOMPATIBLE: u16 = 0;
/// `OFPBRC_BAD_VERSION`
const BAD_VERSION: u16 = 0;
/// `OFPBRC_BAD_LEN`
const BAD_LEN: u16 = 6;

/// Number and name of an ordinary port, and whether it carries traffic.
fn port_info(port: &Port) -> Option<(u32, String, bool)> {
    (port.number < PORT_MAX).then(|| (port.number, port.name.clone(), port.is_up()))
}
