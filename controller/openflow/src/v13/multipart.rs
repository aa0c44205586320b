use nom::number::complete::{be_u16, be_u32};

use super::{
    AggregateStats, Desc, Experimenter, FlowStats, FlowStatsRequest, GroupDesc, GroupFeatures,
    GroupStats, MeterConfig, MeterFeatures, MeterStats, Port, PortStats, QueueStats,
    QueueStatsRequest, TableFeatures, TableStats,
};
use crate::layout::Fixed;
use crate::read::{self, Read, field, pad};
use crate::write;

/// More of the same follows (`OFPMPF_REQ_MORE`, `OFPMPF_REPLY_MORE`).
const MORE: u16 = 1;

/// A question about the switch (7.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MultipartRequest {
    /// Whether the rest of the question follows in another message.
    pub more: bool,
    /// The question.
    pub body: Request,
}

/// An answer, or a part of one (7.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MultipartReply {
    /// Whether the rest of the answer follows in another message.
    pub more: bool,
    /// The answer.
    pub body: Reply,
}

/// What can be asked (`OFPMP_*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// What the switch says of itself.
    Desc,
    /// Flow entries.
    Flow(FlowStatsRequest),
    /// Flow entries, counted together.
    Aggregate(FlowStatsRequest),
    /// Counters of tables.
    Table,
    /// Counters of a port, or of all ([`port_number::ANY`](super::port_number::ANY)).
    PortStats(u32),
    /// Counters of queues.
    Queue(QueueStatsRequest),
    /// Counters of a group, or of all ([`group_number::ALL`](super::group_number::ALL)).
    Group(u32),
    /// The groups.
    GroupDesc,
    /// What groups there can be.
    GroupFeatures,
    /// Counters of a meter, or of all ([`meter_number::ALL`](super::meter_number::ALL)).
    Meter(u32),
    /// A meter, or all.
    MeterConfig(u32),
    /// What meters there can be.
    MeterFeatures,
    /// What the tables can do; with a list, what they shall do.
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    PortDesc,
    /// An experimenter's question.
    Experimenter(Experimenter),
    /// A question that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type, flags and padding.
        body: Vec<u8>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// What the switch says of itself.
    Desc(Desc),
    /// Flow entries.
    Flow(Vec<FlowStats>),
    /// Flow entries, counted together.
    Aggregate(AggregateStats),
    /// Counters of tables.
    Table(Vec<TableStats>),
    /// Counters of ports.
    PortStats(Vec<PortStats>),
    /// Counters of queues.
    Queue(Vec<QueueStats>),
    /// Counters of groups.
    Group(Vec<GroupStats>),
    /// The groups.
    GroupDesc(Vec<GroupDesc>),
    /// What groups there can be.
    GroupFeatures(GroupFeatures),
    /// Counters of meters.
    Meter(Vec<MeterStats>),
    /// The meters.
    MeterConfig(Vec<MeterConfig>),
    /// What meters there can be.
    MeterFeatures(MeterFeatures),
    /// What the tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    PortDesc(Vec<Port>),
    /// An experimenter's answer.
    Experimenter(Experimenter),
    /// An answer that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type, flags and padding.
        body: Vec<u8>,
    },
}

const DESC: u16 = 0;
const FLOW: u16 = 1;
const AGGREGATE: u16 = 2;
const TABLE: u16 = 3;
const PORT_STATS: u16 = 4;
const QUEUE: u16 = 5;
const GROUP: u16 = 6;
const GROUP_DESC: u16 = 7;
const GROUP_FEATURES: u16 = 8;
const METER: u16 = 9;
const METER_CONFIG: u16 = 10;
const METER_FEATURES: u16 = 11;
const TABLE_FEATURES: u16 = 12;
const PORT_DESC: u16 = 13;
const EXPERIMENTER: u16 = 0xffff;

/// What both questions and answers begin with, besides the message's header.
const FIXED: usize = 8;

fn head(input: &[u8]) -> Read<'_, (u16, bool)> {
    let (i, kind) = field("multipart type", be_u16, input)?;
    let (i, flags) = field("flags", be_u16, i)?;
    let (i, ()) = pad(4, i)?;
    Ok((i, (kind, flags & MORE != 0)))
}

