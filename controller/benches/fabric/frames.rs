//! Hosts, and the frames that they send.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use rust_openflow::Mac;

/// A host at a port of a switch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv4Addr,
    pub(crate) port: u32,
}

impl Host {
    /// The `number`th host of all, in 10.0.0.0/9.
    pub(crate) fn new(number: u32, port: u32) -> Host {
        let [_, a, b, c] = (number + 1).to_be_bytes();
        Host { mac: Mac([2, 0, 0, a, b, c]), ip: Ipv4Addr::new(10, a & 0x7f, b, c), port }
    }

    /// An ARP request for the address of `other`, or one that announces its own.
    pub(crate) fn arp(&self, other: &Host) -> Vec<u8> {
        let (mac, ip) = (self.mac.0, self.ip.octets());
        let parts: [&[u8]; 7] = [
            &Mac::BROADCAST.0,
            &mac,
            &[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1],
            &mac,
            &ip,
            &[0; 6],
            &other.ip.octets(),
        ];
        parts.concat()
    }

    /// A datagram from one socket to another.
    pub(crate) fn udp(
        &self,
        (mac, to): (Mac, SocketAddrV4),
        from: SocketAddrV4,
        payload: &[u8],
    ) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2(self.mac.0, mac.0)
            .ipv4(from.ip().octets(), to.ip().octets(), 64)
            .udp(from.port(), to.port());
        let mut frame = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut frame, payload).expect("a Vec takes it");
        frame
    }
}

/// Whether a frame is an ARP reply.
pub(crate) fn is_arp_reply(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06]) && frame.get(20..22) == Some(&[0, 2])
}

/// Whether a frame is one of LLDP.
pub(crate) fn is_lldp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x88, 0xcc])
}

/// The ends and the payload of a datagram over IPv4.
pub(crate) fn datagram(frame: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport)
    else {
        return None;
    };
    let from = SocketAddrV4::new(ip.header().source_addr(), udp.source_port());
    let to = SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port());
    Some((from, to, udp.payload()))
}
