//! From meaning to bytes.

use super::code;
use super::*;

impl Datagram {
    /// Writes the datagram to the end of `out`, so that one buffer serves many.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        match self {
            Datagram::Chunk(chunk) => encode_chunk(chunk, out),
            Datagram::Request(request) => encode_request(request, out),
            Datagram::Join(join) => {
                begin(code::JOIN, join.stream, out);
                out.extend(join.token.to_be_bytes());
            }
            Datagram::Index(index) => encode_index(index, out),
            Datagram::Tail(tail) => {
                begin(code::TAIL, tail.stream, out);
                out.extend(tail.token.to_be_bytes());
                out.extend(tail.epoch.to_be_bytes());
                out.extend(tail.from.to_be_bytes());
                let millis = u32::try_from(tail.span.as_millis()).unwrap_or(u32::MAX);
                out.extend(millis.to_be_bytes());
            }
            Datagram::Lack(lack) => {
                begin(code::LACK, lack.stream, out);
                out.extend(lack.epoch.to_be_bytes());
                let units = bounded(&lack.units, LACK_UNITS_MAX);
                out.push(units.len() as u8);
                out.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            }
            Datagram::Token(token) => {
                begin(code::TOKEN, token.stream, out);
                out.extend(token.token.to_be_bytes());
            }
        }
    }

    /// How many bytes [`encode`](Datagram::encode) writes.
    pub fn encoded_len(&self) -> usize {
        const BEGIN: usize = 3 + 8;
        match self {
            Datagram::Chunk(chunk) => CHUNK_HEADER + chunk.payload.len(),
            Datagram::Request(request) => {
                let wanted = bounded(&request.wanted, REQUEST_UNITS_MAX).iter();
                REQUEST_HEADER + wanted.map(Wanted::encoded_len).sum::<usize>()
            }
            Datagram::Join(_) | Datagram::Token(_) => BEGIN + 8,
            Datagram::Index(index) => {
                let pieces = index.headers.iter().map(Piece::encoded_len).sum::<usize>();
                INDEX_HEADER + pieces + 2 * index.counts.len()
            }
            Datagram::Tail(_) => BEGIN + 8 + 4 + 8 + 4,
            Datagram::Lack(lack) => BEGIN + 4 + 1 + 8 * lack.units.len().min(LACK_UNITS_MAX),
        }
    }
}

impl Wanted {
    /// How many bytes it takes in a [`Request`].
    pub(crate) fn encoded_len(&self) -> usize {
        8 + 1 + 4 * self.ranges.len().min(RANGES_MAX)
    }
}

impl Piece {
    /// How many bytes it takes in an [`Index`].
    pub(crate) fn encoded_len(&self) -> usize {
        PIECE_HEADER + self.bytes.len()
    }
}

fn bounded<T>(items: &[T], most: usize) -> &[T] {
    debug_assert!(items.len() <= most, "{} items where {most} fit", items.len());
    &items[..items.len().min(most)]
}

fn begin(kind: u8, stream: StreamId, out: &mut Vec<u8>) {
    out.extend([MAGIC, VERSION, kind]);
    out.extend(stream.0);
}

fn encode_chunk(chunk: &Chunk, out: &mut Vec<u8>) {
    let head = &chunk.head;
    begin(code::CHUNK, chunk.stream, out);
    out.extend(chunk.epoch.to_be_bytes());
    out.extend(head.number.to_be_bytes());
    out.extend(chunk.index.to_be_bytes());
    out.extend(head.count.to_be_bytes());
    out.extend(head.gop.to_be_bytes());
    out.extend(head.timestamp.to_be_bytes());
    let keyframe = if head.keyframe { code::KEYFRAME } else { 0 };
    let header = if head.header { code::HEADER } else { 0 };
    out.push(kind_code(head.kind) | head.layer.number() << 2 | keyframe | header);
    out.extend(&chunk.payload);
}

fn encode_request(request: &Request, out: &mut Vec<u8>) {
    begin(code::REQUEST, request.stream, out);
    out.extend(request.token.to_be_bytes());
    out.extend(request.epoch.to_be_bytes());
    let wanted = bounded(&request.wanted, REQUEST_UNITS_MAX);
    out.push(wanted.len() as u8);
    for Wanted { unit, ranges } in wanted {
        out.extend(unit.to_be_bytes());
        let ranges = bounded(ranges, RANGES_MAX);
        out.push(ranges.len() as u8);
        for (first, last) in ranges {
            out.extend(first.to_be_bytes());
            out.extend(last.to_be_bytes());
        }
    }
}

fn encode_index(index: &Index, out: &mut Vec<u8>) {
    begin(code::INDEX, index.stream, out);
    out.extend(index.epoch.to_be_bytes());
    out.extend(index.gop.to_be_bytes());
    out.extend(index.sent.to_be_bytes());
    out.extend([index.part, index.parts, index.headers.len() as u8]);
    for piece in &index.headers {
        out.push(kind_code(piece.kind));
        out.extend(piece.timestamp.to_be_bytes());
        out.extend(piece.total.to_be_bytes());
        out.extend(piece.offset.to_be_bytes());
        out.extend((piece.bytes.len() as u16).to_be_bytes());
        out.extend(&piece.bytes);
    }
    out.extend(index.first.to_be_bytes());
    out.extend((index.counts.len() as u16).to_be_bytes());
    out.extend(index.counts.iter().flat_map(|count| count.to_be_bytes()));
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 0,
        Kind::Video => 1,
        Kind::Data => 2,
    }
}
