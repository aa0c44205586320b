//! OpenFlow 1.0 here and in rust_ofp, the other codec of it on crates.io.
//!
//!     cargo bench -p rust_openflow --bench rust_ofp -- --quick
//!
//! Each message is read, or made and written, by both in turn; what they come to is compared first.
//! What rust_ofp reads is a body whose header was read before, since its own way there prints a
//! line for each.

mod messages;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rust_ofp::ofp_message::OfpMessage as _;
use rust_ofp::openflow0x01 as theirs;
use rust_ofp::openflow0x01::MessageType;
use rust_openflow::v10::{Action, Body, FlowMod, Match, Message, PacketIn};
use rust_openflow::{Header, Mac};

fn encoded(name: &str) -> Vec<u8> {
    let body = messages::v10().into_iter().find(|(known, _)| *known == name).expect("its name").1;
    let mut wire = Vec::new();
    Message::new(messages::XID, body).encode(&mut wire);
    wire
}

fn packet_in(c: &mut Criterion) {
    let wire = encoded("packet-in");
    let Ok(Message { body: Body::PacketIn(ours), .. }) = Message::parse(&wire) else {
        panic!("a packet-in")
    };
    let read = theirs::PacketIn::parse(&wire[Header::LEN..]);
    assert_eq!((read.total_len, read.port), (ours.total_len, ours.in_port));
    let mut group = c.benchmark_group("packet-in is read");
    group.bench_function("rust_openflow, borrowed", |b| {
        b.iter(|| black_box(PacketIn::borrowed(black_box(&wire)).is_ok()))
    });
    group.bench_function("rust_openflow", |b| b.iter(|| Message::parse(black_box(&wire))));
    group.bench_function("rust_ofp", |b| {
        b.iter(|| theirs::PacketIn::parse(black_box(&wire[Header::LEN..])))
    });
    group.finish();
}

fn features(c: &mut Criterion) {
    let wire = encoded("features-reply of 48 ports");
    let Ok(Message { body: Body::FeaturesReply(ours), .. }) = Message::parse(&wire) else {
        panic!("a features-reply")
    };
    let read = theirs::SwitchFeatures::parse(&wire[Header::LEN..]);
    assert_eq!(read.ports.len(), ours.ports.len());
    let mut group = c.benchmark_group("features-reply of 48 ports is read");
    group.bench_function("rust_openflow", |b| b.iter(|| Message::parse(black_box(&wire))));
    group.bench_function("rust_ofp", |b| {
        b.iter(|| theirs::SwitchFeatures::parse(black_box(&wire[Header::LEN..])))
    });
    group.finish();
}

const DESTINATION: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn ours_made(out: &mut Vec<u8>) {
    let matching = Match::any().in_port(3u16).dl_dst(Mac(DESTINATION));
    FlowMod::add([Action::output(4)]).matching(matching).encode_message(messages::XID, out);
}

fn theirs_made() -> Vec<u8> {
    let mut pattern = theirs::Pattern::match_all();
    pattern.in_port = Some(3);
    pattern.dl_dst = Some(0x0200_0000_0001);
    let port = theirs::PseudoPort::PhysicalPort(4);
    let entry = theirs::message::add_flow(0x8000, pattern, vec![theirs::Action::Output(port)]);
    theirs::message::Message::marshal(messages::XID, theirs::message::Message::FlowMod(entry))
}

fn flow_mod(c: &mut Criterion) {
    let mut out = Vec::with_capacity(1 << 16);
    ours_made(&mut out);
    let written = theirs_made();
    // Not the whole: fields that the match leaves open need not be zero.
    assert_eq!(out.len(), written.len());
    assert_eq!(out[64..], written[64..], "buffer, flags and action");
    let mut group = c.benchmark_group("flow-mod is made and written");
    group.bench_function("rust_openflow", |b| {
        b.iter(|| {
            out.clear();
            ours_made(&mut out);
            black_box(&out);
        })
    });
    group.bench_function("rust_ofp", |b| b.iter(|| black_box(theirs_made())));
    group.finish();
}

criterion_group!(codecs, packet_in, features, flow_mod);
criterion_main!(codecs);
