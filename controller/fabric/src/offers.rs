//! Offers, answers, renewals and withdrawals.

use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::Span;
use nearcast_media::Role;
use nearcast_media::peering::{self, Answer, Message, Offer, Reason, Withdraw};

use crate::event::{SetupTime, Withdrawal};
use crate::fabric::{Fabric, Timer};
use crate::frame::{Arp, udp_frame};
use crate::stream::{Member, Place, StreamKey};
use crate::switch::Switch;
use crate::{Attachment, Event, Mac};

/// Time between the first offers to a host that does not answer, and how many of them there are.
const EAGER: Span = Span::from_millis(200);
const EAGER_TRIES: u32 = 5;
/// Time between the later ones.
const PATIENT: Span = Span::from_secs(1);

impl Fabric {
    /// The switch confirmed what a member needs: it can be offered its part.
    pub(crate) fn installed(&mut self, key: &StreamKey, id: u64, mac: Mac) {
        let now = self.now;
        let Some(peering) = self.peering(key).filter(|peering| peering.id == id) else { return };
        let Some((role, member)) = peering.member(mac) else { return };
        if member.unanswered.is_some() || member.joined {
            // Confirmed again after the switch came back.
            return;
        }
        let (host, since) = (member.place.address, member.since);
        let volatile = SetupTime::of(now.since(since));
        self.event(Event::Offered { stream: key.name.clone(), role, host, volatile });
        self.introduce(key, mac);
        self.offer(key, mac);
    }

    /// Makes a new member and those it will exchange chunks with known to each other, so that none
    /// has to ask for a virtual address first: by ARP requests from those addresses, as a host
    /// keeps who asked it (RFC 826, "Packet Reception"). Else the first word to every address would
    /// wait for a round trip to the switch, in both directions, while somebody waits for a picture.
    fn introduce(&mut self, key: &StreamKey, mac: Mac) {
        let holders = self.holders(key, mac);
        let controller = self.config.virtual_range.controller();
        let Some(peering) = self.peering(key) else { return };
        let group = peering.group;
        let Some((role, member)) = peering.member(mac) else { return };
        let (place, alias) = (member.place, member.alias);
        self.make_known(controller, place);
        if role == Role::Broadcaster {
            self.make_known(group, place);
        }
        for holder in holders {
            self.make_known(holder, place);
            if let Some(other) = self.aliases.place(holder) {
                self.make_known(alias, other);
            }
        }
    }

    /// Tells a host where a virtual address is.
    fn make_known(&mut self, address: Ipv4Addr, to: Place) {
        let mac = self.config.virtual_range.mac();
        let request = Arp {
            request: true,
            sender_mac: mac,
            sender: address,
            target_mac: Mac([0; 6]),
            target: to.address,
        };
        self.frame_out(to.at, request.frame(mac, to.mac));
    }

    /// A member's timer: it is offered its part again or anew, or given up.
    pub(crate) fn offer_due(&mut self, key: &StreamKey, mac: Mac) {
        let (now, lease) = (self.now, self.config.lease);
        let Some(peering) = self.peering(key) else { return };
        let Some((role, member)) = peering.member(mac) else { return };
        let switch = member.place.at.switch;
        let waited = member.unanswered.map_or(Span::ZERO, |since| now.since(since));
        if !self.switches.get(&switch).is_some_and(Switch::is_live) {
            // Nobody can be reached; nobody is blamed for that.
            if let Some((_, member)) = self.peering(key).and_then(|peering| peering.member(mac)) {
                member.unanswered = None;
                member.tries = 0;
            }
            self.agenda.set(Timer::Offer(key.clone(), mac), now + PATIENT);
            return;
        }
        if waited >= lease {
            self.part(key, mac, role, Withdrawal::Silent);
            return;
        }
        self.offer(key, mac);
    }

    /// Sends an offer and sets the time of the next.
    fn offer(&mut self, key: &StreamKey, mac: Mac) {
        let (now, lease) = (self.now, self.config.lease);
        let holders = self.holders(key, mac);
        let Some(peering) = self.peering(key) else { return };
        let (id, generation, group) = (peering.id, peering.generation, peering.group);
        let Some((role, member)) = peering.member(mac) else { return };
        member.unanswered.get_or_insert(now);
        member.tries = member.tries.saturating_add(1);
        let again = if member.tries < EAGER_TRIES { EAGER } else { PATIENT };
        let (place, alias) = (member.place, member.alias);
        let stream = key.name.clone();
        let offer = Offer { peering: id, generation, stream, role, group, alias, holders, lease };
        self.tell(place, &Message::Offer(offer));
        self.agenda.set(Timer::Offer(key.clone(), mac), now + again);
    }

