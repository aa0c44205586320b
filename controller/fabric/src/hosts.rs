//! Who is where: hosts by MAC and IPv4 address, learned at edge ports only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::{Attachment, Mac};

/// Addresses kept of one host. A router shows many behind its one MAC; only so many are kept.
const ADDRESSES_PER_HOST: usize = 16;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) at: Attachment,
    pub(crate) addresses: BTreeSet<Ipv4Addr>,
}

/// What a frame taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing new.
    Known,
    /// A host not seen before.
    New,
    /// A known host showed a further address, or took one over.
    Address,
    /// A known host is at another port now; it was here before.
    Moved(Attachment),
    /// No room: the port shows more hosts than one port may.
    Refused,
}

/// The hosts, bounded in all and per port, so that a host that makes up addresses hurts only itself.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    by_mac: BTreeMap<Mac, Host>,
    by_ip: BTreeMap<Ipv4Addr, Mac>,
    per_port: BTreeMap<Attachment, usize>,
    limit: usize,
    port_limit: usize,
}

impl Hosts {
    pub(crate) fn new(limit: usize, port_limit: usize) -> Hosts {
        Hosts {
            by_mac: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            per_port: BTreeMap::new(),
            limit,
            port_limit,
        }
    }

    /// Takes note of a frame from `mac` (with `address`, if it showed one) at the edge port `at`.
    pub(crate) fn learn(&mut self, mac: Mac, address: Option<Ipv4Addr>, at: Attachment) -> Learned {
        let mut learned = Learned::Known;
        let room = self.per_port.get(&at).copied().unwrap_or(0) < self.port_limit;
        let full = self.by_mac.len() >= self.limit;
        match self.by_mac.get_mut(&mac) {
            Some(host) if host.at == at => {}
            Some(_) if !room => return Learned::Refused,
            Some(host) => {
                let before = std::mem::replace(&mut host.at, at);
                self.leave_port(before);
                *self.per_port.entry(at).or_default() += 1;
                learned = Learned::Moved(before);
            }
            None if !room || full => return Learned::Refused,
            None => {
                self.by_mac.insert(mac, Host { at, addresses: BTreeSet::new() });
                *self.per_port.entry(at).or_default() += 1;
                learned = Learned::New;
            }
        }
        if let Some(address) = address.filter(|ip| self.by_ip.get(ip) != Some(&mac))
            && let Some(host) = self.by_mac.get_mut(&mac)
            && host.addresses.len() < ADDRESSES_PER_HOST
        {
            host.addresses.insert(address);
            let owner = self.by_ip.insert(address, mac);
            if let Some(host) = owner.and_then(|owner| self.by_mac.get_mut(&owner)) {
                host.addresses.remove(&address);
            }
            if learned == Learned::Known {
                learned = Learned::Address;
            }
        }
        learned
    }

    pub(crate) fn host(&self, mac: Mac) -> Option<&Host> {
        self.by_mac.get(&mac)
    }

    pub(crate) fn owner(&self, address: Ipv4Addr) -> Option<Mac> {
        self.by_ip.get(&address).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Mac, &Host)> {
        self.by_mac.iter().map(|(mac, host)| (*mac, host))
    }

    /// Forgets every host at a port and returns them.
    pub(crate) fn forget_port(&mut self, port: Attachment) -> Vec<Mac> {
        let gone: Vec<_> =
            self.by_mac.iter().filter(|(_, host)| host.at == port).map(|(mac, _)| *mac).collect();
        for mac in &gone {
            if let Some(host) = self.by_mac.remove(mac) {
                for address in host.addresses {
                    self.by_ip.remove(&address);
                }
            }
        }
        self.per_port.remove(&port);
        gone
    }

    fn leave_port(&mut self, port: Attachment) {
        if let Some(count) = self.per_port.get_mut(&port) {
            *count -= 1;
            if *count == 0 {
                self.per_port.remove(&port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatapathId;

    fn port(port: u32) -> Attachment {
        Attachment { switch: DatapathId(1), port }
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn a_host_is_learned_found_and_moves() {
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let mut hosts = Hosts::new(10, 5);
        assert_eq!(hosts.learn(mac(1), None, port(1)), Learned::New);
        assert_eq!(hosts.learn(mac(1), Some(ip), port(1)), Learned::Address);
        assert_eq!(hosts.learn(mac(1), Some(ip), port(1)), Learned::Known);
        assert_eq!(hosts.owner(ip), Some(mac(1)));
        assert_eq!(hosts.learn(mac(1), Some(ip), port(2)), Learned::Moved(port(1)));
        assert_eq!(hosts.forget_port(port(1)), []);
        assert_eq!(hosts.forget_port(port(2)), [mac(1)]);
        assert_eq!(hosts.owner(ip), None);
    }

    #[test]
    fn an_address_belongs_to_the_last_host_that_showed_it() {
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let mut hosts = Hosts::new(10, 5);
        hosts.learn(mac(1), Some(ip), port(1));
        assert_eq!(hosts.learn(mac(2), Some(ip), port(2)), Learned::New);
        assert_eq!(hosts.owner(ip), Some(mac(2)));
        assert!(hosts.host(mac(1)).expect("still there").addresses.is_empty());
        hosts.forget_port(port(1));
        assert_eq!(hosts.owner(ip), Some(mac(2)), "the new owner keeps it");
    }

    #[test]
    fn one_port_cannot_fill_the_table() {
        let mut hosts = Hosts::new(10, 3);
        for n in 0..3 {
            assert_eq!(hosts.learn(mac(n), None, port(1)), Learned::New);
        }
        assert_eq!(hosts.learn(mac(3), None, port(1)), Learned::Refused);
        assert_eq!(hosts.learn(mac(4), None, port(2)), Learned::New);
        assert_eq!(hosts.learn(mac(4), None, port(1)), Learned::Refused, "nor draw others to it");
        let ips = (0..100).map(|n| Ipv4Addr::new(192, 0, 2, n));
        for ip in ips {
            hosts.learn(mac(4), Some(ip), port(2));
        }
        assert_eq!(hosts.host(mac(4)).expect("known").addresses.len(), ADDRESSES_PER_HOST);
    }
}
