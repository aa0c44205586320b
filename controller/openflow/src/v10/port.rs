use crate::Mac;
use crate::layout::{layout, open_enum};

/// Ports that are none (`OFPP_*`, 5.2.1).
pub mod port_number {
    /// The highest number that an ordinary port can have.
    pub const MAX: u16 = 0xff00;
    /// Back out of the port the packet came in by.
    pub const IN_PORT: u16 = 0xfff8;
    /// Through the flow tables, in a packet-out.
    pub const TABLE: u16 = 0xfff9;
    /// As a switch without OpenFlow would.
    pub const NORMAL: u16 = 0xfffa;
    /// Every port of the spanning tree but the one it came in by.
    pub const FLOOD: u16 = 0xfffb;
    /// Every port but the one it came in by.
    pub const ALL: u16 = 0xfffc;
    /// To the controller.
    pub const CONTROLLER: u16 = 0xfffd;
    /// The switch itself.
    pub const LOCAL: u16 = 0xfffe;
    /// No port; in requests and deletions, any.
    pub const NONE: u16 = 0xffff;
}

/// Bits of [`Port::config`] (`OFPPC_*`).
pub mod port_config {
    /// The administrator took it down.
    pub const PORT_DOWN: u32 = 1 << 0;
    /// It takes no part in the spanning tree.
    pub const NO_STP: u32 = 1 << 1;
    /// It drops what it receives, but for the spanning tree's own packets.
    pub const NO_RECV: u32 = 1 << 2;
    /// It drops the spanning tree's packets.
    pub const NO_RECV_STP: u32 = 1 << 3;
    /// It is left out when packets are flooded.
    pub const NO_FLOOD: u32 = 1 << 4;
    /// It drops what is sent out of it.
    pub const NO_FWD: u32 = 1 << 5;
    /// What it receives makes no packet-in.
    pub const NO_PACKET_IN: u32 = 1 << 6;
}

/// Bits of [`Port::state`] (`OFPPS_*`).
pub mod port_state {
    /// There is no link.
    pub const LINK_DOWN: u32 = 1 << 0;
    /// Of [`STP_MASK`]: it listens only.
    pub const STP_LISTEN: u32 = 0 << 8;
    /// Of [`STP_MASK`]: it learns addresses.
    pub const STP_LEARN: u32 = 1 << 8;
    /// Of [`STP_MASK`]: it forwards.
    pub const STP_FORWARD: u32 = 2 << 8;
    /// Of [`STP_MASK`]: it is no part of the spanning tree.
    pub const STP_BLOCK: u32 = 3 << 8;
    /// The bits that say what it does in the spanning tree.
    pub const STP_MASK: u32 = 3 << 8;
}

/// Bits of [`Port::curr`], [`Port::advertised`], [`Port::supported`] and [`Port::peer`]
/// (`OFPPF_*`).
pub mod port_feature {
    /// 10 Mbit/s, half duplex.
    pub const MB_10_HD: u32 = 1 << 0;
    /// 10 Mbit/s, full duplex.
    pub const MB_10_FD: u32 = 1 << 1;
    /// 100 Mbit/s, half duplex.
    pub const MB_100_HD: u32 = 1 << 2;
    /// 100 Mbit/s, full duplex.
    pub const MB_100_FD: u32 = 1 << 3;
    /// 1 Gbit/s, half duplex.
    pub const GB_1_HD: u32 = 1 << 4;
    /// 1 Gbit/s, full duplex.
    pub const GB_1_FD: u32 = 1 << 5;
    /// 10 Gbit/s, full duplex.
    pub const GB_10_FD: u32 = 1 << 6;
    /// Copper.
    pub const COPPER: u32 = 1 << 7;
    /// Fibre.
    pub const FIBER: u32 = 1 << 8;
    /// It negotiates its rate.
    pub const AUTONEG: u32 = 1 << 9;
    /// It can be asked to pause.
    pub const PAUSE: u32 = 1 << 10;
    /// It can be asked to pause in one direction.
    pub const PAUSE_ASYM: u32 = 1 << 11;
}

layout! {
    /// A port of a switch (5.2.1).
    #[derive(Default)]
    pub Port {
        /// Its number.
        number: u16;
        /// Its Ethernet address.
        hw_addr: Mac;
        /// What people call it; at most 15 bytes.
        name: Text<16>;
        /// See [`port_config`].
        config: u32;
        /// See [`port_state`].
        state: u32;
        /// Features in use; see [`port_feature`].
        curr: u32;
        /// Features that it advertises.
        advertised: u32;
        /// Features that it could have.
        supported: u32;
        /// Features that its other end advertises.
        peer: u32;
    }
}

impl Port {
    /// Whether packets can pass: it has a link, and nobody took it down.
    pub const fn is_up(&self) -> bool {
        self.state & port_state::LINK_DOWN == 0 && self.config & port_config::PORT_DOWN == 0
    }
}

open_enum! {
    /// What happened to a port (`OFPPR_*`).
    PortReason: u8 {
        /// It came.
        Add = 0,
        /// It went.
        Delete = 1,
        /// Something about it changed.
        Modify = 2,
    }
}

layout! {
    /// A port came, went or changed (5.4.3).
    pub PortStatus {
        /// What happened.
        reason: PortReason, pad 7;
        /// The port as it is now, or was.
        port: Port;
    }
}

layout! {
    /// A change to a port (5.3.3).
    pub PortMod {
        /// Which.
        number: u16;
        /// Its Ethernet address, lest another be meant.
        hw_addr: Mac;
        /// What [`port_config`] should be.
        config: u32;
        /// In these bits.
        mask: u32;
        /// Features to advertise; 0 leaves them.
        advertise: u32, pad 4;
    }
}
