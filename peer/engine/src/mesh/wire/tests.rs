use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::sync::Arc;

use nearcast_machine::Span;
use proptest::prelude::*;

use super::super::tracker::PEERS_MAX;
use super::super::{
    Body, BufferMap, Chunk, LayerBits, Lc, News, PeerId, Report, Request, SEQ_MAX, Tag,
};
use super::*;
use crate::Error;

fn chunk_names() -> impl Strategy<Value = Lc> {
    (0..LAYERS_MAX as u8, 0..SEQ_MAX).prop_map(|(layer, seq)| Lc { layer, seq })
}

/// The base of a layer and the words of its bits: from empty by ragged to full.
fn layers() -> impl Strategy<Value = (u32, u16, Vec<u64>)> {
    let words = prop_oneof![
        prop::collection::vec(any::<u64>(), 0..6),
        prop::collection::vec(Just(u64::MAX), 0..60),
        prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), Just(1), Just(1 << 63)], 0..40),
    ];
    let bases = prop_oneof![0..2000u32, Just(SEQ_MAX), (SEQ_MAX - 5000)..SEQ_MAX];
    (bases, any::<u16>(), words).prop_map(|(base, kbits, mut words)| {
        words.truncate(((SEQ_MAX - base) / 64) as usize);
        (base, kbits, words)
    })
}

fn maps() -> impl Strategy<Value = BufferMap> {
    prop::collection::vec(layers(), 0..=3).prop_map(|layers| {
        BufferMap::new(layers.iter().map(|(base, kbits, words)| LayerBits {
            base: *base,
            kbits: *kbits,
            words,
        }))
    })
}

fn reports() -> impl Strategy<Value = Report> {
    (maps(), any::<(u32, u8, u32, u32, u32)>()).prop_map(
        |(map, (edge, hops, stamp, echo, held))| Report {
            map: Arc::new(map),
            edge,
            hops,
            stamp,
            echo,
            held,
        },
    )
}

fn requests() -> impl Strategy<Value = Request> {
    let offsets = prop::collection::vec((0..LAYERS_MAX as u8, 0..SPAN_MAX), 0..100);
    let firsts = prop::array::uniform8(0..SEQ_MAX - SPAN_MAX);
    (any::<u16>(), firsts, offsets).prop_map(|(millis, firsts, offsets)| Request {
        patience: Span::from_millis(millis.into()),
        wanted: offsets
            .into_iter()
            .map(|(layer, offset)| Lc { layer, seq: firsts[usize::from(layer)] + offset })
            .collect(),
    })
}

fn news() -> impl Strategy<Value = News> {
    let parts = (prop::option::of(reports()), prop::option::of(requests()));
    (any::<u32>(), parts).prop_map(|(number, (map, request))| News { number, map, request })
}

fn bodies() -> impl Strategy<Value = Body<Bytes>> {
    let payloads = prop::collection::vec(any::<u8>(), 0..=300).prop_map(Bytes::from);
    let chunks = (chunk_names(), any::<(u32, u32, u8)>(), payloads);
    let chunks =
        (chunks, prop::option::of(news())).prop_map(|((lc, (unit, time, tag), payload), news)| {
            Body::Chunk {
                chunk: Chunk { lc, unit, time, tag: Tag::from_bits(tag), payload },
                news: news.map(Box::new),
            }
        });
    prop_oneof![
        any::<u64>().prop_map(|key| Body::Seek { key }),
        any::<u64>().prop_map(|key| Body::Accept { key }),
        any::<u64>().prop_map(|key| Body::Confirm { key }),
        Just(Body::Decline),
        Just(Body::Leave),
        news().prop_map(|news| Body::News(Box::new(news))),
        chunks,
    ]
}

