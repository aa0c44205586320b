use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{mem, panic, thread};

use nearcast_machine::{Seed, Span, Time};

use crate::barrier::{Barrier, Breaker, Broken};
use crate::population::{Endpoint, endpoints};
use crate::presence::Presence;
use crate::queue::{Queue, Wheel};
use crate::shard::{Mail, Remains, Shard, World};
use crate::{
    Counters, Digest, Error, Happened, Network, Node, NodeId, NodeSpec, Observer, Progress,
    Statistics, Watch,
};

/// How a simulation is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Every node's seed is derived from it by the node's name.
    pub seed: Seed,
    /// Events at this time and later do not happen any more.
    pub end: Time,
    /// How many threads to use. The result is the same for every number.
    pub threads: usize,
    /// How often [`Observer::sample`] is called; the first time at the start.
    pub sample_every: Option<Span>,
    /// How many events each thread keeps for [`Outcome::log`], from the first one on: 32 bytes
    /// each, for tests and for finding where two runs part.
    pub log: usize,
    /// The most events in one instant, per thread, before the run is given up as stuck.
    pub instant_limit: u64,
}

impl Settings {
    /// A run on one thread that keeps no log.
    pub fn new(seed: Seed, end: Time) -> Settings {
        Settings { seed, end, threads: 1, sample_every: None, log: 0, instant_limit: 100_000_000 }
    }
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome<O> {
    /// What it did and how fast.
    pub statistics: Statistics,
    /// The hash over its event log.
    pub digest: Digest,
    /// Each thread's observer.
    pub observers: Vec<O>,
    /// The events that were kept, in order. Whole only if no thread had more than
    /// [`Settings::log`].
    pub log: Vec<Happened>,
}

/// A population in a network, ready to be run.
///
/// ```
/// use nearcast_machine::{Bytes, Machine, Seed, Span, Time};
/// use nearcast_sim::{
///     Action, Class, Delays, Message, Network, Node, NodeId, NodeSpec, Settings, Signalling,
///     Simulation,
/// };
///
/// /// Sends whatever it gets back to where it came from, and counts.
/// #[derive(Default)]
/// struct Echo { out: Option<(NodeId, Ball)>, seen: u64, serves: bool }
///
/// struct Ball;
///
/// impl Message for Ball {
///     fn wire_len(&self) -> Bytes { Bytes::new(100) }
///     fn class(&self) -> Class { Class::Data }
/// }
///
/// impl Machine for Echo {
///     type Input = (NodeId, Ball);
///     type Output = (NodeId, Ball);
///     fn handle(&mut self, _: Time, ball: (NodeId, Ball)) {
///         self.seen += 1;
///         self.out = Some(ball);
///     }
///     fn expire(&mut self, _: Time) {}
///     fn poll(&mut self) -> Option<(NodeId, Ball)> { self.out.take() }
///     fn deadline(&self) -> Option<Time> { None }
/// }
///
/// impl Node for Echo {
///     type Message = Ball;
///     type Event = ();
///     fn start(&mut self, _: Time) {
///         if self.serves { self.out = NodeId::new(1).map(|other| (other, Ball)); }
///     }
///     fn received(from: NodeId, ball: Ball) -> (NodeId, Ball) { (from, ball) }
///     fn action((to, message): (NodeId, Ball)) -> Action<Ball, ()> { Action::Send { to, message } }
/// }
///
/// let population = vec![NodeSpec::new("left"), NodeSpec::new("right")];
/// let network = Network {
///     delays: Delays::Uniform(Span::from_millis(10)),
///     ..Network::default()
/// };
/// let settings = Settings::new(Seed::new(1), Time::ZERO + Span::from_secs(1));
/// let simulation = Simulation::new(settings, network, population)?;
/// let outcome = simulation.run(
///     |id, _, _| Echo { serves: id.index() == 0, ..Echo::default() },
///     || (),
///     &mut (),
/// )?;
/// // At 10 ms, 20 ms, ... 990 ms; the one at 1 s is past the end.
/// assert_eq!(outcome.statistics.counters.deliveries, 99);
/// # Ok::<(), nearcast_sim::Error>(())
/// ```
#[derive(Debug)]
pub struct Simulation {
    settings: Settings,
    network: Network,
    population: Vec<NodeSpec>,
    endpoints: Vec<Endpoint>,
}

impl Simulation {
    /// Checks that the three fit together.
    ///
    /// # Errors
    /// Every kind but [`Error::Stuck`]; names the node.
    pub fn new(
        settings: Settings,
        network: Network,
        population: Vec<NodeSpec>,
    ) -> Result<Simulation, Error> {
        if !(1..=MAX_THREADS).contains(&settings.threads) {
            return Err(Error::Threads(settings.threads));
        }
        network.delays.validate()?;
        let endpoints = endpoints(&population, &network.delays)?;
        Ok(Simulation { settings, network, population, endpoints })
    }

