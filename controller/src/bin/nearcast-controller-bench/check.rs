//! Whether an answer is right: one for each packet-in, and the one that a learning switch needs.

use std::net::Ipv4Addr;

use rust_openflow::v10::{
    Action, Body, FlowCommand, FlowMod, Match, Message, VLAN_NONE, port_number, wildcard,
};

use crate::traffic::{BUFFERS, Packet, SOURCE_PORT, Traffic};

/// A flow-mod with one action, and where in it the answers to our questions differ.
const FLOW_MOD: usize = 80;
const FLOW_MOD_KIND: u8 = 14;
const PACKET_OUT_KIND: u8 = 13;
const DL_SRC: usize = 14;
const DL_DST: usize = 20;
const BUFFER_ID: usize = 64;
const OUT_PORT: usize = 76;

/// How many answers there were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) right: u64,
    pub(crate) wrong: u64,
    /// What the first of those was.
    pub(crate) first_wrong: Option<String>,
}

/// Compares the answers of one switch with its questions.
#[derive(Debug)]
pub(crate) struct Checker {
    traffic: Traffic,
    switch: u16,
    /// By buffer: the packet's number and 1 while it is unanswered, else 0.
    unanswered: Vec<u32>,
    outstanding: u32,
    /// An answer that was found right when every field of it was read. One that equals it in all
    /// but the fields that depend on the packet, and is right in these, needs no reading.
    known: Option<[u8; FLOW_MOD]>,
    /// Whether an answer must be right to count: the bare responder's need not be, but they are
    /// compared all the same, that both sides of a comparison cost alike.
    strict: bool,
    pub(crate) tally: Tally,
}

impl Checker {
    pub(crate) fn new(traffic: Traffic, switch: u16, strict: bool) -> Checker {
        let unanswered = vec![0; BUFFERS as usize];
        let (outstanding, known, tally) = (0, None, Tally::default());
        Checker { traffic, switch, unanswered, outstanding, known, strict, tally }
    }

    /// Packets without an answer.
    pub(crate) fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Whether the `number`th packet may be sent: its buffer is free again.
    pub(crate) fn may_ask(&self, number: u32) -> bool {
        self.unanswered[(number % BUFFERS) as usize] == 0
    }

    /// The `number`th packet was sent.
    pub(crate) fn asked(&mut self, number: u32) {
        self.unanswered[(number % BUFFERS) as usize] = number.wrapping_add(1);
        self.outstanding += 1;
    }

    /// Takes a flow-mod or packet-out.
    pub(crate) fn answered(&mut self, message: &[u8]) {
        let verdict = match self.at_a_glance(message) {
            Some(()) => Ok(()),
            None => self.in_full(message),
        };
        match verdict {
            Ok(()) => self.tally.right += 1,
            Err(why) => {
                self.tally.wrong += 1;
                self.tally.first_wrong.get_or_insert(why);
            }
        }
    }

    /// The fast way to know that an answer is right.
    fn at_a_glance(&mut self, message: &[u8]) -> Option<()> {
        let mut expected = self.known?;
        let message: &[u8; FLOW_MOD] = message.try_into().ok()?;
        let buffer = message[BUFFER_ID..BUFFER_ID + 4].try_into().ok()?;
        let packet = self.question(u32::from_be_bytes(buffer))?;
        expected[DL_SRC..DL_SRC + 6].copy_from_slice(&packet.src.0);
        expected[DL_DST..DL_DST + 6].copy_from_slice(&packet.dst.0);
        expected[BUFFER_ID..BUFFER_ID + 4].copy_from_slice(&packet.buffer_id.to_be_bytes());
        expected[OUT_PORT..OUT_PORT + 2].copy_from_slice(&packet.out_port.to_be_bytes());
        // Which xid an answer has is the controller's affair.
        let equal = message[..4] == expected[..4] && message[8..] == expected[8..];
        (equal || !self.strict).then(|| self.settle(&packet))
    }

    /// Reads an answer field by field.
    fn in_full(&mut self, message: &[u8]) -> Result<(), String> {
        let parsed = Message::parse(message).map_err(|error| format!("no message: {error}"))?;
        let entry = match parsed.body {
            Body::FlowMod(entry) => entry,
            other => return Err(format!("{} where a flow-mod is due: {other:?}", other.name())),
        };
        let packet = self
            .question(entry.buffer_id)
            .ok_or_else(|| format!("no packet waits in buffer {:#x}", entry.buffer_id))?;
        if self.strict {
            check(&packet, &entry)?;
        }
        self.settle(&packet);
        let whole: Option<[u8; FLOW_MOD]> = message.try_into().ok();
        self.known = whole.filter(|_| !self.strict || counts(&entry.matching, wildcard::DL_SRC));
        Ok(())
    }