fn datagrams() -> impl Strategy<Value = Datagram> {
    let stream = any::<[u8; 8]>().prop_map(StreamId);
    let peers = prop::collection::vec(any::<u64>().prop_map(PeerId), 0..=PEERS_MAX);
    let questions = prop_oneof![
        any::<(u64, u8)>().prop_map(|(token, want)| Question::Announce { token, want }),
        any::<u64>().prop_map(|token| Question::Depart { token }),
    ];
    let answers = prop_oneof![peers.prop_map(Answer::Peers), any::<u64>().prop_map(Answer::Token)];
    let messages = (any::<(u32, u64)>(), bodies());
    let keys = prop::option::of(any::<[u8; 32]>().prop_map(|mut key| {
        key[31] |= 1;
        key
    }));
    prop_oneof![
        6 => (stream.clone(), messages).prop_map(|(stream, ((epoch, key), body))| {
            Datagram::Peer { stream, epoch, message: Message { key, body } }
        }),
        1 => (stream.clone(), questions)
            .prop_map(|(stream, question)| Datagram::Question { stream, question }),
        1 => (stream.clone(), answers)
            .prop_map(|(stream, answer)| Datagram::Answer { stream, answer }),
        1 => (stream.clone(), any::<u64>())
            .prop_map(|(stream, nonce)| Datagram::KeyWanted { stream, nonce }),
        1 => (stream, any::<u64>(), keys)
            .prop_map(|(stream, nonce, key)| Datagram::Key { stream, nonce, key }),
    ]
    .prop_filter("fits a datagram", |datagram| datagram.encoded_len() <= DATAGRAM_MAX)
}

fn encoded(datagram: &Datagram) -> Vec<u8> {
    let mut out = Vec::new();
    datagram.encode(&mut out);
    out
}

fn parse(bytes: &[u8]) -> Result<Datagram, Error> {
    Datagram::parse(&Bytes::copy_from_slice(bytes))
}

