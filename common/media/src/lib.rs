//! RTMP, FLV and H.264 without I/O: what a livestream is made of, read and written as plain values.
//!
//! Everything that arrives here came from a network or a file of somebody else. No function of this
//! crate panics on it, sizes an allocation by an unchecked length, or keeps more of it than a
//! stated bound.
//!
//! The way of one frame through the crate: [`rtmp::Server`] or [`rtmp::Client`] takes it off a
//! connection as a [`Media`] message; the broadcaster's [`Numberer`] gives it a number and a
//! [`stamp`]; [`cut()`] divides the resulting [`Unit`] into chunks that are the same on every node;
//! whoever reads the stream from a relay finds the numbers again with a [`Follower`], and a
//! [`Placer`] tells where a unit's chunks stand in their layer.

mod cursor;
mod cut;
mod error;
mod follow;
mod media;
mod number;
mod place;
mod stream;
mod unit;

pub mod amf;
pub mod flv;
pub mod h264;
pub mod peering;
pub mod rtmp;
pub mod seal;
pub mod stamp;

pub use cut::{CHUNK_MAX, cut};
pub use error::Error;
pub use follow::{Followed, Follower};
pub use media::{Kind, Media};
pub use number::Numberer;
pub use place::{Place, Placer};
pub use stream::{Role, StreamId, StreamName};
pub use unit::{Layer, Unit};