    fn question(&self, buffer_id: u32) -> Option<Packet> {
        let number = self.unanswered.get(buffer_id as usize)?.checked_sub(1)?;
        Some(self.traffic.packet(self.switch, number))
    }

    fn settle(&mut self, packet: &Packet) {
        self.unanswered[packet.buffer_id as usize] = 0;
        self.outstanding -= 1;
    }
}

/// Whether `entry` is right for `packet`.
fn check(packet: &Packet, entry: &FlowMod) -> Result<(), String> {
    if !matches!(entry.command, FlowCommand::Add | FlowCommand::ModifyStrict) {
        return Err(format!("its command is {:?}", entry.command));
    }
    if entry.actions != [Action::output(packet.out_port)] {
        let Packet { dst, out_port, .. } = packet;
        return Err(format!("{dst} is at port {out_port}, not {:?}", entry.actions));
    }
    matches(packet, &entry.matching)
}

/// Whether `matching` matches the packet, and no other destination.
fn matches(packet: &Packet, matching: &Match) -> Result<(), String> {
    let ours = Match {
        wildcards: 0,
        in_port: SOURCE_PORT,
        dl_src: packet.src,
        dl_dst: packet.dst,
        dl_vlan: VLAN_NONE,
        dl_vlan_pcp: 0,
        dl_type: 0x0800,
        nw_tos: 0,
        nw_proto: 17,
        nw_src: Ipv4Addr::new(10, 0, 0, 1),
        nw_dst: Ipv4Addr::new(10, 0, 0, 2),
        tp_src: 12345,
        tp_dst: 7951,
    };
    let of = |counts: bool, right: bool| !counts || right;
    let prefix = |bits: u8, a: Ipv4Addr, b: Ipv4Addr| {
        bits == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - u32::from(bits)) == 0
    };
    let right = counts(matching, wildcard::DL_DST)
        && matching.dl_dst == ours.dl_dst
        && of(counts(matching, wildcard::DL_SRC), matching.dl_src == ours.dl_src)
        && of(counts(matching, wildcard::IN_PORT), matching.in_port == ours.in_port)
        && of(counts(matching, wildcard::DL_VLAN), matching.dl_vlan == ours.dl_vlan)
        && of(counts(matching, wildcard::DL_TYPE), matching.dl_type == ours.dl_type)
        && of(counts(matching, wildcard::NW_PROTO), matching.nw_proto == ours.nw_proto)
        && of(counts(matching, wildcard::NW_TOS), matching.nw_tos == ours.nw_tos)
        && of(counts(matching, wildcard::TP_SRC), matching.tp_src == ours.tp_src)
        && of(counts(matching, wildcard::TP_DST), matching.tp_dst == ours.tp_dst)
        && prefix(matching.nw_src_prefix(), matching.nw_src, ours.nw_src)
        && prefix(matching.nw_dst_prefix(), matching.nw_dst, ours.nw_dst);
    if right { Ok(()) } else { Err(format!("its match is not the packet's: {matching:?}")) }
}

fn counts(matching: &Match, field: u32) -> bool {
    matching.wildcards & field == 0
}

/// Whether `message` floods the frame that came in by `in_port`.
pub(crate) fn floods(message: &[u8], in_port: u16, frame: &[u8]) -> Result<(), String> {
    let parsed = Message::parse(message).map_err(|error| format!("no message: {error}"))?;
    let Body::PacketOut(sent) = &parsed.body else {
        return Err(format!("{} where a packet-out is due", parsed.body.name()));
    };
    let everywhere = |action: &Action| {
        matches!(action, Action::Output { port: port_number::FLOOD | port_number::ALL, .. })
    };
    if !matches!(&sent.actions[..], [action] if everywhere(action)) {
        return Err(format!("a broadcast goes to {:?}", sent.actions));
    }
    if sent.in_port != in_port || sent.data != frame {
        return Err("a broadcast is flooded as another frame, or from another port".to_owned());
    }
    Ok(())
}

/// Whether a whole message is a topology probe, which is no answer (`OFPT_PACKET_OUT` with LLDP or
/// BDDP).
pub(crate) fn is_probe(message: &[u8]) -> bool {
    if message[1] != PACKET_OUT_KIND {
        return false;
    }
    let actions = message.get(14..16).map_or(0, |len| u16::from_be_bytes([len[0], len[1]]));
    let ethertype = 16 + usize::from(actions) + 12;
    matches!(message.get(ethertype..ethertype + 2), Some([0x88, 0xcc] | [0x89, 0x42]))
}

