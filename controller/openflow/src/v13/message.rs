use nom::number::complete::be_u32;

use super::{
    AsyncConfig, ErrorMessage, Features, FlowMod, FlowRemoved, GroupMod, MeterMod, MultipartReply,
    MultipartRequest, PacketIn, PacketOut, PortMod, PortStatus, QueueConfigReply,
    QueueConfigRequest, RoleMessage, SwitchConfig, TableMod,
};
use crate::layout::Fixed;
use crate::read::{self, Read, field};
use crate::{Error, Header, Hello, VERSION_13};

/// One message of OpenFlow 1.3 (7.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Version in the header: [`VERSION_13`], but for a [`Body::Hello`], which says the highest that
    /// its sender speaks, and for an error that answers it.
    pub version: u8,
    /// Transaction: an answer has that of its question.
    pub xid: u32,
    /// What it says.
    pub body: Body,
}

/// A message, an action or a statistic of an experimenter (7.5.4), as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Experimenter {
    /// Who defined it.
    pub experimenter: u32,
    /// Which of theirs it is.
    pub exp_type: u32,
    /// What follows.
    pub data: Vec<u8>,
}

impl Experimenter {
    pub(super) fn read(input: &[u8]) -> Read<'_, Experimenter> {
        let (i, experimenter) = field("experimenter", be_u32, input)?;
        let (i, exp_type) = field("exp_type", be_u32, i)?;
        let (i, data) = read::rest(i)?;
        Ok((i, Experimenter { experimenter, exp_type, data }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.experimenter.to_be_bytes());
        out.extend(self.exp_type.to_be_bytes());
        out.extend(&self.data);
    }

    pub(super) fn encoded_len(&self) -> usize {
        8 + self.data.len()
    }
}

