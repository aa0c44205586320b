use rust_openflow::Mac;

/// Seconds after which a station that was not heard again is forgotten (IEEE 802.1D-2004, table
/// 7-5).
pub const AGEING: u32 = 300;

/// Stations that a table holds at most.
pub const CAPACITY: usize = 16_384;

/// Slots of a bucket: two cache lines.
const WAYS: usize = 8;
/// Buckets of a new table.
const INITIAL_BITS: u32 = 4;
const MAX_BITS: u32 = (CAPACITY / WAYS).ilog2();

/// An Ethernet address in a VLAN: the same address may be another station in another VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station(u64);

impl Station {
    /// No station: a group address never sends.
    const NONE: Station = Station(u64::MAX);

    /// `address` in `vlan`, which is any number that stands for it.
    pub const fn new(vlan: u16, address: Mac) -> Station {
        let [a, b, c, d, e, f] = address.0;
        let [v, w] = vlan.to_be_bytes();
        Station(u64::from_be_bytes([v, w, a, b, c, d, e, f]))
    }
}

/// Which port each station was last heard at.
///
/// A hash table as switches have them in silicon: a station may be in any of the eight slots of one
/// bucket, so that both looking and learning touch two neighbouring cache lines at most. A bucket
/// that overflows doubles the table until it has [`CAPACITY`] slots; after that, the station of the
/// bucket that was silent longest makes room. Which stations share a bucket depends on a random
/// key, so that nobody can choose addresses that do.
#[derive(Debug)]
pub struct MacTable {
    key: [u64; 3],
    bits: u32,
    buckets: Vec<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    station: Station,
    port: u32,
    /// When it was last heard, in seconds.
    heard: u32,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(128))]
struct Bucket([Slot; WAYS]);

const VACANT: Bucket = Bucket([Slot { station: Station::NONE, port: 0, heard: 0 }; WAYS]);

impl MacTable {
    /// An empty table; `seed` is random, if addresses are to be scattered in a way nobody foresees.
    pub fn new(seed: u64) -> MacTable {
        let buckets = vec![VACANT; 1 << INITIAL_BITS];
        // Multiplied with, they must be odd.
        let key = [0, 1, 2].map(|n: u64| mixed(seed.wrapping_add(n)) | 1);
        MacTable { key, bits: INITIAL_BITS, buckets }
    }

    /// `station`, which must be no group address, was heard at `port` at `now`, in seconds.
    pub fn learn(&mut self, station: Station, port: u32, now: u32) {
        let heard = Slot { station, port, heard: now };
        loop {
            let index = self.index(station);
            let bucket = &mut self.buckets[index].0;
            if let Some(slot) = bucket.iter_mut().find(|slot| slot.station == station) {
                // Written only when it changes, so that the line stays clean in the cache.
                if slot.port != port || slot.heard != now {
                    *slot = heard;
                }
                return;
            }
            let free = |slot: &&mut Slot| slot.station == Station::NONE || slot.is_stale(now);
            if let Some(slot) = bucket.iter_mut().find(free) {
                *slot = heard;
                return;
            }
            if self.bits == MAX_BITS {
                let silent = bucket.iter_mut().max_by_key(|slot| now.wrapping_sub(slot.heard));
                *silent.expect("a bucket has slots") = heard;
                return;
            }
            self.grow();
        }
    }

    /// Where `station` was last heard, if it is known at `now`.
    pub fn port_of(&self, station: Station, now: u32) -> Option<u32> {
        let bucket = &self.buckets[self.index(station)].0;
        let slot = bucket.iter().find(|slot| slot.station == station)?;
        (station != Station::NONE && !slot.is_stale(now)).then_some(slot.port)
    }

    /// Forgets everyone who was heard at `port`.
    pub fn forget(&mut self, port: u32) {
        for slot in self.buckets.iter_mut().flat_map(|bucket| &mut bucket.0) {
            if slot.port == port {
                slot.station = Station::NONE;
            }
        }
    }

    /// Slots that there are now.
    pub fn capacity(&self) -> usize {
        self.buckets.len() * WAYS
    }

    fn index(&self, station: Station) -> usize {
        // Products folded upon themselves, as foldhash has them. One is not enough: the stations of
        // one maker are numbered one after the other, of which a single product makes an arithmetic
        // progression, and one multiplier in a hundred heaps that up in a few buckets.
        let [key, once, twice] = self.key;
        let hash = folded(folded(station.0 ^ key, once), twice);
        (hash >> (64 - self.bits)) as usize
    }

