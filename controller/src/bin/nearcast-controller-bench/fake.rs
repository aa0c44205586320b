//! A switch that only asks.

use std::collections::VecDeque;

use rust_openflow::v10::{
    Body, Desc, ErrorMessage, ErrorType, Features, Message, Port, Reply, Request, StatsReply,
    SwitchConfig,
};
use rust_openflow::{Error, Header, Hello};

use crate::check::{Checker, Tally, floods, is_answer, is_probe};
use crate::traffic::{self, SOURCE_PORT, Traffic};

/// One fake switch as a machine: bytes in, bytes out.
#[derive(Debug)]
pub(crate) struct Fake {
    number: u16,
    traffic: Traffic,
    strict: bool,
    checker: Checker,
    /// Announcements without an answer; `None` before anybody asked who we are.
    announced: Option<VecDeque<(u16, Vec<u8>)>>,
    /// Packets sent.
    sent: u32,
}

impl Fake {
    /// A switch that has just connected; appends its hello to `out`. If `strict`, answers must be
    /// right to count as such.
    pub(crate) fn open(number: u16, traffic: Traffic, strict: bool, out: &mut Vec<u8>) -> Fake {
        Message::new(0, Body::Hello(Hello::default())).encode(out);
        let checker = Checker::new(traffic, number, strict);
        Fake { number, traffic, strict, checker, announced: None, sent: 0 }
    }

    /// Whether the controller has answered all announcements.
    pub(crate) fn is_ready(&self) -> bool {
        self.announced.as_ref().is_some_and(VecDeque::is_empty)
    }

    /// Packets without an answer.
    pub(crate) fn outstanding(&self) -> u32 {
        self.checker.outstanding()
    }

    /// The answers so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.checker.tally
    }

    /// Asks about packets, until `window` have no answer, or `out` has `room` bytes.
    pub(crate) fn ask(&mut self, window: u32, room: usize, out: &mut Vec<u8>) {
        while self.checker.outstanding() < window
            && out.len() + traffic::QUESTION <= room
            && self.checker.may_ask(self.sent)
        {
            let packet = self.traffic.packet(self.number, self.sent);
            traffic::question(&packet, self.sent, out);
            self.checker.asked(self.sent);
            // So that no number is 2^32 - 1, which a checker cannot hold.
            self.sent = (self.sent + 1) % (1 << 31);
        }
    }

    /// Takes the whole messages that `bytes` begins with: how many bytes they are.
    pub(crate) fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let header = match Header::parse(rest) {
                Ok(header) => header,
                Err(Error::Incomplete { .. }) => return Ok(taken),
                Err(error) => return Err(error),
            };
            let Some(message) = rest.get(..header.length.into()) else { return Ok(taken) };
            if is_answer(header.kind) {
                self.answer(message);
            } else {
                self.other(message, out)?;
            }
            taken += message.len();
        }
    }

    fn answer(&mut self, message: &[u8]) {
        // Before that comes what has nothing to do with us, such as emptying tables; whoever probes
        // its topology does so in between.
        let Some(waiting) = &mut self.announced else { return };
        if is_probe(message) {
            return;
        }
        let Some((port, frame)) = waiting.pop_front() else {
            self.checker.answered(message);
            return;
        };
        if let (true, Err(why)) = (self.strict, floods(message, port, &frame)) {
            self.checker.tally.wrong += 1;
            self.checker.tally.first_wrong.get_or_insert(why);
        }
    }

    fn other(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Message { xid, body, .. } = Message::parse(message)?;
        let mut reply = |body| Message::new(xid, body).encode(out);
        match body {
            Body::EchoRequest(data) => reply(Body::EchoReply(data)),
            Body::BarrierRequest => reply(Body::BarrierReply),
            Body::GetConfigRequest => {
                reply(Body::GetConfigReply(SwitchConfig { flags: 0, miss_send_len: 128 }));
            }
            Body::Vendor(_) => {
                let data = message[..message.len().min(64)].to_vec();
                reply(Body::Error(ErrorMessage { kind: ErrorType::BAD_REQUEST, code: 3, data }));
            }
            Body::StatsRequest(request) if request.body == Request::Desc => {
                let body = Reply::Desc(Desc::default());
                reply(Body::StatsReply(StatsReply { more: false, body }));
            }
            Body::FeaturesRequest => {
                reply(Body::FeaturesReply(self.features()));
                if self.announced.is_none() {
                    self.announce(out);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn announce(&mut self, out: &mut Vec<u8>) {
        let announced: VecDeque<_> = self.traffic.announcements(self.number).collect();
        for (port, frame) in &announced {
            traffic::whole(*port, frame.clone(), 0, out);
        }
        self.announced = Some(announced);
    }

    fn features(&self) -> Features {
        let port = |number: u16| {
            let hw_addr = [0x0a, 0, 0, self.number as u8, (number >> 8) as u8, number as u8];
            Port { number, hw_addr: hw_addr.into(), name: format!("p{number}"), ..Port::default() }
        };
        // As many ports as a features reply has room for.
        let ports = (SOURCE_PORT..=SOURCE_PORT + self.traffic.destinations).take(1000);
        Features {
            datapath_id: self.number.into(),
            n_buffers: traffic::BUFFERS,
            n_tables: 1,
            actions: 1,
            ports: ports.map(port).collect(),
            ..Features::default()
        }
    }
}