    /// The nodes.
    pub fn population(&self) -> &[NodeSpec] {
        &self.population
    }

    /// Runs from the start to the end. `make` gives the machine of a node that comes, from its
    /// place in the population and its own seed; `observer` one observer per thread.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    ///
    /// # Panics
    /// If a machine or an observer does.
    pub fn run<N, O>(
        &self,
        make: impl Fn(NodeId, &NodeSpec, Seed) -> N + Sync,
        observer: impl Fn() -> O + Sync,
        watch: &mut impl Watch,
    ) -> Result<Outcome<O>, Error>
    where
        N: Node,
        O: Observer<N>,
    {
        self.run_on::<Wheel, N, O>(make, observer, watch)
    }

    /// As [`run`](Simulation::run), on a queue of choice. There is no reason to choose but to
    /// compare.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    ///
    /// # Panics
    /// If a machine or an observer does.
    pub fn run_on<Q, N, O>(
        &self,
        make: impl Fn(NodeId, &NodeSpec, Seed) -> N + Sync,
        observer: impl Fn() -> O + Sync,
        watch: &mut impl Watch,
    ) -> Result<Outcome<O>, Error>
    where
        Q: Queue,
        N: Node,
        O: Observer<N>,
    {
        let lookahead = self.network.lookahead();
        let threads = if lookahead == Span::ZERO { 1 } else { self.settings.threads };
        let world = World {
            settings: &self.settings,
            network: &self.network,
            population: &self.population,
            endpoints: &self.endpoints,
            slow_down: self.endpoints.iter().any(|endpoint| endpoint.slow_down),
            shards: u32::try_from(threads).expect("checked"),
        };
        let window = if threads == 1 { WINDOW } else { lookahead };
        let meeting = Meeting::new(threads);
        let worker = |index: usize, report: &mut dyn FnMut(Time, u64, u64) -> bool| {
            let _breaker = Breaker(&meeting.barrier);
            let shard = Shard::<N, Q, O>::new(&world, index, observer());
            meeting.work(shard, index, window, &make, report)
        };

        let end = self.settings.end;
        let mut presence = Presence::new(&self.population, end);
        let begun = watch.elapsed();
        let remains = thread::scope(|scope| {
            let worker = &worker;
            let others: Vec<_> = (1..threads)
                .map(|index| scope.spawn(move || worker(index, &mut |_, _, _| false)))
                .collect();
            let first = worker(0, &mut |now, nodes, deliveries| {
                let elapsed = watch.elapsed().saturating_sub(begun);
                let done = presence.until(now);
                watch.progress(&Progress { now, end, nodes, done, deliveries, elapsed });
                watch.stops()
            });
            let mut remains = vec![first];
            for other in others {
                remains.push(other.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            }
            remains
        });
        let elapsed = watch.elapsed().saturating_sub(begun);

        if let Some(error) = meeting.failure.lock().expect("nobody panicked").take() {
            return Err(error);
        }
        let windows = meeting.windows.load(Ordering::Relaxed);
        let remains = remains.into_iter().map(|remains| remains.expect("nobody panicked"));
        let (mut counters, mut digest) = (Counters::default(), Digest::default());
        let (mut observers, mut log) = (Vec::new(), Vec::new());
        for shard in remains {
            counters.merge(&shard.counters);
            digest.merge(shard.digest);
            observers.push(shard.observer);
            log.extend(shard.log);
        }
        log.sort_unstable();
        let simulated = Span::from_nanos(meeting.ended.load(Ordering::Relaxed));
        let statistics = Statistics { counters, simulated, elapsed, threads, windows };
        Ok(Outcome { statistics, digest, observers, log })
    }
}

/// More would only wait for each other.
const MAX_THREADS: usize = 1_024;

/// The window of a single thread, which needs none: how often it reports.
const WINDOW: Span = Span::from_millis(100);

/// Where the threads of a run exchange what they have for each other.
///
/// Conservative parallel simulation in windows (Nicol's synchronous protocol, JACM 40(2), 1993):
/// all threads agree on the earliest pending event, run everything up to the least delay past it,
/// and then exchange messages. No message sent in a window can be due in it, so every node sees its
/// events in the order of their keys, whoever simulates it.
struct Meeting<M> {
    threads: usize,
    barrier: Barrier,
    /// When each thread's next event is due, in nanoseconds; the maximum if it has none.
    next: Vec<AtomicU64>,
    /// By sender and receiver. Never contended: the two have a barrier between them.
    mail: Vec<Mutex<Vec<Mail<M>>>>,
    /// Each thread's nodes and deliveries.
    counts: Vec<[AtomicU64; 2]>,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// Whether whoever watches wants no more.
    stopped: AtomicBool,
    /// When the run ended, in nanoseconds.
    ended: AtomicU64,
    windows: AtomicU64,
}

impl<M> Meeting<M> {
    fn new(threads: usize) -> Meeting<M> {
        Meeting {
            threads,
            barrier: Barrier::new(threads),
            next: (0..threads).map(|_| AtomicU64::new(u64::MAX)).collect(),
            mail: (0..threads * threads).map(|_| Mutex::default()).collect(),
            counts: (0..threads).map(|_| Default::default()).collect(),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            stopped: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            windows: AtomicU64::new(0),
        }
    }