    /// Who has the stream, for one member: viewers that joined, nearest first, and the broadcaster.
    fn holders(&mut self, key: &StreamKey, of: Mac) -> Vec<Ipv4Addr> {
        let Some(peering) = self.streams.get(key).and_then(|s| s.peering.as_ref()) else {
            return Vec::new();
        };
        let broadcaster = &peering.broadcaster;
        let Some(at) = peering.viewers.get(&of).map(|member| member.place.at) else {
            return Vec::new(); // the broadcaster itself has it first
        };
        let others = peering.viewers.values().filter(|v| v.joined && v.place.mac != of);
        let mut near: Vec<_> = others
            .map(|viewer| {
                let distance = self.topology.distance(at, viewer.place.at);
                let delay = distance.and_then(|d| d.delay).unwrap_or(Span::MAX);
                (delay, distance.map_or(u64::MAX, |d| d.hops), viewer.alias)
            })
            .collect();
        near.sort_unstable();
        let mut holders: Vec<_> = near.into_iter().map(|(_, _, alias)| alias).collect();
        holders.truncate(peering::HOLDERS_MAX - 1);
        holders.push(broadcaster.alias);
        holders
    }

    /// A peer's answer arrived, from the host that goes by `alias`.
    pub(crate) fn answered(&mut self, alias: Ipv4Addr, at: Attachment, answer: Answer) {
        let Some(place) = self.aliases.place(alias).filter(|place| place.at == at) else { return };
        let now = self.now;
        self.hosts.heard(now, place.mac);
        let key = self.peerings.get(&answer.peering).cloned();
        let Some(key) = key else {
            // It missed the withdrawal.
            let Answer { peering, generation, .. } = answer;
            let reason = Reason::Stopped;
            self.tell(place, &Message::Withdraw(Withdraw { peering, generation, reason }));
            return;
        };
        let lease = self.config.lease;
        let Some(peering) = self.peering(&key) else { return };
        let current = peering.generation;
        let Some((role, member)) = peering.member(place.mac) else { return };
        let in_time = (member.first_generation..=current).contains(&answer.generation);
        if role != answer.role || member.place != place || !in_time {
            return;
        }
        if !answer.accept {
            let (stream, host) = (key.name.clone(), place.address);
            self.event(Event::Declined { stream, role, host });
            self.part(&key, place.mac, role, Withdrawal::Declined);
            return;
        }
        let first = !std::mem::replace(&mut member.joined, true);
        let since = member.since;
        member.unanswered = None;
        member.tries = 0;
        self.agenda.set(Timer::Offer(key.clone(), place.mac), now + lease / 3);
        if first {
            if role == Role::Viewer {
                if let Some(peering) = self.peering(&key) {
                    peering.generation += 1;
                }
                self.write_groups(&key);
                self.route_chunks(&key);
            }
            let (stream, host) = (key.name.clone(), place.address);
            let volatile = SetupTime::of(now.since(since));
            self.event(Event::Joined { stream, role, host, volatile });
        }
    }

    /// A member is out of its own doing, until it opens another connection.
    fn part(&mut self, key: &StreamKey, mac: Mac, role: Role, why: Withdrawal) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let newest = match role {
            Role::Broadcaster => stream.publisher().map(|(connection, _)| *connection),
            Role::Viewer => stream.viewing().get(&mac).map(|(connection, _)| **connection),
        };
        if let Some(connection) = newest {
            stream.passed_over.insert(mac, connection);
        }
        match role {
            Role::Broadcaster => self.end_peering(key, why),
            Role::Viewer => self.withdraw_viewer(key, mac, why),
        }
        self.reconsider(key);
    }

    /// Takes back what a member was offered, up to a generation.
    pub(crate) fn send_withdraw(
        &mut self,
        (peering, generation): (u64, u32),
        member: &Member,
        reason: Reason,
    ) {
        let withdraw = Withdraw { peering, generation, reason };
        self.tell(member.place, &Message::Withdraw(withdraw));
    }

    /// Sends a host a datagram from the controller's alias, which nobody else can send from.
    fn tell(&mut self, place: Place, message: &Message) {
        let range = self.config.virtual_range;
        let from = (range.mac(), SocketAddrV4::new(range.controller(), peering::PORT));
        let to = (place.mac, SocketAddrV4::new(place.address, peering::PORT));
        let frame = udp_frame(from, to, &message.encode());
        self.frame_out(place.at, frame);
    }
}
