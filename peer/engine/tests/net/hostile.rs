//! What others send who mean no good, or no longer know what they say.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use nearcast_engine::viewer::{Event, Input, Path};
use nearcast_engine::wire::{Chunk, Datagram, Index, Join, Lack, Request, Tail, Token, Wanted};
use nearcast_engine::{
    Broadcaster, CdnSeed, Head, Viewer, WindowLimits, broadcaster, seed, viewer,
};
use nearcast_machine::{Machine, Seed, Span, Time};
use nearcast_media::peering::{Offer, PORT};
use nearcast_media::{Followed, Kind, Layer, Role, Unit};
use proptest::prelude::*;

use crate::clip::Clip;
use crate::ways::scene;
use crate::world::{Act, CONTROLLER, GROUP, SEED, alias, secs, stream};

const EPOCH: u32 = 1_700_000_000;

/// Numbers as an attacker picks them: near what is valid, and at the ends of the range.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..400u64, Just(u64::MAX), Just(1 << 56), any::<u64>()]
}

fn small() -> impl Strategy<Value = u16> {
    prop_oneof![0..6u16, Just(u16::MAX), any::<u16>()]
}

fn epochs() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(EPOCH), 1 => Just(0), 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn datagrams() -> impl Strategy<Value = Datagram> {
    let id = stream().id();
    let kinds = prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Data)];
    let flags = any::<(bool, bool, u32)>();
    let chunk = (epochs(), numbers(), small(), small(), numbers(), kinds, flags, 0..1300usize);
    let chunk = chunk.prop_map(
        move |(epoch, number, index, count, gop, kind, (keyframe, header, timestamp), length)| {
            let layer = Layer::One;
            let head = Head { number, count, gop, kind, layer, keyframe, header, timestamp };
            let payload = Bytes::from(vec![0x17; length]);
            Datagram::Chunk(Chunk { stream: id, epoch, head, index, payload })
        },
    );
    let wanted = (numbers(), prop::collection::vec((small(), small()), 0..4))
        .prop_map(|(unit, ranges)| Wanted { unit, ranges });
    let request = (epochs(), any::<u64>(), prop::collection::vec(wanted, 0..8))
        .prop_map(move |(epoch, token, wanted)| Request { stream: id, token, epoch, wanted });
    let index = (epochs(), numbers(), numbers(), small(), any::<(u8, u8)>());
    let index = (index, prop::collection::vec(small(), 0..600)).prop_map(
        move |((epoch, gop, first, sent, (part, parts)), counts)| {
            let headers = Vec::new();
            Index { stream: id, epoch, gop, sent, part, parts, headers, first, counts }
        },
    );
    prop_oneof![
        4 => chunk,
        2 => request.prop_map(Datagram::Request),
        2 => index.prop_map(Datagram::Index),
        1 => any::<u64>().prop_map(move |token| Datagram::Join(Join { stream: id, token })),
        1 => (epochs(), prop::collection::vec(numbers(), 0..8))
            .prop_map(move |(epoch, units)| Datagram::Lack(Lack { stream: id, epoch, units })),
        1 => any::<u64>().prop_map(move |token| Datagram::Token(Token { stream: id, token })),
        1 => (epochs(), numbers(), any::<u32>()).prop_map(move |(epoch, from, millis)| {
            let span = Span::from_millis(millis.into());
            Datagram::Tail(Tail { stream: id, token: 0, epoch, from, span })
        }),
    ]
}

fn sources() -> impl Strategy<Value = SocketAddrV4> {
    prop_oneof![
        Just(SocketAddrV4::new(GROUP, PORT)),
        Just(alias(0)),
        Just(alias(2)),
        Just(SEED),
        any::<u32>().prop_map(|ip| SocketAddrV4::new(ip.into(), PORT)),
    ]
}

