use std::net::Ipv4Addr;

use super::Oxm;
use super::oxm::Masked;
use crate::Mac;
use crate::read::{self, Fault, Read};
use crate::write;

/// Which packets: all fields must agree; none at all matches everything (7.2.3).
///
/// The builder's methods append in call order. Prerequisites (7.2.3.8: `ipv4_dst` needs
/// `eth_type(0x0800)`, `udp_dst` needs `ip_proto(17)`) are the caller's to put first; a switch
/// refuses a match that lacks them with `OFPBMC_BAD_PREREQ`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Match {
    /// The fields in wire order.
    pub fields: Vec<Oxm>,
}

/// `OFPMT_OXM`, the only match type of OpenFlow 1.3 that is not deprecated.
const OXM: u16 = 1;

impl Match {
    /// Matches every packet.
    pub fn new() -> Match {
        Match::default()
    }

    /// With one more field.
    pub fn with(mut self, field: Oxm) -> Match {
        self.fields.push(field);
        self
    }

    /// Packets that came in by `port`.
    pub fn in_port(self, port: u32) -> Match {
        self.with(Oxm::InPort(port))
    }

    /// Packets to this Ethernet address.
    pub fn eth_dst(self, mac: impl Into<Mac>) -> Match {
        self.with(Oxm::EthDst(mac.into().into()))
    }

    /// Packets from this Ethernet address.
    pub fn eth_src(self, mac: impl Into<Mac>) -> Match {
        self.with(Oxm::EthSrc(mac.into().into()))
    }

    /// Packets of this EtherType.
    pub fn eth_type(self, eth_type: u16) -> Match {
        self.with(Oxm::EthType(eth_type))
    }

    /// Packets of this IP protocol.
    pub fn ip_proto(self, protocol: u8) -> Match {
        self.with(Oxm::IpProto(protocol))
    }

    /// Packets from this IPv4 address, or range if masked.
    pub fn ipv4_src(self, address: impl Into<Masked<Ipv4Addr>>) -> Match {
        self.with(Oxm::Ipv4Src(address.into()))
    }

    /// Packets to this IPv4 address, or range if masked.
    pub fn ipv4_dst(self, address: impl Into<Masked<Ipv4Addr>>) -> Match {
        self.with(Oxm::Ipv4Dst(address.into()))
    }

    /// TCP from this port.
    pub fn tcp_src(self, port: u16) -> Match {
        self.with(Oxm::TcpSrc(port))
    }

    /// TCP to this port.
    pub fn tcp_dst(self, port: u16) -> Match {
        self.with(Oxm::TcpDst(port))
    }

    /// UDP from this port.
    pub fn udp_src(self, port: u16) -> Match {
        self.with(Oxm::UdpSrc(port))
    }

    /// UDP to this port.
    pub fn udp_dst(self, port: u16) -> Match {
        self.with(Oxm::UdpDst(port))
    }

    /// TCP packets in which every flag of `flags` is set.
    pub fn tcp_flags_set(self, flags: u16) -> Match {
        self.with(Oxm::TcpFlags(Masked::new(flags, flags)))
    }

    /// The port that packets must have come in by, if the match asks for one. In a packet-in: the
    /// port the packet did come in by.
    pub fn ingress(&self) -> Option<u32> {
        self.fields.iter().find_map(|field| match field {
            Oxm::InPort(port) => Some(*port),
            _ => None,
        })
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, Match> {
        let (rest, (kind, body)) = read::sized("match length", input)?;
        if kind != OXM {
            return Err(Fault::at(input, "match type"));
        }
        let padding = write::padding(4 + body.len());
        let (rest, ()) = read::pad(padding, rest)?;
        let (_, fields) = read::all(Oxm::read, body)?;
        Ok((rest, Match { fields }))
    }

    /// Appends the match, padded to a multiple of eight bytes, to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(OXM.to_be_bytes());
        write::zeros(2, out);
        self.fields.iter().for_each(|field| field.encode(out));
        write::fill_length(start, start + 2, out);
        write::align(start, out);
    }

    /// Length in bytes, padding included.
    pub fn encoded_len(&self) -> usize {
        let fields: usize = self.fields.iter().map(Oxm::encoded_len).sum();
        (4 + fields).next_multiple_of(8)
    }
}
