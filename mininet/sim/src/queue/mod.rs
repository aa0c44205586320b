//! Pending-event sets.
//!
//! All give the same order; they differ in what a push and a pop cost.

mod heap;
mod wheel;

use nearcast_machine::Time;

pub use heap::Heap;
pub use wheel::Wheel;

use crate::event::Pending;

/// Events that have yet to happen, least key first.
pub trait Queue: Default + Send {
    /// Adds one, which may be earlier than any that is in there, but not than the last one popped.
    fn push(&mut self, event: Pending);

    /// When the first one is due. May tidy up to find out.
    fn next_time(&mut self) -> Option<Time>;

    /// Takes out the first one if it is due before `end`.
    fn pop_before(&mut self, end: Time) -> Option<Pending>;

    /// One that will be popped after so many others, if that is easy to say, so that what it needs
    /// can be fetched from memory meanwhile. A guess: it may be wrong, and the order does not
    /// depend on it.
    fn upcoming(&self, ahead: usize) -> Option<&Pending> {
        let _ = ahead;
        None
    }

    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
