use bytes::Bytes;

use crate::amf::{self, Value};
use crate::cursor::Cursor;
use crate::media::ON_META_DATA;
use crate::{Error, Kind, Media};

/// A message as the chunk layer carries it (RTMP 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What its body means.
    pub type_id: u8,
    /// Milliseconds, modulo 2^32, absolute.
    pub timestamp: u32,
    /// The message stream it belongs to; 0 for control and for the connection's own commands.
    pub stream: u32,
    /// The body.
    pub body: Bytes,
}

/// What a message's body means.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Type 1 (5.4.1). The chunk layer has obeyed it already.
    SetChunkSize(u32),
    /// Type 2 (5.4.2): forget the partial message of this chunk stream. Obeyed already.
    Abort(u32),
    /// Type 3 (5.4.3): how many bytes were received, modulo 2^32.
    Acknowledgement(u32),
    /// Type 4 (6.2, 7.1.7).
    UserControl(UserControl),
    /// Type 5 (5.4.4): acknowledge each time this many bytes came.
    WindowAckSize(u32),
    /// Type 6 (5.4.5): send no more than this many unacknowledged bytes.
    SetPeerBandwidth {
        /// In bytes.
        window: u32,
        /// 0 hard, 1 soft, 2 dynamic.
        limit: u8,
    },
    /// Types 20 (AMF0) and 17 (AMF3) (7.1.1).
    Command(Command),
    /// Types 8, 9, 18, and 15, which becomes 18.
    Media(Media),
    /// Type 22 (7.1.6): several at once.
    Aggregate(Vec<Media>),
    /// Any other type, such as shared objects.
    Other,
}

/// A user control event (7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserControl {
    /// 0: the stream can be used.
    StreamBegin(u32),
    /// 1: the stream is over.
    StreamEof(u32),
    /// 2: nothing more comes for now.
    StreamDry(u32),
    /// 3: the client's buffer.
    SetBufferLength {
        /// The message stream.
        stream: u32,
        /// Its size in ms.
        millis: u32,
    },
    /// 4: the stream is recorded.
    StreamIsRecorded(u32),
    /// 6: to be answered with the same number.
    Ping(u32),
    /// 7: the answer.
    Pong(u32),
    /// Another, by its number.
    Other(u16),
}

/// A command, or the answer to one (7.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Such as `connect`, `publish`, `_result`, `onStatus`.
    pub name: String,
    /// Which command is answered; 0 where no answer is expected.
    pub transaction: f64,
    /// The command object (often null), then the arguments.
    pub arguments: Vec<Value>,
}

/// What a publisher puts in front of metadata.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

pub(crate) mod type_id {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
    pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
    pub(crate) const DATA_AMF3: u8 = 15;
    pub(crate) const COMMAND_AMF3: u8 = 17;
    pub(crate) const COMMAND: u8 = 20;
    pub(crate) const AGGREGATE: u8 = 22;
}

impl Message {
    /// A message on `stream` that says `payload`. What this crate never sends,
    /// [`Payload::Aggregate`] and [`Payload::Other`], becomes an empty message.
    pub fn new(stream: u32, payload: &Payload) -> Message {
        let number = |value: &u32| value.to_be_bytes().to_vec();
        let mut timestamp = 0;
        let (type_id, body) = match payload {
            Payload::SetChunkSize(size) => (type_id::SET_CHUNK_SIZE, number(size)),
            Payload::Abort(chunk_stream) => (type_id::ABORT, number(chunk_stream)),
            Payload::Acknowledgement(bytes) => (type_id::ACKNOWLEDGEMENT, number(bytes)),
            Payload::UserControl(event) => (type_id::USER_CONTROL, event.encode()),
            Payload::WindowAckSize(size) => (type_id::WINDOW_ACK_SIZE, number(size)),
            Payload::SetPeerBandwidth { window, limit } => {
                (type_id::SET_PEER_BANDWIDTH, [&number(window)[..], &[*limit]].concat())
            }
            Payload::Command(command) => (type_id::COMMAND, command.encode()),
            Payload::Media(media) => {
                timestamp = media.timestamp;
                let type_id = media.kind.type_id();
                return Message { type_id, timestamp, stream, body: media.body.clone() };
            }
            Payload::Aggregate(_) | Payload::Other => (type_id::AGGREGATE, Vec::new()),
        };
        Message { type_id, timestamp, stream, body: body.into() }
    }

