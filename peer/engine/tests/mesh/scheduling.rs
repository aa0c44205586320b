//! The rules of the two schedulers, each on its own.

use nearcast_engine::mesh::{
    Body, BufferMap, Event, Input, LayerBits, Lc, News, PeerId, Relation, Report, Request, SEQ_MAX,
    Settings, System,
};
use nearcast_machine::{Bitrate, Span};

use crate::alone::{Alone, chunk, map, newest};
use crate::world::with_upload;

const A: PeerId = PeerId(11);
const B: PeerId = PeerId(12);

/// A viewer that has one neighbour with all chunks, and has asked it for what it wants.
fn receiver(settings: Settings) -> (Alone, Vec<Lc>) {
    let mut alone = Alone::new(Settings { queue: 4096, ..settings });
    assert!(alone.initiate(A));
    let now = newest(alone.now);
    // The whole exchange window, 30 s.
    alone.news(A, Some(&map(3, now - 600..now)), None);
    alone.take_to(A);
    alone.run_millis(1150);
    let requests = alone.requests_to(A);
    (alone, requests)
}

fn layers_of(requests: &[Lc]) -> Vec<u8> {
    requests.iter().map(|lc| lc.layer).collect()
}

#[test]
fn l_n_is_the_largest_layer_that_the_upload_rate_sustains() {
    for (kbit, l_n) in
        [(0, 0), (199, 0), (200, 1), (399, 1), (400, 2), (599, 2), (600, 3), (90_000, 3)]
    {
        let settings = with_upload(Settings::of(System::LayerP2p), kbit);
        let (alone, _) = receiver(settings);
        assert_eq!(alone.peer.statistics().regular_layers, l_n, "{kbit} kbit/s");
    }
}

#[test]
fn regular_requests_come_first_without_order_and_probing_ones_layer_by_layer() {
    for (kbit, regular) in [(0, 0), (250, 1), (450, 2), (1000, 3)] {
        let settings = with_upload(Settings::of(System::LayerP2p), kbit);
        let (_, requests) = receiver(settings);
        let each = requests.len() / 3;
        assert!((550..=595).contains(&each), "all but what is too late: {each}");
        let layers = layers_of(&requests);
        let (first, probing) = layers.split_at(each * regular);
        assert!(first.iter().all(|&layer| usize::from(layer) < regular), "{layers:?}");
        assert!(probing.is_sorted(), "{layers:?}");
        let seqs = |layer| requests.iter().filter(move |lc| lc.layer == layer).map(|lc| lc.seq);
        assert!((0..3).all(|layer| !seqs(layer).is_sorted()), "within a layer they are shuffled");
        if regular > 1 {
            assert!(!first.is_sorted(), "there is no order among regular layers: {layers:?}");
        }
    }
    for system in [System::SingleIncent, System::SingleLayer] {
        let (alone, requests) = receiver(with_upload(Settings::of(system), 0));
        assert_eq!(alone.peer.statistics().regular_layers, 3);
        assert!(!layers_of(&requests).is_sorted(), "{system} knows no layers");
    }
}

#[test]
fn a_supplier_is_drawn_at_random_among_those_who_have_the_chunk() {
    let mut alone = Alone::new(Settings { queue: 4096, ..Settings::of(System::LayerP2p) });
    let now = newest(alone.now);
    for (peer, seqs) in
        [(A, now - 600..now), (B, now - 600..now - 200), (PeerId(13), now - 600..now - 200)]
    {
        assert!(alone.initiate(peer));
        alone.news(peer, Some(&map(3, seqs)), None);
        alone.take_to(peer);
    }
    alone.run_millis(1150);
    let [a, b, c] = [A, B, PeerId(13)].map(|peer| alone.requests_to(peer));
    let old = |requests: &[Lc]| requests.iter().filter(|lc| lc.seq < now - 200).count();
    // About 1130 among three, with a standard deviation of 16.
    for count in [old(&a), old(&b), old(&c)] {
        assert!((300..=450).contains(&count), "{count}");
    }
    let mut all: Vec<Lc> = a.iter().chain(&b).chain(&c).copied().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "each is asked for once");
    assert_eq!(a.len() - old(&a), 600, "what one alone has is asked of it");
    assert!(b.iter().chain(&c).all(|lc| lc.seq < now - 200));
}

