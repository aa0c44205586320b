//! Flow entries and groups as the fabric thinks of them: only the fields and actions it uses, in
//! one canonical form each, so that what a switch reads back can be compared with what is wanted.

use std::net::Ipv4Addr;

use crate::{Mac, Subnet};

/// What a packet must look like; `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Pattern {
    pub(crate) in_port: Option<u32>,
    pub(crate) eth_source: Option<Mac>,
    pub(crate) eth_destination: Option<Masked<Mac>>,
    pub(crate) eth_type: Option<u16>,
    pub(crate) ip_protocol: Option<u8>,
    /// Of the family that `eth_type` says.
    pub(crate) ip_source: Option<Subnet>,
    pub(crate) ip_destination: Option<Subnet>,
    /// TCP or UDP, as the protocol says.
    pub(crate) source_port: Option<u16>,
    pub(crate) destination_port: Option<u16>,
    pub(crate) icmpv6_type: Option<u8>,
    /// TCP flags that must be set.
    pub(crate) tcp_flags: Option<u16>,
}

/// A value of which only the bits of the mask count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Masked<T> {
    pub(crate) value: T,
    pub(crate) mask: T,
}

impl From<Mac> for Masked<Mac> {
    fn from(value: Mac) -> Masked<Mac> {
        Masked { value, mask: Mac::BROADCAST }
    }
}

/// One action of an entry or a bucket, applied in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    SetEthSource(Mac),
    SetEthDestination(Mac),
    SetIpSource(Ipv4Addr),
    SetIpDestination(Ipv4Addr),
    Group(u32),
    Output(u32),
    /// The whole packet, to the controller.
    Controller,
}

/// What tells entries of one switch apart (OpenFlow 1.3.5 6.4: table, match and priority).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryKey {
    pub(crate) table: u8,
    pub(crate) priority: u16,
    pub(crate) pattern: Pattern,
}

/// What an entry does. No steps and no table to go to: the packet is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cookie: Cookie,
    pub(crate) steps: Vec<Step>,
    pub(crate) goto: Option<u8>,
    /// Seconds without a packet after which the entry goes, and the switch says so; 0: never.
    pub(crate) idle_secs: u16,
}

/// A group of type ALL: each bucket gets a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Group {
    pub(crate) buckets: Vec<Vec<Step>>,
}

/// Whose entry it is and what for: our mark in the top 16 bits, the kind in the next 8, and a
/// number below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cookie(pub(crate) u64);

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The pipeline itself: the same on every switch but for its ports.
    Pipeline,
    /// Where hosts and broadcasts go.
    Forwarding,
    /// An RTMP connection that is no longer inspected, or only in part.
    Bypass,
    /// Host and alias, either way.
    Alias,
    /// The group of a peering, and who may send to it.
    Peering,
}

impl Cookie {
    const MARK: u64 = 0x6e63 << 48;
    /// With [`Cookie::MASK`], every entry of ours and nobody else's.
    pub(crate) const OURS: u64 = Cookie::MARK;
    pub(crate) const MASK: u64 = 0xffff << 48;
    const NUMBER: u64 = (1 << 40) - 1;

    pub(crate) fn new(purpose: Purpose, number: u64) -> Cookie {
        let kind: u64 = match purpose {
            Purpose::Pipeline => 1,
            Purpose::Forwarding => 2,
            Purpose::Bypass => 3,
            Purpose::Alias => 4,
            Purpose::Peering => 5,
        };
        Cookie(Cookie::MARK | kind << 40 | number & Cookie::NUMBER)
    }

    /// `None` for a cookie that is not ours.
    pub(crate) fn purpose(self) -> Option<Purpose> {
        if self.0 & Cookie::MASK != Cookie::OURS {
            return None;
        }
        match self.0 >> 40 & 0xff {
            1 => Some(Purpose::Pipeline),
            2 => Some(Purpose::Forwarding),
            3 => Some(Purpose::Bypass),
            4 => Some(Purpose::Alias),
            5 => Some(Purpose::Peering),
            _ => None,
        }
    }
}

impl Entry {
    pub(crate) fn new(purpose: Purpose) -> Entry {
        Entry { cookie: Cookie::new(purpose, 0), steps: Vec::new(), goto: None, idle_secs: 0 }
    }

    pub(crate) fn step(mut self, step: Step) -> Entry {
        self.steps.push(step);
        self
    }

    pub(crate) fn goto(mut self, table: u8) -> Entry {
        self.goto = Some(table);
        self
    }

    pub(crate) fn numbered(mut self, number: u64) -> Entry {
        let purpose = self.cookie.purpose().expect("made by new, which marks it");
        self.cookie = Cookie::new(purpose, number);
        self
    }
}