    /// What the message says.
    ///
    /// # Errors
    /// If the body does not fit its type.
    pub fn payload(&self) -> Result<Payload, Error> {
        let mut cursor = Cursor::new(&self.body);
        Ok(match self.type_id {
            type_id::SET_CHUNK_SIZE => Payload::SetChunkSize(cursor.u32("set chunk size")?),
            type_id::ABORT => Payload::Abort(cursor.u32("abort message")?),
            type_id::ACKNOWLEDGEMENT => Payload::Acknowledgement(cursor.u32("acknowledgement")?),
            type_id::USER_CONTROL => Payload::UserControl(UserControl::read(&mut cursor)?),
            type_id::WINDOW_ACK_SIZE => Payload::WindowAckSize(cursor.u32("window ack size")?),
            type_id::SET_PEER_BANDWIDTH => Payload::SetPeerBandwidth {
                window: cursor.u32("set peer bandwidth")?,
                // Some servers leave the limit out; dynamic is what most others send.
                limit: cursor.u8("set peer bandwidth's limit").unwrap_or(2),
            },
            type_id::COMMAND => Payload::Command(Command::parse(&self.body)?),
            // A zero byte says that AMF0 follows, with AMF3 where the AVM+ mark says so.
            type_id::COMMAND_AMF3 => Payload::Command(Command::parse(skip_zero(&self.body))?),
            type_id::AGGREGATE => Payload::Aggregate(self.split_aggregate()?),
            type_id::DATA_AMF3 => {
                let body = self.body.slice_ref(skip_zero(&self.body));
                Payload::Media(self.media(Kind::Data, self.timestamp, body))
            }
            other => match Kind::from_type_id(other) {
                Some(kind) => Payload::Media(self.media(kind, self.timestamp, self.body.clone())),
                None => Payload::Other,
            },
        })
    }

    fn media(&self, kind: Kind, timestamp: u32, body: Bytes) -> Media {
        let marked = kind == Kind::Data && body.starts_with(SET_DATA_FRAME);
        let body = if marked { body.slice(SET_DATA_FRAME.len()..) } else { body };
        Media { kind, timestamp, body }
    }

    /// 7.1.6: FLV tags with back pointers. Their timestamps count from the first one's, which
    /// stands for the message's own.
    fn split_aggregate(&self) -> Result<Vec<Media>, Error> {
        let mut cursor = Cursor::new(&self.body);
        let mut parts = Vec::new();
        let mut first = None;
        while !cursor.is_empty() {
            let kind = cursor.u8("aggregate's message type")?;
            let length = cursor.u24("aggregate's message length")?;
            let low = cursor.u24("aggregate's timestamp")?;
            let high = cursor.u8("aggregate's timestamp")?;
            cursor.u24("aggregate's stream id")?;
            let body = cursor.take(length as usize, "aggregate's message")?;
            // The last back pointer is missing from what some servers send.
            if !cursor.is_empty() {
                cursor.u32("aggregate's back pointer")?;
            }
            let time = u32::from(high) << 24 | low;
            let offset = time.wrapping_sub(*first.get_or_insert(time));
            if let Some(kind) = Kind::from_type_id(kind) {
                let timestamp = self.timestamp.wrapping_add(offset);
                parts.push(self.media(kind, timestamp, self.body.slice_ref(body)));
            }
        }
        Ok(parts)
    }
}

/// `media` as a publisher sends it: metadata is marked as to be kept by the server for those who
/// join later.
pub(crate) fn as_published(media: &Media) -> Media {
    if media.kind == Kind::Data && media.body.starts_with(ON_META_DATA) {
        let body = [SET_DATA_FRAME, &media.body].concat().into();
        return Media { body, ..*media };
    }
    media.clone()
}

fn skip_zero(body: &[u8]) -> &[u8] {
    body.strip_prefix(&[0]).unwrap_or(body)
}

impl UserControl {
    fn read(cursor: &mut Cursor<'_>) -> Result<UserControl, Error> {
        let event = cursor.u16("user control event")?;
        let mut value = || cursor.u32("user control event's data");
        Ok(match event {
            0 => UserControl::StreamBegin(value()?),
            1 => UserControl::StreamEof(value()?),
            2 => UserControl::StreamDry(value()?),
            3 => UserControl::SetBufferLength { stream: value()?, millis: value()? },
            4 => UserControl::StreamIsRecorded(value()?),
            6 => UserControl::Ping(value()?),
            7 => UserControl::Pong(value()?),
            other => UserControl::Other(other),
        })
    }

    fn encode(self) -> Vec<u8> {
        let (event, values) = match self {
            UserControl::StreamBegin(stream) => (0, vec![stream]),
            UserControl::StreamEof(stream) => (1, vec![stream]),
            UserControl::StreamDry(stream) => (2, vec![stream]),
            UserControl::SetBufferLength { stream, millis } => (3, vec![stream, millis]),
            UserControl::StreamIsRecorded(stream) => (4, vec![stream]),
            UserControl::Ping(number) => (6, vec![number]),
            UserControl::Pong(number) => (7, vec![number]),
            UserControl::Other(event) => (event, vec![]),
        };
        let mut out = u16::to_be_bytes(event).to_vec();
        out.extend(values.into_iter().flat_map(u32::to_be_bytes));
        out
    }
}

