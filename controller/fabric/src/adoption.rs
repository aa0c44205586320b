//! Going on with another controller's streams.
//!
//! At a takeover there is a [`Replica`] of what the master before meant, and there are the
//! switches, which hold what it did. The replica is turned into streams, roles and peerings
//! *before* the switches are read, so that what they hold is compared with that, and what is right
//! stays untouched. **About entries the switches are right**: whoever has a bucket has joined, and
//! who has none has not, whatever the replica says; it may lack the last moments. About what
//! entries mean the replica is.
//!
//! The replica came from elsewhere. What does not fit (an address that is not virtual, a tree that
//! is none, more than there may be) is left out; what is wrong about hosts and links shows as it
//! would have without a takeover.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_machine::Span;
use nearcast_media::Role;
use nearcast_media::rtmp::Side;

use crate::distribution::{Branch, Branches, Tree};
use crate::entry::Group;
use crate::event::Limit;
use crate::fabric::{Fabric, Timer};
use crate::hosts::Learned;
use crate::inspection::ConnectionKey;
use crate::replica::{MemberPart, Part, PartName, Parts, PeeringPart, Replica, RolePart};
use crate::stream::{Holder, Member, Origin, Peering, Place, StreamKey, Trees};
use crate::switch::{Concern, Then};
use crate::{Attachment, DatapathId, Event, Mac, pipeline};

/// No link is longer.
const LONGEST: Span = Span::from_secs(60);
/// Generations above this are left to those who come after: they only rise.
const HIGHEST_GENERATION: u32 = u32::MAX / 4 * 3;
/// Members are offered their part anew this long after their switch was read: theirs may run out
/// soon.
const RENEW: Span = Span::from_millis(200);

impl Fabric {
    /// Takes over what another controller told. The switches that are connected are being read.
    pub(crate) fn adopt(&mut self, replica: Replica) {
        if replica.refused() > 0 {
            self.limit_reached(Limit::Replica);
        }
        for (from, (to, delay_us)) in &replica.links {
            self.adopt_link(*from, *to, delay_us.map(Span::from_micros));
        }
        let roles = |parts: &Parts| -> Vec<RolePart> {
            let role = |part: &Part| match part {
                Part::Role(role) => Some(*role),
                _ => None,
            };
            parts.values().filter_map(role).collect()
        };
        // In the order in which they were accepted, which is told anew.
        let of = |(key, parts)| roles(parts).into_iter().map(move |role| (role.order, key, role));
        let mut all: Vec<(u64, &StreamKey, RolePart)> =
            replica.streams.iter().flat_map(of).collect();
        all.sort_by_key(|(order, ..)| *order);
        for (_, key, role) in all {
            self.adopt_role(key, &role);
        }
        for (key, parts) in &replica.streams {
            if self.streams.contains_key(key) && !self.config.observe_only {
                self.adopt_peering(key, parts);
            }
            self.stream_changed(key);
        }
        self.links_changed();
    }

    fn adopt_link(&mut self, from: Attachment, to: Attachment, delay: Option<Span>) {
        if from == to || !self.know_switch(from.switch) || !self.know_switch(to.switch) {
            return;
        }
        self.topology.link_seen(from, to, self.now);
        if let Some(delay) = delay.filter(|delay| *delay <= LONGEST) {
            self.topology.measured(from, delay);
        }
        self.event(Event::Link { from, to, up: true });
        self.link_end_changed(from);
        self.link_end_changed(to);
    }

