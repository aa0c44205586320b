use nom::number::complete::{be_u8, be_u16, be_u32};

use super::{Oxm, port_number};
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// `max_len` that asks for the whole packet in a packet-in (`OFPCML_NO_BUFFER`).
pub const MAX_LEN_NO_BUFFER: u16 = 0xffff;

/// What is done to a packet (7.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send it out of a port.
    Output {
        /// A port, or one of [`port_number`].
        port: u32,
        /// How much of it the controller wants, if that is where it goes.
        max_len: u16,
    },
    /// Copy the TTL from the second to the outermost header.
    CopyTtlOut,
    /// Copy the TTL from the outermost header to the second.
    CopyTtlIn,
    /// Set the MPLS TTL.
    SetMplsTtl(u8),
    /// Decrement the MPLS TTL.
    DecMplsTtl,
    /// Push a VLAN tag of this EtherType.
    PushVlan(u16),
    /// Pop the outermost VLAN tag.
    PopVlan,
    /// Push an MPLS header of this EtherType.
    PushMpls(u16),
    /// Pop the outermost MPLS header, leaving this EtherType.
    PopMpls(u16),
    /// Choose a queue of the output port.
    SetQueue(u32),
    /// Hand it to a group.
    Group(u32),
    /// Set the IP TTL.
    SetNwTtl(u8),
    /// Decrement the IP TTL.
    DecNwTtl,
    /// Rewrite a header field; the field must not have a mask.
    SetField(Oxm),
    /// Push a PBB service tag of this EtherType.
    PushPbb(u16),
    /// Pop the PBB service tag.
    PopPbb,
    /// An experimenter's action, as it came.
    Experimenter {
        /// Who defined it.
        experimenter: u32,
        /// What follows: a multiple of eight bytes, or it is filled up with zeros to be one.
        data: Vec<u8>,
    },
    /// An action of a type that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length: with those four, a multiple of eight bytes, or it is
        /// filled up with zeros to be one.
        body: Vec<u8>,
    },
}

impl Action {
    /// Send out of `port`.
    pub const fn output(port: u32) -> Action {
        Action::Output { port, max_len: 0 }
    }

    /// Send a whole copy to the controller.
    pub const fn to_controller() -> Action {
        Action::Output { port: port_number::CONTROLLER, max_len: MAX_LEN_NO_BUFFER }
    }

    const fn kind(&self) -> u16 {
        match self {
            Action::Output { .. } => 0,
            Action::CopyTtlOut => 11,
            Action::CopyTtlIn => 12,
            Action::SetMplsTtl(_) => 15,
            Action::DecMplsTtl => 16,
            Action::PushVlan(_) => 17,
            Action::PopVlan => 18,
            Action::PushMpls(_) => 19,
            Action::PopMpls(_) => 20,
            Action::SetQueue(_) => 21,
            Action::Group(_) => 22,
            Action::SetNwTtl(_) => 23,
            Action::DecNwTtl => 24,
            Action::SetField(_) => 25,
            Action::PushPbb(_) => 26,
            Action::PopPbb => 27,
            Action::Experimenter { .. } => 0xffff,
            Action::Unknown { kind, .. } => *kind,
        }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, Action> {
        let (rest, (kind, body)) = read::sized("action length", input)?;
        if (4 + body.len()) % 8 != 0 {
            return Err(Fault::at(input, "action length"));
        }
        let (_, action) = Action::read_body(kind, body)?;
        Ok((rest, action))
    }

    fn read_body(kind: u16, body: &[u8]) -> Read<'_, Action> {
        // Of those whose length is fixed, all but the first are eight bytes long with their header.
        let fixed = matches!(kind, 11 | 12 | 15..=24 | 26 | 27);
        if fixed && body.len() != 4 || kind == 0 && body.len() != 12 {
            return Err(Fault::at(body, "action length"));
        }
        let byte = |make: fn(u8) -> Action| field("ttl", be_u8, body).map(|(i, v)| (i, make(v)));
        let half =
            |make: fn(u16) -> Action| field("ethertype", be_u16, body).map(|(i, v)| (i, make(v)));
        let word =
            |make: fn(u32) -> Action| field("number", be_u32, body).map(|(i, v)| (i, make(v)));
        match kind {
            0 => {
                let (i, port) = field("port", be_u32, body)?;
                let (i, max_len) = field("max_len", be_u16, i)?;
                let (i, ()) = pad(6, i)?;
                Ok((i, Action::Output { port, max_len }))
            }
            11 => Ok((&[], Action::CopyTtlOut)),
            12 => Ok((&[], Action::CopyTtlIn)),
            15 => byte(Action::SetMplsTtl),
            16 => Ok((&[], Action::DecMplsTtl)),
            17 => half(Action::PushVlan),
            18 => Ok((&[], Action::PopVlan)),
            19 => half(Action::PushMpls),
            20 => half(Action::PopMpls),
            21 => word(Action::SetQueue),
            22 => word(Action::Group),
            23 => byte(Action::SetNwTtl),
            24 => Ok((&[], Action::DecNwTtl)),
            25 => {
                let (padding, oxm) = Oxm::read(body)?;
                if padding.len() >= 8 {
                    return Err(Fault::at(padding, "set-field length"));
                }
                Ok((&[], Action::SetField(oxm)))
            }
            26 => half(Action::PushPbb),
            27 => Ok((&[], Action::PopPbb)),
            0xffff => {
                let (data, experimenter) = field("experimenter", be_u32, body)?;
                Ok((&[], Action::Experimenter { experimenter, data: data.to_vec() }))
            }
            _ => Ok((&[], Action::Unknown { kind, body: body.to_vec() })),
        }
    }

    /// Appends the action to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.kind().to_be_bytes());
        write::zeros(2, out);
        match self {
            Action::Output { port, max_len } => {
                out.extend(port.to_be_bytes());
                out.extend(max_len.to_be_bytes());
            }
            Action::SetMplsTtl(ttl) | Action::SetNwTtl(ttl) => out.push(*ttl),
            Action::PushVlan(t) | Action::PushMpls(t) | Action::PopMpls(t) | Action::PushPbb(t) => {
                out.extend(t.to_be_bytes());
            }
            Action::SetQueue(number) | Action::Group(number) => out.extend(number.to_be_bytes()),
            Action::SetField(oxm) => oxm.encode(out),
            Action::Experimenter { experimenter, data } => {
                out.extend(experimenter.to_be_bytes());
                out.extend(data);
            }
            Action::Unknown { body, .. } => out.extend(body),
            Action::CopyTtlOut
            | Action::CopyTtlIn
            | Action::DecMplsTtl
            | Action::PopVlan
            | Action::DecNwTtl
            | Action::PopPbb => {}
        }
        write::align(start, out);
        write::fill_length(start, start + 2, out);
    }

    /// Length in bytes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Action::Output { .. } => 16,
            Action::SetField(oxm) => (4 + oxm.encoded_len()).next_multiple_of(8),
            Action::Experimenter { data, .. } => (8 + data.len()).next_multiple_of(8),
            Action::Unknown { body, .. } => (4 + body.len()).next_multiple_of(8),
            _ => 8,
        }
    }

    pub(super) fn read_list(input: &[u8]) -> Read<'_, Vec<Action>> {
        read::all(Action::read, input)
    }

    pub(super) fn list_len(actions: &[Action]) -> usize {
        actions.iter().map(Action::encoded_len).sum()
    }
}
