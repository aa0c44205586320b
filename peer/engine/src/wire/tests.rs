use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::Error;
use nearcast_media::Layer;

fn streams() -> impl Strategy<Value = StreamId> {
    any::<[u8; 8]>().prop_map(StreamId)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Data)]
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn heads() -> impl Strategy<Value = Head> {
    let layers = prop_oneof![Just(Layer::One), Just(Layer::Two), Just(Layer::Three)];
    let place = (any::<u64>(), 1..=u16::MAX, any::<u64>());
    (place, kinds(), layers, any::<(bool, bool, u32)>()).prop_map(
        |((number, count, gop), kind, layer, (keyframe, header, timestamp))| {
            let gop = gop.min(number);
            Head { number, count, gop, kind, layer, keyframe, header, timestamp }
        },
    )
}

fn chunks() -> impl Strategy<Value = Chunk> {
    (streams(), any::<(u32, u16)>(), heads(), bytes(CHUNK_MAX)).prop_map(
        |(stream, (epoch, index), head, payload)| Chunk {
            stream,
            epoch,
            head,
            index: index % head.count,
            payload,
        },
    )
}

fn requests() -> impl Strategy<Value = Request> {
    let range = any::<(u16, u16)>().prop_map(|(a, b)| (a.min(b), a.max(b)));
    let ranges = prop::collection::vec(range, 0..=4);
    let wanted = (any::<u64>(), ranges).prop_map(|(unit, ranges)| Wanted { unit, ranges });
    let wanted = prop::collection::vec(wanted, 0..=REQUEST_UNITS_MAX / 2);
    (streams(), any::<(u64, u32)>(), wanted).prop_map(|(stream, (token, epoch), wanted)| Request {
        stream,
        token,
        epoch,
        wanted,
    })
}

fn pieces() -> impl Strategy<Value = Piece> {
    (kinds(), any::<u32>(), any::<(u16, u16)>(), bytes(200)).prop_filter_map(
        "a piece has bytes and lies within its header",
        |(kind, timestamp, (total, offset), bytes)| {
            let end = usize::from(offset) + bytes.len();
            let fits = !bytes.is_empty() && end <= usize::from(total);
            fits.then_some(Piece { kind, timestamp, total, offset, bytes })
        },
    )
}

fn indices() -> impl Strategy<Value = Index> {
    let units = (any::<(u64, u64)>(), prop::collection::vec(any::<u16>(), 0..200));
    let parts = (0u8..INDEX_PARTS_MAX as u8).prop_flat_map(|n| (0..=n, Just(n + 1)));
    let headers = prop::collection::vec(pieces(), 0..4);
    (streams(), any::<(u32, u16)>(), parts, headers, units).prop_map(
        |(stream, (epoch, sent), (part, parts), headers, ((a, b), counts))| {
            let (gop, first) = (a.min(b), a.max(b));
            Index { stream, epoch, gop, sent, part, parts, headers, first, counts }
        },
    )
}

fn datagrams() -> impl Strategy<Value = Datagram> {
    let units = prop::collection::vec(any::<u64>(), 0..=LACK_UNITS_MAX);
    prop_oneof![
        chunks().prop_map(Datagram::Chunk),
        requests().prop_map(Datagram::Request),
        (streams(), any::<u64>())
            .prop_map(|(stream, token)| Datagram::Join(Join { stream, token })),
        indices().prop_map(Datagram::Index),
        (streams(), any::<(u64, u32, u64, u32)>()).prop_map(
            |(stream, (token, epoch, from, millis))| {
                let span = Span::from_millis(millis.into());
                Datagram::Tail(Tail { stream, token, epoch, from, span })
            }
        ),
        (streams(), any::<u32>(), units).prop_map(|(stream, epoch, units)| Datagram::Lack(Lack {
            stream,
            epoch,
            units
        })),
        (streams(), any::<u64>())
            .prop_map(|(stream, token)| Datagram::Token(Token { stream, token })),
    ]
}

fn encoded(datagram: &Datagram) -> Vec<u8> {
    let mut out = Vec::new();
    datagram.encode(&mut out);
    out
}

proptest! {
    #[test]
    fn what_is_written_reads_back(datagram in datagrams()) {
        let out = encoded(&datagram);
        prop_assert_eq!(out.len(), datagram.encoded_len());
        prop_assert!(out.len() <= DATAGRAM_MAX);
        prop_assert_eq!(Datagram::parse(&out.into()), Ok(datagram));
    }

    #[test]
    fn a_cut_datagram_is_not_read_as_another(datagram in datagrams(), cut in any::<prop::sample::Index>()) {
        let out = encoded(&datagram);
        let cut = cut.index(out.len());
        match Datagram::parse(&Bytes::copy_from_slice(&out[..cut])) {
            Err(Error::Truncated { offset, .. }) => prop_assert!(offset <= cut),
            Err(other) => prop_assert!(false, "{:?}", other),
            // The payload of a chunk reaches to the end, wherever that is.
            Ok(read) => prop_assert!(matches!(read, Datagram::Chunk(_))),
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
        if let Ok(read) = Datagram::parse(&Bytes::copy_from_slice(&out)) {
            prop_assert_eq!(encoded(&read), out);
        }
    }

    #[test]
    fn noise_is_refused_or_reads_as_what_it_says(
        kind in 0u8..9,
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = vec![MAGIC, VERSION, kind];
        out.extend(noise);
        if let Ok(read) = Datagram::parse(&Bytes::copy_from_slice(&out)) {
            prop_assert_eq!(encoded(&read), out);
        }
    }
}

#[test]
fn errors_name_the_field_and_its_offset() {
    let parse = |bytes: &[u8]| Datagram::parse(&Bytes::copy_from_slice(bytes));
    let join = encoded(&Datagram::Join(Join { stream: StreamId([7; 8]), token: 1 }));
    let truncated = |field, offset| Err(Error::Truncated { field, offset });
    let malformed = |field, offset| Err(Error::Malformed { field, offset });
    assert_eq!(parse(&[]), truncated("magic", 0));
    assert_eq!(parse(&[0x9e]), malformed("magic", 0));
    assert_eq!(parse(&[MAGIC, 9]), malformed("version", 1));
    assert_eq!(parse(&[MAGIC, VERSION, 0]), malformed("type", 2));
    assert_eq!(parse(&join[..8]), truncated("stream", 3));
    assert_eq!(parse(&join[..15]), truncated("token", 11));
    let longer = [&join[..], &[0]].concat();
    assert_eq!(parse(&longer), malformed("end", join.len()));
    assert_eq!(parse(&[0; DATAGRAM_MAX + 1]), malformed("length", DATAGRAM_MAX));
}

#[test]
fn a_payload_is_a_slice_and_no_copy() {
    let head = Head {
        number: 5,
        count: 1,
        gop: 5,
        kind: Kind::Video,
        layer: Layer::One,
        keyframe: true,
        header: false,
        timestamp: 40,
    };
    let payload = Bytes::from(vec![3; CHUNK_MAX]);
    let chunk = Chunk { stream: StreamId([1; 8]), epoch: 1, head, index: 0, payload };
    let datagram = Bytes::from(encoded(&Datagram::Chunk(chunk)));
    let range = datagram.as_ptr_range();
    let Ok(Datagram::Chunk(read)) = Datagram::parse(&datagram) else { panic!("a chunk") };
    assert!(range.contains(&read.payload.as_ptr()));
}
