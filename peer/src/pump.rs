use std::net::SocketAddrV4;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nearcast_engine::mesh::{self, Body};
use nearcast_engine::wire::{self, Datagram};
use nearcast_machine::Time;
use nearcast_media::peering::{self, Answer};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::datagrams::{Datagrams, Inbox, Outbox, Packet, Trains};
use crate::events::Summary;
use crate::status::Status;

/// Datagrams taken before the timers get their turn, as far as they do not come joined.
const AT_ONCE: usize = 64;

/// What came by UDP.
pub(crate) enum Received {
    /// From the controller, if the sender is who it should be.
    Peering(peering::Message),
    /// From another peer.
    Peer(Datagram),
    /// Of the mesh: from another peer, or to or from the tracker.
    Mesh(mesh::wire::Datagram),
}

/// The machines of one role, which share the UDP socket. A node drains its machines before it
/// returns; what they send leaves when its turn is over.
pub(crate) trait Node: Send + 'static {
    /// A datagram came.
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received);
    /// A deadline may have come.
    fn expire(&mut self, now: Time);
    /// The earliest of the machines' deadlines.
    fn deadline(&self) -> Option<Time>;
    /// The way out, for counting what came in.
    fn net(&mut self) -> &mut Net;
    /// What it is doing, in figures.
    fn status(&mut self, now: Time) -> Status;
    /// Figures of its role alone, by their names in Prometheus.
    fn gauges(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// The way out, and what went through.
pub(crate) struct Net {
    socket: Arc<Datagrams>,
    outbox: Outbox<Leaving>,
    pub(crate) counts: NetCounts,
}

/// What leaves.
enum Leaving {
    Peer(Datagram),
    Mesh(mesh::wire::Datagram),
    Answer(Vec<u8>),
}

impl Packet for Leaving {
    fn encoded_len(&self) -> usize {
        match self {
            Leaving::Peer(datagram) => datagram.encoded_len(),
            Leaving::Mesh(datagram) => datagram.encoded_len(),
            Leaving::Answer(bytes) => bytes.len(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Leaving::Peer(datagram) => datagram.encode(out),
            Leaving::Mesh(datagram) => datagram.encode(out),
            Leaving::Answer(bytes) => out.extend(bytes),
        }
    }

    fn is_unordered(&self) -> bool {
        match self {
            // A chunk has its place wherever it comes; of news the later ones replace the earlier.
            Leaving::Mesh(mesh::wire::Datagram::Peer { message, .. }) => {
                matches!(message.body, Body::Chunk { news: None, .. })
            }
            // Here who asked takes a chunk that others overtook for lost.
            Leaving::Mesh(_) | Leaving::Peer(_) | Leaving::Answer(_) => false,
        }
    }

    fn may_ride(&self) -> bool {
        match self {
            Leaving::Mesh(_) | Leaving::Peer(_) => true,
            // The controller takes offers' answers as they are.
            Leaving::Answer(_) => false,
        }
    }
}

/// Datagrams and bytes of UDP payload.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NetCounts {
    datagrams_in: u64,
    datagrams_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    rejected: u64,
    unsent: u64,
}

impl Net {
    /// Sends by `socket`.
    pub(crate) fn new(socket: Arc<Datagrams>) -> Net {
        Net { socket, outbox: Outbox::new(), counts: NetCounts::default() }
    }

    /// Sends a datagram to a peer or to a group.
    pub(crate) fn send(&mut self, to: SocketAddrV4, datagram: Datagram) {
        self.push(to, Leaving::Peer(datagram));
    }

    /// Sends a datagram of the mesh.
    pub(crate) fn send_mesh(&mut self, to: SocketAddrV4, datagram: mesh::wire::Datagram) {
        self.push(to, Leaving::Mesh(datagram));
    }

    /// Answers the controller.
    pub(crate) fn answer(&mut self, to: SocketAddrV4, answer: Answer) {
        self.push(to, Leaving::Answer(peering::Message::Answer(answer).encode()));
    }

    fn push(&mut self, to: SocketAddrV4, leaving: Leaving) {
        if self.outbox.push(to, leaving) {
            self.flush();
        }
    }

    /// Sends what has been held back.
    fn flush(&mut self) {
        let Net { socket, outbox, counts } = self;
        outbox.flush(socket.segments(), |batch| {
            let sent = socket.send(batch);
            counts.datagrams_out += sent.datagrams;
            counts.bytes_out += sent.bytes;
            counts.unsent += batch.runs().map(|run| run.count()).sum::<u64>() - sent.datagrams;
        });
    }
}

impl NetCounts {
    /// Something came that could not be taken.
    pub(crate) fn reject(&mut self) {
        self.rejected += 1;
    }

    /// Writes the counts into a summary.
    pub(crate) fn fill(&self, summary: &mut Summary) {
        summary.datagrams_in = self.datagrams_in;
        summary.datagrams_out = self.datagrams_out;
        summary.bytes_in = self.bytes_in;
        summary.bytes_out = self.bytes_out;
        summary.rejected += self.rejected;
        summary.unsent = self.unsent;
    }
}

/// A node, shared by the task that reads the UDP socket and the tasks of the TCP connections. All
/// run on one thread, so the lock is never contended for long.
pub(crate) struct Shared<N> {
    node: Mutex<Scheduled<N>>,
    earlier: Notify,
}

struct Scheduled<N> {
    node: N,
    /// Its deadline as of its last turn.
    deadline: Option<Time>,
    /// When the pump will wake up by itself.
    alarm: Option<Time>,
}

impl<N: Node> Shared<N> {
    /// Shares `node`.
    pub(crate) fn new(node: N) -> Arc<Shared<N>> {
        let scheduled = Scheduled { deadline: node.deadline(), node, alarm: None };
        Arc::new(Shared { node: Mutex::new(scheduled), earlier: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Scheduled<N>> {
        // A panic elsewhere has ended the program already.
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the node as of now: one turn.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut N, Time) -> T) -> T {
        let mut scheduled = self.lock();
        let answer = act(&mut scheduled.node, clock::now());
        scheduled.node.net().flush();
        scheduled.deadline = scheduled.node.deadline();
        let sooner = match (scheduled.deadline, scheduled.alarm) {
            (Some(deadline), Some(alarm)) => deadline < alarm,
            (deadline, None) => deadline.is_some(),
            (None, Some(_)) => false,
        };
        if sooner {
            self.earlier.notify_one();
        }
        answer
    }

    /// Reads the socket and keeps the deadlines, for ever.
    pub(crate) async fn pump(self: Arc<Self>, socket: Arc<Datagrams>) {
        let (mut inbox, mut trains) = (Inbox::new(), Trains::default());
        // Both outlast a turn: what comes seldom moves the next deadline, and a supplier of many
        // has a turn for each datagram.
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut earlier = pin!(self.earlier.notified());
        // What the timer is set to.
        let mut set = None;
        loop {
            let alarm = {
                let mut scheduled = self.lock();
                scheduled.alarm = scheduled.deadline;
                scheduled.alarm
            };
            if let Some(time) = alarm.filter(|_| set != alarm) {
                timer.as_mut().reset(clock::instant(time));
                set = alarm;
            }
            tokio::select! {
                biased;
                ready = socket.readable() => match ready {
                    Ok(()) => self.read(&socket, &mut inbox, &mut trains),
                    Err(error) => {
                        tracing::error!("the UDP socket is lost: {error}");
                        return;
                    }
                },
                () = &mut timer, if alarm.is_some() => {
                    set = None;
                    self.with(|node, now| node.expire(now));
                }
                () = &mut earlier => earlier.set(self.earlier.notified()),
            }
            // Datagrams that come without end must not keep deadlines waiting.
            if alarm.is_some_and(|alarm| alarm <= clock::now()) {
                self.with(|node, now| node.expire(now));
            }
        }
    }

    fn read(&self, socket: &Datagrams, inbox: &mut Inbox, trains: &mut Trains) {
        let mut taken = 0;
        while taken < AT_ONCE {
            let more = socket.receive(inbox);
            // An error is a datagram as well, or one that comes again and again would hold up
            // everything.
            taken += 1;
            self.with(|node, _| {
                for (from, bytes) in inbox.datagrams() {
                    taken += 1;
                    take(node, trains, from, bytes);
                }
            });
            if !more {
                return;
            }
        }
    }
}

/// Hands a datagram to the node, or those that came in it.
fn take(node: &mut impl Node, trains: &mut Trains, from: SocketAddrV4, bytes: &[u8]) {
    let counts = &mut node.net().counts;
    counts.datagrams_in += 1;
    counts.bytes_in += bytes.len() as u64;
    // As of now: many may have come at once.
    let hand = |one: &[u8]| match parse(one) {
        Some(received) => node.receive(clock::now(), from, received),
        None => node.net().counts.reject(),
    };
    if !trains.unpack(from, bytes, hand) {
        node.net().counts.reject();
    }
}

fn parse(bytes: &[u8]) -> Option<Received> {
    match *bytes.first()? {
        peering::MAGIC => peering::Message::parse(bytes).ok().map(Received::Peering),
        // A copy of its own: chunks are kept for different spans, and must not keep each other.
        mesh::wire::MAGIC => {
            mesh::wire::Datagram::parse(&Bytes::copy_from_slice(bytes)).ok().map(Received::Mesh)
        }
        wire::MAGIC => Datagram::parse(&Bytes::copy_from_slice(bytes)).ok().map(Received::Peer),
        _ => None,
    }
}
