//! Link probes: LLDP frames (IEEE 802.1AB 8) that only this controller can make.
//!
//! A host could send LLDP frames of its own and so invent a link, drawing traffic to itself. Every
//! probe therefore carries an organisationally specific TLV with the time it was sent and a keyed
//! hash over datapath id, port and time; a probe that is old or whose hash is wrong is ignored.

use nearcast_machine::{Span, Time};

use crate::{Attachment, DatapathId, Mac};

/// The LLDP multicast address that bridges do not forward ("nearest bridge").
const NEAREST_BRIDGE: Mac = Mac([0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e]);
/// Chassis and port ids are of subtype "locally assigned".
const LOCAL: u8 = 7;
/// A locally administered organisation code, and our one subtype.
const ORGANISATION: [u8; 4] = [0x02, 0x6e, 0x63, 0x01];
const TAG_LEN: usize = 16;

/// Makes probes and recognises its own.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    key: [u8; 32],
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
        Prober { key: blake3::derive_key("nearcast 2026 link probes", key) }
    }

    /// The frame to send out of `from`.
    pub(crate) fn frame(&self, from: Attachment, now: Time, ttl: Span) -> Vec<u8> {
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

    /// Reads the payload of an LLDP frame; `None` unless it is a probe of ours no older than `age`.
    pub(crate) fn parse(&self, payload: &[u8], now: Time, age: Span) -> Option<Probe> {
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
        (genuine && sent <= now && now.since(sent) <= age).then_some(Probe { from, sent })
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
    fn a_probe_names_the_port_it_left_by() {
        let prober = Prober::new(&[7; 32]);
        let sent = Time::from_nanos(5_000_000_000);
        let frame = prober.frame(FROM, sent, Span::from_secs(15));
        let arrived = sent + Span::from_millis(8);
        let probe = prober.parse(payload(&frame), arrived, AGE);
        assert_eq!(probe, Some(Probe { from: FROM, sent }));
    }

    #[test]
    fn a_forged_changed_or_replayed_probe_is_ignored() {
        let prober = Prober::new(&[7; 32]);
        let sent = Time::from_nanos(5_000_000_000);
        let frame = prober.frame(FROM, sent, Span::from_secs(15));
        let forged = Prober::new(&[8; 32]).frame(FROM, sent, Span::from_secs(15));
        assert_eq!(prober.parse(payload(&forged), sent, AGE), None);
        assert_eq!(prober.parse(payload(&frame), sent + Span::from_secs(4), AGE), None);
        // Every bit of the ids, the time and the hash is covered; the TTL and the end are not.
        for at in (14..34).chain(36..66) {
            let mut changed = frame.clone();
            changed[at] ^= 1;
            assert_eq!(prober.parse(payload(&changed), sent, AGE), None, "byte {at}");
        }
        for end in 14..66 {
            assert_eq!(prober.parse(payload(&frame[..end]), sent, AGE), None, "cut at {end}");
        }
    }
}
