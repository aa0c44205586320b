//! Addresses that were asked for and are not known yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::frame::Arp;
use crate::{Attachment, Mac, ndp};

/// Someone who wants to know an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) mac: Mac,
    pub(crate) address: IpAddr,
    pub(crate) at: Attachment,
}

impl Asker {
    /// The frame that tells it who has an address.
    pub(crate) fn answer(&self, target: IpAddr, owner: Mac) -> Vec<u8> {
        match (self.address, target) {
            (IpAddr::V6(address), IpAddr::V6(target)) => {
                ndp::advertisement(owner, target, (self.mac, address))
            }
            _ => self.arp(target).answered_by(owner),
        }
    }

    /// The frame by which it asks everybody for an address.
    pub(crate) fn request(&self, target: IpAddr) -> Vec<u8> {
        match (self.address, target) {
            (IpAddr::V6(address), IpAddr::V6(target)) => {
                ndp::solicitation(self.mac, address, target)
            }
            _ => self.arp(target).frame(self.mac, Mac::BROADCAST),
        }
    }

    fn arp(&self, target: IpAddr) -> Arp {
        // Who asks for one kind of address has one of the same kind.
        let v4 = |address| match address {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        Arp {
            request: true,
            sender_mac: self.mac,
            sender: v4(self.address),
            target_mac: Mac::default(),
            target: v4(target),
        }
    }
}

/// An address being asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// Who waits for the answer; at most [`ASKERS`].
    pub(crate) askers: Vec<Asker>,
    /// How often it was asked for.
    pub(crate) tries: u32,
}

/// A frame whose destination is not known yet.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) destination: Mac,
    pub(crate) address: IpAddr,
    pub(crate) from: Attachment,
    pub(crate) frame: Vec<u8>,
}

/// Hosts that may wait for one address.
const ASKERS: usize = 32;

/// What is asked for, and what waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    asks: BTreeMap<IpAddr, Ask>,
    held: Vec<Held>,
    limit: usize,
}

impl Neighbours {
    /// Holds at most `limit` frames, and as many asks.
    pub(crate) fn new(limit: usize) -> Neighbours {
        Neighbours { asks: BTreeMap::new(), held: Vec::new(), limit }
    }

    /// Notes that `address` is wanted; `true` if nobody was asking for it yet. Hosts of one port
    /// may have a quarter of all asks open: one that scans leaves room for others.
    pub(crate) fn want(&mut self, address: IpAddr, asker: Asker) -> bool {
        if !self.asks.contains_key(&address) {
            let first_by = |ask: &&Ask| ask.askers.first().is_some_and(|a| a.at == asker.at);
            let by_port = self.asks.values().filter(first_by).count();
            if self.asks.len() >= self.limit || by_port >= self.limit / 4 {
                return false;
            }
        }
        let ask = self.asks.entry(address).or_default();
        if ask.askers.len() < ASKERS && !ask.askers.contains(&asker) {
            ask.askers.push(asker);
        }
        ask.tries == 0
    }

    pub(crate) fn ask(&mut self, address: IpAddr) -> Option<&mut Ask> {
        self.asks.get_mut(&address)
    }

    /// Ends an ask, answered or not.
    pub(crate) fn settle(&mut self, address: IpAddr) -> Option<Ask> {
        self.asks.remove(&address)
    }

    /// How many addresses are asked for, and frames held.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.asks.len(), self.held.len())
    }

    /// Holds a frame; `false` if there is no room.
    pub(crate) fn hold(&mut self, held: Held) -> bool {
        let room = self.held.len() < self.limit;
        if room {
            self.held.push(held);
        }
        room
    }

    /// Takes the held frames that `wanted` picks, oldest first.
    pub(crate) fn take(&mut self, wanted: impl Fn(&Held) -> bool) -> Vec<Held> {
        let (taken, kept) = std::mem::take(&mut self.held).into_iter().partition(wanted);
        self.held = kept;
        taken
    }
}