/// Whether a message can be an answer.
pub(crate) fn is_answer(kind: u8) -> bool {
    kind == FLOW_MOD_KIND || kind == PACKET_OUT_KIND
}

#[cfg(test)]
mod tests {
    use rust_openflow::Mac;

    use super::*;

    const TRAFFIC: Traffic = Traffic { sources: 10, destinations: 2 };

    fn wire(entry: FlowMod) -> Vec<u8> {
        let mut wire = Vec::new();
        Message::new(77, Body::FlowMod(entry)).encode(&mut wire);
        wire
    }

    fn right(number: u32) -> FlowMod {
        let Packet { buffer_id, src, dst, out_port } = TRAFFIC.packet(1, number);
        let matching = Match::any().in_port(SOURCE_PORT).dl_src(src).dl_dst(dst);
        FlowMod::add(vec![Action::output(out_port)]).matching(matching).buffer(buffer_id)
    }

    /// A checker that has seen a right answer, so that the fast way is open.
    fn checker() -> Checker {
        let mut checker = Checker::new(TRAFFIC, 1, true);
        (0..4).for_each(|number| checker.asked(number));
        checker.answered(&wire(right(0)));
        assert_eq!((checker.tally.right, checker.outstanding()), (1, 3));
        checker
    }

    #[test]
    fn right_answers_are_right_in_any_order_and_once() {
        let mut checker = checker();
        checker.answered(&wire(right(2)));
        checker.answered(&wire(right(1)));
        assert_eq!((checker.tally.right, checker.tally.wrong, checker.outstanding()), (3, 0, 1));
        checker.answered(&wire(right(1)));
        let why = checker.tally.first_wrong.expect("it was answered twice");
        assert!(why.contains("no packet waits in buffer 0x1"), "{why}");
    }

    #[test]
    fn any_wrong_field_is_seen() {
        type Spoil = fn(&mut FlowMod);
        let spoils: [(&str, Spoil); 8] = [
            ("source", |entry| entry.matching.dl_src = Mac([4; 6])),
            ("destination", |entry| entry.matching.dl_dst = Mac([4; 6])),
            ("destination left out", |entry| entry.matching.wildcards |= wildcard::DL_DST),
            ("port", |entry| entry.matching.in_port = 9),
            ("command", |entry| entry.command = FlowCommand::Delete),
            ("output", |entry| entry.actions = vec![Action::output(2)]),
            ("no action", |entry| entry.actions.clear()),
            ("buffer", |entry| entry.buffer_id = 9),
        ];
        for (what, spoil) in spoils {
            let mut checker = checker();
            let mut entry = right(3);
            spoil(&mut entry);
            checker.answered(&wire(entry));
            assert_eq!((checker.tally.right, checker.tally.wrong), (1, 1), "{what}");
            assert_eq!(checker.outstanding(), 3, "{what}");
        }
    }

    #[test]
    fn a_match_of_more_fields_is_right_if_they_are_the_packets() {
        let mut checker = checker();
        let mut entry = right(1);
        let ip = |d| Ipv4Addr::new(10, 0, 0, d);
        entry.matching = entry.matching.dl_type(0x0800u16).nw_src(ip(1), 32).nw_dst(ip(2), 24);
        checker.answered(&wire(entry.clone()));
        assert_eq!((checker.tally.right, checker.tally.wrong), (2, 0));
        let mut entry = FlowMod { buffer_id: 3, ..entry };
        entry.matching = entry.matching.dl_src(TRAFFIC.packet(1, 3).src).nw_src(ip(7), 32);
        checker.answered(&wire(entry));
        assert_eq!((checker.tally.right, checker.tally.wrong), (2, 1));
    }

    #[test]
    fn broadcasts_must_be_flooded_whole() {
        let (port, frame) = TRAFFIC.announcements(1).next().expect("a destination");
        let out = |data: &[u8], to| {
            let sent = rust_openflow::v10::PacketOut {
                in_port: port,
                ..rust_openflow::v10::PacketOut::new(data.to_vec(), vec![Action::output(to)])
            };
            let mut wire = Vec::new();
            Message::new(1, Body::PacketOut(sent)).encode(&mut wire);
            wire
        };
        assert_eq!(floods(&out(&frame, port_number::FLOOD), port, &frame), Ok(()));
        assert!(floods(&out(&frame, 2), port, &frame).is_err());
        assert!(floods(&out(&frame[..20], port_number::ALL), port, &frame).is_err());
        assert!(floods(&wire(right(0)), port, &frame).is_err());
    }
}
