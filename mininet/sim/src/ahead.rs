//! What soon events need, fetched from memory while others happen.
//!
//! With thousands of nodes almost every event would otherwise wait for its node, its messages, and
//! what they point to. Main memory takes some 150 ns to answer, but many things can be asked of it
//! at once.

use crate::event::{Kind, Pending};
use crate::prefetch::{prefetch, prefetch_line};
use crate::shard::{Live, Parcel, Shard};
use crate::table::Table;
use crate::{FORESEEN, Node, Observer, Queue};

/// How many events ahead it is asked where a node and its messages are; for these; for what every
/// call of the node looks at; and for what it names in its steps. Each needs what came before.
const PLACE_AHEAD: usize = 6;
const NODE_AHEAD: usize = 5;
const ROOTS_AHEAD: usize = 4;
const STEPS_AHEAD: [usize; FORESEEN] = [3, 2, 1];

impl<N: Node, Q: Queue, O: Observer<N>> Shard<'_, N, Q, O> {
    /// Asks for what the next few events need, of each one step further than when the event before
    /// happened.
    pub(crate) fn fetch_ahead(&self) {
        let stride = Table::<Parcel<N::Message>>::stride();
        if let Some(event) = self.queue.upcoming(PLACE_AHEAD) {
            let place = self.place(event.node);
            prefetch_line(self.homes.as_ptr().wrapping_add(place).cast());
            match event.key.kind() {
                Kind::Collect => {
                    prefetch_line(self.inboxes.place_of(place, event.key.time()));
                }
                Kind::Reach | Kind::Deliver => prefetch(self.parcels.place(event.slot), stride),
                _ => {}
            }
        }
        if let Some(event) = self.queue.upcoming(NODE_AHEAD) {
            if !self.follows(NODE_AHEAD, event)
                && let Some(home) = self.home(event.node)
            {
                prefetch(self.nodes.place(home), Table::<Live<N>>::stride());
            }
            self.collected(event).for_each(|slot| prefetch(self.parcels.place(slot), stride));
        }
        let mut name = |at| prefetch_line(at);
        if let Some(event) = self.queue.upcoming(ROOTS_AHEAD)
            && !self.follows(ROOTS_AHEAD, event)
            && let Some(home) = self.home(event.node)
        {
            self.nodes.at(home).machine.foresee_roots(&mut name);
        }
        for (step, ahead) in STEPS_AHEAD.into_iter().enumerate() {
            let Some(event) = self.queue.upcoming(ahead) else { continue };
            let Some(home) = self.home(event.node) else { continue };
            let node = self.nodes.at(home);
            let mut foresee = |slot| {
                let parcel = self.parcels.at(slot);
                node.machine.foresee(Some((parcel.from, &parcel.message)), step, &mut name);
            };
            match event.key.kind() {
                Kind::Collect => self.collected(event).for_each(foresee),
                Kind::Deliver => foresee(event.slot),
                Kind::Expire if node.alarms == event.key.number() => {
                    node.machine.foresee(None, step, &mut name);
                }
                _ => {}
            }
        }
    }

    /// Where the messages are kept that an event collects.
    fn collected(&self, event: &Pending) -> impl Iterator<Item = u32> {
        let collects = event.key.kind() == Kind::Collect;
        let messages =
            collects.then(|| self.inboxes.upcoming(self.place(event.node), event.key.time()));
        messages.into_iter().flatten()
    }

    /// Whether an event that comes so soon follows another one of its node.
    fn follows(&self, ahead: usize, event: &Pending) -> bool {
        self.queue.upcoming(ahead - 1).is_some_and(|before| before.node == event.node)
    }
}
