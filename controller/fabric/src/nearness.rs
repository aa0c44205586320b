//! Who is near whom.

use crate::Attachment;
use crate::event::NotNear;
use crate::fabric::Fabric;
use crate::matchmaking::Candidate;
use crate::stream::Holder;
use crate::topology::Distance;

impl Fabric {
    /// Whether the direct path from broadcaster to viewer is shorter than the one by the CDN, by
    /// the margin: in delays where those of all links concerned are known, else in hops.
    pub(crate) fn nearness(
        &self,
        broadcaster: &Candidate,
        publisher: &Holder,
        viewer: &Candidate,
        player: &Holder,
    ) -> Result<(), NotNear> {
        let (from, to) = (broadcaster.place.at, viewer.place.at);
        if broadcaster.place.mac == viewer.place.mac {
            return Err(NotNear::SameHost);
        }
        if from == to {
            // They hear each other without the switch, which would not send back out of that port.
            return Err(NotNear::SamePort);
        }
        let allowed = |role: &Holder, candidate: &Candidate| {
            let addresses = [role.address, candidate.place.address.into()];
            self.config.policy.may_peer(&addresses)
        };
        if !allowed(publisher, broadcaster) || !allowed(player, viewer) {
            return Err(NotNear::NotAllowed);
        }
        if self.switches.get(&to.switch).is_some_and(|switch| switch.refuses_peerings) {
            return Err(NotNear::Unsupported);
        }
        let servers = [publisher.server_at, player.server_at];
        let ends = [from, to].into_iter().chain(servers.into_iter().flatten());
        let access = Access::of(ends.map(|at| self.topology.delay_of(at).is_some()));
        let Some(direct) = self.apart(from, to, access) else { return Err(NotNear::OtherSwitch) };
        let up = publisher.server_at.and_then(|server| self.apart(from, server, access));
        let down = player.server_at.and_then(|server| self.apart(server, to, access));
        // A server whose place is not known is farther than anything.
        let Some(by_cdn) = up.zip(down).map(|(up, down)| up.plus(down)) else { return Ok(()) };
        let within = |direct: f64, by_cdn: f64| direct <= by_cdn * (1.0 - self.config.margin);
        let near = match direct.cost().zip(by_cdn.cost()) {
            Some((direct, by_cdn)) => within(direct.as_secs_f64(), by_cdn.as_secs_f64()),
            None => within(direct.hops as f64, by_cdn.hops as f64),
        };
        if near { Ok(()) } else { Err(NotNear::NotShorter) }
    }

    /// How far a host at one port is from one at another.
    fn apart(&self, from: Attachment, to: Attachment, access: Access) -> Option<Distance> {
        let distance = self.topology.distance(from, to)?;
        Some(match access {
            Access::Configured | Access::Mixed => distance,
            Access::Unknown => {
                let between = self.topology.between(from.switch, to.switch)?;
                Distance { hops: distance.hops, delay: between.delay }
            }
        })
    }
}

/// What is known of the links between hosts and their switches, which probes do not measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Nothing: they count as equal, and what is measured between switches decides.
    Unknown,
    /// All of them.
    Configured,
    /// Some: they cannot be compared with the others.
    Mixed,
}

impl Access {
    fn of(mut configured: impl Iterator<Item = bool>) -> Access {
        let first = configured.next().unwrap_or(false);
        match (first, configured.all(|next| next == first)) {
            (_, false) => Access::Mixed,
            (true, true) => Access::Configured,
            (false, true) => Access::Unknown,
        }
    }
}
