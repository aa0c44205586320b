use nearcast_media::{Layer, Numberer};
use proptest::prelude::*;

use super::*;

const STREAM: StreamId = StreamId([1; 8]);
const EPOCH: u32 = 9;

fn limits() -> WindowLimits {
    WindowLimits::default()
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn picture(keyframe: bool, slices: usize) -> Media {
    let (tag, nal, slice) = if keyframe { (0x17, 0x65, 0x88) } else { (0x27, 0x41, 0x9a) };
    let mut body = vec![tag, 1, 0, 0, 0];
    for slice_number in 0..slices {
        body.extend(1000u32.to_be_bytes());
        body.extend([nal, slice]);
        body.extend(vec![slice_number as u8 | 1; 998]);
    }
    Media { kind: Kind::Video, timestamp: 0, body: body.into() }
}

fn header() -> Media {
    let body = b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1f\xff\xe1\x00\x01\x67\x01\x00\x01\x68";
    Media { kind: Kind::Video, timestamp: 0, body: Bytes::from_static(body) }
}

fn sound() -> Media {
    Media { kind: Kind::Audio, timestamp: 0, body: Bytes::from_static(b"\xaf\x01sound") }
}

/// A header, a keyframe and pictures of three chunks each.
fn units(n: usize) -> Vec<Unit> {
    let mut numberer = Numberer::new(EPOCH);
    let media = std::iter::once(header()).chain((0..n).map(|i| picture(i == 0, 3)));
    media.map(|media| numberer.number(Time::ZERO, media)).collect()
}

fn filled(units: &[Unit]) -> Store {
    let mut store = Store::new(STREAM, EPOCH, limits());
    for unit in units {
        assert_eq!(store.insert_unit(Time::ZERO, unit, 1.min(unit.number)), Inserted::Whole);
    }
    store
}

fn chunks(store: &Store, number: u64) -> Vec<Chunk> {
    (0..store.count(number)).filter_map(|index| store.chunk(number, index)).collect()
}

proptest! {
    #[test]
    fn chunks_in_any_order_make_the_same_units(
        order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
        again in any::<prop::sample::Index>(),
    ) {
        let units = units(4);
        let source = filled(&units);
        let all: Vec<Chunk> = (1..5).flat_map(|number| chunks(&source, number)).collect();
        prop_assert_eq!(all.len(), 12);
        let mut store = Store::new(STREAM, EPOCH, limits());
        for &place in &order {
            prop_assert_ne!(store.insert_chunk(Time::ZERO, &all[place]), Inserted::Refused);
        }
        prop_assert_eq!(store.insert_chunk(Time::ZERO, &all[again.index(12)]), Inserted::Duplicate);
        for unit in &units[1..] {
            prop_assert_eq!(store.unit(unit.number), Some(unit.clone()));
        }
        let overhead = store.bytes();
        (1..5).for_each(|number| { store.remove(number); });
        prop_assert!(overhead > 12_000);
        prop_assert_eq!(store.bytes(), 0, "what is counted is discounted");
    }
}

#[test]
fn what_is_missing_is_told_by_chunk() {
    let source = filled(&units(1));
    let chunks = chunks(&source, 1);
    let mut store = Store::new(STREAM, EPOCH, limits());
    assert_eq!(store.missing(1), Missing::All);
    assert_eq!(store.insert_chunk(at(1), &chunks[1]), Inserted::Part);
    assert_eq!(store.missing(1), Missing::Some(vec![(0, 0), (2, 2)]));
    assert_eq!(store.touched(1), Some(at(1)));
    assert_eq!(store.count(1), 0, "it cannot be served yet");
    store.insert_chunk(at(2), &chunks[0]);
    assert_eq!(store.insert_chunk(at(3), &chunks[2]), Inserted::Whole);
    assert_eq!(store.missing(1), Missing::Nothing);
}

#[test]
fn chunks_that_contradict_each_other_or_their_bytes_leave_nothing() {
    let source = filled(&units(1));
    let honest = chunks(&source, 1);
    let forge = |change: fn(&mut Chunk)| {
        let mut store = Store::new(STREAM, EPOCH, limits());
        let results: Vec<Inserted> = honest
            .iter()
            .map(|chunk| {
                let mut chunk = chunk.clone();
                change(&mut chunk);
                store.insert_chunk(Time::ZERO, &chunk)
            })
            .collect();
        (results.last().copied(), store.bytes())
    };
    let refused = (Some(Inserted::Refused), 0);
    assert_eq!(forge(|chunk| chunk.head.keyframe = false), refused, "an IDR that is called none");
    assert_eq!(forge(|chunk| chunk.head.number = 2), refused, "the stamp says 1");
    assert_eq!(forge(|chunk| chunk.head.layer = Layer::Three), refused);
    assert_eq!(
        forge(|chunk| chunk.payload = chunk.payload.slice(..chunk.payload.len() - 1)),
        refused,
        "cut elsewhere than all others cut"
    );
    let mut store = Store::new(STREAM, EPOCH, limits());
    store.insert_chunk(Time::ZERO, &honest[0]);
    let mut other = honest[1].clone();
    other.head.count += 1;
    assert_eq!(store.insert_chunk(Time::ZERO, &other), Inserted::Refused);
    assert_eq!(store.missing(1), Missing::Some(vec![(1, 2)]), "the first one stands");
}

#[test]
fn the_window_is_bounded_in_time_and_bytes() {
    let mut store = Store::new(
        STREAM,
        EPOCH,
        WindowLimits { bytes: nearcast_machine::Bytes::new(20_000), ..limits() },
    );
    for unit in units(50) {
        store.insert_unit(at(unit.number), &unit, 0);
        assert!(store.bytes() <= 20_000);
    }
    assert!(store.is_whole(50) && !store.is_whole(1));
    assert_eq!(store.insert_unit(at(60), &units(1)[1], 0), Inserted::Refused, "it is over");
    store.prune(at(30_049));
    assert!(!store.is_whole(48) && store.is_whole(49));

    // The table of a unit's chunks counts before any of them has come.
    let mut store = Store::new(
        STREAM,
        EPOCH,
        WindowLimits { bytes: nearcast_machine::Bytes::new(400_000), ..limits() },
    );
    let mut chunk = chunks(&filled(&units(1)), 1).remove(0);
    for number in 0..1000 {
        (chunk.head.number, chunk.head.count) = (number, 4096);
        store.insert_chunk(Time::ZERO, &chunk);
        assert!(store.bytes() <= 400_000);
    }
    chunk.head.count = 4097;
    assert_eq!(store.insert_chunk(Time::ZERO, &chunk), Inserted::Refused);
}

#[test]
fn playing_begins_with_a_keyframe_whose_header_is_known() {
    let units = units(4);
    let store = filled(&units);
    assert_eq!(store.entry(Time::ZERO, 0), Some(1));
    assert_eq!(store.entry(Time::ZERO, 2), None);
    assert_eq!(store.group(Time::ZERO), Some(1));
    let bare = filled(&units[1..]);
    assert_eq!(bare.entry(Time::ZERO, 0), None, "without its header it is of no use");
}

#[test]
fn a_stream_is_without_video_once_a_second_has_shown_none() {
    let mut numberer = Numberer::new(EPOCH);
    let mut store = Store::new(STREAM, EPOCH, limits());
    for n in 0..60 {
        let unit = numberer.number(Time::ZERO, sound());
        store.insert_unit(at(n * 23), &unit, unit.number);
    }
    assert_eq!(store.entry(at(999), 0), None);
    assert_eq!(store.entry_deadline(), Some(at(1000)));
    assert_eq!(store.entry(at(1000), 5), Some(5));
    assert_eq!(store.group(at(1400)), Some(59 - AUDIO_GROUP));
    let picture = numberer.number(Time::ZERO, picture(false, 1));
    store.insert_unit(at(1400), &picture, 0);
    assert_eq!(store.entry(at(1400), 0), None, "it had video after all");
}
