use crate::layout::{layout, open_enum};

/// Bits of [`Features::capabilities`] (`OFPC_*`).
pub mod capability {
    /// It counts per flow entry.
    pub const FLOW_STATS: u32 = 1 << 0;
    /// It counts per table.
    pub const TABLE_STATS: u32 = 1 << 1;
    /// It counts per port.
    pub const PORT_STATS: u32 = 1 << 2;
    /// It counts per group.
    pub const GROUP_STATS: u32 = 1 << 3;
    /// It reassembles IP fragments.
    pub const IP_REASM: u32 = 1 << 5;
    /// It counts per queue.
    pub const QUEUE_STATS: u32 = 1 << 6;
    /// It blocks ports of loops by itself.
    pub const PORT_BLOCKED: u32 = 1 << 8;
}

layout! {
    /// Which switch this is, and what it can do (7.3.1).
    pub Features {
        /// Its identity: 16 bits of the maker's choice, then an Ethernet address.
        datapath_id: u64;
        /// Packets that it can hold back.
        n_buffers: u32;
        /// Flow tables.
        n_tables: u8;
        /// 0 on the main connection, else which auxiliary one.
        auxiliary_id: u8, pad 2;
        /// See [`capability`].
        capabilities: u32;
        /// Nothing yet.
        reserved: u32;
    }
}

impl Features {
    /// A switch of this identity with `n_tables` flow tables, no buffers and no capabilities.
    pub const fn of(datapath_id: u64, n_tables: u8) -> Features {
        Features {
            datapath_id,
            n_buffers: 0,
            n_tables,
            auxiliary_id: 0,
            capabilities: 0,
            reserved: 0,
        }
    }
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

layout! {
    /// How a switch treats fragments and packets for the controller (7.3.2).
    pub SwitchConfig {
        /// See [`fragments`].
        flags: u16;
        /// Bytes of a packet that a table-miss sends; 0xffff for all.
        miss_send_len: u16;
    }
}

open_enum! {
    /// What a controller is to a switch (`OFPCR_ROLE_*`).
    Role: u32 {
        /// Asks only.
        NoChange = 0,
        /// One of equals.
        Equal = 1,
        /// The one that may change things.
        Master = 2,
        /// May only read.
        Slave = 3,
    }
}

layout! {
    /// Asks for a role, or says which it is (7.3.9).
    pub RoleMessage {
        /// The role.
        role: Role, pad 4;
        /// Grows with each election, so that a switch refuses a master of the past.
        generation_id: u64;
    }
}

layout! {
    /// Which asynchronous messages a controller gets (7.3.10): first as master or equal, then as
    /// slave. Bit `n` stands for reason `n`.
    pub AsyncConfig {
        /// Of packet-ins.
        packet_in_mask: Array [u32; 2];
        /// Of port-status.
        port_status_mask: Array [u32; 2];
        /// Of flow-removed.
        flow_removed_mask: Array [u32; 2];
    }
}

layout! {
    /// How a table behaves (7.3.3). OpenFlow 1.3 has nothing to set here.
    pub TableMod {
        /// Which; [`TABLE_ALL`](super::TABLE_ALL) for all.
        table_id: u8, pad 3;
        /// Deprecated bits.
        config: u32;
    }
}
