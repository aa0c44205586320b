//! The sans-IO peer: chunks, sources, repair and in-order release.
//!
//! Three machines, each handed the time and its input and asked for its output (the order of calls
//! is that of [`nearcast_machine::Machine`]):
//!
//! - [`Broadcaster`] sends each chunk of a published stream once, to the group address of its
//!   peering, and repairs what got lost.
//! - [`Viewer`] takes one stream by RTMP from the CDN, by the switch, from neighbours and from the
//!   CDN seed, and releases each unit once, in order, whichever way it came.
//! - [`CdnSeed`] stands beside the CDN and answers for whatever no neighbour has.
//!
//! Beside them stands the LayerP2P mesh, for hosts that no switch peers: [`mesh::Peer`] and
//! [`mesh::tracker::Tracker`], with messages and a window of their own.
//!
//! Messages are typed; only a driver calls [`wire::Datagram::parse`] and
//! [`encode`](wire::Datagram::encode). What a machine keeps is bounded by its settings, whatever
//! arrives.

pub mod broadcaster;
pub mod mesh;
pub mod seed;
pub mod viewer;
pub mod wire;

mod error;
mod groups;
mod head;
mod headers;
mod membership;
mod reading;
mod serve;
mod store;
mod supply;
mod window;

pub use broadcaster::Broadcaster;
pub use error::Error;
pub use head::Head;
pub use seed::CdnSeed;
pub use supply::SupplyLimits;
pub use viewer::Viewer;
pub use window::WindowLimits;
