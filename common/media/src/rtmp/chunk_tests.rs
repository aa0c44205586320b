use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{ChunkLimits, ChunkReader, ChunkWriter, Message};
use crate::Error;

const LIMITS: ChunkLimits =
    ChunkLimits { message_max: 1 << 20, streams_max: 8, commands_only: false };

/// Reads `bytes` in pieces of the given sizes, again and again.
fn read_in_pieces(bytes: &[u8], pieces: &[usize]) -> Result<Vec<Message>, Error> {
    let mut reader = ChunkReader::new(LIMITS);
    let mut sizes = pieces.iter().cycle();
    let (mut messages, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len()).clamp(1, rest.len());
        let (mut piece, after) = rest.split_at(size);
        rest = after;
        while let Some(message) = reader.read(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty(), "a reader that wants more has taken all");
    }
    assert_eq!(reader.held(), 0, "all messages are complete");
    Ok(messages)
}

fn message(type_id: u8, timestamp: u32, stream: u32, length: usize) -> Message {
    let body: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
    Message { type_id, timestamp, stream, body: body.into() }
}

#[derive(Debug, Clone)]
enum Say {
    Message(u32, Message),
    ChunkSize(u32),
}

/// Streams of messages as programs send them: few chunk streams, times that mostly advance evenly.
fn sayings() -> impl Strategy<Value = Vec<Say>> {
    let times = prop_oneof![Just(0u32), Just(0xff_fff0), Just(0xffff_ffe0), any::<u32>()];
    let says = prop_oneof![
        8 => (
            prop_oneof![2u32..8, 62u32..67, 318u32..322, Just(65_599u32)],
            8u8..10,
            prop_oneof![Just(33u32), Just(33), Just(0), Just(0xff_ffff), any::<u32>()],
            1u32..3,
            prop_oneof![Just(300usize), 0usize..2000],
        )
            .prop_map(|(chunk_stream, type_id, delta, stream, length)| {
                Say::Message(chunk_stream, message(type_id, delta, stream, length))
            }),
        1 => prop_oneof![1u32..300, Just(4096)].prop_map(Say::ChunkSize),
    ];
    (times, prop::collection::vec(says, 0..30)).prop_map(|(start, mut says)| {
        let (mut now, mut known) = (start, Vec::new());
        says.retain_mut(|say| {
            let Say::Message(chunk_stream, message) = say else { return true };
            now = now.wrapping_add(message.timestamp);
            message.timestamp = now;
            if !known.contains(chunk_stream) && known.len() < LIMITS.streams_max - 1 {
                known.push(*chunk_stream);
            }
            // Chunk stream 2 is the writer's for the chunk size.
            known.contains(chunk_stream) && *chunk_stream != 2
        });
        says
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_in_any_pieces(
        says in sayings(),
        pieces in prop::collection::vec(1usize..200, 1..5),
    ) {
        let (mut writer, mut out) = (ChunkWriter::new(), BytesMut::new());
        let mut expected = Vec::new();
        for say in says {
            match say {
                Say::ChunkSize(size) => writer.set_chunk_size(size, &mut out),
                Say::Message(chunk_stream, message) => {
                    writer.write(chunk_stream, &message, &mut out);
                    expected.push(message);
                }
            }
        }
        for pieces in [&pieces[..], &[1], &[]] {
            let mut messages = read_in_pieces(&out, pieces).expect("well-formed");
            messages.retain(|message| message.type_id > 2);
            prop_assert_eq!(&messages, &expected);
        }
    }

    #[test]
    fn interleaved_chunk_streams_are_put_together(
        lengths in prop::collection::vec(0usize..1000, 1..6),
        order in prop::collection::vec(any::<prop::sample::Index>(), 100),
    ) {
        let messages: Vec<_> =
            lengths.iter().enumerate().map(|(i, n)| message(9, i as u32, 1, *n)).collect();
        // Each message alone, cut into its chunks of 128 bytes, and those dealt out by `order`.
        let mut chunks: Vec<Vec<Vec<u8>>> = Vec::new();
        for (i, message) in messages.iter().enumerate() {
            let mut out = BytesMut::new();
            ChunkWriter::new().write(3 + i as u32, message, &mut out);
            let first = out.len().min(12 + 128);
            let mut pieces = vec![out[..first].to_vec()];
            pieces.extend(out[first..].chunks(129).map(<[u8]>::to_vec));
            pieces.reverse();
            chunks.push(pieces);
        }
        let mut bytes = Vec::new();
        for index in order {
            let at = index.index(chunks.len());
            bytes.extend(chunks[at].pop().unwrap_or_default());
        }
        chunks.iter_mut().for_each(|left| left.drain(..).rev().for_each(|c| bytes.extend(c)));
        let mut read = read_in_pieces(&bytes, &[13]).expect("well-formed");
        read.sort_by_key(|message| message.timestamp);
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn no_bytes_panic_and_what_is_held_is_bounded(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        says in sayings(),
    ) {
        let (mut writer, mut out) = (ChunkWriter::new(), BytesMut::new());
        for say in says {
            match say {
                Say::ChunkSize(size) => writer.set_chunk_size(size, &mut out),
                Say::Message(chunk_stream, message) => {
                    writer.write(chunk_stream, &message, &mut out);
                }
            }
        }
        out.extend_from_slice(&bytes);
        for (index, byte) in mutations {
            if !out.is_empty() {
                let at = index.index(out.len());
                out[at] = byte;
            }
        }
        let mut reader = ChunkReader::new(LIMITS);
        let mut input = &out[..];
        while let Ok(Some(_)) = reader.read(&mut input) {}
        prop_assert!(reader.held() <= 2 * LIMITS.message_max as usize);
    }
}

/// A message of 300 bytes at the time 0x01000000, as chunks of 128 bytes, with or without the
/// extended timestamp in its later chunks.
fn extended(repeated: bool, body: &[u8]) -> Vec<u8> {
    let time = [0x01, 0x00, 0x00, 0x00];
    let mut bytes = vec![0x04, 0xff, 0xff, 0xff, 0, 0, body.len() as u8, 9, 1, 0, 0, 0];
    bytes[5] = (body.len() >> 8) as u8;
    for (i, chunk) in body.chunks(128).enumerate() {
        if i > 0 {
            bytes.push(0xc4);
        }
        if i == 0 || repeated {
            bytes.extend(time);
        }
        bytes.extend(chunk);
    }
    bytes
}

#[test]
fn extended_timestamps_may_be_missing_from_later_chunks() {
    for fill in [0x55, 0x01, 0x00] {
        // With 0x01 the body looks like the timestamp for a byte; with 258 bytes the last chunk is
        // shorter than the field.
        for length in [300, 258, 257, 256] {
            let body = vec![fill; length];
            for repeated in [true, false] {
                let mut bytes = extended(repeated, &body).repeat(3);
                // A last byte that could begin a timestamp is understood when the next one comes.
                bytes.extend(b"\x02\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00");
                for pieces in [&[1][..], &[7, 130], &[]] {
                    let mut messages = read_in_pieces(&bytes, pieces).expect("well-formed");
                    messages.pop();
                    assert_eq!(messages.len(), 3, "{fill} {length} {repeated}");
                    assert!(messages.iter().all(|m| m.body == body && m.timestamp == 1 << 24));
                }
            }
        }
    }
}

#[test]
fn headers_are_as_short_as_they_can_be() {
    let (mut writer, mut out) = (ChunkWriter::new(), BytesMut::new());
    let mut lengths = Vec::new();
    for (timestamp, length) in [(100, 10), (133, 10), (166, 10), (166, 11), (100, 11)] {
        writer.write(6, &message(9, timestamp, 1, length), &mut out);
        lengths.push(out.split().len() - length);
    }
    // Type 0, then 2 (a delta), 3 (the same delta), 1 (another length), 0 (back in time).
    assert_eq!(lengths, [12, 4, 1, 8, 12]);
}

#[test]
fn type_3_after_type_0_adds_its_timestamp() {
    // 5.3.1.2.4: 40, then 80.
    let bytes = b"\x03\x00\x00\x28\x00\x00\x01\x08\x01\x00\x00\x00a\xc3b";
    let times: Vec<_> =
        read_in_pieces(bytes, &[1]).expect("well-formed").iter().map(|m| m.timestamp).collect();
    assert_eq!(times, [40, 80]);
}

#[test]
fn an_aborted_message_is_forgotten() {
    let mut bytes = b"\x03\x00\x00\x00\x00\x00\xc8\x08\x01\x00\x00\x00".to_vec();
    bytes.extend([1; 128]);
    bytes.extend(b"\x02\x00\x00\x00\x00\x00\x04\x02\x00\x00\x00\x00\x00\x00\x00\x03");
    bytes.extend(b"\x03\x00\x00\x00\x00\x00\x01\x08\x01\x00\x00\x00z");
    let messages = read_in_pieces(&bytes, &[5]).expect("well-formed");
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].body, Bytes::from_static(b"z"));
}

#[test]
fn limits_hold() {
    let too_large = |bytes: &[u8]| match read_in_pieces(bytes, &[]) {
        Err(Error::TooLarge { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(too_large(b"\x03\x00\x00\x00\xff\xff\xff\x08\x01\x00\x00\x00"), "message length");
    let many: Vec<u8> = (3..20).flat_map(|id| [id, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0]).collect();
    assert_eq!(too_large(&many), "chunk stream count");
    assert!(matches!(read_in_pieces(b"\xc3", &[]), Err(Error::Malformed { .. })));
    let zero = b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x80\x00\x00\x00";
    assert!(matches!(read_in_pieces(zero, &[]), Err(Error::Malformed { what: "chunk size", .. })));
}

#[test]
fn an_observer_keeps_no_media() {
    let limits = ChunkLimits { message_max: 100, commands_only: true, ..LIMITS };
    let (mut reader, mut out) = (ChunkReader::new(limits), BytesMut::new());
    let mut writer = ChunkWriter::new();
    writer.write(6, &message(9, 0, 1, 1 << 20), &mut out);
    writer.write(3, &message(20, 0, 1, 90), &mut out);
    let mut input = &out[..out.len() - 200];
    assert_eq!(reader.read(&mut input), Ok(None));
    assert_eq!(reader.held(), 0);
    let mut input = &out[out.len() - 200..];
    assert_eq!(reader.read(&mut input), Ok(Some(message(20, 0, 1, 90))));
}
