//! A switch in memory with the flow-table semantics of OpenFlow 1.3: tables, priorities, masks,
//! set-field, metadata, VLAN tags, groups of type ALL and FAST FAILOVER, meters, packet-in and
//! packet-out, idle timeouts, flow-removed, barriers.

use std::collections::BTreeMap;

use nearcast_machine::{Span, Time};
use rust_openflow::v13::{
    Action, AggregateStats, BandCounter, Body, Bucket, Desc, ErrorMessage, ErrorType, Features,
    FlowCommand, FlowMod, FlowRemoved, FlowRemovedReason, FlowStats, GroupCommand, GroupDesc,
    GroupMod, GroupType, Instruction, Match, Message, MeterBand, MeterCommand, MeterConfig,
    MeterFeatures, MeterMod, MeterStats, MultipartReply, NO_BUFFER, Oxm, PacketIn, PacketInReason,
    Port, PortReason, PortStatus, Reply, Request, TABLE_ALL, flow_flags, port_number, port_state,
};
use rust_openflow::{Hello, VERSION_13};

use crate::packet;

#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) table: u8,
    pub(crate) priority: u16,
    pub(crate) cookie: u64,
    pub(crate) matching: Match,
    pub(crate) instructions: Vec<Instruction>,
    idle: u16,
    flags: u16,
    used: Time,
    pub(crate) packets: u64,
}

/// Flow tables that it has; the fabric needs three.
const TABLES: u8 = 8;

impl Flow {
    fn is(&self, flow: &FlowMod) -> bool {
        let mut ours = self.matching.fields.clone();
        let mut theirs = flow.matching.fields.clone();
        ours.sort_by_key(|field| format!("{field:?}"));
        theirs.sort_by_key(|field| format!("{field:?}"));
        self.table == flow.table_id && self.priority == flow.priority && ours == theirs
    }
}

impl Flow {
    /// What the controller is told of its end, if it asked to be.
    fn removed(self, reason: FlowRemovedReason) -> Option<Message> {
        let removed = FlowRemoved {
            cookie: self.cookie,
            priority: self.priority,
            reason,
            table_id: self.table,
            duration_sec: 0,
            duration_nsec: 0,
            idle_timeout: self.idle,
            hard_timeout: 0,
            packet_count: self.packets,
            byte_count: 0,
            matching: self.matching,
        };
        let wanted = self.flags & flow_flags::SEND_FLOW_REM != 0;
        wanted.then(|| Message::new(0, Body::FlowRemoved(removed)))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Switch {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Number to name of the ports that are up.
    pub(crate) ports: BTreeMap<u32, String>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) groups: BTreeMap<u32, (GroupType, Vec<Bucket>)>,
    /// Refuse matches on TCP flags, as a switch without the extension does.
    pub(crate) no_tcp_flags: bool,
    /// Refuse groups.
    pub(crate) no_groups: bool,
    /// How many meters it says it may have.
    pub(crate) max_meters: u32,
    pub(crate) meters: BTreeMap<u32, Meter>,
    /// Refuse meters in spite of that.
    pub(crate) no_meters: bool,
    /// Refuse Open vSwitch's action that meters a copy.
    pub(crate) no_metered_copies: bool,
    /// Answer nothing.
    pub(crate) mute: bool,
    /// Flow-mods and group-mods taken since it was made.
    pub(crate) mods: usize,
}

/// What a switch does in return: messages to the controller, frames out of ports.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) messages: Vec<Message>,
    pub(crate) frames: Vec<(u32, Vec<u8>)>,
}

/// A meter with one band that drops, in packets.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) config: MeterConfig,
    /// Packets that may pass at once, in nanoseconds of the rate.
    credit: u64,
    updated: Time,
    pub(crate) passed: u64,
    pub(crate) dropped: u64,
}

impl Meter {
    fn new(now: Time, meter: MeterMod) -> Meter {
        let config =
            MeterConfig { flags: meter.flags, meter_id: meter.meter_id, bands: meter.bands };
        Meter { config, credit: u64::MAX, updated: now, passed: 0, dropped: 0 }
    }

