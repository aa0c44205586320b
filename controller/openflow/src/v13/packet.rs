use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::{Action, Match, port_number};
use crate::layout::{Fixed, open_enum};
use crate::read::{Fault, Read, field, pad, rest};
use crate::write;

/// The switch holds no packet back (`OFP_NO_BUFFER`).
pub const NO_BUFFER: u32 = 0xffff_ffff;

open_enum! {
    /// Why a packet came up (`OFPR_*`).
    PacketInReason: u8 {
        /// No entry, or the table-miss entry, matched.
        NoMatch = 0,
        /// An entry's action said so.
        Action = 1,
        /// Its TTL was used up.
        InvalidTtl = 2,
    }
}

/// A packet for the controller (7.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PacketIn {
    /// Under which number the switch holds it, or [`NO_BUFFER`].
    pub buffer_id: u32,
    /// Length of the frame in bytes, of which `data` may be only the beginning.
    pub total_len: u16,
    /// Why it came.
    pub reason: PacketInReason,
    /// Table that sent it.
    pub table_id: u8,
    /// Cookie of the entry that sent it.
    pub cookie: u64,
    /// What the switch knows of it: at least the port.
    pub matching: Match,
    /// The frame from its Ethernet header on.
    pub data: Vec<u8>,
}

impl PacketIn {
    const FIXED: usize = 16;
    /// Padding between match and data, so that the IP header is aligned.
    const PAD: usize = 2;

    pub(super) fn read(input: &[u8]) -> Read<'_, PacketIn> {
        let (i, buffer_id) = field("buffer_id", be_u32, input)?;
        let (i, total_len) = field("total_len", be_u16, i)?;
        let (i, reason) = field("reason", PacketInReason::read, i)?;
        let (i, table_id) = field("table_id", be_u8, i)?;
        let (i, cookie) = field("cookie", be_u64, i)?;
        let (i, matching) = Match::read(i)?;
        let (i, ()) = pad(Self::PAD, i)?;
        let (i, data) = rest(i)?;
        Ok((i, PacketIn { buffer_id, total_len, reason, table_id, cookie, matching, data }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.buffer_id.to_be_bytes());
        out.extend(self.total_len.to_be_bytes());
        self.reason.write(out);
        out.push(self.table_id);
        out.extend(self.cookie.to_be_bytes());
        self.matching.encode(out);
        write::zeros(Self::PAD, out);
        out.extend(&self.data);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.matching.encoded_len() + Self::PAD + self.data.len()
    }
}

/// A packet that the switch shall send (7.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PacketOut {
    /// Which packet it holds back, or [`NO_BUFFER`] if `data` is the packet.
    pub buffer_id: u32,
    /// The port it counts as having come in by.
    pub in_port: u32,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The frame from its Ethernet header on; empty if the switch holds it.
    pub data: Vec<u8>,
}

impl PacketOut {
    const FIXED: usize = 16;

    /// Sends `data`, as coming from the controller, through `actions`.
    pub fn new(data: Vec<u8>, actions: Vec<Action>) -> PacketOut {
        PacketOut { buffer_id: NO_BUFFER, in_port: port_number::CONTROLLER, actions, data }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, PacketOut> {
        let (i, buffer_id) = field("buffer_id", be_u32, input)?;
        let (i, in_port) = field("in_port", be_u32, i)?;
        let at = i;
        let (i, actions_len) = field("actions_len", be_u16, i)?;
        let (i, ()) = pad(6, i)?;
        let Some((actions, data)) = i.split_at_checked(actions_len.into()) else {
            return Err(Fault::at(at, "actions_len"));
        };
        let (_, actions) = Action::read_list(actions)?;
        let (i, data) = rest(data)?;
        Ok((i, PacketOut { buffer_id, in_port, actions, data }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.buffer_id.to_be_bytes());
        out.extend(self.in_port.to_be_bytes());
        let actions_len = u16::try_from(Action::list_len(&self.actions))
            .expect("the actions of a packet-out take at most 65535 bytes");
        out.extend(actions_len.to_be_bytes());
        write::zeros(6, out);
        self.actions.iter().for_each(|action| action.encode(out));
        out.extend(&self.data);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + Action::list_len(&self.actions) + self.data.len()
    }
}
