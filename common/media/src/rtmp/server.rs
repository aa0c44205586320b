use std::collections::VecDeque;

use bytes::Bytes;

use super::link::{Link, on};
use super::{Command, Payload, Settings, UserControl};
use crate::amf::Value;
use crate::{Error, Media, Role};

/// The server's end of one RTMP connection: of a publisher, or of a player.
///
/// Feed it with [`receive`](Server::receive), then drain [`poll`](Server::poll) and
/// [`output`](Server::output) until each answers `None`. One stream per connection: a second
/// `publish` or `play` while one runs is refused.
#[derive(Debug)]
pub struct Server {
    link: Link,
    state: State,
    events: VecDeque<ServerEvent>,
}

/// What a [`Server`] has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// The client connected to an application. It is answered already.
    Connected {
        /// The application, without a query and without slashes around it.
        app: String,
        /// The URL that the client believes it is at; may be empty.
        tc_url: String,
    },
    /// The client wants to publish. Say [`accept`](Server::accept) or [`refuse`](Server::refuse).
    PublishRequested {
        /// The stream key as sent, with what follows a `?`.
        key: String,
    },
    /// The client wants to play. Say [`accept`](Server::accept) or [`refuse`](Server::refuse).
    PlayRequested {
        /// The stream key as sent, with what follows a `?`.
        key: String,
    },
    /// The player paused (`true`) or went on (`false`). Nothing need be sent while it is paused.
    Paused(bool),
    /// The publisher sent this.
    Media(Media),
    /// The client stopped publishing or playing, or took its request back. It may begin again on
    /// the same connection.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `connect`.
    Fresh,
    /// Connected, without a role.
    Idle,
    /// Awaits our word.
    Asking(Role),
    Active(Role),
}

/// The only message stream there is.
const STREAM: u32 = 1;

impl Server {
    /// A server that awaits the handshake.
    pub fn new(settings: Settings) -> Server {
        Server { link: Link::server(settings), state: State::Fresh, events: VecDeque::new() }
    }

