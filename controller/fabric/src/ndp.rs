//! IPv6 neighbour discovery (RFC 4861), as far as the controller takes part: solicitations, which
//! it answers for hosts it knows, and advertisements.

use std::net::Ipv6Addr;

use etherparse::{Icmpv6Slice, PacketBuilder};

use crate::Mac;

/// EtherType of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;
/// IP protocol number of ICMPv6.
pub(crate) const ICMPV6: u8 = 58;
/// ICMPv6 type of a neighbour solicitation (RFC 4861 4.3).
pub(crate) const SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement (RFC 4861 4.4).
pub(crate) const ADVERTISEMENT: u8 = 136;

/// Flags of an advertisement: it answers a solicitation, and goes before what was known.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Options: the link-layer address of who sent the message, and of who has the target.
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
/// Routers do not pass these messages on, and so cannot have changed this.
const HOP_LIMIT: u8 = 255;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A solicitation or an advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) solicitation: bool,
    /// Who sent it; unspecified while it asks whether an address is free (RFC 4862 5.4).
    pub(crate) source: Ipv6Addr,
    /// The address that is asked for, or who has it is told.
    pub(crate) target: Ipv6Addr,
    /// The link-layer address in the option that goes with the message.
    pub(crate) link_layer: Option<Mac>,
}

impl Neighbour {
    /// Reads a message and validates it (RFC 4861 7.1); `None` if it is another or not sound.
    pub(crate) fn parse(
        (source, destination): (Ipv6Addr, Ipv6Addr),
        hop_limit: u8,
        message: &Icmpv6Slice<'_>,
    ) -> Option<Neighbour> {
        let solicitation = match message.type_u8() {
            SOLICITATION => true,
            ADVERTISEMENT => false,
            _ => return None,
        };
        let sound = hop_limit == HOP_LIMIT
            && message.code_u8() == 0
            && message.is_checksum_valid(source.octets(), destination.octets());
        let (target, mut options) = message.slice().get(8..)?.split_first_chunk::<16>()?;
        let target = Ipv6Addr::from(*target);
        if !sound || target.is_multicast() {
            return None;
        }
        let wanted = if solicitation { SOURCE_LINK_LAYER } else { TARGET_LINK_LAYER };
        let mut link_layer = None;
        while let [kind, length, ..] = options {
            // Lengths count eight bytes; a message with one of 0 is dropped (RFC 4861 4.6).
            let (option, rest) = options.split_at_checked(usize::from(*length) * 8)?;
            if option.is_empty() {
                return None;
            }
            if *kind == wanted {
                link_layer = option.get(2..8)?.try_into().ok().map(Mac);
            }
            options = rest;
        }
        Some(Neighbour { solicitation, source, target, link_layer })
    }
}

/// The frame in which the host `(mac, source)` asks everybody for `target`.
pub(crate) fn solicitation(mac: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    // The solicited-node address (RFC 4291 2.7.1).
    let everybody = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    // Who has no address yet must not say a link-layer address either (RFC 4861 4.3).
    let option = (!source.is_unspecified()).then_some((SOURCE_LINK_LAYER, mac));
    frame((mac, source), (multicast(everybody), everybody), (SOLICITATION, 0), target, option)
}

/// The frame in which the controller asks the host `to` itself whether it still has `target`.
pub(crate) fn solicitation_to(from: (Mac, Ipv6Addr), to: Mac, target: Ipv6Addr) -> Vec<u8> {
    let option = Some((SOURCE_LINK_LAYER, from.0));
    frame(from, (to, target), (SOLICITATION, 0), target, option)
}

/// The frame that tells `asker` that `mac` has `target`. If the asker has no address yet, all nodes
/// are told (RFC 4861 7.2.4).
pub(crate) fn advertisement(mac: Mac, target: Ipv6Addr, asker: (Mac, Ipv6Addr)) -> Vec<u8> {
    let (to, flags) = if asker.1.is_unspecified() {
        ((multicast(ALL_NODES), ALL_NODES), OVERRIDE)
    } else {
        (asker, SOLICITED | OVERRIDE)
    };
    let option = Some((TARGET_LINK_LAYER, mac));
    frame((mac, target), to, (ADVERTISEMENT, flags), target, option)
}

/// The Ethernet address of a multicast address (RFC 2464 7).
fn multicast(address: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = address.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

fn frame(
    (source_mac, source): (Mac, Ipv6Addr),
    (destination_mac, destination): (Mac, Ipv6Addr),
    (kind, flags): (u8, u8),
    target: Ipv6Addr,
    option: Option<(u8, Mac)>,
) -> Vec<u8> {
    let mut payload = target.octets().to_vec();
    if let Some((option, mac)) = option {
        payload.extend([option, 1]);
        payload.extend(mac.0);
    }
    let builder = PacketBuilder::ethernet2(source_mac.0, destination_mac.0)
        .ipv6(source.octets(), destination.octets(), HOP_LIMIT)
        .icmpv6_raw(kind, 0, [flags, 0, 0, 0]);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, &payload)
        .expect("an address and an option fit, and a Vec takes them");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Content, Frame};

    const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
    const ONE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const TWO: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0xab, 0xcdef);

    fn read(frame: &[u8]) -> (Mac, Mac, Neighbour) {
        let frame = Frame::parse(frame).expect("a frame");
        let Content::Ndp(neighbour) = frame.content else { panic!("another: {frame:?}") };
        (frame.source, frame.destination, neighbour)
    }

    #[test]
    fn solicitations_and_advertisements_read_back() {
        let asked = solicitation(A, ONE, TWO);
        let asks =
            |source, link_layer| Neighbour { solicitation: true, source, target: TWO, link_layer };
        let solicited_node = Mac([0x33, 0x33, 0xff, 0xab, 0xcd, 0xef]);
        assert_eq!(read(&asked), (A, solicited_node, asks(ONE, Some(A))));
        let nobody = Ipv6Addr::UNSPECIFIED;
        let free = solicitation(A, nobody, TWO);
        assert_eq!(read(&free), (A, solicited_node, asks(nobody, None)));
        assert_eq!(read(&solicitation_to((A, ONE), B, TWO)).1, B);

        let told = Neighbour { solicitation: false, source: TWO, target: TWO, link_layer: Some(B) };
        let answer = advertisement(B, TWO, (A, ONE));
        assert_eq!((read(&answer), answer[58]), ((B, A, told), SOLICITED | OVERRIDE));
        let taken = advertisement(B, TWO, (A, nobody));
        let all_nodes = Mac([0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!((read(&taken), taken[58]), ((B, all_nodes, told), OVERRIDE));
    }

    #[test]
    fn what_is_not_sound_is_not_heard() {
        let sound = advertisement(B, TWO, (A, ONE));
        let heard =
            |bytes: &[u8]| matches!(Frame::parse(bytes).expect("a frame").content, Content::Ndp(_));
        assert!(heard(&sound));
        // Hop limit, type, code, checksum, target, option.
        for at in [21, 54, 55, 57, 70, 79, 83] {
            let mut changed = sound.clone();
            changed[at] ^= 0x10;
            assert!(!heard(&changed), "byte {at}");
        }
        for end in 54..sound.len() {
            assert!(!heard(&sound[..end]), "cut at {end}");
        }
    }
}
