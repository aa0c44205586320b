use nearcast_machine::Bitrate;
use proptest::prelude::*;

use super::*;
use crate::model::{GilbertElliott, Probability, Reorder};

/// A packet that can be told from others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Numbered(u64, u64);

impl Packet for Numbered {
    fn wire_len(&self) -> Bytes {
        Bytes::new(self.1)
    }
}

fn at(micros: u64) -> Time {
    Time::ZERO + Span::from_micros(micros)
}

fn pipe(params: &str) -> Pipe<Numbered> {
    Pipe::new(toml::from_str(params).expect(params), Seed::new(7))
}

fn configure(params: &str) -> Input<Numbered> {
    Input::Configure(Box::new(toml::from_str(params).expect(params)))
}

/// What comes out, and when it was due, looking whenever the pipe asks to be looked at until `end`.
fn run(pipe: &mut Pipe<Numbered>, end: Time) -> Vec<(u64, Time)> {
    let mut out = Vec::new();
    loop {
        while let Some(delivery) = pipe.poll() {
            out.push((delivery.packet.0, delivery.due));
        }
        match pipe.deadline() {
            Some(deadline) if deadline <= end => pipe.expire(deadline),
            _ => {
                pipe.expire(end);
                out.extend(std::iter::from_fn(|| pipe.poll()).map(|it| (it.packet.0, it.due)));
                return out;
            }
        }
    }
}

/// Sends `packets` (when, size) as a driver would, and runs the pipe empty.
fn carry(pipe: &mut Pipe<Numbered>, packets: &[(Time, u64)]) -> Vec<(u64, Time)> {
    let mut out = Vec::new();
    for (number, (time, size)) in (0..).zip(packets) {
        out.extend(run(pipe, *time));
        pipe.handle(*time, Input::Send(Numbered(number, *size)));
    }
    out.extend(run(pipe, Time::ZERO + Span::from_secs(3600)));
    out
}

#[test]
fn a_ping_over_8_and_30_ms_takes_76() {
    // hb - s1 - hs of the paper: out over 8 and 30 ms, back over 30 and 8.
    let mut now = Time::ZERO;
    for delay in ["delay='8ms'", "delay='30ms'", "delay='30ms'", "delay='8ms'"] {
        let mut pipe = pipe(delay);
        let out = carry(&mut pipe, &[(now, 98)]);
        now = out[0].1;
    }
    assert_eq!(now, at(76_000));
}

#[test]
fn serialisation_and_propagation_add_up() {
    let mut pipe = pipe("rate='10Mbit/s'\ndelay='8ms'");
    // 1514 bytes take 1.2112 ms each; the third arrives when the transmitter is idle again.
    let out = carry(&mut pipe, &[(at(0), 1514), (at(0), 1514), (at(5_000), 98)]);
    let due: Vec<u64> = out.iter().map(|(_, due)| due.as_nanos()).collect();
    assert_eq!(due, [9_211_200, 10_422_400, 13_078_400]);
}

#[test]
fn a_saturated_link_carries_its_rate_exactly() {
    let mut pipe = pipe("rate='10Mbit/s'\ndelay='8ms'\nqueue='20packets'");
    // 20 Mbit/s offered for one second.
    let packets: Vec<_> = (0..2_000).map(|n| (at(n * 500), 1250)).collect();
    let out = carry(&mut pipe, &packets);
    let in_second = out.iter().filter(|(_, due)| *due > at(8_000) && *due <= at(1_008_000)).count();
    assert_eq!(in_second, 1_000, "10 Mbit/s are a thousand packets of 1250 bytes");
    // What was sent is the second's thousand, and what still waited at its end.
    let counters = pipe.counters();
    assert_eq!(counters.sent, 1_000 + counters.queued_peak);
    assert_eq!(counters.offered, counters.sent + counters.dropped_queue);
}

#[test]
fn the_queue_holds_its_bound_and_not_one_more() {
    for (queue, sizes, kept) in [
        ("10packets", vec![1500; 100], 11),
        ("0packets", vec![1500; 100], 1),
        // Nine of 1500 fit into 14 kB; then 500 bytes are left, which two of 250 fill.
        ("14kB", [vec![1500; 50], vec![250; 50]].concat(), 12),
        ("0B", vec![60; 3], 1),
    ] {
        let mut pipe = pipe(&format!("rate='1Mbit/s'\nqueue='{queue}'"));
        let packets: Vec<_> = sizes.iter().map(|size| (Time::ZERO, *size)).collect();
        let out = carry(&mut pipe, &packets);
        // One more than the bound: the packet on the transmitter does not wait.
        assert_eq!(out.len(), kept, "{queue}");
        assert_eq!(pipe.counters().dropped_queue as usize, sizes.len() - kept, "{queue}");
        assert_eq!(pipe.counters().queued_peak as usize, kept - 1, "{queue}");
        assert_eq!(pipe.counters().queued_bytes, 0, "{queue}");
    }
}

