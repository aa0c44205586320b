//! The peers of one stream.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nearcast_machine::{Rng, Time};
use rand::Rng as _;

use crate::mesh::PeerId;

/// Peers in no order, so that some can be drawn at random without looking at all.
#[derive(Debug)]
pub(super) struct Swarm {
    opener: u64,
    peers: Vec<(PeerId, Time)>,
    place: BTreeMap<PeerId, usize>,
    hosts: BTreeMap<u64, u16>,
}

impl Swarm {
    /// Nobody yet, of a stream that a host spoke of first.
    pub(super) fn of(opener: u64) -> Swarm {
        Swarm { opener, peers: Vec::new(), place: BTreeMap::new(), hosts: BTreeMap::new() }
    }

    /// The host that spoke of the stream first.
    pub(super) fn opener(&self) -> u64 {
        self.opener
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Takes note that a peer is there until `until`, if there is room for it.
    pub(super) fn announce(
        &mut self,
        peer: PeerId,
        until: Time,
        most: usize,
        per_host: Option<u16>,
    ) {
        if let Some(&place) = self.place.get(&peer) {
            self.peers[place].1 = until;
            return;
        }
        let crowded = per_host
            .is_some_and(|most| self.hosts.get(&host(peer)).is_some_and(|&count| count >= most));
        if self.peers.len() >= most || crowded {
            return;
        }
        self.place.insert(peer, self.peers.len());
        self.peers.push((peer, until));
        if per_host.is_some() {
            *self.hosts.entry(host(peer)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        let Some(place) = self.place.remove(&peer) else { return };
        self.peers.swap_remove(place);
        if let Some(&(moved, _)) = self.peers.get(place) {
            self.place.insert(moved, place);
        }
        uncount(&mut self.hosts, host(peer));
    }

    /// Forgets those who have not been heard of in time.
    pub(super) fn expire(&mut self, now: Time) {
        for place in (0..self.peers.len()).rev() {
            let (peer, until) = self.peers[place];
            if until <= now {
                self.remove(peer);
            }
        }
    }

    /// Draws up to `want` peers other than `except`, each set as likely as any other (Floyd's
    /// algorithm, CACM 30/9, 1987).
    pub(super) fn sample(&self, except: PeerId, want: usize, rng: &mut Rng, out: &mut Vec<PeerId>) {
        let hole = self.place.get(&except).copied();
        let count = self.peers.len() - usize::from(hole.is_some());
        // Places of the others are counted as if the asker's were not there.
        let mut drawn: Vec<usize> = Vec::with_capacity(want.min(count));
        for last in count.saturating_sub(want)..count {
            let place = rng.random_range(0..=last);
            drawn.push(if drawn.contains(&place) { last } else { place });
        }
        out.extend(drawn.into_iter().map(|place| {
            let behind = hole.is_some_and(|hole| place >= hole);
            self.peers[place + usize::from(behind)].0
        }));
    }
}

/// What ids of one host have in common.
pub(super) fn host(peer: PeerId) -> u64 {
    peer.0 >> 16
}

/// Counts one less of what a host has, if it has any.
pub(super) fn uncount(counts: &mut BTreeMap<u64, u16>, host: u64) {
    if let Entry::Occupied(mut count) = counts.entry(host) {
        match *count.get() {
            0 | 1 => drop(count.remove()),
            more => *count.get_mut() = more - 1,
        }
    }
}
