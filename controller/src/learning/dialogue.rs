use rust_openflow::v10::{
    Body, ErrorMessage, ErrorType, Message, PacketIn, PacketInReason, PortReason, PortStatus,
    port_number,
};
use rust_openflow::{Error, Header, VERSION_10};

use super::answer::{Answer, Answers};
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
    answers: Answers,
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
    /// A connection that opened at `now` (in seconds); appends to `out` what is said first. `seed`
    /// is any random number.
    pub fn open(seed: u64, now: u32, out: &mut Vec<u8>) -> Dialogue {
        // In 1.0 a hello has no elements (5.5.1).
        Message::new(OUR_XID, Body::Hello(rust_openflow::Hello::default())).encode(out);
        Dialogue {
            learner: Learner::new(seed),
            answers: Answers::default(),
            counts: Counts::default(),
            state: State::Opened,
            heard: now,
            asked: false,
        }
    }

    /// Takes the whole messages that `bytes` begins with, and appends to `out` what they are
    /// answered with, which is at most four times as long: how many bytes it took. The rest is to
    /// be brought again with what follows it.
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
        let (xid, packet) = match view(message) {
            Some(viewed) => viewed,
            // Too short: the codec says where.
            None => PacketIn::borrowed(message)?,
        };
        let decision = if may_send(packet.in_port) {
            self.learner.decide(now, packet.in_port.into(), packet.data)
        } else {
            Decision::Drop
        };
        self.counts.packet_ins += 1;
        match self.answers.answer(decision, xid, &packet, out) {
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

/// What [`PacketIn::borrowed`] says of a whole packet-in, without its care to say what is wrong.
#[inline]
fn view(message: &[u8]) -> Option<(u32, PacketIn<&[u8]>)> {
    let (head, data) = message.split_first_chunk::<18>()?;
    let &[1, PacketIn::KIND, _, _, x0, x1, x2, x3, b0, b1, b2, b3, t0, t1, p0, p1, reason, _] =
        head
    else {
        return None;
    };
    let packet = PacketIn {
        buffer_id: u32::from_be_bytes([b0, b1, b2, b3]),
        total_len: u16::from_be_bytes([t0, t1]),
        in_port: u16::from_be_bytes([p0, p1]),
        reason: match reason {
            0 => PacketInReason::NoMatch,
            1 => PacketInReason::Action,
            other => PacketInReason::Other(other),
        },
        data,
    };
    Some((u32::from_be_bytes([x0, x1, x2, x3]), packet))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_openflow::Hello;
    use rust_openflow::v10::{Action, Features, FlowMod, Port, port_state};

    use super::*;

    fn wire(xid: u32, body: Body) -> Vec<u8> {
        let mut wire = Vec::new();
        Message::new(xid, body).encode(&mut wire);
        wire
    }

    /// A switch that has said who it is.
    fn known() -> Dialogue {
        let mut out = Vec::new();
        let mut dialogue = Dialogue::open(7, 0, &mut out);
        let hello = wire(1, Body::Hello(Hello::default()));
        let features = Features { datapath_id: 9, ..Features::default() };
        let features = wire(OUR_XID, Body::FeaturesReply(features));
        for bytes in [hello, features] {
            assert_eq!(dialogue.receive(0, &bytes, &mut out), Ok(bytes.len()));
        }
        assert_eq!(dialogue.datapath(), Some(9));
        dialogue
    }

    fn packet_in(xid: u32, in_port: u16, dst: u8, src: u8) -> Vec<u8> {
        let data = [[2, 0, 0, 0, 0, dst], [2, 0, 0, 0, 0, src], [8, 0, 0x45, 0, 0, 0]].concat();
        let reason = PacketInReason::NoMatch;
        let packet = PacketIn { buffer_id: xid, total_len: 18, in_port, reason, data };
        wire(xid, Body::PacketIn(packet))
    }

    fn answers(dialogue: &mut Dialogue, bytes: &[u8]) -> Vec<Message> {
        let mut out = Vec::new();
        assert_eq!(dialogue.receive(0, bytes, &mut out), Ok(bytes.len()));
        let mut messages = Vec::new();
        let mut rest = &out[..];
        while let Ok(header) = Header::parse(rest) {
            let (message, after) = rest.split_at(header.length.into());
            messages.push(Message::parse(message).expect("sound"));
            rest = after;
        }
        messages
    }

    #[test]
    fn each_packet_in_is_answered_once_and_in_order() {
        let mut dialogue = known();
        let asked =
            [packet_in(1, 4, 0xb, 0xa), packet_in(2, 5, 0xa, 0xb), packet_in(3, 4, 0xb, 0xa)];
        let answers = answers(&mut dialogue, &asked.concat());
        let names: Vec<_> = answers.iter().map(|answer| (answer.xid, answer.body.name())).collect();
        assert_eq!(names, [(1, "packet_out"), (2, "flow_mod"), (3, "flow_mod")]);
        let Body::FlowMod(FlowMod { actions, buffer_id: 2, .. }) = &answers[1].body else {
            panic!("the second packet goes through its entry");
        };
        assert_eq!(actions, &[Action::output(4)]);
        let counts = Counts { packet_ins: 3, installed: 2, flooded: 1, dropped: 0 };
        assert_eq!(dialogue.counts(), counts);
    }

    #[test]
    fn wherever_a_stream_is_torn_the_answers_are_the_same() {
        let asked = [packet_in(1, 4, 0xb, 0xa), packet_in(2, 5, 0xa, 0xb)].concat();
        let mut whole = Vec::new();
        known().receive(0, &asked, &mut whole).expect("sound");
        for end in 0..asked.len() {
            let (mut dialogue, mut out) = (known(), Vec::new());
            let taken = dialogue.receive(0, &asked[..end], &mut out).expect("sound");
            assert!(taken <= end);
            dialogue.receive(0, &asked[taken..], &mut out).expect("sound");
            assert_eq!(out, whole, "torn after {end} bytes");
        }
    }

    #[test]
    fn a_station_is_sought_again_once_its_port_is_down() {
        let mut dialogue = known();
        answers(&mut dialogue, &packet_in(1, 4, 0xb, 0xa));
        let port = Port { number: 4, state: port_state::LINK_DOWN, ..Port::default() };
        let status = PortStatus { reason: PortReason::Modify, port };
        assert_eq!(answers(&mut dialogue, &wire(2, Body::PortStatus(status))), []);
        let sought = answers(&mut dialogue, &packet_in(3, 5, 0xa, 0xb));
        assert_eq!(sought[0].body.name(), "packet_out");
    }

    #[test]
    fn nobody_sends_from_a_port_that_is_none() {
        let mut dialogue = known();
        for port in [0, port_number::CONTROLLER, port_number::NONE] {
            answers(&mut dialogue, &packet_in(1, port, 0xb, 0xa));
            let sought = answers(&mut dialogue, &packet_in(2, 5, 0xa, 0xb));
            assert_eq!(sought[0].body.name(), "packet_out", "learned at {port:#x}");
        }
    }

    #[test]
    fn who_speaks_another_version_is_told_so() {
        let mut out = Vec::new();
        let mut dialogue = Dialogue::open(7, 0, &mut out);
        out.clear();
        let mut hello = wire(1, Body::Hello(Hello::offering(&[4])));
        hello[0] = 4;
        assert_eq!(dialogue.receive(0, &hello, &mut out), Err(Fault::Version(4)));
        let error = Message::parse(&out).expect("sound");
        assert!(matches!(error.body, Body::Error(e) if e.kind == ErrorType::HELLO_FAILED));
    }

    #[test]
    fn who_does_not_greet_first_is_let_go() {
        let mut out = Vec::new();
        let mut dialogue = Dialogue::open(7, 0, &mut out);
        let early = packet_in(1, 4, 0xb, 0xa);
        assert_eq!(dialogue.receive(0, &early, &mut out), Err(Fault::NoHello(PacketIn::KIND)));
    }

    #[test]
    fn silence_is_asked_about_once_and_then_ends() {
        let mut dialogue = known();
        let mut out = Vec::new();
        assert_eq!(dialogue.expire(SILENCE - 1, &mut out), Ok(()));
        assert!(out.is_empty());
        for _ in 0..2 {
            assert_eq!(dialogue.expire(SILENCE, &mut out), Ok(()));
        }
        assert_eq!(Message::parse(&out).expect("one").body, Body::EchoRequest(Vec::new()));
        assert_eq!(dialogue.expire(DEAD, &mut out), Err(Fault::Silent(DEAD)));
        let mut dialogue = Dialogue::open(7, 0, &mut out);
        assert_eq!(dialogue.expire(PATIENCE, &mut out), Err(Fault::Silent(PATIENCE)));
    }

    proptest! {
        #[test]
        fn what_is_viewed_is_what_the_codec_reads(
            xid: u32, rest in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut message = Vec::new();
            let length = 8 + rest.len() as u16;
            let kind = PacketIn::KIND;
            Header { version: VERSION_10, kind, length, xid }.encode(&mut message);
            message.extend(rest);
            prop_assert_eq!(view(&message), PacketIn::borrowed(&message).ok());
        }

        /// Hostile bytes end in an error or not, and never in a panic or in more answers than
        /// allowed.
        #[test]
        fn any_bytes_are_survived(
            kinds in prop::collection::vec((any::<u8>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        ) {
            let mut dialogue = known();
            let mut bytes = Vec::new();
            for (kind, length, body) in kinds {
                // Half of them with a length that is right.
                let length = if length % 2 == 0 { 8 + body.len() as u16 } else { length };
                Header { version: VERSION_10, kind: kind % 24, length, xid: 1 }.encode(&mut bytes);
                bytes.extend(body);
            }
            let mut out = Vec::new();
            if let Ok(taken) = dialogue.receive(0, &bytes, &mut out) {
                prop_assert!(taken <= bytes.len());
            }
            prop_assert!(out.len() <= 4 * bytes.len());
        }
    }
}
