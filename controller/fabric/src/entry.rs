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
    /// The VLAN id of a tag that must be there.
    pub(crate) vlan: Option<Masked<u16>>,
    /// The port that was noted by an earlier table.
    pub(crate) noted_port: Option<u32>,
    /// That the packet came by the way round a link was noted. Only together with a port.
    pub(crate) noted_round: bool,
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
    /// The same, if this meter lets the copy pass. What comes after happens in any case.
    MeteredController(u32),
    /// Out of the port that the packet came in by, which [`Step::Output`] never does.
    Back,
    /// Adds a VLAN tag.
    PushTag,
    /// Sets the VLAN id of the outermost tag.
    SetTag(u16),
    /// Removes the outermost VLAN tag.
    PopTag,
}

/// What is noted about a packet for later tables. One note leaves the other as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// The port that it is to leave by.
    Port(u32),
    /// It came by the way round a link.
    Round,
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
    /// What later tables see as metadata.
    pub(crate) note: Option<Note>,
    /// The meter that the packet must pass, or it is dropped.
    pub(crate) meter: Option<u32>,
    /// Seconds without a packet after which the entry goes, and the switch says so; 0: never.
    pub(crate) idle_secs: u16,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// Of type ALL: each bucket gets a copy.
    All(Vec<Vec<Step>>),
    /// Of type FAST FAILOVER: the first bucket whose port is up gets the packet.
    Failover(Vec<(u32, Vec<Step>)>),
}

impl Group {
    /// The buckets that get a copy each.
    pub(crate) fn copies(&self) -> &[Vec<Step>] {
        match self {
            Group::All(buckets) => buckets,
            Group::Failover(_) => &[],
        }
    }
}

impl Default for Group {
    /// One without buckets.
    fn default() -> Group {
        Group::All(Vec::new())
    }
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
        let (cookie, steps) = (Cookie::new(purpose, 0), Vec::new());
        Entry { cookie, steps, goto: None, note: None, meter: None, idle_secs: 0 }
    }

    /// Whether it has a copy metered by itself.
    pub(crate) fn meters_copy(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::MeteredController(_)))
    }

    /// The meters it needs.
    pub(crate) fn meters(&self) -> impl Iterator<Item = u32> {
        let copies = self.steps.iter().filter_map(|step| match step {
            Step::MeteredController(meter) => Some(*meter),
            _ => None,
        });
        self.meter.into_iter().chain(copies)
    }

    pub(crate) fn step(mut self, step: Step) -> Entry {
        self.steps.push(step);
        self
    }

    pub(crate) fn note(mut self, note: Note) -> Entry {
        self.note = Some(note);
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