fn followed() -> impl Strategy<Value = Followed> {
    let unit = (epochs(), numbers(), any::<(bool, bool)>()).prop_map(
        |(epoch, number, (keyframe, header))| {
            let (kind, layer) = (Kind::Video, Layer::One);
            let body = Bytes::from_static(b"\x12\x00a picture");
            Unit { epoch, number, kind, layer, keyframe, header, timestamp: 0, body }
        },
    );
    prop_oneof![
        unit.prop_map(Followed::Unit),
        (epochs(), numbers(), numbers()).prop_map(|(epoch, from, to)| Followed::Gap {
            epoch,
            from,
            to
        }),
    ]
}

fn offer() -> Offer {
    Offer {
        peering: 1,
        generation: 1,
        stream: stream(),
        role: Role::Viewer,
        group: GROUP,
        alias: *alias(1).ip(),
        holders: vec![*alias(2).ip(), *alias(0).ip()],
        lease: Span::from_secs(3600),
    }
}

fn window() -> WindowLimits {
    WindowLimits { bytes: nearcast_machine::Bytes::new(1 << 20), ..WindowLimits::default() }
}

/// Drains a machine and lets it sleep and wake, a bounded number of times.
fn settle<M: Machine>(machine: &mut M, now: &mut Time, until: Time) -> usize {
    let mut outputs = 0;
    for _ in 0..10_000 {
        while machine.poll().is_some() {
            outputs += 1;
        }
        match machine.deadline() {
            Some(deadline) if deadline <= until => {
                *now = (*now).max(deadline);
                machine.expire(*now);
            }
            _ => {
                *now = (*now).max(until);
                return outputs;
            }
        }
    }
    panic!("the machine spins at {now:?}, deadline {:?}", machine.deadline());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_sequence_of_messages_breaks_a_viewer(
        inputs in prop::collection::vec(
            (prop_oneof![
                3 => (sources(), datagrams()).prop_map(|(from, datagram)| {
                    Input::Datagram { from, datagram }
                }),
                1 => followed().prop_map(Input::Cdn),
            ], 0..400u64),
            1..120,
        ),
    ) {
        let settings =
            viewer::Settings { seed: Some(SEED), window: window(), ..Default::default() };
        let mut machine = Viewer::new(stream(), settings, Seed::new(1));
        let mut now = secs(1.0);
        machine.handle(now, Input::Offer { from: CONTROLLER, offer: offer() });
        let mut last: Option<(u32, u64)> = None;
        for (input, millis) in inputs {
            machine.handle(now, input);
            while let Some(output) = machine.poll() {
                if let viewer::Output::Release(release) = output {
                    let name = (release.unit.epoch, release.unit.number);
                    if let Some((epoch, number)) = last && epoch == name.0 {
                        prop_assert!(name.1 > number, "{:?} after {:?}", name, last);
                    }
                    last = Some(name);
                }
            }
            let until = now + Span::from_millis(millis);
            settle(&mut machine, &mut now, until);
            prop_assert!(machine.held() <= 1 << 20);
        }
    }

    #[test]
    fn no_sequence_of_messages_breaks_a_seed_or_a_broadcaster(
        inputs in prop::collection::vec((sources(), datagrams(), followed(), 0..50u64), 1..120),
    ) {
        let settings = seed::Settings { window: window(), ..Default::default() };
        let mut machine = CdnSeed::new(settings, Seed::new(1));
        let settings = broadcaster::Settings { window: window(), ..Default::default() };
        let mut publisher = Broadcaster::new(stream(), settings);
        let mut now = secs(1.0);
        let offer = Offer { role: Role::Broadcaster, ..offer() };
        publisher.handle(now, broadcaster::Input::Offer { from: CONTROLLER, offer });
        for (from, datagram, followed, millis) in inputs {
            machine.handle(now, seed::Input::Cdn { stream: stream().id(), followed });
            machine.handle(now, seed::Input::Datagram { from, datagram: datagram.clone() });
            publisher.handle(now, broadcaster::Input::Datagram { from, datagram });
            let until = now + Span::from_millis(millis);
            let mut own = now;
            settle(&mut publisher, &mut own, until);
            settle(&mut machine, &mut now, until);
            prop_assert!(machine.held() <= 1 << 20);
        }
    }
}

