//! Telling the controller that stands by what changes.
//!
//! Whatever may have changed a stream marks it; its parts are then worked out and compared with
//! what was told last, at once, but at most every 20 ms: a stream that a thousand viewers join in a
//! second is not worked out a thousand times.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_machine::{Span, Time};
use nearcast_media::Role;

use crate::event::Limit;
use crate::fabric::{Fabric, Output, Timer};
use crate::replica::{MemberPart, Part, Parts, PeeringPart, Replica, RolePart, Told, Update};
use crate::stream::{Holder, Member, StreamKey};
use crate::{Attachment, Limits};

/// Time between two rounds of news.
const PACE: Span = Span::from_millis(20);

/// What the other controller was told, and what may have changed since.
#[derive(Debug)]
pub(crate) struct Publication {
    told: Replica,
    changed: BTreeSet<StreamKey>,
    links_changed: bool,
    last: Option<Time>,
}

impl Publication {
    pub(crate) fn new(limits: &Limits) -> Publication {
        let told = Replica::new(limits);
        Publication { told, changed: BTreeSet::new(), links_changed: false, last: None }
    }
}

impl Fabric {
    /// All that a controller that stands by should know, for one that begins to listen. What
    /// changes afterwards is an [`Output::Replicate`].
    pub fn replica(&self) -> impl Iterator<Item = Update> {
        self.publication.iter().flat_map(|publication| publication.told.updates())
    }

    /// A stream may have changed.
    pub(crate) fn stream_changed(&mut self, key: &StreamKey) {
        if let Some(publication) = &mut self.publication
            && !publication.changed.contains(key)
        {
            publication.changed.insert(key.clone());
        }
    }

    /// A link may have changed.
    pub(crate) fn links_changed(&mut self) {
        if let Some(publication) = &mut self.publication {
            publication.links_changed = true;
        }
    }

    /// Tells what changed, or sets the time for that.
    pub(crate) fn publish(&mut self) {
        let Some(publication) = &mut self.publication else { return };
        if publication.changed.is_empty() && !publication.links_changed {
            return;
        }
        let due = publication.last.map_or(Time::ZERO, |last| last + PACE);
        if self.now < due {
            self.agenda.ensure(Timer::Publish, due);
            return;
        }
        publication.last = Some(self.now);
        let changed = std::mem::take(&mut publication.changed);
        let mut updates = Vec::new();
        if std::mem::take(&mut publication.links_changed) {
            updates.extend(self.link_updates());
        }
        for key in changed {
            let now = self.parts(&key);
            let told = self.publication.as_ref().map(|publication| &publication.told);
            updates.extend(told.into_iter().flat_map(|told| told.difference(&key, &now)));
        }
        for update in updates {
            let told = self.publication.as_mut().map(|publication| &mut publication.told);
            if told.is_some_and(|told| told.apply(update.clone())) {
                self.output(Output::Replicate(update));
            } else {
                self.limit_reached(Limit::Replica);
            }
        }
    }

    fn link_updates(&self) -> Vec<Update> {
        let micros = |span: Span| span.as_nanos() / 1000;
        let now: BTreeMap<Attachment, _> = self
            .topology
            .links()
            .map(|(from, to, delay)| (from, (to, delay.map(micros))))
            .collect();
        let Some(told) = self.publication.as_ref().map(|publication| &publication.told.links)
        else {
            return Vec::new();
        };
        let gone = told.keys().filter(|from| !now.contains_key(from));
        let gone = gone.map(|from| Told::Unlink { from: *from });
        let new = now.iter().filter(|(from, link)| told.get(from) != Some(link));
        let new = new.map(|(from, (to, delay_us))| Told::Link {
            from: *from,
            to: *to,
            delay_us: *delay_us,
        });
        gone.chain(new).map(Update).collect()
    }

    /// What there is to tell of a stream.
    fn parts(&self, key: &StreamKey) -> Parts {
        let Some(stream) = self.streams.get(key) else { return Parts::new() };
        let mut parts: Vec<Part> = Vec::new();
        for (role, holders) in
            [(Role::Broadcaster, &stream.publishers), (Role::Viewer, &stream.viewers)]
        {
            parts.extend(holders.iter().map(|(connection, holder)| {
                let Holder { mac, order, .. } = *holder;
                Part::Role(RolePart {
                    publishes: role == Role::Broadcaster,
                    client: connection.client,
                    server: connection.server,
                    mac,
                    at: self.hosts.host(mac).map(|host| host.at),
                    ends: self.inspection.ends(*connection),
                    order,
                })
            }));
        }
        if let Some(peering) = &stream.peering {
            let tree = &peering.trees.current;
            parts.push(Part::Peering(PeeringPart {
                id: peering.id,
                generation: peering.generation,
                group: peering.group,
                tag: tree.tag,
                broadcaster: peering.broadcaster.place.mac,
            }));
            parts.extend(peering.members().map(member));
            let branches = tree.branches.iter();
            parts.extend(branches.map(|(switch, branch)| {
                let branch = branch.clone();
                Part::Branch { switch: *switch, branch }
            }));
        }
        parts.into_iter().map(|part| (part.name(), part)).collect()
    }
}

fn member(member: &Member) -> Part {
    Part::Member(MemberPart {
        mac: member.place.mac,
        address: member.place.address,
        at: member.place.at,
        alias: member.alias,
        client: member.connection.client,
        server: member.connection.server,
        joined: member.joined,
    })
}
