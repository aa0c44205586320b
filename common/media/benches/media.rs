//! How fast bytes become messages, and messages stamped units and chunks.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nearcast_machine::Time;
use nearcast_media::rtmp::{ChunkLimits, ChunkReader, ChunkWriter, Message};
use nearcast_media::{Kind, Media, Numberer, cut};

/// A picture of `slices` slices of 1200 bytes each.
fn picture(slices: usize) -> Vec<u8> {
    let mut body = b"\x27\x01\x00\x00\x00".to_vec();
    for _ in 0..slices {
        body.extend(1200u32.to_be_bytes());
        body.extend([0x41, 0x9a]);
        body.extend([0x55; 1198]);
    }
    body
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("ChunkReader");
    for (name, chunk_size, commands_only) in
        [("chunks of 128", 128, false), ("chunks of 4096", 4096, false), ("observing", 4096, true)]
    {
        let (mut writer, mut bytes) = (ChunkWriter::new(), BytesMut::new());
        writer.set_chunk_size(chunk_size, &mut bytes);
        let body = picture(10);
        for i in 0..100 {
            let message =
                Message { type_id: 9, timestamp: i * 33, stream: 1, body: body.clone().into() };
            writer.write(6, &message, &mut bytes);
        }
        let limits = ChunkLimits { message_max: 1 << 20, streams_max: 16, commands_only };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut reader = ChunkReader::new(limits);
                for mut segment in bytes.chunks(1448) {
                    while let Some(message) = reader.read(&mut segment).expect("well-formed") {
                        black_box(message);
                    }
                }
            });
        });
    }
    group.finish();
}

fn numbering(c: &mut Criterion) {
    let media = Media { kind: Kind::Video, timestamp: 0, body: picture(10).into() };
    let mut group = c.benchmark_group("a picture of 12 kB");
    group.throughput(Throughput::Bytes(media.body.len() as u64));
    let mut numberer = Numberer::new(1);
    group.bench_function("number and stamp", |b| {
        b.iter(|| numberer.number(Time::ZERO, black_box(media.clone())));
    });
    group.bench_function("cut", |b| b.iter(|| cut(Kind::Video, black_box(&media.body))));
    group.finish();
}

criterion_group!(benches, reading, numbering);
criterion_main!(benches);
