//! Pending-event sets in the hold model: with so many pending, pop one and push one that is due
//! some while after it.
//!
//! Beside the two of the crate stands a radix heap, which is what one would otherwise take where
//! time only goes forward.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearcast_machine::{Rng, Seed, Span, Time};
use nearcast_sim::{Heap, Key, Kind, NodeId, Pending, Queue, Wheel};
use rand::Rng as _;

/// Ahuja, Mehlhorn, Orlin and Tarjan's one-level radix heap (JACM 37(2), 1990): events lie in the
/// bucket of the highest bit in which their time differs from the last one popped.
struct Radix {
    buckets: Vec<Vec<Pending>>,
    last: u64,
    len: usize,
}

impl Default for Radix {
    fn default() -> Radix {
        Radix { buckets: vec![Vec::new(); 65], last: 0, len: 0 }
    }
}

impl Radix {
    fn bucket(&self, event: &Pending) -> usize {
        (64 - (event.key.time().as_nanos() ^ self.last).leading_zeros()) as usize
    }

    /// Moves the least into bucket 0, descending.
    fn settle(&mut self) {
        if !self.buckets[0].is_empty() || self.len == 0 {
            return;
        }
        let first = self.buckets.iter().position(|bucket| !bucket.is_empty()).expect("not empty");
        let events = std::mem::take(&mut self.buckets[first]);
        self.last =
            events.iter().map(|event| event.key.time().as_nanos()).min().expect("not empty");
        for event in &events {
            let bucket = self.bucket(event);
            self.buckets[bucket].push(*event);
        }
        self.buckets[0].sort_unstable_by(|a, b| b.cmp(a));
        // Its memory, for the next time.
        let mut events = events;
        events.clear();
        if self.buckets[first].capacity() == 0 {
            self.buckets[first] = events;
        }
    }
}

impl Queue for Radix {
    fn push(&mut self, event: Pending) {
        self.len += 1;
        let bucket = self.bucket(&event);
        self.buckets[bucket].push(event);
        if bucket == 0 {
            self.buckets[0].sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    fn next_time(&mut self) -> Option<Time> {
        self.settle();
        self.buckets[0].last().map(|event| event.key.time())
    }

    fn pop_before(&mut self, end: Time) -> Option<Pending> {
        if self.next_time()? >= end {
            return None;
        }
        self.len -= 1;
        self.buckets[0].pop()
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// How long after now: mostly a path's delay, sometimes a round, seldom the next adaptation.
fn after(rng: &mut Rng) -> Span {
    match rng.random_range(0..1_000) {
        0..5 => Span::from_secs(30),
        5..50 => Span::from_secs(1),
        _ => Span::from_nanos(rng.random_range(1_000_000..150_000_000)),
    }
}

fn event(time: Time, rng: &mut Rng) -> Pending {
    let node = NodeId::new(rng.random_range(0..5_000)).expect("few");
    Pending { key: Key::new(time, Kind::Deliver, node, rng.random()), node, slot: 0 }
}

fn hold<Q: Queue>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group("hold");
    group.throughput(Throughput::Elements(1));
    for pending in [1_000, 30_000, 300_000] {
        let mut rng = Seed::new(1).rng();
        let mut queue = Q::default();
        for _ in 0..pending {
            let time = Time::ZERO + after(&mut rng);
            queue.push(event(time, &mut rng));
        }
        let mut step = || {
            let first = queue.pop_before(Time::from_nanos(u64::MAX)).expect("never empty");
            let next = first.key.time() + after(&mut rng);
            queue.push(event(next, &mut rng));
            black_box(first)
        };
        // Past the filling, whose times are not like those that follow.
        for _ in 0..5 * pending {
            step();
        }
        group.bench_function(BenchmarkId::new(name, pending), |bencher| bencher.iter(&mut step));
    }
    group.finish();
}

fn queues(criterion: &mut Criterion) {
    hold::<Heap>(criterion, "heap");
    hold::<Radix>(criterion, "radix");
    hold::<Wheel>(criterion, "wheel");
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(std::time::Duration::from_secs(2))
        .warm_up_time(std::time::Duration::from_millis(500));
    targets = queues
}
criterion_main!(benches);
