//! One thread's nodes and their events.

use std::mem;

use nearcast_link::Probability;
use nearcast_machine::{Bytes, Rng, Seed, Span, Time};

use crate::digest::Digest;
use crate::event::{Happened, Key, Kind, Pending};
use crate::inbox::Inboxes;
use crate::network::{Network, Signalling, Transmitter};
use crate::population::Endpoint;
use crate::table::Table;
use crate::{
    Action, Class, Counters, Error, Message, Node, NodeId, NodeSpec, Observer, Queue, Settings,
};

/// What every shard of a run reads and none changes.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) network: &'a Network,
    pub(crate) population: &'a [NodeSpec],
    pub(crate) endpoints: &'a [Endpoint],
    /// Whether anybody's downlink has a rate.
    pub(crate) slow_down: bool,
    pub(crate) shards: u32,
}

/// A message between sender and receiver, in lines of the cache of its own.
#[repr(align(64))]
pub(crate) struct Parcel<M> {
    pub(crate) from: NodeId,
    /// Which of the sender's messages it is.
    number: u32,
    bytes: u32,
    pub(crate) message: M,
}

/// A message that crosses from one shard to another, with how and when it arrives.
pub(crate) struct Mail<M> {
    kind: Kind,
    arrival: Time,
    to: NodeId,
    parcel: Parcel<M>,
}

/// A node that is there.
pub(crate) struct Live<N> {
    id: NodeId,
    up: Transmitter,
    down: Transmitter,
    /// When the event that asks after its deadline is due, and which one that is; events with other
    /// numbers were overtaken by an earlier deadline.
    alarm: Option<Time>,
    pub(crate) alarms: u32,
    /// Messages sent so far.
    sent: u32,
    /// Draws which of its messages are lost.
    chance: Rng,
    pub(crate) machine: N,
}

/// Where a node is kept, by its place in its shard; these two when it is not.
const ABSENT: u32 = u32::MAX;

pub(crate) struct Shard<'a, N: Node, Q, O> {
    world: &'a World<'a>,
    index: usize,
    pub(crate) queue: Q,
    pub(crate) parcels: Table<Parcel<N::Message>>,
    /// Of nodes that take messages together, which ones.
    pub(crate) inboxes: Inboxes,
    /// What a node is taking: the key of each delivery, and where its message is kept.
    taken: Vec<(Key, u32)>,
    pub(crate) nodes: Table<Live<N>>,
    /// By place in the shard (id / shards): index into `nodes`, or `ABSENT`.
    pub(crate) homes: Vec<u32>,
    /// Ids of this shard's nodes by (arrive, id), latest first; the next one is in the queue.
    arrivals: Vec<NodeId>,
    /// For the other shards, until the window ends.
    outgoing: Vec<Vec<Mail<N::Message>>>,
    observer: O,
    counters: Counters,
    digest: Digest,
    log: Vec<Happened>,
    /// The instant of the last event, and how many it has seen.
    now: Time,
    at_now: u64,
}

/// What a shard leaves behind.
pub(crate) struct Remains<O> {
    pub(crate) observer: O,
    pub(crate) counters: Counters,
    pub(crate) digest: Digest,
    pub(crate) log: Vec<Happened>,
}

impl<'a, N: Node, Q: Queue, O: Observer<N>> Shard<'a, N, Q, O> {
    pub(crate) fn new(world: &'a World<'a>, index: usize, observer: O) -> Self {
        let population = world.population;
        let mut arrivals: Vec<NodeId> = (index..population.len())
            .step_by(world.shards as usize)
            .map(|id| NodeId(id as u32))
            .collect();
        let mine = arrivals.len();
        arrivals.sort_unstable_by_key(|id| std::cmp::Reverse((population[id.index()].arrive, *id)));
        let mut shard = Shard {
            world,
            index,
            queue: Q::default(),
            parcels: Table::default(),
            inboxes: match world.network.moderation {
                Span::ZERO => Inboxes::default(),
                step => Inboxes::new(mine, step),
            },
            taken: Vec::new(),
            nodes: Table::default(),
            homes: vec![ABSENT; mine],
            arrivals,
            outgoing: (0..world.shards).map(|_| Vec::new()).collect(),
            observer,
            counters: Counters::default(),
            digest: Digest::default(),
            log: Vec::new(),
            now: Time::ZERO,
            at_now: 0,
        };
        shard.await_arrival();
        shard
    }

