//! How long a message takes, in and out; and what a learning switch does for each packet.
//!
//!     cargo bench -p rust_openflow -- --quick

mod messages;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rust_openflow::{Framer, Mac, v10, v13};

/// Parsing and encoding of each message.
macro_rules! both_ways {
    ($criterion:expr, $version:ident) => {
        for (name, body) in messages::$version() {
            let message = $version::Message::new(messages::XID, body);
            let mut wire = Vec::new();
            message.encode(&mut wire);
            let mut group = $criterion.benchmark_group(format!("{} {name}", stringify!($version)));
            group.throughput(Throughput::Bytes(wire.len() as u64));
            group.bench_function("parse", |b| {
                b.iter(|| $version::Message::parse(black_box(&wire)).expect("a message"))
            });
            let mut out = Vec::with_capacity(1 << 16);
            group.bench_function("encode", |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&message).encode(&mut out);
                    black_box(out.len())
                })
            });
            group.finish();
        }
    };
}

fn version_10(c: &mut Criterion) {
    both_ways!(c, v10);
}

fn version_13(c: &mut Criterion) {
    both_ways!(c, v13);
}

/// A packet-in becomes the flow-mod that answers it: framed, read, answered, written.
fn learning(c: &mut Criterion) {
    const BATCH: usize = 100;
    let mut wire = Vec::new();
    v10::Message::new(7, v10::Body::PacketIn(messages::packet_in_10())).encode(&mut wire);
    let wire = wire.repeat(BATCH);
    let mut group = c.benchmark_group("100 packet-ins answered by flow-mods");
    group.throughput(Throughput::Elements(BATCH as u64));
    let matching = |in_port, frame: &[u8]| {
        let mac = |at| Mac(frame[at..at + 6].try_into().expect("six bytes"));
        v10::Match::any().in_port(in_port).dl_dst(mac(0)).dl_src(mac(6))
    };

    let (mut framer, mut out) = (Framer::new(), Vec::with_capacity(1 << 16));
    group.bench_function("borrowed", |b| {
        b.iter(|| {
            out.clear();
            framer.push(black_box(&wire));
            while let Some(frame) = framer.next_slice().expect("sound headers") {
                let (xid, packet) = v10::PacketIn::borrowed(frame).expect("a packet-in");
                v10::FlowMod::add([v10::Action::output(4)])
                    .matching(matching(packet.in_port, packet.data))
                    .buffer(packet.buffer_id)
                    .encode_message(xid, &mut out);
            }
            black_box(out.len())
        })
    });

    group.bench_function("owned", |b| {
        b.iter(|| {
            out.clear();
            framer.push(black_box(&wire));
            while let Some(frame) = framer.next_frame().expect("sound headers") {
                let message = v10::Message::parse(&frame).expect("a message");
                let v10::Body::PacketIn(packet) = message.body else {
                    unreachable!("packet-ins only")
                };
                let entry = v10::FlowMod::add(vec![v10::Action::output(4)])
                    .matching(matching(packet.in_port, &packet.data))
                    .buffer(packet.buffer_id);
                v10::Message::new(message.xid, v10::Body::FlowMod(entry)).encode(&mut out);
            }
            black_box(out.len())
        })
    });
    group.finish();
}

criterion_group!(codec, version_10, version_13, learning);
criterion_main!(codec);
