use rust_openflow::Mac;
use rust_openflow::v10::{
    Action, FlowMod, Match, NO_BUFFER, PacketIn, PacketOut, VLAN_NONE, port_number,
};

use super::learner::{Decision, Flow};

/// Seconds without a packet after which an entry goes.
pub const IDLE_TIMEOUT: u16 = 10;

/// Seconds after which an entry goes at any rate: so long may packets go to where a station was
/// before it moved.
pub const HARD_TIMEOUT: u16 = 30;

/// The mark on our entries.
pub(super) const COOKIE: u64 = 0x6e63_6c32_6c65_6172;

/// What a switch was told about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A flow-mod; the packet itself goes through the new entry.
    Installed,
    /// A packet-out that floods it.
    Flooded,
    /// A packet-out that lets go of it, or nothing if the switch had not kept it.
    Dropped,
}

/// A flow-mod with one action, but for what depends on the packet, and where that is (5.3.3).
const FLOW_MOD: usize = 80;
const XID: usize = 4;
const IN_PORT: usize = 12;
const DL_SRC: usize = 14;
const DL_DST: usize = 20;
const DL_VLAN: usize = 26;
const BUFFER_ID: usize = 64;
const OUT_PORT: usize = 76;

/// Puts decisions in the words of OpenFlow 1.0.
#[derive(Debug)]
pub struct Answers {
    /// A flow-mod that was encoded once, for all: filling in half of it costs a tenth of encoding
    /// it.
    entry: [u8; FLOW_MOD],
}

impl Default for Answers {
    fn default() -> Answers {
        let flow = Flow { vlan: None, src: Mac([0; 6]), dst: Mac([0; 6]) };
        let mut entry = Vec::new();
        flow_mod(flow, 0, &[Action::output(0)], NO_BUFFER).encode_message(0, &mut entry);
        Answers { entry: entry.try_into().expect("a header, 64 bytes and an action of eight") }
    }
}