proptest! {
    #[test]
    fn what_is_written_reads_back(datagram in datagrams()) {
        let out = encoded(&datagram);
        prop_assert_eq!(out.len(), datagram.encoded_len());
        prop_assert_eq!(parse(&out), Ok(datagram));
    }

    #[test]
    fn a_cut_datagram_is_not_read_as_another(
        datagram in datagrams(),
        cut in any::<prop::sample::Index>(),
    ) {
        let out = encoded(&datagram);
        let cut = cut.index(out.len());
        match parse(&out[..cut]) {
            Err(Error::Truncated { offset, .. }) => prop_assert!(offset <= cut),
            Err(other) => prop_assert!(false, "{:?}", other),
            // The payload of a chunk reaches to the end, wherever that is.
            Ok(Datagram::Peer { message, .. }) => {
                let is_chunk = matches!(message.body, Body::Chunk { .. });
                prop_assert!(is_chunk);
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_damaged_datagram_is_refused_or_reads_as_what_it_says(
        datagram in datagrams(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut out = encoded(&datagram);
        for (place, byte) in damage {
            let place = place.index(out.len());
            out[place] = byte;
        }
        if let Ok(read) = parse(&out) {
            prop_assert_eq!(encoded(&read), out);
        }
    }

    #[test]
    fn noise_is_refused_or_reads_as_what_it_says(
        kind in prop_oneof![0u8..9, 15u8..21],
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut out = vec![MAGIC, VERSION, kind];
        out.extend(noise);
        if let Ok(read) = parse(&out) {
            prop_assert_eq!(encoded(&read), out);
        }
    }

    #[test]
    fn a_map_keeps_its_chunks(base in 0u32..500, seqs in prop::collection::btree_set(0u32..3000, 0..200)) {
        let seqs: BTreeSet<u32> = seqs.into_iter().map(|seq| base + seq).collect();
        let mut words = vec![0u64; 60];
        for seq in &seqs {
            words[(seq / 64 - base / 64) as usize] |= 1 << (seq % 64);
        }
        let map = BufferMap::new([LayerBits { base, kbits: 200, words: &words }]);
        let report = Report { map: Arc::new(map), edge: 1, hops: 2, stamp: 3, echo: 4, held: 5 };
        let news = News { number: 1, map: Some(report), request: None };
        let message = Message { key: 1, body: Body::News(Box::new(news)) };
        let datagram = Datagram::Peer { stream: StreamId([1; 8]), epoch: 1, message };
        let Ok(Datagram::Peer { message: Message { body: Body::News(news), .. }, .. }) =
            parse(&encoded(&datagram))
        else {
            return Err(TestCaseError::fail("it does not read back"));
        };
        let map = news.map.expect("the map is in it").map;
        let read: BTreeSet<u32> = (0..4000).filter(|&seq| map.has(0, seq)).collect();
        prop_assert_eq!(read, seqs);
    }
}

fn of(body: Body<Bytes>) -> Vec<u8> {
    let message = Message { key: 9, body };
    encoded(&Datagram::Peer { stream: StreamId([7; 8]), epoch: 1, message })
}

#[test]
fn errors_name_the_field_and_its_offset() {
    let truncated = |field, offset| Err(Error::Truncated { field, offset });
    let malformed = |field, offset| Err(Error::Malformed { field, offset });
    assert_eq!(parse(&[]), truncated("magic", 0));
    assert_eq!(parse(&[crate::wire::MAGIC]), malformed("magic", 0), "the other protocol's");
    assert_eq!(parse(&[MAGIC, 9]), malformed("version", 1));
    assert_eq!(parse(&[MAGIC, VERSION, 8]), malformed("type", 2));
    let leave = of(Body::Leave);
    assert_eq!(parse(&leave[..13]), truncated("epoch", 11));
    assert_eq!(parse(&leave[..16]), truncated("key", 15));
    assert_eq!(parse(&[&leave[..], &[0]].concat()), malformed("end", leave.len()));
    assert_eq!(parse(&[0; DATAGRAM_MAX + 1]), malformed("length", DATAGRAM_MAX));
}

#[test]
fn a_few_bytes_cannot_claim_a_huge_window_or_hide_in_another_form() {
    let words = [u64::MAX; 4];
    let map = BufferMap::new([LayerBits { base: 0, kbits: 1, words: &words }]);
    let report = Report { map: Arc::new(map), edge: 0, hops: 0, stamp: 0, echo: 0, held: 0 };
    let good = of(Body::News(Box::new(News { number: 1, map: Some(report), request: None })));
    let runs = good.len() - 2;
    assert_eq!(good[runs - 2..], [0x80, 2, 0x80, 2], "one run of 256 in two bytes");
    let with = |tail: &[u8]| {
        let form = 0x8000 | tail.len() as u16;
        parse(&[&good[..runs - 2], &form.to_be_bytes(), tail].concat())
    };
    assert!(with(&[0x80, 2]).is_ok());
    for (tail, why) in [
        (&[0xff, 0xff, 0xff, 0xff, 0x0f][..], "a run of 2^32"),
        (&[0xff, 0x7f], "a run beyond the longest window"),
        (&[0x82, 0x00], "a length with a byte too many"),
        (&[0x80], "a length without its end"),
        (&[3, 2], "missing chunks at the end"),
        (&[2, 0, 2], "a run of nothing"),
        (&[1, 1, 1, 1, 1], "runs where bits are shorter"),
    ] {
        assert!(matches!(with(tail), Err(Error::Malformed { .. })), "{why}: {:?}", with(tail));
    }
}

#[test]
fn tracker_answers_are_no_longer_than_their_questions_without_a_token() {
    let stream = StreamId([1; 8]);
    let question = Datagram::Question { stream, question: Question::Depart { token: 0 } };
    let answer = Datagram::Answer { stream, answer: Answer::Token(5) };
    assert!(answer.encoded_len() <= question.encoded_len());
}

#[test]
fn an_address_is_an_id_and_back() {
    let address = SocketAddrV4::new([10, 1, 2, 3].into(), 7935);
    assert_eq!(PeerId::from(address).address(), Some(address));
    assert_eq!(PeerId(u64::MAX).address(), None);
}
