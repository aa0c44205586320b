//! OpenFlow 1.0.2. Names are those of the specification without their `OFP` prefixes; section
//! numbers in the docs are its own.
//!
//! What a learning switch does a million times a second needs no allocation: [`PacketIn::borrowed`]
//! leaves the frame where it is, and a [`FlowMod`] or [`PacketOut`] takes its actions from anything
//! that holds them, such as an array.
//!
//! ```
//! use rust_openflow::v10::{Action, FlowMod, Match, PacketIn};
//!
//! # let frame = [[0xff; 6], [2; 6]].concat();
//! # let question = rust_openflow::v10::Message::new(7, rust_openflow::v10::Body::PacketIn(PacketIn {
//! #     buffer_id: 3, total_len: 12, in_port: 1,
//! #     reason: rust_openflow::v10::PacketInReason::NoMatch, data: frame,
//! # }));
//! # let mut wire = Vec::new();
//! # question.encode(&mut wire);
//! let (xid, packet) = PacketIn::borrowed(&wire)?;
//! let to: [u8; 6] = packet.data[..6].try_into().expect("a frame has at least 14 bytes");
//! let answer = FlowMod::add([Action::output(2)])
//!     .matching(Match::any().in_port(packet.in_port).dl_dst(to))
//!     .buffer(packet.buffer_id);
//! let mut out = Vec::with_capacity(80);
//! answer.encode_message(xid, &mut out);
//! # assert_eq!(out.len(), 80);
//! # Ok::<(), rust_openflow::Error>(())
//! ```

mod action;
mod error;
mod flow;
mod matching;
mod message;
mod packet;
mod port;
mod queue;
mod stats;
mod stats_message;
mod switch;

pub use action::{Action, MAX_LEN_NO_BUFFER};
pub use error::{ErrorMessage, ErrorType};
pub use flow::{FlowCommand, FlowMod, FlowRemoved, FlowRemovedReason, flow_flags};
pub use matching::{Match, VLAN_NONE, wildcard};
pub use message::{Body, Message, Vendor};
pub use packet::{NO_BUFFER, PacketIn, PacketInReason, PacketOut};
pub use port::{
    Port, PortMod, PortReason, PortStatus, port_config, port_feature, port_number, port_state,
};
pub use queue::{PacketQueue, QUEUE_ALL, QueueConfigReply, QueueConfigRequest, QueueProperty};
pub use stats::{
    AggregateStats, Desc, FlowStats, FlowStatsRequest, PortStats, PortStatsRequest, QueueStats,
    QueueStatsRequest, TABLE_ALL, TABLE_EMERGENCY, TableStats,
};
pub use stats_message::{Reply, Request, StatsReply, StatsRequest};
pub use switch::{Features, SwitchConfig, action_bit, capability, fragments};
