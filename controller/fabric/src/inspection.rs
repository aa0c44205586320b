//! RTMP connections that cross the fabric, and the roles their clients play.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use nearcast_machine::{Span, Time};
use nearcast_media::rtmp::{Dialogue, DialogueEvent, Side, Undecided};
use nearcast_media::{Role, StreamName};

use crate::event::{InspectionEnd, RoleEnd};
use crate::frame::Segment;
use crate::{Attachment, Limits, Mac, Reassembly};

/// A TCP connection, by who opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionKey {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
}

/// What inspection found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The server accepted the client's role. The client's MAC is that of its segments.
    Accepted { connection: ConnectionKey, client: Mac, role: Role, stream: StreamName },
    /// The server refused it.
    Refused { connection: ConnectionKey, role: Role, stream: StreamName, code: String },
    /// An accepted role ended.
    Ended { connection: ConnectionKey, role: Role, stream: StreamName, reason: RoleEnd },
    /// The connection carries on uninspected, for lack of an answer or for having one.
    LetGo { connection: ConnectionKey, reason: InspectionEnd },
    /// The connection is over; entries made for it, where its ends are, can go.
    Closed { connection: ConnectionKey, ends: [Option<Attachment>; 2] },
}

#[derive(Debug)]
struct Half {
    reassembly: Reassembly,
    /// Where its segments enter the fabric. The same segment seen elsewhere is not its sender's.
    at: Attachment,
    mac: Mac,
}

#[derive(Debug)]
struct Connection {
    client: Option<Half>,
    server: Option<Half>,
    /// `None` once the connection was let go without a role.
    dialogue: Option<Box<Dialogue>>,
    /// The roles that hold; nearly always one.
    roles: BTreeSet<(Role, StreamName)>,
    /// The direction that carries the media, once decided. It is not looked at any more.
    heavy: Option<Side>,
    opened: Time,
    /// The end of one side was seen before all that leads up to it: the sequence number of its FIN.
    fin: Option<(Side, u32)>,
}

/// How long a FIN waits for the bytes before it. A switch may hand up two packets of one connection
/// in either order, when it knows the first one's flow already and the second one's not yet.
const FIN_WAITS: Span = Span::from_millis(200);

/// The most roles one connection may hold: a client that multiplexes more is not followed in them.
const ROLES_PER_CONNECTION: usize = 8;

/// All connections that are followed.
#[derive(Debug)]
pub(crate) struct Inspection {
    connections: BTreeMap<ConnectionKey, Connection>,
    per_client: BTreeMap<IpAddr, usize>,
    /// Connections not decided yet, in the order they were opened.
    undecided: VecDeque<(Time, ConnectionKey)>,
    /// Connections whose FIN waits, with when that ends, in this order.
    closing: VecDeque<(Time, ConnectionKey)>,
    findings: VecDeque<Finding>,
    limits: Limits,
}

impl Inspection {
    pub(crate) fn new(limits: &Limits) -> Inspection {
        Inspection {
            connections: BTreeMap::new(),
            per_client: BTreeMap::new(),
            undecided: VecDeque::new(),
            closing: VecDeque::new(),
            findings: VecDeque::new(),
            limits: limits.clone(),
        }
    }

    /// The next finding, oldest first.
    pub(crate) fn poll(&mut self) -> Option<Finding> {
        self.findings.pop_front()
    }

    /// Takes a segment copied from an edge port; `side` says which end sent it.
    pub(crate) fn segment(
        &mut self,
        now: Time,
        side: Side,
        segment: &Segment<'_>,
        mac: Mac,
        at: Attachment,
    ) {
        let key = match side {
            Side::Client => ConnectionKey { client: segment.source, server: segment.destination },
            Side::Server => ConnectionKey { client: segment.destination, server: segment.source },
        };
        if segment.syn && !segment.rst {
            match side {
                Side::Client if !segment.ack => self.open(now, key, segment, mac, at),
                Side::Server if segment.ack => self.accept(key, segment, mac, at),
                _ => {}
            }
            return;
        }
        if segment.fin || segment.rst {
            if !self.is_from_its_end(key, side, at) {
                return;
            }
            if segment.rst {
                self.close(key, RoleEnd::Reset);
                return;
            }
            // The bytes that came with the FIN, or before it, count: a deleteStream often does.
            self.data(key, side, segment);
            self.finish(now, key, side, segment);
            return;
        }
        if !self.connections.contains_key(&key) {
            if !segment.payload.is_empty() {
                // Its beginning was never seen: it cannot be read, only let through.
                let reason = InspectionEnd::NotFromTheStart;
                self.findings.push_back(Finding::LetGo { connection: key, reason });
            }
        } else if self.is_from_its_end(key, side, at) {
            self.data(key, side, segment);
            self.close_if_finished(key);
        }
    }