    fn adopt_role(&mut self, key: &StreamKey, part: &RolePart) {
        let Some(connection) = part.connection() else { return };
        let role = if part.publishes { Role::Broadcaster } else { Role::Viewer };
        let room = self.streams.len() < self.config.limits.streams;
        let of_host = self.roles_of.get(&part.mac).copied().unwrap_or(0);
        let known = part.ends.iter().flatten().chain(&part.at);
        let switches: BTreeSet<_> = known.map(|at| at.switch).collect();
        // Without that end its end would not be heard of.
        let Some(client_at) = part.ends[0] else { return };
        if !(room || self.streams.contains_key(key))
            || of_host >= self.config.limits.roles_per_host
            || !switches.into_iter().all(|switch| self.know_switch(switch))
            || !self.inspection.adopt(self.now, connection, part.mac, part.ends, (role, &key.name))
        {
            self.limit_reached(Limit::Replica);
            return;
        }
        // Its entries are there already, or gone while nobody listened: then they are made again,
        // fall idle and so show that it is over.
        let ConnectionKey { client, server } = connection;
        let ends = [(Some(client_at), client, server), (part.ends[1], server, client)];
        for (at, from, to) in ends {
            if let Some(at) = at {
                self.set_entry(at.switch, &Concern::Common, pipeline::bypass(from, to));
            }
        }
        if let Some(at) = part.at {
            self.adopt_host(part.mac, connection, at);
        }
        if let Origin::Server(server) = key.origin {
            self.learned_cdn.insert(server);
        }
        self.roles_seen += 1;
        let holder = Holder {
            mac: part.mac,
            address: connection.client.ip(),
            server: connection.server.ip(),
            server_at: self.inspection.enters_at(connection, Side::Server),
            since: self.now,
            order: self.roles_seen,
        };
        self.streams.entry(key.clone()).or_default().holders(role).insert(connection, holder);
        *self.roles_of.entry(part.mac).or_default() += 1;
    }

    /// Learns a host where the other controller knew it. Which ports are up will be known when the
    /// switch has been read.
    fn adopt_host(&mut self, mac: Mac, connection: ConnectionKey, at: Attachment) {
        let ours = mac == self.config.virtual_range.mac() || pipeline::is_tag(mac);
        if mac.is_multicast() || ours || self.topology.is_trunk(at) {
            return;
        }
        let address = Some(connection.client.ip());
        if let Learned::New { .. } = self.hosts.learn(self.now, mac, address, at) {
            self.event(Event::HostLearned { mac, address, at });
            self.forward_host(mac);
        }
    }

    fn adopt_peering(&mut self, key: &StreamKey, parts: &Parts) {
        let Some(Part::Peering(peering)) = parts.get(&PartName::Peering) else {
            return;
        };
        let mut members = BTreeMap::new();
        let mut branches = Branches::new();
        for part in parts.values() {
            match part {
                Part::Member(member) => drop(members.insert(member.mac, *member)),
                Part::Branch { switch, branch } => drop(branches.insert(*switch, branch.clone())),
                Part::Role(_) | Part::Peering(_) => {}
            }
        }
        if let Some(adopted) = self.rebuild(peering, members, branches) {
            self.install(key, adopted);
        }
    }

    /// A peering as it was told; `None` if it cannot be.
    fn rebuild(
        &mut self,
        told: &PeeringPart,
        mut members: BTreeMap<Mac, MemberPart>,
        branches: Branches,
    ) -> Option<Peering> {
        let root = members.get(&told.broadcaster)?.at.switch;
        let sound = told.generation < HIGHEST_GENERATION && !self.peerings.contains_key(&told.id);
        if !sound || !self.know_switch(root) || !self.has_room_for_group(root) {
            return None;
        }
        let (tag, branches) = if self.is_tree(root, &branches) && self.tags.reserve(told.tag) {
            (told.tag, branches)
        } else {
            // Another is laid as soon as the switches are there.
            (self.tags.allocate()?, [(root, Branch::default())].into())
        };
        if !self.pool.reserve(told.group) {
            self.tags.release(tag);
            return None;
        }
        // Above all that was offered before, and so new to every member.
        let generation = self.config.incarnation.min(HIGHEST_GENERATION).max(told.generation + 1);
        let part = members.remove(&told.broadcaster)?;
        let Some(broadcaster) = self.adopt_member(&part, generation) else {
            self.pool.release(told.group);
            self.tags.release(tag);
            return None;
        };
        let mut viewers = BTreeMap::new();
        for (mac, part) in members.into_iter().take(self.config.limits.viewers) {
            if let Some(member) = self.adopt_member(&part, generation) {
                viewers.insert(mac, member);
            }
        }
        Some(Peering {
            id: told.id,
            generation,
            switch: root,
            group: told.group,
            broadcaster,
            viewers,
            trees: Trees::new(Tree { tag, branches }),
            routes: BTreeSet::new(),
        })
    }

