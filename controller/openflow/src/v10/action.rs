use std::net::Ipv4Addr;

use super::port_number;
use crate::Mac;
use crate::layout::Fixed;
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// `max_len` that asks for the whole packet in a packet-in.
pub const MAX_LEN_NO_BUFFER: u16 = 0xffff;

/// What is done to a packet (5.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send it out of a port.
    Output {
        /// A port, or one of [`port_number`].
        port: u16,
        /// How much of it the controller wants, if that is where it goes.
        max_len: u16,
    },
    /// Set the VLAN id, and add a tag if there is none.
    SetVlanVid(u16),
    /// Set the VLAN priority, and add a tag if there is none.
    SetVlanPcp(u8),
    /// Strip the VLAN tag.
    StripVlan,
    /// Set the Ethernet source.
    SetDlSrc(Mac),
    /// Set the Ethernet destination.
    SetDlDst(Mac),
    /// Set the IPv4 source.
    SetNwSrc(Ipv4Addr),
    /// Set the IPv4 destination.
    SetNwDst(Ipv4Addr),
    /// Set the type of service; its upper six bits count.
    SetNwTos(u8),
    /// Set the TCP or UDP source port.
    SetTpSrc(u16),
    /// Set the TCP or UDP destination port.
    SetTpDst(u16),
    /// Send it out of a port through one of its queues.
    Enqueue {
        /// A port that has queues, or [`port_number::IN_PORT`].
        port: u16,
        /// Which of them.
        queue_id: u32,
    },
    /// A vendor's action, as it came.
    Vendor {
        /// Who defined it.
        vendor: u32,
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
    pub const fn output(port: u16) -> Action {
        Action::Output { port, max_len: 0 }
    }

    /// Send a whole copy to the controller.
    pub const fn to_controller() -> Action {
        Action::Output { port: port_number::CONTROLLER, max_len: MAX_LEN_NO_BUFFER }
    }

    const fn kind(&self) -> u16 {
        match self {
            Action::Output { .. } => 0,
            Action::SetVlanVid(_) => 1,
            Action::SetVlanPcp(_) => 2,
            Action::StripVlan => 3,
            Action::SetDlSrc(_) => 4,
            Action::SetDlDst(_) => 5,
            Action::SetNwSrc(_) => 6,
            Action::SetNwDst(_) => 7,
            Action::SetNwTos(_) => 8,
            Action::SetTpSrc(_) => 9,
            Action::SetTpDst(_) => 10,
            Action::Enqueue { .. } => 11,
            Action::Vendor { .. } => 0xffff,
            Action::Unknown { kind, .. } => *kind,
        }
    }

    fn read(input: &[u8]) -> Read<'_, Action> {
        let (rest, (kind, body)) = read::sized("action length", input)?;
        // Those of the specification are eight bytes long, or sixteen, with their header.
        let whole = match kind {
            0..=3 | 6..=10 => body.len() == 4,
            4 | 5 | 11 => body.len() == 12,
            _ => body.len() % 8 == 4,
        };
        if !whole {
            return Err(Fault::at(&input[2..], "action length"));
        }
        let (_, action) = Action::read_body(kind, body)?;
        Ok((rest, action))
    }

    /// The body's length was checked: what a field leaves is padding.
    fn read_body(kind: u16, body: &[u8]) -> Read<'_, Action> {
        let port = |make: fn(u16) -> Action| field("tp_port", u16::read, body).map(of(make));
        let mac = |make: fn(Mac) -> Action| field("dl_addr", Mac::read, body).map(of(make));
        let ip =
            |make: fn(Ipv4Addr) -> Action| field("nw_addr", Ipv4Addr::read, body).map(of(make));
        match kind {
            0 => {
                let (i, port) = field("port", u16::read, body)?;
                let (i, max_len) = field("max_len", u16::read, i)?;
                Ok((i, Action::Output { port, max_len }))
            }
            1 => field("vlan_vid", u16::read, body).map(of(Action::SetVlanVid)),
            2 => field("vlan_pcp", u8::read, body).map(of(Action::SetVlanPcp)),
            3 => Ok((body, Action::StripVlan)),
            4 => mac(Action::SetDlSrc),
            5 => mac(Action::SetDlDst),
            6 => ip(Action::SetNwSrc),
            7 => ip(Action::SetNwDst),
            8 => field("nw_tos", u8::read, body).map(of(Action::SetNwTos)),
            9 => port(Action::SetTpSrc),
            10 => port(Action::SetTpDst),
            11 => {
                let (i, port) = field("port", u16::read, body)?;
                let (i, ()) = pad(6, i)?;
                let (i, queue_id) = field("queue_id", u32::read, i)?;
                Ok((i, Action::Enqueue { port, queue_id }))
            }
            0xffff => {
                let (data, vendor) = field("vendor", u32::read, body)?;
                Ok((&[], Action::Vendor { vendor, data: data.to_vec() }))
            }
            _ => Ok((&[], Action::Unknown { kind, body: body.to_vec() })),
        }
    }

    /// Appends the action to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u16::try_from(self.encoded_len()).expect("an action has at most 65535 bytes");
        self.kind().write(out);
        length.write(out);
        match self {
            Action::Output { port, max_len } => [*port, *max_len].write(out),
            Action::SetVlanVid(number) | Action::SetTpSrc(number) | Action::SetTpDst(number) => {
                number.write(out);
            }
            Action::SetVlanPcp(byte) | Action::SetNwTos(byte) => byte.write(out),
            Action::StripVlan => {}
            Action::SetDlSrc(mac) | Action::SetDlDst(mac) => mac.write(out),
            Action::SetNwSrc(address) | Action::SetNwDst(address) => address.write(out),
            Action::Enqueue { port, queue_id } => {
                port.write(out);
                write::zeros(6, out);
                queue_id.write(out);
            }
            Action::Vendor { vendor, data } => {
                vendor.write(out);
                out.extend(data);
            }
            Action::Unknown { body, .. } => out.extend(body),
        }
        out.resize(start + usize::from(length), 0);
    }

    /// Length in bytes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Action::SetDlSrc(_) | Action::SetDlDst(_) | Action::Enqueue { .. } => 16,
            Action::Vendor { data, .. } => (8 + data.len()).next_multiple_of(8),
            Action::Unknown { body, .. } => (4 + body.len()).next_multiple_of(8),
            _ => 8,
        }
    }

    pub(super) fn read_list(input: &[u8]) -> Read<'_, Vec<Action>> {
        read::all(Action::read, input)
    }

    pub(super) fn encode_list(actions: &[Action], out: &mut Vec<u8>) {
        actions.iter().for_each(|action| action.encode(out));
    }

    pub(super) fn list_len(actions: &[Action]) -> usize {
        actions.iter().map(Action::encoded_len).sum()
    }
}

/// What is read, made an action.
fn of<'a, T>(make: fn(T) -> Action) -> impl Fn((&'a [u8], T)) -> (&'a [u8], Action) {
    move |(rest, value)| (rest, make(value))
}