    /// Takes a FIN: the end, unless bytes before it are still to come.
    fn finish(&mut self, now: Time, key: ConnectionKey, side: Side, fin: &Segment<'_>) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let sequence = fin.sequence.wrapping_add(fin.payload.len() as u32);
        if connection.fin.replace((side, sequence)).is_none() {
            self.closing.push_back((now + FIN_WAITS, key));
        }
        self.close_if_finished(key);
    }

    fn close_if_finished(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else { return };
        let Some((side, sequence)) = connection.fin else { return };
        let half = match side {
            Side::Client => &connection.client,
            Side::Server => &connection.server,
        };
        // Of a direction that is not read, nothing is waited for.
        let read = connection.dialogue.is_some() && connection.heavy != Some(side);
        if !read || half.as_ref().is_none_or(|half| half.reassembly.reached(sequence)) {
            self.close(key, RoleEnd::Closed);
        }
    }

    /// Lets connections go that showed no role in time, and closes those whose last bytes do not
    /// come.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((until, key)) = self.closing.front().copied() {
            if now < until {
                break;
            }
            self.closing.pop_front();
            // One that was closed since, and opened anew, has no FIN of its own.
            if self.connections.get(&key).is_some_and(|connection| connection.fin.is_some()) {
                self.close(key, RoleEnd::Closed);
            }
        }
        while let Some((opened, key)) = self.undecided.front().copied() {
            if now.since(opened) < self.limits.inspect_time {
                break;
            }
            self.undecided.pop_front();
            let slow = self.connections.get(&key).is_some_and(|connection| {
                connection.opened == opened && connection.heavy.is_none()
            });
            if slow {
                self.let_go(key, InspectionEnd::TimeSpent);
            }
        }
    }

    /// When [`expire`](Inspection::expire) has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let undecided =
            self.undecided.front().map(|(opened, _)| *opened + self.limits.inspect_time);
        let closing = self.closing.front().map(|(until, _)| *until);
        undecided.into_iter().chain(closing).min()
    }

    /// Ends a connection that fell silent or whose client is gone, and with it its roles.
    pub(crate) fn close(&mut self, key: ConnectionKey, reason: RoleEnd) {
        let Some(connection) = self.connections.remove(&key) else { return };
        if let Some(count) = self.per_client.get_mut(&key.client.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&key.client.ip());
            }
        }
        for (role, stream) in connection.roles {
            self.findings.push_back(Finding::Ended { connection: key, role, stream, reason });
        }
        let ends = [connection.client, connection.server].map(|half| half.map(|half| half.at));
        self.findings.push_back(Finding::Closed { connection: key, ends });
    }

    /// Follows a connection that another controller read the role of: until its end, as its middle
    /// cannot be read. `false` if there is no room.
    pub(crate) fn adopt(
        &mut self,
        now: Time,
        key: ConnectionKey,
        client: Mac,
        ends: [Option<Attachment>; 2],
        (role, stream): (Role, &StreamName),
    ) -> bool {
        if !self.connections.contains_key(&key) {
            if !self.has_room(key.client.ip()) {
                return false;
            }
            *self.per_client.entry(key.client.ip()).or_default() += 1;
            let unread = || Reassembly::after_syn(0, 0);
            let half = |at, mac| Half { reassembly: unread(), at, mac };
            let connection = Connection {
                client: ends[0].map(|at| half(at, client)),
                server: ends[1].map(|at| half(at, Mac::default())),
                dialogue: None,
                roles: BTreeSet::new(),
                heavy: Some(media_of(role)),
                opened: now,
                fin: None,
            };
            self.connections.insert(key, connection);
        }
        self.connections.get_mut(&key).is_some_and(|connection| {
            connection.roles.len() < ROLES_PER_CONNECTION
                && connection.roles.insert((role, stream.clone()))
        })
    }

    /// Where the segments of client and server enter the fabric.
    pub(crate) fn ends(&self, key: ConnectionKey) -> [Option<Attachment>; 2] {
        [Side::Client, Side::Server].map(|side| self.enters_at(key, side))
    }

    /// Where the segments of one side enter the fabric.
    pub(crate) fn enters_at(&self, key: ConnectionKey, side: Side) -> Option<Attachment> {
        let connection = self.connections.get(&key)?;
        let half = match side {
            Side::Client => connection.client.as_ref(),
            Side::Server => connection.server.as_ref(),
        };
        half.map(|half| half.at)
    }

    /// The direction of a decided connection that stays worth reading: the one without media.
    pub(crate) fn light_side(&self, key: ConnectionKey) -> Option<Side> {
        self.connections.get(&key)?.heavy.map(other)
    }

    /// How many connections are followed.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    fn open(&mut self, now: Time, key: ConnectionKey, syn: &Segment<'_>, mac: Mac, at: Attachment) {
        let half = |reassembly| Half { reassembly, at, mac };
        let reassembly = Reassembly::after_syn(syn.sequence, self.limits.reassembly_bytes);
        if let Some(known) = self.connections.get(&key) {
            let repeated =
                known.client.as_ref().is_some_and(|client| client.reassembly.follows(syn.sequence));
            if repeated || !self.is_from_its_end(key, Side::Client, at) {
                return;
            }
            // The port was used again and the end of the last connection was not seen.
            self.close(key, RoleEnd::Replaced);
        }
        if !self.has_room(key.client.ip()) {
            let reason = InspectionEnd::TooManyConnections;
            self.findings.push_back(Finding::LetGo { connection: key, reason });
            return;
        }
        *self.per_client.entry(key.client.ip()).or_default() += 1;
        self.undecided.push_back((now, key));
        let connection = Connection {
            client: Some(half(reassembly)),
            server: None,
            dialogue: Some(Box::new(Dialogue::new(self.limits.inspect_bytes))),
            roles: BTreeSet::new(),
            heavy: None,
            opened: now,
            fin: None,
        };
        self.connections.insert(key, connection);
    }

    fn has_room(&self, client: IpAddr) -> bool {
        let of_client = self.per_client.get(&client).copied().unwrap_or(0);
        self.connections.len() < self.limits.connections
            && of_client < self.limits.connections_per_client
    }

    fn accept(&mut self, key: ConnectionKey, syn: &Segment<'_>, mac: Mac, at: Attachment) {
        let limit = self.limits.reassembly_bytes;
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.server.is_none()
        {
            let reassembly = Reassembly::after_syn(syn.sequence, limit);
            connection.server = Some(Half { reassembly, at, mac });
        }
    }

    fn is_from_its_end(&self, key: ConnectionKey, side: Side, at: Attachment) -> bool {
        self.enters_at(key, side) == Some(at)
    }

    fn data(&mut self, key: ConnectionKey, side: Side, segment: &Segment<'_>) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let Connection { client, server, dialogue, heavy, .. } = connection;
        let half = match side {
            Side::Client => client,
            Side::Server => server,
        };
        let (Some(half), Some(dialogue)) = (half, dialogue) else { return };
        if *heavy == Some(side) {
            return;
        }
        let read = |bytes: &[u8]| dialogue.receive(side, bytes);
        if half.reassembly.segment(segment.sequence, segment.payload, read).is_err() {
            self.let_go(key, InspectionEnd::Hole);
            return;
        }
        self.drain(key);
    }

    fn drain(&mut self, key: ConnectionKey) {
        loop {
            let Some(connection) = self.connections.get_mut(&key) else { return };
            let Some(event) = connection.dialogue.as_mut().and_then(|d| d.poll()) else { return };
            match event {
                DialogueEvent::Connecting { .. } | DialogueEvent::Requested { .. } => {}
                DialogueEvent::Refused { role, stream, code } => {
                    let refused = Finding::Refused { connection: key, role, stream, code };
                    self.findings.push_back(refused);
                }
                DialogueEvent::Accepted { role, stream } => {
                    let Some(client) = connection.client.as_ref().map(|half| half.mac) else {
                        return;
                    };
                    if connection.roles.len() >= ROLES_PER_CONNECTION
                        || !connection.roles.insert((role, stream.clone()))
                    {
                        continue;
                    }
                    let first = connection.heavy.is_none();
                    connection.heavy = Some(media_of(role));
                    let accepted = Finding::Accepted { connection: key, client, role, stream };
                    self.findings.push_back(accepted);
                    if first {
                        let reason = InspectionEnd::Decided;
                        self.findings.push_back(Finding::LetGo { connection: key, reason });
                    }
                }
                DialogueEvent::Stopped { role, stream } => {
                    if connection.roles.remove(&(role, stream.clone())) {
                        let reason = RoleEnd::Stopped;
                        let ended = Finding::Ended { connection: key, role, stream, reason };
                        self.findings.push_back(ended);
                    }
                }
                DialogueEvent::Undecided(why) => {
                    let reason = match why {
                        Undecided::Malformed => InspectionEnd::NotRtmp,
                        Undecided::BudgetSpent => InspectionEnd::BytesSpent,
                        Undecided::TooLarge => InspectionEnd::TooLarge,
                    };
                    self.let_go(key, reason);
                    return;
                }
            }
        }
    }

    /// Stops reading a connection. One that has a role keeps it, until its end is seen.
    fn let_go(&mut self, key: ConnectionKey, reason: InspectionEnd) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if connection.dialogue.take().is_some() && connection.heavy.is_none() {
            connection.heavy = Some(Side::Server);
            self.findings.push_back(Finding::LetGo { connection: key, reason });
        }
    }

    /// Whether a role is held by this connection.
    pub(crate) fn holds(&self, key: ConnectionKey) -> bool {
        self.connections.get(&key).is_some_and(|connection| !connection.roles.is_empty())
    }
}

/// Which side sends the media.
fn media_of(role: Role) -> Side {
    match role {
        Role::Broadcaster => Side::Client,
        Role::Viewer => Side::Server,
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}
