//! Who is believed when two say that they are the same host, or have the same address.
//!
//! A host may move, and an address may pass to another host; but a frame that says so may also be
//! made up, by a host that wants another's traffic. So whoever had it is asked first, where he was.
//! If he answers, nothing changes, and the duplicate is told of; if he does not within [`PROOF`],
//! it is true. (Duplicate addresses are found the same way, whoever is at fault.) A host whose port
//! went down is not asked: it is not there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use nearcast_machine::{Span, Time};

use crate::event::{Duplicate, Limit};
use crate::fabric::{Fabric, Timer};
use crate::frame::Arp;
use crate::{Attachment, Event, Mac, ndp};

/// How long whoever had it has to answer.
const PROOF: Span = Span::from_millis(300);
/// How long, after he did, others who say the same are not listened to.
const SETTLED: Span = Span::from_secs(10);
/// Claims that are open or were just settled, in all.
const CLAIMS: usize = 1024;
/// Those that may come from one port.
const CLAIMS_PER_PORT: usize = 32;

/// What is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claim {
    /// To be this host.
    Host(Mac),
    /// To have this address.
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Claimant {
    mac: Mac,
    address: Option<IpAddr>,
    at: Attachment,
    /// Whoever had it answered, then.
    refuted: Option<Time>,
}

/// Claims that are not settled, and those settled lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    open: BTreeMap<Claim, Claimant>,
}

impl Claims {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Fabric {
    /// Somebody at `at` says he is, or has, what somebody else is or has. That one is asked.
    pub(crate) fn claim(
        &mut self,
        claim: Claim,
        mac: Mac,
        address: Option<IpAddr>,
        at: Attachment,
    ) {
        if self.claims.open.contains_key(&claim) {
            // The first one is looked into.
            return;
        }
        let of_port = self.claims.open.values().filter(|claimant| claimant.at == at).count();
        if self.claims.open.len() >= CLAIMS || of_port >= CLAIMS_PER_PORT {
            self.limit_reached(Limit::Claims);
            return;
        }
        let holder = match claim {
            Claim::Host(mac) => Some(mac),
            Claim::Address(address) => self.hosts.owner(address),
        };
        let Some((holder, host)) =
            holder.and_then(|mac| Some((mac, self.hosts.host(mac)?.clone())))
        else {
            return;
        };
        self.claims.open.insert(claim, Claimant { mac, address, at, refuted: None });
        let asked = match claim {
            Claim::Host(_) => host.addresses.iter().next().copied(),
            Claim::Address(address) => Some(address),
        };
        match asked.filter(|_| self.is_edge(host.at)) {
            Some(address) => {
                self.ask_host(holder, address, host.at);
                self.agenda.set(Timer::Claim(claim), self.now + PROOF);
            }
            // There is nothing to ask it by, or nowhere to ask.
            None => self.claim_due(claim),
        }
    }

    /// Asks a host whether it is where it was. It answers to the controller alone.
    fn ask_host(&mut self, mac: Mac, address: IpAddr, at: Attachment) {
        let range = self.config.virtual_range;
        let frame = match address {
            IpAddr::V4(target) => {
                let (sender_mac, sender) = (range.mac(), range.controller());
                let target_mac = Mac::default();
                let request = Arp { request: true, sender_mac, sender, target_mac, target };
                request.frame(sender_mac, mac)
            }
            IpAddr::V6(target) => {
                let from = (range.mac(), link_local(range.mac()));
                ndp::solicitation_to(from, mac, target)
            }
        };
        self.frame_out(at, frame);
    }

    /// A host spoke, at an edge port: it is there, and whoever claims to be it or to have what it
    /// has does so beside it.
    pub(crate) fn heard(&mut self, mac: Mac, address: Option<IpAddr>, at: Attachment) {
        let host = Some(Claim::Host(mac));
        for claim in [host, address.map(Claim::Address)].into_iter().flatten() {
            let holder = match claim {
                Claim::Host(mac) => Some(mac),
                Claim::Address(address) => self.hosts.owner(address),
            };
            let is_holder =
                holder == Some(mac) && self.hosts.host(mac).is_some_and(|host| host.at == at);
            let now = self.now;
            let Some(claimant) = self.claims.open.get_mut(&claim).filter(|_| is_holder) else {
                continue;
            };
            if claimant.refuted.is_some() {
                continue;
            }
            claimant.refuted = Some(now);
            let (claimed_by, also_at) = (claimant.mac, claimant.at);
            self.agenda.set(Timer::Claim(claim), now + SETTLED);
            let what = match claim {
                Claim::Host(_) => Duplicate::Host,
                Claim::Address(_) => Duplicate::Address,
            };
            self.event(Event::Duplicate { what, mac, address, at, claimed_by, also_at });
        }
    }

    /// Nobody answered, or it is long enough that somebody did.
    pub(crate) fn claim_due(&mut self, claim: Claim) {
        let Some(claimant) = self.claims.open.remove(&claim) else { return };
        if claimant.refuted.is_some() || !self.is_edge(claimant.at) {
            return;
        }
        match claim {
            Claim::Host(mac) => {
                self.moved(mac, claimant.at);
                self.learn(mac, claimant.address, claimant.at);
            }
            Claim::Address(address) => {
                let there = self.hosts.host(claimant.mac).is_some_and(|h| h.at == claimant.at);
                let before = self.hosts.owner(address);
                if there && self.hosts.give(address, claimant.mac) {
                    self.resolved(address, None);
                    // Whoever took part in a peering by it does so no more.
                    for mac in before.into_iter().chain([claimant.mac]) {
                        self.reconsider_host(mac);
                    }
                }
            }
        }
    }
}

/// The link-local address of a MAC address (RFC 4291, appendix A).
fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}
