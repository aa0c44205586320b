//! What the learning mode does for a packet-in, without the sockets.
//!
//!     cargo bench -p nearcast-controller --bench learning
//!
//! Whole programs, sockets included, are measured by `nearcast-controller-bench`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nearcast_controller::learning::{Dialogue, MacTable, Station};
use rust_openflow::v10::{Body, Features, Message, PacketIn, PacketInReason};
use rust_openflow::{Hello, Mac};

/// Stations that send at each switch, as the field has it.
const STATIONS: u32 = 1000;
const SWITCHES: u32 = 16;

fn source(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

const DESTINATION: Mac = Mac([6, 0, 0, 0, 0, 1]);

fn packet_in(in_port: u16, src: Mac, dst: Mac, number: u32) -> Vec<u8> {
    let mut data = [dst.0, src.0].concat();
    data.extend([0x08, 0x00]);
    data.resize(64, 0);
    let reason = PacketInReason::NoMatch;
    let packet = PacketIn { buffer_id: number, total_len: 64, in_port, reason, data };
    let mut wire = Vec::new();
    Message::new(number, Body::PacketIn(packet)).encode(&mut wire);
    wire
}

/// A switch that has said who it is, and where its one destination is.
fn dialogue(seed: u64, out: &mut Vec<u8>) -> Dialogue {
    let mut dialogue = Dialogue::open(seed, 0, out);
    let mut wire = Vec::new();
    Message::new(1, Body::Hello(Hello::default())).encode(&mut wire);
    Message::new(2, Body::FeaturesReply(Features::default())).encode(&mut wire);
    wire.extend(packet_in(2, DESTINATION, Mac::BROADCAST, 3));
    dialogue.receive(0, &wire, out).expect("a sound beginning");
    dialogue
}

fn dialogues(c: &mut Criterion) {
    let mut out = Vec::with_capacity(1 << 18);
    let mut dialogues: Vec<_> =
        (0..SWITCHES).map(|n| dialogue(0x9e37 + u64::from(n), &mut out)).collect();
    let asked = (0..STATIONS).flat_map(|n| packet_in(1, source(n), DESTINATION, n));
    let asked: Vec<u8> = asked.collect();
    let mut group = c.benchmark_group("16 switches, 1000 packet-ins of each");
    group.throughput(Throughput::Elements((SWITCHES * STATIONS).into()));
    group.bench_function("Dialogue", |b| {
        b.iter(|| {
            for dialogue in &mut dialogues {
                out.clear();
                let taken = dialogue.receive(1, black_box(&asked), &mut out);
                assert_eq!(taken, Ok(asked.len()));
            }
            black_box(&out);
        });
    });
    group.finish();
}

fn tables(c: &mut Criterion) {
    let mut table = MacTable::new(7);
    let stations: Vec<_> = (0..STATIONS).map(|n| Station::new(0xffff, source(n))).collect();
    let mut group = c.benchmark_group("1000 stations");
    group.throughput(Throughput::Elements(STATIONS.into()));
    group.bench_function("MacTable::learn", |b| {
        b.iter(|| stations.iter().for_each(|station| table.learn(black_box(*station), 1, 0)));
    });
    group.bench_function("MacTable::port_of", |b| {
        b.iter(|| {
            stations.iter().filter_map(|station| table.port_of(black_box(*station), 0)).sum::<u32>()
        });
    });
    group.finish();
}

criterion_group!(learning, dialogues, tables);
criterion_main!(learning);
