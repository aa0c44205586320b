use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Mac;
use crate::read::{Fault, Read};

/// A value, and which of its bits count; all of them where there is no mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Masked<T> {
    /// The value.
    pub value: T,
    /// A one for every bit that counts.
    pub mask: Option<T>,
}

impl<T> Masked<T> {
    /// `value` in the bits that `mask` has set.
    pub const fn new(value: T, mask: T) -> Masked<T> {
        Masked { value, mask: Some(mask) }
    }
}

impl<T> From<T> for Masked<T> {
    fn from(value: T) -> Masked<T> {
        Masked { value, mask: None }
    }
}

/// A 24-bit value (the I-SID of provider backbone bridges); what does not fit is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vid24(pub u32);

/// What a field's value is on the wire.
trait Value: Copy {
    const LEN: usize;
    /// Reads from exactly `LEN` bytes.
    fn from_wire(bytes: &[u8]) -> Self;
    fn to_wire(self, out: &mut Vec<u8>);
}

macro_rules! value {
    ($($ty:ty, $len:literal, $from:expr, $to:expr;)*) => {$(
        impl Value for $ty {
            const LEN: usize = $len;
            fn from_wire(bytes: &[u8]) -> $ty {
                let mut octets = [0; $len];
                octets.copy_from_slice(bytes);
                let from: fn([u8; $len]) -> $ty = $from;
                from(octets)
            }
            fn to_wire(self, out: &mut Vec<u8>) {
                let to: fn($ty) -> [u8; $len] = $to;
                out.extend(to(self));
            }
        }
    )*};
}

value! {
    u8, 1, u8::from_be_bytes, u8::to_be_bytes;
    u16, 2, u16::from_be_bytes, u16::to_be_bytes;
    u32, 4, u32::from_be_bytes, u32::to_be_bytes;
    u64, 8, u64::from_be_bytes, u64::to_be_bytes;
    Mac, 6, Mac, |mac| mac.0;
    Ipv4Addr, 4, Ipv4Addr::from, |address| address.octets();
    Ipv6Addr, 16, Ipv6Addr::from, |address| address.octets();
    Vid24, 3, |[a, b, c]| Vid24(u32::from_be_bytes([0, a, b, c])), |id| {
        let [_, a, b, c] = id.0.to_be_bytes();
        [a, b, c]
    };
}

/// Class of the fields of the specification (7.2.3.2, `OFPXMC_OPENFLOW_BASIC`).
const BASIC: u16 = 0x8000;
/// Class of fields that carry an experimenter's number (`OFPXMC_EXPERIMENTER`).
const EXPERIMENTER: u16 = 0xffff;
/// The Open Networking Foundation as an experimenter.
const ONF: u32 = 0x4f4e_4600;
/// `ONFOXM_ET_TCP_FLAGS` of ONF extension 109, which OVS offers to OpenFlow 1.3.
const ONF_TCP_FLAGS: u8 = 42;

