use bytes::{Bytes, BytesMut};

use super::handshake::Handshake;
use super::message::UserControl;
use super::{ChunkLimits, ChunkReader, ChunkWriter, Message, Payload, Settings};
use crate::Error;

/// What both ends of a session share: the handshake, the chunk layer, acknowledgements and pings.
#[derive(Debug)]
pub(super) struct Link {
    settings: Settings,
    handshake: Option<Handshake>,
    reader: ChunkReader,
    writer: ChunkWriter,
    out: BytesMut,
    /// Bytes received, and how many of them were acknowledged (5.4.3).
    received: u64,
    acknowledged: u64,
    /// After how many bytes the other side wants that.
    window: Option<u32>,
}

/// Chunk streams, by custom: control, commands, audio, video, data.
pub(super) mod on {
    pub(crate) const CONTROL: u32 = 2;
    pub(crate) const COMMAND: u32 = 3;
    pub(crate) const AUDIO: u32 = 4;
    pub(crate) const STATUS: u32 = 5;
    pub(crate) const VIDEO: u32 = 6;
    pub(crate) const DATA: u32 = 7;
}

const CHUNK_STREAMS_MAX: usize = 64;

impl Link {
    pub(super) fn server(settings: Settings) -> Link {
        Link::new(settings, Handshake::server(), BytesMut::new())
    }

    pub(super) fn client(settings: Settings, early: bool) -> Link {
        let mut out = BytesMut::new();
        Link::new(settings, Handshake::client(early, &mut out), out)
    }

    fn new(settings: Settings, handshake: Handshake, out: BytesMut) -> Link {
        let reader = ChunkReader::new(ChunkLimits {
            message_max: settings.message_max,
            streams_max: CHUNK_STREAMS_MAX,
            commands_only: false,
        });
        Link {
            settings,
            handshake: Some(handshake),
            reader,
            writer: ChunkWriter::new(),
            out,
            received: 0,
            acknowledged: 0,
            window: None,
        }
    }

    /// Whether the handshake is over.
    pub(super) fn is_open(&self) -> bool {
        self.handshake.is_none()
    }

    /// Takes bytes off the front of `input` until something is to be decided: what was said, and on
    /// which message stream. `None` once `input` is empty.
    pub(super) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<(u32, Payload)>, Error> {
        let before = input.len();
        let received = self.take(input);
        self.received += (before - input.len()) as u64;
        self.acknowledge();
        received
    }

    fn take(&mut self, input: &mut &[u8]) -> Result<Option<(u32, Payload)>, Error> {
        if let Some(handshake) = &mut self.handshake {
            if !handshake.read(input, &mut self.out)? {
                return Ok(None);
            }
            self.handshake = None;
        }
        while let Some(message) = self.reader.read(input)? {
            match message.payload()? {
                Payload::WindowAckSize(window) => self.window = Some(window),
                Payload::SetPeerBandwidth { .. } => {
                    self.send(on::CONTROL, 0, &Payload::WindowAckSize(self.settings.window));
                }
                Payload::UserControl(UserControl::Ping(number)) => {
                    self.control(UserControl::Pong(number));
                }
                payload => return Ok(Some((message.stream, payload))),
            }
        }
        Ok(None)
    }

    fn acknowledge(&mut self) {
        let due = self
            .window
            .is_some_and(|window| self.received - self.acknowledged >= u64::from(window.max(1)));
        if due && self.is_open() {
            self.acknowledged = self.received;
            // The sequence number wraps at 32 bits (5.4.3).
            self.send(on::CONTROL, 0, &Payload::Acknowledgement(self.received as u32));
        }
    }

    pub(super) fn send(&mut self, chunk_stream: u32, stream: u32, payload: &Payload) {
        self.writer.write(chunk_stream, &Message::new(stream, payload), &mut self.out);
    }

    pub(super) fn control(&mut self, event: UserControl) {
        self.send(on::CONTROL, 0, &Payload::UserControl(event));
    }

    pub(super) fn send_media(&mut self, stream: u32, media: crate::Media) {
        let chunk_stream = match media.kind {
            crate::Kind::Audio => on::AUDIO,
            crate::Kind::Video => on::VIDEO,
            crate::Kind::Data => on::DATA,
        };
        self.send(chunk_stream, stream, &Payload::Media(media));
    }

    /// Sends chunks of the size that the settings name, from here on.
    pub(super) fn raise_chunk_size(&mut self) {
        self.writer.set_chunk_size(self.settings.chunk_size, &mut self.out);
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    pub(super) fn output(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    pub(super) fn pending(&self) -> usize {
        self.out.len()
    }
}
