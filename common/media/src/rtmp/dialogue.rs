use std::collections::VecDeque;

use super::handshake::{HANDSHAKE, VERSION};
use super::{ChunkLimits, ChunkReader, Command, Payload};
use crate::amf::Value;
use crate::{Error, Role, StreamName};

/// A passive observer of one RTMP connection between two others.
///
/// It is fed the bytes of either direction in order, as TCP reassembly gives them, and tells which
/// stream the client publishes or plays. A request counts only once the server accepted it. Bodies
/// of audio and video are skipped, not kept: a connection costs about a kilobyte.
///
/// ```
/// use nearcast_media::rtmp::{Dialogue, DialogueEvent, Side, Undecided};
///
/// let mut dialogue = Dialogue::new(64 << 10);
/// dialogue.receive(Side::Client, b"GET / HTTP/1.1");
/// assert_eq!(dialogue.poll(), Some(DialogueEvent::Undecided(Undecided::Malformed)));
/// assert!(dialogue.is_over());
/// ```
#[derive(Debug)]
pub struct Dialogue {
    client: Direction,
    server: Direction,
    /// How many more bytes are looked at while no role is accepted.
    budget: u64,
    over: bool,
    app: Option<Box<str>>,
    requests: Vec<Request>,
    events: VecDeque<DialogueEvent>,
}

/// Who sent the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who opened the TCP connection.
    Client,
    /// Who listened.
    Server,
}

/// What a [`Dialogue`] has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogueEvent {
    /// The client named its application.
    Connecting {
        /// Without a query and without slashes around it.
        app: String,
    },
    /// The client asked for a role. It has none yet.
    Requested {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The server accepted the request: the client has the role from now on.
    Accepted {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The server refused the request.
    Refused {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
        /// Such as `NetStream.Publish.BadName`.
        code: String,
    },
    /// An accepted role ended, by either side.
    Stopped {
        /// The role.
        role: Role,
        /// The stream.
        stream: StreamName,
    },
    /// The observer gave up; it takes no more bytes.
    Undecided(Undecided),
}

/// Why a [`Dialogue`] gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undecided {
    /// This is not RTMP, or broken RTMP.
    Malformed,
    /// The byte budget is spent and no role was accepted.
    BudgetSpent,
    /// A message that matters is larger than an observer keeps, or too many are under way.
    TooLarge,
}

/// A stream that the client asked for.
#[derive(Debug)]
struct Request {
    role: Role,
    stream: StreamName,
    /// The message stream it asked on.
    on: u32,
    accepted: bool,
}

/// One direction of the connection.
#[derive(Debug)]
struct Direction {
    handshake: u64,
    reader: ChunkReader,
}

/// Commands that matter have some hundred bytes; connect with authentication a few thousand.
const LIMITS: ChunkLimits =
    ChunkLimits { message_max: 16 << 10, streams_max: 16, commands_only: true };

/// How many requests of one connection are kept. Programs make one.
const REQUESTS_MAX: usize = 4;