    fn adopt_member(&mut self, part: &MemberPart, generation: u32) -> Option<Member> {
        let place = Place { mac: part.mac, address: part.address, at: part.at };
        if !self.know_switch(part.at.switch)
            || !self.aliases.adopt(place, part.alias, &mut self.pool)
        {
            return None;
        }
        Some(Member {
            place,
            alias: part.alias,
            connection: ConnectionKey { client: part.client, server: part.server },
            since: self.now,
            joined: part.joined,
            first_generation: generation,
            unanswered: None,
            tries: 0,
        })
    }

    /// Whether branches are a tree from `root` along links that are known: chunks that took
    /// anything else could turn in a loop.
    fn is_tree(&self, root: DatapathId, branches: &Branches) -> bool {
        let mut entered = BTreeSet::from([root]);
        let mut walk = vec![root];
        while let Some(switch) = walk.pop() {
            let Some(branch) = branches.get(&switch) else { return false };
            for port in &branch.to {
                let to = self.topology.other_end(Attachment { switch, port: *port });
                let Some(to) = to.filter(|to| entered.insert(to.switch)) else { return false };
                let from = branches.get(&to.switch).and_then(|branch| branch.from);
                if from != Some(to.port) {
                    return false;
                }
                walk.push(to.switch);
            }
        }
        entered.len() == branches.len() && branches[&root].from.is_none()
    }

    /// Wants what an adopted peering needs on its switches.
    fn install(&mut self, key: &StreamKey, peering: Peering) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let (id, switch, chunks) = (peering.id, peering.switch, peering.chunks());
        let port = peering.broadcaster.place.at.port;
        let broadcaster = peering.broadcaster.place.address;
        let viewers = peering.viewers.len();
        let members: Vec<_> = peering.members().map(|m| (m.place, m.alias)).collect();
        stream.peering = Some(peering);
        self.peerings.insert(id, key.clone());
        let concern = Concern::Peering(key.clone(), id);
        let range = self.config.virtual_range;
        for (place, alias) in members {
            let (at, peered) = (place.at.switch, place.known_as(alias));
            self.set_entry(at, &concern, pipeline::alias(&peered, range));
            self.set_entry(at, &concern, pipeline::admission(&peered, range));
            self.adopted.insert(at);
            self.after_barrier(at, Then::Offer(key.clone(), id, place.mac));
        }
        self.write_groups(key);
        self.set_entry(switch, &concern, chunks.at_broadcaster(port));
        self.route_aliases(key);
        let stream = key.name.clone();
        self.event(Event::PeeringAdopted { stream, broadcaster, switch, viewers });
    }

    /// A switch told which groups it holds, for the first time since the takeover: who has a bucket
    /// has joined. A group that the switch lost says nothing, and is put back.
    pub(crate) fn believe_buckets(&mut self, id: DatapathId, groups: &BTreeMap<u32, Group>) {
        if !self.adopted.remove(&id) {
            return;
        }
        let range = self.config.virtual_range;
        let keys: Vec<_> = self.streams.keys().cloned().collect();
        for key in keys {
            let Some(peering) = self.peering(&key) else { continue };
            if !peering.members().any(|member| member.place.at.switch == id) {
                continue;
            }
            let group = if peering.switch == id {
                pipeline::group_id(peering.group)
            } else {
                pipeline::branch_group_id(peering.trees.current.tag)
            };
            let (address, found) = (peering.group, groups.get(&group));
            let mut there: Vec<Mac> = Vec::new();
            let here = |member: &&mut Member| member.place.at.switch == id;
            for viewer in peering.viewers.values_mut().filter(here) {
                let bucket = pipeline::bucket(&viewer.place.known_as(viewer.alias), address, range);
                viewer.joined =
                    found.map_or(viewer.joined, |group| group.copies().contains(&bucket));
                there.extend(viewer.joined.then_some(viewer.place.mac));
            }
            let broadcaster = &peering.broadcaster;
            there.extend(
                (broadcaster.joined && peering.switch == id).then_some(broadcaster.place.mac),
            );
            for mac in there {
                self.agenda.set(Timer::Offer(key.clone(), mac), self.now + RENEW);
            }
            self.write_groups(&key);
        }
    }
}
