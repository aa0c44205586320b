//! OpenFlow 1.3.5. Names are those of the specification without their `OFP` prefixes; section
//! numbers in the docs are its own.

mod action;
mod error;
mod flow;
mod group;
mod group_stats;
mod instruction;
mod matching;
mod message;
mod meter;
mod meter_stats;
mod multipart;
mod oxm;
mod packet;
mod port;
mod queue;
mod stats;
mod switch;
mod table_features;

pub use action::{Action, MAX_LEN_NO_BUFFER};
pub use error::{ErrorMessage, ErrorType};
pub use flow::{FlowCommand, FlowMod, FlowRemoved, FlowRemovedReason, flow_flags};
pub use group::{Bucket, GroupCommand, GroupMod, GroupType, group_number};
pub use group_stats::{BucketCounter, GroupDesc, GroupFeatures, GroupStats};
pub use instruction::{Instruction, TABLE_ALL};
pub use matching::Match;
pub use message::{Body, Experimenter, Message};
pub use meter::{MeterBand, MeterCommand, MeterMod, meter_flags, meter_number};
pub use meter_stats::{BandCounter, MeterConfig, MeterFeatures, MeterStats};
pub use multipart::{MultipartReply, MultipartRequest, Reply, Request};
pub use oxm::{Masked, Oxm, Vid24};
pub use packet::{NO_BUFFER, PacketIn, PacketInReason, PacketOut};
pub use port::{
    Port, PortMod, PortReason, PortStatus, port_config, port_feature, port_number, port_state,
};
pub use queue::{PacketQueue, QUEUE_ALL, QueueConfigReply, QueueConfigRequest, QueueProperty};
pub use stats::{
    AggregateStats, Desc, FlowStats, FlowStatsRequest, PortStats, QueueStats, QueueStatsRequest,
    TableStats,
};
pub use switch::{
    AsyncConfig, Features, Role, RoleMessage, SwitchConfig, TableMod, capability, fragments,
};
pub use table_features::{FeatureId, OxmId, TableFeatures, TableProperty};