    fn passes(&mut self, now: Time) -> bool {
        let [MeterBand::Drop { rate, burst }] = self.config.bands[..] else {
            panic!("the switch in memory does not do {:?}", self.config.bands)
        };
        let each = 1_000_000_000 / u64::from(rate);
        let credit = self.credit.saturating_add(now.since(self.updated).as_nanos());
        (self.credit, self.updated) = (credit.min(each * u64::from(burst)), now);
        let passes = self.credit >= each;
        if passes {
            self.credit -= each;
            self.passed += 1;
        } else {
            self.dropped += 1;
        }
        passes
    }
}

/// The meter of Open vSwitch's `controller(meter_id=N)` (`NXAST_CONTROLLER2`, lib/ofp-actions.c).
fn meter_of_copy(action: &Action) -> Option<u32> {
    match action {
        Action::Experimenter { experimenter: 0x2320, data } => {
            assert_eq!(data[..12], [0, 37, 0, 0, 0, 0, 0, 0, 0, 5, 0, 8], "as OVS reads it");
            Some(u32::from_be_bytes(data[12..].try_into().expect("a meter, and no more")))
        }
        _ => None,
    }
}

const OFPBAC_BAD_EXPERIMENTER: u16 = 2;
const OFPMMFC_METER_EXISTS: u16 = 1;
const OFPMMFC_INVALID_METER: u16 = 2;
const OFPMMFC_UNKNOWN_METER: u16 = 3;
const OFPBMC_BAD_FIELD: u16 = 6;
const OFPGMFC_GROUP_EXISTS: u16 = 0;
const OFPGMFC_UNKNOWN_GROUP: u16 = 8;

impl Switch {
    pub(crate) fn new(id: u64, name: &str) -> Switch {
        Switch { id, name: name.to_owned(), ..Switch::default() }
    }

    pub(crate) fn port(&self, number: u32) -> Port {
        let name = self.ports.get(&number).cloned();
        let down = name.is_none();
        let name = name.unwrap_or_else(|| format!("{}-eth{number}", self.name));
        let state = if down { port_state::LINK_DOWN } else { port_state::LIVE };
        Port { state, ..Port::new(number, name) }
    }

    pub(crate) fn port_status(&self, number: u32) -> Message {
        let status = PortStatus { reason: PortReason::Modify, port: self.port(number) };
        Message::new(0, Body::PortStatus(status))
    }

    /// Takes a message of the controller.
    pub(crate) fn message(&mut self, now: Time, message: Message) -> Effects {
        let xid = message.xid;
        let mut effects = Effects::default();
        if self.mute {
            return effects;
        }
        let reply = match message.body {
            Body::Hello(_) => Body::Hello(Hello::offering(&[VERSION_13])),
            Body::EchoRequest(data) => Body::EchoReply(data),
            Body::FeaturesRequest => Body::FeaturesReply(Features::of(self.id, TABLES)),
            Body::BarrierRequest => Body::BarrierReply,
            Body::MultipartRequest(request) => {
                Body::MultipartReply(MultipartReply { more: false, body: self.reply(request.body) })
            }
            Body::FlowMod(flow) => match self.flow_mod(now, flow, &mut effects) {
                Some(error) => error,
                None => return effects,
            },
            Body::GroupMod(group) => match self.group_mod(group, &mut effects) {
                Some(error) => error,
                None => return effects,
            },
            Body::MeterMod(meter) => match self.meter_mod(now, meter, &mut effects) {
                Some(error) => error,
                None => return effects,
            },
            Body::PacketOut(out) => {
                let in_port = port_number::CONTROLLER;
                self.apply(now, in_port, &out.actions, out.data, (0, 0), &mut effects);
                return effects;
            }
            _ => return effects,
        };
        effects.messages.push(Message::new(xid, reply));
        effects
    }

