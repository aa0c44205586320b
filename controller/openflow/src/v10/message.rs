use nom::number::complete::be_u32;

use super::{
    ErrorMessage, Features, FlowMod, FlowRemoved, PacketIn, PacketOut, PortMod, PortStatus,
    QueueConfigReply, QueueConfigRequest, StatsReply, StatsRequest, SwitchConfig,
};
use crate::Hello;
use crate::messages::messages;
use crate::read::{Read, field, rest};

/// A message or a statistic of a vendor (5.5.3), as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vendor {
    /// Who defined it: an IEEE OUI if the highest byte is zero, else given out by the consortium.
    pub vendor: u32,
    /// What follows.
    pub data: Vec<u8>,
}

impl Vendor {
    pub(super) fn read(input: &[u8]) -> Read<'_, Vendor> {
        let (i, vendor) = field("vendor", be_u32, input)?;
        let (i, data) = rest(i)?;
        Ok((i, Vendor { vendor, data }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.vendor.to_be_bytes());
        out.extend(&self.data);
    }

    pub(super) fn encoded_len(&self) -> usize {
        4 + self.data.len()
    }
}

messages! {
    version 0x01, "1.0", "5.1";
    empty {
        /// Asks which switch this is.
        FeaturesRequest = 5, "features_request";
        /// Asks how packets are treated.
        GetConfigRequest = 7, "get_config_request";
        /// Asks to be told once everything before it is done.
        BarrierRequest = 18, "barrier_request";
        /// Everything before the request is done.
        BarrierReply = 19, "barrier_reply";
    }
    bytes {
        /// Asks whether anybody is there; what is sent comes back.
        EchoRequest = 2, "echo_request";
        /// Somebody is.
        EchoReply = 3, "echo_reply";
    }
    fixed {
        /// How packets are treated.
        GetConfigReply(SwitchConfig) = 8, "get_config_reply";
        /// Says how packets shall be treated.
        SetConfig(SwitchConfig) = 9, "set_config";
        /// A flow entry went.
        FlowRemoved(FlowRemoved) = 11, "flow_removed";
        /// A port came, went or changed.
        PortStatus(PortStatus) = 12, "port_status";
        /// Changes a port.
        PortMod(PortMod) = 15, "port_mod";
        /// Asks for the queues of a port.
        QueueGetConfigRequest(QueueConfigRequest) = 20, "queue_get_config_request";
    }
    sized {
        /// Says that this side speaks OpenFlow.
        Hello(Hello) = 0, "hello";
        /// Something could not be done.
        Error(ErrorMessage) = 1, "error";
        /// Something of a vendor's.
        Vendor(Vendor) = 4, "vendor";
        /// Which switch this is.
        FeaturesReply(Features) = 6, "features_reply";
        /// A packet for the controller.
        PacketIn(PacketIn) = 10, "packet_in";
        /// A packet to send.
        PacketOut(PacketOut) = 13, "packet_out";
        /// Changes flow entries.
        FlowMod(FlowMod) = 14, "flow_mod";
        /// Asks about the switch.
        StatsRequest(StatsRequest) = 16, "stats_request";
        /// Answers.
        StatsReply(StatsReply) = 17, "stats_reply";
        /// The queues of a port.
        QueueGetConfigReply(QueueConfigReply) = 21, "queue_get_config_reply";
    }
}
