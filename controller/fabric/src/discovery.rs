//! Link probes: LLDP frames (IEEE 802.1AB 8) that only this controller can make.
//!
//! A host could send LLDP frames of its own and so invent a link, drawing traffic to itself. Every
//! probe therefore carries an organisationally specific TLV with the time it was sent and a keyed
//! hash over datapath id, port and time. A probe that is old, whose hash is wrong, or which arrived
//! before is ignored: what a host saw leave its switch it cannot play back elsewhere later. Two
//! hosts that pass probes on to each other at once are not told from a wire, for they are one.
//!
//! The time in it, less what the control channels take, is also how long the link is.

use std::collections::{BTreeMap, VecDeque};

use nearcast_machine::{Span, Time};

use crate::{Attachment, DatapathId, Mac};

/// The LLDP multicast address that bridges do not forward ("nearest bridge").
const NEAREST_BRIDGE: Mac = Mac([0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e]);
/// Chassis and port ids are of subtype "locally assigned".
const LOCAL: u8 = 7;
/// A locally administered organisation code, and our one subtype.
const ORGANISATION: [u8; 4] = [0x02, 0x6e, 0x63, 0x01];
const TAG_LEN: usize = 16;

/// Probes of one port that may be under way at once: the one of the round, and the one by which a
/// link that was just found is asked for its other direction.
const UNDER_WAY: usize = 2;

/// Makes probes and recognises its own.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    key: [u8; 32],
    /// When the probes were sent that have not arrived anywhere.
    under_way: BTreeMap<Attachment, VecDeque<Time>>,
}

/// A probe of ours that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The port it was sent out of.
    pub(crate) from: Attachment,
    pub(crate) sent: Time,
}

impl Prober {
    pub(crate) fn new(key: &[u8; 32]) -> Prober {
        let key = blake3::derive_key("nearcast 2026 link probes", key);
        Prober { key, under_way: BTreeMap::new() }
    }

    /// The frame to send out of `from`.
    pub(crate) fn frame(&mut self, from: Attachment, now: Time, ttl: Span) -> Vec<u8> {
        let under_way = self.under_way.entry(from).or_default();
        if under_way.len() == UNDER_WAY {
            under_way.pop_front();
        }
        under_way.push_back(now);
        let mut frame = Vec::with_capacity(80);
        let [a, b, c, d] = from.port.to_be_bytes();
        frame.extend(NEAREST_BRIDGE.0);
        frame.extend([0x02, 0x6e, a, b, c, d]);
        frame.extend(crate::frame::LLDP.to_be_bytes());
        tlv(&mut frame, 1, &[&[LOCAL], &from.switch.0.to_be_bytes()]);
        tlv(&mut frame, 2, &[&[LOCAL], &from.port.to_be_bytes()]);
        let ttl = u16::try_from(ttl.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u16::MAX);
        tlv(&mut frame, 3, &[&ttl.to_be_bytes()]);
        let sent = now.as_nanos().to_be_bytes();
        tlv(&mut frame, 127, &[&ORGANISATION, &sent, &self.tag(from, now)]);
        tlv(&mut frame, 0, &[]);
        frame
    }

    /// Forgets the probes of a port that is gone.
    pub(crate) fn forget(&mut self, from: Attachment) {
        self.under_way.remove(&from);
    }

    /// Reads the payload of an LLDP frame; `None` unless it is a probe of ours, no older than
    /// `age`, that did not arrive before.
    pub(crate) fn receive(&mut self, payload: &[u8], now: Time, age: Span) -> Option<Probe> {
        let probe = self.parse(payload)?;
        let under_way = self.under_way.get_mut(&probe.from)?;
        let position = under_way.iter().position(|sent| *sent == probe.sent)?;
        under_way.remove(position);
        (probe.sent <= now && now.since(probe.sent) <= age).then_some(probe)
    }

