//! What liars, forgers and the greedy can do to a peer: not much.

use nearcast_engine::mesh::tracker::{Answer, Question};
use nearcast_engine::mesh::{
    Body, BufferMap, Chunk, Event, Input, LayerBits, Lc, News, PeerId, Report, Request, SEQ_MAX,
    Settings, Size, System, Tag,
};
use nearcast_machine::Span;

use crate::alone::{Alone, chunk, map, newest};
use crate::world::with_upload;

const FRIEND: PeerId = PeerId(1);
const FOE: PeerId = PeerId(2);

/// A peer with one neighbour that has everything, after its first requests.
fn receiver() -> (Alone, Vec<Lc>) {
    let mut alone = Alone::new(Settings::default());
    assert!(alone.initiate(FRIEND));
    let now = newest(alone.now);
    alone.news(FRIEND, Some(&map(3, now - 600..now)), None);
    alone.run_millis(1150);
    let requests = alone.requests_to(FRIEND);
    assert!(requests.len() > 100);
    (alone, requests)
}

fn held(alone: &Alone) -> u32 {
    (0..3).map(|layer| alone.peer.held(layer)).sum()
}

#[test]
fn nobody_off_the_path_speaks_for_a_neighbour() {
    let (mut alone, requests) = receiver();
    let right = alone.key_of(FRIEND);
    let forged = [
        Body::Leave,
        Body::Decline,
        Body::Accept { key: 1 },
        Body::Confirm { key: 1 },
        Body::Chunk { chunk: chunk(0, requests[0].seq), news: None },
        Body::News(Box::new(News { number: 9, map: None, request: None })),
    ];
    for body in forged {
        for key in [0, right ^ 1] {
            alone.raw(FRIEND, key, body.clone());
        }
        alone.raw(FOE, right, body);
    }
    assert_eq!(alone.peer.neighbours().count(), 1);
    assert_eq!((held(&alone), alone.peer.statistics().forged), (0, 18));
    // Nor is it accused of what others wrote its address on.
    assert!(alone.peer.knows(FRIEND, right));
    assert!(!alone.peer.knows(FRIEND, right ^ 1) && !alone.peer.knows(FOE, right));
    // A forged source can make a peer send one short answer, and remember nothing.
    alone.sent.clear();
    for n in 100..1100 {
        alone.raw(PeerId(n), 0, Body::Seek { key: n });
    }
    assert_eq!((alone.sent.len(), alone.peer.neighbours().count()), (1000, 1));
    let size = |body: Body<Size>| nearcast_engine::mesh::Message { key: 0, body }.size();
    assert!(size(Body::Accept { key: 1 }) <= size(Body::Seek { key: 1 }));
    assert!(size(Body::Decline) <= size(Body::Seek { key: 1 }));
}

#[test]
fn what_is_said_twice_counts_once() {
    let (mut alone, requests) = receiver();
    let lc = requests[0];
    for _ in 0..5 {
        alone.give(FRIEND, chunk(lc.layer, lc.seq));
    }
    assert_eq!((held(&alone), alone.peer.statistics().duplicates), (1, 4));
    // News, a request among them, replayed: served once.
    let wanted = vec![lc];
    let request = Request { patience: Span::from_secs(1), wanted };
    let news = Body::News(Box::new(News { number: 77, map: None, request: Some(request) }));
    for _ in 0..5 {
        alone.say(FRIEND, news.clone());
    }
    alone.run_millis(300);
    assert_eq!(alone.chunks_to(FRIEND).len(), 1);
    assert_eq!(alone.peer.statistics().stale, 4);
}

