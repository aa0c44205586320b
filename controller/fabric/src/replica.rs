//! What the controller that decides tells the one that stands by, so that the other can go on with
//! the streams that are under way.
//!
//! Entries and groups are read from the switches at a takeover; what they *mean* (which stream a
//! group carries, who plays it by which connection, what a host was offered) no switch knows. That
//! is what a replica holds, in small *parts* that are told one by one as they change:
//!
//! - links between switches, without which nobody is near anybody until they are found anew,
//! - roles: host, RTMP connection, and where both its ends enter the fabric,
//! - peerings, their members, and the branches of the tree that chunks take.
//!
//! Hosts without a role, connections without one, trees that are being laid, and who declined are
//! not in it: the new master learns them as after a restart.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::distribution::{Branch, Tag};
use crate::inspection::ConnectionKey;
use crate::stream::StreamKey;
use crate::{Attachment, DatapathId, Limits, Mac, text};

/// One change of a [`Replica`], as it travels: JSON of at most [`Update::MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Update(pub(crate) Told);

impl Update {
    /// Bytes of JSON that an update may have. A branch with a thousand ports has a third of that.
    pub const MAX: usize = 32 << 10;
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Told {
    /// A direction of a link is proven; its delay, if that is known.
    Link { from: Attachment, to: Attachment, delay_us: Option<u64> },
    /// It no longer is.
    Unlink { from: Attachment },
    /// Something of a stream is so.
    Part { stream: StreamKey, part: Part },
    /// It no longer is.
    Gone { stream: StreamKey, name: PartName },
}

/// Something of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Part {
    Role(RolePart),
    Peering(PeeringPart),
    Member(MemberPart),
    Branch { switch: DatapathId, branch: Branch },
}

/// Which part, among those of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PartName {
    Role { publishes: bool, client: SocketAddr, server: SocketAddr },
    Peering,
    Member(#[serde(with = "text")] Mac),
    Branch(DatapathId),
}

/// A role that a server accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolePart {
    /// It publishes; else it plays.
    pub(crate) publishes: bool,
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    #[serde(with = "text")]
    pub(crate) mac: Mac,
    /// Where the host is.
    pub(crate) at: Option<Attachment>,
    /// Where the segments of client and server enter the fabric.
    pub(crate) ends: [Option<Attachment>; 2],
    /// Higher for the later of two.
    pub(crate) order: u64,
}

/// A peering; its tree is made of the branches that are told by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeeringPart {
    pub(crate) id: u64,
    pub(crate) generation: u32,
    pub(crate) group: Ipv4Addr,
    pub(crate) tag: Tag,
    #[serde(with = "text")]
    pub(crate) broadcaster: Mac,
}

/// A host in a peering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberPart {
    #[serde(with = "text")]
    pub(crate) mac: Mac,
    pub(crate) address: Ipv4Addr,
    pub(crate) at: Attachment,
    pub(crate) alias: Ipv4Addr,
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) joined: bool,
}

impl Part {
    pub(crate) fn name(&self) -> PartName {
        match self {
            Part::Role(role) => {
                let RolePart { publishes, client, server, .. } = *role;
                PartName::Role { publishes, client, server }
            }
            Part::Peering(_) => PartName::Peering,
            Part::Member(member) => PartName::Member(member.mac),
            Part::Branch { switch, .. } => PartName::Branch(*switch),
        }
    }
}

impl RolePart {
    /// The connection, unless its ends are of two families.
    pub(crate) fn connection(&self) -> Option<ConnectionKey> {
        let RolePart { client, server, .. } = *self;
        (client.is_ipv4() == server.is_ipv4()).then_some(ConnectionKey { client, server })
    }
}

/// What is known of a stream.
pub(crate) type Parts = BTreeMap<PartName, Part>;

