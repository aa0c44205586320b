//! The LayerP2P mesh (Liu, Shen, Panwar, Ross, Wang: "LayerP2P: Using Layered Video Chunks in P2P
//! Live Streaming", IEEE Transactions on Multimedia 11/7, 2009): layered video, mesh-pull, and
//! upload that is given in proportion to what was got.
//!
//! `docs/layerp2p.md` describes rules, settings and messages, and says where the paper leaves open
//! what is decided here.

pub mod tracker;
pub mod wire;

mod api;
mod candidates;
mod clock;
mod demand;
mod index;
mod layer;
mod lc;
mod lines;
mod map;
mod median;
mod message;
mod neighbour;
mod pace;
mod peer;
mod queue;
mod rate;
mod settings;
mod share;
mod statistics;

pub use api::{Cause, Event, Input, Output, Relation};
pub use lc::{Chunk, LAYERS_MAX, Lc, Payload, SEQ_MAX, Size, Tag};
pub use map::{BufferMap, LayerBits};
pub use message::{Body, Message, News, PeerId, Report, Request};
pub use peer::Peer;
pub use settings::{
    Demand, NEIGHBOURS_MAX, Policy, Replace, Role, Settings, Supply, System, UnknownSystem,
};
pub use statistics::{LayerStatistics, NeighbourStatistics, Statistics};
