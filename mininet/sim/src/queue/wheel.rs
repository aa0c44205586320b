use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;

use nearcast_machine::Time;

use super::Queue;
use crate::event::Pending;

/// A tick of the inner wheel is 2^16 ns = 65.5 us.
const TICK_BITS: u32 = 16;
/// A page, one turn of the inner wheel, is 2^8 ticks or 16.8 ms, so that what thousands of nodes
/// have to do in it fits the second-level cache.
const PAGE_BITS: u32 = 8;
/// One turn of the outer wheel is 2^11 pages or 34 s.
const PAGES: usize = 1 << 11;
/// The crowd whose memory a slot keeps: larger ones would add up over all slots.
const KEPT: usize = 512;
/// Ticks of a page are emptied together until there are so many events, so that one can look ahead
/// to others.
const CROWD: usize = 256;
/// For how many pages that are empty their memory is kept for others to come: about as many as are
/// filled at a time when everything happens within a few hundred milliseconds.
const SPARE: usize = 16;

/// A hierarchical timing wheel whose slots are sorted when their time comes.
///
/// An event waits unsorted in the slot of its tick if that lies in the present page, else in the
/// slot of its page, else (past a whole turn of the outer wheel) in a heap. A page is dealt out to
/// ticks when it begins, and a few ticks are sorted when the first of them begins; what is pushed
/// into them then goes to a small heap beside them. So every event is moved two or three times and
/// compared with the few that share its tick, however many are pending, and the slots of ticks keep
/// their memory from turn to turn. Brown's calendar queue (CACM 31(10), 1988) with fixed widths:
/// where it would resize, a crowded tick costs the logarithm of its own crowd, and an empty one a
/// bit in a map.
#[derive(Debug, Default)]
pub struct Wheel {
    /// The last tick of those that are being emptied, since the start of time.
    tick: u64,
    /// Of these ticks, in descending order.
    present: Vec<Pending>,
    /// Pushed since they began, and due in them (or, after a look ahead, before them).
    late: BinaryHeap<Reverse<Pending>>,
    ticks: Ring<{ 1 << PAGE_BITS }>,
    pages: Ring<PAGES>,
    /// Of pages that are over.
    spare: Vec<Vec<Pending>>,
    beyond: BinaryHeap<Reverse<Pending>>,
    len: usize,
}

fn tick_of(event: &Pending) -> u64 {
    event.key.time().as_nanos() >> TICK_BITS
}

impl Wheel {
    fn place(&mut self, event: Pending) {
        let tick = tick_of(&event);
        let (page, current) = (tick >> PAGE_BITS, self.tick >> PAGE_BITS);
        if tick <= self.tick {
            self.late.push(Reverse(event));
        } else if page == current {
            self.ticks.slot(tick).push(event);
        } else if page - current < PAGES as u64 {
            let slot = self.pages.slot(page);
            if slot.capacity() == 0 {
                *slot = self.spare.pop().unwrap_or_default();
            }
            slot.push(event);
        } else {
            self.beyond.push(Reverse(event));
        }
    }

    /// Goes to the next tick that has events, if the present one is used up and there are any.
    fn advance(&mut self) {
        if !self.present.is_empty() || !self.late.is_empty() || self.len == 0 {
            return;
        }
        loop {
            while self.present.len() < CROWD
                && let Some(tick) = self.ticks.next_after(self.tick)
            {
                self.tick = tick;
                let events = self.ticks.clear(tick);
                self.present.append(events);
                if events.capacity() > KEPT {
                    *events = Vec::new();
                }
            }
            if !self.present.is_empty() {
                self.present.sort_unstable_by_key(|event| Reverse(event.key.as_one()));
                return;
            }
            self.turn_page();
            if !self.present.is_empty() || !self.late.is_empty() {
                return;
            }
        }
    }

