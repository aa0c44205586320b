//! Ethernet frames: what of a packet-in matters, and the few frames the controller makes itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpSlice, TransportSlice};

use crate::Mac;
use crate::ndp::{self, IPV6, Neighbour};

/// EtherType of ARP.
pub(crate) const ARP: u16 = 0x0806;
/// EtherType of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// EtherType of LLDP.
pub(crate) const LLDP: u16 = 0x88cc;
/// IP protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// IP protocol number of UDP.
pub(crate) const UDP: u8 = 17;

/// An Ethernet frame, as far as the controller reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) source: Mac,
    pub(crate) destination: Mac,
    pub(crate) content: Content<'a>,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Lldp(&'a [u8]),
    Arp(Arp),
    Tcp(Segment<'a>),
    Udp(Datagram<'a>),
    /// IPv6 neighbour discovery.
    Ndp(Neighbour),
    /// Another protocol over IP.
    Ip {
        source: IpAddr,
        destination: IpAddr,
    },
    /// Anything else, what is malformed above Ethernet included.
    Other,
}

/// An ARP packet of Ethernet and IPv4 (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) request: bool,
    pub(crate) sender_mac: Mac,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: Mac,
    pub(crate) target: Ipv4Addr,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) payload: &'a [u8],
}

/// A UDP datagram over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame; `None` if it is shorter than an Ethernet header.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (destination, rest) = bytes.split_first_chunk::<6>()?;
        let (source, rest) = rest.split_first_chunk::<6>()?;
        let (ether_type, payload) = rest.split_first_chunk::<2>()?;
        let content = match u16::from_be_bytes(*ether_type) {
            LLDP => Content::Lldp(payload),
            ARP => Arp::parse(payload).map_or(Content::Other, Content::Arp),
            IPV4 => ipv4(bytes).unwrap_or(Content::Other),
            IPV6 => ipv6(bytes).unwrap_or(Content::Other),
            _ => Content::Other,
        };
        Some(Frame { source: Mac(*source), destination: Mac(*destination), content })
    }

    /// The IP addresses of sender and receiver.
    pub(crate) fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self.content {
            Content::Tcp(s) => Some((s.source.ip(), s.destination.ip())),
            Content::Udp(d) => Some(((*d.source.ip()).into(), (*d.destination.ip()).into())),
            Content::Ip { source, destination } => Some((source, destination)),
            Content::Arp(_) | Content::Ndp(_) | Content::Lldp(_) | Content::Other => None,
        }
    }
}

fn ipv4(bytes: &[u8]) -> Option<Content<'_>> {
    let packet = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(NetSlice::Ipv4(ip)) = packet.net else { return None };
    let source = ip.header().source_addr();
    let destination = ip.header().destination_addr();
    Some(match packet.transport {
        Some(TransportSlice::Tcp(tcp)) => segment((source.into(), destination.into()), &tcp),
        Some(TransportSlice::Udp(udp)) => Content::Udp(Datagram {
            source: SocketAddrV4::new(source, udp.source_port()),
            destination: SocketAddrV4::new(destination, udp.destination_port()),
            payload: udp.payload(),
        }),
        _ => Content::Ip { source: source.into(), destination: destination.into() },
    })
}

fn ipv6(bytes: &[u8]) -> Option<Content<'_>> {
    let packet = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(NetSlice::Ipv6(ip)) = packet.net else { return None };
    let source = ip.header().source_addr();
    let destination = ip.header().destination_addr();
    match packet.transport {
        Some(TransportSlice::Icmpv6(message))
            if matches!(message.type_u8(), ndp::SOLICITATION | ndp::ADVERTISEMENT) =>
        {
            let ends = (source, destination);
            Neighbour::parse(ends, ip.header().hop_limit(), &message).map(Content::Ndp)
        }
        Some(TransportSlice::Tcp(tcp)) => Some(segment((source.into(), destination.into()), &tcp)),
        _ => Some(Content::Ip { source: source.into(), destination: destination.into() }),
    }
}

