use nom::number::complete::be_u32;

use super::{
    AsyncConfig, ErrorMessage, Features, FlowMod, FlowRemoved, GroupMod, MeterMod, MultipartReply,
    MultipartRequest, PacketIn, PacketOut, PortMod, PortStatus, QueueConfigReply,
    QueueConfigRequest, RoleMessage, SwitchConfig, TableMod,
};
use crate::Hello;
use crate::messages::messages;
use crate::read::{self, Read, field};

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

messages! {
    version 0x04, "1.3", "7.1";
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
