//! The machine: inputs from switches, time, and everything that follows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use nearcast_machine::{Machine, Rng, Time};
use rust_openflow::v13::Message;

use crate::agenda::Agenda;
use crate::aliases::Aliases;
use crate::claims::{Claim, Claims};
use crate::contest::Contest;
use crate::detour::Detours;
use crate::discovery::Prober;
use crate::distribution::{Tag, Tags};
use crate::event::Limit;
use crate::hosts::Hosts;
use crate::inspection::Inspection;
use crate::ledger::Change;
use crate::mastery::Standing;
use crate::neighbours::Neighbours;
use crate::pool::VirtualPool;
use crate::publication::Publication;
use crate::replica::{Replica, Update};
use crate::session::Session;
use crate::stream::{Stream, StreamKey};
use crate::switch::{Concern, Switch, Then};
use crate::topology::Topology;
use crate::{Attachment, Config, DatapathId, Ending, Event, Mac};

/// A connection to a switch, numbered by the driver; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a driver tells the fabric.
#[derive(Debug, Clone)]
pub enum Input {
    /// A switch connected.
    Connected(ConnectionId),
    /// It sent a message.
    Message(ConnectionId, Message),
    /// It sent a whole message, this one, that cannot be read.
    Undecodable(ConnectionId, Vec<u8>, rust_openflow::Error),
    /// The connection is gone; the text says why in words.
    Gone(ConnectionId, Ending, String),
    /// There is another controller, and that one decides. To be said before any switch connects.
    Stand,
    /// This controller decides from now on, by this generation. The incarnation is that of
    /// [`Config`].
    Lead {
        /// Above that of every master before.
        generation: u64,
        /// Above that of every controller before.
        incarnation: u32,
        /// What the other controller told of its streams.
        replica: Box<Replica>,
    },
}

/// What the fabric asks a driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message.
    Send(ConnectionId, Message),
    /// Send what was handed out before, then close. A [`Input::Gone`] is not needed any more.
    Close(ConnectionId),
    /// It says nothing and leaves echoes unanswered; the text says so in words. To be ended by
    /// [`Input::Gone`] with [`Ending::Silent`], unless what it was sent still waits to be taken,
    /// and some of that was taken lately: then [`Fabric::spare`] it.
    Unresponsive(ConnectionId, String),
    /// Tell people.
    Event(Event),
    /// With two controllers: a switch said which generation it took last.
    Generation(u64),
    /// With two controllers: tell the other, if it listens.
    Replicate(Update),
}

/// What becomes due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection should have said who it is.
    Handshake(ConnectionId),
    /// A connection whose switch another one claims to be should have answered; by the other one.
    Contest(ConnectionId),
    /// A connection may have fallen silent.
    Echo(ConnectionId),
    /// All links are probed.
    Probe,
    /// Links were measured anew, and count as longer or shorter.
    Measured,
    /// A port has been watched for long enough.
    Settle(Attachment),
    /// An address is asked for again.
    Ask(IpAddr),
    /// Whoever is where a host, or who has an address, should have answered.
    Claim(Claim),
    /// RTMP connections have been looked at for long enough.
    Inspect,
    /// A member of a peering is offered its part again, or given up.
    Offer(StreamKey, Mac),
    /// What a switch holds is compared with what it should.
    Audit(DatapathId),
    /// People are told what was put back.
    Restored(DatapathId),
    /// Nothing is under way any more by a tree that was replaced.
    Drained(StreamKey, Tag),
    /// Ways round links are worked out.
    Detours,
    /// Peerings of a controller before have run out.
    Orphans(DatapathId),
    /// The other controller is told what changed.
    Publish,
}

