//! The stamp in each H.264 picture: which unit of which publish it is, and when it was captured.
//!
//! It is an SEI message `user_data_unregistered` (ITU-T H.264 D.1.6) of our [`UUID`], which RTMP
//! relays pass through unchanged:
//!
//! ```text
//! UUID 16 B | version 1 | epoch u32 | unit u64 | frame u64 | captured u64 ns | { tag u8 | n u8 | n B }*
//! ```

use bytes::Bytes;
use nearcast_machine::Time;

/// Tells our SEI messages from those of others.
pub const UUID: [u8; 16] = *b"nearcast\x9b\x1e\x47\x52\xa0\x6d\xf3\x58";

/// What a stamp says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Unix seconds when the publish began.
    pub epoch: u32,
    /// The number of the unit that holds this picture.
    pub unit: u64,
    /// The number of the picture among the pictures of the publish, from 0.
    pub frame: u64,
    /// When the broadcaster's peer received it, CLOCK_REALTIME.
    pub captured: Time,
    /// Further fields, such as key material; those with an unknown tag are to be ignored.
    pub extensions: Vec<Extension>,
}

/// A further field of a stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What it means.
    pub tag: u8,
    /// At most 255 bytes.
    pub value: Bytes,
}

/// Puts `stamp` into an AVC video message body (the FLV tag body), after an access unit delimiter if
/// there is one, before everything else. `None` if the body is not an H.264 picture.
pub fn insert(body: &[u8], stamp: &Stamp) -> Option<Bytes> {
    let _ = (body, stamp);
    unimplemented!()
}

/// Finds the stamp in an AVC video message body; `None` if there is none.
pub fn find(body: &[u8]) -> Option<Stamp> {
    let _ = body;
    unimplemented!()
}

/// Finds the stamp in the bytes of an access unit in Annex B form, as players and MPEG-TS have it.
pub fn find_annexb(access_unit: &[u8]) -> Option<Stamp> {
    let _ = access_unit;
    unimplemented!()
}
