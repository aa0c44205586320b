//! Our chunk layer against that of rml_rtmp, in both directions.
//!
//! Left out is what rml_rtmp does not claim to do: empty messages, interleaved messages, and
//! timestamps beyond 24 bits or back in time.

use bytes::{Bytes, BytesMut};
use nearcast_media::rtmp::{ChunkLimits, ChunkReader, ChunkWriter, Message};
use proptest::prelude::*;
use rml_rtmp::chunk_io::{ChunkDeserializer, ChunkSerializer};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let kinds = prop_oneof![Just(8u8), Just(9), Just(18), Just(20)];
    let lengths = prop_oneof![Just(100usize), 1usize..1500];
    let deltas = prop_oneof![Just(33u32), 0u32..5000];
    prop::collection::vec((kinds, lengths, deltas, any::<u8>()), 1..20).prop_map(|all| {
        let mut timestamp = 0;
        let message = |(type_id, length, delta, fill): (u8, usize, u32, u8)| {
            timestamp += delta;
            Message { type_id, timestamp, stream: 1, body: vec![fill; length].into() }
        };
        all.into_iter().map(message).collect()
    })
}

fn theirs(message: &Message) -> MessagePayload {
    MessagePayload {
        timestamp: RtmpTimestamp::new(message.timestamp),
        type_id: message.type_id,
        message_stream_id: message.stream,
        data: message.body.clone(),
    }
}

proptest! {
    #[test]
    fn they_read_what_we_write(messages in messages(), chunk_size in 1u32..3000) {
        let (mut writer, mut bytes) = (ChunkWriter::new(), BytesMut::new());
        writer.set_chunk_size(chunk_size, &mut bytes);
        for message in &messages {
            writer.write(3 + u32::from(message.type_id), message, &mut bytes);
        }
        let mut reader = ChunkDeserializer::new();
        let first = reader.get_next_message(&bytes).expect("well-formed").expect("complete");
        prop_assert_eq!(first.data, Bytes::copy_from_slice(&chunk_size.to_be_bytes()));
        reader.set_max_chunk_size(chunk_size as usize).expect("below 2^31");
        for message in &messages {
            let read = reader.get_next_message(&[]).expect("well-formed");
            prop_assert_eq!(read, Some(theirs(message)));
        }
    }

    #[test]
    fn we_read_what_they_write(messages in messages(), chunk_size in 1u32..3000) {
        let mut writer = ChunkSerializer::new();
        let size = writer.set_max_chunk_size(chunk_size, RtmpTimestamp::new(0));
        let mut bytes = size.expect("below 2^31").bytes;
        for message in &messages {
            let packet = writer.serialize(&theirs(message), false, false).expect("small");
            bytes.extend(packet.bytes);
        }
        let limits = ChunkLimits { message_max: 1 << 16, streams_max: 8, commands_only: false };
        let (mut reader, mut input) = (ChunkReader::new(limits), &bytes[..]);
        let size = reader.read(&mut input).expect("well-formed").expect("complete");
        prop_assert_eq!(size.type_id, 1);
        for message in messages {
            prop_assert_eq!(reader.read(&mut input).expect("well-formed"), Some(message));
        }
        prop_assert!(input.is_empty());
    }
}
