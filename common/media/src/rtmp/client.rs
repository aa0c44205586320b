use std::collections::VecDeque;

use bytes::Bytes;

use super::link::{Link, on};
use super::message::as_published;
use super::{Command, Payload, Settings, Url, UserControl};
use crate::amf::Value;
use crate::{Error, Media, Role};

/// The client's end of one RTMP connection, which publishes or plays one stream.
///
/// [`output`](Client::output) holds the beginning of the handshake from the start. Feed it with
/// [`receive`](Client::receive), then drain [`poll`](Client::poll) and `output` until each answers
/// `None`.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    link: Link,
    state: State,
    /// The message stream: the one that the server gave, or, until then, the one it will give.
    stream: u32,
    /// A pause is asked for or in force: the end of the server's sending is not the stream's.
    paused: bool,
    events: VecDeque<ClientEvent>,
}

/// What a [`Client`] is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The stream, and where it is.
    pub url: Url,
    /// Publish it as [`Role::Broadcaster`], or play it as [`Role::Viewer`].
    pub role: Role,
    /// Send the whole handshake and all commands at once, without waiting for answers, which saves
    /// four round trips at the start. nginx-rtmp and [`Server`](super::Server) accept that; a
    /// server that compares C2 with its S1 does not.
    pub pipeline: bool,
    /// Sizes.
    pub settings: Settings,
}

/// What a [`Client`] has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepted the publisher or player (NetStream.Publish.Start, NetStream.Play.Start).
    /// A player can see it again after [`Ended`](ClientEvent::Ended), when the broadcaster returns.
    Accepted,
    /// The server refused; nothing more will come.
    Refused {
        /// Such as `NetStream.Publish.BadName`.
        code: String,
        /// The server's words.
        description: String,
    },
    /// The server sent this to the player.
    Media(Media),
    /// The server confirmed a pause (`true`) or its end (`false`).
    Paused(bool),
    /// The stream is over: the broadcaster stopped, or the server ended it.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Handshake,
    Connecting,
    Creating,
    Asking,
    Active,
    /// The stream ended; the connection stands.
    Ended,
    /// Refused, or finished by us.
    Over,
}

/// The transactions of the commands that are answered.
const CONNECT: f64 = 1.0;
const CREATE_STREAM: f64 = 4.0;

/// How much a player says it buffers, in ms. Some servers hold media back without it.
const BUFFER: u32 = 100;

impl Client {
    /// A client that is about to connect.
    pub fn new(config: ClientConfig) -> Client {
        let link = Link::client(config.settings, config.pipeline);
        let mut client = Client {
            config,
            link,
            state: State::Handshake,
            stream: 1,
            paused: false,
            events: VecDeque::new(),
        };
        if client.config.pipeline {
            client.connect();
            client.create_stream();
            client.ask();
        }
        client
    }