#[test]
fn chunks_that_cannot_be_are_not_taken() {
    let (mut alone, requests) = receiver();
    let lc = requests.iter().find(|lc| lc.layer == 0).expect("one of them");
    let good = chunk(0, lc.seq);
    let unasked = chunk(0, newest(alone.now) + 2);
    for (chunk, why) in [
        (unasked, "nobody asked for it"),
        (Chunk { payload: Size(1251), ..good.clone() }, "it is too long"),
        (Chunk { lc: Lc { layer: 3, ..good.lc }, ..good.clone() }, "there is no such layer"),
        (Chunk { lc: Lc { layer: 200, ..good.lc }, ..good.clone() }, "there is no such layer"),
        (Chunk { lc: Lc { seq: SEQ_MAX - 1, ..good.lc }, ..good.clone() }, "it is too far ahead"),
        (Chunk { lc: Lc { seq: u32::MAX, ..good.lc }, ..good.clone() }, "it is too far ahead"),
        (Chunk { time: u32::MAX, ..good.clone() }, "it is of the far future"),
        (Chunk { time: 0, ..good.clone() }, "it is of the far past"),
    ] {
        alone.give(FRIEND, chunk);
        assert_eq!(held(&alone), 0, "{why}");
    }
    alone.give(FRIEND, good);
    assert_eq!(held(&alone), 1);
}

#[test]
fn one_who_names_wrong_times_cannot_hold_up_playing() {
    // Everything is there but for one chunk, which the foe sends with a time at the window's end.
    let mut alone = Alone::new(Settings { queue: 4096, ..Settings::default() });
    assert!(alone.initiate(FRIEND));
    let now = newest(alone.now);
    alone.news(FRIEND, Some(&map(3, now - 600..now)), None);
    alone.run_millis(1150);
    let requests = alone.requests_to(FRIEND);
    let first = *requests.iter().min_by_key(|lc| (lc.seq, lc.layer)).expect("some");
    let present = newest(alone.now) * 50;
    alone.give(FRIEND, Chunk { time: present, ..chunk(first.layer, first.seq) });
    for lc in &requests[..] {
        if lc.layer != first.layer {
            alone.give(FRIEND, chunk(lc.layer, lc.seq));
        }
    }
    let before = alone.released.len();
    alone.run_millis(4000);
    assert!(alone.released.len() > before + 20, "{}", alone.released.len());
    let units: Vec<u32> = alone.released.iter().map(|chunk| chunk.unit).collect();
    assert!(units.is_sorted_by(|a, b| a < b));
}

#[test]
fn two_layers_that_name_one_unit_are_not_both_released() {
    let mut alone = Alone::new(Settings { lag: Span::from_secs(2), ..Settings::default() });
    let now = newest(alone.now);
    for layer in 0..2 {
        let chunk = Chunk { unit: 9, time: now * 50, ..chunk(layer, now) };
        alone.input(Input::Publish(chunk));
    }
    alone.run_millis(3000);
    assert_eq!(alone.released.len(), 1);
}

#[test]
fn one_who_asks_for_everything_neither_fills_memory_nor_starves_others() {
    let mut alone = Alone::new(with_upload(Settings::source(System::LayerP2p), 500));
    let now = newest(alone.now);
    for seq in now - 500..now {
        (0..3).for_each(|layer| alone.input(Input::Publish(chunk(layer, seq))));
    }
    assert!(alone.initiate(FRIEND) && alone.initiate(FOE));
    let everything: Vec<Lc> =
        (0..3).flat_map(|layer| (0..now + 5000).map(move |seq| Lc { layer, seq })).collect();
    let mut friend = 0;
    for _ in 0..10 {
        for _ in 0..20 {
            alone.news(FOE, None, Some(everything.clone()));
        }
        let wanted = (now - 10..now).map(|seq| Lc { layer: 0, seq }).collect();
        alone.news(FRIEND, None, Some(wanted));
        let queued = alone.peer.neighbours().find(|n| n.peer == FOE).map(|foe| foe.queued);
        assert!(queued.expect("it is there") <= 128);
        alone.run_millis(1000);
        friend += alone.chunks_to(FRIEND).len();
    }
    assert!(friend >= 95, "{friend} of 100: its ten chunks per second are within its half");
}

