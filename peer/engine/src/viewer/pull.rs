//! What is asked of whom: holes, the ladder of suppliers, and chunks in flight.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use nearcast_machine::{Rng, Span, Time};
use nearcast_media::StreamId;

use super::Settings;
use super::supplier::Supplier;
use crate::store::{Missing, Store, ranges};
use crate::wire::{DATAGRAM_MAX, Datagram, RANGES_MAX, REQUEST_UNITS_MAX, Request, Wanted};

/// Stands for "all chunks" of a unit whose number of chunks is not known.
const ALL: u16 = u16::MAX;
/// A chunk counts as lost once this many that were asked of the same supplier after it have come
/// (as in RFC 5681 3.2): suppliers answer in the order in which they are asked.
const OVERTAKEN: u64 = 3;
/// How long to wait once the whole ladder has been tried in vain; doubles up to the longest.
const ROUND_PAUSE: Span = Span::from_millis(100);
const ROUND_PAUSE_MAX: Span = Span::from_secs(2);
/// Most holes that are looked at for one plan; the first ones are the urgent ones.
const HOLES_AT_ONCE: usize = 512;
/// How long a supplier that has nothing of the stream is left alone.
const NOTHING_REST: Span = Span::from_millis(500);

/// The units that are known to exist and are not whole, and what is done about them.
///
/// Each is asked of the nearest holder first, then of the next one, then of the last in the
/// controller's list (the broadcaster), then of the CDN seed, and so on from the start. Whoever
/// does not answer twice in a row is left out for a while. While RTMP is being resumed the order is
/// the same: the seed's tail brings what is missing anyway, and if the seed is what died, the
/// neighbours have it.
#[derive(Debug, Default)]
pub(super) struct Pull {
    holders: Vec<Supplier>,
    seed: Option<Supplier>,
    holes: BTreeMap<u64, Hole>,
    asks: BTreeMap<(u64, u16), Ask>,
    serial: u64,
}

/// A unit with something missing.
#[derive(Debug)]
struct Hole {
    since: Time,
    /// Chunks from this one on may still be on their way by the push.
    upto: u16,
    not_before: Time,
    /// How many suppliers were tried.
    rung: usize,
    /// How many chunks the unit has, if an index said so.
    count: Option<u16>,
    /// How many chunks of it were asked for, each time counted.
    asked: u32,
    /// Whether it is part of a group that is handed over, and no loss.
    handover: bool,
}

/// A chunk that was asked for.
#[derive(Debug, Clone, Copy)]
struct Ask {
    of: SocketAddrV4,
    at: Time,
    serial: u64,
    /// Whether its answer measures the round-trip time: nothing else was in flight.
    timed: bool,
}

/// A hole that was filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// How many chunks were asked for.
    pub(super) asked: u32,
    /// How long the hole was known.
    pub(super) after: Span,
}

/// A Request to be sent.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) of: SocketAddrV4,
    pub(super) datagram: Datagram,
    pub(super) chunks: u32,
    /// The first unit asked for.
    pub(super) unit: u64,
    /// Whether any of it repairs a loss.
    pub(super) repair: bool,
}

/// What a plan is made for.
pub(super) struct Plan<'a> {
    pub(super) now: Time,
    pub(super) settings: &'a Settings,
    pub(super) store: &'a Store,
    pub(super) stream: StreamId,
    /// What the seed gave; without one it is not asked.
    pub(super) token: Option<u64>,
}

impl Pull {
    pub(super) fn new(seed: Option<SocketAddrV4>) -> Pull {
        Pull { seed: seed.map(Supplier::new), ..Pull::default() }
    }

    /// Replaces the holders, nearest first; what is known of those that stay is kept.
    pub(super) fn set_holders(&mut self, holders: &[SocketAddrV4]) {
        let mut before = std::mem::take(&mut self.holders);
        for &address in holders {
            let known = before.iter().position(|supplier| supplier.address == address);
            let supplier = known.map(|at| before.swap_remove(at));
            self.holders.push(supplier.unwrap_or_else(|| Supplier::new(address)));
        }
        self.asks.retain(|_, ask| before.iter().all(|gone| gone.address != ask.of));
    }

    /// The supplier at an address.
    pub(super) fn supplier(&mut self, address: SocketAddrV4) -> Option<&mut Supplier> {
        self.holders.iter_mut().chain(&mut self.seed).find(|s| s.address == address)
    }