/// Another controller's streams and links, as far as they were told. Bounded, whatever is told:
///
/// ```
/// use nearcast_fabric::{Limits, Replica};
///
/// let mut replica = Replica::new(&Limits::default());
/// let told = r#"{"link":{"from":"0000000000000001:3","to":"0000000000000002:1","delay_us":null}}"#;
/// assert!(replica.apply(serde_json::from_str(told).unwrap()));
/// assert_eq!((replica.len(), replica.updates().count()), (1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub(crate) links: BTreeMap<Attachment, (Attachment, Option<u64>)>,
    pub(crate) streams: BTreeMap<StreamKey, Parts>,
    /// Parts of all streams.
    parts: usize,
    /// How many there may be of each.
    room: Room,
    refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    links: usize,
    streams: usize,
    parts: usize,
}

impl Replica {
    /// Nothing yet; with room for what a fabric of these limits may have: 64 directions of links
    /// for each switch, three parts for each connection and four for each stream.
    pub fn new(limits: &Limits) -> Replica {
        let room = Room {
            links: limits.switches.saturating_mul(64),
            streams: limits.streams,
            parts: limits
                .connections
                .saturating_mul(3)
                .saturating_add(limits.streams.saturating_mul(4)),
        };
        Replica { links: BTreeMap::new(), streams: BTreeMap::new(), parts: 0, room, refused: 0 }
    }

    /// Takes what was told; `false` if there was no room for it.
    pub fn apply(&mut self, update: Update) -> bool {
        let taken = match update.0 {
            Told::Link { from, to, delay_us } => {
                let room = self.links.len() < self.room.links || self.links.contains_key(&from);
                if room {
                    self.links.insert(from, (to, delay_us));
                }
                room
            }
            Told::Unlink { from } => {
                self.links.remove(&from);
                true
            }
            Told::Part { stream, part } => self.insert(stream, part),
            Told::Gone { stream, name } => {
                if let Some(parts) = self.streams.get_mut(&stream) {
                    self.parts -= usize::from(parts.remove(&name).is_some());
                    if parts.is_empty() {
                        self.streams.remove(&stream);
                    }
                }
                true
            }
        };
        self.refused += u64::from(!taken);
        taken
    }

    fn insert(&mut self, stream: StreamKey, part: Part) -> bool {
        let name = part.name();
        let known = self.streams.get(&stream);
        let is_new = known.is_none_or(|parts| !parts.contains_key(&name));
        let room = known.is_some() || self.streams.len() < self.room.streams;
        if !room || is_new && self.parts >= self.room.parts {
            return false;
        }
        self.parts += usize::from(is_new);
        self.streams.entry(stream).or_default().insert(name, part);
        true
    }

    /// What has to be told to somebody who knows nothing.
    pub fn updates(&self) -> impl Iterator<Item = Update> {
        let link = |(from, (to, delay_us)): (&Attachment, &(Attachment, Option<u64>))| {
            Update(Told::Link { from: *from, to: *to, delay_us: *delay_us })
        };
        let parts = self.streams.iter().flat_map(|(stream, parts)| {
            let told = |part: &Part| Told::Part { stream: stream.clone(), part: part.clone() };
            parts.values().map(move |part| Update(told(part)))
        });
        self.links.iter().map(link).chain(parts)
    }

    /// How many links and parts of streams are known.
    pub fn len(&self) -> usize {
        self.links.len() + self.parts
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many updates found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What must be told so that `stream` is known as `now`.
    pub(crate) fn difference(&self, stream: &StreamKey, now: &Parts) -> Vec<Update> {
        let none = Parts::new();
        let before = self.streams.get(stream).unwrap_or(&none);
        let gone = before.keys().filter(|name| !now.contains_key(name));
        let gone = gone.map(|name| Told::Gone { stream: stream.clone(), name: *name });
        let new = now.iter().filter(|(name, part)| before.get(name) != Some(part));
        let new = new.map(|(_, part)| Told::Part { stream: stream.clone(), part: part.clone() });
        gone.chain(new).map(Update).collect()
    }
}