/// The controller without its sockets: OpenFlow messages of any number of switches in, messages and
/// [`Event`]s out.
///
/// A driver numbers the connections, hands in what they say and sends what comes out:
///
/// ```
/// use nearcast_fabric::{Config, ConnectionId, Fabric, Input, Output};
/// use nearcast_machine::{Machine, Time};
///
/// let mut fabric = Fabric::new(Config::default());
/// fabric.handle(Time::ZERO, Input::Connected(ConnectionId(1)));
/// let Some(Output::Send(ConnectionId(1), hello)) = fabric.poll() else { panic!("a hello first") };
/// assert!(matches!(hello.body, rust_openflow::v13::Body::Hello(_)));
/// assert!(fabric.deadline().is_some(), "the switch should answer in time");
/// ```
///
/// The same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Fabric {
    pub(crate) config: Config,
    pub(crate) now: Time,
    /// Since when what switches said may wait to be handed in.
    behind: Option<Time>,
    pub(crate) standing: Standing,
    pub(crate) sessions: BTreeMap<ConnectionId, Session>,
    /// Connections that say they are of a switch that another connection is of.
    pub(crate) contests: BTreeMap<ConnectionId, Contest>,
    pub(crate) switches: BTreeMap<DatapathId, Switch>,
    pub(crate) topology: Topology,
    pub(crate) detours: Detours,
    pub(crate) prober: Prober,
    /// When the last round of probes was sent.
    pub(crate) probed_at: Time,
    pub(crate) hosts: Hosts,
    pub(crate) claims: Claims,
    pub(crate) neighbours: Neighbours,
    pub(crate) inspection: Inspection,
    pub(crate) streams: BTreeMap<StreamKey, Stream>,
    /// Which stream a peering carries.
    pub(crate) peerings: BTreeMap<u64, StreamKey>,
    pub(crate) pool: VirtualPool,
    pub(crate) aliases: Aliases,
    pub(crate) tags: Tags,
    pub(crate) learned_cdn: BTreeSet<IpAddr>,
    /// The TCP ports that are inspected.
    pub(crate) rtmp_ports: BTreeSet<u16>,
    pub(crate) agenda: Agenda<Timer>,
    pub(crate) rng: Rng,
    /// Counts roles up, so that the later of two is known.
    pub(crate) roles_seen: u64,
    /// How many roles a host has.
    pub(crate) roles_of: BTreeMap<Mac, usize>,
    pub(crate) packet_ins: BTreeMap<&'static str, u64>,
    /// What the controller that stands by is told; none if there is none or this one stands by.
    pub(crate) publication: Option<Publication>,
    /// Switches that were not read yet since their peerings were taken over.
    pub(crate) adopted: BTreeSet<DatapathId>,
    full: BTreeMap<Limit, Time>,
    /// What was refused and evicted for want of room, by what had none.
    pub(crate) refused: BTreeMap<Limit, u64>,
    pub(crate) evictions: BTreeMap<Limit, u64>,
    outputs: VecDeque<Output>,
}

