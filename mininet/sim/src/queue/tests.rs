use proptest::prelude::*;

use super::*;
use crate::{Key, Kind, NodeId};

fn event(time: u64, source: u32) -> Pending {
    let key = Key::new(Time::from_nanos(time), Kind::Deliver, NodeId(source), 0);
    Pending { key, node: NodeId(0), slot: source }
}

#[derive(Clone, Debug)]
enum Step {
    /// So long after the last one popped.
    Push(u64),
    /// With the end of the window so long after the last one popped.
    Pop(u64),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // From the same instant to hours away, so that ticks, pages and what lies beyond all have some.
    let span = || (0u32..45).prop_flat_map(|bits| 0..(1u64 << bits));
    let step = prop_oneof![
        4 => span().prop_map(Step::Push),
        3 => span().prop_map(Step::Pop),
        1 => Just(Step::Pop(u64::MAX / 2)),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn the_wheel_answers_as_the_heap_does(steps in steps()) {
        let (mut wheel, mut heap) = (Wheel::default(), Heap::default());
        let mut now = 0;
        for (source, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(after) => {
                    let event = event(now + after, source as u32);
                    wheel.push(event);
                    heap.push(event);
                }
                Step::Pop(after) => {
                    let end = Time::from_nanos(now + after);
                    let popped = wheel.pop_before(end);
                    prop_assert_eq!(popped, heap.pop_before(end));
                    now = popped.map_or(now, |event| event.key.time().as_nanos());
                }
                Step::Look => prop_assert_eq!(wheel.next_time(), heap.next_time()),
            }
            prop_assert_eq!(wheel.len(), heap.len());
        }
        while let Some(expected) = heap.pop_before(Time::from_nanos(u64::MAX)) {
            prop_assert_eq!(wheel.pop_before(Time::from_nanos(u64::MAX)), Some(expected));
        }
        prop_assert!(wheel.is_empty() && wheel.next_time().is_none());
    }
}

#[test]
fn a_page_boundary_is_no_boundary() {
    let mut wheel = Wheel::default();
    let page = 1u64 << 24;
    // First and last instants of ticks and pages, a turn of the outer wheel and one more.
    let mut times: Vec<u64> = [0, 1, 2047, 2048, 2049, 4096]
        .into_iter()
        .flat_map(|pages| [pages * page, pages * page + 1, (pages + 1) * page - 1])
        .collect();
    times.iter().rev().for_each(|time| wheel.push(event(*time, 0)));
    times.sort_unstable();
    let end = Time::from_nanos(u64::MAX);
    let popped: Vec<u64> =
        std::iter::from_fn(|| wheel.pop_before(end)).map(|e| e.key.time().as_nanos()).collect();
    assert_eq!(popped, times);
}

#[test]
fn what_comes_after_a_look_ahead_still_comes_first() {
    let mut wheel = Wheel::default();
    wheel.push(event(1 << 40, 0));
    assert_eq!(wheel.next_time(), Some(Time::from_nanos(1 << 40)));
    wheel.push(event(5, 1));
    assert_eq!(wheel.next_time(), Some(Time::from_nanos(5)));
    assert_eq!(wheel.pop_before(Time::from_nanos(5)), None, "the end is not part of the window");
    assert_eq!(wheel.pop_before(Time::from_nanos(6)), Some(event(5, 1)));
    assert_eq!(wheel.pop_before(Time::from_nanos(u64::MAX)), Some(event(1 << 40, 0)));
}