    /// Whom to ask, in this order: two neighbours, the broadcaster, the seed.
    pub(super) fn ladder(&self) -> Vec<SocketAddrV4> {
        let near = self.holders.iter().take(2);
        let ladder = near.chain(self.holders.iter().skip(2).last()).chain(&self.seed);
        ladder.map(|supplier| supplier.address).collect()
    }

    /// Takes note that chunks of `unit` below `upto` (all, if `None`) should have come by now; they
    /// are asked for from `due` on.
    pub(super) fn suspect(&mut self, now: Time, unit: u64, upto: Option<u16>, due: Time) {
        let upto = upto.unwrap_or(ALL);
        let fresh = Hole {
            since: now,
            upto,
            not_before: due,
            rung: 0,
            count: None,
            asked: 0,
            handover: false,
        };
        let hole = self.holes.entry(unit).or_insert(fresh);
        hole.upto = hole.upto.max(upto);
    }

    /// Takes note that `unit` is part of a group that `holder` hands over, and how many chunks it
    /// has (0 if the holder lacks it). The first `coming` of them are on their way already.
    pub(super) fn hand_over(
        &mut self,
        now: Time,
        unit: u64,
        holder: SocketAddrV4,
        count: u16,
        coming: u16,
    ) {
        self.suspect(now, unit, None, now);
        let rung = self.ladder().iter().position(|&address| address == holder);
        if let Some(hole) = self.holes.get_mut(&unit)
            && count > 0
        {
            hole.handover = true;
            hole.count = Some(count);
            hole.rung = rung.unwrap_or(0);
        }
        for index in 0..coming {
            self.note(now, unit, index, holder, false);
        }
    }

    /// Whether all of `unit` is known to be missing.
    pub(super) fn suspects(&self, unit: u64) -> bool {
        self.holes.get(&unit).is_some_and(|hole| hole.upto == ALL)
    }

    /// Whether `unit` was asked of anyone, so that a chunk of it is an answer.
    pub(super) fn has_asked(&self, unit: u64) -> bool {
        self.holes.get(&unit).is_some_and(|hole| hole.asked > 0)
    }

    /// Takes note of a chunk that came, from a supplier or (`None`) by the push. `count` is how
    /// many its unit has.
    pub(super) fn arrived(
        &mut self,
        now: Time,
        from: Option<SocketAddrV4>,
        (unit, index): (u64, u16),
        count: u16,
        settings: &Settings,
    ) {
        if let Some(whole) = self.asks.remove(&(unit, ALL)) {
            // From now on it is known what the question was about.
            self.release(whole.of);
            for each in 0..count {
                if !self.asks.contains_key(&(unit, each))
                    && let Some(supplier) = self.supplier(whole.of)
                {
                    supplier.in_flight += 1;
                    self.asks.insert((unit, each), whole);
                }
            }
        }
        let Some(ask) = self.asks.remove(&(unit, index)) else { return };
        self.release(ask.of);
        let Some(supplier) = from.and_then(|from| self.supplier(from)) else { return };
        if supplier.address != ask.of {
            supplier.heard(now);
            return;
        }
        supplier.answers(now);
        if ask.timed {
            supplier.sample(now.since(ask.at));
        }
        self.overtaken(now, ask, settings);
    }

    /// Gives up on chunks that were asked before `answer` and overtaken by others, so that they are
    /// asked for again, at the same supplier: it is there.
    fn overtaken(&mut self, now: Time, answer: Ask, settings: &Settings) {
        let lost = |ask: &Ask| {
            ask.of == answer.of
                && ask.serial + OVERTAKEN < answer.serial
                && ask.at + settings.tolerance < now
        };
        if !self.take_asks(|_, ask| lost(ask)).is_empty()
            && let Some(supplier) = self.supplier(answer.of)
        {
            supplier.loses(now, settings.timeout);
        }
    }

    /// Takes note that a unit is whole, or no longer wanted.
    pub(super) fn settled(&mut self, now: Time, unit: u64) -> Option<Filled> {
        self.take_asks(|asked, _| asked == unit);
        let hole = self.holes.remove(&unit)?;
        (hole.asked > 0 && !hole.handover)
            .then(|| Filled { asked: hole.asked, after: now.since(hole.since) })
    }

    /// Forgets all units below `next`.
    pub(super) fn settled_below(&mut self, next: u64) {
        self.take_asks(|unit, _| unit < next);
        self.holes = self.holes.split_off(&next);
    }