#[test]
fn a_departure_makes_room_at_its_very_instant() {
    let mut pipe = pipe("rate='10Mbit/s'\nqueue='1packet'");
    let packets = [(at(0), 1250), (at(0), 1250), (at(999), 1250), (at(1_000), 1250)];
    let numbers: Vec<u64> = carry(&mut pipe, &packets).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 3]);
}

#[test]
fn new_parameters_hold_for_what_waits_and_not_for_what_is_on_its_way() {
    let mut pipe = pipe("rate='10Mbit/s'\ndelay='8ms'");
    for number in 0..4 {
        pipe.handle(at(0), Input::Send(Numbered(number, 1250)));
    }
    // At 1.5 ms the first is on the wire, the second on the transmitter, two wait.
    pipe.handle(at(1_500), configure("rate='5Mbit/s'\ndelay='20ms'"));
    let out = run(&mut pipe, at(100_000));
    assert_eq!(out, [(0, at(9_000)), (1, at(22_000)), (2, at(24_000)), (3, at(26_000))]);
}

#[test]
fn a_shorter_delay_does_not_reorder() {
    let mut pipe = pipe("delay='30ms'");
    pipe.handle(at(0), Input::Send(Numbered(0, 100)));
    pipe.handle(at(1_000), configure("delay='5ms'"));
    pipe.handle(at(1_000), Input::Send(Numbered(1, 100)));
    pipe.handle(at(26_000), Input::Send(Numbered(2, 100)));
    let out = run(&mut pipe, at(100_000));
    assert_eq!(out, [(0, at(30_000)), (1, at(30_000)), (2, at(31_000))]);
}

#[test]
fn a_queue_that_is_cut_below_its_length_drains() {
    let mut pipe = pipe("rate='10Mbit/s'\nqueue='10packets'");
    for number in 0..11 {
        pipe.handle(at(0), Input::Send(Numbered(number, 1250)));
    }
    pipe.handle(at(0), configure("rate='10Mbit/s'\nqueue='2packets'"));
    pipe.handle(at(0), Input::Send(Numbered(99, 1250)));
    assert_eq!(run(&mut pipe, at(100_000)).len(), 11);
    assert_eq!(pipe.counters().dropped_queue, 1);
}

#[test]
fn an_unlimited_rate_empties_the_queue_behind_the_packet_on_the_transmitter() {
    let mut pipe = pipe("rate='10Mbit/s'");
    for number in 0..3 {
        pipe.handle(at(0), Input::Send(Numbered(number, 1250)));
    }
    pipe.handle(at(500), configure(""));
    assert_eq!(run(&mut pipe, at(10_000)), [(0, at(1_000)), (1, at(1_000)), (2, at(1_000))]);
}

#[test]
fn a_pulled_cable_loses_what_is_in_it() {
    let mut pipe = pipe("rate='10Mbit/s'\ndelay='8ms'");
    for number in 0..3 {
        pipe.handle(at(0), Input::Send(Numbered(number, 1250)));
    }
    // The first has come due by the time the cable is pulled, though nobody had looked.
    pipe.handle(at(9_500), Input::Down);
    assert_eq!(pipe.deadline(), None);
    pipe.handle(at(9_600), Input::Send(Numbered(3, 1250)));
    pipe.handle(at(9_700), Input::Up);
    pipe.handle(at(9_700), Input::Send(Numbered(4, 1250)));
    assert_eq!(run(&mut pipe, at(50_000)), [(0, at(9_000)), (4, at(18_700))]);
    assert_eq!(pipe.counters().dropped_down, 3);
}