    /// Takes bytes of the client, in pieces of any size.
    ///
    /// # Errors
    /// The connection is then beyond repair: send what [`output`](Server::output) still holds and
    /// close it.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while let Some((_, payload)) = self.link.receive(&mut bytes)? {
            match payload {
                Payload::Command(command) => self.command(&command)?,
                Payload::Media(media) => self.media(media),
                Payload::Aggregate(parts) => parts.into_iter().for_each(|media| self.media(media)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// Bytes to send to the client; `None` when there are none.
    pub fn output(&mut self) -> Option<Bytes> {
        self.link.output()
    }

    /// How many bytes [`output`](Server::output) would give: a player that does not read lets them
    /// grow, and the driver should drop it.
    pub fn pending(&self) -> usize {
        self.link.pending()
    }

    /// Lets the client publish or play what it asked for.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if it did not ask.
    pub fn accept(&mut self) -> Result<(), Error> {
        let role = self.asking("accept")?;
        self.state = State::Active(role);
        self.link.control(UserControl::StreamBegin(STREAM));
        match role {
            Role::Broadcaster => self.status("status", "NetStream.Publish.Start", "Publishing."),
            Role::Viewer => {
                self.status("status", "NetStream.Play.Reset", "Playing and resetting.");
                self.status("status", "NetStream.Play.Start", "Playing.");
            }
        }
        Ok(())
    }

    /// Denies the client what it asked for. `description` is shown to people.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if it did not ask.
    pub fn refuse(&mut self, description: &str) -> Result<(), Error> {
        let role = self.asking("refuse")?;
        self.state = State::Idle;
        self.deny(role, description);
        Ok(())
    }

    /// Sends a message to an accepted player.
    ///
    /// # Errors
    /// [`Error::OutOfPlace`] if there is no accepted player.
    pub fn send(&mut self, media: &Media) -> Result<(), Error> {
        if self.state != State::Active(Role::Viewer) {
            return self.out_of_place("media for a player");
        }
        self.link.send_media(STREAM, media.clone());
        Ok(())
    }

    /// Tells an accepted player that the stream is over (NetStream.Play.UnpublishNotify and stream
    /// EOF). Does nothing if there is none.
    pub fn finish(&mut self) {
        if self.state == State::Active(Role::Viewer) {
            self.state = State::Idle;
            self.link.control(UserControl::StreamEof(STREAM));
            self.status("status", "NetStream.Play.UnpublishNotify", "The stream is over.");
        }
    }

    fn media(&mut self, media: Media) {
        // What comes before the word is given, or after the end, belongs to no stream.
        if self.state == State::Active(Role::Broadcaster) {
            self.events.push_back(ServerEvent::Media(media));
        }
    }

    fn command(&mut self, command: &Command) -> Result<(), Error> {
        match (command.name.as_str(), self.state) {
            ("connect", State::Fresh) => self.connect(command),
            (_, State::Fresh) => return self.out_of_place("a command before connect"),
            ("createStream", _) => self.result(command, Value::Number(STREAM.into())),
            // The length of a live stream is unknown.
            ("getStreamLength", _) => self.result(command, Value::Number(0.0)),
            ("releaseStream" | "FCPublish" | "FCSubscribe", _) => {
                self.result(command, Value::Undefined);
            }
            ("publish", _) => self.request(command, Role::Broadcaster),
            ("play", _) => self.request(command, Role::Viewer),
            ("pause" | "pauseRaw", State::Active(Role::Viewer)) => self.pause(command),
            ("deleteStream" | "closeStream" | "FCUnpublish" | "FCUnsubscribe", state) => {
                if matches!(state, State::Asking(_) | State::Active(_)) {
                    self.state = State::Idle;
                    self.events.push_back(ServerEvent::Ended);
                }
            }
            // 7.2.1.2: a call of something unknown is answered if an answer is expected.
            _ if command.transaction != 0.0 => self.error(command),
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command) {
        let property = |name| {
            let value = command.arguments.first().and_then(|object| object.property(name));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let app = property("app").split('?').next().unwrap_or_default().trim_matches('/');
        let tc_url = property("tcUrl");
        self.state = State::Idle;
        let window = self.link.settings().window;
        self.link.send(on::CONTROL, 0, &Payload::WindowAckSize(window));
        self.link.send(on::CONTROL, 0, &Payload::SetPeerBandwidth { window, limit: 2 });
        self.link.raise_chunk_size();
        let server = [("fmsVer", "FMS/3,0,1,123".into()), ("capabilities", Value::Number(31.0))];
        let status = [
            ("level", "status".into()),
            ("code", "NetConnection.Connect.Success".into()),
            ("description", "Connection succeeded.".into()),
            ("objectEncoding", Value::Number(0.0)),
        ];
        let arguments = [Value::object(server), Value::object(status)];
        let result = Command::new("_result", command.transaction, arguments);
        self.link.send(on::COMMAND, 0, &Payload::Command(result));
        self.events
            .push_back(ServerEvent::Connected { app: app.to_owned(), tc_url: tc_url.to_owned() });
    }

    fn request(&mut self, command: &Command, role: Role) {
        let key = command.text(1).unwrap_or_default();
        if self.state != State::Idle {
            return self.deny(role, "This connection carries a stream already.");
        }
        if key.is_empty() {
            return self.deny(role, "The stream key is empty.");
        }
        self.state = State::Asking(role);
        let key = key.to_owned();
        self.events.push_back(match role {
            Role::Broadcaster => ServerEvent::PublishRequested { key },
            Role::Viewer => ServerEvent::PlayRequested { key },
        });
    }

    /// 7.2.2.8
    fn pause(&mut self, command: &Command) {
        let pause = command.arguments.get(1).and_then(Value::as_bool).unwrap_or(true);
        self.events.push_back(ServerEvent::Paused(pause));
        match pause {
            true => self.status("status", "NetStream.Pause.Notify", "Paused."),
            false => self.status("status", "NetStream.Unpause.Notify", "Going on."),
        }
    }

    fn deny(&mut self, role: Role, description: &str) {
        let code = match role {
            Role::Broadcaster => "NetStream.Publish.BadName",
            Role::Viewer => "NetStream.Play.StreamNotFound",
        };
        self.status("error", code, description);
    }

    /// 7.2.2
    fn status(&mut self, level: &str, code: &str, description: &str) {
        let information = Value::object([
            ("level", level.into()),
            ("code", code.into()),
            ("description", description.into()),
        ]);
        let status = Command::new("onStatus", 0.0, [Value::Null, information]);
        self.link.send(on::STATUS, STREAM, &Payload::Command(status));
    }

    fn result(&mut self, command: &Command, value: Value) {
        let result = Command::new("_result", command.transaction, [Value::Null, value]);
        self.link.send(on::COMMAND, 0, &Payload::Command(result));
    }

    fn error(&mut self, command: &Command) {
        let information = Value::object([
            ("level", "error".into()),
            ("code", "NetConnection.Call.Failed".into()),
            ("description", "There is no such call.".into()),
        ]);
        let error = Command::new("_error", command.transaction, [Value::Null, information]);
        self.link.send(on::COMMAND, 0, &Payload::Command(error));
    }

    fn asking(&self, what: &'static str) -> Result<Role, Error> {
        match self.state {
            State::Asking(role) => Ok(role),
            _ => self.out_of_place(what),
        }
    }

    fn out_of_place<T>(&self, what: &'static str) -> Result<T, Error> {
        let state = match self.state {
            State::Fresh => "the client is not connected",
            State::Idle => "the client has no role",
            State::Asking(_) => "the client awaits an answer",
            State::Active(Role::Broadcaster) => "the client publishes",
            State::Active(Role::Viewer) => "the client plays",
        };
        Err(Error::OutOfPlace { what, state })
    }
}
