//! One thread's nodes and their events.

use nearcast_link::Probability;
use nearcast_machine::{Bytes, Rng, Seed, Time};

use crate::digest::Digest;
use crate::event::{Happened, Key, Kind, Pending};
use crate::network::{Network, Signalling, Transmitter};
use crate::population::Endpoint;
use crate::prefetch::{prefetch, prefetch_line};
use crate::table::Table;
use crate::{
    Action, Class, Counters, Error, FORESEEN, Message, Node, NodeId, NodeSpec, Observer, Queue,
    Settings,
};

/// How many events ahead what they need is fetched: nodes and messages themselves, what every call of
/// a node looks at, and what it names in its steps. Main memory takes some 150 ns to answer, which is no
/// more than an event takes; but many are asked of it at once.
const NODE_AHEAD: usize = 8;
const ROOTS_AHEAD: usize = 6;
const STEPS_AHEAD: [usize; FORESEEN] = [4, 2, 1];

/// What every shard of a run reads and none changes.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) network: &'a Network,
    pub(crate) population: &'a [NodeSpec],
    pub(crate) endpoints: &'a [Endpoint],
    pub(crate) shards: u32,
}

/// A message between sender and receiver.
struct Parcel<M> {
    from: NodeId,
    bytes: u32,
    message: M,
}

/// A message that crosses from one shard to another.
pub(crate) struct Mail<M> {
    key: Key,
    to: NodeId,
    parcel: Parcel<M>,
}

/// A node that is there.
struct Live<N> {
    id: NodeId,
    up: Transmitter,
    down: Transmitter,
    /// When the event that asks after its deadline is due, and which one that is; events with other
    /// numbers were overtaken by an earlier deadline.
    alarm: Option<Time>,
    alarms: u32,
    /// Messages sent so far.
    sent: u32,
    /// Draws which of its messages are lost.
    chance: Rng,
    machine: N,
}

/// Where a node is kept, by its place in its shard; these two when it is not.
const ABSENT: u32 = u32::MAX;

