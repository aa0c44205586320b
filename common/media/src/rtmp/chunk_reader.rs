use bytes::BytesMut;

use super::Message;
use super::message::type_id;
use crate::Error;

/// Puts messages together from chunks (RTMP 5.3).
///
/// It is given bytes in pieces of any size and keeps only the bodies of unfinished messages. Set
/// Chunk Size and Abort are obeyed here, and given out like any other message.
#[derive(Debug)]
pub struct ChunkReader {
    limits: ChunkLimits,
    chunk_size: u32,
    streams: Vec<ChunkStream>,
    /// Bytes of bodies held in all chunk streams together.
    held: usize,
    /// The chunk header being read, at most basic 3, message 11, extended timestamp 4.
    header: [u8; 18],
    header_len: usize,
    /// The chunk stream of the chunk being read, and how many bytes of the chunk are to come.
    chunk: Option<(usize, u32)>,
    /// Bytes taken for an extended timestamp that turned out to be body.
    replay: Replay,
    position: u64,
}

/// What a [`ChunkReader`] keeps, at most.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// The largest message, in bytes. All unfinished messages together may be twice that.
    pub message_max: u32,
    /// How many chunk streams may be used.
    pub streams_max: usize,
    /// Give out nothing but commands and what steers the chunk layer. Other bodies are neither kept
    /// nor limited.
    pub commands_only: bool,
}

#[derive(Debug)]
struct ChunkStream {
    id: u32,
    /// Of the last message: the timestamp, and what a message without a header of its own adds.
    timestamp: u32,
    delta: u32,
    length: u32,
    type_id: u8,
    message_stream: u32,
    /// The value of the extended timestamp field, if the last header had one.
    extended: Option<u32>,
    /// How many bytes of the current message came; `None` between messages.
    received: Option<u32>,
    body: BytesMut,
}

/// A few bytes that are to be read again.
#[derive(Debug, Default, Clone, Copy)]
struct Replay {
    bytes: [u8; 6],
    len: usize,
}

