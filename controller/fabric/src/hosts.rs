//! Who is where: hosts by MAC and IP address, learned at edge ports only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use nearcast_machine::{Span, Time};

use crate::{Attachment, DatapathId, Mac};

/// Addresses kept of one host: a router shows many behind its one MAC, and hosts make up new IPv6
/// addresses every day. The oldest makes room.
const ADDRESSES_PER_HOST: usize = 16;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) at: Attachment,
    /// In the order they were first shown.
    pub(crate) addresses: VecDeque<IpAddr>,
    /// When it was last heard by the controller. What the switches forward is not heard.
    heard: Time,
}

/// What a frame taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing new.
    Known,
    /// A host not seen before; in place of one at the same port that was silent for long, if there
    /// was no room.
    New { evicted: Option<Mac> },
    /// A known host showed a further address.
    Address,
    /// The address is another host's.
    Owned,
    /// The host is known at another port.
    Elsewhere,
    /// No room.
    Refused,
}

/// The hosts, bounded in all and per port, so that a host that makes up addresses hurts only
/// itself.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    by_mac: BTreeMap<Mac, Host>,
    by_ip: BTreeMap<IpAddr, Mac>,
    by_port: BTreeMap<Attachment, BTreeSet<Mac>>,
    limit: usize,
    port_limit: usize,
    /// How long a host must have been silent before another may take its place.
    idle: Span,
}

impl Hosts {
    pub(crate) fn new(limit: usize, port_limit: usize, idle: Span) -> Hosts {
        let (by_mac, by_ip, by_port) = Default::default();
        Hosts { by_mac, by_ip, by_port, limit, port_limit, idle }
    }

    /// Takes note of a frame from `mac` (with `address`, if it showed one) at the edge port `at`.
    pub(crate) fn learn(
        &mut self,
        now: Time,
        mac: Mac,
        address: Option<IpAddr>,
        at: Attachment,
    ) -> Learned {
        let mut learned = Learned::Known;
        match self.by_mac.get_mut(&mac) {
            Some(host) if host.at == at => host.heard = now,
            Some(_) => return Learned::Elsewhere,
            None => {
                let Some(evicted) = self.make_room(now, at) else { return Learned::Refused };
                let host = Host { at, addresses: VecDeque::new(), heard: now };
                self.by_mac.insert(mac, host);
                self.by_port.entry(at).or_default().insert(mac);
                learned = Learned::New { evicted };
            }
        }
        match address.map(|address| (address, self.by_ip.get(&address).copied())) {
            Some((_, Some(owner))) if owner != mac && learned == Learned::Known => Learned::Owned,
            Some((address, None)) => {
                self.give(address, mac);
                if learned == Learned::Known { Learned::Address } else { learned }
            }
            _ => learned,
        }
    }

    /// Whether there is room for one more host at a port, and who had to go for it.
    fn make_room(&mut self, now: Time, at: Attachment) -> Option<Option<Mac>> {
        let here = self.by_port.get(&at);
        if here.map_or(0, BTreeSet::len) < self.port_limit && self.by_mac.len() < self.limit {
            return Some(None);
        }
        // Only hosts of the same port make room: whoever makes up hosts drives out none but those.
        let heard = |mac: &&Mac| self.by_mac.get(*mac).map_or(Time::ZERO, |host| host.heard);
        let stalest = *here?.iter().min_by_key(heard)?;
        if now.since(heard(&&stalest)) < self.idle {
            return None;
        }
        self.forget(stalest);
        Some(Some(stalest))
    }

    /// Makes an address a host's, whoever had it; `false` if the host is not known.
    pub(crate) fn give(&mut self, address: IpAddr, mac: Mac) -> bool {
        let Some(host) = self.by_mac.get_mut(&mac) else { return false };
        if host.addresses.len() == ADDRESSES_PER_HOST
            && let Some(oldest) = host.addresses.pop_front()
        {
            self.by_ip.remove(&oldest);
        }
        host.addresses.push_back(address);
        let before = self.by_ip.insert(address, mac).filter(|before| *before != mac);
        if let Some(host) = before.and_then(|before| self.by_mac.get_mut(&before)) {
            host.addresses.retain(|own| *own != address);
        }
        true
    }

    /// Moves a host to another port if there is room; where it was.
    pub(crate) fn relocate(&mut self, now: Time, mac: Mac, to: Attachment) -> Option<Attachment> {
        let room = self.by_port.get(&to).map_or(0, BTreeSet::len) < self.port_limit;
        let host = self.by_mac.get_mut(&mac).filter(|_| room)?;
        host.heard = now;
        let before = std::mem::replace(&mut host.at, to);
        self.leave_port(mac, before);
        self.by_port.entry(to).or_default().insert(mac);
        Some(before)
    }

    /// Notes that a host was heard, by something that teaches nothing else.
    pub(crate) fn heard(&mut self, now: Time, mac: Mac) {
        if let Some(host) = self.by_mac.get_mut(&mac) {
            host.heard = now;
        }
    }

    pub(crate) fn host(&self, mac: Mac) -> Option<&Host> {
        self.by_mac.get(&mac)
    }

    pub(crate) fn owner(&self, address: IpAddr) -> Option<Mac> {
        self.by_ip.get(&address).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Mac, &Host)> {
        self.by_mac.iter().map(|(mac, host)| (*mac, host))
    }