#[test]
fn what_was_not_served_is_asked_for_again_and_what_came_is_not() {
    let (mut alone, requests) = receiver(Settings::default());
    for lc in &requests[..100] {
        alone.give(A, chunk(lc.layer, lc.seq));
    }
    alone.run_millis(1000);
    let mut again = alone.requests_to(A);
    let mut rest = requests[100..].to_vec();
    again.sort_unstable();
    rest.sort_unstable();
    // Some that were missing have become too late.
    let oldest = rest[0].seq + 60;
    again.retain(|lc| lc.seq > oldest);
    rest.retain(|lc| lc.seq > oldest);
    assert!(rest.len() > 1400 && again == rest, "{} of {}", again.len(), rest.len());
}

/// A source with all chunks of the last seconds.
fn supplier(settings: Settings) -> (Alone, u32) {
    let mut alone = Alone::new(settings);
    let now = newest(alone.now);
    for seq in now - 400..now {
        (0..3).for_each(|layer| alone.input(Input::Publish(chunk(layer, seq))));
    }
    (alone, now)
}

fn wants(seqs: impl IntoIterator<Item = u32>) -> Option<Vec<Lc>> {
    Some(seqs.into_iter().map(|seq| Lc { layer: 0, seq }).collect())
}

#[test]
fn a_receiver_is_served_in_the_order_of_its_requests() {
    let (mut alone, now) = supplier(Settings::source(System::LayerP2p));
    assert!(alone.initiate(A));
    let order = [5, 3, 9, 1, 20, 2].map(|back| now - back);
    alone.news(A, None, wants(order));
    alone.news(A, None, wants([now - 30, now - 4]));
    alone.run_millis(500);
    let served: Vec<u32> = alone.chunks_to(A).into_iter().map(|(_, lc)| lc.seq).collect();
    assert_eq!(served, [&order[..], &[now - 30, now - 4]].concat());
}

#[test]
fn no_chunk_leaves_a_source_twice_while_another_has_not_left_it() {
    // Room for some nine chunks a second.
    let (mut alone, now) = supplier(with_upload(Settings::source(System::LayerP2p), 100));
    assert!(alone.initiate(A) && alone.initiate(B));
    // What they have already is worth no request, and shows that they pass chunks on.
    let has = map(1, now - 100..now - 50);
    let mut sent = |map: Option<&BufferMap>, seqs: std::ops::Range<u32>| -> [Vec<u32>; 2] {
        for receiver in [A, B] {
            alone.news(receiver, map, wants(seqs.clone()));
        }
        alone.run_millis(1100);
        let seqs = |receiver| alone.chunks_to(receiver).into_iter().map(|(_, lc)| lc.seq).collect();
        [A, B].map(seqs)
    };
    let both = |[a, b]: &[Vec<u32>; 2]| a.iter().filter(|seq| b.contains(seq)).count();
    let served = sent(Some(&has), now - 12..now);
    assert!(served.iter().all(|seqs| !seqs.is_empty()), "both are served");
    assert!(served.concat().len() >= 8 && both(&served) == 0, "{served:?}");
    // Of free-riders, who have nothing to announce, each is served in the order of its requests.
    let served = sent(Some(&map(1, 0..0)), now - 40..now - 28);
    assert!(both(&served) > 0 && served.iter().all(|seqs| seqs.is_sorted()), "{served:?}");
}

#[test]
fn a_source_gives_free_riders_what_those_leave_who_pass_chunks_on() {
    for (system, shared) in [
        (System::LayerP2p, false),
        (System::SingleIncent, false),
        // It takes no account of anybody.
        (System::SingleLayer, true),
    ] {
        // Room for some nine chunks a second.
        let (mut alone, now) = supplier(with_upload(Settings::source(system), 100));
        assert!(alone.initiate(A) && alone.initiate(B));
        let [has, nothing] = [map(1, now - 100..now - 50), map(1, 0..0)];
        alone.news(A, Some(&has), wants(now - 40..now));
        alone.news(B, Some(&nothing), wants(now - 40..now));
        alone.run_millis(1000);
        let [passes_on, rides] = [A, B].map(|peer| alone.chunks_to(peer).len());
        assert!(passes_on >= 4, "{system}: {passes_on}");
        assert_eq!(rides > 0, shared, "{system}: {rides}");
        // Only the free-rider asks.
        alone.news(B, None, wants(now - 40..now));
        alone.run_millis(1000);
        assert!(alone.chunks_to(B).len() >= 4, "{system}: there is nobody else");
    }
}

