//! What the fake switches ask about: the same packets as cbench sends, with more to get wrong.

use std::sync::LazyLock;

use rust_openflow::Mac;
use rust_openflow::v10::{Body, Message, NO_BUFFER, PacketIn, PacketInReason};

/// Port of all sources.
pub(crate) const SOURCE_PORT: u16 = 1;
/// Port of the first destination; the others follow.
const FIRST_PORT: u16 = 2;
/// Numbers of buffers that a switch uses: no more can be unanswered.
pub(crate) const BUFFERS: u32 = 1 << 15;

/// Bytes of one of our packet-ins.
pub(crate) const QUESTION: usize = 82;
/// Where it differs from the others.
const XID: usize = 4;
const BUFFER_ID: usize = 8;
const ETH_DST: usize = 18;
const ETH_SRC: usize = 24;

/// Who talks to whom at each switch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// Stations that send.
    pub(crate) sources: u32,
    /// Stations that they send to, each at a port of its own.
    pub(crate) destinations: u16,
}

/// The `number`th packet of a switch, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Under which number the switch keeps it.
    pub(crate) buffer_id: u32,
    pub(crate) src: Mac,
    pub(crate) dst: Mac,
    /// Where the destination was heard.
    pub(crate) out_port: u16,
}

impl Traffic {
    pub(crate) fn packet(&self, switch: u16, number: u32) -> Packet {
        let to = (number % u32::from(self.destinations)) as u16;
        Packet {
            buffer_id: number % BUFFERS,
            src: source(switch, number % self.sources),
            dst: destination(switch, to),
            out_port: FIRST_PORT + to,
        }
    }

    /// Gratuitous ARP of each destination, which the switch does not keep: frames and ports.
    pub(crate) fn announcements(&self, switch: u16) -> impl Iterator<Item = (u16, Vec<u8>)> {
        (0..self.destinations).map(move |to| {
            let Mac(mac) = destination(switch, to);
            let ip = [10, 1, to as u8, switch as u8];
            let arp: [&[u8]; 8] =
                [&[0xff; 6], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac, &ip, &mac, &ip, &[0; 18]];
            (FIRST_PORT + to, arp.concat())
        })
    }
}

/// A packet-in of a frame that the switch does not keep.
pub(crate) fn whole(in_port: u16, frame: Vec<u8>, xid: u32, out: &mut Vec<u8>) {
    let total_len = frame.len() as u16;
    let reason = PacketInReason::NoMatch;
    let packet = PacketIn { buffer_id: NO_BUFFER, total_len, in_port, reason, data: frame };
    Message::new(xid, Body::PacketIn(packet)).encode(out);
}

/// Appends the packet-in about `packet` to `out`.
pub(crate) fn question(packet: &Packet, xid: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&*TEMPLATE);
    let wire = &mut out[start..];
    wire[XID..XID + 4].copy_from_slice(&xid.to_be_bytes());
    wire[BUFFER_ID..BUFFER_ID + 4].copy_from_slice(&packet.buffer_id.to_be_bytes());
    wire[ETH_DST..ETH_DST + 6].copy_from_slice(&packet.dst.0);
    wire[ETH_SRC..ETH_SRC + 6].copy_from_slice(&packet.src.0);
}

/// A packet-in of a UDP packet of 64 bytes, whose payload is not looked at.
static TEMPLATE: LazyLock<[u8; QUESTION]> = LazyLock::new(|| {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0x66, 0x98]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x1f, 0x0f, 0, 30, 0, 0]);
    frame.resize(64, 0);
    let reason = PacketInReason::NoMatch;
    let packet =
        PacketIn { buffer_id: 0, total_len: 64, in_port: SOURCE_PORT, reason, data: frame };
    let mut wire = Vec::new();
    Message::new(0, Body::PacketIn(packet)).encode(&mut wire);
    wire.try_into().expect("18 bytes and the frame")
});

fn source(switch: u16, number: u32) -> Mac {
    let [a, b] = switch.to_be_bytes();
    let [_, c, d, e] = number.to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

fn destination(switch: u16, number: u16) -> Mac {
    let [a, b] = switch.to_be_bytes();
    let [c, d] = number.to_be_bytes();
    Mac([0x06, a, b, 0, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_the_packet_is() {
        let traffic = Traffic { sources: 3, destinations: 2 };
        let packet = traffic.packet(5, BUFFERS + 4);
        let mut wire = Vec::new();
        question(&packet, 9, &mut wire);
        let (xid, asked) = PacketIn::borrowed(&wire).expect("a packet-in");
        assert_eq!((xid, asked.buffer_id, asked.in_port), (9, 4, SOURCE_PORT));
        assert_eq!(asked.total_len, 64);
        assert_eq!(asked.data[..6], destination(5, 0).0);
        assert_eq!(asked.data[6..12], source(5, (BUFFERS + 4) % 3).0);
        assert_eq!(packet.out_port, 2);
    }
}
