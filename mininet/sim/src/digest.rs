use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::event::Happened;

/// A hash over the event log.
///
/// The events of a run have distinct keys that order them, so the log is determined by the *set* of
/// its events, and the hash is one over a set: the sum, modulo 2^128, of every event's XXH3. It can
/// therefore be kept by any number of threads without their meeting, and is the same for every
/// number. It finds accidents; it does not withstand somebody who wants two logs to collide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest {
    sum: u128,
    events: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, event: &Happened) {
        let mut record = [0; 32];
        record[..8].copy_from_slice(&event.key.time().as_nanos().to_le_bytes());
        record[8..16].copy_from_slice(&event.key.tie().to_le_bytes());
        record[16..20].copy_from_slice(&event.node.0.to_le_bytes());
        record[20..24].copy_from_slice(&event.bytes.to_le_bytes());
        record[24..].copy_from_slice(&event.fingerprint.to_le_bytes());
        self.sum = self.sum.wrapping_add(xxh3_128(&record));
        self.events += 1;
    }

    pub(crate) fn merge(&mut self, other: Digest) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.events += other.events;
    }

    /// How many events it is over.
    pub fn events(self) -> u64 {
        self.events
    }
}

/// As 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} over {} events", self.events)
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Time;

    use super::*;
    use crate::{Key, Kind, NodeId};

    fn event(time: u64, source: u32, bytes: u32) -> Happened {
        let key = Key::new(Time::from_nanos(time), Kind::Deliver, NodeId(source), 0);
        Happened { key, node: NodeId(7), bytes, fingerprint: 0 }
    }

    fn of(events: &[Happened]) -> Digest {
        let mut digest = Digest::default();
        events.iter().for_each(|event| digest.add(event));
        digest
    }

    #[test]
    fn every_field_counts_and_the_order_of_adding_does_not() {
        let [a, b] = [event(1, 2, 3), event(4, 5, 6)];
        assert_eq!(of(&[a, b]), of(&[b, a]));
        let mut merged = of(&[a]);
        merged.merge(of(&[b]));
        assert_eq!(merged, of(&[a, b]));
        let others = [
            event(2, 2, 3),
            event(1, 3, 3),
            event(1, 2, 4),
            Happened { node: NodeId(8), ..a },
            Happened { fingerprint: 1, ..a },
        ];
        for other in others {
            assert_ne!(of(&[a]), of(&[other]), "{other:?}");
        }
        // Sums of a set do not cancel when an event comes twice.
        assert_ne!(of(&[a, a]), of(&[b, b]));
    }
}
