//! What a node costs besides its machine, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use nearcast_machine::{Bytes, Machine, Seed, Span, Time};
use nearcast_sim::{Action, Class, Message, Network, Node, NodeId, NodeSpec, Settings, Simulation};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's, which is only counted here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Pokes its neighbour in the population every second.
struct Trivial {
    next: NodeId,
    due: Option<Time>,
    pokes: bool,
}

struct Poke;

impl Message for Poke {
    fn wire_len(&self) -> Bytes {
        Bytes::new(60)
    }

    fn class(&self) -> Class {
        Class::Data
    }
}

impl Machine for Trivial {
    type Input = ();
    type Output = NodeId;

    fn handle(&mut self, _: Time, (): ()) {}

    fn expire(&mut self, now: Time) {
        self.due = Some(now + Span::from_secs(1));
        self.pokes = true;
    }

    fn poll(&mut self) -> Option<NodeId> {
        std::mem::take(&mut self.pokes).then_some(self.next)
    }

    fn deadline(&self) -> Option<Time> {
        self.due
    }
}

impl Node for Trivial {
    type Message = Poke;
    type Event = ();

    fn received(_: NodeId, _: Poke) {}

    fn action(to: NodeId) -> Action<Poke, ()> {
        Action::Send { to, message: Poke }
    }
}

/// The most that was held while `count` nodes were there, and how many pokes arrived.
fn peak(count: usize) -> (usize, u64) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let population = (0..count).map(|index| NodeSpec::new(format!("p{index}"))).collect();
    let settings = Settings::new(Seed::new(1), Time::ZERO + Span::from_secs(10));
    let simulation = Simulation::new(settings, Network::default(), population).expect("they fit");
    let make = |id: NodeId, _: &NodeSpec, _| {
        let next = NodeId::new((id.index() + 1) % count).expect("few");
        // Spread over the second.
        let due = Time::ZERO + Span::from_nanos(id.index() as u64 * 1_000_000_000 / count as u64);
        Trivial { next, due: Some(due), pokes: false }
    };
    let outcome = simulation.run(make, || (), &mut ()).expect("time passes");
    (PEAK.load(Ordering::Relaxed) - before, outcome.statistics.counters.deliveries)
}

#[test]
fn ten_thousand_nodes_take_a_few_megabytes() {
    // One that is there anyway: wheels, and whatever a first run sets up.
    let (fixed, _) = peak(1);
    let (all, deliveries) = peak(10_000);
    assert_eq!(deliveries, 100_000);
    let each = (all - fixed) / 10_000;
    println!("{fixed} bytes for the simulator, {each} bytes for each of 10,000 nodes");
    // The node in its slab, which doubles: at worst twice 160 bytes for a machine of 24, and half
    // as much again while it is moved. Its specification: 80 bytes and a name. What senders know of
    // it 16, its order and its place 12, its alarm in the queue 24 and more.
    assert!(each < 800, "{each} bytes for each node");
    assert!(fixed < 1_000_000, "{fixed} bytes for the simulator");
}
