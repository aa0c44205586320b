use nom::number::complete::{be_u16, be_u32};

use crate::layout::layout;
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// Every queue of a port, in requests (`OFPQ_ALL`).
pub const QUEUE_ALL: u32 = 0xffff_ffff;

layout! {
    /// Asks which queues a port has (7.3.6).
    pub QueueConfigRequest {
        /// Which port; [`port_number::ANY`](super::port_number::ANY) for all.
        port: u32, pad 4;
    }
}

/// Which queues a port has (7.3.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueConfigReply {
    /// The port that was asked for.
    pub port: u32,
    /// Its queues.
    pub queues: Vec<PacketQueue>,
}

/// A queue of a port (7.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PacketQueue {
    /// Its number within the port.
    pub queue_id: u32,
    /// Its port.
    pub port: u32,
    /// What it guarantees.
    pub properties: Vec<QueueProperty>,
}

/// A guarantee of a queue. Rates are in tenths of a percent; above 1000 they are not in force.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QueueProperty {
    /// At least this rate.
    MinRate(u16),
    /// At most this rate.
    MaxRate(u16),
    /// An experimenter's property, as it came.
    Experimenter {
        /// Who defined it.
        experimenter: u32,
        /// What follows.
        data: Vec<u8>,
    },
    /// A property of a type that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Vec<u8>,
    },
}

impl QueueProperty {
    fn read(input: &[u8]) -> Read<'_, QueueProperty> {
        let (rest, (kind, body)) = read::sized("queue property length", input)?;
        if !matches!(kind, 1 | 2 | 0xffff) {
            return Ok((rest, QueueProperty::Unknown { kind, body: body.to_vec() }));
        }
        let (i, ()) = pad(4, body)?;
        let property = if kind == 0xffff {
            let (i, experimenter) = field("experimenter", be_u32, i)?;
            let (data, ()) = pad(4, i)?;
            QueueProperty::Experimenter { experimenter, data: data.to_vec() }
        } else {
            let (i, rate) = field("rate", be_u16, i)?;
            let (i, ()) = pad(6, i)?;
            if !i.is_empty() {
                return Err(Fault::at(i, "queue property length"));
            }
            if kind == 1 { QueueProperty::MinRate(rate) } else { QueueProperty::MaxRate(rate) }
        };
        Ok((rest, property))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kind = match self {
            QueueProperty::MinRate(_) => 1,
            QueueProperty::MaxRate(_) => 2,
            QueueProperty::Experimenter { .. } => 0xffff,
            QueueProperty::Unknown { kind, .. } => *kind,
        };
        out.extend(kind.to_be_bytes());
        write::zeros(2, out);
        match self {
            QueueProperty::MinRate(rate) | QueueProperty::MaxRate(rate) => {
                write::zeros(4, out);
                out.extend(rate.to_be_bytes());
                write::zeros(6, out);
            }
            QueueProperty::Experimenter { experimenter, data } => {
                write::zeros(4, out);
                out.extend(experimenter.to_be_bytes());
                write::zeros(4, out);
                out.extend(data);
            }
            QueueProperty::Unknown { body, .. } => out.extend(body),
        }
        write::fill_length(start, start + 2, out);
    }

    fn encoded_len(&self) -> usize {
        match self {
            QueueProperty::MinRate(_) | QueueProperty::MaxRate(_) => 16,
            QueueProperty::Experimenter { data, .. } => 16 + data.len(),
            QueueProperty::Unknown { body, .. } => 4 + body.len(),
        }
    }
}

impl PacketQueue {
    const FIXED: usize = 16;

    fn read(input: &[u8]) -> Read<'_, PacketQueue> {
        let (i, queue_id) = field("queue_id", be_u32, input)?;
        let (i, port) = field("port", be_u32, i)?;
        let (_, length) = field("queue length", be_u16, i)?;
        let Some((queue, rest)) = input.split_at_checked(length.into()) else {
            return Err(Fault::at(i, "queue length"));
        };
        let properties = queue.get(Self::FIXED..).ok_or_else(|| Fault::at(i, "queue length"))?;
        let (_, properties) = read::all(QueueProperty::read, properties)?;
        Ok((rest, PacketQueue { queue_id, port, properties }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.queue_id.to_be_bytes());
        out.extend(self.port.to_be_bytes());
        write::zeros(8, out);
        self.properties.iter().for_each(|property| property.encode(out));
        write::fill_length(start, start + 8, out);
    }

    fn encoded_len(&self) -> usize {
        Self::FIXED + self.properties.iter().map(QueueProperty::encoded_len).sum::<usize>()
    }
}

impl QueueConfigReply {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, QueueConfigReply> {
        let (i, port) = field("port", be_u32, input)?;
        let (i, ()) = pad(4, i)?;
        let (i, queues) = read::all(PacketQueue::read, i)?;
        Ok((i, QueueConfigReply { port, queues }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.port.to_be_bytes());
        write::zeros(4, out);
        self.queues.iter().for_each(|queue| queue.encode(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.queues.iter().map(PacketQueue::encoded_len).sum::<usize>()
    }
}