    /// Forgets all units, but not the suppliers.
    pub(super) fn clear(&mut self) {
        self.take_asks(|_, _| true);
        self.holes.clear();
    }

    /// A supplier says that it lacks `units`, or everything.
    pub(super) fn lacks(&mut self, now: Time, of: SocketAddrV4, units: &[u64]) {
        let Some(supplier) = self.supplier(of) else { return };
        supplier.heard(now);
        if units.is_empty() {
            supplier.rest(now, NOTHING_REST);
        }
        let concerned = |unit: u64| units.is_empty() || units.contains(&unit);
        self.climb(now, |unit, ask| ask.of == of && concerned(unit));
    }

    /// The seed gave another token: what was asked with the old one is asked again.
    pub(super) fn ask_seed_again(&mut self) {
        let Some(seed) = &mut self.seed else { return };
        seed.in_flight = 0;
        let address = seed.address;
        self.asks.retain(|_, ask| ask.of != address);
    }

    /// Gives up on what has not been answered in time.
    pub(super) fn expire(&mut self, now: Time, settings: &Settings, rng: &mut Rng) {
        let late: Vec<_> = self
            .holders
            .iter()
            .chain(&self.seed)
            .filter(|s| s.in_flight > 0)
            .map(|s| (s.address, s.answered, s.timeout(settings.timeout)))
            .collect();
        for (address, answered, timeout) in late {
            let over = |ask: &Ask| ask.of == address && ask.at.max(answered) + timeout <= now;
            if self.climb(now, |_, ask| over(ask)) > 0
                && let Some(supplier) = self.supplier(address)
            {
                supplier.fails(now, settings.timeout, rng);
            }
        }
    }

    /// Drops the asks that `which` picks; their units are tried at the next supplier.
    fn climb(&mut self, now: Time, which: impl Fn(u64, &Ask) -> bool) -> usize {
        let dropped = self.take_asks(which);
        let rungs = self.ladder().len().max(1);
        let mut before = None;
        for &unit in &dropped {
            if before.replace(unit) == Some(unit) {
                continue;
            }
            if let Some(hole) = self.holes.get_mut(&unit) {
                hole.rung += 1;
                if hole.rung.is_multiple_of(rungs) {
                    let rounds = (hole.rung / rungs - 1).min(10);
                    hole.not_before = now + (ROUND_PAUSE * (1 << rounds)).min(ROUND_PAUSE_MAX);
                }
            }
        }
        dropped.len()
    }

    /// What to ask now, and of whom.
    pub(super) fn plan(&mut self, plan: &Plan<'_>) -> Vec<Asking> {
        let Plan { now, settings, store, .. } = *plan;
        let ladder = self.ladder();
        let usable: Vec<bool> = ladder
            .iter()
            .map(|&address| {
                let seed = self.seed.as_ref().is_some_and(|seed| seed.address == address);
                let supplier = self.supplier(address).expect("the ladder is made of suppliers");
                supplier.rests_until() <= now && (!seed || plan.token.is_some())
            })
            .collect();
        if !usable.contains(&true) {
            return Vec::new();
        }
        debug_assert_eq!(
            self.holders.iter().chain(&self.seed).map(|s| s.in_flight).sum::<usize>(),
            self.asks.len(),
            "every chunk in flight was asked of a supplier that is there"
        );
        let mut askings: Vec<Asking> = Vec::new();
        let due: Vec<_> = self
            .holes
            .iter()
            .filter(|(_, hole)| hole.not_before <= now)
            .take(HOLES_AT_ONCE)
            .map(|(&unit, hole)| (unit, hole.upto, hole.rung, hole.count))
            .collect();
        for (unit, upto, rung, count) in due {
            let chosen = (0..ladder.len()).map(|step| (rung + step) % ladder.len());
            let Some(of) = chosen.filter(|&at| usable[at]).map(|at| ladder[at]).next() else {
                continue;
            };
            let supplier = self.supplier(of).expect("the ladder is made of suppliers");
            let room = supplier.room(settings.in_flight);
            if room == 0 {
                // Later units would be asked of the same one, or overtake this one.
                break;
            }
            let idle = supplier.in_flight == 0;
            let indices = match store.missing(unit) {
                Missing::Nothing => continue,
                Missing::All => count.map_or(vec![ALL], |count| (0..count).collect()),
                Missing::Some(ranges) => {
                    let all = ranges.into_iter().flat_map(|(first, last)| first..=last);
                    all.filter(|&index| index < upto).collect()
                }
            };
            let free = |&index: &u16| {
                !self.asks.contains_key(&(unit, index)) && !self.asks.contains_key(&(unit, ALL))
            };
            let indices: Vec<u16> = indices.into_iter().filter(free).take(room).collect();
            for (place, &index) in indices.iter().enumerate() {
                self.note(now, unit, index, of, idle && place == 0);
            }
            if !indices.is_empty() {
                let repair = self.holes.get(&unit).is_some_and(|hole| !hole.handover);
                for wanted in wanted(unit, &indices) {
                    add(&mut askings, plan, of, wanted, repair);
                }
            }
        }
        askings
    }

