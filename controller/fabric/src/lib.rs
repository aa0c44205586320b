//! The sans-IO controller: switches, links, hosts, paths, streams and peerings; OpenFlow messages
//! in, OpenFlow messages and events out.
//!
//! [`Fabric`] is the machine. It brings every switch to the pipeline of `docs/architecture.md` and
//! keeps it there across reconnections without wiping what is right, finds the links between
//! switches by authenticated probes, learns hosts at edge ports, answers ARP, and forwards
//! proactively along shortest paths. Out of the copies of RTMP segments it works out which host
//! publishes and which plays what; where broadcaster and viewers are near, it forms a peering: a
//! tree of groups on the switches that copies the broadcaster's one stream of datagrams to every
//! viewer that took part, over each link once.
//!
//! What it decided it says in [`Event`]s. It holds no socket and reads no clock:
//! `nearcast-controller` drives it over TCP, its tests drive it against switches in memory.

mod adoption;
mod agenda;
mod aliases;
mod audit;
mod branching;
mod claims;
mod config;
mod contest;
mod delay;
mod describe;
mod detour;
mod detouring;
mod discovery;
mod distribution;
mod election;
mod entry;
mod event;
mod fabric;
mod forwarding;
mod frame;
mod hosts;
mod inspection;
mod ledger;
mod mastery;
mod matchmaking;
mod metering;
mod meters;
mod ndp;
mod nearness;
mod neighbours;
mod offers;
mod packet_in;
mod pipeline;
mod policy;
mod pool;
mod publication;
mod rate;
mod reassembly;
mod replica;
mod roles;
mod session;
mod spanning;
mod stream;
mod switch;
mod text;
mod topology;
mod translate;
mod view;
mod view_flows;

pub use config::{Config, ConfigError, Limits, RTMP_PORT};
pub use election::{Claim, Election, PATIENCE, Turn};
pub use event::{
    Duplicate, Ending, Event, InspectionEnd, Limit, NotNear, PeeringAddresses, RoleEnd, SetupTime,
    Withdrawal,
};
pub use fabric::{ConnectionId, Fabric, Input, Output};
pub use mastery::Standing;
pub use nearcast_media::{Role, StreamName};
pub use policy::{Policy, Subnet};
pub use pool::VirtualRange;
pub use reassembly::{Reassembly, ReassemblyError};
pub use replica::{Replica, Update};
pub use rust_openflow::Mac;
pub use topology::{Attachment, DatapathId};
pub use view::{HostView, LinkView, MemberView, PeeringView, Statistics, StreamView, SwitchView};
pub use view_flows::{FlowView, FlowsView};
