//! What peers say to each other. Typed: bytes appear only in [`wire`](super::wire).

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use nearcast_machine::Span;

use super::{BufferMap, Chunk, Lc, Payload};

/// Who a peer is to others: opaque here. A driver packs an address into it; a simulator counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

impl From<SocketAddrV4> for PeerId {
    fn from(address: SocketAddrV4) -> PeerId {
        PeerId(u64::from(u32::from(*address.ip())) << 16 | u64::from(address.port()))
    }
}

impl PeerId {
    /// The address that was packed into it; `None` if it is none.
    pub fn address(self) -> Option<SocketAddrV4> {
        let ip = u32::try_from(self.0 >> 16).ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(ip), self.0 as u16))
    }
}

/// One datagram of one stream from a peer to a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<P> {
    /// The key that the receiver of this message gave its sender when they became neighbours, so
    /// that nobody off the path can speak for a neighbour. 0 in [`Body::Seek`], and from a source
    /// that is no neighbour (the switch's push).
    pub key: u64,
    /// What is said.
    pub body: Body<P>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<P> {
    /// "Be my neighbour": the sender becomes the initiator. Answers must bring `key`.
    Seek {
        /// The key for messages to the sender.
        key: u64,
    },
    /// "I would": messages to the sender must bring `key`, which it has made of the asker's address
    /// and key and keeps nowhere, so that forged addresses cost it nothing.
    Accept {
        /// The key for messages to the sender.
        key: u64,
    },
    /// "Then we are": sent with the key of [`Accept`](Body::Accept), until the receptor is heard.
    Confirm {
        /// The key for messages to the sender, again.
        key: u64,
    },
    /// "I have no room", or want no more of you.
    Decline,
    /// The neighbour relationship is over.
    Leave,
    /// A round's buffer map and requests, on their own. Boxed, so that chunks, of which there are
    /// more, are no longer than they have to be.
    News(Box<News>),
    /// A layer chunk, and with it whatever news there was to tell.
    Chunk {
        /// The chunk.
        chunk: Chunk<P>,
        /// Piggybacked.
        news: Option<Box<News>>,
    },
}

/// A buffer map, requests, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Counts the sender's news to this neighbour; older ones than the newest are void.
    pub number: u32,
    /// Which chunks the sender has.
    pub map: Option<Report>,
    /// Which chunks the sender wants.
    pub request: Option<Request>,
}

/// A buffer map, with what measures the round trip (as in RTCP receiver reports, RFC 3550 6.4.1).
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The map, shared by all who are sent it.
    pub map: Arc<BufferMap>,
    /// What the sender takes for the stream time of the encoder's present, in ms, as it sends.
    pub edge: u32,
    /// Over how many peers it has that from a source: a source itself says 0, one that does not
    /// know says 255.
    pub hops: u8,
    /// The sender's clock in microseconds, cut to 32 bits.
    pub stamp: u32,
    /// The newest stamp that the sender got from the receiver; 0 if none.
    pub echo: u32,
    /// For how long the sender held that, in microseconds.
    pub held: u32,
}

/// Asks for chunks, in the order in which they are to be served.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// How much of the sender's round is left: what is not on its way by then will be asked of
    /// somebody. Whole milliseconds.
    pub patience: Span,
    /// The chunks.
    pub wanted: Vec<Lc>,
}

/// What every datagram begins with: magic, version, type, stream, epoch and key.
pub(crate) const HEAD: usize = 3 + 8 + 4 + 8;
/// Layer, seq, unit, time, tag and the length of the news.
const CHUNK: usize = 1 + 4 + 4 + 4 + 1 + 2;
/// What a datagram with a chunk has beside the chunk.
pub(crate) const FULL: usize = HEAD + CHUNK;
/// Number and what follows.
const NEWS: usize = 4 + 1;
/// Edge, hops, stamp, echo, held.
const REPORT: usize = 4 + 1 + 3 * 4;
/// Patience, the first seq of each of the layers, count.
const REQUEST: usize = 2 + 1 + 2;
/// Bytes that a request has for each layer that it mentions.
const REQUEST_LAYER: usize = 4;
/// Bytes that a request has for each chunk.
const REQUEST_LC: usize = 2;

impl<P: Payload> Message<P> {
    /// How many bytes it is on the wire, as UDP payload: what
    /// [`Datagram::encode`](super::wire::Datagram::encode) writes. It takes no time that grows with
    /// a map or a payload.
    pub fn size(&self) -> usize {
        HEAD + match &self.body {
            Body::Seek { .. } | Body::Accept { .. } | Body::Confirm { .. } => 8,
            Body::Decline | Body::Leave => 0,
            Body::News(news) => news.size(),
            Body::Chunk { chunk, news } => {
                CHUNK + chunk.payload.size() + news.as_ref().map_or(0, |news| news.size())
            }
        }
    }
}

impl News {
    /// How many bytes it adds to a chunk.
    pub fn size(&self) -> usize {
        let map = self.map.as_ref().map_or(0, Report::size);
        NEWS + map + self.request.as_ref().map_or(0, Request::size)
    }
}

impl Report {
    /// How many bytes it is on the wire.
    pub fn size(&self) -> usize {
        REPORT + self.map.size()
    }
}

impl Request {
    /// How many chunks of so many layers can be asked for in `room` bytes.
    pub(crate) fn most(room: usize, layers: usize) -> usize {
        room.saturating_sub(REQUEST + REQUEST_LAYER * layers) / REQUEST_LC
    }

    /// How many bytes it is on the wire.
    pub fn size(&self) -> usize {
        let layers = self.wanted.iter().fold(0u8, |layers, lc| layers | 1 << (lc.layer & 7));
        REQUEST + REQUEST_LAYER * layers.count_ones() as usize + REQUEST_LC * self.wanted.len()
    }
}
