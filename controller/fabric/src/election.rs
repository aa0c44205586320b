//! Which of two controllers decides.
//!
//! Two cannot agree on anything without a third if what joins them may break: each may be the only
//! one left. Here the switches are the third. A switch takes changes only from its master, and
//! makes that the controller which asked with the newest generation id (OpenFlow 1.3.5 6.3.6), so
//! at no switch do two ever decide, whatever either of them believes. What the two tell each other
//! serves only to change seldom:
//!
//! - Each tells the other, several times in a *lease*, whether it is master and the highest
//!   generation it knows. Who hears a master stands by. Who hears none for a lease takes a
//!   generation above every one it knows, ending in its own rank so that two never take the same,
//!   and asks to be master with it.
//! - Of two that stand by, the one of higher rank goes first. A master is not replaced for its
//!   rank.
//! - A master that learns of a higher generation than its own, from the other or from a switch,
//!   stands by at once. So of two masters one is left as soon as they hear of each other, or share
//!   a switch.
//! - If it was a switch that told, and the other is not heard, what joins the two is broken and the
//!   other decides: it is let alone for [`PATIENCE`] before it is taken for dead.

use nearcast_machine::{Span, Time};
use serde::{Deserialize, Serialize};

/// How long a controller that was replaced by another it cannot hear leaves that one alone.
pub const PATIENCE: Span = Span::from_secs(60);

/// What one controller tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its rank.
    pub rank: u16,
    /// Whether it is master.
    pub master: bool,
    /// The generation it is master by, else the highest it knows.
    pub generation: u64,
}

/// What follows from something that was heard, or not heard for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It asks to be master, with this generation id.
    Lead(u64),
    /// It stands by.
    Stand,
}

/// One of two controllers, as a machine.
///
/// ```
/// use nearcast_fabric::{Claim, Election, Turn};
/// use nearcast_machine::{Span, Time};
///
/// let lease = Span::from_secs(1);
/// let mut election = Election::new(7, lease, Time::ZERO);
/// assert_eq!(election.expire(Time::ZERO), None, "there may be a master");
/// let Some(Turn::Lead(generation)) = election.expire(Time::ZERO + lease) else { panic!() };
/// let other = Claim { rank: 8, master: true, generation: generation + 1 };
/// assert_eq!(election.heard(Time::ZERO + lease, other), Some(Turn::Stand));
/// ```
#[derive(Debug, Clone)]
pub struct Election {
    rank: u16,
    lease: Span,
    /// The generation it is master by.
    leading: Option<u64>,
    /// The highest generation it knows.
    known: u64,
    /// When the other was last heard.
    heard: Option<Time>,
    /// Until when another may be master.
    waits_until: Time,
}

impl Election {
    /// A controller that stands by, and must hear nothing for a `lease` before it leads.
    pub fn new(rank: u16, lease: Span, now: Time) -> Election {
        let waits_until = now + lease;
        Election { rank, lease, leading: None, known: 0, heard: None, waits_until }
    }

    /// What the other should be told.
    pub fn claim(&self) -> Claim {
        let generation = self.leading.unwrap_or(self.known);
        Claim { rank: self.rank, master: self.leading.is_some(), generation }
    }

    /// The other said something.
    pub fn heard(&mut self, now: Time, other: Claim) -> Option<Turn> {
        if self.heard.is_none_or(|last| now.since(last) >= self.lease) {
            // It is back: there is no need to be patient.
            self.waits_until = self.waits_until.min(now + self.lease);
        }
        self.heard = Some(now);
        self.known = self.known.max(other.generation);
        if other.master || other.rank > self.rank {
            self.waits_until = self.waits_until.max(now + self.lease);
        }
        let replaced = self.leading.is_some_and(|own| other.master && own < other.generation);
        replaced.then(|| self.stand())
    }

    /// A switch said which generation it last took.
    pub fn seen(&mut self, now: Time, generation: u64) -> Option<Turn> {
        self.known = self.known.max(generation);
        if self.leading.is_none_or(|own| own >= generation) {
            return None;
        }
        let heard = self.heard.is_some_and(|last| now.since(last) < self.lease);
        self.waits_until = now + if heard { self.lease } else { PATIENCE };
        Some(self.stand())
    }

    /// What follows by now from nothing being heard.
    pub fn expire(&mut self, now: Time) -> Option<Turn> {
        if self.leading.is_some() || now < self.waits_until {
            return None;
        }
        // The rank in the low bits keeps two from taking the same one.
        let generation = ((self.known >> 16) + 1) << 16 | u64::from(self.rank);
        self.known = generation;
        self.leading = Some(generation);
        Some(Turn::Lead(generation))
    }

