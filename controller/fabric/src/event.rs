//! What the fabric decided and noticed, for logs, reports and comparison.

use std::net::{IpAddr, Ipv4Addr};

use nearcast_machine::Span;
use nearcast_media::{Role, StreamName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Attachment, DatapathId, Mac, text};

macro_rules! as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                text::deserialize(deserializer)
            }
        }
    )*};
}
as_text!(DatapathId, Attachment);

/// Something a person or a report wants to know. Serialises as an object whose `event` is the
/// variant's name in snake case.
///
/// [Decisions](Event::is_decision) hold nothing that differs from one run of a scenario to the next
/// with the same seed, except in their field `volatile`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields say the same of every variant; see the variants' docs")]
pub enum Event {
    /// A switch finished its handshake; its pipeline is being compared with the wanted one.
    SwitchConnected { switch: DatapathId, name: String, ports: usize },
    /// A switch has the wanted pipeline, confirmed by a barrier.
    SwitchReady { switch: DatapathId, kept: usize, added: usize, removed: usize },
    /// A switch's connection is gone; what it forwards it keeps forwarding.
    SwitchGone { switch: DatapathId, cause: Ending, reason: String },
    /// A connection that is not, or no longer, a usable switch.
    ConnectionRefused { connection: u64, cause: Ending, reason: String },
    /// A switch sent a message that cannot be read. It was told, and is kept.
    Undecodable { switch: DatapathId, reason: String },
    /// A switch answered a message with an error (OpenFlow 1.3.5 7.4.4).
    SwitchError { switch: DatapathId, kind: u16, code: u16, concerning: &'static str },
    /// Somebody else had changed what a switch holds of ours: so many entries, and groups and
    /// meters, were put back or put right, and so many entries removed that should not have been
    /// there.
    Restored { switch: DatapathId, entries: usize, removed: usize, groups: usize },
    /// With two controllers: what this one is from now on, to all its switches.
    Standing { role: &'static str, generation: u64 },
    /// With two controllers: a switch confirmed what this one is to it.
    SwitchRole { switch: DatapathId, role: &'static str, generation: u64 },
    /// A port came up or went down.
    Port { switch: DatapathId, port: u32, name: String, up: bool },
    /// A link between two switches was found or lost.
    Link { from: Attachment, to: Attachment, up: bool },
    /// A link was measured, and what its delay counts as from now on is another than before.
    LinkDelay { from: Attachment, to: Attachment, delay_us: u64 },
    /// A host was learned.
    HostLearned {
        #[serde(serialize_with = "text::serialize")]
        mac: Mac,
        address: Option<IpAddr>,
        at: Attachment,
    },
    /// Two hosts say that they are the same, or have the same address. The one at `at` was there
    /// first, still answers, and is believed.
    Duplicate {
        what: Duplicate,
        #[serde(serialize_with = "text::serialize")]
        mac: Mac,
        address: Option<IpAddr>,
        at: Attachment,
        #[serde(serialize_with = "text::serialize")]
        claimed_by: Mac,
        also_at: Attachment,
    },
    /// A host is at another port.
    HostMoved {
        #[serde(serialize_with = "text::serialize")]
        mac: Mac,
        from: Attachment,
        to: Attachment,
    },
    /// A host's port is gone.
    HostGone {
        #[serde(serialize_with = "text::serialize")]
        mac: Mac,
        at: Attachment,
    },
    /// Something reached its bound and is refused from now on.
    LimitReached { what: Limit },
    /// Packet-ins of a class came faster than they are taken; further ones are dropped for a while.
    PacketInsLimited { switch: DatapathId, class: &'static str },
    /// A server accepted a publisher and counts as a CDN from now on.
    CdnLearned { server: IpAddr },
    /// A server accepted a client's role.
    RoleAccepted {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: IpAddr,
        server: IpAddr,
        /// Whether the server counts as a CDN; a role towards another leads to nothing.
        counts: bool,
    },
    /// A server refused a client's role.
    RoleRefused {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: IpAddr,
        server: IpAddr,
        code: String,
    },
    /// A role ended.
    RoleEnded {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: IpAddr,
        reason: RoleEnd,
    },
    /// An RTMP connection is no longer copied to the controller.
    InspectionEnded { client: IpAddr, server: IpAddr, reason: InspectionEnd },
    /// A viewer is left to the CDN because the direct path is not short enough.
    NotNear {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        viewer: IpAddr,
        reason: NotNear,
    },
    /// By way of a dry run: there would be a peering now, or one with other members.
    PeeringWithheld {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        broadcaster: Ipv4Addr,
        viewers: Vec<Ipv4Addr>,
    },
    /// Group, flows and admissions of a peering are on their way to the switch.
    PeeringFormed {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        broadcaster: Ipv4Addr,
        switch: DatapathId,
        volatile: PeeringAddresses,
    },
    /// The copies of a peering between switches go another way from now on: `links` are the ports
    /// they leave by, one copy each. The switches confirmed all of it before the first copy went
    /// there.
    PeeringRouted {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        switches: usize,
        links: Vec<Attachment>,
    },
    /// A host is offered its part in a peering; the switch confirmed what it needs.
    Offered {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: Ipv4Addr,
        volatile: SetupTime,
    },
    /// A host took its part. A viewer has its bucket in the group from now on.
    Joined {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: Ipv4Addr,
        volatile: SetupTime,
    },
    /// A host declined.
    Declined {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: Ipv4Addr,
    },
    /// A host has no part any more.
    Withdrawn {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        #[serde(serialize_with = "text::serialize")]
        role: Role,
        host: Ipv4Addr,
        reason: Withdrawal,
    },
    /// A peering is over.
    PeeringEnded {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        reason: Withdrawal,
    },
    /// With two controllers: this one goes on with a peering that the other had made, and which so
    /// many viewers took part in or were offered to.
    PeeringAdopted {
        #[serde(serialize_with = "text::serialize")]
        stream: StreamName,
        broadcaster: Ipv4Addr,
        switch: DatapathId,
        viewers: usize,
    },
    /// After a restart: a switch holds hosts, aliases or peerings of the controller before. They
    /// are left in place until its offers have run out.
    OrphanKept { switch: DatapathId, entries: usize },
    /// The time of those that nobody took up is over.
    OrphanRemoved { switch: DatapathId, entries: usize },
}

/// Why a connection ended; the text beside it says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The switch closed it, or what lies between broke it.
    Closed,
    /// It was not known in time which switch it is of, by TLS or by OpenFlow.
    Handshake,
    /// It spoke another version, or what could not be read.
    Protocol,
    /// It said nothing, and answered none of the echoes that it was asked for.
    Silent,
    /// It did not take what it was sent, until there was too much of it.
    Slow,
    /// The same switch connected again, and this connection of it did not answer.
    Replaced,
    /// Another connection is of the switch that it says it is of, and answers.
    Duplicate,
    /// There are as many switches as may be.
    NoRoom,
}

impl Ending {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Closed => "closed",
            Ending::Handshake => "handshake",
            Ending::Protocol => "protocol",
            Ending::Silent => "silent",
            Ending::Slow => "slow",
            Ending::Replaced => "replaced",
            Ending::Duplicate => "duplicate",
            Ending::NoRoom => "no_room",
        }
    }
}

/// What is there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicate {
    /// A MAC address.
    Host,
    /// An IP address.
    Address,
}

