use rust_openflow::Mac;

use super::table::{MacTable, Station};

/// EtherType of a frame with an IEEE 802.1Q tag. OpenFlow 1.0 knows no other.
const VLAN_TAG: [u8; 2] = [0x81, 0x00];

/// What stands for frames without a tag where a VLAN id does for others.
const UNTAGGED: u16 = 0xffff;

/// What tells a packet and its like from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// VLAN id of the outermost tag.
    pub vlan: Option<u16>,
    /// Ethernet source.
    pub src: Mac,
    /// Ethernet destination.
    pub dst: Mac,
}

impl Flow {
    /// Reads the front of a frame; `None` if there is not enough of it.
    pub fn of(frame: &[u8]) -> Option<Flow> {
        let (head, rest) = frame.split_first_chunk::<14>()?;
        let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = head;
        let vlan = if [t0, t1] == VLAN_TAG {
            // The identifier is the lower twelve bits of the tag.
            Some(u16::from_be_bytes(*rest.first_chunk()?) & 0x0fff)
        } else {
            None
        };
        Some(Flow { vlan, src: Mac([s0, s1, s2, s3, s4, s5]), dst: Mac([d0, d1, d2, d3, d4, d5]) })
    }

    fn station(&self, address: Mac) -> Station {
        Station::new(self.vlan.unwrap_or(UNTAGGED), address)
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It, and all of its flow that comes by the same port, go out of `port`.
    Forward {
        /// What they have in common.
        flow: Flow,
        /// Where the destination was last heard.
        port: u32,
    },
    /// Nobody knows where its destination is, or it is for everybody.
    Flood,
    /// Its destination is where it came from, or it is not for a switch to pass on.
    Drop,
}

/// One switch's learning: who is where, and so what becomes of a packet.
#[derive(Debug)]
pub struct Learner {
    table: MacTable,
}

impl Learner {
    /// One that knows nobody; `seed` is any random number.
    pub fn new(seed: u64) -> Learner {
        Learner { table: MacTable::new(seed) }
    }

    /// Learns from a frame that came in by `port` at `now` (in seconds), and decides on it.
    pub fn decide(&mut self, now: u32, port: u32, frame: &[u8]) -> Decision {
        let Some(flow) = Flow::of(frame) else { return Decision::Drop };
        if flow.src.is_multicast() {
            // No station sends as a group: learned, it would draw the group's traffic to one port.
            return Decision::Drop;
        }
        self.table.learn(flow.station(flow.src), port, now);
        if is_link_local(flow.dst) {
            return Decision::Drop;
        }
        if flow.dst.is_multicast() {
            return Decision::Flood;
        }
        match self.table.port_of(flow.station(flow.dst), now) {
            None => Decision::Flood,
            Some(there) if there == port => Decision::Drop,
            Some(there) => Decision::Forward { flow, port: there },
        }
    }

    /// Nobody is at `port` any more.
    pub fn port_down(&mut self, port: u32) {
        self.table.forget(port);
    }
}

/// Spanning tree, LLDP and the like, which no bridge relays (IEEE 802.1D-2004, 7.12.6).
fn is_link_local(address: Mac) -> bool {
    matches!(address.0, [0x01, 0x80, 0xc2, 0x00, 0x00, 0x00..=0x0f])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

    fn frame(dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
        [&dst[..], &src, &[0x08, 0x00, 0x45]].concat()
    }

    fn tagged(vlan: u16, dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
        [&dst[..], &src, &VLAN_TAG, &vlan.to_be_bytes(), &[0x08, 0x00]].concat()
    }

    #[test]
    fn an_answer_goes_where_the_question_came_from() {
        let mut learner = Learner::new(1);
        assert_eq!(learner.decide(0, 1, &frame(B, A)), Decision::Flood);
        let flow = Flow { vlan: None, src: Mac(B), dst: Mac(A) };
        assert_eq!(learner.decide(0, 2, &frame(A, B)), Decision::Forward { flow, port: 1 });
        // Two stations behind one port need no help.
        assert_eq!(learner.decide(0, 1, &frame(A, B)), Decision::Drop);
    }

    #[test]
    fn vlans_are_kept_apart_and_priorities_are_not() {
        let mut learner = Learner::new(1);
        learner.decide(0, 1, &tagged(0xe007, B, A));
        assert_eq!(learner.decide(0, 2, &frame(A, B)), Decision::Flood);
        assert_eq!(learner.decide(0, 2, &tagged(8, A, B)), Decision::Flood);
        let flow = Flow { vlan: Some(7), src: Mac(B), dst: Mac(A) };
        assert_eq!(learner.decide(0, 2, &tagged(7, A, B)), Decision::Forward { flow, port: 1 });
    }

    #[test]
    fn groups_are_flooded_and_never_learned() {
        let mut learner = Learner::new(1);
        let group = [1, 0, 0x5e, 0, 0, 1];
        assert_eq!(learner.decide(0, 1, &frame(B, group)), Decision::Drop);
        assert_eq!(learner.decide(0, 2, &frame(group, A)), Decision::Flood);
        assert_eq!(learner.decide(0, 2, &frame([0xff; 6], A)), Decision::Flood);
        assert_eq!(learner.decide(0, 2, &frame([1, 0x80, 0xc2, 0, 0, 0xe], A)), Decision::Drop);
    }

    #[test]
    fn a_frame_that_ends_early_is_dropped() {
        let mut learner = Learner::new(1);
        for whole in [frame(B, A), tagged(7, B, A)] {
            for end in 0..whole.len() - 2 {
                let decision = learner.decide(0, 1, &whole[..end]);
                assert!(end >= 14 || decision == Decision::Drop, "{end} bytes: {decision:?}");
            }
        }
        assert_eq!(Flow::of(&tagged(7, B, A)[..15]), None);
    }

    #[test]
    fn who_was_at_a_port_that_is_down_is_sought_again() {
        let mut learner = Learner::new(1);
        learner.decide(0, 1, &frame(B, A));
        learner.port_down(1);
        assert_eq!(learner.decide(0, 2, &frame(A, B)), Decision::Flood);
    }
}
