//! What comes in, and whom it is believed from.

use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::{Span, Time};
use nearcast_media::peering::{Offer, PORT, Withdraw};
use nearcast_media::{Followed, Unit};
use rand::Rng as _;

use super::join::{Fetching, Join};
use super::{Cause, CdnState, Event, Output, Path, Viewer, Way};
use crate::groups::Groups;
use crate::head::UNIT_MAX;
use crate::headers::Headers;
use crate::membership::Offered;
use crate::serve;
use crate::store::{Inserted, Missing, Store};
use crate::wire::{Chunk, Datagram, Index, Lack, Token};

/// How long to wait at most before the broadcaster is asked for a group that no neighbour has yet.
const NEIGHBOURS_PAUSE: Span = Span::from_millis(400);
/// How long a new epoch is given to begin by itself before its group is asked for.
const EPOCH_GRACE: Span = Span::from_millis(250);
/// A push that is seen from so early on is seen from its beginning: what is missing before it got
/// lost, and is worth asking for.
const BEGINNING: u64 = 32;

impl Viewer {
    pub(super) fn cdn(&mut self, now: Time, followed: Followed) {
        match followed {
            Followed::Unit(unit) => self.cdn_unit(now, &unit),
            Followed::Header(header) => match &mut self.store {
                Some(store) => store.learn(header),
                None => {
                    self.early.learn(header);
                }
            },
            Followed::Gap { epoch, from, to } => {
                self.steer.cdn_interrupted();
                let current = self.store.as_ref().is_some_and(|store| store.epoch() == epoch);
                if current && from < to {
                    self.sweep(now, to.min(UNIT_MAX));
                }
            }
        }
    }

    fn cdn_unit(&mut self, now: Time, unit: &Unit) {
        if unit.number > UNIT_MAX {
            self.counters.rejected += 1;
            return;
        }
        if !self.enter(now, unit.epoch, Way::Cdn) {
            self.counters.duplicates += 1;
            return;
        }
        self.steer.cdn_unit(unit.number);
        let gop = self.groups.place(unit);
        let Some(store) = &mut self.store else { return };
        match store.insert_unit(now, unit, gop) {
            Inserted::Whole => self.whole(now, unit.number, Way::Cdn),
            _ => self.counters.duplicates += 1,
        }
        self.sweep(now, unit.number);
    }

    pub(super) fn cdn_state(&mut self, state: CdnState) {
        if let Some(pause) = self.steer.cdn_is(state) {
            self.outputs.push_back(Output::CdnPause(pause));
        }
        if state != CdnState::Ended {
            self.cursor.over = false;
        }
    }

    pub(super) fn offer(&mut self, now: Time, from: Ipv4Addr, offer: Offer) {
        match self.membership.offered(now, from, &self.stream, offer) {
            Offered::Refused => {
                self.counters.rejected += 1;
                self.event(Event::Refused { from });
            }
            Offered::Stale => {}
            Offered::Declined(answer) => {
                let to = self.controller();
                self.outputs.push_back(Output::Answer { to, answer });
            }
            Offered::Joined(answer, before) => {
                let to = self.controller();
                self.outputs.push_back(Output::Answer { to, answer });
                if let Some(peering) = before {
                    self.event(Event::Unpeered { peering, reason: None });
                }
                let group = self.membership.offer().expect("it was just accepted").group;
                self.event(Event::Peered { peering: answer.peering, group });
                self.take_holders();
                self.begin_join(now);
            }
            Offered::Renewed(answer) | Offered::Changed(answer) => {
                let to = self.controller();
                self.outputs.push_back(Output::Answer { to, answer });
                self.take_holders();
                self.begin_join(now);
            }
        }
    }

    pub(super) fn withdraw(&mut self, from: Ipv4Addr, withdraw: &Withdraw) {
        match self.membership.withdrawn(from, withdraw) {
            None => {
                self.counters.rejected += 1;
                self.event(Event::Refused { from });
            }
            Some(None) => {}
            Some(Some((peering, reason))) => {
                self.take_holders();
                self.event(Event::Unpeered { peering, reason: Some(reason) });
            }
        }
    }

