//! How long a message takes, in and out; and what a learning switch does for each packet.
//!
//!     cargo bench -p rust_openflow -- --quick

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rust_openflow::{Framer, Mac, v10, v13};

/// Parsing and encoding of one message.
macro_rules! both_ways {
    ($criterion:expr, $version:ident, $name:literal, $body:expr) => {{
        let message = $version::Message::new(7, $body);
        let mut wire = Vec::new();
        message.encode(&mut wire);
        let mut group = $criterion.benchmark_group(concat!(stringify!($version), " ", $name));
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
    }};
}

/// A minimal frame, as cbench sends it.
fn frame() -> Vec<u8> {
    let mut frame = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat();
    frame.extend([0x08, 0x00]);
    frame.resize(64, 0);
    frame
}

fn packet_in_10() -> v10::PacketIn {
    let reason = v10::PacketInReason::NoMatch;
    v10::PacketIn { buffer_id: 9, total_len: 64, in_port: 3, reason, data: frame() }
}

fn version_10(c: &mut Criterion) {
    both_ways!(c, v10, "packet-in", v10::Body::PacketIn(packet_in_10()));
    let matching = v10::Match::any().in_port(3u16).dl_dst(Mac([2; 6]));
    let entry = v10::FlowMod::add(vec![v10::Action::output(4)]).matching(matching);
    both_ways!(c, v10, "flow-mod", v10::Body::FlowMod(entry));
    let ports = (1..=48).map(|number| v10::Port {
        number,
        name: format!("port{number}"),
        ..v10::Port::default()
    });
    let features = v10::Features { ports: ports.collect(), ..v10::Features::default() };
    both_ways!(c, v10, "features-reply of 48 ports", v10::Body::FeaturesReply(features));
    let flow =
        v10::FlowStats { actions: vec![v10::Action::output(4)], matching, ..Default::default() };
    let flows = v10::StatsReply::new(v10::Reply::Flow(vec![flow; 100]));
    both_ways!(c, v10, "stats-reply of 100 flow entries", v10::Body::StatsReply(flows));
}

fn version_13(c: &mut Criterion) {
    let packet = v13::PacketIn {
        buffer_id: v13::NO_BUFFER,
        total_len: 64,
        reason: v13::PacketInReason::NoMatch,
        table_id: 0,
        cookie: 0,
        matching: v13::Match::new().in_port(3),
        data: frame(),
    };
    both_ways!(c, v13, "packet-in", v13::Body::PacketIn(packet));
    let matching = v13::Match::new()
        .in_port(3)
        .eth_dst([2, 0, 0, 0, 0, 1])
        .eth_type(0x0800)
        .ip_proto(6)
        .tcp_dst(1935);
    let apply = v13::Instruction::ApplyActions(vec![v13::Action::output(4)]);
    let entry = v13::FlowMod::add().matching(matching.clone()).instruction(apply.clone());
    both_ways!(c, v13, "flow-mod", v13::Body::FlowMod(entry));
    both_ways!(c, v13, "features-reply", v13::Body::FeaturesReply(v13::Features::of(1, 254)));
    let flow = v13::FlowStats { matching, instructions: vec![apply], ..v13::FlowStats::default() };
    let flows = v13::MultipartReply::new(v13::Reply::Flow(vec![flow; 100]));
    both_ways!(c, v13, "multipart-reply of 100 flow entries", v13::Body::MultipartReply(flows));
}

/// A packet-in becomes the flow-mod that answers it: framed, read, answered, written.
fn learning(c: &mut Criterion) {
    const BATCH: usize = 100;
    let mut wire = Vec::new();
    v10::Message::new(7, v10::Body::PacketIn(packet_in_10())).encode(&mut wire);
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
