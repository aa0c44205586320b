//! The virtual range: group addresses and aliases.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::{ConfigError, Subnet};

/// An IPv4 prefix whose addresses only the controller gives out. Written `10.254.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualRange {
    base: u32,
    bits: u8,
}

impl VirtualRange {
    /// The range that holds `address` and has a prefix of `bits`; it needs room for the
    /// controller's alias and at least one peering, so `bits` is at most 28, and at least 8.
    pub fn new(address: Ipv4Addr, bits: u8) -> Result<VirtualRange, ConfigError> {
        if !(8..=28).contains(&bits) {
            return Err(ConfigError::VirtualRange(format!("{address}/{bits}")));
        }
        let base = u32::from(address) & (u32::MAX << (32 - bits));
        Ok(VirtualRange { base, bits })
    }

    /// The network address.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base)
    }

    /// The netmask.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX << (32 - self.bits))
    }

    /// The range as a prefix.
    pub(crate) fn subnet(self) -> Subnet {
        Subnet::new(self.network().into(), self.bits).expect("at most 28 bits")
    }

    /// Whether `address` lies in the range.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & u32::from(self.mask()) == self.base
    }

    /// The controller's own alias: the first host address of the range. Offers come from it and
    /// answers go to it.
    pub fn controller(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// The MAC address that stands for every address of the range: locally administered, and a
    /// function of the range, so that a controller that restarts keeps it.
    pub fn mac(self) -> crate::Mac {
        let [a, b, c, _] = self.base.to_be_bytes();
        crate::Mac([0x02, 0x6e, 0x63, a, b, c])
    }

    fn size(self) -> u32 {
        1 << (32 - self.bits)
    }
}

impl Default for VirtualRange {
    fn default() -> VirtualRange {
        VirtualRange { base: u32::from(Ipv4Addr::new(10, 254, 0, 0)), bits: 16 }
    }
}

impl std::fmt::Display for VirtualRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network(), self.bits)
    }
}

impl FromStr for VirtualRange {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<VirtualRange, ConfigError> {
        let parsed = text.split_once('/').and_then(|(address, bits)| {
            Some((address.trim().parse().ok()?, bits.trim().parse().ok()?))
        });
        let (address, bits) = parsed.ok_or_else(|| ConfigError::VirtualRange(text.to_owned()))?;
        VirtualRange::new(address, bits)
    }
}

/// Gives out the addresses of a range, each to one holder at a time.
///
/// Addresses are given out in ascending order and an address just returned is the last to be given
/// out again, so that a datagram still under way to an old peering does not reach a new one.
#[derive(Debug, Clone)]
pub(crate) struct VirtualPool {
    range: VirtualRange,
    taken: BTreeSet<u32>,
    cursor: u32,
}

impl VirtualPool {
    pub(crate) fn new(range: VirtualRange) -> VirtualPool {
        VirtualPool { range, taken: BTreeSet::new(), cursor: 2 }
    }

    /// A free address; `None` when all are taken.
    pub(crate) fn allocate(&mut self) -> Option<Ipv4Addr> {
        // The network address, the controller's alias and the broadcast address are never given
        // out.
        let usable = self.range.size() - 3;
        if self.taken.len() >= usable as usize {
            return None;
        }
        loop {
            let offset = self.cursor;
            self.cursor = if offset + 2 >= self.range.size() { 2 } else { offset + 1 };
            if self.taken.insert(offset) {
                return Some(Ipv4Addr::from(self.range.base + offset));
            }
        }
    }

    /// Marks an address found on a switch as taken; `false` if it already was or is not ours.
    pub(crate) fn reserve(&mut self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.range.base);
        (2..self.range.size() - 1).contains(&offset) && self.taken.insert(offset)
    }

    /// Takes an address back.
    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        if self.range.contains(address) {
            self.taken.remove(&(u32::from(address) - self.range.base));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let range: VirtualRange = "10.254.7.9/16".parse().expect("a prefix");
        assert_eq!(range, VirtualRange::default());
        assert_eq!(range.to_string(), "10.254.0.0/16");
        assert_eq!(range.controller(), Ipv4Addr::new(10, 254, 0, 1));
        assert!(range.contains(Ipv4Addr::new(10, 254, 255, 255)));
        assert!(!range.contains(Ipv4Addr::new(10, 253, 0, 1)));
        for text in ["10.254.0.0", "10.254.0.0/33", "10.254.0.0/30", "x/16", ""] {
            let error = text.parse::<VirtualRange>().expect_err(text);
            assert!(error.to_string().contains("10.254.0.0/16"), "{error}");
        }
    }

    #[test]
    fn a_pool_gives_each_address_once_and_runs_dry() {
        let mut pool = VirtualPool::new("192.0.2.16/28".parse().expect("a prefix"));
        let all: Vec<_> = std::iter::from_fn(|| pool.allocate()).collect();
        assert_eq!(all.len(), 13);
        assert_eq!(all[0], Ipv4Addr::new(192, 0, 2, 18));
        assert_eq!(all[12], Ipv4Addr::new(192, 0, 2, 30));
        pool.release(all[3]);
        assert!(!pool.reserve(all[4]));
        for never in ["192.0.2.15", "192.0.2.16", "192.0.2.17", "192.0.2.31", "192.0.2.32"] {
            assert!(!pool.reserve(never.parse().expect("an address")), "{never}");
        }
        assert_eq!(pool.allocate(), Some(all[3]));
        assert_eq!(pool.allocate(), None);
    }

    #[test]
    fn an_address_just_returned_is_the_last_to_come_back() {
        let mut pool = VirtualPool::new("192.0.2.16/28".parse().expect("a prefix"));
        let first = pool.allocate().expect("free");
        pool.release(first);
        let next: Vec<_> = std::iter::from_fn(|| pool.allocate()).collect();
        assert_eq!(next.last(), Some(&first));
    }
}