    /// Deals out the next page that has events. The page's first tick becomes the present one, and
    /// its events, which `place` puts among the late ones, are then due.
    fn turn_page(&mut self) {
        let near = self.pages.next_after(self.tick >> PAGE_BITS);
        let far = self.beyond.peek().map(|Reverse(event)| tick_of(event) >> PAGE_BITS);
        let page = near.into_iter().chain(far).min().expect("events are pending");
        self.tick = page << PAGE_BITS;
        if near == Some(page) {
            let mut events = mem::take(self.pages.clear(page));
            events.drain(..).for_each(|event| self.place(event));
            if self.spare.len() < SPARE {
                self.spare.push(events);
            }
        }
        while let Some(Reverse(event)) = self.beyond.peek()
            && tick_of(event) >> PAGE_BITS == page
        {
            let Reverse(event) = self.beyond.pop().expect("it was peeked at");
            self.place(event);
        }
    }
}

impl Queue for Wheel {
    fn push(&mut self, event: Pending) {
        self.len += 1;
        self.place(event);
    }

    fn next_time(&mut self) -> Option<Time> {
        self.advance();
        let late = self.late.peek().map(|Reverse(event)| event.key.time());
        self.present.last().map(|event| event.key.time()).into_iter().chain(late).min()
    }

    fn pop_before(&mut self, end: Time) -> Option<Pending> {
        self.advance();
        let due = match (self.present.last(), self.late.peek()) {
            (Some(present), Some(Reverse(late))) if late < present => late,
            (Some(present), _) => {
                return (present.key.time() < end).then(|| {
                    self.len -= 1;
                    self.present.pop().expect("it was looked at")
                });
            }
            (None, Some(Reverse(late))) => late,
            (None, None) => return None,
        };
        if due.key.time() >= end {
            return None;
        }
        self.len -= 1;
        self.late.pop().map(|Reverse(event)| event)
    }

    fn upcoming(&self, ahead: usize) -> Option<&Pending> {
        let late = self.late.as_slice();
        let are_first = match (late.first(), self.present.last()) {
            (Some(Reverse(late)), Some(present)) => late < present,
            (late, _) => late.is_some(),
        };
        // What a heap begins with is about what comes out of it first.
        let before = if are_first { late.len() } else { 0 };
        match ahead.checked_sub(before) {
            None => late.get(ahead).map(|Reverse(event)| event),
            Some(ahead) => self.present.len().checked_sub(1 + ahead).map(|at| &self.present[at]),
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// Slots that come round, a multiple of 64 of them, and which hold something.
#[derive(Debug)]
struct Ring<const SLOTS: usize> {
    slots: Box<[Vec<Pending>]>,
    occupied: Box<[u64]>,
}

impl<const SLOTS: usize> Default for Ring<SLOTS> {
    fn default() -> Ring<SLOTS> {
        let occupied = vec![0; SLOTS / 64].into_boxed_slice();
        Ring { slots: (0..SLOTS).map(|_| Vec::new()).collect(), occupied }
    }
}

impl<const SLOTS: usize> Ring<SLOTS> {
    /// A slot that is about to hold something.
    fn slot(&mut self, number: u64) -> &mut Vec<Pending> {
        let slot = number as usize % SLOTS;
        self.occupied[slot / 64] |= 1 << (slot % 64);
        &mut self.slots[slot]
    }

    /// A slot that is about to be emptied.
    fn clear(&mut self, number: u64) -> &mut Vec<Pending> {
        let slot = number as usize % SLOTS;
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        &mut self.slots[slot]
    }

    /// The first occupied slot past `number`, less than a turn away.
    fn next_after(&self, number: u64) -> Option<u64> {
        let words = self.occupied.len();
        let first = number + 1;
        let (word, bit) = (first as usize % SLOTS / 64, first as usize % 64);
        for step in 0..=words {
            let mut bits = self.occupied[(word + step) % words];
            if step == 0 {
                bits &= !0 << bit;
            } else if step == words {
                bits &= !(!0 << bit);
            }
            if bits != 0 {
                let aligned = first - bit as u64;
                return Some(aligned + (step * 64) as u64 + u64::from(bits.trailing_zeros()));
            }
        }
        None
    }
}