/// What had no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// More switches.
    Switches,
    /// More ports of one switch.
    Ports,
    /// More hosts, in all or at one port.
    Hosts,
    /// More streams.
    Streams,
    /// More roles of one host.
    RolesPerHost,
    /// More groups on one switch.
    GroupsPerSwitch,
    /// More viewers in one peering.
    Viewers,
    /// More virtual addresses.
    VirtualAddresses,
    /// More frames to hosts that are being asked for.
    HeldFrames,
    /// More hosts that say they are, or have, what another is or has.
    Claims,
    /// With two controllers: more of what one tells the other.
    Replica,
}

impl Limit {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Switches => "switches",
            Limit::Ports => "ports",
            Limit::Hosts => "hosts",
            Limit::Streams => "streams",
            Limit::RolesPerHost => "roles_per_host",
            Limit::GroupsPerSwitch => "groups_per_switch",
            Limit::Viewers => "viewers",
            Limit::VirtualAddresses => "virtual_addresses",
            Limit::HeldFrames => "held_frames",
            Limit::Claims => "claims",
            Limit::Replica => "replica",
        }
    }
}

/// Why a role ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleEnd {
    /// By RTMP: the client deleted its stream, or the server said that it is over.
    Stopped,
    /// The TCP connection was closed.
    Closed,
    /// The TCP connection was reset.
    Reset,
    /// The TCP connection carried nothing for a while.
    Idle,
    /// The client's port opened another connection.
    Replaced,
}

