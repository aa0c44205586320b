use bytes::Bytes;
use nearcast_machine::Span;
use nearcast_media::{Kind, Media, Numberer};

use super::*;
use crate::wire::{Chunk, Join, Request, Wanted};

fn stream(n: u8) -> StreamId {
    StreamId([n; 8])
}

fn client(n: u8) -> SocketAddrV4 {
    SocketAddrV4::new([192, 0, 2, n].into(), 7935)
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

/// A seed that is fed one-chunk units of a stream.
struct Scene {
    seed: CdnSeed,
    numberer: Numberer,
    now: Time,
}

impl Scene {
    fn new(settings: Settings) -> Scene {
        let seed = CdnSeed::new(settings, Seed::new(1));
        Scene { seed, numberer: Numberer::new(7), now: at(1000) }
    }

    fn feed(&mut self, id: StreamId, body: Vec<u8>) -> u64 {
        let media = Media { kind: Kind::Video, timestamp: 0, body: Bytes::from(body) };
        let unit = self.numberer.number(self.now, media);
        let number = unit.number;
        let input = Input::Cdn { stream: id, followed: Followed::Unit(unit) };
        self.seed.handle(self.now, input);
        number
    }

    fn keyframe(&mut self) -> u64 {
        self.feed(stream(1), b"\x12\x00keyframe of Sorenson video".to_vec())
    }

    fn say(&mut self, from: SocketAddrV4, datagram: Datagram) -> Vec<Datagram> {
        self.seed.handle(self.now, Input::Datagram { from, datagram });
        self.sent(from)
    }

    fn sent(&mut self, to: SocketAddrV4) -> Vec<Datagram> {
        let outputs = std::iter::from_fn(|| self.seed.poll());
        outputs
            .filter_map(|output| match output {
                Output::Send { to: whom, datagram } => {
                    assert_eq!(whom, to);
                    Some(datagram)
                }
                Output::Event(_) => None,
            })
            .collect()
    }

    fn token(&mut self, of: SocketAddrV4) -> u64 {
        match self.say(of, tail(0, 0, Span::ZERO))[..] {
            [Datagram::Token(Token { token, .. })] => token,
            ref other => panic!("a token is what is answered: {other:?}"),
        }
    }
}

fn tail(token: u64, from: u64, span: Span) -> Datagram {
    Datagram::Tail(Tail { stream: stream(1), token, epoch: 7, from, span })
}

fn join(token: u64) -> Datagram {
    Datagram::Join(Join { stream: stream(1), token })
}

fn numbers(datagrams: &[Datagram]) -> Vec<u64> {
    let number = |datagram: &Datagram| match datagram {
        Datagram::Chunk(Chunk { head, .. }) => head.number,
        other => panic!("a chunk is what is sent: {other:?}"),
    };
    datagrams.iter().map(number).collect()
}

#[test]
fn a_forged_address_is_sent_no_more_than_its_forger_sent() {
    let mut scene = Scene::new(Settings::default());
    scene.keyframe();
    let request = Request {
        stream: stream(1),
        token: 12345,
        epoch: 7,
        wanted: vec![Wanted { unit: 0, ranges: vec![] }],
    };
    let questions = [join(0), join(99), tail(0, 0, Span::from_secs(2)), Datagram::Request(request)];
    for question in questions {
        let answers = scene.say(client(1), question.clone());
        let length: usize = answers.iter().map(Datagram::encoded_len).sum();
        assert!(length <= question.encoded_len(), "{length} bytes for {question:?}");
        assert!(matches!(answers[..], [Datagram::Token(_)]));
    }
    assert_eq!(scene.seed.counters().chunks_served, 0);
}

#[test]
fn tokens_in_vain_are_bounded_in_rate() {
    let rate = "8kbit/s".parse().expect("a rate");
    let mut scene = Scene::new(Settings { token_rate: rate, ..Settings::default() });
    let answered = (0..10_000)
        .filter(|n| {
            let forged = SocketAddrV4::new((n * 7919u32).into(), 7935);
            !scene.say(forged, join(0)).is_empty()
        })
        .count();
    assert!((1000..5000).contains(&answered), "64 KiB of tokens, not {answered}");
}

#[test]
fn a_token_is_good_for_its_address_and_its_time() {
    let mut scene = Scene::new(Settings::default());
    scene.keyframe();
    let token = scene.token(client(1));
    assert_eq!(scene.say(client(1), join(token)).len(), 2, "an index and a chunk");
    assert!(matches!(scene.say(client(2), join(token))[..], [Datagram::Token(_)]));
    scene.now = at(60_000);
    scene.keyframe();
    assert_eq!(scene.say(client(1), join(token)).len(), 2, "still good");
    scene.now = at(120_001);
    assert!(matches!(scene.say(client(1), join(token))[..], [Datagram::Token(_)]));
}

#[test]
fn a_tail_brings_what_is_there_and_what_comes_until_it_is_let_go() {
    let mut scene = Scene::new(Settings::default());
    (0..5).for_each(|number| assert_eq!(scene.keyframe(), number));
    let token = scene.token(client(1));
    let first = scene.say(client(1), tail(token, 3, Span::from_secs(2)));
    assert_eq!(numbers(&first), [3, 4]);
    scene.keyframe();
    assert_eq!(numbers(&scene.sent(client(1))), [5]);
    assert_eq!(scene.say(client(1), tail(token, 0, Span::from_secs(2))), [], "it goes on");
    scene.keyframe();
    assert_eq!(numbers(&scene.sent(client(1))), [6]);
    scene.say(client(1), tail(token, 0, Span::ZERO));
    scene.keyframe();
    assert_eq!(scene.sent(client(1)), []);
}

#[test]
fn a_tail_ends_by_itself() {
    let mut scene = Scene::new(Settings::default());
    scene.keyframe();
    let token = scene.token(client(1));
    scene.say(client(1), tail(token, 0, Span::from_secs(3600)));
    assert_eq!(scene.seed.deadline(), Some(at(6000)), "no tail is longer than 5 s");
    scene.now = at(6000);
    scene.seed.expire(scene.now);
    let ended = Event::TailEnded { client: client(1), stream: stream(1) };
    assert_eq!(scene.seed.poll(), Some(Output::Event(ended)));
    scene.keyframe();
    assert_eq!(scene.sent(client(1)), []);
}

#[test]
fn tails_and_streams_are_bounded() {
    let mut scene = Scene::new(Settings { tails: 2, streams: 3, ..Settings::default() });
    scene.keyframe();
    for n in 1..=3 {
        let token = scene.token(client(n));
        scene.say(client(n), tail(token, 0, Span::from_secs(5)));
    }
    assert_eq!(scene.seed.counters().rejected, 1, "the third");
    for n in 1..=20 {
        scene.now = at(1000 + u64::from(n));
        scene.feed(stream(n), b"\x12\x00".to_vec());
        assert!(scene.seed.streams() <= 3);
    }
}

#[test]
fn a_stream_that_is_not_there_is_lacking() {
    let mut scene = Scene::new(Settings::default());
    let token = scene.token(client(1));
    assert!(matches!(scene.say(client(1), join(token))[..], [Datagram::Lack(_)]));
    scene.keyframe();
    assert_eq!(scene.say(client(1), join(token)).len(), 2);
    scene.seed.handle(scene.now, Input::Ended(stream(1)));
    assert!(matches!(scene.say(client(1), join(token))[..], [Datagram::Lack(_)]), "it is over");
}
