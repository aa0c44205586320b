//! LayerP2P in virtual time: tracker, source and viewers as nodes of [`nearcast_sim`].
//!
//! The machines are those of the live peer, unchanged; here is what turns their inputs and outputs
//! into messages of the simulator, and a source's stream. Chunks have a size and no bytes: what
//! travels is never encoded.
//!
//! A [`Kit`] is what the nodes of a run are made of, a [`MeshNode`] is one of them.

mod kit;
mod node;
mod stream;

pub use kit::{Kit, access, simulated};
pub use node::{Datagram, MeshNode, Output, SERVERS, SOURCE, Started, TRACKER, servers};
pub use stream::{Encoder, LAYERS, Stream, StreamError, StreamText};
