//! A switch as the fabric sees one, without its tables: it says what it is and confirms what it is
//! told.

use rust_openflow::v13::{
    Action, Body, Desc, Features, Match, Message, MultipartReply, NO_BUFFER, PacketIn,
    PacketInReason, Port, Reply, Request,
};
use rust_openflow::{Hello, VERSION_13};

/// Flow tables that it says it has; the fabric needs three.
const TABLES: u8 = 8;

/// One switch as a machine: messages in, messages out.
#[derive(Debug)]
pub(crate) struct Switch {
    datapath_id: u64,
    ports: u32,
}

/// What the controller told it.
#[derive(Debug)]
pub(crate) enum Told {
    /// To change an entry or a group.
    Change,
    /// To finish what came before.
    Barrier,
    /// To send a frame out of a port.
    Frame(u32, Vec<u8>),
    /// The answer to our [`Switch::echo`].
    Echo,
    /// Something that does not matter here.
    Other,
}

impl Switch {
    /// One with the ports 1 to `ports`, at most a thousand, as one message can describe.
    pub(crate) fn new(datapath_id: u64, ports: u32) -> Switch {
        Switch { datapath_id, ports: ports.min(1000) }
    }

    /// What it says first.
    pub(crate) fn hello() -> Message {
        Message::new(0, Body::Hello(Hello::offering(&[VERSION_13])))
    }

    /// A question whose answer says that everything before was handled.
    pub(crate) fn echo() -> Message {
        Message::new(0x5e5e, Body::EchoRequest(b"done?".to_vec()))
    }

    /// A copy of a frame that came in by `in_port`, sent up by a table.
    pub(crate) fn packet_in(table_id: u8, in_port: u32, data: Vec<u8>) -> Message {
        let packet = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: data.len() as u16,
            reason: PacketInReason::Action,
            table_id,
            cookie: 0,
            matching: Match::new().in_port(in_port),
            data,
        };
        Message::new(0, Body::PacketIn(packet))
    }

    /// Takes a message: what it was, and what is answered.
    pub(crate) fn receive(&self, message: Message) -> (Told, Option<Message>) {
        let mut reply = None;
        let told = match message.body {
            Body::FlowMod(_) | Body::GroupMod(_) => Told::Change,
            Body::BarrierRequest => {
                reply = Some(Body::BarrierReply);
                Told::Barrier
            }
            Body::PacketOut(out) => match out.actions[..] {
                [Action::Output { port, .. }] => Told::Frame(port, out.data),
                _ => Told::Other,
            },
            Body::EchoReply(_) => Told::Echo,
            Body::EchoRequest(data) => {
                reply = Some(Body::EchoReply(data));
                Told::Other
            }
            Body::FeaturesRequest => {
                reply = Some(Body::FeaturesReply(Features::of(self.datapath_id, TABLES)));
                Told::Other
            }
            Body::MultipartRequest(request) => {
                reply = self
                    .describe(&request.body)
                    .map(|body| Body::MultipartReply(MultipartReply { more: false, body }));
                Told::Other
            }
            _ => Told::Other,
        };
        (told, reply.map(|body| Message::new(message.xid, body)))
    }

    /// It holds nothing. What it holds later it does not know, and so leaves audits without an
    /// answer.
    fn describe(&self, request: &Request) -> Option<Reply> {
        let port = |number| Port::new(number, format!("s{}-eth{number}", self.datapath_id));
        Some(match request {
            Request::Desc => Reply::Desc(Desc::default()),
            Request::PortDesc => Reply::PortDesc((1..=self.ports).map(port).collect()),
            Request::GroupDesc => Reply::GroupDesc(Vec::new()),
            Request::Flow(_) => Reply::Flow(Vec::new()),
            _ => return None,
        })
    }
}