    pub(super) fn expire_lease(&mut self, now: Time) {
        if let Some(peering) = self.membership.expire(now) {
            self.take_holders();
            self.event(Event::Unpeered { peering, reason: None });
        }
    }

    /// Brings the ladder in line with the offer in force.
    fn take_holders(&mut self) {
        let holders = self.membership.offer().map_or(&[][..], |offer| &offer.holders);
        let own = self.membership.offer().map(|offer| offer.alias);
        let holders = holders.iter().filter(|&&holder| Some(holder) != own);
        let holders: Vec<_> = holders.map(|&holder| SocketAddrV4::new(holder, PORT)).collect();
        self.pull.set_holders(&holders);
        if holders.is_empty() && !self.peered() {
            if let Join::Due { .. } | Join::Asked { .. } = self.join {
                self.join = Join::Idle;
            }
            self.supply.clear();
        }
    }

    fn begin_join(&mut self, at: Time) {
        if self.cursor.next.is_none() {
            self.join.begin(at);
        }
    }

    pub(super) fn datagram(&mut self, now: Time, from: SocketAddrV4, datagram: Datagram) {
        if datagram.stream() != self.id {
            self.counters.rejected += 1;
            return;
        }
        match datagram {
            Datagram::Chunk(chunk) => self.chunk(now, from, &chunk),
            Datagram::Index(index) => self.index(now, from, index),
            Datagram::Lack(lack) => self.lack(now, from, &lack),
            Datagram::Token(token) => self.token(now, from, token),
            Datagram::Join(join) if self.membership.admits(*from.ip()) => {
                let store = self.store.as_ref().filter(|_| !self.cursor.over);
                let (answers, _) = serve::join(now, store, join.stream, from, &mut self.supply);
                answers.into_iter().for_each(|answer| self.send(from, answer));
            }
            Datagram::Request(request) if self.membership.admits(*from.ip()) => {
                let store = self.store.as_ref();
                let answers = serve::request(now, store, &request, from, &mut self.supply);
                answers.into_iter().for_each(|answer| self.send(from, answer));
            }
            Datagram::Join(_) | Datagram::Request(_) | Datagram::Tail(_) => {
                self.counters.rejected += 1;
            }
        }
    }

    /// By which way a chunk from `from` comes; `None` if nothing is expected from there.
    fn way_of(&mut self, from: SocketAddrV4) -> Option<Way> {
        let offer = self.membership.offer();
        match () {
            () if offer.is_some_and(|offer| offer.group == *from.ip()) => Some(Way::Switch),
            () if self.settings.seed == Some(from) => Some(Way::Seed),
            () => self.pull.supplier(from).map(|_| Way::Neighbour),
        }
    }

