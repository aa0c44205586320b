//! Who a peer listens to, and for how long: the offer that is in force.

use std::net::Ipv4Addr;

use nearcast_machine::Time;
use nearcast_media::peering::{Answer, Offer, Reason, Withdraw};
use nearcast_media::{Role, StreamName};

/// The peering of one stream at one host, as far as the host knows.
#[derive(Debug)]
pub(crate) struct Membership {
    controller: Ipv4Addr,
    range: (Ipv4Addr, u8),
    role: Role,
    current: Option<(Offer, Time)>,
}

/// What an offer led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It does not come from the controller, or is for another stream; say nothing.
    Refused,
    /// It is older than what holds; say nothing.
    Stale,
    /// Answer; nothing but the lease has changed.
    Renewed(Answer),
    /// Answer; holders or addresses have changed.
    Changed(Answer),
    /// Answer; this peering was not there before. Another one may have ended by that.
    Joined(Answer, Option<u64>),
    /// Answer that one cannot: the role is wrong.
    Declined(Answer),
}

impl Membership {
    pub(crate) fn new(controller: Ipv4Addr, range: (Ipv4Addr, u8), role: Role) -> Membership {
        Membership { controller, range, role, current: None }
    }

    /// The offer in force.
    pub(crate) fn offer(&self) -> Option<&Offer> {
        self.current.as_ref().map(|(offer, _)| offer)
    }