#[test]
fn a_map_of_nonsense_costs_nothing_and_moves_nobody() {
    let (mut alone, _) = receiver();
    assert!(alone.initiate(FOE));
    let words = vec![u64::MAX; 128];
    for base in [0, SEQ_MAX - 8192, SEQ_MAX, 1 << 20] {
        let layer = LayerBits {
            base,
            kbits: u16::MAX,
            words: &words[..if base == SEQ_MAX { 0 } else { 128 }],
        };
        let nonsense = BufferMap::new((0..8).map(|_| layer));
        alone.news(FOE, Some(&nonsense), None);
        let now = newest(alone.now);
        alone.news(FRIEND, Some(&map(3, now - 600..now)), None);
        alone.run_millis(1000);
        for lc in alone.requests_to(FRIEND).into_iter().chain(alone.requests_to(FOE)).take(20) {
            assert!((now - 700..now + 4200).contains(&lc.seq), "{lc:?}");
        }
    }
    let now = newest(alone.now);
    alone.news(FRIEND, Some(&map(3, now - 600..now)), None);
    alone.run_millis(1000);
    let asked = alone.requests_to(FRIEND);
    assert!(asked.len() > 100, "the friend is asked as before: {}", asked.len());
}

#[test]
fn a_lie_about_the_present_is_outvoted() {
    let mut alone = Alone::new(Settings::default());
    let friends = [1, 3, 4].map(PeerId);
    for peer in friends {
        assert!(alone.initiate(peer));
    }
    assert!(alone.initiate(FOE));
    for number in 1..20 {
        let now = newest(alone.now);
        for peer in friends {
            alone.news(peer, Some(&map(3, now - 600..now)), None);
        }
        let report = Report {
            map: map(3, now - 600..now).into(),
            edge: 4_000_000_000,
            hops: 0,
            stamp: 0,
            echo: 0,
            held: 0,
        };
        alone.say(FOE, Body::News(Box::new(News { number, map: Some(report), request: None })));
        alone.run_millis(1000);
    }
    let position = alone.peer.position(alone.now).expect("it knows");
    let truth = i64::from(newest(alone.now)) * 50 - 30_000;
    assert!((position - truth).abs() < 100, "{position} for {truth}");
    assert!(!alone.events.iter().any(|event| matches!(event, Event::Resynced { .. })));
}

#[test]
fn a_peer_that_the_driver_accuses_is_shut_out() {
    let (mut alone, _) = receiver();
    alone.input(Input::Shun(FRIEND));
    assert_eq!(alone.peer.neighbours().count(), 0);
    assert!(!alone.initiate(FRIEND));
}

#[test]
fn a_false_tracker_cannot_make_a_peer_ask_for_ever_or_remember_without_end() {
    let mut alone = Alone::new(Settings::default());
    alone.questions.clear();
    for _ in 0..100 {
        alone.input(Input::Tracker(Answer::Token(5)));
    }
    assert_eq!(alone.questions, [Question::Announce { token: 5, want: 60 }]);
    alone.told_of(1000..100_000);
    let sought = alone.accept_all(false).len();
    assert_eq!(sought, 10, "as many as are wanted, however many there are");
}

#[test]
fn a_live_chunk_that_is_too_long_is_refused() {
    let mut alone = Alone::new(Settings::source(System::LayerP2p));
    let now = newest(alone.now);
    let tag = Tag::new(true, true, 0);
    alone.input(Input::Publish(Chunk { payload: Size(1251), tag, ..chunk(0, now) }));
    assert_eq!((held(&alone), alone.peer.statistics().refused), (0, 1));
    alone.input(Input::Publish(Chunk { payload: Size(1250), tag, ..chunk(0, now) }));
    assert_eq!((held(&alone), alone.peer.statistics().refused), (1, 1));
}
