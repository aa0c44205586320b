use crate::layout::{Fixed, layout};
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// Every queue of a port, in requests (`OFPQ_ALL`).
pub const QUEUE_ALL: u32 = 0xffff_ffff;

layout! {
    /// Asks which queues a port has (5.3.4).
    pub QueueConfigRequest {
        /// Which port; below [`port_number::MAX`](super::port_number::MAX).
        port: u16, pad 2;
    }
}

/// Which queues a port has (5.3.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueConfigReply {
    /// The port that was asked for.
    pub port: u16,
    /// Its queues.
    pub queues: Vec<PacketQueue>,
}

/// A queue of a port (5.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PacketQueue {
    /// Its number within the port.
    pub queue_id: u32,
    /// What it guarantees.
    pub properties: Vec<QueueProperty>,
}

/// A guarantee of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QueueProperty {
    /// Nothing.
    None,
    /// At least this rate, in tenths of a percent; above 1000 it is not in force.
    MinRate(u16),
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
        let (left, property) = match kind {
            0 => pad(4, body).map(|(i, ())| (i, QueueProperty::None))?,
            1 => {
                let (i, ()) = pad(4, body)?;
                let (i, rate) = field("rate", u16::read, i)?;
                let (i, ()) = pad(6, i)?;
                (i, QueueProperty::MinRate(rate))
            }
            _ => (&[][..], QueueProperty::Unknown { kind, body: body.to_vec() }),
        };
        if !left.is_empty() {
            return Err(Fault::at(left, "queue property length"));
        }
        Ok((rest, property))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kind = match self {
            QueueProperty::None => 0,
            QueueProperty::MinRate(_) => 1,
            QueueProperty::Unknown { kind, .. } => *kind,
        };
        out.extend(kind.to_be_bytes());
        write::zeros(2, out);
        match self {
            QueueProperty::None => write::zeros(4, out),
            QueueProperty::MinRate(rate) => {
                write::zeros(4, out);
                rate.write(out);
                write::zeros(6, out);
            }
            QueueProperty::Unknown { body, .. } => out.extend(body),
        }
        write::fill_length(start, start + 2, out);
    }

    fn encoded_len(&self) -> usize {
        match self {
            QueueProperty::None => 8,
            QueueProperty::MinRate(_) => 16,
            QueueProperty::Unknown { body, .. } => 4 + body.len(),
        }
    }
}

impl PacketQueue {
    const FIXED: usize = 8;

    fn read(input: &[u8]) -> Read<'_, PacketQueue> {
        let (queue, rest) = read::prefixed("queue length", 4, input)?;
        let (i, queue_id) = field("queue_id", u32::read, queue)?;
        let (i, ()) = pad(4, i)?;
        let (_, properties) = read::all(QueueProperty::read, i)?;
        Ok((rest, PacketQueue { queue_id, properties }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.queue_id.write(out);
        write::zeros(4, out);
        self.properties.iter().for_each(|property| property.encode(out));
        write::fill_length(start, start + 4, out);
    }

    fn encoded_len(&self) -> usize {
        Self::FIXED + self.properties.iter().map(QueueProperty::encoded_len).sum::<usize>()
    }
}

impl QueueConfigReply {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, QueueConfigReply> {
        let (i, port) = field("port", u16::read, input)?;
        let (i, ()) = pad(6, i)?;
        let (i, queues) = read::all(PacketQueue::read, i)?;
        Ok((i, QueueConfigReply { port, queues }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.port.write(out);
        write::zeros(6, out);
        self.queues.iter().for_each(|queue| queue.encode(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.queues.iter().map(PacketQueue::encoded_len).sum::<usize>()
    }
}