#[test]
fn held_back_packets_are_overtaken_by_as_many_as_the_traffic_has() {
    let mut pipe = pipe("delay='8ms'\nreorder={probability=0.1, extra='2.5ms'}");
    let packets: Vec<_> = (0..10_000).map(|n| (at(n * 1_000), 100)).collect();
    let out = carry(&mut pipe, &packets);
    assert_eq!(out.len(), 10_000);
    let late = out.iter().filter(|(n, due)| *due == at(n * 1_000 + 10_500)).count();
    let on_time = out.iter().filter(|(n, due)| *due == at(n * 1_000 + 8_000)).count();
    assert_eq!(late as u64, pipe.counters().reordered);
    assert_eq!(late + on_time, 10_000);
    // Five standard errors of 10,000 draws at one in ten.
    assert!((850..=1150).contains(&late), "{late}");
    assert!(out.is_sorted_by_key(|(_, due)| *due), "handed out when due");
    assert!(!out.is_sorted_by_key(|(number, _)| *number));
}

#[test]
fn a_copy_comes_right_behind_and_costs_no_capacity() {
    let mut pipe = pipe("rate='10Mbit/s'\nduplicate=1");
    let out = carry(&mut pipe, &[(at(0), 1250), (at(0), 1250)]);
    assert_eq!(out, [(0, at(1_000)), (0, at(1_000)), (1, at(2_000)), (1, at(2_000))]);
    assert_eq!(pipe.counters().sent, 2);
    assert_eq!(pipe.counters().duplicated, 2);
}

#[test]
fn a_lost_packet_has_used_the_link() {
    let mut pipe = pipe("rate='10Mbit/s'\nloss=1");
    assert_eq!(carry(&mut pipe, &[(at(0), 1250), (at(0), 1250)]), []);
    assert_eq!((pipe.counters().sent_bytes, pipe.counters().lost), (2_500, 2));
}

#[test]
fn a_dense_stream_keeps_its_mean_delay_under_jitter() {
    // The trap of first-in first-out with a draw per packet: ten thousand packets per second would
    // all be held near the maximum, 12 ms.
    let mut pipe = pipe("delay='10ms'\njitter='2ms'");
    let packets: Vec<_> = (0..200_000).map(|n| (at(n * 100), 100)).collect();
    let out = carry(&mut pipe, &packets);
    let delays = out.iter().map(|(n, due)| due.since(at(n * 100)).as_millis_f64());
    let mean = delays.clone().sum::<f64>() / 200_000.0;
    assert!((mean - 10.0).abs() < 0.1, "{mean}");
    assert!(delays.clone().fold(f64::MAX, f64::min) < 8.2);
    assert!(delays.fold(0.0, f64::max) > 11.8);
}

