//! Where each of some peers is in a list.

use super::PeerId;

/// No place in the list.
const NONE: u8 = u8::MAX;

/// Places by a hash of the peer, with open addressing; at least half of the table is empty, so that
/// a peer is found, or known not to be there, at the first or second look. Who picks addresses that
/// collide makes it a search of the whole list, no more.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// As many as a power of two, or none.
    table: Vec<u8>,
}

impl Index {
    /// Where a peer is in the list that was [`built`](Index::build).
    pub(super) fn find(&self, list: &[PeerId], peer: PeerId) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = hash(peer);
        loop {
            match self.table[slot & mask] {
                NONE => return None,
                at if list[usize::from(at)] == peer => return Some(at.into()),
                _ => slot += 1,
            }
        }
    }

    /// Takes in a list of at most 255 peers, all different, for the one before it.
    pub(super) fn build(&mut self, list: &[PeerId]) {
        self.table.clear();
        self.table.resize((2 * list.len()).next_power_of_two(), NONE);
        let mask = self.table.len() - 1;
        for (&peer, at) in list.iter().zip(0..) {
            let mut slot = hash(peer);
            while self.table[slot & mask] != NONE {
                slot += 1;
            }
            self.table[slot & mask] = at;
        }
    }

    /// Its memory.
    pub(super) fn table(&self) -> &[u8] {
        &self.table
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the upper half of a product
/// is the better mixed.
fn hash(peer: PeerId) -> usize {
    (peer.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everybody_is_found_and_nobody_else(
            list in prop::collection::hash_set(0u64..400, 0..251),
            shift in 0u32..40,
        ) {
            let all = (0..400).map(|n| PeerId(n << shift));
            let list: Vec<PeerId> = list.into_iter().map(|n| PeerId(n << shift)).collect();
            let mut index = Index::default();
            prop_assert_eq!(index.find(&[], PeerId(0)), None);
            index.build(&list);
            for peer in all {
                let place = list.iter().position(|&known| known == peer);
                prop_assert_eq!(index.find(&list, peer), place);
            }
        }
    }
}