fn segment<'a>((source, destination): (IpAddr, IpAddr), tcp: &TcpSlice<'a>) -> Content<'a> {
    Content::Tcp(Segment {
        source: SocketAddr::new(source, tcp.source_port()),
        destination: SocketAddr::new(destination, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        ack: tcp.ack(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
    })
}

impl Arp {
    fn parse(bytes: &[u8]) -> Option<Arp> {
        // Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4.
        let rest = bytes.strip_prefix(&[0, 1, 8, 0, 6, 4])?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let (target_mac, rest) = rest.split_first_chunk::<6>()?;
        let (target, _padding) = rest.split_first_chunk::<4>()?;
        let request = match u16::from_be_bytes(*operation) {
            1 => true,
            2 => false,
            _ => return None,
        };
        Some(Arp {
            request,
            sender_mac: Mac(*sender_mac),
            sender: Ipv4Addr::from(*sender),
            target_mac: Mac(*target_mac),
            target: Ipv4Addr::from(*target),
        })
    }

    /// The frame that carries this packet from `source` to `destination`.
    pub(crate) fn frame(&self, source: Mac, destination: Mac) -> Vec<u8> {
        let operation = if self.request { 1u16 } else { 2 };
        let mut frame = Vec::with_capacity(42);
        frame.extend(destination.0);
        frame.extend(source.0);
        frame.extend(ARP.to_be_bytes());
        frame.extend([0, 1, 8, 0, 6, 4]);
        frame.extend(operation.to_be_bytes());
        frame.extend(self.sender_mac.0);
        frame.extend(self.sender.octets());
        frame.extend(self.target_mac.0);
        frame.extend(self.target.octets());
        frame
    }

    /// The answer to this request: `mac` has the target address.
    pub(crate) fn answered_by(&self, mac: Mac) -> Vec<u8> {
        let reply = Arp {
            request: false,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        };
        reply.frame(mac, self.sender_mac)
    }
}

/// The frame of a UDP datagram.
pub(crate) fn udp_frame(
    (source_mac, source): (Mac, SocketAddrV4),
    (destination_mac, destination): (Mac, SocketAddrV4),
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(source_mac.0, destination_mac.0)
        .ipv4(source.ip().octets(), destination.ip().octets(), 64)
        .udp(source.port(), destination.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("what the controller says fits a datagram, and a Vec takes it");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

    #[test]
    fn an_arp_request_reads_back_and_is_answered() {
        let request = Arp {
            request: true,
            sender_mac: A,
            sender: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: Mac::default(),
            target: Ipv4Addr::new(10, 0, 0, 2),
        };
        let bytes = request.frame(A, Mac::BROADCAST);
        let frame = Frame::parse(&bytes).expect("a frame");
        assert_eq!(frame.content, Content::Arp(request));
        let bytes = request.answered_by(B);
        let frame = Frame::parse(&bytes).expect("a frame");
        assert_eq!((frame.source, frame.destination), (B, A));
        let Content::Arp(reply) = frame.content else { panic!("ARP expected: {frame:?}") };
        assert_eq!((reply.request, reply.sender_mac, reply.sender), (false, B, request.target));
    }

    #[test]
    fn a_datagram_reads_back() {
        let source = "10.254.0.1:7935".parse().expect("an address");
        let destination = "10.0.0.1:7935".parse().expect("an address");
        let bytes = udp_frame((A, source), (B, destination), b"offer");
        let frame = Frame::parse(&bytes).expect("a frame");
        let datagram = Datagram { source, destination, payload: b"offer" };
        assert_eq!(frame.content, Content::Udp(datagram));
        assert_eq!(frame.addresses(), Some(((*source.ip()).into(), (*destination.ip()).into())));
    }

    /// A segment with an extension header between IPv6 and TCP.
    fn behind(extension: &[u8], kind: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let plain = PacketBuilder::ethernet2(A.0, B.0)
            .ipv6([0xfd; 16], [0xfc; 16], 64)
            .tcp(40_000, 1935, 7, 100);
        plain.write(&mut bytes, b"bytes").expect("a Vec takes it");
        bytes.splice(54..54, [&[6], extension].concat());
        bytes[20] = kind;
        let length = u16::try_from(bytes.len() - 54).expect("short");
        bytes[18..20].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    #[test]
    fn a_segment_over_ipv6_is_read_behind_extension_headers_and_a_fragment_of_one_is_not() {
        let [hop_by_hop, destination, fragment] = [0, 60, 44];
        let padding = [0, 1, 4, 0, 0, 0, 0];
        let whole = [0, 0, 0, 0, 0, 0, 9];
        let first_part = [0, 0, 1, 0, 0, 0, 9];
        for (extension, kind, read) in [
            (padding, hop_by_hop, true),
            (padding, destination, true),
            (whole, fragment, true),
            (first_part, fragment, false),
        ] {
            let bytes = behind(&extension, kind);
            let content = Frame::parse(&bytes).expect("a frame").content;
            match content {
                Content::Tcp(segment) => {
                    assert!(read, "{content:?}");
                    assert_eq!(segment.source.port(), 40_000);
                    assert_eq!(segment.destination.ip(), IpAddr::from([0xfc; 16]));
                    assert_eq!((segment.sequence, segment.payload), (7, &b"bytes"[..]));
                }
                other => assert!(!read && matches!(other, Content::Ip { .. }), "{other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_frame_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..4u8) {
            if let Some(at) = bytes.get_mut(12..14) {
                let types = [ARP, IPV4, LLDP, 0x86dd];
                at.copy_from_slice(&types[usize::from(kind)].to_be_bytes());
            }
            let frame = Frame::parse(&bytes);
            prop_assert_eq!(frame.is_some(), bytes.len() >= 14);
        }
    }
}
