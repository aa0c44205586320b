//! Where in memory a peer will look, for a driver that can have it fetched meanwhile.
//!
//! A live peer's memory is in the cache. Of thousands of peers in one simulator next to nothing is:
//! a chunk that is handed over or sent looks at some twenty lines, one after the other, each of
//! which takes main memory longer than all the work that is done with it. All this is hints:
//! nothing changes, and whoever never asks misses nothing.

use std::ptr::from_ref;
use std::slice::from_ref as slice_of;

use nearcast_machine::Machine;

use super::super::lines::{LINE, lines};
use super::super::neighbour::Neighbour;
use super::super::{Body, Chunk, Lc, Message, News, Payload, PeerId};
use super::Peer;

/// How many chunks of each receiver may be sent at a wake-up, mostly.
const NEXT: usize = 3;
/// The lines of a neighbour that a round looks at.
const ROUND_LINES: [usize; 3] = [0, 1, 3];
/// How many may be sent when a request comes to one whom nobody else waits for.
const AT_ONCE: usize = 8;

impl<P: Payload> Peer<P> {
    /// Names what every call of this peer looks at, the peer itself apart, which is the driver's.
    pub fn foresee_roots(&self, name: &mut impl FnMut(*const u8)) {
        self.roster.foresee(name);
        lines(&self.layers, name);
    }

    /// Names what the peer will look at when it is handed a message, or, without one, when its
    /// deadline comes. To be asked in three steps, counted from 0, with as much time between them
    /// as memory takes to answer: each looks at what the one before has named, the first at what
    /// [`foresee_roots`](Peer::foresee_roots) has.
    pub fn foresee(
        &self,
        message: Option<(PeerId, &Message<P>)>,
        step: usize,
        name: &mut impl FnMut(*const u8),
    ) {
        match message {
            Some((from, Message { body: Body::Chunk { chunk, .. }, .. })) => {
                self.foresee_chunk(from, chunk, step, name);
            }
            Some((from, Message { body: Body::News(news), .. })) => {
                self.foresee_news(from, news, step, name);
            }
            // There are few of the others.
            Some(_) => {}
            None if self.deadline() == Some(self.round_at) => self.foresee_round(step, name),
            None => self.foresee_serving(step, name),
        }
    }

    #[inline]
    fn foresee_chunk(
        &self,
        from: PeerId,
        chunk: &Chunk<P>,
        step: usize,
        name: &mut impl FnMut(*const u8),
    ) {
        let Some(layer) = self.layers.get(usize::from(chunk.lc.layer)) else { return };
        match step {
            0 => {
                if let Some(at) = self.roster.find(from) {
                    name(from_ref(self.roster.at(at)).cast());
                }
                layer.foresee_page(chunk.lc.seq, name);
            }
            1 => layer.foresee_around(chunk.lc.seq, name),
            _ => {}
        }
    }

    #[inline(never)]
    fn foresee_news(
        &self,
        from: PeerId,
        news: &News,
        step: usize,
        name: &mut impl FnMut(*const u8),
    ) {
        let Some(at) = self.roster.find(from) else { return };
        let neighbour = self.roster.at(at);
        match step {
            0 => {
                lines(slice_of(neighbour), name);
                lines(slice_of(news), name);
                // Of a chunk that is sent at once more is looked at than whether it is there.
                match self.roster.any_waiting() {
                    true => self.layers.iter().for_each(|layer| layer.foresee_words(name)),
                    false => self.layers.iter().for_each(|layer| layer.foresee_pages(name)),
                }
            }
            1 => {
                if let Some(map) = &neighbour.map {
                    name(from_ref(&**map).cast());
                }
                if let Some(request) = &news.request {
                    lines(&request.wanted, name);
                }
            }
            // Where nobody waits the first ones may be sent at once.
            _ if !self.roster.any_waiting() => {
                let wanted = news.request.iter().flat_map(|request| &request.wanted);
                wanted.take(AT_ONCE).for_each(|&lc| self.foresee_slot(lc, name));
            }
            _ => {}
        }
    }

    fn foresee_slot(&self, lc: Lc, name: &mut impl FnMut(*const u8)) {
        if let Some(layer) = self.layers.get(usize::from(lc.layer)) {
            layer.foresee_slot(lc.seq, name);
        }
    }

    /// Of a round, the neighbours and their maps, which lie anywhere; what it looks at beside lies
    /// in rows, of which the processor guesses the rest.
    #[inline(never)]
    fn foresee_round(&self, step: usize, name: &mut impl FnMut(*const u8)) {
        let maps = self.roster.iter().filter_map(|neighbour| neighbour.map.as_deref());
        match step {
            0 => {
                for neighbour in self.roster.iter() {
                    let start = from_ref::<Neighbour>(neighbour).cast::<u8>();
                    ROUND_LINES.iter().for_each(|line| name(start.wrapping_add(line * LINE)));
                }
                self.layers.iter().for_each(|layer| layer.foresee_words(name));
            }
            1 => maps.for_each(|map| lines(slice_of(map), name)),
            _ => {
                maps.for_each(|map| map.foresee(name));
                self.layers.iter().for_each(|layer| layer.foresee_ends(name));
            }
        }
    }

    #[inline(never)]
    fn foresee_serving(&self, step: usize, name: &mut impl FnMut(*const u8)) {
        let waiting = || self.roster.waiting().map(|at| self.roster.at(at));
        match step {
            0 => {
                for neighbour in waiting() {
                    // What a chunk that goes looks at.
                    let start = from_ref::<Neighbour>(neighbour).cast::<u8>();
                    name(start.wrapping_add(LINE));
                    name(start.wrapping_add(2 * LINE));
                }
                self.layers.iter().for_each(|layer| layer.foresee_pages(name));
            }
            1 => waiting().for_each(|neighbour| neighbour.queue.foresee(name)),
            _ => {
                let next = waiting().flat_map(|neighbour| neighbour.queue.iter().take(NEXT));
                next.for_each(|lc| self.foresee_slot(lc, name));
            }
        }
    }
}
