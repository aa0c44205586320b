//! The datagrams that peers exchange. `docs/architecture.md`, "Chunks".
//!
//! All integers are big-endian. Every datagram begins with
//!
//! ```text
//! magic 0xc4 | version 1 | type u8 | stream 8 B
//!   type 1  Chunk    epoch u32 | unit u64 | index u16 | count u16 | gop u64 | timestamp u32 | flags u8 | payload
//!   type 2  Request  token u64 | epoch u32 | n u8 | n x (unit u64 | m u8 | m x (first u16 | last u16))
//!   type 3  Join     token u64
//!   type 4  Index    epoch u32 | gop u64 | sent u16 | part u8 | parts u8
//!                    | n u8 | n x (kind u8 | timestamp u32 | total u16 | offset u16 | length u16 | bytes)
//!                    | first u64 | m u16 | m x count u16
//!   type 5  Tail     token u64 | epoch u32 | from u64 | for u32 ms
//!   type 6  Lack     epoch u32 | n u8 | n x unit u64
//!   type 7  Token    token u64
//! ```
//!
//! `flags` of a chunk: bits 0-1 kind (0 audio, 1 video, 2 data), bits 2-3 layer (1 to 3), bit 4
//! keyframe, bit 5 header; bits 6-7 are zero.

mod encode;
mod parse;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use nearcast_machine::Span;
use nearcast_media::{CHUNK_MAX, Kind, StreamId};

use crate::Head;

/// The first byte of every datagram of this module. Messages of the controller begin with
/// [`nearcast_media::peering::MAGIC`].
pub const MAGIC: u8 = 0xc4;

/// The version of the format that this module reads and writes.
pub const VERSION: u8 = 1;

/// The largest datagram, as UDP payload: with IPv4 and UDP headers it fits an Ethernet frame and
/// leaves room for a tunnel's.
pub const DATAGRAM_MAX: usize = 1400;

/// Most units in one [`Request`].
pub const REQUEST_UNITS_MAX: usize = 64;
/// Most ranges per unit of a [`Request`].
pub const RANGES_MAX: usize = 32;
/// Most units in one [`Lack`].
pub const LACK_UNITS_MAX: usize = 128;
/// Most parts of an index.
pub const INDEX_PARTS_MAX: usize = 64;

const CHUNK_HEADER: usize = 3 + 8 + 4 + 8 + 2 + 2 + 8 + 4 + 1;
const REQUEST_HEADER: usize = 3 + 8 + 8 + 4 + 1;
pub(crate) const INDEX_HEADER: usize = 3 + 8 + 4 + 8 + 2 + 1 + 1 + 1 + 8 + 2;
pub(crate) const PIECE_HEADER: usize = 1 + 4 + 2 + 2 + 2;
const _: () = assert!(CHUNK_HEADER + CHUNK_MAX <= DATAGRAM_MAX, "a whole chunk is one datagram");

/// One datagram between peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram {
    /// A piece of a unit: pushed, or in answer to anything.
    Chunk(Chunk),
    /// Asks for chunks by name.
    Request(Request),
    /// Asks for the current group of pictures; answered by [`Index`] and the group's first chunks.
    Join(Join),
    /// What a group consists of.
    Index(Index),
    /// Asks the CDN seed to send whatever comes, for a while.
    Tail(Tail),
    /// Says that the holder does not have what was asked for.
    Lack(Lack),
    /// The CDN seed's answer to a question without a valid token: ask again with this one.
    Token(Token),
}

impl Datagram {
    /// The stream that the datagram is about, by which a driver finds the machine to hand it to.
    pub fn stream(&self) -> StreamId {
        match self {
            Datagram::Chunk(m) => m.stream,
            Datagram::Request(m) => m.stream,
            Datagram::Join(m) => m.stream,
            Datagram::Index(m) => m.stream,
            Datagram::Tail(m) => m.stream,
            Datagram::Lack(m) => m.stream,
            Datagram::Token(m) => m.stream,
        }
    }
}

/// A piece of a unit. Its name is `(stream, epoch, head.number, index)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The stream.
    pub stream: StreamId,
    /// Which publish of it, in Unix seconds.
    pub epoch: u32,
    /// What all chunks of the unit say about it.
    pub head: Head,
    /// Which piece, below `head.count`.
    pub index: u16,
    /// The bytes, at most [`CHUNK_MAX`].
    pub payload: Bytes,
}

/// Asks for chunks by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The stream.
    pub stream: StreamId,
    /// What the CDN seed gave in a [`Token`]; 0 among neighbours, whom the switch vouches for.
    pub token: u64,
    /// Which publish of the stream.
    pub epoch: u32,
    /// The chunks, at most [`REQUEST_UNITS_MAX`] units.
    pub wanted: Vec<Wanted>,
}

/// Chunks of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The unit.
    pub unit: u64,
    /// Ranges of index, first and last, both included; at most [`RANGES_MAX`]. None at all means
    /// the whole unit, for one that does not know how many chunks it has.
    pub ranges: Vec<(u16, u16)>,
}

/// Asks for the current group of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// The stream.
    pub stream: StreamId,
    /// As in [`Request::token`].
    pub token: u64,
}

/// One part of the table of contents of the current group. The parts are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The stream.
    pub stream: StreamId,
    /// Which publish of it.
    pub epoch: u32,
    /// The unit that the group starts with.
    pub gop: u64,
    /// How many of the group's first chunks follow without being asked for.
    pub sent: u16,
    /// Which part this is.
    pub part: u8,
    /// How many there are, at most [`INDEX_PARTS_MAX`].
    pub parts: u8,
    /// Sequence headers and metadata that the group needs, or pieces of them.
    pub headers: Vec<Piece>,
    /// The unit that the first of `counts` is about.
    pub first: u64,
    /// How many chunks each unit from `first` on has; 0 for one the holder does not have (yet).
    pub counts: Vec<u16>,
}

/// A piece of a sequence header or of metadata. Most fit in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is a header of.
    pub kind: Kind,
    /// Its RTMP timestamp, ms.
    pub timestamp: u32,
    /// How long the whole is.
    pub total: u16,
    /// Where in it `bytes` belongs.
    pub offset: u16,
    /// The bytes.
    pub bytes: Bytes,
}

/// Asks the CDN seed to send units as they come. A `span` of zero ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The stream.
    pub stream: StreamId,
    /// As in [`Request::token`].
    pub token: u64,
    /// Which publish of the stream.
    pub epoch: u32,
    /// The first unit wanted.
    pub from: u64,
    /// For how long, in whole ms; the seed has a bound of its own.
    pub span: Span,
}

/// Says that the holder does not have what was asked for; without units: nothing of that stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The stream.
    pub stream: StreamId,
    /// Which publish of it; 0 in answer to a [`Join`].
    pub epoch: u32,
    /// The units, at most [`LACK_UNITS_MAX`].
    pub units: Vec<u64>,
}

/// Proves to the CDN seed, when sent back, that its receiver is where it says. It is never longer
/// than the question that it answers, so the seed amplifies nothing for a forged address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The stream that was asked about.
    pub stream: StreamId,
    /// The proof.
    pub token: u64,
}

mod code {
    pub(super) const CHUNK: u8 = 1;
    pub(super) const REQUEST: u8 = 2;
    pub(super) const JOIN: u8 = 3;
    pub(super) const INDEX: u8 = 4;
    pub(super) const TAIL: u8 = 5;
    pub(super) const LACK: u8 = 6;
    pub(super) const TOKEN: u8 = 7;

    pub(super) const KEYFRAME: u8 = 1 << 4;
    pub(super) const HEADER: u8 = 1 << 5;
}
