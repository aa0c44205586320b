//! One switch: its connection, its ports, and what it should hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nearcast_machine::{Span, Time};
use rust_openflow::v13::{Body, GroupCommand, Message};

use crate::distribution::Tag;
use crate::entry::{Entry, EntryKey, Group};
use crate::fabric::ConnectionId;
use crate::ledger::{Change, Ledger};
use crate::metering::Metering;
use crate::meters::{Meter, MeterCommand};
use crate::rate::TokenBucket;
use crate::stream::StreamKey;
use crate::{DatapathId, Limits, Mac, meters, pipeline, translate};

/// What a message to a switch is about, so that an error that comes back finds its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Pipeline, forwarding, connections let through.
    Common,
    /// An entry that matches on TCP flags.
    TcpFlags,
    /// A frame sent out.
    Frame,
    /// Entries or the group of a peering.
    Peering(StreamKey, u64),
    /// A meter, or an entry that needs one.
    Meters,
    /// An entry that meters a copy by itself.
    MeteredCopy,
    /// A group that turns frames round a link, and what leads to it.
    Detour,
    /// A question to which a refusal is an answer.
    Question,
}

impl Change {
    /// What it is about by what it is, whoever makes it: a reconciliation makes all of them.
    fn concern(&self) -> Option<Concern> {
        match self {
            Change::SetEntry(_, entry) if entry.meters_copy() => Some(Concern::MeteredCopy),
            Change::SetEntry(_, entry) if entry.meter.is_some() => Some(Concern::Meters),
            Change::SetEntry(key, _) if pipeline::needs_tcp_flags(key) => Some(Concern::TcpFlags),
            Change::SetEntry(key, entry) => {
                pipeline::is_failover(key, entry).then_some(Concern::Detour)
            }
            Change::AddGroup(_, Group::Failover(_))
            | Change::ModifyGroup(_, Group::Failover(_)) => Some(Concern::Detour),
            Change::AddMeter(..) | Change::ModifyMeter(..) => Some(Concern::Meters),
            _ => None,
        }
    }
}

impl Concern {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Concern::Common => "pipeline",
            Concern::TcpFlags => "tcp flags",
            Concern::Frame => "packet-out",
            Concern::Peering(..) => "peering",
            Concern::Meters | Concern::MeteredCopy => "meters",
            Concern::Detour => "detour",
            Concern::Question => "question",
        }
    }
}

/// What to do once the switch has confirmed all that came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// The pipeline stands.
    Ready,
    /// A host can be offered its part.
    Offer(StreamKey, u64, Mac),
    /// A tree of a peering stands here.
    Branch(StreamKey, u64, Tag),
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortInfo {
    pub(crate) name: String,
    /// It has been watched for long enough that, if it leads to a switch, that is known.
    pub(crate) settled: bool,
}

/// Classes of packet-ins, each with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Lldp,
    Arp,
    Rtmp,
    Answer,
    Unknown,
}

impl Class {
    /// In the order of their meters' ids, so only to be added to.
    pub(crate) const ALL: [Class; 5] =
        [Class::Lldp, Class::Arp, Class::Rtmp, Class::Answer, Class::Unknown];

    /// What one switch may send of it a second.
    pub(crate) fn rate(self, limits: &Limits) -> u32 {
        match self {
            Class::Lldp | Class::Arp => limits.control_rate,
            Class::Rtmp => limits.rtmp_rate,
            Class::Answer => limits.answer_rate,
            Class::Unknown => limits.unknown_rate,
        }
    }

    /// What one port may take of that; `None` if all of it. RTMP may well come by one port alone,
    /// the CDN's.
    pub(crate) fn share(self, limits: &Limits) -> Option<u32> {
        match self {
            Class::Lldp | Class::Arp | Class::Unknown => Some(self.rate(limits) / 4),
            Class::Rtmp | Class::Answer => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Lldp => "lldp",
            Class::Arp => "arp",
            Class::Rtmp => "rtmp",
            Class::Answer => "answer",
            Class::Unknown => "unknown",
        }
    }

    /// What a packet-in above the rate is counted as.
    pub(crate) fn dropped(self) -> &'static str {
        match self {
            Class::Lldp => "lldp dropped",
            Class::Arp => "arp dropped",
            Class::Rtmp => "rtmp dropped",
            Class::Answer => "answer dropped",
            Class::Unknown => "unknown dropped",
        }
    }

    /// What a packet that a switch's meter dropped is counted as.
    pub(crate) fn metered(self) -> &'static str {
        match self {
            Class::Lldp => "lldp metered",
            Class::Arp => "arp metered",
            Class::Rtmp => "rtmp metered",
            Class::Answer => "answer metered",
            Class::Unknown => "unknown metered",
        }
    }
}

/// What a switch said it holds, while it is being read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) entries: BTreeMap<EntryKey, Entry>,
    pub(crate) groups: BTreeMap<u32, Group>,
    pub(crate) meters: BTreeMap<u32, Meter>,
    /// What it says of its meters; it is asked before all else, so that no answer means none.
    pub(crate) metering: Metering,
    /// Messages that remove entries of ours which the fabric would not have made.
    pub(crate) garbage: Vec<Body>,
    pub(crate) described: bool,
    pub(crate) ports: Option<Vec<(u32, String, bool)>>,
    pub(crate) entries_read: bool,
    pub(crate) groups_read: bool,
    pub(crate) meters_read: bool,
}