    /// Twice the buckets. As the upper bits of the hash choose, each old bucket parts into two new
    /// ones, in which there is room for certain.
    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.buckets);
        self.bits += 1;
        self.buckets = vec![VACANT; old.len() * 2];
        for slot in old.iter().flat_map(|bucket| &bucket.0) {
            if slot.station != Station::NONE {
                let index = self.index(slot.station);
                let bucket = &mut self.buckets[index].0;
                let room = bucket.iter_mut().find(|slot| slot.station == Station::NONE);
                *room.expect("a bucket's stations part into two") = *slot;
            }
        }
    }
}

/// Both halves of a product in one.
const fn folded(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

/// `seed` with every bit of it in every bit (splitmix64's finalizer): a small number would leave a
/// product's upper bits empty.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Slot {
    fn is_stale(&self, now: u32) -> bool {
        now.wrapping_sub(self.heard) > AGEING
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn station(number: u64) -> Station {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Station::new(0xffff, Mac([a & 0xfe, b, c, d, e, f]))
    }

    #[test]
    fn a_station_is_where_it_was_last_heard_until_it_ages() {
        let mut table = MacTable::new(7);
        table.learn(station(1), 3, 0);
        table.learn(station(1), 4, 10);
        assert_eq!(table.port_of(station(1), 10 + AGEING), Some(4));
        assert_eq!(table.port_of(station(1), 11 + AGEING), None);
        assert_eq!(table.port_of(station(2), 10), None);
        // In another VLAN it is another station.
        assert_eq!(table.port_of(Station::new(5, Mac([0, 0, 0, 0, 0, 1])), 10), None);
    }

    #[test]
    fn a_port_that_goes_takes_its_stations_along() {
        let mut table = MacTable::new(7);
        (0..100).for_each(|n| table.learn(station(n), n as u32 % 2, 0));
        table.forget(1);
        for n in 0..100 {
            assert_eq!(table.port_of(station(n), 0), (n % 2 == 0).then_some(0), "{n}");
        }
    }

    #[test]
    fn a_flood_of_addresses_fills_the_table_and_no_more() {
        let mut table = MacTable::new(0x9e37_79b9_7f4a_7c15);
        for n in 0..1_000_000u64 {
            table.learn(station(n << 8), 1, (n >> 12) as u32);
        }
        assert_eq!(table.capacity(), CAPACITY);
        // The last ones are there: those silent longest have made room.
        let now = (1_000_000u64 >> 12) as u32;
        let known =
            (999_000..1_000_000u64).filter(|n| table.port_of(station(n << 8), now).is_some());
        assert_eq!(known.count(), 1000);
    }

    /// As those of cbench, of virtual machines and of one maker are.
    #[test]
    fn stations_numbered_one_after_the_other_are_scattered_by_every_seed() {
        for seed in 0..3000 {
            let mut table = MacTable::new(seed);
            // The first one is silent from then on, and would be the first to make room.
            (0..1000).for_each(|n| table.learn(station(n), 1, n as u32 / 500));
            assert_eq!(table.port_of(station(0), 2), Some(1), "seed {seed}");
        }
    }

    #[test]
    fn nothing_is_known_of_the_broadcast_address() {
        let table = MacTable::new(7);
        assert_eq!(table.port_of(Station::new(0xffff, Mac::BROADCAST), 0), None);
    }

    proptest! {
        /// Up to a thirtieth of its capacity, no seed and no order makes it forget anybody.
        #[test]
        fn it_agrees_with_a_map(
            seed: u64,
            heard in prop::collection::vec((0u64..500, 0u32..8, 0u32..3), 0..2000),
        ) {
            let mut table = MacTable::new(seed);
            let mut model = HashMap::new();
            let mut now = 0;
            for (number, port, later) in heard {
                now += later / 2;
                // Scattered, as addresses of one maker are not.
                let number = number.wrapping_mul(0x0001_93b5_11f1_a3c5) & 0xffff_ffff_ffff;
                table.learn(station(number), port, now);
                model.insert(number & 0xfeff_ffff_ffff, (port, now));
            }
            for (number, (port, heard)) in model {
                let expected = (now - heard <= AGEING).then_some(port);
                prop_assert_eq!(table.port_of(station(number), now), expected);
            }
        }
    }
}
