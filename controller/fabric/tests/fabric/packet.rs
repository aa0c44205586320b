//! Headers of a frame as a switch sees and rewrites them. Checksums are left as they are: nothing
//! here verifies them.

use std::net::{Ipv4Addr, Ipv6Addr};

use rust_openflow::Mac;
use rust_openflow::v13::{Masked, Match, Oxm};

pub(crate) fn mac_at(frame: &[u8], at: usize) -> Mac {
    Mac(frame[at..at + 6].try_into().expect("six bytes"))
}

fn half(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

pub(crate) fn eth_type(frame: &[u8]) -> u16 {
    half(frame, 12).expect("an Ethernet header")
}

fn ip(frame: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
    (eth_type(frame) == 0x0800).then(|| Ipv4Addr::from(four))
}

pub(crate) fn ip_source(frame: &[u8]) -> Option<Ipv4Addr> {
    ip(frame, 26)
}

pub(crate) fn ip_destination(frame: &[u8]) -> Option<Ipv4Addr> {
    ip(frame, 30)
}

fn ip6(frame: &[u8], at: usize) -> Option<Ipv6Addr> {
    let sixteen: [u8; 16] = frame.get(at..at + 16)?.try_into().ok()?;
    (eth_type(frame) == 0x86dd).then(|| Ipv6Addr::from(sixteen))
}

/// Where the header above IP begins, if it is of `protocol`. IPv6 has no extension headers here.
fn transport(frame: &[u8], protocol: u8) -> Option<usize> {
    let (at, begins) = match eth_type(frame) {
        0x0800 => (23, 14 + usize::from(frame[14] & 0x0f) * 4),
        0x86dd => (20, 54),
        _ => return None,
    };
    (frame.get(at) == Some(&protocol)).then_some(begins)
}

/// The type of an ICMPv6 message right behind its IPv6 header.
pub(crate) fn icmpv6(frame: &[u8]) -> Option<u8> {
    let is = eth_type(frame) == 0x86dd && frame.get(20) == Some(&58);
    frame.get(54).copied().filter(|_| is)
}

fn agrees<T: PartialEq + Copy>(
    value: Option<T>,
    wanted: &Masked<T>,
    and: impl Fn(T, T) -> T,
) -> bool {
    value.is_some_and(|value| match wanted.mask {
        Some(mask) => and(value, mask) == and(wanted.value, mask),
        None => value == wanted.value,
    })
}

fn and_mac(a: Mac, b: Mac) -> Mac {
    Mac(std::array::from_fn(|i| a.0[i] & b.0[i]))
}

fn and_ip(a: Ipv4Addr, b: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(a) & u32::from(b))
}

/// The VLAN tag of a frame, with the bit that says that there is one.
fn tag(frame: &[u8]) -> Option<u16> {
    (eth_type(frame) == 0x8100).then(|| half(frame, 14).expect("a tag") & 0x0fff | 0x1000)
}

pub(crate) fn push_tag(frame: &mut Vec<u8>) {
    assert_eq!(tag(frame), None, "no host here uses tags, and none is put upon another");
    frame.splice(12..12, [0x81, 0x00, 0, 0]);
}

pub(crate) fn pop_tag(frame: &mut Vec<u8>) {
    assert!(tag(frame).is_some(), "there is one");
    frame.drain(12..16);
}

/// Whether a frame that came in by `in_port` is what a match asks for.
pub(crate) fn matches(matching: &Match, in_port: u32, metadata: u64, frame: &[u8]) -> bool {
    let tag = tag(frame);
    let mut untagged = frame.to_vec();
    if tag.is_some() {
        pop_tag(&mut untagged);
    }
    let frame = untagged.as_slice();
    let port = |protocol, at: usize| transport(frame, protocol).and_then(|l4| half(frame, l4 + at));
    matching.fields.iter().all(|field| match field {
        Oxm::InPort(port) => *port == in_port,
        Oxm::Metadata(wanted) => agrees(Some(metadata), wanted, |a, b| a & b),
        Oxm::VlanVid(wanted) => agrees(tag, wanted, |a, b| a & b),
        Oxm::EthDst(mac) => agrees(Some(mac_at(frame, 0)), mac, and_mac),
        Oxm::EthSrc(mac) => agrees(Some(mac_at(frame, 6)), mac, and_mac),
        Oxm::EthType(wanted) => eth_type(frame) == *wanted,
        Oxm::IpProto(58) => icmpv6(frame).is_some(),
        Oxm::IpProto(protocol) => transport(frame, *protocol).is_some(),
        Oxm::Icmpv6Type(kind) => icmpv6(frame) == Some(*kind),
        Oxm::Ipv4Src(ip) => agrees(ip_source(frame), ip, and_ip),
        Oxm::Ipv4Dst(ip) => agrees(ip_destination(frame), ip, and_ip),
        Oxm::Ipv6Src(ip) => agrees(ip6(frame, 22), ip, |a, b| a & b),
        Oxm::Ipv6Dst(ip) => agrees(ip6(frame, 38), ip, |a, b| a & b),
        Oxm::TcpSrc(wanted) => port(6, 0) == Some(*wanted),
        Oxm::TcpDst(wanted) => port(6, 2) == Some(*wanted),
        Oxm::UdpSrc(wanted) => port(17, 0) == Some(*wanted),
        Oxm::UdpDst(wanted) => port(17, 2) == Some(*wanted),
        Oxm::TcpFlags(flags) => agrees(port(6, 12).map(|f| f & 0x0fff), flags, |a, b| a & b),
        other => panic!("the switch in memory does not match on {other:?}"),
    })
}

/// Rewrites one field.
pub(crate) fn set_field(frame: &mut [u8], field: &Oxm) {
    match field {
        Oxm::EthDst(mac) => frame[0..6].copy_from_slice(&mac.value.0),
        Oxm::EthSrc(mac) => frame[6..12].copy_from_slice(&mac.value.0),
        Oxm::VlanVid(id) => {
            assert!(tag(frame).is_some() && id.value & 0x1000 != 0, "a tag to be set");
            frame[14..16].copy_from_slice(&(id.value & 0x0fff).to_be_bytes());
        }
        Oxm::Ipv4Src(ip) => frame[26..30].copy_from_slice(&ip.value.octets()),
        Oxm::Ipv4Dst(ip) => frame[30..34].copy_from_slice(&ip.value.octets()),
        other => panic!("the switch in memory does not rewrite {other:?}"),
    }
}