impl Dialogue {
    /// An observer of a connection from its first byte on, which looks at up to `budget` bytes of
    /// both directions together while no role is accepted.
    pub fn new(budget: u64) -> Dialogue {
        let direction = || Direction { handshake: HANDSHAKE, reader: ChunkReader::new(LIMITS) };
        Dialogue {
            client: direction(),
            server: direction(),
            budget,
            over: false,
            app: None,
            requests: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes the next bytes that `side` sent, in order and without a gap.
    pub fn receive(&mut self, side: Side, bytes: &[u8]) {
        if self.over {
            return;
        }
        if let Err(error) = self.observe(side, bytes) {
            self.give_up(match error {
                Error::TooLarge { .. } => Undecided::TooLarge,
                _ => Undecided::Malformed,
            });
        } else if !self.requests.iter().any(|request| request.accepted) {
            match self.budget.checked_sub(bytes.len() as u64) {
                Some(left) => self.budget = left,
                None => self.give_up(Undecided::BudgetSpent),
            }
        }
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<DialogueEvent> {
        self.events.pop_front()
    }

    /// Whether this observer gave up.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many bytes of memory it takes, events not yet polled left out.
    pub fn memory(&self) -> usize {
        let requests = self.requests.capacity() * size_of::<Request>();
        let names: usize = self.requests.iter().map(|request| request.stream.as_str().len()).sum();
        let app = self.app.as_ref().map_or(0, |app| app.len());
        let readers = self.client.reader.memory() + self.server.reader.memory();
        let events = self.events.capacity() * size_of::<DialogueEvent>();
        size_of::<Dialogue>() + requests + names + app + readers + events
    }

    fn give_up(&mut self, why: Undecided) {
        self.over = true;
        // Roles that were accepted stand: their traffic goes on, whoever looks at it.
        self.requests = Vec::new();
        self.app = None;
        self.client.reader = ChunkReader::new(LIMITS);
        self.server.reader = ChunkReader::new(LIMITS);
        self.events.push_back(DialogueEvent::Undecided(why));
    }

    fn observe(&mut self, side: Side, mut bytes: &[u8]) -> Result<(), Error> {
        let direction = self.direction(side);
        if direction.handshake == HANDSHAKE
            && let Some(&version) = bytes.first()
            && version != VERSION
        {
            return Err(Error::Malformed { what: "RTMP version", offset: 0 });
        }
        // Its contents say nothing: simple and complex handshakes have the same lengths.
        let skip = direction.handshake.min(bytes.len() as u64);
        direction.handshake -= skip;
        bytes = &bytes[skip as usize..];
        while let Some(message) = self.direction(side).reader.read(&mut bytes)? {
            if let Payload::Command(command) = message.payload()? {
                match side {
                    Side::Client => self.asked(message.stream, &command),
                    Side::Server => self.answered(message.stream, &command),
                }
            }
        }
        Ok(())
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn asked(&mut self, on: u32, command: &Command) {
        match command.name.as_str() {
            "connect" => {
                let app = command.arguments.first().and_then(|object| object.property("app"));
                let app = app.and_then(Value::as_str).unwrap_or_default();
                let app = app.split('?').next().unwrap_or_default().trim_matches('/');
                self.app = Some(app.into());
                self.events.push_back(DialogueEvent::Connecting { app: app.to_owned() });
            }
            "publish" => self.requested(Role::Broadcaster, on, command),
            "play" => self.requested(Role::Viewer, on, command),
            // 7.2.2.3: the stream to delete is an argument; closeStream is said on it.
            "deleteStream" => {
                let number = command.arguments.get(1).and_then(Value::as_number);
                self.stopped(|request| number == Some(request.on.into()));
            }
            "closeStream" => self.stopped(|request| request.on == on),
            "FCUnpublish" => self.stopped(|request| request.role == Role::Broadcaster),
            _ => {}
        }
    }

    fn requested(&mut self, role: Role, on: u32, command: &Command) {
        let (Some(app), Some(key)) = (&self.app, command.text(1)) else { return };
        // A name that is none, or one request too many, is left to the server and never counts.
        let Ok(stream) = StreamName::new(app, key) else { return };
        self.requests.retain(|request| request.accepted || request.on != on);
        if self.requests.len() < REQUESTS_MAX {
            self.events.push_back(DialogueEvent::Requested { role, stream: stream.clone() });
            self.requests.push(Request { role, stream, on, accepted: false });
        }
    }

    fn answered(&mut self, on: u32, command: &Command) {
        if command.name != "onStatus" {
            return;
        }
        let code = command.code().unwrap_or_default();
        let role = match code.split_once('.').map(|(_, rest)| rest) {
            Some(rest) if rest.starts_with("Publish.") => Role::Broadcaster,
            Some(rest) if rest.starts_with("Play.") => Role::Viewer,
            _ => return,
        };
        let is_error = command
            .arguments
            .iter()
            .any(|argument| argument.property("level").and_then(Value::as_str) == Some("error"));
        // Some servers answer on stream 0.
        let mut matching = self
            .requests
            .iter_mut()
            .enumerate()
            .filter(|(_, request)| request.role == role && (request.on == on || on == 0));
        match code {
            "NetStream.Publish.Start" | "NetStream.Play.Start" => {
                if let Some((_, request)) = matching.find(|(_, request)| !request.accepted) {
                    request.accepted = true;
                    let stream = request.stream.clone();
                    self.events.push_back(DialogueEvent::Accepted { role, stream });
                }
            }
            // The player stays, and may be served again when the broadcaster returns.
            "NetStream.Play.UnpublishNotify" => {
                if let Some((_, request)) = matching.find(|(_, request)| request.accepted) {
                    request.accepted = false;
                    let stream = request.stream.clone();
                    self.events.push_back(DialogueEvent::Stopped { role, stream });
                }
            }
            _ if is_error => {
                let Some((index, _)) = matching.next() else { return };
                let Request { stream, accepted, .. } = self.requests.remove(index);
                self.events.push_back(match accepted {
                    true => DialogueEvent::Stopped { role, stream },
                    false => DialogueEvent::Refused { role, stream, code: code.to_owned() },
                });
            }
            _ => {}
        }
    }

    fn stopped(&mut self, which: impl Fn(&Request) -> bool) {
        let events = &mut self.events;
        self.requests.retain(|request| {
            let stops = which(request);
            if stops && request.accepted {
                let (role, stream) = (request.role, request.stream.clone());
                events.push_back(DialogueEvent::Stopped { role, stream });
            }
            !stops
        });
    }
}
