use super::{Action, port_number};
use crate::layout::{Fixed, layout, open_enum};
use crate::read::{self, Fault, Read, field, rest};
use crate::{Error, Header, VERSION_10};

/// The switch holds no packet back.
pub const NO_BUFFER: u32 = 0xffff_ffff;

open_enum! {
    /// Why a packet came up (`OFPR_*`).
    PacketInReason: u8 {
        /// No entry matched.
        NoMatch = 0,
        /// An entry's action said so.
        Action = 1,
    }
}

/// A packet for the controller (5.4.1), with the frame itself or a view of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketIn<D = Vec<u8>> {
    /// Under which number the switch holds it, or [`NO_BUFFER`].
    pub buffer_id: u32,
    /// Length of the frame in bytes, of which `data` may be only the beginning.
    pub total_len: u16,
    /// Port it came in by.
    pub in_port: u16,
    /// Why it came.
    pub reason: PacketInReason,
    /// The frame from its Ethernet header on.
    pub data: D,
}

layout! {
    /// What a packet-in begins with.
    Head {
        buffer_id: u32;
        total_len: u16;
        in_port: u16;
        reason: PacketInReason, pad 1;
    }
}

impl<D: AsRef<[u8]>> PacketIn<D> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let PacketIn { buffer_id, total_len, in_port, reason, .. } = *self;
        Head { buffer_id, total_len, in_port, reason }.write(out);
        out.extend_from_slice(self.data.as_ref());
    }

    pub(super) fn encoded_len(&self) -> usize {
        Head::LEN + self.data.as_ref().len()
    }
}

impl PacketIn {
    /// `OFPT_PACKET_IN`, in a header.
    pub const KIND: u8 = 10;

    pub(super) fn read(input: &[u8]) -> Read<'_, PacketIn> {
        let (data, packet) = PacketIn::view(input)?;
        let PacketIn { buffer_id, total_len, in_port, reason, .. } = packet;
        Ok((&[], PacketIn { buffer_id, total_len, in_port, reason, data: data.to_vec() }))
    }

    /// Leaves the data, which it gives, unread as well.
    fn view(input: &[u8]) -> Read<'_, PacketIn<&[u8]>> {
        let (data, Head { buffer_id, total_len, in_port, reason }) = Head::read(input)?;
        Ok((data, PacketIn { buffer_id, total_len, in_port, reason, data }))
    }

    /// Reads exactly one message, a packet-in, and leaves the frame in it: its xid, and the packet.
    ///
    /// # Errors
    /// Those of [`Message::parse`](super::Message::parse), and [`Error::Malformed`] for a message
    /// of another type.
    pub fn borrowed(bytes: &[u8]) -> Result<(u32, PacketIn<&[u8]>), Error> {
        let (header, message) = crate::header::message(VERSION_10, bytes)?;
        if header.kind != PacketIn::KIND {
            return Err(Error::Malformed { field: "type", offset: 1 });
        }
        let body = &message[Header::LEN..];
        let packet =
            read::whole(message, body, |i| PacketIn::view(i).map(|(_, packet)| (&[][..], packet)))?;
        Ok((header.xid, packet))
    }
}

/// A packet that the switch shall send (5.3.6). Actions and frame may be borrowed, or in arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketOut<A = Vec<Action>, D = Vec<u8>> {
    /// Which packet it holds back, or [`NO_BUFFER`] if `data` is the packet.
    pub buffer_id: u32,
    /// The port it counts as having come in by; [`port_number::NONE`] for none.
    pub in_port: u16,
    /// What to do with it; nothing drops it.
    pub actions: A,
    /// The frame from its Ethernet header on; empty if the switch holds it.
    pub data: D,
}

layout! {
    /// What a packet-out begins with.
    OutHead {
        buffer_id: u32;
        in_port: u16;
        actions_len: u16;
    }
}

impl<A: AsRef<[Action]>, D: AsRef<[u8]>> PacketOut<A, D> {
    /// Sends `data`, as coming from no port, through `actions`.
    pub const fn new(data: D, actions: A) -> PacketOut<A, D> {
        PacketOut { buffer_id: NO_BUFFER, in_port: port_number::NONE, actions, data }
    }

    /// Appends a whole message to `out`.
    ///
    /// # Panics
    /// If it is longer than 65535 bytes.
    pub fn encode_message(&self, xid: u32, out: &mut Vec<u8>) {
        Header::of(VERSION_10, 13, self.encoded_len(), xid).encode(out);
        self.encode(out);
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let actions = self.actions.as_ref();
        let actions_len = u16::try_from(Action::list_len(actions))
            .expect("the actions of a packet-out take at most 65535 bytes");
        OutHead { buffer_id: self.buffer_id, in_port: self.in_port, actions_len }.write(out);
        Action::encode_list(actions, out);
        out.extend_from_slice(self.data.as_ref());
    }

    pub(super) fn encoded_len(&self) -> usize {
        OutHead::LEN + Action::list_len(self.actions.as_ref()) + self.data.as_ref().len()
    }
}

impl PacketOut {
    pub(super) fn read(input: &[u8]) -> Read<'_, PacketOut> {
        let (i, OutHead { buffer_id, in_port, actions_len }) = OutHead::read(input)?;
        let Some((actions, data)) = i.split_at_checked(actions_len.into()) else {
            return Err(Fault::at(&input[6..], "actions_len"));
        };
        let (_, actions) = field("actions", Action::read_list, actions)?;
        let (i, data) = rest(data)?;
        Ok((i, PacketOut { buffer_id, in_port, actions, data }))
    }
}
