//! What is on its way to nodes that take messages together.

use std::{iter, mem, ptr};

use nearcast_machine::{Span, Time};

use crate::prefetch::prefetch_line;

/// None, where a further list is named.
const NONE: u32 = u32::MAX;

/// How many messages a list has room for: as many as make it a line of the cache, and more than
/// mostly come in one step.
const ROOM: usize = 12;

/// How many messages are sorted at a time: as many as memory can be asked for while the first one's
/// list is on its way, and more.
const POSTED: usize = 32;

/// Where messages are kept that their receiver takes at one instant, as far as there is room.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct List {
    at: Time,
    /// A further list of this receiver, of this instant or another one.
    further: u32,
    count: u32,
    slots: [u32; ROOM],
}

const EMPTY: List = List { at: Time::ZERO, further: NONE, count: 0, slots: [0; ROOM] };

impl List {
    fn slots(&self) -> &[u32] {
        &self.slots[..self.count as usize]
    }
}

/// A message that is to go into a list.
struct Posted {
    place: u32,
    at: Time,
    slot: u32,
}

/// The messages of a shard's nodes, be they there or not.
///
/// What a node takes together is one event, however many messages it is. The sender of one looks at
/// one line of the cache for it, its receiver's list, and not before that has come from memory.
#[derive(Default)]
pub(crate) struct Inboxes {
    /// Between two instants at which a node takes messages.
    step: u64,
    /// By place in the shard, one for every other instant and one for the rest: messages that are
    /// on their way at a time mostly arrive in two steps. They have further lists only while they
    /// hold something themselves.
    first: Vec<[List; 2]>,
    further: Vec<List>,
    /// Those that nobody has.
    free: Vec<u32>,
    /// Messages whose lists are being fetched.
    posted: Vec<Posted>,
    /// When the first of them is taken.
    earliest: Option<Time>,
}

impl Inboxes {
    /// Of so many nodes, which take messages at instants that are so far apart.
    pub(crate) fn new(nodes: usize, step: Span) -> Inboxes {
        let first = vec![[EMPTY; 2]; nodes];
        Inboxes { step: step.as_nanos().max(1), first, ..Inboxes::default() }
    }

    fn parity(&self, at: Time) -> usize {
        (at.as_nanos() / self.step % 2) as usize
    }

    /// Adds a message, kept at `slot`, that the node at `place` takes at an instant. It is known
    /// once it has been [sorted](Inboxes::sort).
    pub(crate) fn post(&mut self, place: usize, at: Time, slot: u32) {
        prefetch_line(self.place_of(place, at));
        self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        self.posted.push(Posted { place: place as u32, at, slot });
    }

    /// Whether it is time to sort what was posted.
    pub(crate) fn is_full(&self) -> bool {
        self.posted.len() >= POSTED
    }

    /// When the first message is taken of those that have yet to be sorted.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.earliest
    }

    /// Puts what was posted where it belongs, and names place, instant and slot of each message
    /// that is the first one of its instant.
    pub(crate) fn sort(&mut self, mut begun: impl FnMut(usize, Time, u32)) {
        let mut posted = mem::take(&mut self.posted);
        for Posted { place, at, slot } in posted.drain(..) {
            if self.put(place as usize, at, slot) {
                begun(place as usize, at, slot);
            }
        }
        self.posted = posted;
        self.earliest = None;
    }

    fn put(&mut self, place: usize, at: Time, slot: u32) -> bool {
        let parity = self.parity(at);
        let first = &mut self.first[place][parity];
        if first.count == 0 {
            *first = List { slots: [slot; ROOM], at, count: 1, ..EMPTY };
            return true;
        }
        let (mut is_first, mut link, others) = (true, NONE, first.further);
        loop {
            let list = match link {
                NONE => &mut self.first[place][parity],
                further => &mut self.further[further as usize],
            };
            if list.at == at {
                is_first = false;
                if let Some(free) = list.slots.get_mut(list.count as usize) {
                    *free = slot;
                    list.count += 1;
                    return false;
                }
            }
            link = list.further;
            if link == NONE {
                break;
            }
        }
        let new = List { slots: [slot; ROOM], at, count: 1, further: others };
        self.first[place][parity].further = match self.free.pop() {
            Some(free) => {
                self.further[free as usize] = new;
                free
            }
            None => {
                self.further.push(new);
                u32::try_from(self.further.len() - 1).expect("fewer than 2^32 are there at once")
            }
        };
        is_first
    }

    /// Takes out, in no order, what the node at `place` takes at an instant.
    pub(crate) fn take(&mut self, place: usize, at: Time, mut each: impl FnMut(u32)) {
        let parity = self.parity(at);
        let first = &mut self.first[place][parity];
        let (mut next, mut others) = (first.further, NONE);
        while next != NONE {
            let list = self.further[next as usize];
            if list.at == at {
                list.slots().iter().for_each(|&slot| each(slot));
                self.free.push(next);
            } else {
                self.further[next as usize].further = others;
                others = next;
            }
            next = list.further;
        }
        first.further = others;
        if first.at != at {
            return;
        }
        first.slots().iter().for_each(|&slot| each(slot));
        *first = EMPTY;
        if others != NONE {
            *first = self.further[others as usize];
            self.free.push(others);
        }
    }

    /// What the node at `place` takes at an instant, as far as is known yet.
    pub(crate) fn upcoming(&self, place: usize, at: Time) -> impl Iterator<Item = u32> {
        let mut next = Some(&self.first[place][self.parity(at)]);
        let lists = iter::from_fn(move || {
            let list = next?;
            next = self.further.get(list.further as usize);
            Some(list)
        });
        lists.filter(move |list| list.at == at).flat_map(|list| list.slots().iter().copied())
    }

    /// Where the list lies in which that begins.
    pub(crate) fn place_of(&self, place: usize, at: Time) -> *const u8 {
        ptr::from_ref(&self.first[place][self.parity(at)]).cast()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_would(
            steps in prop::collection::vec((0usize..3, 0u64..4, prop::bool::weighted(0.1)), 0..400),
        ) {
            let mut inboxes = Inboxes::new(3, Span::from_nanos(1));
            let mut map: BTreeMap<(usize, u64), Vec<u32>> = BTreeMap::new();
            for (slot, (place, at, takes)) in (0..).zip(steps) {
                let time = Time::from_nanos(at);
                if takes {
                    let mut taken = Vec::new();
                    inboxes.take(place, time, |slot| taken.push(slot));
                    taken.sort_unstable();
                    prop_assert_eq!(taken, map.remove(&(place, at)).unwrap_or_default());
                } else {
                    let slots = map.entry((place, at)).or_default();
                    prop_assert_eq!(inboxes.put(place, time, slot), slots.is_empty());
                    slots.push(slot);
                    let mut upcoming: Vec<u32> = inboxes.upcoming(place, time).collect();
                    upcoming.sort_unstable();
                    prop_assert_eq!(&upcoming, slots);
                }
                let lists = inboxes.further.len() - inboxes.free.len();
                prop_assert!(lists <= map.values().map(|slots| slots.len().div_ceil(ROOM)).sum());
            }
        }
    }
}