    /// How many hosts and addresses are known.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.by_mac.len(), self.by_ip.len())
    }

    /// The ports of a switch at which there are hosts.
    pub(crate) fn ports(&self, switch: DatapathId) -> impl Iterator<Item = Attachment> {
        self.by_port.range(Attachment::all_of(switch)).map(|(at, _)| *at)
    }

    /// Forgets every host at a port and returns them.
    pub(crate) fn forget_port(&mut self, port: Attachment) -> Vec<Mac> {
        let gone: Vec<_> = self.by_port.remove(&port).into_iter().flatten().collect();
        for mac in &gone {
            self.forget(*mac);
        }
        gone
    }

    fn forget(&mut self, mac: Mac) {
        let Some(host) = self.by_mac.remove(&mac) else { return };
        for address in host.addresses {
            self.by_ip.remove(&address);
        }
        self.leave_port(mac, host.at);
    }

    fn leave_port(&mut self, mac: Mac, port: Attachment) {
        if let Some(hosts) = self.by_port.get_mut(&port) {
            hosts.remove(&mac);
            if hosts.is_empty() {
                self.by_port.remove(&port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const NEW: Learned = Learned::New { evicted: None };
    const IDLE: Span = Span::from_secs(600);

    fn port(port: u32) -> Attachment {
        Attachment { switch: DatapathId(1), port }
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn ip(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn a_host_is_learned_found_and_moves() {
        let mut hosts = Hosts::new(10, 5, IDLE);
        assert_eq!(hosts.learn(at(0), mac(1), None, port(1)), NEW);
        assert_eq!(hosts.learn(at(0), mac(1), Some(ip(1)), port(1)), Learned::Address);
        assert_eq!(hosts.learn(at(0), mac(1), Some(ip(1)), port(1)), Learned::Known);
        assert_eq!(hosts.owner(ip(1)), Some(mac(1)));
        assert_eq!(hosts.learn(at(1), mac(1), Some(ip(1)), port(2)), Learned::Elsewhere);
        assert_eq!(hosts.host(mac(1)).expect("known").at, port(1), "not for the asking");
        assert_eq!(hosts.relocate(at(1), mac(1), port(2)), Some(port(1)));
        assert_eq!(hosts.forget_port(port(1)), []);
        assert_eq!(hosts.forget_port(port(2)), [mac(1)]);
        assert_eq!((hosts.owner(ip(1)), hosts.len()), (None, (0, 0)));
    }

    #[test]
    fn an_address_stays_with_its_host_until_it_is_given_to_another() {
        let mut hosts = Hosts::new(10, 5, IDLE);
        hosts.learn(at(0), mac(1), Some(ip(1)), port(1));
        assert_eq!(hosts.learn(at(0), mac(2), Some(ip(1)), port(2)), NEW);
        assert_eq!(hosts.learn(at(0), mac(2), Some(ip(1)), port(2)), Learned::Owned);
        assert_eq!(hosts.owner(ip(1)), Some(mac(1)));
        assert!(hosts.give(ip(1), mac(2)));
        assert_eq!(hosts.owner(ip(1)), Some(mac(2)));
        assert!(hosts.host(mac(1)).expect("still there").addresses.is_empty());
        hosts.forget_port(port(1));
        assert_eq!(hosts.owner(ip(1)), Some(mac(2)), "the new owner keeps it");
        assert!(!hosts.give(ip(1), mac(9)), "nobody knows that one");
    }

    #[test]
    fn one_port_cannot_fill_the_table() {
        let mut hosts = Hosts::new(10, 3, IDLE);
        for n in 0..3 {
            assert_eq!(hosts.learn(at(n), mac(n as u8), None, port(1)), NEW);
        }
        assert_eq!(hosts.learn(at(3), mac(3), None, port(1)), Learned::Refused);
        assert_eq!(hosts.learn(at(3), mac(4), None, port(2)), NEW);
        assert_eq!(hosts.relocate(at(3), mac(4), port(1)), None, "nor draw others to it");
        for n in 0..100 {
            hosts.learn(at(3), mac(4), Some(ip(n)), port(2));
        }
        assert_eq!(hosts.host(mac(4)).expect("known").addresses.len(), ADDRESSES_PER_HOST);
        assert_eq!((hosts.len().1, hosts.owner(ip(0))), (ADDRESSES_PER_HOST, None));
        assert_eq!(hosts.owner(ip(99)), Some(mac(4)), "the newest are kept");
    }

    #[test]
    fn a_host_that_was_silent_for_long_makes_room_at_its_own_port() {
        let mut hosts = Hosts::new(10, 2, IDLE);
        hosts.learn(at(0), mac(1), Some(ip(1)), port(1));
        hosts.learn(at(1), mac(2), None, port(1));
        hosts.learn(at(0), mac(3), None, port(2));
        hosts.heard(at(500), mac(1));
        assert_eq!(hosts.learn(at(600), mac(4), None, port(1)), Learned::Refused);
        let learned = hosts.learn(at(601), mac(4), None, port(1));
        assert_eq!(learned, Learned::New { evicted: Some(mac(2)) });
        assert_eq!(hosts.owner(ip(1)), Some(mac(1)));
        assert!(hosts.host(mac(2)).is_none() && hosts.host(mac(3)).is_some());
    }
}
