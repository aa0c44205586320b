use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nearcast_machine::Time;

use super::Queue;
use crate::event::Pending;

/// The standard library's binary heap: what [`Wheel`](super::Wheel) is held against, in tests for
/// its order and in benchmarks for its speed.
#[derive(Debug, Default)]
pub struct Heap(BinaryHeap<Reverse<Pending>>);

impl Queue for Heap {
    fn push(&mut self, event: Pending) {
        self.0.push(Reverse(event));
    }

    fn next_time(&mut self) -> Option<Time> {
        self.0.peek().map(|Reverse(event)| event.key.time())
    }

    fn pop_before(&mut self, end: Time) -> Option<Pending> {
        if self.next_time()? >= end {
            return None;
        }
        self.0.pop().map(|Reverse(event)| event)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