macro_rules! fields {
    (
        plain { $($(#[$pdoc:meta])* $plain:ident = $pnumber:literal: $pty:ty,)* }
        masked { $($(#[$mdoc:meta])* $masked:ident = $mnumber:literal: $mty:ty,)* }
    ) => {
        /// One match field: which part of the packet, which value (7.2.3.7, table 11).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Oxm {
            $($(#[$pdoc])* $plain($pty),)*
            $($(#[$mdoc])* $masked(Masked<$mty>),)*
            /// Flags of the TCP header, 12 bits (ONF extension 109; OVS has it).
            TcpFlags(Masked<u16>),
            /// A field that the specification does not have, as it came: of another class, of a
            /// number it leaves free, or with a mask where it has none.
            Unknown {
                /// Class: a vendor's, that of experimenters, or 0x8000 for the specification's own.
                class: u16,
                /// Field number within the class.
                field: u8,
                /// Whether the second half of the payload is a mask.
                has_mask: bool,
                /// What follows the four bytes of header; at most 255 bytes.
                payload: Vec<u8>,
            },
        }

        impl Oxm {
            fn read_basic<'a>(at: &'a [u8], field: u8, has_mask: bool, payload: &'a [u8])
                -> Result<Option<Oxm>, nom::Err<Fault<'a>>>
            {
                Ok(Some(match field {
                    // Switches extend fields by masks that the specification does not have (OVS: of
                    // ports). Such a field is kept as it came, like any other extension.
                    $($pnumber if has_mask => return Ok(None),)*
                    $($pnumber => Oxm::$plain(plain(at, payload)?),)*
                    $($mnumber => Oxm::$masked(masked(at, has_mask, payload)?),)*
                    _ => return Ok(None),
                }))
            }

            /// Length of the payload in bytes.
            fn payload_len(&self) -> usize {
                match self {
                    $(Oxm::$plain(_) => <$pty as Value>::LEN,)*
                    $(Oxm::$masked(field) => masked_len(field),)*
                    Oxm::TcpFlags(field) => 4 + masked_len(field),
                    Oxm::Unknown { payload, .. } => payload.len(),
                }
            }

            /// Appends header and payload to `out`.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Oxm::$plain(value) => {
                        self.header(BASIC, $pnumber, false, out);
                        value.to_wire(out);
                    })*
                    $(Oxm::$masked(field) => {
                        self.header(BASIC, $mnumber, field.mask.is_some(), out);
                        masked_out(field, out);
                    })*
                    Oxm::TcpFlags(field) => {
                        self.header(EXPERIMENTER, ONF_TCP_FLAGS, field.mask.is_some(), out);
                        out.extend(ONF.to_be_bytes());
                        masked_out(field, out);
                    }
                    Oxm::Unknown { class, field, has_mask, payload } => {
                        self.header(*class, *field, *has_mask, out);
                        out.extend(payload);
                    }
                }
            }
        }
    };
}

fields! {
    plain {
        /// Port the packet came in by.
        InPort = 0: u32,
        /// Physical port below a logical one.
        InPhyPort = 1: u32,
        /// EtherType, after VLAN tags.
        EthType = 5: u16,
        /// VLAN priority.
        VlanPcp = 7: u8,
        /// Differentiated services code point, 6 bits.
        IpDscp = 8: u8,
        /// Explicit congestion notification, 2 bits.
        IpEcn = 9: u8,
        /// IP protocol number.
        IpProto = 10: u8,
        /// TCP source port.
        TcpSrc = 13: u16,
        /// TCP destination port.
        TcpDst = 14: u16,
        /// UDP source port.
        UdpSrc = 15: u16,
        /// UDP destination port.
        UdpDst = 16: u16,
        /// SCTP source port.
        SctpSrc = 17: u16,
        /// SCTP destination port.
        SctpDst = 18: u16,
        /// ICMP type.
        Icmpv4Type = 19: u8,
        /// ICMP code.
        Icmpv4Code = 20: u8,
        /// ARP operation.
        ArpOp = 21: u16,
        /// ICMPv6 type.
        Icmpv6Type = 29: u8,
        /// ICMPv6 code.
        Icmpv6Code = 30: u8,
        /// Target of a neighbour discovery message.
        Ipv6NdTarget = 31: Ipv6Addr,
        /// Source link-layer address of a neighbour solicitation.
        Ipv6NdSll = 32: Mac,
        /// Target link-layer address of a neighbour advertisement.
        Ipv6NdTll = 33: Mac,
        /// MPLS label, 20 bits.
        MplsLabel = 34: u32,
        /// MPLS traffic class, 3 bits.
        MplsTc = 35: u8,
        /// MPLS bottom of stack, 1 bit.
        MplsBos = 36: u8,
    }
    masked {
        /// What an earlier table wrote.
        Metadata = 2: u64,
        /// Ethernet destination.
        EthDst = 3: Mac,
        /// Ethernet source.
        EthSrc = 4: Mac,
        /// VLAN id, with bit 12 set where there is a tag.
        VlanVid = 6: u16,
        /// IPv4 source.
        Ipv4Src = 11: Ipv4Addr,
        /// IPv4 destination.
        Ipv4Dst = 12: Ipv4Addr,
        /// ARP sender's IPv4 address.
        ArpSpa = 22: Ipv4Addr,
        /// ARP target's IPv4 address.
        ArpTpa = 23: Ipv4Addr,
        /// ARP sender's Ethernet address.
        ArpSha = 24: Mac,
        /// ARP target's Ethernet address.
        ArpTha = 25: Mac,
        /// IPv6 source.
        Ipv6Src = 26: Ipv6Addr,
        /// IPv6 destination.
        Ipv6Dst = 27: Ipv6Addr,
        /// IPv6 flow label, 20 bits.
        Ipv6Flabel = 28: u32,
        /// Service id of a provider backbone bridge.
        PbbIsid = 37: Vid24,
        /// Metadata of a logical port.
        TunnelId = 38: u64,
        /// Which IPv6 extension headers are there, 9 bits.
        Ipv6Exthdr = 39: u16,
    }
}

impl Oxm {
    pub(super) fn read(input: &[u8]) -> Read<'_, Oxm> {
        let Some(&[c0, c1, field, length]) = input.first_chunk::<4>() else {
            return Err(Fault::at(input, "oxm header"));
        };
        let (class, has_mask) = (u16::from_be_bytes([c0, c1]), field & 1 == 1);
        let field = field >> 1;
        let end = 4 + usize::from(length);
        let payload = input.get(4..end).ok_or_else(|| Fault::at(&input[3..], "oxm length"))?;
        let known = match class {
            BASIC => Oxm::read_basic(input, field, has_mask, payload)?,
            EXPERIMENTER if field == ONF_TCP_FLAGS => match payload.split_first_chunk::<4>() {
                Some((id, value)) if *id == ONF.to_be_bytes() => {
                    Some(Oxm::TcpFlags(masked(input, has_mask, value)?))
                }
                _ => None,
            },
            _ => None,
        };
        let unknown = || Oxm::Unknown { class, field, has_mask, payload: payload.to_vec() };
        Ok((&input[end..], known.unwrap_or_else(unknown)))
    }

    fn header(&self, class: u16, field: u8, has_mask: bool, out: &mut Vec<u8>) {
        let length = u8::try_from(self.payload_len()).expect("a match field has at most 255 bytes");
        out.extend(class.to_be_bytes());
        out.extend([field << 1 | u8::from(has_mask), length]);
    }

    /// Length of header and payload in bytes.
    pub fn encoded_len(&self) -> usize {
        4 + self.payload_len()
    }
}

/// The payload of a field without a mask.
fn plain<'a, T: Value>(at: &'a [u8], payload: &[u8]) -> Result<T, nom::Err<Fault<'a>>> {
    if payload.len() != T::LEN {
        return Err(Fault::at(at, "oxm length"));
    }
    Ok(T::from_wire(payload))
}

/// The payload of a field that may have a mask.
fn masked<'a, T: Value>(
    at: &'a [u8],
    has_mask: bool,
    payload: &[u8],
) -> Result<Masked<T>, nom::Err<Fault<'a>>> {
    if payload.len() != T::LEN * (1 + usize::from(has_mask)) {
        return Err(Fault::at(at, "oxm length"));
    }
    let (value, mask) = payload.split_at(T::LEN);
    Ok(Masked { value: T::from_wire(value), mask: has_mask.then(|| T::from_wire(mask)) })
}

fn masked_len<T: Value>(field: &Masked<T>) -> usize {
    T::LEN * (1 + usize::from(field.mask.is_some()))
}

fn masked_out<T: Value>(field: &Masked<T>, out: &mut Vec<u8>) {
    field.value.to_wire(out);
    if let Some(mask) = field.mask {
        mask.to_wire(out);
    }
}
