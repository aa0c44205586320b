//! The simulator alone: 5,000 nodes that keep twenty small questions each on their way.
//!
//! Beside it, in the same run, a naive one: messages in the standard library's heap, one loop. Its
//! machines and its network are the same, and it makes the same deliveries.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use nearcast_machine::{Bitrate, Bytes, Machine, Rng, Seed, Span, Time};
use nearcast_sim::{
    Action, Class, Delays, Heap, Message, Network, Node, NodeId, NodeSpec, Place, Queue, Settings,
    Signalling, Simulation, Watch, Wheel,
};
use rand::Rng as _;

const NODES: usize = 5_000;
const WINDOW: usize = 20;
const MILLIS: u64 = 1_500;

/// As large as the engine's messages are.
enum Talk {
    Ask,
    Bring { payload: [u64; 8] },
}

impl Message for Talk {
    fn wire_len(&self) -> Bytes {
        match self {
            Talk::Ask => Bytes::new(60),
            Talk::Bring { .. } => Bytes::new(200),
        }
    }

    fn class(&self) -> Class {
        match self {
            Talk::Ask => Class::Signal,
            Talk::Bring { .. } => Class::Data,
        }
    }
}

/// Answers questions, and asks again for every answer.
struct Asker {
    rng: Rng,
    due: Option<Time>,
    out: VecDeque<(NodeId, Talk)>,
    sum: u64,
}

impl Asker {
    fn new(seed: Seed) -> Asker {
        Asker { rng: seed.rng(), due: None, out: VecDeque::new(), sum: 0 }
    }

    fn ask(&mut self) {
        let to = NodeId::new(self.rng.random_range(0..NODES)).expect("few");
        self.out.push_back((to, Talk::Ask));
    }
}

impl Machine for Asker {
    type Input = (NodeId, Talk);
    type Output = (NodeId, Talk);

    fn handle(&mut self, _: Time, (from, talk): (NodeId, Talk)) {
        match talk {
            Talk::Ask => self.out.push_back((from, Talk::Bring { payload: [self.sum; 8] })),
            Talk::Bring { payload } => {
                self.sum = self.sum.wrapping_add(payload[7]) + 1;
                self.ask();
            }
        }
    }

    fn expire(&mut self, now: Time) {
        // A round, as the engine has them.
        if self.due.take_if(|due| *due <= now).is_some() {
            self.due = Some(now + Span::from_secs(1));
        }
    }

    fn poll(&mut self) -> Option<(NodeId, Talk)> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.due
    }
}

impl Node for Asker {
    type Message = Talk;
    type Event = ();

    fn start(&mut self, now: Time) {
        self.due = Some(now + Span::from_nanos(self.rng.random_range(0..1_000_000_000)));
        (0..WINDOW).for_each(|_| self.ask());
    }

    fn received(from: NodeId, message: Talk) -> (NodeId, Talk) {
        (from, message)
    }

    fn action((to, message): (NodeId, Talk)) -> Action<Talk, ()> {
        Action::Send { to, message }
    }
}

fn population() -> Vec<NodeSpec> {
    let mut rng = Seed::new(9).rng();
    let node = |index| {
        let mut node = NodeSpec::new(format!("p{index}"));
        node.access.up = Some(Bitrate::from_bits_per_sec(10_000_000));
        node.place =
            Place::Point { x: rng.random_range(0.0..100.0), y: rng.random_range(0.0..100.0) };
        node
    };
    (0..NODES).map(node).collect()
}

fn network() -> Network {
    Network {
        delays: Delays::Plane { least: Span::from_millis(5), per_unit: Span::from_millis(1) },
        signalling: Signalling::Delayed { loss: Default::default() },
        ..Network::default()
    }
}

/// Deliveries of one run, and how long it took.
type Measured = (u64, Duration);

struct Stopwatch(Instant);