impl Answers {
    /// Appends to `out` what `packet`, which came with `xid`, is answered with.
    ///
    /// That is one message, with one exception: a flow-mod cannot carry a packet, so that one which
    /// the switch did not keep ([`NO_BUFFER`]) follows it in a packet-out. It would be lost else.
    #[inline]
    pub fn answer(
        &self,
        decision: Decision,
        xid: u32,
        packet: &PacketIn<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Answer {
        match decision {
            Decision::Forward { flow, port } => {
                let port = u16::try_from(port).expect("1.0 has 16-bit ports");
                self.install(flow, port, xid, packet, out);
                if packet.buffer_id == NO_BUFFER {
                    send(packet, &[Action::output(port)], xid, out);
                }
                Answer::Installed
            }
            Decision::Flood => {
                send(packet, &[Action::output(port_number::FLOOD)], xid, out);
                Answer::Flooded
            }
            Decision::Drop => {
                if packet.buffer_id != NO_BUFFER {
                    send(packet, &[], xid, out);
                }
                Answer::Dropped
            }
        }
    }

    #[inline]
    fn install(
        &self,
        flow: Flow,
        port: u16,
        xid: u32,
        packet: &PacketIn<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let mut entry = self.entry;
        let mut put = |at: usize, bytes: &[u8]| entry[at..at + bytes.len()].copy_from_slice(bytes);
        put(XID, &xid.to_be_bytes());
        put(IN_PORT, &packet.in_port.to_be_bytes());
        put(DL_SRC, &flow.src.0);
        put(DL_DST, &flow.dst.0);
        put(DL_VLAN, &flow.vlan.unwrap_or(VLAN_NONE).to_be_bytes());
        put(BUFFER_ID, &packet.buffer_id.to_be_bytes());
        put(OUT_PORT, &port.to_be_bytes());
        out.extend_from_slice(&entry);
    }
}

/// The entry that sends a flow's packets on.
fn flow_mod(flow: Flow, in_port: u16, actions: &[Action], buffer_id: u32) -> FlowMod<&[Action]> {
    let matching = Match::any()
        .in_port(in_port)
        .dl_src(flow.src)
        .dl_dst(flow.dst)
        .dl_vlan(flow.vlan.unwrap_or(VLAN_NONE));
    let entry = FlowMod::add(actions)
        .matching(matching)
        .cookie(COOKIE)
        .idle_timeout(IDLE_TIMEOUT)
        .buffer(buffer_id);
    FlowMod { hard_timeout: HARD_TIMEOUT, ..entry }
}

/// Has the switch do `actions` to the packet, from where it is kept, or from here. Of a packet that
/// is nowhere whole nothing is sent: a part of it is none.
#[cold]
fn send(packet: &PacketIn<&[u8]>, actions: &[Action], xid: u32, out: &mut Vec<u8>) {
    let kept = packet.buffer_id != NO_BUFFER;
    if !kept && packet.data.len() < usize::from(packet.total_len) {
        return;
    }
    let data = if kept { &[] } else { packet.data };
    PacketOut { buffer_id: packet.buffer_id, in_port: packet.in_port, actions, data }
        .encode_message(xid, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_openflow::Framer;
    use rust_openflow::v10::{Body, FlowCommand, Message, PacketInReason, wildcard};

    use super::*;

    fn messages(wire: &[u8]) -> Vec<Message> {
        let mut framer = Framer::new();
        framer.push(wire);
        let mut messages = Vec::new();
        while let Some(frame) = framer.next_slice().expect("sound headers") {
            messages.push(Message::parse(frame).expect("sound messages"));
        }
        assert_eq!(framer.pending(), 0);
        messages
    }

    fn packet(buffer_id: u32, data: &[u8]) -> PacketIn<&[u8]> {
        let total_len = data.len() as u16;
        PacketIn { buffer_id, total_len, in_port: 1, reason: PacketInReason::NoMatch, data }
    }

    proptest! {
        #[test]
        fn a_kept_packet_is_answered_by_one_flow_mod(
            xid: u32, buffer_id in 0..NO_BUFFER, in_port in 1u16..0xff00, port in 1u16..0xff00,
            src: [u8; 6], dst: [u8; 6], vlan in prop::option::of(0u16..0x1000),
        ) {
            let mut out = Vec::new();
            let flow = Flow { vlan, src: Mac(src), dst: Mac(dst) };
            let packet = PacketIn { in_port, ..packet(buffer_id, b"the frame's beginning") };
            let decision = Decision::Forward { flow, port: port.into() };
            prop_assert_eq!(Answers::default().answer(decision, xid, &packet, &mut out), Answer::Installed);
            let [Message { xid: answered, body: Body::FlowMod(entry), .. }] = &messages(&out)[..]
            else {
                panic!("one flow-mod");
            };
            let counting = wildcard::IN_PORT | wildcard::DL_SRC | wildcard::DL_DST
                | wildcard::DL_VLAN;
            prop_assert_eq!(entry.matching.wildcards & wildcard::ALL, wildcard::ALL & !counting
                & !(wildcard::NW_SRC_MASK | wildcard::NW_DST_MASK) | 0x3f << wildcard::NW_SRC_SHIFT
                | 0x3f << wildcard::NW_DST_SHIFT);
            let Match { in_port: matched, dl_src, dl_dst, dl_vlan, .. } = entry.matching;
            prop_assert_eq!((matched, dl_src, dl_dst), (in_port, Mac(src), Mac(dst)));
            prop_assert_eq!(dl_vlan, vlan.unwrap_or(VLAN_NONE));
            prop_assert_eq!((*answered, entry.buffer_id), (xid, buffer_id));
            prop_assert_eq!(entry.command, FlowCommand::Add);
            prop_assert_eq!(&entry.actions, &[Action::output(port)]);
            // Filled in, it is what the codec would have written.
            let mut encoded = Vec::new();
            flow_mod(flow, in_port, &[Action::output(port)], buffer_id)
                .encode_message(xid, &mut encoded);
            prop_assert_eq!(out, encoded);
        }
    }

    #[test]
    fn a_packet_that_was_not_kept_follows_its_entry() {
        let mut out = Vec::new();
        let flow = Flow { vlan: None, src: Mac([2; 6]), dst: Mac([4; 6]) };
        let packet = packet(NO_BUFFER, b"a frame");
        Answers::default().answer(Decision::Forward { flow, port: 9 }, 1, &packet, &mut out);
        let [Message { body: Body::FlowMod(_), .. }, Message { body: Body::PacketOut(sent), .. }] =
            &messages(&out)[..]
        else {
            panic!("a flow-mod, then a packet-out");
        };
        assert_eq!(
            (&sent.actions[..], &sent.data[..]),
            (&[Action::output(9)][..], &b"a frame"[..])
        );
    }

    #[test]
    fn a_flood_names_the_packet_where_it_is() {
        for (buffer_id, data) in [(5, &b""[..]), (NO_BUFFER, &b"a frame"[..])] {
            let mut out = Vec::new();
            Answers::default().answer(Decision::Flood, 3, &packet(buffer_id, b"a frame"), &mut out);
            let expected = PacketOut {
                buffer_id,
                in_port: 1,
                actions: vec![Action::output(port_number::FLOOD)],
                data: data.to_vec(),
            };
            assert_eq!(messages(&out), [Message::new(3, Body::PacketOut(expected))]);
        }
    }

    #[test]
    fn a_dropped_packet_frees_its_buffer() {
        let mut out = Vec::new();
        Answers::default().answer(Decision::Drop, 3, &packet(5, b"a frame"), &mut out);
        let [
            Message {
                body: Body::PacketOut(PacketOut { buffer_id: 5, actions, data, .. }), ..
            },
        ] = &messages(&out)[..]
        else {
            panic!("one packet-out");
        };
        assert!(actions.is_empty() && data.is_empty());
        out.clear();
        Answers::default().answer(Decision::Drop, 3, &packet(NO_BUFFER, b"a frame"), &mut out);
        assert!(out.is_empty(), "{out:?}");
    }

    #[test]
    fn a_part_of_a_packet_is_not_sent_as_one() {
        let mut out = Vec::new();
        let cut = PacketIn { total_len: 1500, ..packet(NO_BUFFER, b"a frame") };
        Answers::default().answer(Decision::Flood, 3, &cut, &mut out);
        assert!(out.is_empty(), "{out:?}");
    }
}
