//! The datagrams of the mesh as bytes.
//!
//! All integers are big-endian. Every datagram begins with
//!
//! ```text
//! magic 0xc5 | version 1 | type u8 | stream 8 B
//! ```
//!
//! those between peers (types 1 to 7) go on with `epoch u32 | key u64`, and then
//!
//! ```text
//!   type 1   Seek      key u64
//!   type 2   Accept    key u64
//!   type 3   Confirm   key u64
//!   type 4   Decline
//!   type 5   Leave
//!   type 6   News      news
//!   type 7   Chunk     layer u8 | seq u32 | unit u32 | time u32 | tag u8 | n u16 | n bytes of news | payload
//!
//!   news               number u32 | parts u8 | map, if bit 0 of parts | request, if bit 1
//!   map                edge u32 | hops u8 | stamp u32 | echo u32 | held u32
//!                      | n u8 | n x (base u32 | kbit/s u16 | form u16 | bits or runs)
//!   request            patience u16 ms | layers u8 | first seq u32 of each layer in it
//!                      | n u16 | n x (layer 3 bits, seq - first 13 bits)
//! ```
//!
//! and those to and from the tracker with
//!
//! ```text
//!   type 16  Announce  token u64 | want u8
//!   type 17  Depart    token u64
//!   type 18  Peers     n u8 | n x id u64
//!   type 19  Token     token u64
//! ```
//!
//! Before a viewer takes chunks it may ask one whom it trusts, the seed beside the CDN, which key
//! they are signed with:
//!
//! ```text
//!   type 20  KeyWanted nonce u64 | 32 zero bytes, so that no answer is longer than its question
//!   type 21  Key       nonce u64 | key 32 B, zero if the stream is not signed
//! ```
//!
//! `form` holds the number of bytes that follow in bits 0 to 14. With bit 15 clear these are bits,
//! that of `base` being the lowest one of the first byte; the last byte is not zero. With bit 15
//! set they are lengths of runs of held and missing chunks in turn, beginning and ending with held
//! ones, in 7 bits each, least significant first, with bit 7 set in all but a length's last byte.
//! Of the two the shorter one is sent, bits if they are equal. Any map has one encoding only.

mod encode;
mod parse;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use nearcast_media::StreamId;

use super::tracker::{Answer, Question};
use super::{LAYERS_MAX, Message};

/// The first byte of every datagram of this module.
pub const MAGIC: u8 = 0xc5;

/// The version of the format that this module reads and writes.
pub const VERSION: u8 = 1;

/// The largest datagram, as UDP payload. With IPv4 and UDP headers it takes 1468 bytes, which fits
/// Ethernet, PPPoE (1492) and a GRE tunnel (1476), and leaves a full chunk of 1250 bytes
/// 150 for what proves it and for news.
pub const DATAGRAM_MAX: usize = 1440;

/// Most chunks of a layer from the first to the last one that a map or a request can name.
pub const SPAN_MAX: u32 = 1 << 13;

/// One datagram: to or from a peer or the tracker.
#[derive(Debug, Clone, PartialEq)]
pub enum Datagram {
    /// Between peers.
    Peer {
        /// Of which stream.
        stream: StreamId,
        /// Which publish of it. A driver hands it to the machine of just that stream and epoch.
        epoch: u32,
        /// What.
        message: Message<Bytes>,
    },
    /// To the tracker.
    Question {
        /// About which stream.
        stream: StreamId,
        /// What.
        question: Question,
    },
    /// From the tracker.
    Answer {
        /// About which stream.
        stream: StreamId,
        /// What.
        answer: Answer,
    },
    /// To a source that the sender trusts: with which key are chunks signed?
    KeyWanted {
        /// Of which stream.
        stream: StreamId,
        /// Comes back with the answer.
        nonce: u64,
    },
    /// The answer.
    Key {
        /// Of which stream.
        stream: StreamId,
        /// As it was asked.
        nonce: u64,
        /// The key; `None` if chunks are not signed.
        key: Option<[u8; 32]>,
    },
}

mod code {
    pub(super) const SEEK: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    pub(super) const CONFIRM: u8 = 3;
    pub(super) const DECLINE: u8 = 4;
    pub(super) const LEAVE: u8 = 5;
    pub(super) const NEWS: u8 = 6;
    pub(super) const CHUNK: u8 = 7;
    pub(super) const ANNOUNCE: u8 = 16;
    pub(super) const DEPART: u8 = 17;
    pub(super) const PEERS: u8 = 18;
    pub(super) const TOKEN: u8 = 19;
    pub(super) const KEY_WANTED: u8 = 20;
    pub(super) const KEY: u8 = 21;

    pub(super) const HAS_MAP: u8 = 1;
    pub(super) const HAS_REQUEST: u8 = 2;
    /// In the form of a layer: runs, not bits.
    pub(super) const RUNS: u16 = 1 << 15;
}

/// The first chunk of each layer that a request names; offsets count from there.
fn firsts(request: &super::Request) -> [Option<u32>; LAYERS_MAX] {
    let mut firsts = [None; LAYERS_MAX];
    for lc in &request.wanted {
        let first = &mut firsts[usize::from(lc.layer)];
        *first = Some(first.map_or(lc.seq, |first: u32| first.min(lc.seq)));
    }
    firsts
}