#[test]
fn offers_of_others_are_refused() {
    let mut world = scene(Clip::FULL, 3, &[0.0], 1);
    world.at(Time::ZERO, Act::ControllerDies);
    let forger = Ipv4Addr::new(10, 0, 0, 66);
    world.at(secs(0.5), Act::Inject(0, Input::Offer { from: forger, offer: offer() }));
    world.run(secs(2.0));
    // It was offered the peering before the controller died, and by nobody since.
    let refused = world.viewers[0]
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Refused { from } if *from == forger));
    assert_eq!(refused.count(), 1);
}

#[test]
fn forged_chunks_of_a_stranger_or_an_unasked_neighbour_are_not_believed() {
    let mut world = scene(Clip::FULL, 6, &[0.0, 0.0], 1);
    for n in 0..400u64 {
        let head = Head {
            number: n * 2,
            count: 1,
            gop: 0,
            kind: Kind::Audio,
            layer: Layer::One,
            keyframe: false,
            header: false,
            timestamp: 0,
        };
        let payload = Bytes::from_static(b"\xaf\x01not what was published");
        let chunk = Chunk { stream: stream().id(), epoch: EPOCH, head, index: 0, payload };
        for from in [alias(2), alias(77), SEED, SocketAddrV4::new([10, 0, 0, 9].into(), PORT)] {
            let datagram = Datagram::Chunk(chunk.clone());
            let input = Input::Datagram { from, datagram };
            world.at(secs(1.0 + n as f64 / 100.0), Act::Inject(0, input));
        }
    }
    world.run(secs(7.0));
    world.check(0);
    world.assert_no_skip(0);
    assert!(world.viewers[0].machine.counters().rejected > 500);
}

#[test]
fn a_viewer_serves_nobody_outside_its_peering() {
    let mut world = scene(Clip::FULL, 6, &[0.0], 1);
    let join = Datagram::Join(Join { stream: stream().id(), token: 0 });
    let stranger = SocketAddrV4::new([10, 0, 0, 9].into(), PORT);
    let input = Input::Datagram { from: stranger, datagram: join.clone() };
    world.at(secs(3.0), Act::Inject(0, input));
    world.at(secs(4.0), Act::Withdraw);
    let input = Input::Datagram { from: alias(2), datagram: join };
    world.at(secs(4.5), Act::Inject(0, input));
    world.run(secs(5.0));
    assert_eq!(world.viewers[0].machine.counters().chunks_served, 0);
}

#[test]
fn an_epoch_of_the_far_future_does_not_last() {
    // A push that lies about the epoch, or a broadcaster whose clock was wrong for a moment.
    let mut world = scene(Clip::FULL, 14, &[0.0], 1);
    let head = Head {
        number: 0,
        count: 2,
        gop: 0,
        kind: Kind::Video,
        layer: Layer::One,
        keyframe: true,
        header: false,
        timestamp: 0,
    };
    let payload = Bytes::from_static(b"\x17\x01\0\0\0");
    let chunk = Chunk { stream: stream().id(), epoch: u32::MAX, head, index: 0, payload };
    let from = SocketAddrV4::new(GROUP, PORT);
    world.at(secs(4.0), Act::Inject(0, Input::Datagram { from, datagram: Datagram::Chunk(chunk) }));
    world.run(secs(13.9));
    let host = &world.viewers[0];
    let back = host.released.iter().find(|(at, _)| *at > secs(4.1)).map(|(at, _)| *at);
    assert!(back.is_some_and(|at| at < secs(9.5)), "{back:?}");
    assert_eq!(host.machine.path(), Path::Switch);
}
