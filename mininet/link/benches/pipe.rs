//! What the model costs per packet, without any I/O.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nearcast_link::{Input, LinkParams, Pipe};
use nearcast_machine::{Bytes, Machine, Seed, Span, Time};

const PACKETS: u64 = 10_000;

fn carry(params: &LinkParams) -> u64 {
    let mut pipe = Pipe::new(params.clone(), Seed::new(1));
    let mut now = Time::ZERO;
    for _ in 0..PACKETS {
        pipe.handle(now, Input::Send(Bytes::new(1250)));
        while let Some(delivery) = pipe.poll() {
            black_box(delivery);
        }
        now += Span::from_millis(1);
    }
    pipe.counters().delivered
}

fn pipes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipe");
    group.throughput(Throughput::Elements(PACKETS));
    for (name, params) in [
        ("perfect", ""),
        ("delay", "delay='8ms'"),
        ("rate and delay", "rate='12Mbit/s'\ndelay='8ms'"),
        ("saturated", "rate='8Mbit/s'\ndelay='8ms'"),
        ("jitter", "delay='8ms'\njitter='2ms'"),
        (
            "everything",
            "rate='12Mbit/s'\ndelay='8ms'\njitter='2ms'\nloss='1%'\nduplicate='1%'\n\
             gilbert_elliott={good_to_bad=0.01, bad_to_good=0.3}\nreorder={probability='1%', extra='5ms'}",
        ),
    ] {
        let params: LinkParams = toml::from_str(params).expect(params);
        group.bench_function(name, |bencher| bencher.iter(|| black_box(carry(&params))));
    }
    group.finish();
}

criterion_group!(benches, pipes);
criterion_main!(benches);
