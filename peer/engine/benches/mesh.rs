//! What a peer of the mesh costs: per chunk and per round, at 20 neighbours.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{
    Body, BufferMap, Chunk, Input, LayerBits, Lc, Message, News, Output, Peer, PeerId, Report,
    Request, Settings, Size, System, Tag,
};
use nearcast_machine::{Bitrate, Machine, Seed, Span, Time};
use nearcast_media::StreamId;

const NEIGHBOURS: u64 = 20;
/// The present, in twentieths of a second: each of three layers has 20 chunks per second.
const NOW: u32 = 2000;

fn now() -> Time {
    Time::ZERO + Span::from_secs(1)
}

fn chunk<P>(layer: u8, seq: u32, payload: P) -> Chunk<P> {
    let (unit, time) = (seq * 3 + u32::from(layer), seq * 50);
    Chunk { lc: Lc { layer, seq }, unit, time, tag: Tag::new(true, true, 0), payload }
}

fn map(holes: u64) -> Arc<BufferMap> {
    let words = vec![!holes; 10];
    let layer = LayerBits { base: NOW - 600, kbits: 200, words: &words };
    Arc::new(BufferMap::new([layer; 3]))
}

/// A peer with 20 neighbours that have all but `holes` of the window, of which it has what `held`
/// says; with what its messages must bring.
fn peer(settings: Settings, holes: u64, held: impl Fn(u32) -> bool) -> (Peer<Size>, Vec<u64>) {
    let mut peer = Peer::new(settings, Seed::new(1));
    for seq in (NOW - 600..NOW).filter(|&seq| held(seq)) {
        (0..3).for_each(|layer| {
            peer.handle(now(), Input::Publish(chunk(layer, seq, Size(1250))));
        });
    }
    let mut keys = Vec::new();
    let map = map(holes);
    for n in 1..=NEIGHBOURS {
        let from = PeerId(n);
        let say = |peer: &mut Peer<Size>, key, body| {
            peer.handle(now(), Input::Message { from, message: Message { key, body } });
        };
        say(&mut peer, 0, Body::Seek { key: n });
        let mut accepted = 0;
        while let Some(output) = peer.poll() {
            if let Output::Send { message: Message { body: Body::Accept { key }, .. }, .. } = output
            {
                accepted = key;
            }
        }
        say(&mut peer, accepted, Body::Confirm { key: n });
        let map = Arc::clone(&map);
        let report = Report { map, edge: NOW * 50, hops: 0, stamp: 1, echo: 0, held: 0 };
        let news = News { number: 1, map: Some(report), request: None };
        say(&mut peer, accepted, Body::News(Box::new(news)));
        keys.push(accepted);
    }
    (peer, keys)
}

fn drain(peer: &mut Peer<Size>) -> usize {
    std::iter::from_fn(|| peer.poll()).map(black_box).count()
}

/// Ends the rounds of the first second.
fn settle(peer: &mut Peer<Size>) -> Time {
    let until = now() + Span::from_millis(1200);
    while let Some(due) = peer.deadline().filter(|&due| due <= until) {
        peer.expire(due);
        drain(peer);
    }
    until
}

fn rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("a round at 20 neighbours");
    for (name, held) in
        [("all but 2 s held", NOW - 40), ("half held", NOW - 300), ("nothing held", NOW - 600)]
    {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || {
                    let (mut peer, _) = peer(Settings::default(), 0, |seq| seq < held);
                    (settle(&mut peer), peer)
                },
                // A second ahead there is one round for certain, and a second's playout.
                |(until, peer)| {
                    peer.expire(*until + Span::from_secs(1));
                    drain(peer)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("a chunk at 20 neighbours");
    const COUNT: u32 = 600;
    group.throughput(Throughput::Elements(COUNT.into()));
    group.bench_function("taken", |b| {
        b.iter_batched_ref(
            || {
                let settings = Settings { queue: 4096, ..Settings::default() };
                let (mut peer, keys) = peer(settings, 0, |_| false);
                let when = settle(&mut peer);
                let messages =
                    (NOW - 250..NOW - 50).flat_map(|seq| (0..3).map(move |layer| (layer, seq)));
                let messages = messages.zip((0..20).cycle()).map(|((layer, seq), n)| {
                    let body = Body::Chunk { chunk: chunk(layer, seq, Size(1250)), news: None };
                    Input::Message {
                        from: PeerId(n + 1),
                        message: Message { key: keys[n as usize], body },
                    }
                });
                let messages: Vec<_> = messages.collect();
                (peer, when, messages)
            },
            |(peer, when, messages)| {
                for message in messages.drain(..) {
                    peer.handle(*when, message);
                }
                assert_eq!(peer.statistics().chunks_neighbours, u64::from(COUNT));
            },
            BatchSize::SmallInput,
        );
    });
    const SERVED: usize = 400;
    group.throughput(Throughput::Elements(SERVED as u64));
    for (name, system) in
        [("served by Eq. 1", System::LayerP2p), ("served in turn", System::SingleLayer)]
    {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || {
                    let upload = Bitrate::from_bits_per_sec(1_000_000_000);
                    let settings = Settings { upload, ..Settings::of(system) };
                    let (mut peer, keys) = peer(settings, 0, |_| true);
                    // Its first round begins within a second, after which nothing is told any more.
                    let when = settle(&mut peer);
                    let wanted: Vec<Lc> =
                        (NOW - 40..NOW - 10).map(|seq| Lc { layer: 0, seq }).collect();
                    for (n, key) in (1..).zip(keys) {
                        let wanted = wanted.clone();
                        let request = Request { patience: Span::from_secs(1), wanted };
                        let news = News { number: 2, map: None, request: Some(request) };
                        let message = Message { key, body: Body::News(Box::new(news)) };
                        peer.handle(when, Input::Message { from: PeerId(n), message });
                    }
                    drain(&mut peer);
                    (peer, when)
                },
                |(peer, when)| {
                    let mut served = 0;
                    while served < SERVED {
                        let due = peer.deadline().expect("something waits").max(*when);
                        peer.expire(due);
                        let sent = drain(peer);
                        served += sent;
                        *when = due;
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn bytes(c: &mut Criterion) {
    let mut group = c.benchmark_group("bytes");
    let of = |body| {
        let message = Message { key: 1, body };
        Datagram::Peer { stream: StreamId([1; 8]), epoch: 1, message }
    };
    let payload = Bytes::from(vec![7; 1250]);
    let ragged =
        Report { map: map(0x9249_2492_4924_9249), edge: 1, hops: 1, stamp: 1, echo: 1, held: 1 };
    let news = News { number: 1, map: Some(ragged), request: None };
    for (name, datagram) in [
        ("a chunk", of(Body::Chunk { chunk: chunk(0, 5, payload), news: None })),
        ("a ragged map of 1800 chunks", of(Body::News(Box::new(news)))),
    ] {
        let mut out = Vec::new();
        group.bench_function(format!("{name} encoded"), |b| {
            b.iter(|| {
                out.clear();
                black_box(&datagram).encode(&mut out);
                out.len()
            });
        });
        let encoded = Bytes::copy_from_slice(&out);
        group.bench_function(format!("{name} parsed"), |b| {
            b.iter(|| Datagram::parse(black_box(&encoded)).expect("well-formed"));
        });
    }
    group.finish();
}

criterion_group!(benches, rounds, chunks, bytes);
criterion_main!(benches);
