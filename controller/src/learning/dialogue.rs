use rust_openflow::v10::{
    Body, ErrorMessage, ErrorType, Message, PacketIn, PortReason, PortStatus, port_number,
};
use rust_openflow::{Error, Header, VERSION_10};

use super::answer::{Answer, answer};
use super::learner::{Decision, Learner};

/// Seconds within which a switch must have said who it is.
const PATIENCE: u32 = 10;
/// Seconds of silence after which a switch is asked whether it is there.
const SILENCE: u32 = 15;
/// Seconds of silence after which it is not.
const DEAD: u32 = 30;

/// Xid of our questions. Answers to packet-ins carry the packet-in's.
const OUR_XID: u32 = 0;

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its bytes are no OpenFlow 1.0.
    #[error("what it sends is no OpenFlow 1.0: {0}")]
    Malformed(#[from] Error),
    /// It speaks no version that we speak.
    #[error("it offers OpenFlow version {0:#04x} and this mode speaks 1.0 (0x01) only")]
    Version(u8),
    /// It began with something else than a hello.
    #[error("its first message is no hello but of type {0}")]
    NoHello(u8),
    /// It says nothing.
    #[error("it has been silent for {0} s")]
    Silent(u32),
}

/// What a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packet-ins that came.
    pub packet_ins: u64,
    /// Those answered by a flow entry.
    pub installed: u64,
    /// Those answered by flooding.
    pub flooded: u64,
    /// Those let go.
    pub dropped: u64,
}

impl Counts {
    /// Takes in what another connection came to.
    pub fn add(&mut self, other: &Counts) {
        self.packet_ins += other.packet_ins;
        self.installed += other.installed;
        self.flooded += other.flooded;
        self.dropped += other.dropped;
    }
}

/// One switch's connection: bytes in, bytes out.
///
/// ```
/// use nearcast_controller::learning::Dialogue;
/// use rust_openflow::{Hello, v10::{Body, Message}};
///
/// let mut out = Vec::new();
/// let mut dialogue = Dialogue::open(7, 0, &mut out);
/// let mut wire = Vec::new();
/// Message::new(1, Body::Hello(Hello::default())).encode(&mut wire);
/// out.clear();
/// // Of what came in pieces only whole messages are taken: bring the rest again.
/// assert_eq!(dialogue.receive(0, &wire[..5], &mut out), Ok(0));
/// assert_eq!(dialogue.receive(0, &wire, &mut out), Ok(8));
/// assert_eq!(Message::parse(&out).unwrap().body, Body::FeaturesRequest);
/// ```
#[derive(Debug)]
pub struct Dialogue {
    learner: Learner,
    counts: Counts,
    state: State,
    /// When anything came last, in seconds.
    heard: u32,
    asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was greeted, and has not greeted.
    Opened,
    /// It was asked who it is.
    Greeted,
    /// It said so.
    Known(u64),
}

impl Dialogue {
    /// A connection that opened at `now` (in seconds); appends to `out` what is said first. `seed` is
    /// any random number.
    pub fn open(seed: u64, now: u32, out: &mut Vec<u8>) -> Dialogue {
        // In 1.0 a hello has no elements (5.5.1).
        Message::new(OUR_XID, Body::Hello(rust_openflow::Hello::default())).encode(out);
        let learner = Learner::new(seed);
        let (counts, state) = (Counts::default(), State::Opened);
        Dialogue { learner, counts, state, heard: now, asked: false }
    }

    /// Takes the whole messages that `bytes` begins with, and appends to `out` what they are answered
    /// with, which is at most four times as long: how many bytes it took. The rest is to be brought
    /// again with what follows it.
    ///
    /// # Errors
    /// The connection is to be closed, after `out` was sent.
    pub fn receive(&mut self, now: u32, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut taken = 0;
        (self.heard, self.asked) = (now, false);
        loop {
            let rest = &bytes[taken..];
            let header = match Header::parse(rest) {
                Ok(header) => header,
                Err(Error::Incomplete { .. }) => return Ok(taken),
                Err(error) => return Err(error.into()),
            };
            let Some(message) = rest.get(..header.length.into()) else { return Ok(taken) };
            if header.kind == PacketIn::KIND && self.state != State::Opened {
                self.packet_in(now, message, out)?;
            } else {
                self.other(header, message, out)?;
            }
            taken += message.len();
        }
    }

    /// Has time pass: appends a question to `out` if the switch has been silent for long.
    ///
    /// # Errors
    /// [`Fault::Silent`]: too long.
    pub fn expire(&mut self, now: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let silent = now.saturating_sub(self.heard);
        let known = matches!(self.state, State::Known(_));
        if silent >= if known { DEAD } else { PATIENCE } {
            return Err(Fault::Silent(silent));
        }
        if known && silent >= SILENCE && !self.asked {
            self.asked = true;
            Message::new(OUR_XID, Body::EchoRequest(Vec::new())).encode(out);
        }
        Ok(())
    }

    /// Which switch it is, once it said so.
    pub fn datapath(&self) -> Option<u64> {
        match self.state {
            State::Known(datapath) => Some(datapath),
            State::Opened | State::Greeted => None,
        }
    }

    /// What it came to so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The one that counts: no allocation, and the frame stays where it was received.
    fn packet_in(&mut self, now: u32, message: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let (xid, packet) = PacketIn::borrowed(message)?;
        let decision = if may_send(packet.in_port) {
            self.learner.decide(now, packet.in_port.into(), packet.data)
        } else {
            Decision::Drop
        };
        self.counts.packet_ins += 1;
        match answer(decision, xid, &packet, out) {
            Answer::Installed => self.counts.installed += 1,
            Answer::Flooded => self.counts.flooded += 1,
            Answer::Dropped => self.counts.dropped += 1,
        }
        Ok(())
    }

    #[cold]
    fn other(&mut self, header: Header, message: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Message { version, xid, body } = Message::parse(message)?;
        match (body, self.state) {
            (Body::Hello(hello), State::Opened) => {
                if hello.negotiate(version, &[VERSION_10]).is_none() {
                    refuse(xid, out);
                    return Err(Fault::Version(version));
                }
                Message::new(OUR_XID, Body::FeaturesRequest).encode(out);
                self.state = State::Greeted;
            }
            (Body::Error(error), _) => tracing::debug!("a switch reports {error}"),
            (_, State::Opened) => return Err(Fault::NoHello(header.kind)),
            (Body::FeaturesReply(features), _) => self.state = State::Known(features.datapath_id),
            (Body::EchoRequest(data), _) => Message::new(xid, Body::EchoReply(data)).encode(out),
            (Body::PortStatus(status), _) if is_down(&status) => {
                self.learner.port_down(status.port.number.into());
            }
            // Nothing else was asked for, or matters here.
            _ => {}
        }
        Ok(())
    }
}

/// Whether a station can be at a port of this number (5.2.1).
fn may_send(port: u16) -> bool {
    matches!(port, 1..=port_number::MAX | port_number::LOCAL)
}

fn is_down(status: &PortStatus) -> bool {
    status.reason == PortReason::Delete || !status.port.is_up()
}

/// Tells the other side that there is no version in common (5.5.1).
fn refuse(xid: u32, out: &mut Vec<u8>) {
    let data = b"this controller's learning mode speaks OpenFlow 1.0 only".to_vec();
    let error = ErrorMessage { kind: ErrorType::HELLO_FAILED, code: 0, data };
    Message::new(xid, Body::Error(error)).encode(out);
}
