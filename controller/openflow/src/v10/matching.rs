use std::net::Ipv4Addr;

use crate::Mac;
use crate::layout::layout;

/// Bits and fields of [`Match::wildcards`] (`OFPFW_*`, 5.2.3): what does not count.
pub mod wildcard {
    /// The port the packet came in by.
    pub const IN_PORT: u32 = 1 << 0;
    /// VLAN id.
    pub const DL_VLAN: u32 = 1 << 1;
    /// Ethernet source.
    pub const DL_SRC: u32 = 1 << 2;
    /// Ethernet destination.
    pub const DL_DST: u32 = 1 << 3;
    /// EtherType.
    pub const DL_TYPE: u32 = 1 << 4;
    /// IP protocol.
    pub const NW_PROTO: u32 = 1 << 5;
    /// Source port.
    pub const TP_SRC: u32 = 1 << 6;
    /// Destination port.
    pub const TP_DST: u32 = 1 << 7;
    /// Where the number of low bits of the IPv4 source that do not count begins; 32 and more is
    /// all.
    pub const NW_SRC_SHIFT: u32 = 8;
    /// The bits of that number.
    pub const NW_SRC_MASK: u32 = 0x3f << NW_SRC_SHIFT;
    /// Where the number of low bits of the IPv4 destination that do not count begins.
    pub const NW_DST_SHIFT: u32 = 14;
    /// The bits of that number.
    pub const NW_DST_MASK: u32 = 0x3f << NW_DST_SHIFT;
    /// VLAN priority.
    pub const DL_VLAN_PCP: u32 = 1 << 20;
    /// IP type of service (its upper six bits).
    pub const NW_TOS: u32 = 1 << 21;
    /// Everything.
    pub const ALL: u32 = (1 << 22) - 1;
}

/// `dl_vlan` of packets without a VLAN tag (`OFP_VLAN_NONE`).
pub const VLAN_NONE: u16 = 0xffff;

layout! {
    /// Which packets (5.2.3), just as it is on the wire: fields whose bit is set in the wildcards
    /// do not count, but keep their value. Start from [`Match::any`]; each method makes one field
    /// count.
    #[derive(Copy)]
    pub Match {
        /// See [`wildcard`].
        wildcards: u32;
        /// Port the packet came in by.
        in_port: u16;
        /// Ethernet source.
        dl_src: Mac;
        /// Ethernet destination.
        dl_dst: Mac;
        /// VLAN id, or [`VLAN_NONE`].
        dl_vlan: u16;
        /// VLAN priority.
        dl_vlan_pcp: u8, pad 1;
        /// EtherType, after the VLAN tag; below 0x600 that of the SNAP header, 0x5ff without one.
        dl_type: u16;
        /// IP type of service; its upper six bits count.
        nw_tos: u8;
        /// IP protocol, or the low byte of the ARP operation.
        nw_proto: u8, pad 2;
        /// IPv4 source, or ARP sender.
        nw_src: Ipv4Addr;
        /// IPv4 destination, or ARP target.
        nw_dst: Ipv4Addr;
        /// TCP or UDP source port, or ICMP type.
        tp_src: u16;
        /// TCP or UDP destination port, or ICMP code.
        tp_dst: u16;
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident: $ty:ty = $bit:ident;)*) => {$(
        $(#[$doc])*
        pub fn $field(mut self, $field: impl Into<$ty>) -> Match {
            self.$field = $field.into();
            self.wildcards &= !wildcard::$bit;
            self
        }
    )*};
}

impl Match {
    /// Matches every packet.
    pub const fn any() -> Match {
        Match {
            wildcards: wildcard::ALL,
            in_port: 0,
            dl_src: Mac([0; 6]),
            dl_dst: Mac([0; 6]),
            dl_vlan: 0,
            dl_vlan_pcp: 0,
            dl_type: 0,
            nw_tos: 0,
            nw_proto: 0,
            nw_src: Ipv4Addr::UNSPECIFIED,
            nw_dst: Ipv4Addr::UNSPECIFIED,
            tp_src: 0,
            tp_dst: 0,
        }
    }

    fields! {
        /// Packets that came in by this port.
        in_port: u16 = IN_PORT;
        /// Packets from this Ethernet address.
        dl_src: Mac = DL_SRC;
        /// Packets to this Ethernet address.
        dl_dst: Mac = DL_DST;
        /// Packets of this VLAN; [`VLAN_NONE`] for those without a tag.
        dl_vlan: u16 = DL_VLAN;
        /// Packets of this VLAN priority.
        dl_vlan_pcp: u8 = DL_VLAN_PCP;
        /// Packets of this EtherType.
        dl_type: u16 = DL_TYPE;
        /// Packets of this IP type of service.
        nw_tos: u8 = NW_TOS;
        /// Packets of this IP protocol, or ARP operation.
        nw_proto: u8 = NW_PROTO;
        /// Packets from this TCP or UDP port, or of this ICMP type.
        tp_src: u16 = TP_SRC;
        /// Packets to this TCP or UDP port, or of this ICMP code.
        tp_dst: u16 = TP_DST;
    }

    /// Packets from an IPv4 address whose first `prefix` bits (at most 32) are these.
    pub fn nw_src(mut self, address: Ipv4Addr, prefix: u8) -> Match {
        self.nw_src = address;
        let ignored = 32u32.saturating_sub(prefix.into()) << wildcard::NW_SRC_SHIFT;
        self.wildcards = self.wildcards & !wildcard::NW_SRC_MASK | ignored;
        self
    }

    /// Packets to an IPv4 address whose first `prefix` bits (at most 32) are these.
    pub fn nw_dst(mut self, address: Ipv4Addr, prefix: u8) -> Match {
        self.nw_dst = address;
        let ignored = 32u32.saturating_sub(prefix.into()) << wildcard::NW_DST_SHIFT;
        self.wildcards = self.wildcards & !wildcard::NW_DST_MASK | ignored;
        self
    }

    /// How many of the first bits of the IPv4 source count.
    pub const fn nw_src_prefix(&self) -> u8 {
        prefix((self.wildcards & wildcard::NW_SRC_MASK) >> wildcard::NW_SRC_SHIFT)
    }

    /// How many of the first bits of the IPv4 destination count.
    pub const fn nw_dst_prefix(&self) -> u8 {
        prefix((self.wildcards & wildcard::NW_DST_MASK) >> wildcard::NW_DST_SHIFT)
    }
}

/// 32 less the bits that do not count; more than 32 of them mean 32.
const fn prefix(ignored: u32) -> u8 {
    32u32.saturating_sub(ignored) as u8
}

impl Default for Match {
    fn default() -> Match {
        Match::any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_count_once_they_are_set() {
        let matching = Match::any().in_port(3u16).nw_src(Ipv4Addr::new(10, 1, 0, 0), 16);
        assert_eq!(
            matching.wildcards,
            wildcard::ALL & !wildcard::IN_PORT & !wildcard::NW_SRC_MASK | 16 << 8,
        );
        assert_eq!((matching.nw_src_prefix(), matching.nw_dst_prefix()), (16, 0));
        assert_eq!(matching.nw_dst(Ipv4Addr::LOCALHOST, 32).nw_dst_prefix(), 32);
    }
}
