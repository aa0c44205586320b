//! What one receiver has asked for and not been sent: first in, first out.

use std::collections::VecDeque;

use nearcast_machine::Time;

use super::Lc;

/// Most requests that may wait with deadlines of their own. An honest receiver has two at most: its
/// rounds are as long as its patience.
const BATCHES_MAX: usize = 8;

/// The requests of one receiver. Those of one message share a deadline.
///
/// What every chunk that is sent looks at comes first, and ends with the line of the cache in
/// [`Neighbour`](super::neighbour::Neighbour).
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Queue {
    chunks: VecDeque<u32>,
    /// The batch that is being served, of no chunks if there is none: kept here, for every chunk
    /// that is sent counts in it.
    front: Batch,
    /// Those behind it.
    behind: VecDeque<Batch>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    deadline: Time,
    count: u16,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Appends the chunks of one message, as far as `most` allows; answers how many it took.
    pub(super) fn push(&mut self, chunks: &[Lc], deadline: Time, most: u16) -> u16 {
        if self.behind.len() + 1 >= BATCHES_MAX && self.front.count > 0 {
            return 0;
        }
        let room = usize::from(most).saturating_sub(self.chunks.len());
        let chunks = &chunks[..room.min(chunks.len())];
        self.chunks.extend(chunks.iter().map(|lc| lc.pack()));
        let count = chunks.len() as u16;
        match (self.front.count, count) {
            (_, 0) => {}
            (0, _) => self.front = Batch { deadline, count },
            _ => self.behind.push_back(Batch { deadline, count }),
        }
        count
    }

    /// Removes what has not been served before its deadline; answers how much that was.
    pub(super) fn purge(&mut self, now: Time) -> u16 {
        let mut removed = 0;
        while self.front.count > 0 && self.front.deadline <= now {
            self.chunks.drain(..usize::from(self.front.count));
            removed += self.front.count;
            self.front = self.behind.pop_front().unwrap_or_default();
        }
        removed
    }

    pub(super) fn pop(&mut self) -> Option<Lc> {
        let chunk = self.chunks.pop_front()?;
        // The front batch is never empty while any chunk waits.
        self.front.count -= 1;
        self.next_batch();
        Some(Lc::unpack(chunk))
    }

    /// The chunks that wait, the first one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Lc> {
        self.chunks.iter().map(|&chunk| Lc::unpack(chunk))
    }

    /// Names where the first ones lie.
    pub(super) fn foresee(&self, name: &mut impl FnMut(*const u8)) {
        name(self.chunks.as_slices().0.as_ptr().cast());
    }

    /// As [`pop`](Queue::pop), but of all of the first one's layer the one of which `copies` are
    /// least, the first among equals. So layers keep the order in which the receiver wants them.
    pub(super) fn pop_rarest(&mut self, copies: impl Fn(Lc) -> u8) -> Option<Lc> {
        let layer = Lc::unpack(*self.chunks.front()?).layer;
        let waiting = self.chunks.iter().map(|&chunk| Lc::unpack(chunk)).enumerate();
        let of_the_layer = waiting.filter(|(_, lc)| lc.layer == layer);
        let (at, lc) = of_the_layer.min_by_key(|&(_, lc)| copies(lc))?;
        self.chunks.remove(at)?;
        self.uncount(at);
        Some(lc)
    }

    /// Takes the chunk at a place out of the count of its batch: every chunk is in one.
    fn uncount(&mut self, at: usize) {
        let mut from = usize::from(self.front.count);
        if at < from {
            self.front.count -= 1;
        } else {
            for batch in &mut self.behind {
                from += usize::from(batch.count);
                if at < from {
                    batch.count -= 1;
                    break;
                }
            }
            self.behind.retain(|batch| batch.count > 0);
        }
        self.next_batch();
    }

    fn next_batch(&mut self) {
        if self.front.count == 0 {
            self.front = self.behind.pop_front().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Span;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    fn chunks(seqs: std::ops::Range<u32>) -> Vec<Lc> {
        seqs.map(|seq| Lc { layer: 1, seq }).collect()
    }

    #[test]
    fn first_in_first_out_until_the_deadline() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(&chunks(0..3), at(900), 10), 3);
        assert_eq!(queue.push(&chunks(3..5), at(1900), 10), 2);
        assert_eq!(queue.pop(), Some(Lc { layer: 1, seq: 0 }));
        assert_eq!(queue.purge(at(899)), 0);
        assert_eq!(queue.purge(at(900)), 2, "what was served is not removed again");
        assert_eq!(queue.pop(), Some(Lc { layer: 1, seq: 3 }));
        assert_eq!(queue.purge(at(5000)), 1);
        assert!(queue.is_empty() && queue.pop().is_none());
    }

    #[test]
    fn the_rarest_goes_first_and_deadlines_stay_with_their_chunks() {
        let mut queue = Queue::default();
        queue.push(&chunks(0..2), at(900), 10);
        queue.push(&chunks(2..3), at(1000), 10);
        queue.push(&chunks(3..6), at(1900), 10);
        let copies = |lc: Lc| [2, 1, 0, 1, 0, 1][lc.seq as usize];
        let mut next = || queue.pop_rarest(copies).map(|lc| lc.seq);
        assert_eq!([next(), next(), next()], [Some(2), Some(4), Some(1)]);
        assert_eq!(queue.purge(at(1000)), 1, "the first batch has one left, the second none");
        let mut next = || queue.pop_rarest(copies).map(|lc| lc.seq);
        assert_eq!([next(), next(), next()], [Some(3), Some(5), None]);
        assert_eq!(queue.purge(at(5000)), 0);
    }

    #[test]
    fn layers_keep_their_order_however_rare_an_upper_one_is() {
        let mut queue = Queue::default();
        let layers = [0, 0, 0, 2, 2];
        let chunks = layers.into_iter().zip(0..).map(|(layer, seq)| Lc { layer, seq });
        queue.push(&chunks.collect::<Vec<_>>(), at(900), 10);
        let copies = |lc: Lc| [3, 2, 3, 0, 0][lc.seq as usize];
        let order: Vec<_> =
            std::iter::from_fn(|| queue.pop_rarest(copies)).map(|lc| lc.seq).collect();
        assert_eq!(order, [1, 0, 2, 3, 4]);
    }

    #[test]
    fn it_is_bounded_whoever_asks() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(&chunks(0..1000), at(1), 256), 256);
        assert_eq!(queue.push(&chunks(0..1000), at(1), 256), 0);
        let mut queue = Queue::default();
        let taken: u16 = (0..100).map(|n| queue.push(&chunks(n..n + 1), at(1), 256)).sum();
        assert_eq!(usize::from(taken), BATCHES_MAX);
    }
}
