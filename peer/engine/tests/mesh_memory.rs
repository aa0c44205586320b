//! How much memory a peer of the mesh takes: counted, not estimated.

#[path = "mesh/alone.rs"]
#[allow(dead_code)]
mod alone;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use alone::{Alone, newest};
use nearcast_engine::mesh::{
    BufferMap, Chunk, Input, LayerBits, Lc, Peer, PeerId, Settings, Size, Tag,
};

/// The system's allocator, which counts what is in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is left to the system's allocator; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 290, 230 and 100 kbit/s in chunks of 1000 bytes on average: chunks per second.
const PER_SECOND: [u32; 3] = [36, 29, 13];

/// The 30 s before the present of each layer.
fn window(now: u32) -> [std::ops::Range<u32>; 3] {
    // `now` counts twentieths of a second.
    PER_SECOND.map(|rate| (now - 600) * rate / 20..now * rate / 20)
}

/// A peer whose window holds every chunk of which `held` says so.
fn peer(held: impl Fn(u32) -> bool) -> Alone {
    let mut alone = Alone::new(Settings::default());
    let now = newest(alone.now);
    for (layer, seqs) in (0u8..).zip(window(now)) {
        for seq in seqs.filter(|&seq| held(seq)) {
            let time = seq * 1000 / PER_SECOND[usize::from(layer)];
            let unit = time * 4 + u32::from(layer);
            let (tag, payload) = (Tag::new(true, true, 0), Size(1000));
            let chunk = Chunk { lc: Lc { layer, seq }, unit, time, tag, payload };
            alone.input(Input::Publish(chunk));
        }
    }
    alone
}

/// Everything that the peer owns, its own size included.
fn memory_of(alone: Alone) -> usize {
    let Alone { peer, .. } = alone;
    let before = IN_USE.load(Ordering::Relaxed);
    drop(peer);
    let after = IN_USE.load(Ordering::Relaxed);
    usize::try_from(before - after).expect("it owns something") + size_of::<Peer<Size>>()
}

// One test, so that no other thread allocates meanwhile.
#[test]
fn a_peer_stays_within_its_memory() {
    let alone = peer(|_| true);
    let held: u32 = (0..3).map(|layer| alone.peer.held(layer)).sum();
    assert!(held > 2200, "{held} chunks");
    let lone = memory_of(alone);
    println!("neighbour-less, {held} chunks: {lone} bytes");
    assert!(lone < 32 * 1024, "{lone}");

    // Two thirds are held, and each of 20 neighbours has another two thirds, so that no map is
    // short; all queues are full; all that is missing has just been asked for.
    let mut alone = peer(|seq| seq % 3 != 0);
    for n in 1..=20 {
        assert!(alone.initiate(PeerId(n)));
    }
    for _ in 0..5 {
        let now = newest(alone.now);
        for n in 1..=20u64 {
            let words = window(now).map(|seqs| {
                let first = seqs.start / 64;
                let mut words = vec![0u64; (seqs.end.div_ceil(64) - first) as usize];
                for seq in seqs.clone().filter(|seq| u64::from(*seq) % 3 != n % 3) {
                    words[(seq / 64 - first) as usize] |= 1 << (seq % 64);
                }
                (seqs.start, words)
            });
            let map = BufferMap::new(words.iter().map(|(base, words)| LayerBits {
                base: *base,
                kbits: 290,
                words,
            }));
            let wanted = window(now)[0].clone().filter(|seq| seq % 3 != 0).take(400);
            let wanted = wanted.map(|seq| Lc { layer: 0, seq }).collect();
            alone.news(PeerId(n), Some(&map), Some(wanted));
        }
        alone.run_millis(1000);
    }
    for n in 1..=20 {
        let now = newest(alone.now);
        let wanted = window(now)[1].clone().map(|seq| Lc { layer: 1, seq }).collect();
        alone.news(PeerId(n), None, Some(wanted));
    }
    let neighbours: Vec<_> = alone.peer.neighbours().collect();
    assert_eq!(neighbours.len(), 20);
    assert!(neighbours.iter().all(|n| n.queued == 128 && n.held > 1000), "{neighbours:?}");
    let busy = memory_of(alone);
    println!("with 20 neighbours: {busy} bytes");
    assert!(busy < 64 * 1024, "{busy}");
}
