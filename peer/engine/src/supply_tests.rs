use super::*;

fn limits() -> SupplyLimits {
    // A chunk of 1250 bytes takes 1 ms of the whole and 2 ms of one receiver's share.
    let rate = |text: &str| text.parse().expect("a rate");
    SupplyLimits { burst: 2500, ..SupplyLimits::new(rate("10Mbit/s"), rate("5Mbit/s")) }
}

fn receiver(n: u8) -> SocketAddrV4 {
    SocketAddrV4::new([10, 254, 1, n].into(), 7935)
}

fn name(unit: u64) -> Name {
    Name { stream: StreamId([0; 8]), epoch: 1, unit, index: 0 }
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

/// Sends what can be sent up to `until`, whenever it can; gives how much each receiver got.
fn drain(supply: &mut Supply, from: Time, until: Time) -> BTreeMap<SocketAddrV4, usize> {
    let mut sent = BTreeMap::new();
    let mut now = from;
    while now <= until {
        while let Some((to, _)) = supply.next(now) {
            supply.charge(to, 1250);
            *sent.entry(to).or_default() += 1;
        }
        match supply.deadline() {
            Some(deadline) => {
                assert!(deadline > now, "a deadline lies ahead once all that is due is done");
                now = deadline;
            }
            None => break,
        }
    }
    sent
}

#[test]
fn rates_are_kept_in_all_and_for_each() {
    let mut supply = Supply::new(limits());
    (0..500).for_each(|unit| assert!(supply.push(at(1000), receiver(1), name(unit))));
    let sent = drain(&mut supply, at(1000), at(1100));
    // A burst of two and one every 2 ms.
    assert!((50..=54).contains(&sent[&receiver(1)]), "{sent:?}");

    let mut supply = Supply::new(limits());
    for n in 1..=4 {
        (0..500).for_each(|unit| assert!(supply.push(at(1000), receiver(n), name(unit))));
    }
    let sent = drain(&mut supply, at(1000), at(1100));
    let total: usize = sent.values().sum();
    assert!((98..=112).contains(&total), "{total}");
    assert!(sent.values().all(|&one| one.abs_diff(total / 4) <= 1), "shared evenly: {sent:?}");
}

#[test]
fn one_who_asks_for_everything_does_not_delay_one_who_asks_for_little() {
    let mut supply = Supply::new(limits());
    (0..512).for_each(|unit| assert!(supply.push(at(0), receiver(1), name(unit))));
    assert!(!supply.push(at(0), receiver(1), name(512)), "a queue is bounded");
    assert!(supply.push(at(0), receiver(1), name(3)), "asking twice is no more than asking once");
    assert!(supply.push(at(0), receiver(2), name(0)));
    let order: Vec<_> = std::iter::from_fn(|| {
        let (to, _) = supply.next(at(0))?;
        supply.charge(to, 1250);
        Some(to)
    })
    .collect();
    assert!(order[..2].contains(&receiver(2)), "{order:?}");
}

#[test]
fn a_turn_is_a_unit_and_no_longer_than_a_run() {
    // There is room for all at once.
    let mut supply = Supply::new(SupplyLimits { burst: 1 << 20, ..limits() });
    for n in 1..=2 {
        for (unit, chunks) in [(1, 3), (2, 2), (3, RUN as u16 + 5)] {
            (0..chunks).for_each(|index| {
                assert!(supply.push(at(0), receiver(n), Name { index, ..name(unit) }));
            });
        }
    }
    let served = std::iter::from_fn(|| {
        let (to, name) = supply.next(at(0))?;
        supply.charge(to, 1250);
        Some((to, name.unit, name.index))
    });
    let served: Vec<_> = served.collect();
    let turns: Vec<_> = served.chunk_by(|one, next| one.0 == next.0).map(<[_]>::len).collect();
    assert_eq!(turns, [3, 3, 2, 2, RUN, RUN, 5, 5]);
    for n in 1..=2 {
        let own = served.iter().filter(|(to, ..)| *to == receiver(n));
        assert!(
            own.map(|(_, unit, index)| (unit, index)).is_sorted(),
            "everybody's keep their order"
        );
    }
}

#[test]
fn what_has_waited_too_long_is_not_sent() {
    let mut supply = Supply::new(limits());
    supply.push(at(0), receiver(1), name(1));
    supply.push(at(900), receiver(1), name(2));
    assert_eq!(supply.next(at(1500)), Some((receiver(1), name(2))));
    assert_eq!(supply.next(at(1500)), None);
    assert_eq!(supply.deadline(), None);
}

#[test]
fn receivers_are_bounded_and_make_room_when_silent() {
    let mut supply = Supply::new(SupplyLimits { receivers: 2, ..limits() });
    assert!(supply.admit(at(0), receiver(1), 100));
    assert!(supply.admit(at(0), receiver(2), 100));
    assert!(!supply.admit(at(1), receiver(3), 100));
    assert!(supply.admit(at(5001), receiver(3), 100));
}