    fn parse(&self, payload: &[u8]) -> Option<Probe> {
        let (switch, rest) = expect_tlv(payload, 1)?;
        let (port, rest) = expect_tlv(rest, 2)?;
        let (_ttl, rest) = expect_tlv(rest, 3)?;
        let (ours, _) = expect_tlv(rest, 127)?;
        let switch =
            DatapathId(u64::from_be_bytes(switch.strip_prefix(&[LOCAL])?.try_into().ok()?));
        let port = u32::from_be_bytes(port.strip_prefix(&[LOCAL])?.try_into().ok()?);
        let (sent, tag) = ours.strip_prefix(&ORGANISATION)?.split_first_chunk::<8>()?;
        let sent = Time::from_nanos(u64::from_be_bytes(*sent));
        let from = Attachment { switch, port };
        let tag = blake3::Hash::from_bytes(padded(tag.try_into().ok()?));
        // Comparison of hashes takes the same time wherever they differ.
        let genuine = tag == blake3::Hash::from_bytes(padded(self.tag(from, sent)));
        genuine.then_some(Probe { from, sent })
    }

    fn tag(&self, from: Attachment, sent: Time) -> [u8; TAG_LEN] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&from.switch.0.to_be_bytes());
        hasher.update(&from.port.to_be_bytes());
        hasher.update(&sent.as_nanos().to_be_bytes());
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..TAG_LEN]);
        tag
    }
}

fn padded(tag: [u8; TAG_LEN]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..TAG_LEN].copy_from_slice(&tag);
    hash
}

/// Type in seven bits, length in nine, value (IEEE 802.1AB 8.4).
fn tlv(frame: &mut Vec<u8>, kind: u16, value: &[&[u8]]) {
    let length: usize = value.iter().map(|part| part.len()).sum();
    frame.extend((kind << 9 | length as u16).to_be_bytes());
    value.iter().for_each(|part| frame.extend_from_slice(part));
}

/// The value of the first TLV, if it is of `kind`, and what follows it.
fn expect_tlv(bytes: &[u8], kind: u16) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let head = u16::from_be_bytes(*head);
    let value = rest.split_at_checked(usize::from(head & 0x1ff))?;
    (head >> 9 == kind).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Content, Frame};

    const FROM: Attachment = Attachment { switch: DatapathId(0x1234), port: 7 };
    const AGE: Span = Span::from_secs(3);

    fn payload(frame: &[u8]) -> &[u8] {
        match Frame::parse(frame).expect("a frame").content {
            Content::Lldp(payload) => payload,
            other => panic!("LLDP expected: {other:?}"),
        }
    }

    #[test]
    fn a_probe_names_the_port_it_left_by_and_counts_once() {
        let mut prober = Prober::new(&[7; 32]);
        let sent = Time::from_nanos(5_000_000_000);
        let frame = prober.frame(FROM, sent, Span::from_secs(15));
        let arrived = sent + Span::from_millis(8);
        let probe = prober.receive(payload(&frame), arrived, AGE);
        assert_eq!(probe, Some(Probe { from: FROM, sent }));
        let again = prober.receive(payload(&frame), arrived, AGE);
        assert_eq!(again, None, "whoever plays it back is too late");
    }

    #[test]
    fn two_probes_of_a_port_may_be_under_way_and_older_ones_are_given_up() {
        let mut prober = Prober::new(&[7; 32]);
        let at = |ms| Time::ZERO + Span::from_millis(ms);
        let frames: Vec<_> =
            (0..3).map(|n| prober.frame(FROM, at(n), Span::from_secs(15))).collect();
        let mut arrives = |frame: &[u8]| prober.receive(payload(frame), at(5), AGE).is_some();
        assert_eq!([0, 2, 1].map(|n: usize| arrives(&frames[n])), [false, true, true]);
        prober.forget(FROM);
        assert!(prober.under_way.is_empty());
    }

    #[test]
    fn a_forged_changed_or_old_probe_is_ignored() {
        let mut prober = Prober::new(&[7; 32]);
        let sent = Time::from_nanos(5_000_000_000);
        let frame = prober.frame(FROM, sent, Span::from_secs(15));
        let forged = Prober::new(&[8; 32]).frame(FROM, sent, Span::from_secs(15));
        assert_eq!(prober.receive(payload(&forged), sent, AGE), None);
        // Every bit of the ids, the time and the hash is covered; the TTL and the end are not.
        for at in (14..34).chain(36..66) {
            let mut changed = frame.clone();
            changed[at] ^= 1;
            assert_eq!(prober.receive(payload(&changed), sent, AGE), None, "byte {at}");
        }
        for end in 14..66 {
            assert_eq!(prober.receive(payload(&frame[..end]), sent, AGE), None, "cut at {end}");
        }
        assert_eq!(prober.receive(payload(&frame), sent + Span::from_secs(4), AGE), None);
    }
}