#[test]
fn the_fallback_gives_first_what_is_due_first() {
    // Room for some nine chunks a second.
    let (mut alone, now) = supplier(with_upload(Settings::fallback(System::LayerP2p), 100));
    assert!(alone.initiate(A));
    let has = map(1, now - 100..now - 50);
    alone.news(A, Some(&has), wants((0..30).map(|n| now - 50 + n * 7 % 30)));
    alone.run_millis(900);
    let served: Vec<u32> = alone.chunks_to(A).into_iter().map(|(_, lc)| lc.seq).collect();
    assert!((6..=12).contains(&served.len()), "{served:?}");
    assert!(served.iter().copied().eq(now - 50..now - 50 + served.len() as u32), "{served:?}");
}

#[test]
fn a_request_is_served_within_t_less_the_round_trip_or_not_at_all() {
    // A chunk of 1250 bytes and its header takes 103 ms at 100 kbit/s.
    let (mut alone, now) = supplier(with_upload(Settings::source(System::LayerP2p), 100));
    assert!(alone.initiate(A));
    alone.run_millis(1150);
    // Its own stamp, held for 100 ms of the 300 since it was sent: a round trip of 200 ms.
    let stamp = alone.take_to(A).into_iter().find_map(|(when, body)| match body {
        Body::News(news) => news.map.map(|report| (when, report.stamp)),
        _ => None,
    });
    let (when, echo) = stamp.expect("a map");
    alone.now = when;
    alone.run_millis(300);
    let report =
        Report { map: map(3, 0..0).into(), edge: 0, hops: 255, stamp: 7, echo, held: 100_000 };
    let patience = Span::from_secs(1);
    let request = Request { patience, wanted: wants(now - 100..now).expect("chunks") };
    let news = News { number: 50, map: Some(report), request: Some(request) };
    alone.say(A, Body::News(Box::new(news)));
    let asked = alone.now;
    let tau = alone.peer.neighbours().next().and_then(|a| a.round_trip).expect("it is measured");
    assert_eq!(tau, Span::from_millis(200));
    alone.run_millis(3000);
    let served = alone.chunks_to(A);
    let last = served.last().expect("some").0;
    assert!(last < asked + Span::from_millis(800), "{:?} after", last.since(asked));
    assert!((7..=9).contains(&served.len()), "{}", served.len());
    let expired = alone.peer.statistics().requests_expired;
    assert_eq!(expired as usize, 100 - served.len());
}

#[test]
fn what_has_expired_takes_no_room_from_what_is_asked_for_next() {
    // A chunk takes a second, so that nothing is served when the first request expires.
    let (mut alone, now) = supplier(with_upload(Settings::source(System::LayerP2p), 10));
    assert!(alone.initiate(A));
    alone.news(A, None, wants(now - 128..now));
    alone.run_millis(1010);
    alone.news(A, None, wants(now - 40..now));
    let statistics = alone.peer.statistics();
    assert_eq!((statistics.requests, statistics.requests_refused), (168, 0));
    assert!(statistics.requests_expired > 120, "{}", statistics.requests_expired);
}

#[test]
fn a_neighbour_that_knows_nothing_does_not_say_where_the_window_ends() {
    let asked = |others: u64| {
        let mut alone = Alone::new(Settings { queue: 4096, ..Settings::default() });
        assert!(alone.initiate(A));
        let layer = LayerBits { base: SEQ_MAX, kbits: 0, words: &[] };
        let nothing = BufferMap::new((0..3).map(|_| layer));
        for other in (0..others).map(|n| PeerId(100 + n)) {
            assert!(alone.initiate(other));
            alone.news(other, Some(&nothing), None);
        }
        let now = newest(alone.now);
        alone.news(A, Some(&map(3, now - 600..now)), None);
        alone.take_to(A);
        alone.run_millis(1150);
        alone.requests_to(A).len()
    };
    let alone = asked(0);
    assert!(alone > 3 * 550, "{alone}");
    assert_eq!(asked(3), alone, "newcomers have nothing to tell");
}

