use bytes::{BufMut, BytesMut};

use super::{Message, Payload};

/// Cuts messages into chunks (RTMP 5.3), with the shortest header that says it all.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: u32,
    streams: Vec<Last>,
}

/// The last message on a chunk stream.
#[derive(Debug)]
struct Last {
    chunk_stream: u32,
    timestamp: u32,
    /// What type 3 would add; `None` after type 0, where programs disagree about it.
    delta: Option<u32>,
    length: u32,
    type_id: u8,
    stream: u32,
}

/// The longest message that the 24 bits of its length can say.
const MESSAGE_MAX: usize = 0x00ff_ffff;

impl Default for ChunkWriter {
    fn default() -> ChunkWriter {
        ChunkWriter { chunk_size: 128, streams: Vec::new() }
    }
}

impl ChunkWriter {
    /// A writer at the first byte after the handshake.
    pub fn new() -> ChunkWriter {
        ChunkWriter::default()
    }

    /// Tells the other side that chunks have `size` bytes from here on (5.4.1).
    pub fn set_chunk_size(&mut self, size: u32, out: &mut BytesMut) {
        let size = size.clamp(1, MESSAGE_MAX as u32);
        self.write(2, &Message::new(0, &Payload::SetChunkSize(size)), out);
        self.chunk_size = size;
    }

    /// Writes `message` on `chunk_stream`, which is 2 to 65599 (2 is for control). A body beyond
    /// the 16 MiB that RTMP can say is left out, as no receiver would take it.
    pub fn write(&mut self, chunk_stream: u32, message: &Message, out: &mut BytesMut) {
        if message.body.len() > MESSAGE_MAX {
            return;
        }
        let length = message.body.len() as u32;
        let found = self.streams.iter().position(|last| last.chunk_stream == chunk_stream);
        let last = found.map(|index| &self.streams[index]);
        // Time that runs backwards cannot be said by a delta.
        let since = |last: &Last| message.timestamp.wrapping_sub(last.timestamp);
        let delta =
            last.filter(|last| last.stream == message.stream && since(last) < 1 << 31).map(since);
        let same = |last: &Last| (last.length, last.type_id) == (length, message.type_id);
        let format = match (delta, last) {
            (Some(_), Some(last)) if same(last) && last.delta == delta => 3,
            (Some(_), Some(last)) if same(last) => 2,
            (Some(_), Some(_)) => 1,
            _ => 0u8,
        };
        let time = delta.unwrap_or(message.timestamp);
        let extended = (time >= MESSAGE_MAX as u32).then_some(time);

        out.reserve(message.body.len() + 18 + 7 * (message.body.len() / self.chunk_size as usize));
        basic_header(format, chunk_stream, out);
        if format < 3 {
            out.put_uint(time.min(MESSAGE_MAX as u32).into(), 3);
        }
        if format < 2 {
            out.put_uint(length.into(), 3);
            out.put_u8(message.type_id);
        }
        if format < 1 {
            out.put_u32_le(message.stream);
        }
        let mut chunks = message.body.chunks(self.chunk_size as usize);
        extended.iter().for_each(|time| out.put_u32(*time));
        out.put_slice(chunks.next().unwrap_or(&[]));
        for chunk in chunks {
            basic_header(3, chunk_stream, out);
            extended.iter().for_each(|time| out.put_u32(*time));
            out.put_slice(chunk);
        }

        let last = Last {
            chunk_stream,
            timestamp: message.timestamp,
            delta,
            length,
            type_id: message.type_id,
            stream: message.stream,
        };
        match found {
            Some(index) => self.streams[index] = last,
            None => self.streams.push(last),
        }
    }
}

/// 5.3.1.1
fn basic_header(format: u8, chunk_stream: u32, out: &mut BytesMut) {
    let format = format << 6;
    match chunk_stream {
        id @ 2..64 => out.put_u8(format | id as u8),
        id @ 64..320 => out.put_slice(&[format, (id - 64) as u8]),
        id => {
            let [low, high, ..] = id.clamp(64, 65_599).wrapping_sub(64).to_le_bytes();
            out.put_slice(&[format | 1, low, high]);
        }
    }
}