    fn note(&mut self, now: Time, unit: u64, index: u16, of: SocketAddrV4, timed: bool) {
        let Some(supplier) = self.supplier(of) else { return };
        supplier.in_flight += 1;
        self.serial += 1;
        let ask = Ask { of, at: now, serial: self.serial, timed };
        if let Some(before) = self.asks.insert((unit, index), ask) {
            self.release(before.of);
        }
        if let Some(hole) = self.holes.get_mut(&unit) {
            hole.asked += 1;
        }
    }

    /// Drops the asks that `which` picks; gives their units, ascending, once per ask.
    fn take_asks(&mut self, which: impl Fn(u64, &Ask) -> bool) -> Vec<u64> {
        let mut taken = Vec::new();
        self.asks.retain(|&(unit, _), ask| {
            let takes = which(unit, ask);
            if takes {
                taken.push((unit, ask.of));
            }
            !takes
        });
        taken.iter().for_each(|&(_, of)| self.release(of));
        taken.into_iter().map(|(unit, _)| unit).collect()
    }

    fn release(&mut self, of: SocketAddrV4) {
        if let Some(supplier) = self.supplier(of) {
            supplier.in_flight = supplier.in_flight.saturating_sub(1);
        }
    }

    /// When [`expire`](Pull::expire) or [`plan`](Pull::plan) may have something to do.
    pub(super) fn deadline(&self, now: Time, settings: &Settings) -> Option<Time> {
        let suppliers = || self.holders.iter().chain(&self.seed);
        let late = suppliers().filter(|s| s.in_flight > 0).filter_map(|s| {
            let first =
                self.asks.values().filter(|ask| ask.of == s.address).map(|ask| ask.at).min();
            first.map(|first| first.max(s.answered) + s.timeout(settings.timeout))
        });
        let due = self.holes.values().map(|hole| hole.not_before).filter(|&at| at > now);
        let rested = suppliers().map(Supplier::rests_until).filter(|&at| at > now);
        let rested = rested.filter(|_| !self.holes.is_empty());
        late.chain(due).chain(rested).min()
    }
}

/// Adds to the Request to `of` that is being put together, or begins another.
fn add(askings: &mut Vec<Asking>, plan: &Plan<'_>, of: SocketAddrV4, wanted: Wanted, repair: bool) {
    let length = wanted.encoded_len();
    let width = |&(first, last): &(u16, u16)| u32::from(last - first) + 1;
    let chunks = wanted.ranges.iter().map(width).sum::<u32>().max(1);
    let open = askings.iter_mut().rev().find(|asking| asking.of == of).filter(|asking| {
        let Datagram::Request(request) = &asking.datagram else { return false };
        request.wanted.len() < REQUEST_UNITS_MAX
            && asking.datagram.encoded_len() + length <= DATAGRAM_MAX
    });
    if let Some(asking) = open
        && let Datagram::Request(request) = &mut asking.datagram
    {
        request.wanted.push(wanted);
        asking.chunks += chunks;
        asking.repair |= repair;
        return;
    }
    let unit = wanted.unit;
    let token = match Some(of) == plan.settings.seed {
        true => plan.token.unwrap_or(0),
        false => 0,
    };
    let epoch = plan.store.epoch();
    let request = Request { stream: plan.stream, token, epoch, wanted: vec![wanted] };
    askings.push(Asking { of, datagram: Datagram::Request(request), chunks, unit, repair });
}

/// Asks for `indices` of a unit, in as many pieces as the bound on ranges takes.
fn wanted(unit: u64, indices: &[u16]) -> Vec<Wanted> {
    if indices == [ALL] {
        return vec![Wanted { unit, ranges: Vec::new() }];
    }
    let ranges = ranges(indices.iter().copied());
    ranges.chunks(RANGES_MAX).map(|ranges| Wanted { unit, ranges: ranges.to_vec() }).collect()
}