impl Watch for Stopwatch {
    fn elapsed(&mut self) -> Span {
        self.0.elapsed().into()
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a driver")]
fn now() -> Instant {
    Instant::now()
}

fn simulate<Q: Queue>(threads: usize) -> Measured {
    let end = Time::ZERO + Span::from_millis(MILLIS);
    let settings = Settings { threads, ..Settings::new(Seed::new(1), end) };
    let simulation = Simulation::new(settings, network(), population()).expect("they fit");
    let make = |_, _: &NodeSpec, seed| Asker::new(seed);
    let outcome = simulation.run_on::<Q, Asker, ()>(make, || (), &mut Stopwatch(now()));
    let statistics = outcome.expect("time passes").statistics;
    (statistics.counters.deliveries, statistics.elapsed.into())
}

/// What waits in the naive simulator: time, tie, receiver, and the message itself.
struct Event(Time, u64, usize, Option<(NodeId, Talk)>);

impl Ord for Event {
    fn cmp(&self, other: &Event) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

fn naive() -> Measured {
    let begun = now();
    let end = Time::ZERO + Span::from_millis(MILLIS);
    let population = population();
    let mut machines: Vec<Asker> =
        population.iter().map(|spec| Asker::new(Seed::new(1).derive(&spec.name))).collect();
    let mut idle = vec![Time::ZERO; NODES];
    let (mut heap, mut number, mut deliveries) = (BinaryHeap::new(), 0, 0);
    let place = |index: usize| match population[index].place {
        Place::Point { x, y } => (f64::from(x), f64::from(y)),
        Place::Site(_) => unreachable!("they are in the plane"),
    };
    let mut turn = |index: usize, now: Time, machine: &mut Asker, heap: &mut BinaryHeap<_>| {
        while let Some((to, talk)) = machine.poll() {
            let mut departure = now;
            if talk.class() == Class::Data {
                let rate = population[index].access.up.expect("it has one");
                departure = idle[index].max(now) + rate.serialisation(talk.wire_len());
                idle[index] = departure;
            }
            let ((x1, y1), (x2, y2)) = (place(index), place(to.index()));
            let distance = ((x1 - x2).powi(2) + (y1 - y2).powi(2)).sqrt();
            let delay = Span::from_nanos(5_000_000 + (distance * 1e6) as u64);
            let from = NodeId::new(index).expect("few");
            number += 1;
            let tie = 1 << 62 | number;
            heap.push(Reverse(Event(departure + delay, tie, to.index(), Some((from, talk)))));
        }
    };
    for (index, machine) in machines.iter_mut().enumerate() {
        machine.start(Time::ZERO);
        heap.push(Reverse(Event(machine.deadline().expect("a round"), 0, index, None)));
        turn(index, Time::ZERO, machine, &mut heap);
    }
    while let Some(Reverse(Event(now, _, index, message))) = heap.pop() {
        if now >= end {
            break;
        }
        let machine = &mut machines[index];
        match message {
            Some(message) => {
                deliveries += 1;
                machine.handle(now, message);
            }
            None => {
                machine.expire(now);
                let deadline = machine.deadline().expect("rounds go on");
                heap.push(Reverse(Event(deadline, 0, index, None)));
            }
        }
        turn(index, now, machine, &mut heap);
    }
    (deliveries, begun.elapsed())
}

/// Each in turn, a few times over, so that what else the machine does meets all.
fn compare() {
    type Run = fn() -> Measured;
    let runs: [(&str, Run); 4] = [
        ("naive", naive),
        ("heap", || simulate::<Heap>(1)),
        ("wheel", || simulate::<Wheel>(1)),
        ("wheel, 2 threads", || simulate::<Wheel>(2)),
    ];
    let mut rates = vec![Vec::new(); runs.len()];
    let mut counts = Vec::new();
    for _ in 0..5 {
        for ((_, run), rates) in runs.iter().zip(&mut rates) {
            let (deliveries, elapsed) = run();
            counts.push(deliveries);
            rates.push(deliveries as f64 / elapsed.as_secs_f64());
        }
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "not the same work: {counts:?}");
    println!("{} deliveries, {NODES} nodes, medians of 5 interleaved runs:", counts[0]);
    let medians: Vec<f64> = rates
        .iter_mut()
        .map(|rates| {
            rates.sort_unstable_by(f64::total_cmp);
            rates[rates.len() / 2]
        })
        .collect();
    for ((name, _), median) in runs.iter().zip(&medians) {
        let times = median / medians[0];
        println!("  {name:18} {:6.2} M deliveries/s  {times:.2} x naive", median / 1e6);
    }
}

fn main() {
    compare();
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("simulator");
    group.throughput(Throughput::Elements(simulate::<Wheel>(1).0));
    group.bench_function("wheel", |bencher| bencher.iter(|| simulate::<Wheel>(1)));
    group.finish();
    criterion.final_summary();
}