    fn chunk(&mut self, now: Time, from: SocketAddrV4, chunk: &Chunk) {
        let Some(way) = self.way_of(from) else {
            self.counters.rejected += 1;
            return;
        };
        let unit = chunk.head.number;
        match way {
            Way::Switch => self.counters.chunks_pushed += 1,
            _ => self.counters.chunks_asked += 1,
        }
        let due = self.cursor.next.or(self.base);
        let too_far = due.is_some_and(|due| unit > due + self.settings.ahead);
        // A neighbour is only believed about what it was asked for. The seed's tail is not asked
        // for unit by unit.
        let current = self.store.as_ref().is_some_and(|store| store.epoch() == chunk.epoch);
        let asked = match way {
            Way::Switch => true,
            Way::Seed => current && (self.tailing.on() || self.pull.has_asked(unit)),
            _ => current && self.pull.has_asked(unit),
        };
        if unit > UNIT_MAX {
            self.counters.rejected += 1;
            return;
        }
        if due.is_some_and(|due| unit < due) && current {
            self.counters.duplicates += 1;
            return;
        }
        if !asked || (too_far && current) || !self.enter(now, chunk.epoch, way) {
            self.counters.rejected += 1;
            return;
        }
        if way == Way::Switch {
            self.steer.pushed(now, unit);
            if self.cursor.next.is_none() && self.base.is_none() && unit < BEGINNING {
                self.base = Some(0);
            }
        }
        if way == Way::Seed {
            self.tailing.heard(now);
        }
        let asked_of = (way != Way::Switch).then_some(from);
        let name = (unit, chunk.index);
        self.pull.arrived(now, asked_of, name, chunk.head.count, &self.settings);
        let Some(store) = &mut self.store else { return };
        match store.insert_chunk(now, chunk) {
            Inserted::Part => self.overtakes(now, unit, chunk.index),
            Inserted::Whole => self.whole(now, unit, way),
            Inserted::Duplicate => self.counters.duplicates += 1,
            Inserted::Refused => {
                self.counters.rejected += 1;
                if !store.is_whole(unit) && self.wanted(unit) {
                    // One of its chunks was wrong, and there is no telling which.
                    self.pull.suspect(now, unit, None, now);
                }
            }
        }
        self.sweep(now, unit);
    }

    fn wanted(&self, unit: u64) -> bool {
        self.cursor.next.or(self.base).is_some_and(|due| unit >= due)
    }

    /// A unit became whole.
    fn whole(&mut self, now: Time, unit: u64, way: Way) {
        self.ways.insert(unit, way);
        if let Some(filled) = self.pull.settled(now, unit) {
            let (chunks, after) = (filled.asked, filled.after);
            self.event(Event::Repaired { unit, chunks, way, after });
        }
    }

    /// Chunk `index` of `unit` came: those before it are late.
    fn overtakes(&mut self, now: Time, unit: u64, index: u16) {
        let Some(store) = self.store.as_ref().filter(|_| self.wanted(unit)) else { return };
        if let Missing::Some(ranges) = store.missing(unit)
            && ranges.first().is_some_and(|&(first, _)| first < index)
        {
            self.pull.suspect(now, unit, Some(index), now + self.settings.tolerance);
        }
    }

    /// Something of unit `to` came: whatever is missing before it is late.
    fn sweep(&mut self, now: Time, to: u64) {
        let Some(store) = &self.store else { return };
        let Some(due) = self.cursor.next.or(self.base) else { return };
        let from = self.swept.max(due);
        if to > from + self.settings.ahead {
            // So much is missing that none of it will be had in time: the next keyframe it is.
            self.cursor.hopeless = true;
            self.swept = to;
            return;
        }
        for unit in (from..to).filter(|&unit| !store.is_whole(unit)) {
            self.pull.suspect(now, unit, None, now + self.settings.tolerance);
        }
        self.swept = from.max(to);
    }

    /// Makes `epoch` the one that is played, if `way` may say so; answers whether it is.
    fn enter(&mut self, now: Time, epoch: u32, way: Way) -> bool {
        let Some(store) = &mut self.store else {
            let mut store = Store::new(self.id, epoch, self.settings.window);
            self.early.iter().for_each(|header| store.learn(header.clone()));
            self.store = Some(store);
            return true;
        };
        store.prune(now);
        let current = store.epoch();
        if epoch == current {
            if way == Way::Cdn {
                self.contradicted = None;
            }
            return true;
        }
        let newer = epoch > current && matches!(way, Way::Cdn | Way::Switch);
        // RTMP lags behind the switch, so an older epoch is normal there for a moment. If it stays,
        // the newer one was a lie or a wrong clock, and RTMP is the one to believe.
        let stubborn = way == Way::Cdn && {
            let since = *self.contradicted.get_or_insert(now);
            since + self.settings.give_up <= now
        };
        if newer || stubborn {
            self.restart(now, current, epoch);
        }
        newer || stubborn
    }

