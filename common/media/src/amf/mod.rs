//! AMF0 (Adobe, 2007) and the part of AMF3 (2013) that RTMP commands use.
//!
//! RTMP commands are sequences of AMF0 values. A value of AMF3 may stand in them behind the AVM+
//! mark; it is read into the same [`Value`] and written as AMF0.

mod amf3;
mod read;
mod value;

pub use read::{DEPTH_MAX, VALUES_MAX, read, read_all};
pub use value::Value;