impl Replay {
    /// Either part has at most three bytes: a timestamp of which the fourth byte did not fit.
    fn new(front: &[u8], back: &[u8]) -> Replay {
        let mut bytes = [0; 6];
        bytes[..front.len()].copy_from_slice(front);
        let len = front.len() + back.len();
        bytes[front.len()..len].copy_from_slice(back);
        Replay { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// How far a look at some input came.
enum Step {
    Complete(Message),
    /// The input is used up.
    Empty,
    /// These bytes of the header are to be read again, as body.
    Back(Replay),
}

/// What has been made of the header bytes so far.
enum Header {
    NeedsMore,
    Complete,
    /// Complete without its last `n` bytes, which are body.
    Without(usize),
}

const EXTENDED: u32 = 0x00ff_ffff;

impl ChunkReader {
    /// A reader at the first byte after the handshake.
    pub fn new(limits: ChunkLimits) -> ChunkReader {
        ChunkReader {
            limits,
            chunk_size: 128,
            streams: Vec::new(),
            held: 0,
            header: [0; 18],
            header_len: 0,
            chunk: None,
            replay: Replay::default(),
            position: 0,
        }
    }

    /// Takes bytes off the front of `input` until a message is complete, or `input` is empty.
    ///
    /// # Errors
    /// The reader cannot go on after an error.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            let replayed = std::mem::take(&mut self.replay);
            let mut again = replayed.bytes();
            let step = match again {
                [] => self.advance(input)?,
                _ => self.advance(&mut again)?,
            };
            let left = again;
            match step {
                Step::Complete(message) => {
                    self.replay = Replay::new(&[], left);
                    return Ok(Some(message));
                }
                Step::Back(back) => self.replay = Replay::new(back.bytes(), left),
                Step::Empty if replayed.bytes().is_empty() => return Ok(None),
                Step::Empty => {}
            }
        }
    }

    /// How many bytes of unfinished messages are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many bytes of memory it takes besides itself.
    pub fn memory(&self) -> usize {
        let bodies: usize = self.streams.iter().map(|stream| stream.body.capacity()).sum();
        self.streams.capacity() * size_of::<ChunkStream>() + bodies
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Step, Error> {
        loop {
            let Some((index, remaining)) = self.chunk else {
                let Some((&byte, rest)) = input.split_first() else { return Ok(Step::Empty) };
                self.header[self.header_len] = byte;
                match self.judge_header(self.header_len + 1)? {
                    Header::Without(n) => {
                        // The byte at hand stays in the input.
                        let start = self.header_len - n;
                        let back = Replay::new(&self.header[start..][..n], &[]);
                        self.header_len = start;
                        self.position -= n as u64;
                        self.begin_chunk()?;
                        return Ok(Step::Back(back));
                    }
                    judged => {
                        *input = rest;
                        self.position += 1;
                        self.header_len += 1;
                        if matches!(judged, Header::Complete) {
                            self.begin_chunk()?;
                        }
                    }
                }
                continue;
            };
            let take = input.len().min(remaining as usize);
            let (taken, rest) = input.split_at(take);
            *input = rest;
            self.position += take as u64;
            let stream = &mut self.streams[index];
            if !skipped(self.limits, stream.type_id) {
                stream.body.extend_from_slice(taken);
                self.held += take;
                if self.held > 2 * self.limits.message_max as usize {
                    return Err(Error::TooLarge {
                        what: "unfinished messages",
                        limit: 2 * u64::from(self.limits.message_max),
                    });
                }
            }
            // A chunk is not larger than the message, whose length has 24 bits.
            let received = stream.received.unwrap_or(0) + take as u32;
            stream.received = Some(received);
            let remaining = remaining - take as u32;
            if remaining > 0 {
                self.chunk = Some((index, remaining));
                return Ok(Step::Empty);
            }
            self.chunk = None;
            if received == stream.length
                && let Some(message) = self.finish(index)?
            {
                return Ok(Step::Complete(message));
            }
        }
    }

    /// The message of the chunk stream `index` is complete.
    fn finish(&mut self, index: usize) -> Result<Option<Message>, Error> {
        let stream = &mut self.streams[index];
        stream.received = None;
        if skipped(self.limits, stream.type_id) {
            return Ok(None);
        }
        let message = Message {
            type_id: stream.type_id,
            timestamp: stream.timestamp,
            stream: stream.message_stream,
            body: std::mem::take(&mut stream.body).freeze(),
        };
        self.held -= message.body.len();
        let number = message.body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.type_id, number) {
            (type_id::SET_CHUNK_SIZE, Some(size)) => {
                // 5.4.1: the first bit is zero; no message is longer than 24 bits say.
                let size = size & 0x7fff_ffff;
                if size == 0 {
                    return self.malformed("chunk size");
                }
                self.chunk_size = size;
            }
            (type_id::ABORT, Some(id)) => {
                if let Some(aborted) = self.streams.iter_mut().find(|stream| stream.id == id) {
                    self.held -= aborted.body.len();
                    aborted.body = BytesMut::new();
                    aborted.received = None;
                }
            }
            _ => {}
        }
        Ok(Some(message))
    }

    fn malformed<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Malformed { what, offset: self.position })
    }

    /// Whether the first `len` bytes of the header are all of it.
    fn judge_header(&self, len: usize) -> Result<Header, Error> {
        let header = &self.header[..len];
        let (format, basic) = basic_header(header);
        let fields = basic + [11, 7, 3, 0][format];
        if len < fields {
            return Ok(Header::NeedsMore);
        }
        if format < 3 {
            let extended = be24(&header[basic..]) == EXTENDED;
            let needed = fields + if extended { 4 } else { 0 };
            return Ok(if len < needed { Header::NeedsMore } else { Header::Complete });
        }
        let known = self.streams.iter().find(|stream| stream.id == chunk_stream(header));
        let Some(stream) = known else {
            return self.malformed("chunk of an unknown chunk stream");
        };
        let Some(extended) = stream.extended else { return Ok(Header::Complete) };
        // 5.3.1.3: type 3 repeats the field. Some programs leave it out in the middle of a message;
        // then these bytes are body, which is told from their not being the timestamp.
        let seen = &header[fields..];
        if stream.received.is_some() && !extended.to_be_bytes().starts_with(seen) {
            return Ok(Header::Without(seen.len() - 1));
        }
        Ok(if seen.len() < 4 { Header::NeedsMore } else { Header::Complete })
    }

    /// The header is complete: finds the chunk stream, and begins or goes on with its message.
    fn begin_chunk(&mut self) -> Result<(), Error> {
        let header = &self.header[..self.header_len];
        let (format, basic) = basic_header(header);
        let id = chunk_stream(header);
        let index = match self.streams.iter().position(|stream| stream.id == id) {
            Some(index) => index,
            // 5.3.1.2.1: a chunk stream starts with type 0. Type 1 is seen in the wild.
            None if format > 1 => return self.malformed("chunk of an unknown chunk stream"),
            None if self.streams.len() >= self.limits.streams_max => {
                let limit = self.limits.streams_max as u64;
                return Err(Error::TooLarge { what: "chunk stream count", limit });
            }
            None => {
                self.streams.push(ChunkStream::new(id));
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[index];
        let dropped = stream.apply(format, &header[basic..]);
        self.held -= dropped;
        self.header_len = 0;
        let skip = skipped(self.limits, stream.type_id);
        if !skip && stream.length > self.limits.message_max {
            let limit = u64::from(self.limits.message_max);
            return Err(Error::TooLarge { what: "message length", limit });
        }
        let remaining = stream.length - stream.received.unwrap_or(0);
        self.chunk = Some((index, remaining.min(self.chunk_size)));
        Ok(())
    }
}

impl ChunkStream {
    fn new(id: u32) -> ChunkStream {
        ChunkStream {
            id,
            timestamp: 0,
            delta: 0,
            length: 0,
            type_id: 0,
            message_stream: 0,
            extended: None,
            received: None,
            body: BytesMut::new(),
        }
    }

    /// Applies the message header `fields` (5.3.1.2), and says how many bytes of an unfinished
    /// message it threw away.
    fn apply(&mut self, format: usize, fields: &[u8]) -> usize {
        let mut dropped = 0;
        // Type 3 SHOULD be used within a message (5.3.1.2.4), so the others can occur there. One
        // that says the same length and type goes on with it; else a new message begins.
        if self.received.is_some() {
            if format >= 2 || (be24(&fields[3..]), fields[6]) == (self.length, self.type_id) {
                return 0;
            }
            dropped = self.body.len();
            self.body = BytesMut::new();
        }
        self.received = Some(0);
        if format < 2 {
            self.length = be24(&fields[3..]);
            self.type_id = fields[6];
        }
        if format == 0 {
            // The only little-endian field of the protocol.
            self.message_stream = u32::from_le_bytes([fields[7], fields[8], fields[9], fields[10]]);
        }
        if format < 3 {
            let short = be24(fields);
            self.extended = (short == EXTENDED).then(|| be32(&fields[[11, 7, 3][format]..]));
            self.delta = self.extended.unwrap_or(short);
        }
        // 5.3.1.2.4: after type 0, the delta of a type 3 is the timestamp of the type 0.
        self.timestamp = match format {
            0 => self.delta,
            _ => self.timestamp.wrapping_add(self.delta),
        };
        dropped
    }
}

fn skipped(limits: ChunkLimits, type_id: u8) -> bool {
    use type_id::{ABORT, COMMAND, COMMAND_AMF3, SET_CHUNK_SIZE};
    let kept = matches!(type_id, SET_CHUNK_SIZE | ABORT | COMMAND | COMMAND_AMF3);
    limits.commands_only && !kept
}

/// The chunk type and the length of the basic header (5.3.1.1).
fn basic_header(header: &[u8]) -> (usize, usize) {
    let length = match header[0] & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    };
    (usize::from(header[0] >> 6), length)
}

/// The chunk stream id of a whole basic header.
fn chunk_stream(header: &[u8]) -> u32 {
    match header[0] & 0x3f {
        0 => 64 + u32::from(header[1]),
        1 => 64 + u32::from(header[1]) + 256 * u32::from(header[2]),
        id => id.into(),
    }
}

fn be24(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