    /// Takes bytes of the server, in pieces of any size.
    ///
    /// # Errors
    /// The connection is then beyond repair.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        loop {
            let received = self.link.receive(&mut bytes)?;
            if self.state == State::Handshake && self.link.is_open() {
                match self.config.pipeline {
                    true => self.state = State::Connecting,
                    false => self.connect(),
                }
            }
            match received {
                None => return Ok(()),
                Some((_, Payload::Command(command))) => self.command(&command),
                Some((_, Payload::Media(media))) => self.media(media),
                Some((_, Payload::Aggregate(parts))) => {
                    parts.into_iter().for_each(|media| self.media(media));
                }
                Some((_, Payload::UserControl(UserControl::StreamEof(_)))) => self.ended(),
                Some(_) => {}
            }
        }
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Bytes to send to the server; `None` when there are none.
    pub fn output(&mut self) -> Option<Bytes> {
        self.link.output()
    }

    /// How many bytes [`output`](Client::output) would give.
    pub fn pending(&self) -> usize {
        self.link.pending()
    }

    /// Sends a message of the published stream.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] unless this is an accepted publisher.
    pub fn send(&mut self, media: &Media) -> Result<(), Error> {
        self.active_as(Role::Broadcaster, "media of a publisher")?;
        self.link.send_media(self.stream, as_published(media));
        Ok(())
    }

    /// Asks the server to hold the stream (`true`), or to go on with it (`false`). The session
    /// stays either way. `at` is the timestamp of the last message released, in ms.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] unless this is an accepted player.
    pub fn pause(&mut self, pause: bool, at: u32) -> Result<(), Error> {
        self.active_as(Role::Viewer, "pause")?;
        if pause {
            self.paused = true;
        }
        let arguments = [Value::Null, pause.into(), f64::from(at).into()];
        self.call_on_stream(Command::new("pause", 0.0, arguments));
        Ok(())
    }

    /// Stops publishing or playing (FCUnpublish, deleteStream). Close the connection once the
    /// output is sent.
    pub fn finish(&mut self) {
        if matches!(self.state, State::Asking | State::Active | State::Ended) {
            if self.config.role == Role::Broadcaster {
                let key = self.config.url.key().into();
                self.call(Command::new("FCUnpublish", 0.0, [Value::Null, key]));
            }
            let stream = Value::Number(self.stream.into());
            self.call(Command::new("deleteStream", 0.0, [Value::Null, stream]));
        }
        self.state = State::Over;
    }

    /// 7.2.1.1
    fn connect(&mut self) {
        let url = &self.config.url;
        let mut object = vec![
            ("app".to_owned(), url.app().into()),
            ("flashVer".to_owned(), "FMLE/3.0 (compatible; nearcast)".into()),
            ("tcUrl".to_owned(), Value::String(url.tc_url())),
        ];
        match self.config.role {
            Role::Broadcaster => object.push(("type".to_owned(), "nonprivate".into())),
            // What a player can decode, in the bits of 7.2.1.1: everything.
            Role::Viewer => object.extend([
                ("fpad".to_owned(), false.into()),
                ("capabilities".to_owned(), Value::Number(15.0)),
                ("audioCodecs".to_owned(), Value::Number(4071.0)),
                ("videoCodecs".to_owned(), Value::Number(252.0)),
                ("videoFunction".to_owned(), Value::Number(1.0)),
            ]),
        }
        self.call(Command::new("connect", CONNECT, [Value::Object(object)]));
        self.link.raise_chunk_size();
        if self.link.is_open() {
            self.state = State::Connecting;
        }
    }

    fn create_stream(&mut self) {
        if self.config.role == Role::Broadcaster {
            let key = || Value::from(self.config.url.key());
            let (release, announce) = (key(), key());
            self.call(Command::new("releaseStream", 2.0, [Value::Null, release]));
            self.call(Command::new("FCPublish", 3.0, [Value::Null, announce]));
        }
        self.call(Command::new("createStream", CREATE_STREAM, [Value::Null]));
    }

    /// 7.2.2.1, 7.2.2.6
    fn ask(&mut self) {
        let key = self.config.url.key().into();
        match self.config.role {
            Role::Broadcaster => {
                let arguments = [Value::Null, key, "live".into()];
                self.call_on_stream(Command::new("publish", 5.0, arguments));
            }
            Role::Viewer => {
                let stream = self.stream;
                // -2: the live stream, or else a recorded one. It is sent in ms by custom.
                let arguments = [Value::Null, key, Value::Number(-2000.0)];
                self.call_on_stream(Command::new("play", 5.0, arguments));
                self.link.control(UserControl::SetBufferLength { stream, millis: BUFFER });
            }
        }
    }

    fn call(&mut self, command: Command) {
        self.link.send(on::COMMAND, 0, &Payload::Command(command));
    }

    fn call_on_stream(&mut self, command: Command) {
        self.link.send(on::STATUS, self.stream, &Payload::Command(command));
    }

    fn media(&mut self, media: Media) {
        // RtmpSampleAccess and the like are for players of Flash, no part of the stream.
        let permission = media.body.starts_with(b"\x02\x00\x11|RtmpSampleAccess");
        if self.config.role == Role::Viewer && self.state == State::Active && !permission {
            self.events.push_back(ClientEvent::Media(media));
        }
    }

    fn command(&mut self, command: &Command) {
        match (command.name.as_str(), self.state) {
            (_, State::Over) => {}
            ("_result", State::Connecting) if command.transaction == CONNECT => {
                self.state = State::Creating;
                if !self.config.pipeline {
                    self.create_stream();
                }
            }
            ("_result", State::Creating) if command.transaction == CREATE_STREAM => {
                self.state = State::Asking;
                let number = command.arguments.get(1).and_then(Value::as_number);
                // A float becomes an integer by saturation; what is no stream id is refused later.
                let stream = number.unwrap_or(1.0) as u32;
                if !self.config.pipeline || stream != self.stream {
                    self.stream = stream;
                    self.ask();
                }
            }
            // Answers to releaseStream and FCPublish may be errors without meaning anything.
            ("_error", _) if [CONNECT, CREATE_STREAM].contains(&command.transaction) => {
                self.refused(command);
            }
            ("onStatus", _) => self.status(command),
            _ => {}
        }
    }

    fn status(&mut self, command: &Command) {
        let is_error = command
            .arguments
            .iter()
            .any(|argument| argument.property("level").and_then(Value::as_str) == Some("error"));
        match command.code().unwrap_or_default() {
            // nginx-rtmp says so again when a pause is over.
            "NetStream.Publish.Start" | "NetStream.Play.Start" if self.state == State::Active => {}
            "NetStream.Publish.Start" | "NetStream.Play.Start" => {
                self.state = State::Active;
                self.events.push_back(ClientEvent::Accepted);
            }
            "NetStream.Pause.Notify" => self.events.push_back(ClientEvent::Paused(true)),
            "NetStream.Unpause.Notify" => {
                self.paused = false;
                self.events.push_back(ClientEvent::Paused(false));
            }
            "NetStream.Play.UnpublishNotify" | "NetStream.Play.Complete" => {
                self.paused = false;
                self.ended();
            }
            "NetStream.Play.Stop" => self.ended(),
            _ if is_error && self.state < State::Active => self.refused(command),
            _ if is_error => self.ended(),
            _ => {}
        }
    }

    fn refused(&mut self, command: &Command) {
        self.state = State::Over;
        self.events.push_back(ClientEvent::Refused {
            code: command.code().unwrap_or_default().to_owned(),
            description: command.description().unwrap_or_default().to_owned(),
        });
    }

    fn ended(&mut self) {
        if self.state == State::Active && !self.paused {
            self.state = State::Ended;
            self.events.push_back(ClientEvent::Ended);
        }
    }

    fn active_as(&self, role: Role, what: &'static str) -> Result<(), Error> {
        let state = match self.state {
            State::Active if self.config.role == role => return Ok(()),
            State::Active => "this client has the other role",
            State::Ended | State::Over => "the stream is over",
            _ => "the server has not accepted yet",
        };
        Err(Error::OutOfPlace { what, state })
    }
}
