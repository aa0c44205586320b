//! What inspection finds, turned into who publishes and plays what.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use nearcast_media::rtmp::Side;
use nearcast_media::{Role, StreamName};

use crate::event::{InspectionEnd, Limit, RoleEnd};
use crate::fabric::Fabric;
use crate::inspection::{ConnectionKey, Finding};
use crate::stream::{Holder, Origin, StreamKey};
use crate::switch::Concern;
use crate::{Attachment, DatapathId, Event, Mac, pipeline};

/// Servers that may be learned as CDNs.
const LEARNED_SERVERS: usize = 256;

/// The segment being looked at: where it entered, from whom, to whom.
pub(crate) type Seen = (Attachment, SocketAddr, SocketAddr);

impl Fabric {
    /// Acts on everything that inspection found.
    pub(crate) fn take_findings(&mut self, seen: Option<Seen>) {
        while let Some(finding) = self.inspection.poll() {
            match finding {
                Finding::Accepted { connection, client, role, stream } => {
                    self.role_accepted(connection, client, role, stream);
                }
                Finding::Refused { connection, role, stream, code } => {
                    let (host, server) = ends(connection);
                    self.event(Event::RoleRefused { stream, role, host, server, code });
                }
                Finding::Ended { connection, role, stream, reason } => {
                    self.role_ended(connection, role, stream, reason);
                }
                Finding::LetGo { connection, reason } => self.let_go(connection, reason, seen),
                Finding::Closed { connection, ends } => self.remove_bypass(connection, ends),
            }
        }
    }

    fn role_accepted(
        &mut self,
        connection: ConnectionKey,
        client: Mac,
        role: Role,
        name: StreamName,
    ) {
        let (host, server) = ends(connection);
        let learns = self.config.cdn.is_empty() && self.config.policy.cdn.is_empty();
        let origin = if learns {
            Some(Origin::Server(server))
        } else {
            let listed = self.config.cdn.contains(&connection.server);
            let within = self.config.policy.cdn.iter().any(|subnet| subnet.contains(server));
            (listed || within).then_some(Origin::Cdn)
        };
        let counts = origin.is_some();
        if counts && role == Role::Broadcaster && learns {
            let room = self.learned_cdn.len() < LEARNED_SERVERS;
            if room && self.learned_cdn.insert(server) {
                self.event(Event::CdnLearned { server });
            }
        }
        let stream = name.clone();
        self.event(Event::RoleAccepted { stream, role, host, server, counts });
        let Some(origin) = origin else { return };
        let key = StreamKey { origin, name };
        if !self.streams.contains_key(&key) && self.streams.len() >= self.config.limits.streams {
            self.limit_reached(Limit::Streams);
            return;
        }
        let of_host = self.roles_of.get(&client).copied().unwrap_or(0);
        if of_host >= self.config.limits.roles_per_host {
            self.limit_reached(Limit::RolesPerHost);
            return;
        }
        self.roles_seen += 1;
        let holder = Holder {
            mac: client,
            address: host,
            server,
            server_at: self.inspection.enters_at(connection, Side::Server),
            since: self.now,
            order: self.roles_seen,
        };
        let stream = self.streams.entry(key.clone()).or_default();
        if let Some(before) = stream.holders(role).insert(connection, holder) {
            self.role_lost(before.mac);
        }
        *self.roles_of.entry(client).or_default() += 1;
        self.reconsider(&key);
    }

    fn role_ended(
        &mut self,
        connection: ConnectionKey,
        role: Role,
        name: StreamName,
        reason: RoleEnd,
    ) {
        let (host, server) = ends(connection);
        self.event(Event::RoleEnded { stream: name.clone(), role, host, reason });
        for origin in [Origin::Cdn, Origin::Server(server)] {
            let key = StreamKey { origin, name: name.clone() };
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            if let Some(holder) = stream.holders(role).remove(&connection) {
                self.role_lost(holder.mac);
            }
            self.reconsider(&key);
        }
    }

    fn role_lost(&mut self, mac: Mac) {
        if let Some(count) = self.roles_of.get_mut(&mac) {
            *count -= 1;
            if *count == 0 {
                self.roles_of.remove(&mac);
            }
        }
    }

    /// Lets a connection through uninspected, or nearly so.
    fn let_go(&mut self, connection: ConnectionKey, reason: InspectionEnd, seen: Option<Seen>) {
        let (client, server) = ends(connection);
        let followed = [
            (Side::Client, connection.client, connection.server),
            (Side::Server, connection.server, connection.client),
        ];
        let mut entered = false;
        for (side, from, to) in followed {
            let Some(at) = self.inspection.enters_at(connection, side) else { continue };
            entered = true;
            self.set_entry(at.switch, &Concern::Common, pipeline::bypass(from, to));
            let light = reason == InspectionEnd::Decided
                && self.inspection.light_side(connection) == Some(side);
            if light && self.switches.get(&at.switch).is_some_and(|switch| switch.tcp_flags) {
                self.set_entry(at.switch, &Concern::Common, pipeline::watch(from, to));
            }
        }
        if let Some((at, from, to)) = seen.filter(|_| !entered) {
            self.set_entry(at.switch, &Concern::Common, pipeline::bypass(from, to));
        }
        self.event(Event::InspectionEnded { client, server, reason });
    }

    /// Removes what lets a connection through that is over.
    fn remove_bypass(&mut self, connection: ConnectionKey, ends: [Option<Attachment>; 2]) {
        let ConnectionKey { client, server } = connection;
        let switches: BTreeSet<_> = ends.into_iter().flatten().map(|at| at.switch).collect();
        for switch in switches {
            for (from, to) in [(client, server), (server, client)] {
                for (key, _) in [pipeline::bypass(from, to), pipeline::watch(from, to)] {
                    self.remove_entry(switch, &Concern::Common, &key);
                }
            }
        }
    }

    /// A direction that was let through has carried nothing for a while.
    pub(crate) fn bypass_idle(&mut self, switch: DatapathId, from: SocketAddr, to: SocketAddr) {
        let by_client = ConnectionKey { client: from, server: to };
        let by_server = ConnectionKey { client: to, server: from };
        for (connection, side) in [(by_client, Side::Client), (by_server, Side::Server)] {
            if !self.inspection.holds(connection) {
                self.inspection.close(connection, RoleEnd::Idle);
                continue;
            }
            // A viewer that is served by the switch pauses its RTMP session; that it answers
            // renewals shows that it is there.
            let there = self.streams.values().any(|stream| stream.has_joined(connection));
            if there {
                if let Some(at) = self.inspection.enters_at(connection, side) {
                    debug_assert_eq!(at.switch, switch);
                    self.set_entry(at.switch, &Concern::Common, pipeline::bypass(from, to));
                }
            } else {
                self.inspection.close(connection, RoleEnd::Idle);
            }
        }
        self.take_findings(None);
    }
}

fn ends(connection: ConnectionKey) -> (IpAddr, IpAddr) {
    (connection.client.ip(), connection.server.ip())
}
