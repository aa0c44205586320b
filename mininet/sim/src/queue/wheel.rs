use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nearcast_machine::Time;

use super::Queue;
use crate::event::Pending;

/// A tick of the inner wheel is 2^16 ns = 65.5 us.
const TICK_BITS: u32 = 16;
/// Both wheels have 2^11 slots: a page, one turn of the inner wheel, is 134 ms, and one turn of the
/// outer wheel 4.6 min.
const SLOT_BITS: u32 = 11;
const SLOTS: usize = 1 << SLOT_BITS;
/// The crowd whose memory a slot keeps: larger ones would add up over all slots.
const KEPT: usize = 512;
/// Ticks are emptied together until there are so many events, so that one can look ahead to others.
const CROWD: usize = 256;
/// But no more ticks than this, 1 ms: what is pushed into one that is being emptied takes longer.
const TICKS: u64 = 16;

/// A hierarchical timing wheel whose slots are sorted when their time comes.
///
/// An event waits unsorted in the slot of its tick if that lies in the present page, else in the
/// slot of its page, else (past a whole turn of the outer wheel) in a heap. A page is dealt out to
/// ticks when it begins, and a few ticks are sorted when the first of them begins; what is pushed into
/// them then goes to a small heap beside them. So every event is moved two or three times and compared with the
/// few that share its tick, however many are pending, and the slots of ticks keep their memory from
/// turn to turn. Brown's calendar queue (CACM 31(10), 1988) with fixed widths: where it would resize, a
/// crowded tick costs the logarithm of its own crowd, and an empty one a bit in a map.
#[derive(Debug, Default)]
pub struct Wheel {
    /// The last tick of those that are being emptied, since the start of time.
    tick: u64,
    /// Of these ticks, in descending order.
    present: Vec<Pending>,
    /// Pushed since they began, and due in them (or, after a look ahead, before them).
    late: BinaryHeap<Reverse<Pending>>,
    ticks: Ring,
    pages: Ring,
    beyond: BinaryHeap<Reverse<Pending>>,
    len: usize,
}

fn tick_of(event: &Pending) -> u64 {
    event.key.time().as_nanos() >> TICK_BITS
}

impl Wheel {
    fn place(&mut self, event: Pending) {
        let tick = tick_of(&event);
        let (page, current) = (tick >> SLOT_BITS, self.tick >> SLOT_BITS);
        if tick <= self.tick {
            self.late.push(Reverse(event));
        } else if page == current {
            self.ticks.put(tick, event);
        } else if page - current < SLOTS as u64 {
            self.pages.put(page, event);
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
            let first = self.ticks.next_after(self.tick);
            let last = first.map_or(0, |first| first + TICKS);
            while self.present.len() < CROWD
                && let Some(tick) = self.ticks.next_after(self.tick).filter(|&tick| tick <= last)
            {
                self.tick = tick;
                self.ticks.take(tick, &mut self.present);
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
        let near = self.pages.next_after(self.tick >> SLOT_BITS);
        let far = self.beyond.peek().map(|Reverse(event)| tick_of(event) >> SLOT_BITS);
        let page = near.into_iter().chain(far).min().expect("events are pending");
        self.tick = page << SLOT_BITS;
        if near == Some(page) {
            let mut events = Vec::new();
            self.pages.take(page, &mut events);
            events.into_iter().for_each(|event| self.place(event));
        }
        while let Some(Reverse(event)) = self.beyond.peek()
            && tick_of(event) >> SLOT_BITS == page
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
        self.present.len().checked_sub(1 + ahead).map(|index| &self.present[index])
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// Slots that come round, and which of them hold something.
#[derive(Debug)]
struct Ring {
    slots: Box<[Vec<Pending>]>,
    occupied: [u64; SLOTS / 64],
}

impl Default for Ring {
    fn default() -> Ring {
        Ring { slots: (0..SLOTS).map(|_| Vec::new()).collect(), occupied: [0; SLOTS / 64] }
    }
}

impl Ring {
    fn put(&mut self, number: u64, event: Pending) {
        let slot = number as usize % SLOTS;
        self.slots[slot].push(event);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Moves a slot's events to the end of `events`.
    fn take(&mut self, number: u64, events: &mut Vec<Pending>) {
        let slot = number as usize % SLOTS;
        events.append(&mut self.slots[slot]);
        if self.slots[slot].capacity() > KEPT {
            self.slots[slot] = Vec::new();
        }
        self.occupied[slot / 64] &= !(1 << (slot % 64));
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