    fn reply(&self, request: Request) -> Reply {
        match request {
            Request::Desc => Reply::Desc(Desc { datapath: self.name.clone(), ..Desc::default() }),
            Request::PortDesc => {
                Reply::PortDesc(self.ports.keys().map(|n| self.port(*n)).collect())
            }
            Request::GroupDesc => {
                let group = |(id, (kind, buckets)): (&u32, &(GroupType, Vec<Bucket>))| GroupDesc {
                    kind: *kind,
                    group_id: *id,
                    buckets: buckets.clone(),
                };
                Reply::GroupDesc(self.groups.iter().map(group).collect())
            }
            Request::Flow(wanted) => {
                let ours = |flow: &&Flow| (flow.cookie ^ wanted.cookie) & wanted.cookie_mask == 0;
                let stats = |flow: &Flow| FlowStats {
                    table_id: flow.table,
                    priority: flow.priority,
                    cookie: flow.cookie,
                    idle_timeout: flow.idle,
                    flags: flow.flags,
                    matching: flow.matching.clone(),
                    instructions: flow.instructions.clone(),
                    ..FlowStats::default()
                };
                Reply::Flow(self.flows.iter().filter(ours).map(stats).collect())
            }
            Request::Aggregate(wanted) => {
                let ours = |flow: &&Flow| (flow.cookie ^ wanted.cookie) & wanted.cookie_mask == 0;
                let flow_count = self.flows.iter().filter(ours).count() as u32;
                Reply::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count })
            }
            Request::MeterFeatures => Reply::MeterFeatures(MeterFeatures {
                max_meter: self.max_meters,
                band_types: 1 << 1,
                capabilities: 0b1111,
                max_bands: 1,
                max_color: 0,
            }),
            Request::MeterConfig(_) => {
                Reply::MeterConfig(self.meters.values().map(|meter| meter.config.clone()).collect())
            }
            Request::Meter(_) => {
                let stats = |(id, meter): (&u32, &Meter)| MeterStats {
                    meter_id: *id,
                    packet_in_count: meter.passed + meter.dropped,
                    bands: vec![BandCounter { packet_count: meter.dropped, byte_count: 0 }],
                    ..MeterStats::default()
                };
                Reply::Meter(self.meters.iter().map(stats).collect())
            }
            other => panic!("the switch in memory does not know {other:?}"),
        }
    }

    fn meter_mod(&mut self, now: Time, meter: MeterMod, effects: &mut Effects) -> Option<Body> {
        self.mods += 1;
        let refuse = |code| Some(error(ErrorType::METER_MOD_FAILED, code));
        let known = self.meters.contains_key(&meter.meter_id);
        match meter.command {
            MeterCommand::Delete => {
                self.meters.remove(&meter.meter_id);
                let needs = Instruction::Meter(meter.meter_id);
                let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flows)
                    .into_iter()
                    .partition(|flow| flow.instructions.contains(&needs));
                self.flows = kept;
                // OpenFlow 1.3 has no reason of its own for this.
                let told =
                    gone.into_iter().filter_map(|flow| flow.removed(FlowRemovedReason::Delete));
                effects.messages.extend(told);
                return None;
            }
            _ if self.no_meters => return refuse(OFPMMFC_INVALID_METER),
            MeterCommand::Add if known => return refuse(OFPMMFC_METER_EXISTS),
            MeterCommand::Modify if !known => return refuse(OFPMMFC_UNKNOWN_METER),
            _ => {}
        }
        self.meters.insert(meter.meter_id, Meter::new(now, meter));
        assert!(self.meters.len() <= self.max_meters as usize, "more than it has");
        None
    }

    fn flow_mod(&mut self, now: Time, flow: FlowMod, effects: &mut Effects) -> Option<Body> {
        self.mods += 1;
        let flags = |field: &Oxm| matches!(field, Oxm::TcpFlags(_));
        if self.no_tcp_flags && flow.matching.fields.iter().any(flags) {
            return Some(error(ErrorType::BAD_MATCH, OFPBMC_BAD_FIELD));
        }
        for instruction in &flow.instructions {
            let missing = match instruction {
                Instruction::Meter(id) => !self.meters.contains_key(id),
                Instruction::ApplyActions(actions) => {
                    let metered: Vec<_> = actions.iter().filter_map(meter_of_copy).collect();
                    if self.no_metered_copies && !metered.is_empty() {
                        return Some(error(ErrorType::BAD_ACTION, OFPBAC_BAD_EXPERIMENTER));
                    }
                    metered.iter().any(|id| !self.meters.contains_key(id))
                }
                _ => false,
            };
            if missing {
                return Some(error(ErrorType::METER_MOD_FAILED, OFPMMFC_INVALID_METER));
            }
        }
        match flow.command {
            FlowCommand::Add => {
                self.flows.retain(|known| !known.is(&flow));
                self.flows.push(Flow {
                    table: flow.table_id,
                    priority: flow.priority,
                    cookie: flow.cookie,
                    matching: flow.matching,
                    instructions: flow.instructions,
                    idle: flow.idle_timeout,
                    flags: flow.flags,
                    used: now,
                    packets: 0,
                });
            }
            FlowCommand::DeleteStrict => {
                let ours = |known: &Flow| (known.cookie ^ flow.cookie) & flow.cookie_mask == 0;
                let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flows)
                    .into_iter()
                    .partition(|known| known.is(&flow) && ours(known));
                self.flows = kept;
                let told =
                    gone.into_iter().filter_map(|flow| flow.removed(FlowRemovedReason::Delete));
                effects.messages.extend(told);
            }
            FlowCommand::Delete if flow.table_id == TABLE_ALL => {
                assert!(flow.matching.fields.is_empty(), "all, or none");
                let gone = std::mem::take(&mut self.flows).into_iter();
                let told = gone.filter_map(|flow| flow.removed(FlowRemovedReason::Delete));
                effects.messages.extend(told);
            }
            other => panic!("the switch in memory does not do {other:?}"),
        }
        None
    }

    fn group_mod(&mut self, group: GroupMod, effects: &mut Effects) -> Option<Body> {
        self.mods += 1;
        if self.no_groups && group.command != GroupCommand::Delete {
            return Some(error(ErrorType::GROUP_MOD_FAILED, 1));
        }
        let known = self.groups.contains_key(&group.group_id);
        match group.command {
            GroupCommand::Add if known => {
                return Some(error(ErrorType::GROUP_MOD_FAILED, OFPGMFC_GROUP_EXISTS));
            }
            GroupCommand::Modify if !known => {
                return Some(error(ErrorType::GROUP_MOD_FAILED, OFPGMFC_UNKNOWN_GROUP));
            }
            GroupCommand::Add | GroupCommand::Modify => {
                self.groups.insert(group.group_id, (group.kind, group.buckets));
            }
            GroupCommand::Delete => {
                self.groups.remove(&group.group_id);
                let leads_there = |flow: &Flow| {
                    flow.instructions.iter().any(|instruction| match instruction {
                        Instruction::ApplyActions(actions) => {
                            actions.contains(&Action::Group(group.group_id))
                        }
                        _ => false,
                    })
                };
                let (gone, kept): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.flows).into_iter().partition(leads_there);
                self.flows = kept;
                let told = gone
                    .into_iter()
                    .filter_map(|flow| flow.removed(FlowRemovedReason::GroupDelete));
                effects.messages.extend(told);
            }
            other => panic!("the switch in memory does not do {other:?}"),
        }
        None
    }

    /// A frame arrives at a port.
    pub(crate) fn frame(&mut self, now: Time, in_port: u32, frame: Vec<u8>) -> Effects {
        let mut effects = Effects::default();
        if !self.ports.contains_key(&in_port) {
            return effects;
        }
        let mut frame = frame;
        let (mut table, mut metadata) = (0, 0);
        loop {
            let best = self
                .flows
                .iter_mut()
                .filter(|flow| flow.table == table)
                .filter(|flow| packet::matches(&flow.matching, in_port, metadata, &frame))
                .max_by_key(|flow| flow.priority);
            // Without an entry for a table-miss a packet is dropped (5.4).
            let Some(flow) = best else { return effects };
            flow.used = now;
            flow.packets += 1;
            let (instructions, cookie) = (flow.instructions.clone(), flow.cookie);
            let mut next = None;
            for instruction in instructions {
                match instruction {
                    Instruction::Meter(id) => {
                        let meter = self.meters.get_mut(&id).expect("checked when it was added");
                        if !meter.passes(now) {
                            return effects;
                        }
                    }
                    Instruction::ApplyActions(actions) => {
                        let place = (table, cookie);
                        frame = self.apply(now, in_port, &actions, frame, place, &mut effects);
                    }
                    Instruction::WriteMetadata { metadata: value, mask } => {
                        metadata = metadata & !mask | value & mask;
                    }
                    Instruction::GotoTable(to) => {
                        assert!(to > table, "a packet goes forward only");
                        next = Some(to);
                    }
                    other => panic!("the switch in memory does not do {other:?}"),
                }
            }
            match next {
                Some(to) => table = to,
                None => return effects,
            }
        }
    }

    /// Does actions in order; what became of the packet afterwards.
    fn apply(
        &mut self,
        now: Time,
        in_port: u32,
        actions: &[Action],
        mut frame: Vec<u8>,
        (table, cookie): (u8, u64),
        effects: &mut Effects,
    ) -> Vec<u8> {
        for action in actions {
            // A copy that its meter drops is all that is dropped. A meter that is gone drops
            // nothing.
            if let Some(meter) = meter_of_copy(action).and_then(|id| self.meters.get_mut(&id))
                && !meter.passes(now)
            {
                continue;
            }
            match action {
                Action::Output { port: port_number::CONTROLLER, .. }
                | Action::Experimenter { .. } => {
                    let packet = PacketIn {
                        buffer_id: NO_BUFFER,
                        total_len: frame.len() as u16,
                        reason: PacketInReason::Action,
                        table_id: table,
                        cookie,
                        matching: Match::new().in_port(in_port),
                        data: frame.clone(),
                    };
                    effects.messages.push(Message::new(0, Body::PacketIn(packet)));
                }
                Action::Output { port: port_number::IN_PORT, .. } => {
                    effects.frames.push((in_port, frame.clone()));
                }
                Action::PushVlan(0x8100) => packet::push_tag(&mut frame),
                Action::PopVlan => packet::pop_tag(&mut frame),
                // A packet never goes back out of the port it came in by (7.2.5, OFPP_IN_PORT).
                Action::Output { port, .. } if *port == in_port => {}
                Action::Output { port, .. } => effects.frames.push((*port, frame.clone())),
                Action::SetField(field) => packet::set_field(&mut frame, field),
                Action::Group(id) => {
                    let (kind, mut buckets) =
                        self.groups.get(id).cloned().unwrap_or((GroupType::All, Vec::new()));
                    if kind == GroupType::FastFailover {
                        buckets.retain(|bucket| self.ports.contains_key(&bucket.watch_port));
                        buckets.truncate(1);
                    } else {
                        assert_eq!(kind, GroupType::All);
                    }
                    for bucket in buckets {
                        let place = (table, cookie);
                        self.apply(now, in_port, &bucket.actions, frame.clone(), place, effects);
                    }
                }
                other => panic!("the switch in memory does not do {other:?}"),
            }
        }
        frame
    }

    /// Removes what fell idle.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<Message> {
        let idle = |flow: &Flow| {
            flow.idle > 0 && now.since(flow.used) >= Span::from_secs(flow.idle.into())
        };
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flows).into_iter().partition(idle);
        self.flows = kept;
        gone.into_iter().filter_map(|flow| flow.removed(FlowRemovedReason::IdleTimeout)).collect()
    }

    /// How many groups it has that copy.
    pub(crate) fn copying(&self) -> usize {
        self.groups.values().filter(|(kind, _)| *kind == GroupType::All).count()
    }

    /// Entries of one table and priority.
    pub(crate) fn at(&self, table: u8, priority: u16) -> Vec<&Flow> {
        let here = |flow: &&Flow| flow.table == table && flow.priority == priority;
        self.flows.iter().filter(here).collect()
    }
}

fn error(kind: ErrorType, code: u16) -> Body {
    Body::Error(ErrorMessage { kind, code, data: Vec::new() })
}
