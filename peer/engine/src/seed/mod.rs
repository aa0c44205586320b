//! The peer beside the CDN: answers for whatever no neighbour has.

mod api;
mod tails;
mod tokens;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use nearcast_machine::{Machine, Seed, Time};
use nearcast_media::{Followed, StreamId, Unit};

use crate::groups::Groups;
use crate::head::UNIT_MAX;
use crate::serve;
use crate::store::{Inserted, Store};
use crate::supply::{Name, Supply};
use crate::wire::{Datagram, Lack, Tail, Token};
use tails::{Renewed, Tails};
use tokens::Tokens;

pub use api::{Counters, Event, Input, Output, Settings};

/// All streams of a CDN, as its seed serves them.
///
/// Anyone can send to a seed, from any address they like to write into the packet. So whoever asks
/// without a valid token gets a [`Token`] and nothing else; it is shorter than the question, so no
/// forged address is ever sent more than its forger sent. A client that asks for a token while all
/// is well (a [`Tail`] of no length does it) has one when it needs help, and loses no round trip.
#[derive(Debug)]
pub struct CdnSeed {
    settings: Settings,
    counters: Counters,
    tokens: Tokens,
    streams: BTreeMap<StreamId, Stream>,
    tails: Tails,
    supply: Supply,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Stream {
    /// `None` until the first unit.
    store: Option<Store>,
    groups: Groups,
    live: bool,
    heard: Time,
}

impl CdnSeed {
    /// A seed without any stream. `seed` is what its tokens are made from: an attacker who knows it
    /// can forge them, so a live driver draws it from the operating system.
    pub fn new(settings: Settings, seed: Seed) -> CdnSeed {
        CdnSeed {
            counters: Counters::default(),
            tokens: Tokens::new(seed, settings.token_life, settings.token_rate),
            streams: BTreeMap::new(),
            tails: Tails::new(settings.tails, settings.tail_max),
            supply: Supply::new(settings.supply),
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many streams are kept.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// How many bytes the windows of all streams hold, bookkeeping included.
    pub fn held(&self) -> u64 {
        self.streams.values().filter_map(|s| s.store.as_ref()).map(Store::bytes).sum()
    }

    fn cdn(&mut self, now: Time, id: StreamId, followed: Followed) {
        let window = self.settings.window;
        if !self.streams.contains_key(&id) {
            self.streams.retain(|_, s| s.live || s.heard + window.span > now);
            let silent = |(_, s): &(&StreamId, &Stream)| s.heard;
            while self.streams.len() >= self.settings.streams.max(1)
                && let Some((&oldest, _)) = self.streams.iter().min_by_key(silent)
            {
                self.streams.remove(&oldest);
            }
        }
        let empty = || Stream { store: None, groups: Groups::default(), live: true, heard: now };
        let stream = self.streams.entry(id).or_insert_with(empty);
        (stream.live, stream.heard) = (true, now);
        match followed {
            Followed::Unit(unit) if unit.number > UNIT_MAX => self.counters.rejected += 1,
            Followed::Unit(unit) => {
                if stream.insert(now, id, &unit, window) {
                    self.feed_tails(now, id, unit.number);
                }
            }
            Followed::Header(header) => {
                // Before the first unit the epoch is not known; 0 is none that a clock could give.
                stream.store.get_or_insert_with(|| Store::new(id, 0, window)).learn(header);
            }
            // What the relay dropped on the way here cannot be had; whoever asks is told so.
            Followed::Gap { .. } => {}
        }
    }

    fn feed_tails(&mut self, now: Time, id: StreamId, latest: u64) {
        let Some(store) = self.streams.get(&id).and_then(|s| s.store.as_ref()) else { return };
        for (client, units) in self.tails.advance(id, store.epoch(), latest) {
            queue(now, store, client, units, &mut self.supply);
        }
    }

    fn datagram(&mut self, now: Time, from: SocketAddrV4, datagram: Datagram) {
        let id = datagram.stream();
        let token = match &datagram {
            Datagram::Request(request) => request.token,
            Datagram::Join(join) => join.token,
            Datagram::Tail(tail) => tail.token,
            _ => {
                self.counters.rejected += 1;
                return;
            }
        };
        if !self.tokens.good(now, from, token) {
            let answer = Datagram::Token(Token { stream: id, token: self.tokens.make(now, from) });
            debug_assert!(answer.encoded_len() <= datagram.encoded_len(), "no amplification");
            match self.tokens.admit(now, answer.encoded_len()) {
                true => {
                    self.counters.tokens += 1;
                    self.outputs.push_back(Output::Send { to: from, datagram: answer });
                }
                false => self.counters.rejected += 1,
            }
            return;
        }
        let stream = self.streams.get(&id);
        let store = stream.and_then(|s| s.store.as_ref());
        let answers = match datagram {
            Datagram::Join(_) => {
                let live = store.filter(|_| stream.is_some_and(|s| s.live));
                let (answers, gop) = serve::join(now, live, id, from, &mut self.supply);
                if let Some(gop) = gop {
                    let joined = Event::Joined { client: from, stream: id, gop };
                    self.outputs.push_back(Output::Event(joined));
                }
                answers
            }
            Datagram::Request(request) => {
                serve::request(now, store, &request, from, &mut self.supply)
            }
            Datagram::Tail(tail) => {
                self.tail(now, from, tail);
                return;
            }
            _ => unreachable!("only questions have a token"),
        };
        if stream.is_none() && !answers.is_empty() {
            let unknown = Event::Unknown { client: from, stream: id };
            self.outputs.push_back(Output::Event(unknown));
        }
        let sends = answers.into_iter().map(|datagram| Output::Send { to: from, datagram });
        self.outputs.extend(sends);
    }

    fn tail(&mut self, now: Time, client: SocketAddrV4, tail: Tail) {
        let Tail { stream, epoch, from, span, .. } = tail;
        let store = self.streams.get(&stream).and_then(|s| s.store.as_ref());
        let Some(store) = store.filter(|store| store.epoch() == epoch) else {
            let lack = Datagram::Lack(Lack { stream, epoch, units: Vec::new() });
            if self.supply.admit(now, client, lack.encoded_len()) {
                self.outputs.push_back(Output::Send { to: client, datagram: lack });
            }
            return;
        };
        match self.tails.renew(now, client, stream, epoch, from, span) {
            Renewed::Nothing => {}
            Renewed::Full => self.counters.rejected += 1,
            Renewed::Began => {
                let began = Event::TailBegan { client, stream, from };
                self.outputs.push_back(Output::Event(began));
                if let Some(latest) = store.latest() {
                    for (client, units) in self.tails.advance(stream, epoch, latest) {
                        queue(now, store, client, units, &mut self.supply);
                    }
                }
            }
            Renewed::Ended => {
                let ended = Event::TailEnded { client, stream };
                self.outputs.push_back(Output::Event(ended));
            }
        }
    }

    /// Sends what is queued for clients, as far as the rates allow.
    fn supply(&mut self, now: Time) {
        while let Some((to, name)) = self.supply.next(now) {
            let store = self.streams.get(&name.stream).and_then(|s| s.store.as_ref());
            let store = store.filter(|store| store.epoch() == name.epoch);
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

impl Stream {
    /// Takes a unit; answers whether it was new.
    fn insert(
        &mut self,
        now: Time,
        id: StreamId,
        unit: &Unit,
        window: crate::WindowLimits,
    ) -> bool {
        if self.store.as_ref().is_none_or(|store| store.epoch() != unit.epoch) {
            let mut store = Store::new(id, unit.epoch, window);
            if let Some(before) = self.store.take().filter(|store| store.epoch() == 0) {
                before.headers().iter().for_each(|header| store.learn(header.clone()));
            }
            self.store = Some(store);
            self.groups = Groups::default();
        }
        let store = self.store.as_mut().expect("it was just put there");
        store.prune(now);
        let gop = self.groups.place(unit);
        store.insert_unit(now, unit, gop) == Inserted::Whole
    }
}

fn queue(
    now: Time,
    store: &Store,
    client: SocketAddrV4,
    units: std::ops::RangeInclusive<u64>,
    supply: &mut Supply,
) {
    let (stream, epoch) = (store.stream(), store.epoch());
    // From the first unit that is held: the range came from the network and may be of any length.
    for (unit, count) in store.counts(units) {
        for index in 0..count {
            if !supply.push(now, client, Name { stream, epoch, unit, index }) {
                return;
            }
        }
    }
}

impl Machine for CdnSeed {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Time, input: Input) {
        self.expire(now);
        match input {
            Input::Cdn { stream, followed } => self.cdn(now, stream, followed),
            Input::Ended(stream) => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.live = false;
                }
            }
            Input::Datagram { from, datagram } => self.datagram(now, from, datagram),
        }
        self.supply(now);
    }

    fn expire(&mut self, now: Time) {
        for (client, stream) in self.tails.expire(now) {
            self.outputs.push_back(Output::Event(Event::TailEnded { client, stream }));
        }
        self.supply(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        [self.tails.deadline(), self.supply.deadline()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
