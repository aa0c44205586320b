//! Which peerings there should be, and making them so.
//!
//! Whatever happens (a role begins or ends, a host moves, a link or port goes, somebody declines),
//! the streams concerned are *reconsidered*: what should be is worked out from roles, places and
//! paths, and compared with what is. No order of events needs a case of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nearcast_machine::Time;
use nearcast_media::Role;
use nearcast_media::peering::Reason;
use rand::RngCore;

use crate::distribution::{Branch, Tree};
use crate::event::{Limit, NotNear, PeeringAddresses, Withdrawal};
use crate::fabric::{Fabric, Timer};
use crate::inspection::ConnectionKey;
use crate::stream::{Holder, Member, Peering, Place, Stream, StreamKey, Trees};
use crate::switch::{Concern, Then};
use crate::{DatapathId, Event, Mac, pipeline};

/// A host that should be in a peering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    connection: ConnectionKey,
    since: Time,
}

/// The peering a stream should have.
#[derive(Debug)]
struct Wanted {
    broadcaster: Candidate,
    viewers: BTreeMap<Mac, Candidate>,
}

impl Fabric {
    /// Reconsiders every stream in which a host has a role.
    pub(crate) fn reconsider_host(&mut self, mac: Mac) {
        let concerned = |stream: &Stream| stream.involves(mac);
        let keys: Vec<_> =
            self.streams.iter().filter(|(_, s)| concerned(s)).map(|(k, _)| k.clone()).collect();
        for key in keys {
            self.reconsider(&key);
        }
    }

    /// Reconsiders every stream.
    pub(crate) fn reconsider_all(&mut self) {
        let keys: Vec<_> = self.streams.keys().cloned().collect();
        for key in keys {
            self.reconsider(&key);
        }
    }

    /// Brings a stream's peering to what it should be.
    pub(crate) fn reconsider(&mut self, key: &StreamKey) {
        self.stream_changed(key);
        let wanted = self.wanted(key);
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(peering) = &stream.peering {
            let place = peering.broadcaster.place;
            if wanted.as_ref().is_none_or(|wanted| wanted.broadcaster.place != place) {
                let why = self.why_ended(key);
                self.end_peering(key, why);
            }
        }
        if let Some(wanted) = wanted {
            let exists = self.streams.get(key).is_some_and(|stream| stream.peering.is_some());
            if exists || self.form(key, &wanted.broadcaster) {
                self.update_viewers(key, &wanted.viewers);
            }
        }
        if self.streams.get(key).is_some_and(Stream::is_unused) {
            self.streams.remove(key);
        }
    }

    /// What should be; `None` if no peering should.
    fn wanted(&mut self, key: &StreamKey) -> Option<Wanted> {
        let stream = self.streams.get(key)?;
        let (connection, publisher) = stream.publisher()?;
        let broadcaster = self.candidate(stream, *connection, publisher);
        let mut viewers = BTreeMap::new();
        let mut not_near = BTreeMap::new();
        for (mac, (connection, holder)) in stream.viewing() {
            let Some(viewer) = self.candidate(stream, *connection, holder) else { continue };
            let Some(broadcaster) = broadcaster else { continue };
            let near = || {
                let viewer = viewer?;
                self.nearness(&broadcaster?, publisher, &viewer, holder)?;
                Ok(viewer)
            };
            match near() {
                Ok(viewer) => drop(viewers.insert(mac, viewer)),
                Err(reason) => drop(not_near.insert(mac, (holder.address, reason))),
            }
        }
        let name = key.name.clone();
        for (mac, (viewer, reason)) in &not_near {
            let stream = self.streams.get_mut(key)?;
            if stream.told_not_near.insert(*mac, *reason) != Some(*reason) {
                let (stream, viewer, reason) = (name.clone(), *viewer, *reason);
                self.event(Event::NotNear { stream, viewer, reason });
            }
        }
        let stream = self.streams.get_mut(key)?;
        stream.told_not_near.retain(|mac, _| not_near.contains_key(mac));
        let broadcaster = broadcaster.and_then(Result::ok).filter(|_| !viewers.is_empty());
        if self.config.observe_only {
            self.withhold(key, broadcaster.as_ref(), &viewers);
            return None;
        }
        Some(Wanted { broadcaster: broadcaster?, viewers })
    }