    /// How the run is to go.
    pub(crate) fn settings(&self) -> &'a Settings {
        self.world.settings
    }

    /// When its next event is due.
    pub(crate) fn next_time(&mut self) -> Option<Time> {
        self.sort_posted();
        self.queue.next_time()
    }

    /// How many nodes are there, and how many messages were handed to them so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.nodes.len() as u64, self.counters.deliveries)
    }

    /// Everything that is due before `end`.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    pub(crate) fn run<F>(&mut self, end: Time, make: &F) -> Result<(), Error>
    where
        F: Fn(NodeId, &NodeSpec, Seed) -> N,
    {
        while let Some(event) = self.pop_before(end) {
            let time = event.key.time();
            if time > self.now {
                (self.now, self.at_now) = (time, 0);
            }
            self.at_now += 1;
            if self.at_now > self.world.settings.instant_limit {
                let name = self.world.population[event.node.index()].name.to_string();
                return Err(Error::Stuck { name, time, events: self.at_now });
            }
            self.fetch_ahead();
            match event.key.kind() {
                Kind::Start => self.start(event, make),
                Kind::Reach => self.reach(event),
                Kind::Collect => self.collect(event),
                Kind::Deliver => self.deliver(event),
                Kind::Expire => self.expire(event),
                Kind::Stop => self.stop(event),
            }
        }
        Ok(())
    }

    fn pop_before(&mut self, end: Time) -> Option<Pending> {
        if self.inboxes.is_full() {
            self.sort_posted();
        }
        let Some(earliest) = self.inboxes.earliest() else { return self.queue.pop_before(end) };
        self.queue.pop_before(earliest.min(end)).or_else(|| {
            self.sort_posted();
            self.queue.pop_before(end)
        })
    }

    /// Puts messages that were posted into the inboxes of their receivers.
    fn sort_posted(&mut self) {
        let Shard { inboxes, queue, world, index, .. } = self;
        inboxes.sort(|place, at, slot| {
            let node = NodeId(place as u32 * world.shards + *index as u32);
            queue.push(Pending { key: Key::new(at, Kind::Collect, node, 0), node, slot });
        });
    }

    /// The messages for the shard `to`.
    pub(crate) fn outgoing(&mut self, to: usize) -> &mut Vec<Mail<N::Message>> {
        &mut self.outgoing[to]
    }

    /// Takes messages from another shard.
    pub(crate) fn take(&mut self, mail: &mut Vec<Mail<N::Message>>) {
        for Mail { kind, arrival, to, parcel } in mail.drain(..) {
            self.enqueue(kind, arrival, to, parcel);
        }
    }

    /// Shows the observer every node that is there.
    pub(crate) fn sample(&mut self, now: Time) {
        for node in self.nodes.iter() {
            self.observer.sample(now, node.id, &node.machine);
        }
    }

    /// The end of the run, at `now`.
    pub(crate) fn finish(mut self, now: Time) -> Remains<O> {
        // In the order of ids: slots depend on the number of threads.
        for place in 0..self.homes.len() {
            let id = NodeId(place as u32 * self.world.shards + self.index as u32);
            if let Some(home) = self.home(id) {
                self.observer.left(now, id, self.nodes.remove(home).machine);
            }
        }
        self.counters.in_flight = self.parcels.len() as u64;
        Remains {
            observer: self.observer,
            counters: self.counters,
            digest: self.digest,
            log: self.log,
        }
    }

    fn start<F>(&mut self, event: Pending, make: &F)
    where
        F: Fn(NodeId, &NodeSpec, Seed) -> N,
    {
        let (now, id) = (event.key.time(), event.node);
        self.record(event.key, event.node, 0, 0);
        self.await_arrival();
        let spec = &self.world.population[id.index()];
        let seed = self.world.settings.seed.derive(&spec.name);
        let mut machine = make(id, spec, seed);
        machine.start(now);
        let home = self.nodes.insert(Live {
            id,
            up: Transmitter::new(spec.access.up, spec.access.queue),
            down: Transmitter::new(spec.access.down, spec.access.queue),
            alarm: None,
            alarms: 0,
            sent: 0,
            chance: seed.derive("network").rng(),
            machine,
        });
        let place = self.place(id);
        self.homes[place] = home;
        if let Some(depart) = spec.depart {
            let key = Key::new(depart, Kind::Stop, id, 0);
            self.queue.push(Pending { key, node: id, slot: 0 });
        }
        self.counters.nodes_came += 1;
        self.counters.nodes_peak = self.counters.nodes_peak.max(self.nodes.len() as u64);
        self.settle(now, home);
    }

    /// The last bit of a message reached the receiver's side of the core.
    fn reach(&mut self, event: Pending) {
        let Pending { key, node, slot } = event;
        let now = key.time();
        let Some(home) = self.home(node) else { return self.undeliverable(key, node, slot) };
        let bytes = self.parcels.at(slot).bytes;
        self.record(key, node, bytes, 0);
        match self.nodes.at_mut(home).down.send(now, Bytes::new(bytes.into())) {
            Some(arrival) => {
                let (kind, arrival) = self.world.network.handing_over(node, arrival);
                self.await_parcel(kind, arrival, node, slot);
            }
            None => {
                self.parcels.remove(slot);
                self.counters.dropped_down += 1;
            }
        }
    }

    fn deliver(&mut self, event: Pending) {
        let Pending { key, node, slot } = event;
        let Some(home) = self.home(node) else { return self.undeliverable(key, node, slot) };
        self.hand_over(home, key, node, slot);
        self.set_alarm(key.time(), home);
    }

    /// A node takes what has come for it.
    fn collect(&mut self, event: Pending) {
        let (now, node) = (event.key.time(), event.node);
        let (place, mut taken) = (self.place(node), mem::take(&mut self.taken));
        let Shard { inboxes, parcels, .. } = self;
        inboxes.take(place, now, |slot| {
            let Parcel { from, number, .. } = parcels.at(slot);
            taken.push((Key::new(now, Kind::Deliver, *from, *number), slot));
        });
        taken.sort_unstable();
        // The event itself has been counted.
        self.at_now += taken.len() as u64 - 1;
        let home = self.home(node);
        for (key, slot) in taken.drain(..) {
            match home {
                Some(home) => self.hand_over(home, key, node, slot),
                None => self.undeliverable(key, node, slot),
            }
        }
        if let Some(home) = home {
            self.set_alarm(now, home);
        }
        self.taken = taken;
    }

    fn hand_over(&mut self, home: u32, key: Key, node: NodeId, slot: u32) {
        let now = key.time();
        let Parcel { from, bytes, message, .. } = self.parcels.remove(slot);
        self.record(key, node, bytes, message.fingerprint());
        self.counters.deliveries += 1;
        self.counters.delivered_bytes += u64::from(bytes);
        match message.class() {
            Class::Data => self.counters.data_deliveries += 1,
            Class::Signal => self.counters.signal_deliveries += 1,
        }
        self.nodes.at_mut(home).machine.handle(now, N::received(from, message));
        self.drain(now, home);
    }

    fn expire(&mut self, event: Pending) {
        let now = event.key.time();
        let Some(home) = self.home(event.node) else { return };
        let node = self.nodes.at_mut(home);
        if node.alarm != Some(now) || node.alarms != event.key.number() {
            return;
        }
        node.alarm = None;
        // The deadline may have moved since it was looked at: then this was a mere reminder.
        if node.machine.deadline().is_some_and(|deadline| deadline <= now) {
            node.machine.expire(now);
            self.record(event.key, event.node, 0, 0);
            self.counters.expirations += 1;
            self.settle(now, home);
        } else {
            self.set_alarm(now, home);
        }
    }

    fn stop(&mut self, event: Pending) {
        let (now, id) = (event.key.time(), event.node);
        let home = self.home(id).expect("whoever is to leave has come");
        self.record(event.key, event.node, 0, 0);
        self.nodes.at_mut(home).machine.stop(now);
        self.drain(now, home);
        let live = self.nodes.remove(home);
        let place = self.place(id);
        self.homes[place] = ABSENT;
        self.counters.nodes_left += 1;
        self.observer.left(now, id, live.machine);
    }

    /// After every call to a machine: does what it says, and sees when it wants to be called again.
    fn settle(&mut self, now: Time, home: u32) {
        self.drain(now, home);
        self.set_alarm(now, home);
    }

    fn drain(&mut self, now: Time, home: u32) {
        while let Some(output) = self.nodes.at_mut(home).machine.poll() {
            match N::action(output) {
                Action::Send { to, message } => self.send(now, home, to, message),
                Action::Event(event) => {
                    self.observer.event(now, self.nodes.at(home).id, event);
                }
                Action::Ignore => {}
            }
        }
    }

    fn set_alarm(&mut self, now: Time, home: u32) {
        let node = self.nodes.at_mut(home);
        let Some(deadline) = node.machine.deadline() else { return };
        // A deadline that has passed is due now.
        let deadline = deadline.max(now);
        if node.alarm.is_none_or(|alarm| deadline < alarm) {
            node.alarm = Some(deadline);
            node.alarms = node.alarms.wrapping_add(1);
            let key = Key::new(deadline, Kind::Expire, node.id, node.alarms);
            self.queue.push(Pending { key, node: node.id, slot: 0 });
        }
    }

    fn send(&mut self, now: Time, home: u32, to: NodeId, message: N::Message) {
        let World { network, endpoints, population, .. } = *self.world;
        let node = self.nodes.at_mut(home);
        let from = node.id;
        let size = message.wire_len();
        self.counters.sent += 1;
        self.counters.sent_bytes += size.get();
        // A number for every message, lost or not: what follows keeps its place in the order.
        let number = node.sent;
        node.sent = node.sent.wrapping_add(1);
        if to.index() >= population.len() {
            self.counters.undeliverable += 1;
            return;
        }

        let (loss, queued, instant) = match (message.class(), network.signalling) {
            (Class::Data, _) => (network.loss, true, false),
            (Class::Signal, Signalling::Instant) => (Probability::NEVER, false, true),
            (Class::Signal, Signalling::Delayed { loss }) => (loss, false, false),
            (Class::Signal, Signalling::Queued { loss }) => (loss, true, false),
        };
        let departure = match queued {
            true => node.up.send(now, size),
            false => Some(now),
        };
        let Some(departure) = departure else {
            self.counters.dropped_up += 1;
            return;
        };
        if loss.happens(&mut node.chance) {
            self.counters.lost += 1;
            return;
        }
        // Of most networks nobody needs to know the endpoints, which nobody fetches ahead.
        let arrival = match instant {
            true => departure,
            false if network.delays.is_uniform() => departure + network.delays.least(),
            false => {
                let [near, far] = [from, to].map(|node| endpoints[node.index()].place);
                departure + network.delays.between(near, far)
            }
        };
        let (kind, arrival) =
            match queued && self.world.slow_down && endpoints[to.index()].slow_down {
                true => (Kind::Reach, arrival),
                false if instant => (Kind::Deliver, arrival),
                false => network.handing_over(to, arrival),
            };
        let bytes = u32::try_from(size.get()).unwrap_or(u32::MAX);
        let parcel = Parcel { from, number, bytes, message };
        let shard = (to.0 % self.world.shards) as usize;
        if shard == self.index {
            self.enqueue(kind, arrival, to, parcel);
        } else {
            self.outgoing[shard].push(Mail { kind, arrival, to, parcel });
        }
    }

    fn enqueue(&mut self, kind: Kind, arrival: Time, to: NodeId, parcel: Parcel<N::Message>) {
        let slot = self.parcels.insert(parcel);
        self.counters.in_flight_peak = self.counters.in_flight_peak.max(self.parcels.len() as u64);
        self.await_parcel(kind, arrival, to, slot);
    }

    /// Has something happen when a message that is kept at `slot` arrives.
    fn await_parcel(&mut self, kind: Kind, arrival: Time, to: NodeId, slot: u32) {
        if kind == Kind::Collect {
            return self.inboxes.post(self.place(to), arrival, slot);
        }
        let Parcel { from, number, .. } = self.parcels.at(slot);
        let key = Key::new(arrival, kind, *from, *number);
        self.queue.push(Pending { key, node: to, slot });
    }

    /// Puts the next arrival into the queue; the others wait in order, which is cheaper.
    fn await_arrival(&mut self) {
        let Some(id) = self.arrivals.pop() else { return };
        let key = Key::new(self.world.population[id.index()].arrive, Kind::Start, id, 0);
        self.queue.push(Pending { key, node: id, slot: 0 });
    }

    /// Where a node of this shard comes in `homes`.
    pub(crate) fn place(&self, id: NodeId) -> usize {
        (id.0 / self.world.shards) as usize
    }

    pub(crate) fn home(&self, id: NodeId) -> Option<u32> {
        let home = self.homes[self.place(id)];
        (home != ABSENT).then_some(home)
    }

    fn undeliverable(&mut self, key: Key, node: NodeId, slot: u32) {
        let parcel = self.parcels.remove(slot);
        self.record(key, node, parcel.bytes, 0);
        self.counters.undeliverable += 1;
    }

    fn record(&mut self, key: Key, node: NodeId, bytes: u32, fingerprint: u64) {
        let happened = Happened { key, node, bytes, fingerprint };
        self.digest.add(&happened);
        if self.log.len() < self.world.settings.log {
            self.log.push(happened);
        }
    }
}
