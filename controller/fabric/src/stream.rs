//! Streams, who publishes and plays them, and the peering that carries one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use nearcast_machine::Time;
use nearcast_media::{Role, StreamName};
use serde::{Deserialize, Serialize};

use crate::distribution::Tree;
use crate::event::NotNear;
use crate::inspection::ConnectionKey;
use crate::pipeline::{Chunks, PeeredHost};
use crate::{Attachment, DatapathId, Mac, text};

/// Which stream. Streams of one name at two unrelated servers are two streams: else whoever runs a
/// server of his own could slip his stream in under another's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamKey {
    pub(crate) origin: Origin,
    #[serde(with = "text")]
    pub(crate) name: StreamName,
}

/// Where a stream is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// At the CDN, which may have several servers.
    Cdn,
    /// At a server that was learned by its accepting a publisher.
    Server(IpAddr),
}

/// A host with an accepted role, by one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) mac: Mac,
    pub(crate) address: IpAddr,
    pub(crate) server: IpAddr,
    /// Where the server's side of the connection enters the fabric.
    pub(crate) server_at: Option<Attachment>,
    pub(crate) since: Time,
    /// Counts up over all roles: of two publishers the later one is the true one.
    pub(crate) order: u64,
}

impl Holder {
    /// Whether this is the host that takes part as `place`. One that came by IPv6 does so by
    /// another address.
    pub(crate) fn is_at(&self, place: Place) -> bool {
        self.mac == place.mac && (self.address.is_ipv6() || self.address == place.address)
    }
}

/// One stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) publishers: BTreeMap<ConnectionKey, Holder>,
    pub(crate) viewers: BTreeMap<ConnectionKey, Holder>,
    pub(crate) peering: Option<Peering>,
    /// Hosts that declined or never answered, by the connection that was their newest then. A new
    /// connection is a new chance.
    pub(crate) passed_over: BTreeMap<Mac, ConnectionKey>,
    /// The broadcaster and viewers of a peering that was withheld in a dry run, so that it is told
    /// once.
    pub(crate) withheld: Option<(Ipv4Addr, Vec<Ipv4Addr>)>,
    /// Viewers said not to be near, so that each is said once.
    pub(crate) told_not_near: BTreeMap<Mac, NotNear>,
}

impl Stream {
    pub(crate) fn holders(&mut self, role: Role) -> &mut BTreeMap<ConnectionKey, Holder> {
        match role {
            Role::Broadcaster => &mut self.publishers,
            Role::Viewer => &mut self.viewers,
        }
    }

    /// The connection by which the stream comes now.
    pub(crate) fn publisher(&self) -> Option<(&ConnectionKey, &Holder)> {
        self.publishers.iter().max_by_key(|(_, holder)| holder.order)
    }

    /// Each viewing host once, with its newest connection.
    pub(crate) fn viewing(&self) -> BTreeMap<Mac, (&ConnectionKey, &Holder)> {
        let mut hosts: BTreeMap<Mac, (&ConnectionKey, &Holder)> = BTreeMap::new();
        for (connection, holder) in &self.viewers {
            let newest = hosts.entry(holder.mac).or_insert((connection, holder));
            if holder.order > newest.1.order {
                *newest = (connection, holder);
            }
        }
        hosts
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.publishers.is_empty() && self.viewers.is_empty() && self.peering.is_none()
    }

    /// Whether the host of a connection takes part in the peering.
    pub(crate) fn has_joined(&self, connection: ConnectionKey) -> bool {
        let holder = self.viewers.get(&connection).or_else(|| self.publishers.get(&connection));
        holder.zip(self.peering.as_ref()).is_some_and(|(holder, peering)| {
            let viewer = peering.viewers.get(&holder.mac).is_some_and(|member| member.joined);
            let broadcaster = &peering.broadcaster;
            viewer || broadcaster.joined && broadcaster.place.mac == holder.mac
        })
    }

    pub(crate) fn involves(&self, mac: Mac) -> bool {
        self.publishers.values().chain(self.viewers.values()).any(|holder| holder.mac == mac)
    }
}

/// A peering: the broadcaster, the viewers, and the tree of groups that copies from one to the
/// others.
#[derive(Debug, Clone)]
pub(crate) struct Peering {
    pub(crate) id: u64,
    /// Rises whenever the members change.
    pub(crate) generation: u32,
    /// The broadcaster's switch.
    pub(crate) switch: DatapathId,
    pub(crate) group: Ipv4Addr,
    pub(crate) broadcaster: Member,
    pub(crate) viewers: BTreeMap<Mac, Member>,
    pub(crate) trees: Trees,
    /// Aliases that are known at switches other than their host's for this peering's sake.
    pub(crate) routes: BTreeSet<(DatapathId, Ipv4Addr)>,
}

/// The trees of a peering. Chunks take one at a time; it is replaced by another that stands whole
/// before the first chunk goes there.
#[derive(Debug, Clone)]
pub(crate) struct Trees {
    /// The one that chunks take.
    pub(crate) current: Tree,
    /// The one that is being laid, and the switches that have not confirmed it.
    pub(crate) next: Option<(Tree, BTreeSet<DatapathId>)>,
    /// Those that the last chunks may still be under way on.
    pub(crate) draining: Vec<Tree>,
}

impl Trees {
    pub(crate) fn new(current: Tree) -> Trees {
        Trees { current, next: None, draining: Vec::new() }
    }

    /// The trees that chunks take now or next.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Tree> {
        std::iter::once(&self.current).chain(self.next.as_ref().map(|(tree, _)| tree))
    }
}

impl Peering {
    pub(crate) fn chunks(&self) -> Chunks {
        Chunks { id: self.id, from: self.broadcaster.alias, to: self.group }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.broadcaster).chain(self.viewers.values())
    }

    pub(crate) fn member(&mut self, mac: Mac) -> Option<(Role, &mut Member)> {
        if self.broadcaster.place.mac == mac {
            return Some((Role::Broadcaster, &mut self.broadcaster));
        }
        self.viewers.get_mut(&mac).map(|member| (Role::Viewer, member))
    }
}

/// Where a host is and by which address it takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) mac: Mac,
    pub(crate) address: Ipv4Addr,
    pub(crate) at: Attachment,
}

impl Place {
    pub(crate) fn known_as(self, alias: Ipv4Addr) -> PeeredHost {
        PeeredHost { mac: self.mac, address: self.address, port: self.at.port, alias }
    }
}

/// A host in a peering.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) place: Place,
    pub(crate) alias: Ipv4Addr,
    /// The connection that gave it the role, when it was invited.
    pub(crate) connection: ConnectionKey,
    /// When its role was accepted.
    pub(crate) since: Time,
    /// It took its part.
    pub(crate) joined: bool,
    /// The generation it was first offered: an answer to an earlier one is not to this offer.
    pub(crate) first_generation: u32,
    /// Since when an offer waits for its answer.
    pub(crate) unanswered: Option<Time>,
    /// Offers sent since then.
    pub(crate) tries: u32,
}