impl Fabric {
    /// A fabric without switches.
    pub fn new(config: Config) -> Fabric {
        let limits = &config.limits;
        Fabric {
            now: Time::ZERO,
            behind: None,
            standing: Standing::Alone,
            sessions: BTreeMap::new(),
            contests: BTreeMap::new(),
            switches: BTreeMap::new(),
            topology: Topology::default(),
            detours: Detours::default(),
            prober: Prober::new(&config.probe_key),
            probed_at: Time::ZERO,
            hosts: Hosts::new(limits.hosts, limits.hosts_per_port, limits.host_idle),
            claims: Claims::default(),
            neighbours: Neighbours::new(limits.held_frames),
            inspection: Inspection::new(limits),
            streams: BTreeMap::new(),
            peerings: BTreeMap::new(),
            pool: VirtualPool::new(config.virtual_range),
            aliases: Aliases::default(),
            tags: Tags::new(config.incarnation.wrapping_shl(8)),
            learned_cdn: BTreeSet::new(),
            rtmp_ports: config.rtmp_ports(),
            agenda: Agenda::new(),
            rng: config.seed.derive("peerings").rng(),
            roles_seen: 0,
            roles_of: BTreeMap::new(),
            packet_ins: BTreeMap::new(),
            publication: None,
            adopted: BTreeSet::new(),
            full: BTreeMap::new(),
            refused: BTreeMap::new(),
            evictions: BTreeMap::new(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Says since when messages of switches wait to be handed in; `None` if none does. To be said
    /// before a message that was not handed in at once, and before time passes.
    ///
    /// Whoever has more to hand in than there is time for would else find switches silent and
    /// probes late whose messages wait: nothing is judged by a time up to which not all was heard.
    pub fn behind(&mut self, since: Option<Time>) {
        self.behind = since;
    }

    /// The time up to which everything that switches said was heard.
    pub(crate) fn heard_until(&self) -> Time {
        self.behind.map_or(self.now, |since| since.min(self.now))
    }

    /// How many packet-ins of each class came: `lldp`, `arp`, `rtmp`, `answer` and `unknown`, and
    /// the same with ` dropped` for those above their rate, and with ` metered` for those that
    /// meters of switches dropped before they came.
    pub fn packet_ins(&self) -> &BTreeMap<&'static str, u64> {
        &self.packet_ins
    }

    /// How many RTMP connections are followed.
    pub fn connections(&self) -> usize {
        self.inspection.len()
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Counts something that made room for something else.
    pub(crate) fn evicted(&mut self, what: Limit) {
        *self.evictions.entry(what).or_default() += 1;
    }

    /// Counts something that was refused for want of room, and says so, at most once in ten seconds
    /// for each bound.
    pub(crate) fn limit_reached(&mut self, what: Limit) {
        *self.refused.entry(what).or_default() += 1;
        let quiet = nearcast_machine::Span::from_secs(10);
        if self.full.get(&what).is_none_or(|last| self.now.since(*last) >= quiet) {
            self.full.insert(what, self.now);
            self.event(Event::LimitReached { what });
        }
    }

    /// Makes a change on a switch.
    pub(crate) fn make(&mut self, switch: DatapathId, concern: &Concern, change: Option<Change>) {
        let now = self.now;
        if let Some(switch) = self.switches.get_mut(&switch) {
            if let Some(Change::RemoveEntry(key)) = &change {
                switch.removing(*key, now);
            }
            switch.make(concern, change);
        }
        self.flush(switch);
    }

    /// Wants an entry on a switch.
    pub(crate) fn set_entry(
        &mut self,
        switch: DatapathId,
        concern: &Concern,
        placed: crate::pipeline::Placed,
    ) {
        let placed = self.as_metered(switch, placed);
        let change = self.switches.get_mut(&switch).and_then(|switch| switch.ledger.set(placed));
        self.make(switch, concern, change);
    }

    /// Wants an entry on a switch no more.
    pub(crate) fn remove_entry(
        &mut self,
        switch: DatapathId,
        concern: &Concern,
        key: &crate::entry::EntryKey,
    ) {
        let change = self.switches.get_mut(&switch).and_then(|switch| switch.ledger.remove(key));
        self.make(switch, concern, change);
    }

    /// Hands out what a switch is to be sent.
    pub(crate) fn flush(&mut self, switch: DatapathId) {
        let Some(switch) = self.switches.get_mut(&switch) else { return };
        let messages = switch.take_outbox();
        if let Some(connection) = switch.connection {
            let sends = messages.into_iter().map(|message| Output::Send(connection, message));
            self.outputs.extend(sends);
        }
    }

    /// Sets the time at which a connection has been inspected for long enough.
    fn watch_inspection(&mut self) {
        match self.inspection.deadline() {
            Some(deadline) => self.agenda.set(Timer::Inspect, deadline),
            None => self.agenda.cancel(&Timer::Inspect),
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake(connection) => self.handshake_due(connection),
            Timer::Contest(connection) => self.contest_due(connection),
            Timer::Echo(connection) => self.echo_due(connection),
            Timer::Probe => self.probe_all(),
            Timer::Measured => {
                self.reforward();
                self.reconsider_all();
            }
            Timer::Settle(port) => self.settle(port),
            Timer::Ask(address) => self.ask_again(address),
            Timer::Claim(claim) => self.claim_due(claim),
            Timer::Inspect => {
                self.inspection.expire(self.now);
                self.take_findings(None);
                self.watch_inspection();
            }
            Timer::Offer(stream, mac) => self.offer_due(&stream, mac),
            Timer::Audit(switch) => self.audit_due(switch),
            Timer::Restored(switch) => self.tell_restored(switch),
            Timer::Drained(stream, tag) => self.drained(&stream, tag),
            Timer::Detours => self.detours_due(),
            Timer::Orphans(switch) => self.drop_orphans(switch),
            // Done after every timer.
            Timer::Publish => {}
        }
    }

    /// Does what was to be done once a switch confirmed.
    pub(crate) fn confirmed(&mut self, switch: DatapathId, then: Then) {
        match then {
            Then::Ready => self.switch_ready(switch),
            Then::Offer(stream, peering, mac) => self.installed(&stream, peering, mac),
            Then::Branch(stream, peering, tag) => self.grown(&stream, peering, tag, switch),
        }
    }
}

impl Machine for Fabric {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Time, input: Input) {
        self.expire(now);
        match input {
            Input::Connected(connection) => self.connected(connection),
            Input::Message(connection, message) => self.message(connection, message),
            Input::Undecodable(connection, frame, error) => {
                self.undecodable(connection, &frame, &error);
            }
            Input::Gone(connection, cause, reason) => self.gone(connection, cause, reason),
            Input::Stand => self.stand(),
            Input::Lead { generation, incarnation, replica } => {
                self.lead(generation, incarnation, *replica);
            }
        }
        self.watch_inspection();
        self.publish();
    }

    fn expire(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(timer) = self.agenda.pop_due(self.now) {
            self.due(timer);
        }
        self.publish();
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.agenda.next()
    }
}