#[test]
fn the_upload_rate_is_kept() {
    let (mut alone, now) = supplier(with_upload(Settings::source(System::LayerP2p), 500));
    for peer in [A, B] {
        assert!(alone.initiate(peer));
    }
    let before = alone.peer.statistics().sent_bytes;
    for _ in 0..10 {
        alone.news(A, None, wants(now - 200..now));
        alone.news(B, None, wants(now - 200..now));
        alone.run_millis(1000);
    }
    let bytes = alone.peer.statistics().sent_bytes - before;
    let kbit = bytes as f64 * 8.0 / 10_000.0;
    assert!((490.0..=505.0).contains(&kbit), "{kbit} kbit/s, signalling included");
}

#[test]
fn the_upload_gives_way_while_round_trips_are_long() {
    let settings = with_upload(Settings::source(System::LayerP2p), 500);
    let (mut alone, mut published) =
        supplier(Settings { delay_target: Span::from_millis(100), ..settings });
    assert!(alone.initiate(A));
    // What was sent in a second, after some in which A's answers took so long.
    let mut number = 100;
    let mut after = |seconds: u32, millis: u32| {
        let mut sent = 0;
        for _ in 0..seconds {
            let before = alone.peer.statistics().sent_bytes;
            alone.run_millis(1000);
            let now = newest(alone.now);
            for seq in std::mem::replace(&mut published, now)..now {
                (0..3).for_each(|layer| alone.input(Input::Publish(chunk(layer, seq))));
            }
            let reports = alone.take_to(A).into_iter().filter_map(|(when, body)| match body {
                Body::News(news) => news.map.map(|report| (when, report.stamp)),
                Body::Chunk { news: Some(news), .. } => Some((when, news.map?.stamp)),
                _ => None,
            });
            let (when, echo) = reports.last().expect("a map every second");
            // It may have been sent just now, and been held for less than no time.
            let held =
                ((alone.now.since(when).as_nanos() / 1000) as u32).wrapping_sub(1000 * millis);
            let map = map(3, 0..0).into();
            let report = Report { map, edge: 0, hops: 255, stamp: 7, echo, held };
            let patience = Span::from_secs(1);
            let request = Request { patience, wanted: wants(now - 200..now).expect("chunks") };
            number += 1;
            let news = News { number, map: Some(report), request: Some(request) };
            alone.say(A, Body::News(Box::new(news)));
            sent = alone.peer.statistics().sent_bytes - before;
        }
        sent * 8 / 1000
    };
    assert!((490..=510).contains(&after(5, 20)));
    assert!(after(8, 350) < 60, "a sixteenth, and no more than a chunk");
    let again = after(20, 30);
    assert!((490..=510).contains(&again), "10 ms are nobody's harm: {again} kbit/s");
}

