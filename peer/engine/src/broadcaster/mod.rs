//! The broadcaster's side: each chunk once to the group, and repairs.

mod api;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::{Machine, Time};
use nearcast_media::peering::{Answer, PORT};
use nearcast_media::{Role, StreamName, Unit};

use crate::groups::Groups;
use crate::membership::{Membership, Offered};
use crate::serve;
use crate::store::{Inserted, Store};
use crate::supply::Supply;
use crate::wire::Datagram;

pub use api::{Counters, Event, Input, Output, Settings};

/// One stream as its broadcaster's peer sends it.
///
/// While a peering is in force, each chunk of each unit is sent once, to the group address, at the
/// moment the unit comes. Repairs and joins are answered out of a window, to aliases only, and
/// within a rate of their own, so that no number of viewers can crowd out the push.
#[derive(Debug)]
pub struct Broadcaster {
    stream: StreamName,
    counters: Counters,
    settings: Settings,
    membership: Membership,
    store: Option<Store>,
    groups: Groups,
    live: bool,
    supply: Supply,
    outputs: VecDeque<Output>,
}

impl Broadcaster {
    /// A broadcaster of `stream` before its first unit.
    pub fn new(stream: StreamName, settings: Settings) -> Broadcaster {
        Broadcaster {
            stream,
            counters: Counters::default(),
            membership: Membership::new(settings.controller, settings.range, Role::Broadcaster),
            store: None,
            groups: Groups::default(),
            live: false,
            supply: Supply::new(settings.supply),
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a peering is in force.
    pub fn peered(&self) -> bool {
        self.membership.offer().is_some()
    }

    /// How many bytes the window holds, bookkeeping included.
    pub fn held(&self) -> u64 {
        self.store.as_ref().map_or(0, Store::bytes)
    }

    fn unit(&mut self, now: Time, unit: &Unit) {
        self.counters.units += 1;
        self.live = true;
        let stream = self.stream.id();
        let store = match &mut self.store {
            Some(store) if store.epoch() == unit.epoch => store,
            store => {
                self.supply.clear();
                self.groups = Groups::default();
                store.insert(Store::new(stream, unit.epoch, self.settings.window))
            }
        };
        store.prune(now);
        let gop = self.groups.place(unit);
        if store.insert_unit(now, unit, gop) != Inserted::Whole {
            return;
        }
        let Some(offer) = self.membership.offer() else { return };
        let to = SocketAddrV4::new(offer.group, PORT);
        for index in 0..store.count(unit.number) {
            let chunk = store.chunk(unit.number, index).expect("the unit was just put there");
            self.counters.chunks_pushed += 1;
            self.outputs.push_back(Output::Send { to, datagram: Datagram::Chunk(chunk) });
        }
    }

    fn offered(&mut self, from: Ipv4Addr, offered: Offered) {
        match offered {
            Offered::Refused => {
                self.counters.rejected += 1;
                self.outputs.push_back(Output::Event(Event::Refused { from }));
            }
            Offered::Stale => {}
            Offered::Joined(answer, before) => {
                if let Some(peering) = before {
                    let ended = Event::Unpeered { peering, reason: None };
                    self.outputs.push_back(Output::Event(ended));
                }
                let group = self.membership.offer().expect("it was just accepted").group;
                let peered = Event::Peered { peering: answer.peering, group };
                self.outputs.push_back(Output::Event(peered));
                self.answer(answer);
            }
            Offered::Renewed(answer) | Offered::Changed(answer) | Offered::Declined(answer) => {
                self.answer(answer);
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        let to = SocketAddrV4::new(self.settings.controller, PORT);
        self.outputs.push_back(Output::Answer { to, answer });
    }

    fn datagram(&mut self, now: Time, from: SocketAddrV4, datagram: Datagram) {
        if !self.membership.admits(*from.ip()) || datagram.stream() != self.stream.id() {
            self.counters.rejected += 1;
            return;
        }
        let store = self.store.as_ref();
        let answers = match datagram {
            Datagram::Join(join) => {
                let live = store.filter(|_| self.live);
                let (answers, gop) = serve::join(now, live, join.stream, from, &mut self.supply);
                if let Some(gop) = gop {
                    let joined = Event::Joined { viewer: from, gop };
                    self.outputs.push_back(Output::Event(joined));
                }
                answers
            }
            Datagram::Request(request) => {
                serve::request(now, store, &request, from, &mut self.supply)
            }
            _ => {
                self.counters.rejected += 1;
                return;
            }
        };
        let sends = answers.into_iter().map(|datagram| Output::Send { to: from, datagram });
        self.outputs.extend(sends);
    }

    /// Sends what is queued for viewers, as far as the rate allows.
    fn supply(&mut self, now: Time) {
        while let Some((to, name)) = self.supply.next(now) {
            let store = self.store.as_ref().filter(|store| store.epoch() == name.epoch);
            let Some(chunk) = store.and_then(|store| store.chunk(name.unit, name.index)) else {
                continue;
            };
            let datagram = Datagram::Chunk(chunk);
            self.supply.charge(to, datagram.encoded_len());
            self.counters.chunks_served += 1;
            self.outputs.push_back(Output::Send { to, datagram });
        }
    }
}

impl Machine for Broadcaster {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Time, input: Input) {
        self.expire(now);
        match input {
            Input::Unit(unit) => self.unit(now, &unit),
            Input::Ended => self.live = false,
            Input::Offer { from, offer } => {
                let offered = self.membership.offered(now, from, &self.stream, offer);
                self.offered(from, offered);
            }
            Input::Withdraw { from, withdraw } => {
                match self.membership.withdrawn(from, &withdraw) {
                    None => self.offered(from, Offered::Refused),
                    Some(None) => {}
                    Some(Some((peering, reason))) => {
                        let ended = Event::Unpeered { peering, reason: Some(reason) };
                        self.outputs.push_back(Output::Event(ended));
                    }
                }
            }
            Input::Datagram { from, datagram } => self.datagram(now, from, datagram),
        }
        self.supply(now);
    }

    fn expire(&mut self, now: Time) {
        if let Some(peering) = self.membership.expire(now) {
            let ended = Event::Unpeered { peering, reason: None };
            self.outputs.push_back(Output::Event(ended));
        }
        self.supply(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        [self.membership.deadline(), self.supply.deadline()].into_iter().flatten().min()
    }
}