#[test]
fn the_seed_decides_and_nothing_else_does() {
    let params = "delay='8ms'\njitter='3ms'\nloss='10%'\nduplicate='10%'";
    let packets: Vec<_> = (0..1_000).map(|n| (at(n * 700), 100)).collect();
    let with = |seed| {
        carry(&mut Pipe::new(toml::from_str(params).expect(params), Seed::new(seed)), &packets)
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
}

#[test]
fn more_loss_does_not_change_the_weather() {
    let packets: Vec<_> = (0..1_000).map(|n| (at(n * 700), 100)).collect();
    let all = carry(&mut pipe("delay='8ms'\njitter='3ms'"), &packets);
    let some = carry(&mut pipe("delay='8ms'\njitter='3ms'\nloss='20%'"), &packets);
    assert!(some.len() < all.len());
    assert!(some.iter().all(|arrival| all.contains(arrival)));
}

fn any_params() -> impl Strategy<Value = LinkParams> {
    let chance = || {
        prop_oneof![Just(0.0), 0.0..0.3, Just(1.0)]
            .prop_map(|p| Probability::new(p).expect("in range"))
    };
    let rate = proptest::option::of(100_000u64..1_000_000_000)
        .prop_map(|rate| rate.map(Bitrate::from_bits_per_sec));
    let queue = prop_oneof![
        (0u32..50).prop_map(Queue::Packets),
        (0u64..50_000).prop_map(|bytes| Queue::Bytes(Bytes::new(bytes))),
    ];
    let chain = proptest::option::of((chance(), chance(), chance(), chance())).prop_map(|chain| {
        chain.map(|(good_to_bad, bad_to_good, loss_in_bad, loss_in_good)| GilbertElliott {
            good_to_bad,
            bad_to_good,
            loss_in_bad,
            loss_in_good,
        })
    });
    let reorder = proptest::option::of((chance(), 0u64..20_000)).prop_map(|it| {
        it.map(|(probability, micros)| Reorder { probability, extra: Span::from_micros(micros) })
    });
    (rate, 0u64..50_000, 0.0..=1.0, chance(), chain, chance(), reorder, queue).prop_map(
        |(rate, delay, jitter, loss, gilbert_elliott, duplicate, reorder, queue)| LinkParams {
            rate,
            delay: Span::from_micros(delay),
            jitter: Span::from_micros((delay as f64 * jitter) as u64),
            loss,
            gilbert_elliott,
            duplicate,
            reorder,
            queue,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    Configure(Box<LinkParams>),
    Up,
    Down,
}

fn any_steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        30 => (60u64..1600).prop_map(Step::Send),
        2 => any_params().prop_map(|params| Step::Configure(Box::new(params))),
        1 => Just(Step::Up),
        1 => Just(Step::Down),
    ];
    proptest::collection::vec((0u64..3_000, step), 1..200)
}

/// Applies the steps; with `lazy` the pipe is only looked at when there is a step.
fn play(
    params: LinkParams,
    steps: &[(u64, Step)],
    lazy: bool,
) -> (Vec<(u64, Time)>, Pipe<Numbered>) {
    let mut pipe = Pipe::new(params, Seed::new(11));
    let (mut now, mut out) = (Time::ZERO, Vec::new());
    for (number, (gap, step)) in (0..).zip(steps) {
        now += Span::from_micros(*gap);
        if !lazy {
            out.extend(run(&mut pipe, now));
        }
        let input = match step {
            Step::Send(size) => Input::Send(Numbered(number, *size)),
            Step::Configure(params) => Input::Configure(params.clone()),
            Step::Up => Input::Up,
            Step::Down => Input::Down,
        };
        pipe.handle(now, input);
        let counters = pipe.counters();
        assert_eq!(
            counters.offered + counters.duplicated,
            counters.delivered
                + counters.dropped_queue
                + counters.lost
                + counters.dropped_down
                + pipe.in_transit() as u64,
            "every packet is accounted for"
        );
    }
    out.extend(run(&mut pipe, now + Span::from_secs(1000)));
    (out, pipe)
}

proptest! {
    #[test]
    fn nothing_is_reordered_unless_asked(params in any_params(), steps in any_steps()) {
        let straight = |params: &LinkParams| LinkParams { reorder: None, ..params.clone() };
        let steps: Vec<_> = steps.into_iter().map(|(gap, step)| match step {
            Step::Configure(params) => (gap, Step::Configure(Box::new(straight(&params)))),
            step => (gap, step),
        }).collect();
        let (out, _) = play(straight(&params), &steps, false);
        prop_assert!(out.is_sorted_by_key(|(number, _)| *number));
    }

    #[test]
    fn every_packet_is_accounted_for_and_the_pipe_runs_empty(params in any_params(), steps in any_steps()) {
        let (out, pipe) = play(params, &steps, false);
        prop_assert_eq!(pipe.in_transit(), 0);
        prop_assert_eq!(pipe.deadline(), None);
        prop_assert_eq!(pipe.counters().queued_bytes, 0);
        prop_assert_eq!(pipe.counters().delivered, out.len() as u64);
    }

    #[test]
    fn it_does_not_matter_how_often_one_looks(params in any_params(), steps in any_steps()) {
        let (eager, first) = play(params.clone(), &steps, false);
        let (lazy, second) = play(params, &steps, true);
        prop_assert_eq!(eager, lazy);
        prop_assert_eq!(first.counters(), second.counters());
    }

    #[test]
    fn under_jitter_alone_each_packet_keeps_its_bounds(
        delay in 0u64..50_000, share in 0.0..=1.0, gaps in proptest::collection::vec(0u64..2_000, 1..300),
    ) {
        let jitter = (delay as f64 * share) as u64;
        let mut pipe = pipe(&format!("delay='{delay}us'\njitter='{jitter}us'"));
        let mut now = 0;
        let packets: Vec<_> = gaps.iter().map(|gap| { now += gap; (at(now), 100) }).collect();
        let out = carry(&mut pipe, &packets);
        prop_assert!(out.is_sorted_by_key(|(number, _)| *number));
        for (number, due) in out {
            let sent = packets[number as usize].0;
            prop_assert!(due >= sent + Span::from_micros(delay - jitter));
            prop_assert!(due <= sent + Span::from_micros(delay + jitter));
        }
    }
}