pub(crate) struct Shard<'a, N: Node, Q, O> {
    world: &'a World<'a>,
    index: usize,
    queue: Q,
    parcels: Table<Parcel<N::Message>>,
    nodes: Table<Live<N>>,
    /// By place in the shard (id / shards): index into `nodes`, or `ABSENT`.
    homes: Vec<u32>,
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
        while let Some(event) = self.queue.pop_before(end) {
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
                Kind::Deliver => self.deliver(event),
                Kind::Expire => self.expire(event),
                Kind::Stop => self.stop(event),
            }
        }
        Ok(())
    }

    /// The messages for the shard `to`.
    pub(crate) fn outgoing(&mut self, to: usize) -> &mut Vec<Mail<N::Message>> {
        &mut self.outgoing[to]
    }

    /// Has what soon events need fetched from memory while others happen. With thousands of nodes
    /// almost every event would otherwise wait for its node, its message, and what they point to.
    fn fetch_ahead(&self) {
        if let Some(event) = self.queue.upcoming(NODE_AHEAD) {
            if !self.follows(NODE_AHEAD, event)
                && let Some(home) = self.home(event.node)
            {
                prefetch(self.nodes.place(home), Table::<Live<N>>::stride());
            }
            if matches!(event.key.kind(), Kind::Reach | Kind::Deliver) {
                let stride = Table::<Parcel<N::Message>>::stride();
                prefetch(self.parcels.place(event.slot), stride);
            }
        }
        let mut name = |at| prefetch_line(at);
        if let Some(event) = self.queue.upcoming(ROOTS_AHEAD)
            && !self.follows(ROOTS_AHEAD, event)
            && let Some(home) = self.home(event.node)
        {
            self.nodes.at(home).machine.foresee_roots(&mut name);
        }
        for (step, ahead) in STEPS_AHEAD.into_iter().enumerate() {
            let Some(event) = self.queue.upcoming(ahead) else { continue };
            let Some(home) = self.home(event.node) else { continue };
            let node = self.nodes.at(home);
            match event.key.kind() {
                Kind::Deliver => {
                    let parcel = self.parcels.at(event.slot);
                    let message = Some((parcel.from, &parcel.message));
                    node.machine.foresee(message, step, &mut name);
                }
                Kind::Expire if node.alarms == event.key.number() => {
                    node.machine.foresee(None, step, &mut name);
                }
                _ => {}
            }
        }
    }

    /// Whether an event that comes so soon follows another one of its node.
    fn follows(&self, ahead: usize, event: &Pending) -> bool {
        self.queue.upcoming(ahead - 1).is_some_and(|before| before.node == event.node)
    }

    /// Takes messages from another shard.
    pub(crate) fn take(&mut self, mail: &mut Vec<Mail<N::Message>>) {
        for Mail { key, to, parcel } in mail.drain(..) {
            self.enqueue(key, to, parcel);
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
        self.record(event, 0, 0);
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
        let now = event.key.time();
        let Some(home) = self.home(event.node) else { return self.undeliverable(event) };
        let bytes = self.parcels.at(event.slot).bytes;
        self.record(event, bytes, 0);
        match self.nodes.at_mut(home).down.send(now, Bytes::new(bytes.into())) {
            Some(arrival) => {
                let arrival = self.world.network.moderate(event.node, arrival);
                let key = Key::new(arrival, Kind::Deliver, event.key.source(), event.key.number());
                self.queue.push(Pending { key, ..event });
            }
            None => {
                self.parcels.remove(event.slot);
                self.counters.dropped_down += 1;
            }
        }
    }

    fn deliver(&mut self, event: Pending) {
        let now = event.key.time();
        let Some(home) = self.home(event.node) else { return self.undeliverable(event) };
        let Parcel { from, bytes, message } = self.parcels.remove(event.slot);
        self.record(event, bytes, message.fingerprint());
        self.counters.deliveries += 1;
        self.counters.delivered_bytes += u64::from(bytes);
        match message.class() {
            Class::Data => self.counters.data_deliveries += 1,
            Class::Signal => self.counters.signal_deliveries += 1,
        }
        self.nodes.at_mut(home).machine.handle(now, N::received(from, message));
        self.settle(now, home);
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
            self.record(event, 0, 0);
            self.counters.expirations += 1;
            self.settle(now, home);
        } else {
            self.set_alarm(now, home);
        }
    }

    fn stop(&mut self, event: Pending) {
        let (now, id) = (event.key.time(), event.node);
        let home = self.home(id).expect("whoever is to leave has come");
        self.record(event, 0, 0);
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
        let far = &endpoints[to.index()];
        let arrival = match instant {
            true => departure,
            false if network.delays.is_uniform() => departure + network.delays.least(),
            false => departure + network.delays.between(endpoints[from.index()].place, far.place),
        };
        let (kind, arrival) = match queued && far.slow_down {
            true => (Kind::Reach, arrival),
            false if instant => (Kind::Deliver, arrival),
            false => (Kind::Deliver, network.moderate(to, arrival)),
        };
        let key = Key::new(arrival, kind, from, number);
        let bytes = u32::try_from(size.get()).unwrap_or(u32::MAX);
        let parcel = Parcel { from, bytes, message };
        let shard = (to.0 % self.world.shards) as usize;
        if shard == self.index {
            self.enqueue(key, to, parcel);
        } else {
            self.outgoing[shard].push(Mail { key, to, parcel });
        }
    }

    fn enqueue(&mut self, key: Key, to: NodeId, parcel: Parcel<N::Message>) {
        let slot = self.parcels.insert(parcel);
        self.counters.in_flight_peak = self.counters.in_flight_peak.max(self.parcels.len() as u64);
        self.queue.push(Pending { key, node: to, slot });
    }

    /// Puts the next arrival into the queue; the others wait in order, which is cheaper.
    fn await_arrival(&mut self) {
        let Some(id) = self.arrivals.pop() else { return };
        let key = Key::new(self.world.population[id.index()].arrive, Kind::Start, id, 0);
        self.queue.push(Pending { key, node: id, slot: 0 });
    }

    /// Where a node of this shard comes in `homes`.
    fn place(&self, id: NodeId) -> usize {
        (id.0 / self.world.shards) as usize
    }

    fn home(&self, id: NodeId) -> Option<u32> {
        let home = self.homes[self.place(id)];
        (home != ABSENT).then_some(home)
    }

    fn undeliverable(&mut self, event: Pending) {
        let parcel = self.parcels.remove(event.slot);
        self.record(event, parcel.bytes, 0);
        self.counters.undeliverable += 1;
    }

    fn record(&mut self, event: Pending, bytes: u32, fingerprint: u64) {
        let happened = Happened { key: event.key, node: event.node, bytes, fingerprint };
        self.digest.add(&happened);
        if self.log.len() < self.world.settings.log {
            self.log.push(happened);
        }
    }
}