    /// Tells of the peering that there would be.
    fn withhold(
        &mut self,
        key: &StreamKey,
        broadcaster: Option<&Candidate>,
        viewers: &BTreeMap<Mac, Candidate>,
    ) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let addresses = viewers.values().map(|viewer| viewer.place.address).collect();
        let withheld = broadcaster.map(|broadcaster| (broadcaster.place.address, addresses));
        if std::mem::replace(&mut stream.withheld, withheld.clone()) == withheld {
            return;
        }
        if let Some((broadcaster, viewers)) = withheld {
            let stream = key.name.clone();
            self.event(Event::PeeringWithheld { stream, broadcaster, viewers });
        }
    }

    /// Where a holder of a role is, unless that is not known or it was passed over. Virtual
    /// addresses are of IPv4, so one that came by IPv6 takes part by the IPv4 address that it
    /// showed last.
    fn candidate(
        &self,
        stream: &Stream,
        connection: ConnectionKey,
        holder: &Holder,
    ) -> Option<Result<Candidate, NotNear>> {
        let host = self.hosts.host(holder.mac)?;
        if stream.passed_over.get(&holder.mac) == Some(&connection) {
            return None;
        }
        let shown = host.addresses.iter().rev();
        let address =
            [&holder.address].into_iter().chain(shown).find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            });
        let candidate = |address| {
            let place = Place { mac: holder.mac, address, at: host.at };
            Candidate { place, connection, since: holder.since }
        };
        Some(address.map(candidate).ok_or(NotNear::NoIpv4))
    }

    /// Why the peering that a stream has is not the one that it should have.
    fn why_ended(&self, key: &StreamKey) -> Withdrawal {
        let Some(stream) = self.streams.get(key) else { return Withdrawal::Unpublished };
        let Some((_, publisher)) = stream.publisher() else { return Withdrawal::Unpublished };
        let Some(peering) = &stream.peering else { return Withdrawal::NoViewers };
        let place = peering.broadcaster.place;
        if !publisher.is_at(place) {
            return Withdrawal::Unpublished;
        }
        if self.hosts.host(place.mac).is_none_or(|host| host.at != place.at) {
            return Withdrawal::Moved;
        }
        Withdrawal::NoViewers
    }

    /// Begins a peering without viewers; `false` if it cannot be.
    fn form(&mut self, key: &StreamKey, broadcaster: &Candidate) -> bool {
        let switch = broadcaster.place.at.switch;
        if !self.has_room_for_group(switch) {
            self.limit_reached(Limit::GroupsPerSwitch);
            return false;
        }
        let Some((group, tag)) = self.pool.allocate().zip(self.tags.allocate()) else {
            self.limit_reached(Limit::VirtualAddresses);
            return false;
        };
        let id = self.rng.next_u64();
        let concern = Concern::Peering(key.clone(), id);
        let generation = self.config.incarnation;
        let Some(member) = self.invite(&concern, broadcaster, generation) else {
            self.pool.release(group);
            self.tags.release(tag);
            return false;
        };
        let (alias, port) = (member.alias, member.place.at.port);
        let branches = [(switch, Branch::default())].into();
        let peering = Peering {
            id,
            generation,
            switch,
            group,
            broadcaster: member,
            viewers: BTreeMap::new(),
            trees: Trees::new(Tree { tag, branches }),
            routes: BTreeSet::new(),
        };
        let chunks = peering.chunks();
        let Some(stream) = self.streams.get_mut(key) else { return false };
        stream.peering = Some(peering);
        self.peerings.insert(id, key.clone());
        self.event(Event::PeeringFormed {
            stream: key.name.clone(),
            broadcaster: broadcaster.place.address,
            switch,
            volatile: PeeringAddresses { group, broadcaster: alias },
        });
        // The group comes before what leads to it; all of it before the offers.
        self.write_groups(key);
        self.barrier(switch);
        self.set_entry(switch, &concern, chunks.at_broadcaster(port));
        self.after_barrier(switch, Then::Offer(key.clone(), id, broadcaster.place.mac));
        true
    }

    /// Admits a host under its alias.
    fn invite(&mut self, concern: &Concern, host: &Candidate, generation: u32) -> Option<Member> {
        let Some((alias, _)) = self.aliases.take(host.place, &mut self.pool) else {
            self.limit_reached(Limit::VirtualAddresses);
            return None;
        };
        let peered = host.place.known_as(alias);
        let range = self.config.virtual_range;
        self.set_entry(host.place.at.switch, concern, pipeline::alias(&peered, range));
        self.set_entry(host.place.at.switch, concern, pipeline::admission(&peered, range));
        Some(Member {
            place: host.place,
            alias,
            connection: host.connection,
            since: host.since,
            joined: false,
            first_generation: generation,
            unanswered: None,
            tries: 0,
        })
    }

    /// Adds and removes viewers.
    fn update_viewers(&mut self, key: &StreamKey, wanted: &BTreeMap<Mac, Candidate>) {
        let Some(peering) = self.streams.get(key).and_then(|s| s.peering.as_ref()) else { return };
        let id = peering.id;
        let leaving: Vec<_> = peering
            .viewers
            .values()
            .filter(|viewer| {
                wanted.get(&viewer.place.mac).is_none_or(|wanted| wanted.place != viewer.place)
            })
            .map(|viewer| viewer.place)
            .collect();
        for place in leaving {
            let why = self.why_left(key, place);
            self.withdraw_viewer(key, place.mac, why);
        }
        let concern = Concern::Peering(key.clone(), id);
        for (mac, candidate) in wanted {
            let Some(peering) = self.peering(key) else { return };
            if let Some(member) = peering.viewers.get_mut(mac) {
                member.connection = candidate.connection;
                continue;
            }
            if peering.viewers.len() >= self.config.limits.viewers {
                self.limit_reached(Limit::Viewers);
                break;
            }
            let switch = candidate.place.at.switch;
            let Some(peering) = self.peering(key) else { return };
            let here = peering.viewers.values().filter(|viewer| viewer.place.at.switch == switch);
            if here.count() >= pipeline::VIEWERS_AT_SWITCH {
                self.limit_reached(Limit::Viewers);
                continue;
            }
            let generation = peering.generation;
            let Some(member) = self.invite(&concern, candidate, generation) else { break };
            if let Some(peering) = self.peering(key) {
                peering.viewers.insert(*mac, member);
            }
            self.route_aliases(key);
            self.after_barrier(switch, Then::Offer(key.clone(), id, *mac));
        }
        // Whoever was there all along may be reached by another way.
        self.route_chunks(key);
    }

    fn why_left(&self, key: &StreamKey, place: Place) -> Withdrawal {
        let viewing = self
            .streams
            .get(key)
            .is_some_and(|stream| stream.viewers.values().any(|holder| holder.is_at(place)));
        if !viewing {
            Withdrawal::Stopped
        } else if self.hosts.host(place.mac).is_none_or(|host| host.at != place.at) {
            Withdrawal::Moved
        } else {
            Withdrawal::NotNear
        }
    }

    pub(crate) fn peering(&mut self, key: &StreamKey) -> Option<&mut Peering> {
        self.stream_changed(key);
        self.streams.get_mut(key)?.peering.as_mut()
    }

    /// Takes a viewer out of a peering: its bucket first, then it is told, then it is no longer
    /// admitted.
    pub(crate) fn withdraw_viewer(&mut self, key: &StreamKey, mac: Mac, why: Withdrawal) {
        let Some(peering) = self.peering(key) else { return };
        let Some(member) = peering.viewers.remove(&mac) else { return };
        let (id, generation) = (peering.id, peering.generation);
        // Should it come back, its next offer is newer than this withdrawal.
        peering.generation += 1;
        if member.joined {
            self.write_groups(key);
            self.route_chunks(key);
        }
        self.route_aliases(key);
        self.dismiss(key, (id, generation), Role::Viewer, &member, why);
    }

    /// Ends a peering for all its members.
    pub(crate) fn end_peering(&mut self, key: &StreamKey, why: Withdrawal) {
        self.stream_changed(key);
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(peering) = stream.peering.take() else { return };
        self.clear_chunks(key, &peering);
        for (switch, alias) in &peering.routes {
            self.unroute_alias(*switch, *alias);
        }
        let Peering { id, generation, group, broadcaster, viewers, .. } = peering;
        for viewer in viewers.values() {
            self.dismiss(key, (id, generation), Role::Viewer, viewer, why);
        }
        self.dismiss(key, (id, generation), Role::Broadcaster, &broadcaster, why);
        self.pool.release(group);
        self.peerings.remove(&id);
        self.event(Event::PeeringEnded { stream: key.name.clone(), reason: why });
    }

    /// Tells a member that it is out, and forgets its alias if this was its last part.
    fn dismiss(
        &mut self,
        key: &StreamKey,
        offer: (u64, u32),
        role: Role,
        member: &Member,
        why: Withdrawal,
    ) {
        self.agenda.cancel(&Timer::Offer(key.clone(), member.place.mac));
        self.send_withdraw(offer, member, reason(why));
        let place = member.place;
        if let Some(alias) = self.aliases.give_back(place, &mut self.pool) {
            let peered = place.known_as(alias);
            let range = self.config.virtual_range;
            for (key, _) in [pipeline::admission(&peered, range), pipeline::alias(&peered, range)] {
                self.remove_entry(place.at.switch, &Concern::Common, &key);
            }
        }
        let (stream, host) = (key.name.clone(), place.address);
        self.event(Event::Withdrawn { stream, role, host, reason: why });
    }

    /// A switch refused something of a peering. If it is the broadcaster's, the stream is left to
    /// the CDN; if it is another, the tree goes round it, and its own viewers are left to the CDN.
    pub(crate) fn peering_refused(&mut self, key: &StreamKey, peering: u64, by: DatapathId) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(current) = stream.peering.as_ref().filter(|current| current.id == peering) else {
            return;
        };
        if current.switch == by {
            let broadcaster = &current.broadcaster;
            stream.passed_over.insert(broadcaster.place.mac, broadcaster.connection);
            self.end_peering(key, Withdrawal::Unsupported);
        } else if let Some(switch) = self.switches.get_mut(&by) {
            switch.refuses_peerings = true;
        }
        self.reconsider(key);
    }
}

/// What a peer is told.
fn reason(why: Withdrawal) -> Reason {
    match why {
        Withdrawal::Unpublished => Reason::Unpublished,
        Withdrawal::Stopped | Withdrawal::NoViewers => Reason::Stopped,
        Withdrawal::Moved | Withdrawal::NotNear => Reason::Moved,
        Withdrawal::Silent | Withdrawal::Declined => Reason::Silent,
        Withdrawal::Unsupported => Reason::Unsupported,
    }
}