fn encode_head(kind: u16, more: bool, out: &mut Vec<u8>) {
    out.extend(kind.to_be_bytes());
    out.extend(u16::from(more).to_be_bytes());
    write::zeros(4, out);
}

/// A number and four bytes that mean nothing.
fn number<'a>(name: &'static str, input: &'a [u8]) -> Read<'a, u32> {
    let (i, number) = field(name, be_u32, input)?;
    let (i, ()) = pad(4, i)?;
    Ok((i, number))
}

impl MultipartRequest {
    /// A question in one message.
    pub fn new(body: Request) -> MultipartRequest {
        MultipartRequest { more: false, body }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, MultipartRequest> {
        let (i, (kind, more)) = head(input)?;
        let (i, body) = match kind {
            DESC => (i, Request::Desc),
            FLOW => FlowStatsRequest::read(i).map(|(i, wanted)| (i, Request::Flow(wanted)))?,
            AGGREGATE => {
                FlowStatsRequest::read(i).map(|(i, wanted)| (i, Request::Aggregate(wanted)))?
            }
            TABLE => (i, Request::Table),
            PORT_STATS => number("port_no", i).map(|(i, port)| (i, Request::PortStats(port)))?,
            QUEUE => QueueStatsRequest::read(i).map(|(i, wanted)| (i, Request::Queue(wanted)))?,
            GROUP => number("group_id", i).map(|(i, group)| (i, Request::Group(group)))?,
            GROUP_DESC => (i, Request::GroupDesc),
            GROUP_FEATURES => (i, Request::GroupFeatures),
            METER => number("meter_id", i).map(|(i, meter)| (i, Request::Meter(meter)))?,
            METER_CONFIG => {
                number("meter_id", i).map(|(i, meter)| (i, Request::MeterConfig(meter)))?
            }
            METER_FEATURES => (i, Request::MeterFeatures),
            TABLE_FEATURES => {
                let (i, tables) = read::all(TableFeatures::read, i)?;
                (i, Request::TableFeatures(tables))
            }
            PORT_DESC => (i, Request::PortDesc),
            EXPERIMENTER => Experimenter::read(i).map(|(i, e)| (i, Request::Experimenter(e)))?,
            kind => read::rest(i).map(|(i, body)| (i, Request::Unknown { kind, body }))?,
        };
        Ok((i, MultipartRequest { more, body }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_head(self.body.kind(), self.more, out);
        match &self.body {
            Request::Desc
            | Request::Table
            | Request::GroupDesc
            | Request::GroupFeatures
            | Request::MeterFeatures
            | Request::PortDesc => {}
            Request::Flow(wanted) | Request::Aggregate(wanted) => wanted.encode(out),
            Request::Queue(wanted) => wanted.write(out),
            Request::PortStats(number)
            | Request::Group(number)
            | Request::Meter(number)
            | Request::MeterConfig(number) => {
                out.extend(number.to_be_bytes());
                write::zeros(4, out);
            }
            Request::TableFeatures(tables) => tables.iter().for_each(|table| table.encode(out)),
            Request::Experimenter(experimenter) => experimenter.encode(out),
            Request::Unknown { body, .. } => out.extend(body),
        }
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED
            + match &self.body {
                Request::Desc
                | Request::Table
                | Request::GroupDesc
                | Request::GroupFeatures
                | Request::MeterFeatures
                | Request::PortDesc => 0,
                Request::Flow(wanted) | Request::Aggregate(wanted) => wanted.encoded_len(),
                Request::Queue(_)
                | Request::PortStats(_)
                | Request::Group(_)
                | Request::Meter(_)
                | Request::MeterConfig(_) => 8,
                Request::TableFeatures(tables) => {
                    tables.iter().map(TableFeatures::encoded_len).sum()
                }
                Request::Experimenter(experimenter) => experimenter.encoded_len(),
                Request::Unknown { body, .. } => body.len(),
            }
    }
}

impl Request {
    const fn kind(&self) -> u16 {
        match self {
            Request::Desc => DESC,
            Request::Flow(_) => FLOW,
            Request::Aggregate(_) => AGGREGATE,
            Request::Table => TABLE,
            Request::PortStats(_) => PORT_STATS,
            Request::Queue(_) => QUEUE,
            Request::Group(_) => GROUP,
            Request::GroupDesc => GROUP_DESC,
            Request::GroupFeatures => GROUP_FEATURES,
            Request::Meter(_) => METER,
            Request::MeterConfig(_) => METER_CONFIG,
            Request::MeterFeatures => METER_FEATURES,
            Request::TableFeatures(_) => TABLE_FEATURES,
            Request::PortDesc => PORT_DESC,
            Request::Experimenter(_) => EXPERIMENTER,
            Request::Unknown { kind, .. } => *kind,
        }
    }
}

impl MultipartReply {
    /// An answer in one message.
    pub fn new(body: Reply) -> MultipartReply {
        MultipartReply { more: false, body }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, MultipartReply> {
        let (i, (kind, more)) = head(input)?;
        let (i, body) = match kind {
            DESC => Desc::read(i).map(|(i, desc)| (i, Reply::Desc(desc)))?,
            FLOW => read::all(FlowStats::read, i).map(|(i, all)| (i, Reply::Flow(all)))?,
            AGGREGATE => AggregateStats::read(i).map(|(i, sum)| (i, Reply::Aggregate(sum)))?,
            TABLE => read::all(TableStats::read, i).map(|(i, all)| (i, Reply::Table(all)))?,
            PORT_STATS => {
                read::all(PortStats::read, i).map(|(i, all)| (i, Reply::PortStats(all)))?
            }
            QUEUE => read::all(QueueStats::read, i).map(|(i, all)| (i, Reply::Queue(all)))?,
            GROUP => read::all(GroupStats::read, i).map(|(i, all)| (i, Reply::Group(all)))?,
            GROUP_DESC => {
                read::all(GroupDesc::read, i).map(|(i, all)| (i, Reply::GroupDesc(all)))?
            }
            GROUP_FEATURES => GroupFeatures::read(i).map(|(i, f)| (i, Reply::GroupFeatures(f)))?,
            METER => read::all(MeterStats::read, i).map(|(i, all)| (i, Reply::Meter(all)))?,
            METER_CONFIG => {
                read::all(MeterConfig::read, i).map(|(i, all)| (i, Reply::MeterConfig(all)))?
            }
            METER_FEATURES => MeterFeatures::read(i).map(|(i, f)| (i, Reply::MeterFeatures(f)))?,
            TABLE_FEATURES => {
                read::all(TableFeatures::read, i).map(|(i, all)| (i, Reply::TableFeatures(all)))?
            }
            PORT_DESC => read::all(Port::read, i).map(|(i, all)| (i, Reply::PortDesc(all)))?,
            EXPERIMENTER => Experimenter::read(i).map(|(i, e)| (i, Reply::Experimenter(e)))?,
            kind => read::rest(i).map(|(i, body)| (i, Reply::Unknown { kind, body }))?,
        };
        Ok((i, MultipartReply { more, body }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_head(self.body.kind(), self.more, out);
        match &self.body {
            Reply::Desc(desc) => desc.write(out),
            Reply::Flow(all) => all.iter().for_each(|entry| entry.encode(out)),
            Reply::Aggregate(sum) => sum.write(out),
            Reply::Table(all) => all.iter().for_each(|table| table.write(out)),
            Reply::PortStats(all) => all.iter().for_each(|port| port.write(out)),
            Reply::Queue(all) => all.iter().for_each(|queue| queue.write(out)),
            Reply::Group(all) => all.iter().for_each(|group| group.encode(out)),
            Reply::GroupDesc(all) => all.iter().for_each(|group| group.encode(out)),
            Reply::GroupFeatures(features) => features.write(out),
            Reply::Meter(all) => all.iter().for_each(|meter| meter.encode(out)),
            Reply::MeterConfig(all) => all.iter().for_each(|meter| meter.encode(out)),
            Reply::MeterFeatures(features) => features.write(out),
            Reply::TableFeatures(all) => all.iter().for_each(|table| table.encode(out)),
            Reply::PortDesc(all) => all.iter().for_each(|port| port.write(out)),
            Reply::Experimenter(experimenter) => experimenter.encode(out),
            Reply::Unknown { body, .. } => out.extend(body),
        }
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED + self.body.encoded_len()
    }
}

impl Reply {
    const fn kind(&self) -> u16 {
        match self {
            Reply::Desc(_) => DESC,
            Reply::Flow(_) => FLOW,
            Reply::Aggregate(_) => AGGREGATE,
            Reply::Table(_) => TABLE,
            Reply::PortStats(_) => PORT_STATS,
            Reply::Queue(_) => QUEUE,
            Reply::Group(_) => GROUP,
            Reply::GroupDesc(_) => GROUP_DESC,
            Reply::GroupFeatures(_) => GROUP_FEATURES,
            Reply::Meter(_) => METER,
            Reply::MeterConfig(_) => METER_CONFIG,
            Reply::MeterFeatures(_) => METER_FEATURES,
            Reply::TableFeatures(_) => TABLE_FEATURES,
            Reply::PortDesc(_) => PORT_DESC,
            Reply::Experimenter(_) => EXPERIMENTER,
            Reply::Unknown { kind, .. } => *kind,
        }
    }

    /// Length in bytes, without type, flags and padding.
    pub fn encoded_len(&self) -> usize {
        match self {
            Reply::Desc(_) => Desc::LEN,
            Reply::Flow(all) => all.iter().map(FlowStats::encoded_len).sum(),
            Reply::Aggregate(_) => AggregateStats::LEN,
            Reply::Table(all) => all.len() * TableStats::LEN,
            Reply::PortStats(all) => all.len() * PortStats::LEN,
            Reply::Queue(all) => all.len() * QueueStats::LEN,
            Reply::Group(all) => all.iter().map(GroupStats::encoded_len).sum(),
            Reply::GroupDesc(all) => all.iter().map(GroupDesc::encoded_len).sum(),
            Reply::GroupFeatures(_) => GroupFeatures::LEN,
            Reply::Meter(all) => all.iter().map(MeterStats::encoded_len).sum(),
            Reply::MeterConfig(all) => all.iter().map(MeterConfig::encoded_len).sum(),
            Reply::MeterFeatures(_) => MeterFeatures::LEN,
            Reply::TableFeatures(all) => all.iter().map(TableFeatures::encoded_len).sum(),
            Reply::PortDesc(all) => all.len() * Port::LEN,
            Reply::Experimenter(experimenter) => experimenter.encoded_len(),
            Reply::Unknown { body, .. } => body.len(),
        }
    }

    /// Joins the parts of an answer: puts `next`'s items after these. What is no list, or of
    /// another kind, cannot be joined and comes back; so does an experimenter's, as each part may
    /// begin with a head of its own.
    ///
    /// # Errors
    /// `next`, if it does not continue this answer.
    pub fn append(&mut self, next: Reply) -> Result<(), Reply> {
        match (self, next) {
            (Reply::Flow(all), Reply::Flow(more)) => all.extend(more),
            (Reply::Table(all), Reply::Table(more)) => all.extend(more),
            (Reply::PortStats(all), Reply::PortStats(more)) => all.extend(more),
            (Reply::Queue(all), Reply::Queue(more)) => all.extend(more),
            (Reply::Group(all), Reply::Group(more)) => all.extend(more),
            (Reply::GroupDesc(all), Reply::GroupDesc(more)) => all.extend(more),
            (Reply::Meter(all), Reply::Meter(more)) => all.extend(more),
            (Reply::MeterConfig(all), Reply::MeterConfig(more)) => all.extend(more),
            (Reply::TableFeatures(all), Reply::TableFeatures(more)) => all.extend(more),
            (Reply::PortDesc(all), Reply::PortDesc(more)) => all.extend(more),
            (_, next) => return Err(next),
        }
        Ok(())
    }
}
