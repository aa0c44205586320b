//! The two ways in which a switch and the fabric can be joined: a socket, and nothing.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nearcast_fabric::{Config, ConnectionId, Fabric, Input, Output};
use nearcast_machine::{Machine, Span, Time};
use rust_openflow::Framer;
use rust_openflow::v13::Message;

use crate::switch::{Switch, Told};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The only connection of the fabric in memory.
pub(crate) const CONNECTION: ConnectionId = ConnectionId(1);

/// A switch that is joined to a controller.
pub(crate) trait Wire {
    /// Sends a message to the controller.
    fn send(&mut self, message: Message) -> Result<(), String>;

    /// The next thing that the controller says. It is answered before anything else is said or
    /// heard.
    fn told(&mut self) -> Result<Told, String>;

    /// Sees that everything said so far was handled.
    fn settle(&mut self) -> Result<(), String> {
        self.send(Switch::echo())?;
        while !matches!(self.told()?, Told::Echo) {}
        Ok(())
    }

    /// Answers until the controller has made the switch what it should be.
    fn become_live(&mut self) -> Result<(), String> {
        self.send(Switch::hello())?;
        while !matches!(self.told()?, Told::Change) {}
        while !matches!(self.told()?, Told::Barrier) {}
        self.settle()
    }
}

/// The fabric in this process: messages are handed over as they are.
pub(crate) struct InMemory {
    fabric: Fabric,
    switch: Switch,
    started: Instant,
    /// What the switch was sent and has not looked at.
    pending: VecDeque<Message>,
    reply: Option<Message>,
}

impl InMemory {
    pub(crate) fn new(config: Config, switch: Switch) -> InMemory {
        let fabric = Fabric::new(config);
        let (started, pending) = (Instant::now(), VecDeque::new());
        let mut wire = InMemory { fabric, switch, started, pending, reply: None };
        wire.handle(Input::Connected(CONNECTION));
        wire
    }

    /// The fabric, and its time.
    pub(crate) fn into_fabric(self) -> (Fabric, Time) {
        let now = self.now();
        (self.fabric, now)
    }

    fn now(&self) -> Time {
        Time::ZERO + Span::from_secs(1) + Span::from(self.started.elapsed())
    }

    fn handle(&mut self, input: Input) {
        self.fabric.handle(self.now(), input);
        while let Some(output) = self.fabric.poll() {
            if let Output::Send(_, message) = output {
                self.pending.push_back(message);
            }
        }
    }
}

impl Wire for InMemory {
    fn send(&mut self, message: Message) -> Result<(), String> {
        if let Some(reply) = self.reply.take() {
            self.handle(Input::Message(CONNECTION, reply));
        }
        self.handle(Input::Message(CONNECTION, message));
        Ok(())
    }

    fn told(&mut self) -> Result<Told, String> {
        if let Some(reply) = self.reply.take() {
            self.handle(Input::Message(CONNECTION, reply));
        }
        let message = self.pending.pop_front().ok_or("the fabric says no more")?;
        let (told, reply) = self.switch.receive(message);
        self.reply = reply;
        Ok(told)
    }
}

/// A controller at the other end of a TCP connection.
pub(crate) struct Socket {
    stream: TcpStream,
    switch: Switch,
    framer: Framer,
    buffer: Vec<u8>,
    out: Vec<u8>,
    reply: Option<Message>,
}

impl Socket {
    pub(crate) fn connect(address: SocketAddr, switch: Switch) -> Result<Socket, String> {
        let open = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = open().map_err(|error: std::io::Error| format!("{address}: {error}"))?;
        let (framer, buffer, out) = (Framer::new(), vec![0; 64 << 10], Vec::new());
        Ok(Socket { stream, switch, framer, buffer, out, reply: None })
    }

    fn write(&mut self, message: &Message) -> Result<(), String> {
        self.out.clear();
        message.encode(&mut self.out);
        self.stream.write_all(&self.out).map_err(|error| format!("sending: {error}"))
    }

    fn answer(&mut self) -> Result<(), String> {
        self.reply.take().map_or(Ok(()), |reply| self.write(&reply))
    }
}

impl Wire for Socket {
    fn send(&mut self, message: Message) -> Result<(), String> {
        self.answer()?;
        self.write(&message)
    }

    fn told(&mut self) -> Result<Told, String> {
        self.answer()?;
        let unreadable = |error| format!("what the controller sends cannot be read: {error}");
        loop {
            if let Some(frame) = self.framer.next_slice().map_err(unreadable)? {
                let message = Message::parse(frame).map_err(unreadable)?;
                let (told, reply) = self.switch.receive(message);
                self.reply = reply;
                return Ok(told);
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err("the controller closed the connection".to_owned()),
                Ok(read) => self.framer.push(&self.buffer[..read]),
                Err(error) => return Err(format!("waiting for the controller: {error}")),
            }
        }
    }
}
