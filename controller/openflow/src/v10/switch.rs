use super::Port;
use crate::layout::{Fixed, layout};
use crate::read::{self, Read};

/// Bits of [`Features::capabilities`] (`OFPC_*`).
pub mod capability {
    /// It counts per flow entry.
    pub const FLOW_STATS: u32 = 1 << 0;
    /// It counts per table.
    pub const TABLE_STATS: u32 = 1 << 1;
    /// It counts per port.
    pub const PORT_STATS: u32 = 1 << 2;
    /// It speaks 802.1D spanning tree.
    pub const STP: u32 = 1 << 3;
    /// It reassembles IP fragments.
    pub const IP_REASM: u32 = 1 << 5;
    /// It counts per queue.
    pub const QUEUE_STATS: u32 = 1 << 6;
    /// It matches the addresses within ARP packets.
    pub const ARP_MATCH_IP: u32 = 1 << 7;
}

/// Bits of [`Features::actions`]: bit `n` stands for action type `n` (`OFPAT_*`).
pub mod action_bit {
    /// Send it out of a port.
    pub const OUTPUT: u32 = 1 << 0;
    /// Set the VLAN id.
    pub const SET_VLAN_VID: u32 = 1 << 1;
    /// Set the VLAN priority.
    pub const SET_VLAN_PCP: u32 = 1 << 2;
    /// Strip the VLAN tag.
    pub const STRIP_VLAN: u32 = 1 << 3;
    /// Set the Ethernet source.
    pub const SET_DL_SRC: u32 = 1 << 4;
    /// Set the Ethernet destination.
    pub const SET_DL_DST: u32 = 1 << 5;
    /// Set the IPv4 source.
    pub const SET_NW_SRC: u32 = 1 << 6;
    /// Set the IPv4 destination.
    pub const SET_NW_DST: u32 = 1 << 7;
    /// Set the type of service.
    pub const SET_NW_TOS: u32 = 1 << 8;
    /// Set the source port.
    pub const SET_TP_SRC: u32 = 1 << 9;
    /// Set the destination port.
    pub const SET_TP_DST: u32 = 1 << 10;
    /// Send it out through a queue.
    pub const ENQUEUE: u32 = 1 << 11;
}

/// What becomes of IP fragments: values of [`SwitchConfig::flags`] (`OFPC_FRAG_*`).
pub mod fragments {
    /// Nothing special.
    pub const NORMAL: u16 = 0;
    /// They are dropped.
    pub const DROP: u16 = 1;
    /// They are reassembled.
    pub const REASM: u16 = 2;
    /// The bits that say so.
    pub const MASK: u16 = 3;
}

/// Which switch this is, and what it can do (5.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Features {
    /// Its identity: 16 bits of the maker's choice, then an Ethernet address.
    pub datapath_id: u64,
    /// Packets that it can hold back.
    pub n_buffers: u32,
    /// Flow tables.
    pub n_tables: u8,
    /// See [`capability`].
    pub capabilities: u32,
    /// See [`action_bit`].
    pub actions: u32,
    /// Its ports.
    pub ports: Vec<Port>,
}

layout! {
    /// What features begin with.
    Head {
        datapath_id: u64;
        n_buffers: u32;
        n_tables: u8, pad 3;
        capabilities: u32;
        actions: u32;
    }
}

impl Features {
    pub(super) fn read(input: &[u8]) -> Read<'_, Features> {
        let (i, head) = Head::read(input)?;
        let Head { datapath_id, n_buffers, n_tables, capabilities, actions } = head;
        let (i, ports) = read::all(Port::read, i)?;
        Ok((i, Features { datapath_id, n_buffers, n_tables, capabilities, actions, ports }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Features { datapath_id, n_buffers, n_tables, capabilities, actions, .. } = *self;
        Head { datapath_id, n_buffers, n_tables, capabilities, actions }.write(out);
        self.ports.iter().for_each(|port| port.write(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Head::LEN + self.ports.len() * Port::LEN
    }
}

layout! {
    /// How a switch treats fragments and packets for the controller (5.3.2).
    pub SwitchConfig {
        /// See [`fragments`].
        flags: u16;
        /// Bytes of a packet without an entry that are sent.
        miss_send_len: u16;
    }
}