    /// When [`expire`](Election::expire) has something to do.
    pub fn deadline(&self) -> Option<Time> {
        self.leading.is_none().then_some(self.waits_until)
    }

    fn stand(&mut self) -> Turn {
        self.leading = None;
        Turn::Stand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEASE: Span = Span::from_secs(1);

    fn at(ms: u64) -> Time {
        Time::ZERO + Span::from_millis(ms)
    }

    /// Two controllers and the switches that both reach; each with the generation it took.
    struct Pair {
        now: u64,
        two: [Election; 2],
        alive: [bool; 2],
        switches: [u64; 3],
    }

    impl Pair {
        fn new() -> Pair {
            let two = [1, 2].map(|rank| Election::new(rank, LEASE, at(0)));
            Pair { now: 0, two, alive: [true; 2], switches: [0; 3] }
        }

        fn turn(&mut self, turn: Option<Turn>, reaches: [bool; 3]) {
            let Some(Turn::Lead(generation)) = turn else { return };
            for (switch, reached) in self.switches.iter_mut().zip(reaches) {
                if reached && *switch < generation {
                    *switch = generation;
                }
            }
        }

        /// 200 ms: who is alive says what it claims, and asks the switches that it reaches.
        fn step(&mut self, linked: bool, reaches: [[bool; 3]; 2]) {
            self.now += 200;
            let now = at(self.now);
            for (who, reaches) in reaches.into_iter().enumerate() {
                if !self.alive[who] {
                    continue;
                }
                let other = 1 - who;
                if linked && self.alive[other] {
                    let claim = self.two[who].claim();
                    self.two[other].heard(now, claim);
                }
                for (switch, reached) in self.switches.into_iter().zip(reaches) {
                    if reached {
                        self.two[who].seen(now, switch);
                    }
                }
                let turn = self.two[who].expire(now);
                self.turn(turn, reaches);
            }
        }

        fn masters(&self) -> Vec<usize> {
            (0..2).filter(|who| self.alive[*who] && self.two[*who].claim().master).collect()
        }
    }

    const ALL: [[bool; 3]; 2] = [[true; 3]; 2];

    #[test]
    fn the_higher_rank_goes_first_the_other_takes_over_and_keeps_it() {
        let mut pair = Pair::new();
        (0..10).for_each(|_| pair.step(true, ALL));
        assert_eq!(pair.masters(), [1]);
        let first = pair.switches[0];
        pair.alive[1] = false;
        (0..4).for_each(|_| pair.step(true, ALL));
        assert!(pair.masters().is_empty(), "not before the lease is over");
        (0..2).for_each(|_| pair.step(true, ALL));
        assert_eq!(pair.masters(), [0]);
        assert!(pair.switches[0] > first);
        pair.alive[1] = true;
        pair.two[1] = Election::new(2, LEASE, at(pair.now));
        (0..50).for_each(|_| pair.step(true, ALL));
        assert_eq!(pair.masters(), [0], "who comes back stands by");
    }

    #[test]
    fn a_broken_link_does_not_make_the_two_take_turns() {
        let mut pair = Pair::new();
        (0..10).for_each(|_| pair.step(true, ALL));
        let before = pair.switches[0];
        let mut changes = 0;
        let mut last = before;
        // 50 seconds without a word between the two.
        for _ in 0..250 {
            pair.step(false, ALL);
            assert!(pair.masters().len() < 2, "a shared switch tells the older of the newer");
            changes += usize::from(std::mem::replace(&mut last, pair.switches[0]) != last);
        }
        assert_eq!(changes, 1);
        assert_eq!(pair.masters(), [0]);
    }

    proptest! {
        #[test]
        fn whatever_broke_one_is_left_once_it_is_mended(
            steps in proptest::collection::vec((any::<bool>(), any::<[[bool; 3]; 2]>()), 0..200),
        ) {
            let mut pair = Pair::new();
            for (linked, reaches) in steps {
                let before = pair.switches;
                pair.step(linked, reaches);
                for (was, is) in before.iter().zip(pair.switches) {
                    prop_assert!(*was <= is, "a switch never goes back to a master of the past");
                }
                let taken: Vec<_> = (0..2).filter_map(|who| pair.two[who].leading).collect();
                prop_assert!(taken.len() < 2 || taken[0] != taken[1]);
            }
            (0..20).for_each(|_| pair.step(true, ALL));
            let masters = pair.masters();
            prop_assert_eq!(masters.len(), 1);
            let leading = pair.two[masters[0]].claim().generation;
            prop_assert!(pair.switches.iter().all(|switch| *switch <= leading));
        }
    }
}
