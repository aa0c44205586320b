//! H.264 (ITU-T H.264) bitstreams, as far as layers, chunks and stamps need them: NAL units in both
//! framings, the first fields of slice headers, and picture sizes.

mod bits;
mod config;
mod escape;
mod nal;
mod picture;
mod sps;

pub use config::DecoderConfig;
pub use escape::{escape, unescape};
pub use nal::{Nal, annexb, avcc, avcc_length_size, nal_type};
pub use picture::{Picture, SliceType};
pub use sps::{dimensions, with_reordering};
