//! Which host goes by which alias.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::pool::VirtualPool;
use crate::stream::Place;
use crate::{Attachment, DatapathId};

#[derive(Debug, Clone, Copy)]
struct Alias {
    address: Ipv4Addr,
    /// Memberships that use it.
    uses: usize,
}

/// Aliases by host: a host has one, in however many peerings it takes part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aliases {
    by_place: BTreeMap<Place, Alias>,
    by_address: BTreeMap<Ipv4Addr, Place>,
    /// Where an alias is known besides its host's switch, and how many peerings need it there.
    elsewhere: BTreeMap<(DatapathId, Ipv4Addr), usize>,
    /// What a controller before called hosts. They are called the same again.
    before: BTreeMap<Place, Ipv4Addr>,
}

impl Aliases {
    /// The alias of a host, new if it has none yet; whether it is new. `None` if none is free.
    pub(crate) fn take(
        &mut self,
        place: Place,
        pool: &mut VirtualPool,
    ) -> Option<(Ipv4Addr, bool)> {
        if let Some(alias) = self.by_place.get_mut(&place) {
            alias.uses += 1;
            return Some((alias.address, false));
        }
        let address = self.before.remove(&place).or_else(|| pool.allocate())?;
        self.by_place.insert(place, Alias { address, uses: 1 });
        self.by_address.insert(address, place);
        Some((address, true))
    }

    /// Gives a host the alias that another controller gave it; `false` if it or the alias has
    /// another.
    pub(crate) fn adopt(
        &mut self,
        place: Place,
        address: Ipv4Addr,
        pool: &mut VirtualPool,
    ) -> bool {
        if let Some(alias) = self.by_place.get_mut(&place) {
            alias.uses += usize::from(alias.address == address);
            return alias.address == address;
        }
        let free = pool.reserve(address);
        if free {
            self.by_place.insert(place, Alias { address, uses: 1 });
            self.by_address.insert(address, place);
        }
        free
    }

    /// Ends one use; the alias if that was the last, and it is free again.
    pub(crate) fn give_back(&mut self, place: Place, pool: &mut VirtualPool) -> Option<Ipv4Addr> {
        let alias = self.by_place.get_mut(&place)?;
        alias.uses -= 1;
        if alias.uses > 0 {
            return None;
        }
        let address = alias.address;
        self.by_place.remove(&place);
        self.by_address.remove(&address);
        pool.release(address);
        Some(address)
    }

    /// Notes that a peering needs an alias at a switch; `true` if it is the first to.
    pub(crate) fn route(&mut self, switch: DatapathId, alias: Ipv4Addr) -> bool {
        let uses = self.elsewhere.entry((switch, alias)).or_default();
        *uses += 1;
        *uses == 1
    }

    /// Notes that it no longer does; `true` if it was the last.
    pub(crate) fn unroute(&mut self, switch: DatapathId, alias: Ipv4Addr) -> bool {
        let Some(uses) = self.elsewhere.get_mut(&(switch, alias)) else { return false };
        *uses -= 1;
        if *uses == 0 {
            self.elsewhere.remove(&(switch, alias));
            return true;
        }
        false
    }

    /// Who goes by an alias.
    pub(crate) fn place(&self, address: Ipv4Addr) -> Option<Place> {
        self.by_address.get(&address).copied()
    }

    /// Notes an alias that a controller before gave out.
    pub(crate) fn remember(&mut self, place: Place, address: Ipv4Addr, pool: &mut VirtualPool) {
        if pool.reserve(address) {
            self.before.insert(place, address);
        }
    }

    /// Frees what a controller before gave out at a switch and nobody took up.
    pub(crate) fn forget_before(
        &mut self,
        of: impl Fn(Attachment) -> bool,
        pool: &mut VirtualPool,
    ) {
        self.before.retain(|place, address| {
            let gone = of(place.at);
            if gone {
                pool.release(*address);
            }
            !gone
        });
    }
}