/// Why a connection is no longer inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InspectionEnd {
    /// Its role is known.
    Decided,
    /// It was under way before it could be read.
    NotFromTheStart,
    /// It is not RTMP.
    NotRtmp,
    /// It showed no role within the bytes it was given.
    BytesSpent,
    /// It showed no role within the time it was given.
    TimeSpent,
    /// A message that matters is larger than is kept.
    TooLarge,
    /// A segment was not copied, and those after it are more than is held.
    Hole,
    /// As many are followed as may be.
    TooManyConnections,
}

/// Why broadcaster and viewer are not near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotNear {
    /// The direct path is not shorter by the margin.
    NotShorter,
    /// They are at different switches, and no path between those is known.
    OtherSwitch,
    /// Policy says that the broadcaster or the viewer may not peer.
    NotAllowed,
    /// The viewer's switch refused to take part in peerings.
    Unsupported,
    /// The broadcaster or the viewer came by IPv6, and has not shown an IPv4 address, which is what
    /// a peering needs.
    NoIpv4,
    /// They are one host.
    SameHost,
    /// They are behind one port.
    SamePort,
}

/// Why a host or a whole peering was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawal {
    /// The broadcaster publishes no longer.
    Unpublished,
    /// The viewer plays no longer.
    Stopped,
    /// It moved, or its port went down.
    Moved,
    /// It did not answer.
    Silent,
    /// It declined, or said later that it leaves.
    Declined,
    /// No viewer is left.
    NoViewers,
    /// The switch refused an entry, or there is no room.
    Unsupported,
    /// The path is no longer the shorter one.
    NotNear,
}

/// The virtual addresses of a peering. They depend on the order in which streams came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PeeringAddresses {
    /// Where the broadcaster sends.
    pub group: Ipv4Addr,
    /// What the broadcaster is called there.
    pub broadcaster: Ipv4Addr,
}

/// How long something took since the role was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SetupTime {
    /// Microseconds.
    pub since_role_us: u64,
}

impl SetupTime {
    pub(crate) fn of(span: Span) -> SetupTime {
        SetupTime { since_role_us: span.as_nanos() / 1000 }
    }
}

impl Event {
    /// Why a connection ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        match self {
            Event::SwitchGone { cause, .. } | Event::ConnectionRefused { cause, .. } => {
                Some(*cause)
            }
            _ => None,
        }
    }

    /// Whether this is a decision about a stream, rather than a notice about the network: the
    /// sequence that two runs of one scenario share.
    pub fn is_decision(&self) -> bool {
        matches!(
            self,
            Event::RoleAccepted { .. }
                | Event::RoleRefused { .. }
                | Event::RoleEnded { .. }
                | Event::NotNear { .. }
                | Event::PeeringWithheld { .. }
                | Event::PeeringFormed { .. }
                | Event::Offered { .. }
                | Event::Joined { .. }
                | Event::Declined { .. }
                | Event::Withdrawn { .. }
                | Event::PeeringEnded { .. }
        )
    }
}