impl Reading {
    pub(crate) fn is_complete(&self) -> bool {
        self.described && self.ports.is_some() && self.entries_read && self.groups_read
    }
}

/// What a live switch says it holds, compared with what it should.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit {
    /// What it should hold has not changed since the question as long as this is the ledger's.
    pub(crate) revision: u64,
    /// Transaction ids of the questions.
    pub(crate) asked: Vec<u32>,
    pub(crate) count: Option<usize>,
    pub(crate) reading: Reading,
    /// Every entry was asked for, not only how many there are.
    pub(crate) whole: bool,
    /// Its meters were asked for.
    pub(crate) metered: bool,
}

impl Audit {
    pub(crate) fn is_complete(&self) -> bool {
        let entries = if self.whole { self.reading.entries_read } else { self.count.is_some() };
        entries && self.reading.groups_read && (self.reading.meters_read || !self.metered)
    }
}

/// How far the switch is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Not connected; it forwards by what it holds.
    Away,
    /// Telling what it holds.
    Reading(Box<Reading>),
    /// Changes go out as they are made.
    Live,
}

/// How long it may take a switch to tell of an entry's end after it was told to remove it.
const REMOVAL: Span = Span::from_secs(5);

/// How many messages are remembered for the errors they may bring.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) id: DatapathId,
    pub(crate) name: String,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) stage: Stage,
    pub(crate) ledger: Ledger,
    /// Ports that are up.
    pub(crate) ports: BTreeMap<u32, PortInfo>,
    /// It refused something of a peering once, and is asked for none again.
    pub(crate) refuses_peerings: bool,
    /// It refused a group that turns frames round a link.
    pub(crate) refuses_detours: bool,
    /// Whether it matches on TCP flags, as far as is known.
    pub(crate) tcp_flags: bool,
    pub(crate) metering: Metering,
    /// What each of its meters had dropped when it was last asked.
    pub(crate) metered: BTreeMap<u32, u64>,
    /// What it says it holds, compared while it is live.
    pub(crate) audit: Option<Audit>,
    pub(crate) audits: u64,
    /// Put back since that was last told: entries, groups.
    pub(crate) restored: (usize, usize),
    /// What we told it to remove, and when: of these it will say that they are gone.
    removing: BTreeMap<EntryKey, Time>,
    outbox: Vec<Message>,
    next_xid: u32,
    barriers: BTreeMap<u32, Vec<Then>>,
    /// To be confirmed by the next barrier.
    waiting: Vec<Then>,
    /// Of messages sent lately, those that are about something in particular.
    sent: VecDeque<(u32, Concern)>,
    rates: BTreeMap<Class, TokenBucket>,
    /// What one port may take of the classes that are shared out.
    per_port: BTreeMap<Class, u32>,
    shares: BTreeMap<(u32, Class), TokenBucket>,
    /// Entries kept, added and removed by the last reconciliation.
    pub(crate) reconciled: (usize, usize, usize),
    /// Classes whose limit was reported lately.
    pub(crate) reported: BTreeMap<Class, Time>,
}

impl Switch {
    pub(crate) fn new(id: DatapathId, limits: &Limits) -> Switch {
        // A burst of half a second's worth passes at once.
        let buckets = Class::ALL.map(|class| {
            let rate = class.rate(limits);
            (class, TokenBucket::new(rate, rate / 2))
        });
        let shares = Class::ALL.iter().filter_map(|class| Some((*class, class.share(limits)?)));
        Switch {
            id,
            name: id.to_string(),
            connection: None,
            stage: Stage::Away,
            ledger: Ledger::default(),
            ports: BTreeMap::new(),
            refuses_peerings: false,
            refuses_detours: false,
            tcp_flags: true,
            metering: Metering::default(),
            metered: BTreeMap::new(),
            audit: None,
            audits: 0,
            restored: (0, 0),
            removing: BTreeMap::new(),
            outbox: Vec::new(),
            next_xid: 1,
            barriers: BTreeMap::new(),
            waiting: Vec::new(),
            sent: VecDeque::new(),
            rates: BTreeMap::from(buckets),
            per_port: shares.collect(),
            shares: BTreeMap::new(),
            reconciled: (0, 0, 0),
            reported: BTreeMap::new(),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }

    /// Messages to send, in order.
    pub(crate) fn take_outbox(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outbox)
    }

    /// Sends a message whatever the stage.
    pub(crate) fn send(&mut self, concern: Concern, body: Body) -> u32 {
        let xid = self.next_xid;
        // 0 is left to messages that are nobody's answer.
        self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        if concern != Concern::Common {
            if self.sent.len() == REMEMBERED {
                self.sent.pop_front();
            }
            self.sent.push_back((xid, concern));
        }
        self.outbox.push(Message::new(xid, body));
        xid
    }

