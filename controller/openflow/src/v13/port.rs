use crate::Mac;
use crate::layout::{layout, open_enum};

/// Ports that are none (`OFPP_*`, 7.2.1).
pub mod port_number {
    /// The highest number that an ordinary port can have.
    pub const MAX: u32 = 0xffff_ff00;
    /// Back out of the port the packet came in by.
    pub const IN_PORT: u32 = 0xffff_fff8;
    /// Through the flow tables, in a packet-out.
    pub const TABLE: u32 = 0xffff_fff9;
    /// As a switch without OpenFlow would.
    pub const NORMAL: u32 = 0xffff_fffa;
    /// As a switch without OpenFlow would flood.
    pub const FLOOD: u32 = 0xffff_fffb;
    /// Every port but the one it came in by.
    pub const ALL: u32 = 0xffff_fffc;
    /// To the controller.
    pub const CONTROLLER: u32 = 0xffff_fffd;
    /// The switch itself.
    pub const LOCAL: u32 = 0xffff_fffe;
    /// Any port, in requests and deletions.
    pub const ANY: u32 = 0xffff_ffff;
}

/// Bits of [`Port::config`] (`OFPPC_*`).
pub mod port_config {
    /// The administrator took it down.
    pub const PORT_DOWN: u32 = 1 << 0;
    /// It drops what it receives.
    pub const NO_RECV: u32 = 1 << 2;
    /// It drops what is sent out of it.
    pub const NO_FWD: u32 = 1 << 5;
    /// What it receives makes no packet-in.
    pub const NO_PACKET_IN: u32 = 1 << 6;
}

/// Bits of [`Port::state`] (`OFPPS_*`).
pub mod port_state {
    /// There is no link.
    pub const LINK_DOWN: u32 = 1 << 0;
    /// It is blocked by a protocol outside of OpenFlow.
    pub const BLOCKED: u32 = 1 << 1;
    /// It is live for fast failover groups.
    pub const LIVE: u32 = 1 << 2;
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
    /// 40 Gbit/s, full duplex.
    pub const GB_40_FD: u32 = 1 << 7;
    /// 100 Gbit/s, full duplex.
    pub const GB_100_FD: u32 = 1 << 8;
    /// 1 Tbit/s, full duplex.
    pub const TB_1_FD: u32 = 1 << 9;
    /// Another rate.
    pub const OTHER: u32 = 1 << 10;
    /// Copper.
    pub const COPPER: u32 = 1 << 11;
    /// Fibre.
    pub const FIBER: u32 = 1 << 12;
    /// It negotiates its rate.
    pub const AUTONEG: u32 = 1 << 13;
    /// It can be asked to pause.
    pub const PAUSE: u32 = 1 << 14;
    /// It can be asked to pause in one direction.
    pub const PAUSE_ASYM: u32 = 1 << 15;
}

layout! {
    /// A port of a switch (7.2.1).
    pub Port {
        /// Its number.
        number: u32, pad 4;
        /// Its Ethernet address.
        hw_addr: Mac, pad 2;
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
        /// Bit rate at present, in kbit/s.
        curr_speed: u32;
        /// Highest bit rate, in kbit/s.
        max_speed: u32;
    }
}

impl Port {
    /// A port with a link and nothing else to be said about it.
    pub fn new(number: u32, name: impl Into<String>) -> Port {
        Port {
            number,
            hw_addr: Mac::default(),
            name: name.into(),
            config: 0,
            state: port_state::LIVE,
            curr: 0,
            advertised: 0,
            supported: 0,
            peer: 0,
            curr_speed: 0,
            max_speed: 0,
        }
    }

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
    /// A port came, went or changed (7.4.3).
    pub PortStatus {
        /// What happened.
        reason: PortReason, pad 7;
        /// The port as it is now, or was.
        port: Port;
    }
}

layout! {
    /// A change to a port (7.3.4.3).
    pub PortMod {
        /// Which.
        number: u32, pad 4;
        /// Its Ethernet address, lest another be meant.
        hw_addr: Mac, pad 2;
        /// What [`port_config`] should be.
        config: u32;
        /// In these bits.
        mask: u32;
        /// Features to advertise; 0 leaves them.
        advertise: u32, pad 4;
    }
}