#[test]
fn who_uploads_nothing_serves_nobody_and_claims_nothing() {
    let (mut alone, requests) = receiver(with_upload(Settings::default(), 0));
    for lc in &requests {
        alone.give(A, chunk(lc.layer, lc.seq));
    }
    alone.news(A, None, wants([requests[0].seq]));
    alone.run_millis(2000);
    for (_, body) in alone.take_to(A) {
        match body {
            Body::News(news) => {
                assert!(news.map.is_none_or(|report| report.map.held() == 0));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A viewer that has all of the lowest layer, from its own RTMP session, and is at the limit of its
/// upload: those around it always ask for more of it than it can send, and give it the other
/// layers.
struct Trade {
    alone: Alone,
    published: u32,
    wanted: Vec<Lc>,
}

impl Trade {
    fn new(settings: Settings) -> Trade {
        let alone = Alone::new(with_upload(settings, 300));
        let published = newest(alone.now) - 500;
        let mut trade = Trade { alone, published, wanted: Vec::new() };
        trade.publish();
        trade
    }

    fn publish(&mut self) {
        let now = newest(self.alone.now);
        for seq in self.published..now {
            self.alone.input(Input::Publish(chunk(0, seq)));
        }
        self.published = now;
    }

    /// One round in which each of these asks for everything and gives so many chunks; answers how
    /// many each got.
    fn round<const N: usize>(&mut self, others: [(PeerId, usize); N]) -> [usize; N] {
        let (mut got, now) = ([0; N], newest(self.alone.now));
        for (peer, gives) in others {
            let map = map(3, now - 600..now);
            self.alone.news(peer, (gives > 0).then_some(&map), wants(now - 300..now - 100));
        }
        let mut gave = [0; N];
        for tenth in 1..=10 {
            self.alone.run_millis(100);
            self.publish();
            for (at, (peer, gives)) in others.into_iter().enumerate() {
                for (_, body) in self.alone.take_to(peer) {
                    let news = match body {
                        Body::Chunk { news, .. } => {
                            got[at] += 1;
                            news.map(|news| *news)
                        }
                        Body::News(news) => Some(*news),
                        _ => None,
                    };
                    let request = news.and_then(|news| news.request);
                    self.wanted.extend(request.into_iter().flat_map(|request| request.wanted));
                }
                while gave[at] < gives * tenth / 10
                    && let Some(lc) = self.wanted.pop()
                {
                    gave[at] += 1;
                    self.alone.give(peer, chunk(lc.layer, lc.seq));
                }
            }
        }
        got
    }
}

#[test]
fn upload_is_shared_in_proportion_to_what_each_neighbour_gave() {
    for (system, least, most) in [(System::LayerP2p, 3.2, 4.8), (System::SingleLayer, 0.99, 1.01)] {
        let mut trade = Trade::new(Settings::of(system));
        assert!(trade.alone.initiate(A) && trade.alone.initiate(B));
        let mut got = [0, 0];
        for round in 0..90 {
            let [a, b] = trade.round([(A, 24), (B, 6)]);
            if round >= 30 {
                got = [got[0] + a, got[1] + b];
            }
        }
        // 240 + 1 against 60 + 1 kbit/s: 3.95, and a standard deviation of 0.23 over 1700 draws.
        let ratio = got[0] as f64 / got[1] as f64;
        assert!((least..most).contains(&ratio), "{system}: {got:?}");
    }
}

/// While A gives and takes, a free-rider comes under a new name every two seconds. The part of the
/// upload that it gets.
fn jumping(credit: Bitrate) -> f64 {
    let settings = Settings { credit_initiator: credit, ..Settings::of(System::LayerP2p) };
    let mut trade = Trade::new(settings);
    assert!(trade.alone.initiate(A));
    let mut got = [0, 0];
    for round in 0..60u64 {
        let jumper = PeerId(100 + round / 2);
        if round % 2 == 0 {
            assert!(trade.alone.initiate(jumper));
        }
        let [honest, free] = trade.round([(A, 20), (jumper, 0)]);
        if round >= 10 {
            got = [got[0] + honest, got[1] + free];
        }
        if round % 2 == 1 {
            trade.alone.say(jumper, Body::Leave);
        }
    }
    got[1] as f64 / (got[0] + got[1]) as f64
}

#[test]
fn with_d_s_of_zero_jumping_gains_nothing() {
    let none = jumping(Bitrate::default());
    assert!(none < 0.02, "{none}");
    let large = jumping(Bitrate::from_bits_per_sec(200_000));
    assert!(large > 0.3, "so it is d_s that does it: {large}");
}

#[test]
fn initiators_and_receptors_are_credited_differently() {
    let settings = Settings::default();
    let mut alone = Alone::new(settings.clone());
    assert!(alone.initiate(A));
    alone.told_of([B.0]);
    assert_eq!(alone.accept_all(true), [B]);
    let credit = |peer, alone: &Alone| {
        let found = alone.peer.neighbours().find(|neighbour| neighbour.peer == peer);
        found.map(|neighbour| (neighbour.relation, neighbour.rate_in))
    };
    let (small, large) = (settings.credit_initiator, settings.credit_receptor);
    assert_eq!(credit(A, &alone), Some((Relation::Initiator, small)));
    assert_eq!(credit(B, &alone), Some((Relation::Receptor, large)));
}

#[test]
fn what_is_live_is_taken_unasked_and_the_fallback_asked_for_what_nobody_brought_in_time() {
    let mut alone = Alone::new(Settings::default());
    alone.input(Input::Fallback(Some(B)));
    assert_eq!(alone.accept_all(true), [B]);
    let now = newest(alone.now);
    for seq in (now - 100..=now).filter(|seq| seq % 10 != 0) {
        alone.input(Input::Publish(chunk(0, seq)));
    }
    assert_eq!(alone.peer.held(0), 91 - 1, "the first one that came begins the window");
    alone.news(B, Some(&map(1, now - 600..now)), None);
    alone.run_millis(1150);
    let early = alone.requests_to(B);
    assert!(early.is_empty(), "chunks of now are due in 25 s and more: {early:?}");
    // The oldest ones come within reach of the fetch deadline.
    let mut asked = Vec::new();
    for _ in 0..23 {
        let newest = newest(alone.now);
        alone.news(B, Some(&map(1, newest - 600..newest)), None);
        alone.run_millis(1000);
        for lc in alone.requests_to(B) {
            alone.give(B, chunk(lc.layer, lc.seq));
            asked.push(lc.seq);
        }
    }
    assert!(asked.contains(&((now - 90) / 10 * 10)), "{asked:?}");
    assert!(asked.iter().all(|seq| seq % 10 == 0 || *seq > now), "{asked:?}");
    assert_eq!(alone.peer.statistics().chunks_fallback as usize, asked.len());
    assert!(alone.events.contains(&Event::Met { peer: B, relation: Relation::Fallback }));
}

/// After a stream has ended nothing new tells how far it has come, and its last chunks are due like
/// all others.
#[test]
fn of_a_stream_that_has_ended_the_fallback_brings_the_last_chunk() {
    let mut alone = Alone::new(Settings::default());
    alone.input(Input::Fallback(Some(B)));
    assert_eq!(alone.accept_all(true), [B]);
    let last = newest(alone.now) + 200;
    // 10 s until the end, and the lag until all of it is due.
    for _ in 0..42 {
        let next = newest(alone.now).min(last + 1);
        alone.news(B, Some(&map(1, next.saturating_sub(600)..next)), None);
        alone.run_millis(1000);
        for lc in alone.requests_to(B) {
            alone.give(B, chunk(lc.layer, lc.seq));
        }
    }
    let released: Vec<u32> = alone.released.iter().map(|chunk| chunk.lc.seq).collect();
    assert!(released.len() > 200, "{released:?}");
    assert_eq!(released, (released[0]..=last).collect::<Vec<_>>());
}

#[test]
fn nothing_is_missed_before_anything_was_due() {
    let (mut alone, requests) = receiver(Settings::default());
    // Of layer 3 a chunk that is due in 20 s, and nothing else comes.
    let ahead = newest(alone.now) - 200;
    assert!(requests.contains(&Lc { layer: 2, seq: ahead }));
    alone.give(A, chunk(2, ahead));
    for second in 0..30 {
        let now = newest(alone.now);
        alone.news(A, Some(&map(3, now - 600..now)), None);
        alone.run_millis(1000);
        let due = alone.peer.statistics().layers.map(|layer| layer.due);
        let started = alone.events.iter().any(|event| matches!(event, Event::Started { .. }));
        assert_eq!(started, second > 18, "after {second} s");
        assert_eq!(started, due.iter().any(|&due| due > 0), "{due:?} after {second} s");
    }
}

#[test]
fn a_live_layer_that_does_not_fit_into_the_window_is_told_once() {
    // 30 s of 20 chunks a second are 600.
    for (window, told) in [(640, 0), (512, 1)] {
        let settings = Settings { window, ..Settings::source(System::LayerP2p) };
        let mut alone = Alone::new(settings);
        for _ in 0..1000 {
            alone.input(Input::Publish(chunk(1, newest(alone.now))));
            alone.run_millis(50);
        }
        let events = alone.events.iter().filter(|event| **event == Event::Outgrown { layer: 1 });
        assert_eq!(events.count(), told, "a window of {window}");
    }
}