    fn restart(&mut self, now: Time, from: u32, to: u32) {
        self.event(Event::Epoch { from, to });
        self.store = Some(Store::new(self.id, to, self.settings.window));
        self.early = Headers::default();
        self.groups = Groups::default();
        self.ways.clear();
        self.pull.clear();
        self.supply.clear();
        self.cursor.restart(from, to);
        self.steer.restart();
        self.swept = 0;
        self.base = None;
        self.contradicted = None;
        self.change_path(now, Path::Starting, Cause::Epoch);
        self.join = Join::Idle;
        if self.peered() {
            self.join.begin(now + EPOCH_GRACE);
        }
    }

    fn index(&mut self, now: Time, from: SocketAddrV4, index: Index) {
        let timeout = self.settings.timeout;
        let timeout = self.pull.supplier(from).map_or(timeout, |s| s.timeout(timeout));
        let Some(group) = self.join.index(now, from, index, timeout) else { return };
        if let Some(supplier) = self.pull.supplier(from) {
            supplier.heard(now);
        }
        let known = self.store.as_ref().map(Store::epoch);
        if group.gop > UNIT_MAX || known.is_some_and(|epoch| epoch != group.epoch) {
            self.counters.rejected += 1;
            self.begin_join(now + EPOCH_GRACE);
            return;
        }
        let last = group.gop + (group.counts.len() as u64).saturating_sub(1);
        if self.cursor.next.is_some() || !self.enter(now, group.epoch, Way::Neighbour) {
            return;
        }
        let Some(store) = &mut self.store else { return };
        group.headers.iter().for_each(|header| store.learn(header.clone()));
        let mut sent = usize::from(group.sent);
        for (unit, &count) in (group.gop..=last).zip(&group.counts) {
            let coming = sent.min(count.into()) as u16;
            sent -= usize::from(coming);
            if !store.is_whole(unit) {
                self.pull.hand_over(now, unit, group.holder, count, coming);
            }
        }
        self.base = Some(group.gop);
        self.pull.settled_below(group.gop);
        self.swept = last + 1;
        self.join = Join::Fetching(Fetching {
            holder: group.holder,
            began: group.began,
            gop: group.gop,
            last,
            chunks: group.counts.iter().map(|&count| u32::from(count)).sum(),
            bytes: 0,
            first: None,
        });
    }

    fn lack(&mut self, now: Time, from: SocketAddrV4, lack: &Lack) {
        if lack.units.is_empty() && lack.epoch == 0 {
            self.lacks_group(now, from);
            return;
        }
        if self.store.as_ref().is_some_and(|store| store.epoch() == lack.epoch) {
            self.pull.lacks(now, from, &lack.units);
        }
    }

    /// Whoever was asked for the group has none.
    fn lacks_group(&mut self, now: Time, from: SocketAddrV4) {
        let Some(rung) = self.join.asked(from) else { return };
        let ladder = self.pull.ladder();
        let broadcaster = self.membership.offer().and_then(|offer| offer.holders.last().copied());
        let next = ladder.get(rung + 1).map(|address| *address.ip());
        if next.is_some() && next == broadcaster {
            // All neighbours are there and none has a group: everyone has come just now. If
            // everyone asked the broadcaster, its uplink would carry the group as many times. So
            // one of them does, who draws the shortest wait, and the others find it at a neighbour.
            let pause = self.rng.random_range(0..=NEIGHBOURS_PAUSE.as_nanos());
            self.join.put_off(now + Span::from_nanos(pause), ladder.len());
            return;
        }
        self.join.lacks(now, from, ladder.len());
    }

    fn token(&mut self, now: Time, from: SocketAddrV4, token: Token) {
        if self.settings.seed != Some(from) || token.token == 0 {
            self.counters.rejected += 1;
            return;
        }
        if let Some(rtt) = self.tailing.token(now, token.token)
            && let Some(seed) = self.pull.supplier(from)
        {
            seed.sample(rtt);
            seed.heard(now);
        }
        self.pull.ask_seed_again();
        self.join.again(now, from);
    }
}