    /// One thread's part in the run.
    fn work<'a, N, Q, O, F>(
        &self,
        mut shard: Shard<'a, N, Q, O>,
        index: usize,
        window: Span,
        make: &F,
        report: &mut dyn FnMut(Time, u64, u64) -> bool,
    ) -> Result<Remains<O>, Broken>
    where
        N: Node<Message = M>,
        Q: Queue,
        O: Observer<N>,
        F: Fn(NodeId, &NodeSpec, Seed) -> N,
    {
        let Settings { end, sample_every, .. } = *shard.settings();
        let mut sample_at = sample_every.map(|_| Time::ZERO);
        let mut failed = false;
        loop {
            let next = shard.next_time().map_or(u64::MAX, Time::as_nanos);
            self.next[index].store(next, Ordering::Relaxed);
            self.barrier.wait()?;
            // The same values for every thread, and so the same decisions.
            let start = self.next.iter().map(|next| next.load(Ordering::Relaxed)).min();
            let start = Time::from_nanos(start.expect("there are threads"));
            while let (Some(at), Some(every)) = (sample_at, sample_every)
                && at <= start
                && at < end
            {
                shard.sample(at);
                // A span of zero would never pass.
                sample_at = Some(at + every.max(Span::from_nanos(1)));
            }
            // Set before its thread came to the barrier above, and read by all after it.
            if start >= end || failed || self.stopped.load(Ordering::Relaxed) {
                let ended = start.min(end);
                self.ended.store(ended.as_nanos(), Ordering::Relaxed);
                return Ok(shard.finish(ended));
            }
            let stop = (start + window).min(end).min(sample_at.unwrap_or(end));
            if let Err(error) = shard.run(stop, make) {
                self.failure.lock().expect("nobody panics with it").get_or_insert(error);
                self.failed.store(true, Ordering::Relaxed);
            }

            for other in self.others(index) {
                let mut mail = self.mail(index, other).lock().expect("nobody panics with it");
                mem::swap(&mut *mail, shard.outgoing(other));
            }
            let (nodes, deliveries) = shard.counts();
            self.counts[index][0].store(nodes, Ordering::Relaxed);
            self.counts[index][1].store(deliveries, Ordering::Relaxed);
            self.barrier.wait()?;
            // Between the two barriers nobody runs, so that all threads see the same.
            failed = self.failed.load(Ordering::Relaxed);
            for other in self.others(index) {
                let mut mail = self.mail(other, index).lock().expect("nobody panics with it");
                shard.take(&mut mail);
            }
            if index == 0 {
                self.windows.fetch_add(1, Ordering::Relaxed);
                let sum = |what: usize| {
                    self.counts.iter().map(|counts| counts[what].load(Ordering::Relaxed)).sum()
                };
                if report(stop, sum(0), sum(1)) {
                    self.stopped.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn others(&self, index: usize) -> impl Iterator<Item = usize> + use<M> {
        (0..self.threads).filter(move |other| *other != index)
    }

    fn mail(&self, from: usize, to: usize) -> &Mutex<Vec<Mail<M>>> {
        &self.mail[from * self.threads + to]
    }
}
