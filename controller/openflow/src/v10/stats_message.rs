use super::{
    AggregateStats, Desc, FlowStats, FlowStatsRequest, PortStats, PortStatsRequest, QueueStats,
    QueueStatsRequest, TableStats, Vendor,
};
use crate::layout::Fixed;
use crate::read::{self, Read, field};

/// More of the same follows (`OFPSF_REPLY_MORE`).
const MORE: u16 = 1;

/// A question about the switch (5.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatsRequest {
    /// The question.
    pub body: Request,
}

/// An answer, or a part of one (5.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatsReply {
    /// Whether the rest of the answer follows in another message.
    pub more: bool,
    /// The answer.
    pub body: Reply,
}

/// What can be asked (`OFPST_*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// What the switch says of itself.
    Desc,
    /// Flow entries.
    Flow(FlowStatsRequest),
    /// Flow entries, counted together.
    Aggregate(FlowStatsRequest),
    /// The tables and their counters.
    Table,
    /// Counters of ports.
    Port(PortStatsRequest),
    /// Counters of queues.
    Queue(QueueStatsRequest),
    /// A vendor's question.
    Vendor(Vendor),
    /// A question that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and flags.
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
    /// The tables and their counters.
    Table(Vec<TableStats>),
    /// Counters of ports.
    Port(Vec<PortStats>),
    /// Counters of queues.
    Queue(Vec<QueueStats>),
    /// A vendor's answer.
    Vendor(Vendor),
    /// An answer that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and flags.
        body: Vec<u8>,
    },
}

const DESC: u16 = 0;
const FLOW: u16 = 1;
const AGGREGATE: u16 = 2;
const TABLE: u16 = 3;
const PORT: u16 = 4;
const QUEUE: u16 = 5;
const VENDOR: u16 = 0xffff;

/// What both questions and answers begin with, besides the message's header: type and flags.
const FIXED: usize = 4;

impl StatsRequest {
    pub(super) fn read(input: &[u8]) -> Read<'_, StatsRequest> {
        let (i, kind) = field("stats type", u16::read, input)?;
        // No flags are defined for requests.
        let (i, _) = field("flags", u16::read, i)?;
        let (i, body) = match kind {
            DESC => (i, Request::Desc),
            FLOW => FlowStatsRequest::read(i).map(|(i, wanted)| (i, Request::Flow(wanted)))?,
            AGGREGATE => {
                FlowStatsRequest::read(i).map(|(i, wanted)| (i, Request::Aggregate(wanted)))?
            }
            TABLE => (i, Request::Table),
            PORT => PortStatsRequest::read(i).map(|(i, wanted)| (i, Request::Port(wanted)))?,
            QUEUE => QueueStatsRequest::read(i).map(|(i, wanted)| (i, Request::Queue(wanted)))?,
            VENDOR => Vendor::read(i).map(|(i, vendor)| (i, Request::Vendor(vendor)))?,
            kind => read::rest(i).map(|(i, body)| (i, Request::Unknown { kind, body }))?,
        };
        Ok((i, StatsRequest { body }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        [self.body.kind(), 0].write(out);
        match &self.body {
            Request::Desc | Request::Table => {}
            Request::Flow(wanted) | Request::Aggregate(wanted) => wanted.write(out),
            Request::Port(wanted) => wanted.write(out),
            Request::Queue(wanted) => wanted.write(out),
            Request::Vendor(vendor) => vendor.encode(out),
            Request::Unknown { body, .. } => out.extend(body),
        }
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED
            + match &self.body {
                Request::Desc | Request::Table => 0,
                Request::Flow(_) | Request::Aggregate(_) => FlowStatsRequest::LEN,
                Request::Port(_) => PortStatsRequest::LEN,
                Request::Queue(_) => QueueStatsRequest::LEN,
                Request::Vendor(vendor) => vendor.encoded_len(),
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
            Request::Port(_) => PORT,
            Request::Queue(_) => QUEUE,
            Request::Vendor(_) => VENDOR,
            Request::Unknown { kind, .. } => *kind,
        }
    }
}

impl StatsReply {
    /// An answer in one message.
    pub const fn new(body: Reply) -> StatsReply {
        StatsReply { more: false, body }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, StatsReply> {
        let (i, kind) = field("stats type", u16::read, input)?;
        let (i, flags) = field("flags", u16::read, i)?;
        let (i, body) = match kind {
            DESC => Desc::read(i).map(|(i, desc)| (i, Reply::Desc(desc)))?,
            FLOW => read::all(FlowStats::read, i).map(|(i, all)| (i, Reply::Flow(all)))?,
            AGGREGATE => AggregateStats::read(i).map(|(i, sum)| (i, Reply::Aggregate(sum)))?,
            TABLE => read::all(TableStats::read, i).map(|(i, all)| (i, Reply::Table(all)))?,
            PORT => read::all(PortStats::read, i).map(|(i, all)| (i, Reply::Port(all)))?,
            QUEUE => read::all(QueueStats::read, i).map(|(i, all)| (i, Reply::Queue(all)))?,
            VENDOR => Vendor::read(i).map(|(i, vendor)| (i, Reply::Vendor(vendor)))?,
            kind => read::rest(i).map(|(i, body)| (i, Reply::Unknown { kind, body }))?,
        };
        Ok((i, StatsReply { more: flags & MORE != 0, body }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        [self.body.kind(), self.more.into()].write(out);
        match &self.body {
            Reply::Desc(desc) => desc.write(out),
            Reply::Flow(all) => all.iter().for_each(|entry| entry.encode(out)),
            Reply::Aggregate(sum) => sum.write(out),
            Reply::Table(all) => all.iter().for_each(|table| table.write(out)),
            Reply::Port(all) => all.iter().for_each(|port| port.write(out)),
            Reply::Queue(all) => all.iter().for_each(|queue| queue.write(out)),
            Reply::Vendor(vendor) => vendor.encode(out),
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
            Reply::Port(_) => PORT,
            Reply::Queue(_) => QUEUE,
            Reply::Vendor(_) => VENDOR,
            Reply::Unknown { kind, .. } => *kind,
        }
    }

    /// Length in bytes, without type and flags.
    pub fn encoded_len(&self) -> usize {
        match self {
            Reply::Desc(_) => Desc::LEN,
            Reply::Flow(all) => all.iter().map(FlowStats::encoded_len).sum(),
            Reply::Aggregate(_) => AggregateStats::LEN,
            Reply::Table(all) => all.len() * TableStats::LEN,
            Reply::Port(all) => all.len() * PortStats::LEN,
            Reply::Queue(all) => all.len() * QueueStats::LEN,
            Reply::Vendor(vendor) => vendor.encoded_len(),
            Reply::Unknown { body, .. } => body.len(),
        }
    }

    /// Joins the parts of an answer: puts `next`'s items after these. What is no list, or of
    /// another kind, cannot be joined and comes back; so does a vendor's, as each part may begin
    /// with a head of the vendor's own.
    ///
    /// # Errors
    /// `next`, if it does not continue this answer.
    pub fn append(&mut self, next: Reply) -> Result<(), Reply> {
        match (self, next) {
            (Reply::Flow(all), Reply::Flow(more)) => all.extend(more),
            (Reply::Table(all), Reply::Table(more)) => all.extend(more),
            (Reply::Port(all), Reply::Port(more)) => all.extend(more),
            (Reply::Queue(all), Reply::Queue(more)) => all.extend(more),
            (_, next) => return Err(next),
        }
        Ok(())
    }
}