impl Command {
    /// A command with `arguments`, the command object being the first of them.
    pub fn new<const N: usize>(name: &str, transaction: f64, arguments: [Value; N]) -> Command {
        Command { name: name.to_owned(), transaction, arguments: arguments.into() }
    }

    /// The argument `index` as text; 0 is the command object.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index)?.as_str()
    }

    /// The `code` of an onStatus, or of a `_result` or `_error` of connect.
    pub fn code(&self) -> Option<&str> {
        self.arguments.iter().find_map(|argument| argument.property("code")?.as_str())
    }

    /// The `description` beside a code.
    pub fn description(&self) -> Option<&str> {
        self.arguments.iter().find_map(|argument| argument.property("description")?.as_str())
    }

    fn parse(body: &[u8]) -> Result<Command, Error> {
        let mut values = amf::read_all(body)?.into_iter();
        match (values.next(), values.next()) {
            // Some programs leave the transaction out of an onStatus.
            (Some(Value::String(name)), transaction) => Ok(Command {
                name,
                transaction: transaction.and_then(|value| value.as_number()).unwrap_or(0.0),
                arguments: values.collect(),
            }),
            _ => Err(Error::Malformed { what: "command name", offset: 0 }),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        Value::String(self.name.clone()).encode(&mut out);
        Value::Number(self.transaction).encode(&mut out);
        self.arguments.iter().for_each(|argument| argument.encode(&mut out));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payloads() -> impl Strategy<Value = Payload> {
        let n = any::<u32>;
        prop_oneof![
            n().prop_map(Payload::SetChunkSize),
            n().prop_map(Payload::Abort),
            n().prop_map(Payload::Acknowledgement),
            n().prop_map(Payload::WindowAckSize),
            (n(), 0u8..3).prop_map(|(window, limit)| Payload::SetPeerBandwidth { window, limit }),
            prop_oneof![
                n().prop_map(UserControl::StreamBegin),
                n().prop_map(UserControl::StreamEof),
                n().prop_map(UserControl::StreamDry),
                n().prop_map(UserControl::StreamIsRecorded),
                n().prop_map(UserControl::Ping),
                n().prop_map(UserControl::Pong),
                (n(), n())
                    .prop_map(|(stream, millis)| UserControl::SetBufferLength { stream, millis }),
            ]
            .prop_map(Payload::UserControl),
            ("[a-zA-Z_]{1,12}", any::<u16>(), ".{0,20}").prop_map(|(name, number, text)| {
                let arguments = [Value::Null, Value::String(text)];
                Payload::Command(Command::new(&name, number.into(), arguments))
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(payload in payloads(), stream in any::<u32>()) {
            prop_assert_eq!(Message::new(stream, &payload).payload(), Ok(payload));
        }

        #[test]
        fn no_body_panics(type_id in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..99)) {
            let message = Message { type_id, timestamp: 0, stream: 0, body: body.into() };
            let _ = message.payload();
        }
    }

    #[test]
    fn an_aggregate_is_split_and_its_times_count_from_its_own() {
        let part = |kind, time: u8, byte| {
            vec![kind, 0, 0, 2, 0, 0, time, 0, 0, 0, 0, byte, byte, 0, 0, 0, 13]
        };
        let mut body = [part(8, 250, 1), part(9, 255, 2)].concat();
        body.truncate(body.len() - 4);
        let aggregate = Message { type_id: 22, timestamp: u32::MAX, stream: 1, body: body.into() };
        let parts = [
            Media { kind: Kind::Audio, timestamp: u32::MAX, body: Bytes::from_static(&[1, 1]) },
            Media { kind: Kind::Video, timestamp: 4, body: Bytes::from_static(&[2, 2]) },
        ];
        assert_eq!(aggregate.payload(), Ok(Payload::Aggregate(parts.into())));
    }

    #[test]
    fn metadata_loses_and_regains_its_mark() {
        let body = [ON_META_DATA, b"\x05"].concat();
        let media = Media { kind: Kind::Data, timestamp: 7, body: body.into() };
        let published = as_published(&media);
        assert!(published.body.starts_with(SET_DATA_FRAME));
        let message = Message::new(1, &Payload::Media(published));
        assert_eq!(message.payload(), Ok(Payload::Media(media)));
    }

    #[test]
    fn commands_of_amf3_are_commands() {
        let command = Command::new("play", 4.0, [Value::Null, "room".into()]);
        let mut body = vec![0];
        body.extend(command.encode());
        let message = Message { type_id: 17, timestamp: 0, stream: 1, body: body.into() };
        assert_eq!(message.payload(), Ok(Payload::Command(command)));
    }
}