    /// What the message `xid` was about.
    pub(crate) fn concern_of(&self, xid: u32) -> Option<Concern> {
        let listed = self.sent.iter().rev().find(|(sent, _)| *sent == xid);
        let concern = listed.map_or(Concern::Common, |(_, concern)| concern.clone());
        (1..self.next_xid).contains(&xid).then_some(concern)
    }

    /// Whether an entry that is said to be deleted was deleted by us, lately.
    pub(crate) fn was_removing(&mut self, key: &EntryKey, now: Time) -> bool {
        self.removing.remove(key).is_some_and(|told| now.since(told) < REMOVAL)
    }

    /// Notes that an entry is being removed. Of one that was not there nothing is heard; it is
    /// forgotten after a while.
    pub(crate) fn removing(&mut self, key: EntryKey, now: Time) {
        if self.removing.len() >= REMEMBERED {
            self.removing.retain(|_, told| now.since(*told) < REMOVAL);
        }
        if self.removing.len() < REMEMBERED {
            self.removing.insert(key, now);
        }
    }

    /// Makes a change that the ledger asked for, if the switch is live; else the reconciliation to
    /// come makes it.
    pub(crate) fn make(&mut self, concern: &Concern, change: Option<Change>) {
        let Some(change) = change.filter(|_| self.is_live()) else { return };
        let concern = change.concern().unwrap_or_else(|| concern.clone());
        let body = match change {
            Change::SetEntry(key, entry) => Body::FlowMod(translate::set(&key, &entry)),
            Change::RemoveEntry(key) => Body::FlowMod(translate::remove(&key)),
            Change::AddGroup(id, group) => {
                Body::GroupMod(translate::group(GroupCommand::Add, id, &group))
            }
            Change::ModifyGroup(id, group) => {
                Body::GroupMod(translate::group(GroupCommand::Modify, id, &group))
            }
            Change::RemoveGroup(id) => {
                Body::GroupMod(translate::group(GroupCommand::Delete, id, &Group::default()))
            }
            Change::AddMeter(id, meter) => {
                Body::MeterMod(meters::message(MeterCommand::Add, id, Some(meter)))
            }
            Change::ModifyMeter(id, meter) => {
                Body::MeterMod(meters::message(MeterCommand::Modify, id, Some(meter)))
            }
            Change::RemoveMeter(id) => {
                Body::MeterMod(meters::message(MeterCommand::Delete, id, None))
            }
            Change::Barrier => Body::BarrierRequest,
        };
        self.send(concern, body);
    }

    /// Has `then` done when the switch confirms everything sent so far; while it is not live, when
    /// it confirms its reconciliation.
    pub(crate) fn after_barrier(&mut self, then: Then) {
        if self.is_live() {
            let xid = self.send(Concern::Common, Body::BarrierRequest);
            self.barriers.insert(xid, vec![then]);
        } else {
            self.waiting.push(then);
        }
    }

    /// Goes live; everything that waited is confirmed by one barrier.
    pub(crate) fn go_live(&mut self, changes: Vec<Change>, garbage: Vec<Body>) {
        self.stage = Stage::Live;
        for change in changes {
            self.make(&Concern::Common, Some(change));
        }
        for body in garbage {
            self.send(Concern::Common, body);
        }
        let xid = self.send(Concern::Common, Body::BarrierRequest);
        let mut thens = vec![Then::Ready];
        thens.append(&mut self.waiting);
        self.barriers.insert(xid, thens);
    }

    /// What a barrier reply confirms.
    pub(crate) fn confirmed(&mut self, xid: u32) -> Vec<Then> {
        self.barriers.remove(&xid).unwrap_or_default()
    }

    /// Takes a new connection's place, or none's. What was not confirmed will be confirmed anew.
    pub(crate) fn attach(&mut self, connection: Option<ConnectionId>) {
        self.connection = connection;
        self.stage = match connection {
            Some(_) => Stage::Reading(Box::default()),
            None => Stage::Away,
        };
        self.outbox.clear();
        self.sent.clear();
        self.removing.clear();
        self.audit = None;
        let unconfirmed = std::mem::take(&mut self.barriers).into_values().flatten();
        self.waiting.extend(unconfirmed.filter(|then| *then != Then::Ready));
    }

    /// Whether a packet-in of this class, from this port, may be looked at now. What one port sends
    /// beyond its share costs the others nothing.
    pub(crate) fn admits(&mut self, class: Class, port: u32, now: Time) -> bool {
        if let Some(share) = self.per_port.get(&class).copied() {
            let bucket = self.shares.entry((port, class));
            if !bucket.or_insert_with(|| TokenBucket::new(share, share / 2)).take(now) {
                return false;
            }
        }
        self.rates.get_mut(&class).is_none_or(|rate| rate.take(now))
    }

    /// Forgets what was kept of a port.
    pub(crate) fn forget_port(&mut self, port: u32) {
        self.shares.retain(|(of, _), _| *of != port);
    }

    pub(crate) fn settled_ports(&self) -> BTreeSet<u32> {
        self.ports.iter().filter(|(_, port)| port.settled).map(|(number, _)| *number).collect()
    }
}