/// How a body is written and measured; those of fixed length come by [`Fixed`].
macro_rules! bodies {
    (
        empty { $($(#[$edoc:meta])* $empty:ident = $enumber:literal, $ename:literal;)* }
        bytes { $($(#[$bdoc:meta])* $bytes:ident = $bnumber:literal, $bname:literal;)* }
        fixed { $($(#[$fdoc:meta])* $fixed:ident($fty:ident) = $fnumber:literal, $fname:literal;)* }
        sized { $($(#[$sdoc:meta])* $sized:ident($sty:ident) = $snumber:literal, $sname:literal;)* }
    ) => {
        /// What a message says; the order is that of the type's docs in the specification (7.1).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Body {
            $($(#[$edoc])* $empty,)*
            $($(#[$bdoc])* $bytes(Vec<u8>),)*
            $($(#[$fdoc])* $fixed($fty),)*
            $($(#[$sdoc])* $sized($sty),)*
            /// A message of a type that this codec does not know, as it came.
            Unknown {
                /// Its type.
                kind: u8,
                /// What follows the header.
                body: Vec<u8>,
            },
        }

        impl Body {
            /// The type's name in the specification without the prefix, in lower case.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Body::$empty => $ename,)*
                    $(Body::$bytes(_) => $bname,)*
                    $(Body::$fixed(_) => $fname,)*
                    $(Body::$sized(_) => $sname,)*
                    Body::Unknown { .. } => "unknown",
                }
            }

            /// The type's number on the wire.
            pub const fn kind(&self) -> u8 {
                match self {
                    $(Body::$empty => $enumber,)*
                    $(Body::$bytes(_) => $bnumber,)*
                    $(Body::$fixed(_) => $fnumber,)*
                    $(Body::$sized(_) => $snumber,)*
                    Body::Unknown { kind, .. } => *kind,
                }
            }

            fn read(kind: u8, input: &[u8]) -> Read<'_, Body> {
                match kind {
                    $($enumber => Ok((input, Body::$empty)),)*
                    $($bnumber => read::rest(input).map(|(i, body)| (i, Body::$bytes(body))),)*
                    $($fnumber => $fty::read(input).map(|(i, body)| (i, Body::$fixed(body))),)*
                    $($snumber => $sty::read(input).map(|(i, body)| (i, Body::$sized(body))),)*
                    _ => read::rest(input).map(|(i, body)| (i, Body::Unknown { kind, body })),
                }
            }

            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Body::$empty => {})*
                    $(Body::$bytes(body) => out.extend(body),)*
                    $(Body::$fixed(body) => body.write(out),)*
                    $(Body::$sized(body) => body.encode(out),)*
                    Body::Unknown { body, .. } => out.extend(body),
                }
            }

            fn encoded_len(&self) -> usize {
                match self {
                    $(Body::$empty => 0,)*
                    $(Body::$bytes(body) => body.len(),)*
                    $(Body::$fixed(_) => $fty::LEN,)*
                    $(Body::$sized(body) => body.encoded_len(),)*
                    Body::Unknown { body, .. } => body.len(),
                }
            }
        }
    };
}

bodies! {
    empty {
        /// Asks which switch this is.
        FeaturesRequest = 5, "features_request";
        /// Asks how packets are treated.
        GetConfigRequest = 7, "get_config_request";
        /// Asks to be told once everything before it is done.
        BarrierRequest = 20, "barrier_request";
        /// Everything before the request is done.
        BarrierReply = 21, "barrier_reply";
        /// Asks which asynchronous messages come.
        GetAsyncRequest = 26, "get_async_request";
    }
    bytes {
        /// Asks whether anybody is there; what is sent comes back.
        EchoRequest = 2, "echo_request";
        /// Somebody is.
        EchoReply = 3, "echo_reply";
    }
    fixed {
        /// Which switch this is.
        FeaturesReply(Features) = 6, "features_reply";
        /// How packets are treated.
        GetConfigReply(SwitchConfig) = 8, "get_config_reply";
        /// Says how packets shall be treated.
        SetConfig(SwitchConfig) = 9, "set_config";
        /// A port came, went or changed.
        PortStatus(PortStatus) = 12, "port_status";
        /// Changes a port.
        PortMod(PortMod) = 16, "port_mod";
        /// Changes a table.
        TableMod(TableMod) = 17, "table_mod";
        /// Asks for the queues of a port.
        QueueGetConfigRequest(QueueConfigRequest) = 22, "queue_get_config_request";
        /// Asks for a role.
        RoleRequest(RoleMessage) = 24, "role_request";
        /// Says which role it is.
        RoleReply(RoleMessage) = 25, "role_reply";
        /// Which asynchronous messages come.
        GetAsyncReply(AsyncConfig) = 27, "get_async_reply";
        /// Says which asynchronous messages shall come.
        SetAsync(AsyncConfig) = 28, "set_async";
    }
    sized {
        /// Which versions are spoken.
        Hello(Hello) = 0, "hello";
        /// Something could not be done.
        Error(ErrorMessage) = 1, "error";
        /// Something of an experimenter's.
        Experimenter(Experimenter) = 4, "experimenter";
        /// A packet for the controller.
        PacketIn(PacketIn) = 10, "packet_in";
        /// A flow entry went.
        FlowRemoved(FlowRemoved) = 11, "flow_removed";
        /// A packet to send.
        PacketOut(PacketOut) = 13, "packet_out";
        /// Changes flow entries.
        FlowMod(FlowMod) = 14, "flow_mod";
        /// Changes groups.
        GroupMod(GroupMod) = 15, "group_mod";
        /// Asks about the switch.
        MultipartRequest(MultipartRequest) = 18, "multipart_request";
        /// Answers.
        MultipartReply(MultipartReply) = 19, "multipart_reply";
        /// The queues of a port.
        QueueGetConfigReply(QueueConfigReply) = 23, "queue_get_config_reply";
        /// Changes meters.
        MeterMod(MeterMod) = 29, "meter_mod";
    }
}

/// `OFPT_HELLO` and `OFPT_ERROR`, which are alike in every version.
const ANY_VERSION: [u8; 2] = [0, 1];

impl Message {
    /// A message of OpenFlow 1.3.
    pub const fn new(xid: u32, body: Body) -> Message {
        Message { version: VERSION_13, xid, body }
    }

    /// Reads exactly one message, as [`Framer`](crate::Framer) cuts them.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if bytes are missing, [`Error::Version`] for another version than 1.3
    /// (hello and error are read whatever their version), [`Error::Malformed`] else, bytes after the
    /// message's end among them.
    pub fn parse(bytes: &[u8]) -> Result<Message, Error> {
        let header = Header::parse(bytes)?;
        if header.version != VERSION_13 && !ANY_VERSION.contains(&header.kind) {
            return Err(Error::Version(header.version));
        }
        let length = usize::from(header.length);
        let Some(message) = bytes.get(..length) else {
            return Err(Error::Incomplete { needed: length - bytes.len() });
        };
        if bytes.len() > length {
            return Err(Error::Malformed { field: "bytes after the message", offset: length });
        }
        let body = read::whole(message, &message[Header::LEN..], |i| Body::read(header.kind, i))?;
        Ok(Message { version: header.version, xid: header.xid, body })
    }

    /// Appends the message to `out`.
    ///
    /// # Panics
    /// If it is longer than 65535 bytes, which no header can say.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let length = u16::try_from(self.encoded_len())
            .expect("an OpenFlow message is at most 65535 bytes long; split it before encoding");
        out.reserve(length.into());
        let header =
            Header { version: self.version, kind: self.body.kind(), length, xid: self.xid };
        header.encode(out);
        self.body.encode(out);
    }

    /// Length in bytes, header included.
    pub fn encoded_len(&self) -> usize {
        Header::LEN + self.body.encoded_len()
    }
}