    /// When the lease runs out.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.current.as_ref().map(|&(_, until)| until)
    }

    /// Takes an offer that came from `from`.
    pub(crate) fn offered(
        &mut self,
        now: Time,
        from: Ipv4Addr,
        stream: &StreamName,
        offer: Offer,
    ) -> Offered {
        if from != self.controller || offer.stream != *stream {
            return Offered::Refused;
        }
        let Offer { peering, generation, role, lease, .. } = offer;
        let answer = |accept| Answer { peering, generation, role, accept };
        let addresses = [offer.group, offer.alias];
        if role != self.role || !addresses.iter().all(|&address| self.is_virtual(address)) {
            return Offered::Declined(answer(false));
        }
        let until = now + lease;
        match &mut self.current {
            Some((held, _)) if held.peering == peering && generation < held.generation => {
                Offered::Stale
            }
            Some((held, lease)) if held.peering == peering => {
                *lease = until;
                if held.generation == generation {
                    return Offered::Renewed(answer(true));
                }
                *held = offer;
                Offered::Changed(answer(true))
            }
            current => {
                let before = current.replace((offer, until));
                Offered::Joined(answer(true), before.map(|(offer, _)| offer.peering))
            }
        }
    }

    /// Takes a withdrawal; `None` if it is not believed, else what it ended, if anything.
    pub(crate) fn withdrawn(
        &mut self,
        from: Ipv4Addr,
        withdraw: &Withdraw,
    ) -> Option<Option<(u64, Reason)>> {
        if from != self.controller {
            return None;
        }
        let ends = self.offer().is_some_and(|offer| {
            offer.peering == withdraw.peering && offer.generation <= withdraw.generation
        });
        Some(ends.then(|| {
            self.current = None;
            (withdraw.peering, withdraw.reason)
        }))
    }

    /// Forgets a peering whose lease has run out, and says which.
    pub(crate) fn expire(&mut self, now: Time) -> Option<u64> {
        let (offer, _) = self.current.take_if(|(_, until)| *until <= now)?;
        Some(offer.peering)
    }

    /// Whether `address` may ask this host for chunks: a peering is in force, and the address is
    /// one that only the switch can have put there.
    pub(crate) fn admits(&self, address: Ipv4Addr) -> bool {
        self.offer().is_some_and(|offer| {
            self.is_virtual(address)
                && ![offer.group, offer.alias, self.controller].contains(&address)
        })
    }

    fn is_virtual(&self, address: Ipv4Addr) -> bool {
        let (base, length) = self.range;
        let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
        u32::from(address) & mask == u32::from(base) & mask
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Span;

    use super::*;

    const CONTROLLER: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 1);

    fn name() -> StreamName {
        "live/room".parse().expect("a name")
    }

    fn offer(peering: u64, generation: u32) -> Offer {
        Offer {
            peering,
            generation,
            stream: name(),
            role: Role::Viewer,
            group: Ipv4Addr::new(10, 254, 1, 1),
            alias: Ipv4Addr::new(10, 254, 2, 1),
            holders: Vec::new(),
            lease: Span::from_secs(10),
        }
    }

    fn member() -> Membership {
        Membership::new(CONTROLLER, (Ipv4Addr::new(10, 254, 0, 0), 16), Role::Viewer)
    }

    fn accepted(peering: u64, generation: u32) -> Answer {
        Answer { peering, generation, role: Role::Viewer, accept: true }
    }

    #[test]
    fn an_offer_holds_for_its_lease_and_is_renewed() {
        let mut member = member();
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut offered = |secs, offer| member.offered(at(secs), CONTROLLER, &name(), offer);
        assert_eq!(offered(0, offer(7, 2)), Offered::Joined(accepted(7, 2), None));
        assert_eq!(offered(3, offer(7, 1)), Offered::Stale);
        assert_eq!(offered(4, offer(7, 2)), Offered::Renewed(accepted(7, 2)));
        assert_eq!(offered(5, offer(7, 3)), Offered::Changed(accepted(7, 3)));
        assert_eq!(offered(6, offer(8, 1)), Offered::Joined(accepted(8, 1), Some(7)));
        assert_eq!(member.deadline(), Some(at(16)));
        assert_eq!(member.expire(at(15)), None);
        assert_eq!(member.expire(at(16)), Some(8));
        assert!(member.offer().is_none());
    }

    #[test]
    fn only_the_controller_is_believed() {
        let mut member = member();
        let forger = Ipv4Addr::new(10, 0, 0, 9);
        assert_eq!(member.offered(Time::ZERO, forger, &name(), offer(1, 1)), Offered::Refused);
        let other: StreamName = "live/other".parse().expect("a name");
        assert_eq!(member.offered(Time::ZERO, CONTROLLER, &other, offer(1, 1)), Offered::Refused);
        member.offered(Time::ZERO, CONTROLLER, &name(), offer(1, 1));
        let withdraw = Withdraw { peering: 1, generation: 1, reason: Reason::Moved };
        assert_eq!(member.withdrawn(forger, &withdraw), None);
        assert!(member.offer().is_some());
        let ended = member.withdrawn(CONTROLLER, &withdraw);
        assert_eq!(ended, Some(Some((1, Reason::Moved))));
        assert_eq!(member.withdrawn(CONTROLLER, &withdraw), Some(None), "it is over already");
    }

    #[test]
    fn what_cannot_be_is_declined() {
        let mut member = member();
        let real = Offer { group: Ipv4Addr::new(192, 0, 2, 1), ..offer(1, 1) };
        let wrong = Offer { role: Role::Broadcaster, ..offer(1, 1) };
        for offer in [real, wrong] {
            let answer = Answer { accept: false, role: offer.role, ..accepted(1, 1) };
            let offered = member.offered(Time::ZERO, CONTROLLER, &name(), offer);
            assert_eq!(offered, Offered::Declined(answer));
        }
        assert!(member.offer().is_none());
    }

    #[test]
    fn only_aliases_are_admitted_and_only_within_a_peering() {
        let mut member = member();
        let neighbour = Ipv4Addr::new(10, 254, 2, 2);
        assert!(!member.admits(neighbour));
        member.offered(Time::ZERO, CONTROLLER, &name(), offer(1, 1));
        assert!(member.admits(neighbour));
        for stranger in [[10, 0, 0, 2], [10, 255, 0, 2], [10, 254, 1, 1], [10, 254, 2, 1]] {
            assert!(!member.admits(stranger.into()), "{stranger:?}");
        }
    }
}
