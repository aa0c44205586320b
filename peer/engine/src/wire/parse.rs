//! From bytes to meaning.

use bytes::Bytes;
use nearcast_machine::Span;
use nearcast_media::Layer;
use nom::Parser;
use nom::error::context;
use nom::multi::count;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::code;
use super::*;
use crate::Error;
use crate::reading::{self, Fail, Read, bytes_of, checked};

impl Datagram {
    /// Reads a datagram. Payloads are slices of it, not copies.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it ends too early, [`Error::Malformed`] if it says what cannot be;
    /// both name the field and its offset. What follows the message is malformed as well.
    pub fn parse(datagram: &Bytes) -> Result<Datagram, Error> {
        if datagram.len() > DATAGRAM_MAX {
            return Err(Error::Malformed { field: "length", offset: DATAGRAM_MAX });
        }
        reading::whole(datagram, message(datagram, datagram))
    }
}

fn message<'a>(whole: &Bytes, input: &'a [u8]) -> Read<'a, Datagram> {
    let (input, ()) = checked("magic", be_u8, |byte| (byte == MAGIC).then_some(()), input)?;
    let (input, ()) = checked("version", be_u8, |byte| (byte == VERSION).then_some(()), input)?;
    let known = |kind| (code::CHUNK..=code::TOKEN).contains(&kind).then_some(kind);
    let (input, kind) = checked("type", be_u8, known, input)?;
    let (input, stream) = context("stream", be_u64).parse(input)?;
    let stream = StreamId(stream.to_be_bytes());
    match kind {
        code::CHUNK => map(chunk(whole, stream, input), Datagram::Chunk),
        code::REQUEST => map(request(stream, input), Datagram::Request),
        code::JOIN => map(token(input), |token| Datagram::Join(Join { stream, token })),
        code::INDEX => map(index(whole, stream, input), Datagram::Index),
        code::TAIL => map(tail(stream, input), Datagram::Tail),
        code::LACK => map(lack(stream, input), Datagram::Lack),
        _ => map(token(input), |token| Datagram::Token(Token { stream, token })),
    }
}

fn map<'a, T>(read: Read<'a, T>, into: impl FnOnce(T) -> Datagram) -> Read<'a, Datagram> {
    read.map(|(rest, value)| (rest, into(value)))
}

fn token(input: &[u8]) -> Read<'_, u64> {
    context("token", be_u64).parse(input)
}

fn epoch(input: &[u8]) -> Read<'_, u32> {
    context("epoch", be_u32).parse(input)
}

fn kind(bits: u8) -> Option<Kind> {
    match bits {
        0 => Some(Kind::Audio),
        1 => Some(Kind::Video),
        2 => Some(Kind::Data),
        _ => None,
    }
}

fn chunk<'a>(whole: &Bytes, stream: StreamId, input: &'a [u8]) -> Read<'a, Chunk> {
    let (input, epoch) = epoch(input)?;
    let (input, number) = context("unit", be_u64).parse(input)?;
    let (input, index) = context("index", be_u16).parse(input)?;
    let (input, count) = checked("count", be_u16, |count| (count > index).then_some(count), input)?;
    let (input, gop) = checked("gop", be_u64, |gop| (gop <= number).then_some(gop), input)?;
    let (input, timestamp) = context("timestamp", be_u32).parse(input)?;
    let meaning = |flags: u8| {
        let (kind, layer) = (kind(flags & 3)?, Layer::from_number(flags >> 2 & 3)?);
        (flags >> 6 == 0).then_some((kind, layer, flags))
    };
    let (input, (kind, layer, flags)) = checked("flags", be_u8, meaning, input)?;
    let (keyframe, header) = (flags & code::KEYFRAME != 0, flags & code::HEADER != 0);
    let fits = (input.len() <= CHUNK_MAX).then_some(input.len());
    let length = fits.ok_or(Fail::malformed("payload", input))?;
    let (input, payload) = bytes_of("payload", whole, length, input)?;
    let head = Head { number, count, gop, kind, layer, keyframe, header, timestamp };
    Ok((input, Chunk { stream, epoch, head, index, payload }))
}

fn wanted(input: &[u8]) -> Read<'_, Wanted> {
    let (input, unit) = context("unit", be_u64).parse(input)?;
    let (input, ranges) = up_to("ranges", RANGES_MAX, input)?;
    let range = |input| {
        let (input, first) = context("first index", be_u16).parse(input)?;
        let valid = |last| (last >= first).then_some((first, last));
        checked("last index", be_u16, valid, input)
    };
    let (input, ranges) = count(range, ranges).parse(input)?;
    Ok((input, Wanted { unit, ranges }))
}

/// A byte that says how many of something follow.
fn up_to<'a>(field: &'static str, most: usize, input: &'a [u8]) -> Read<'a, usize> {
    checked(field, be_u8, |n| (usize::from(n) <= most).then_some(usize::from(n)), input)
}

fn request(stream: StreamId, input: &[u8]) -> Read<'_, Request> {
    let (input, token) = token(input)?;
    let (input, epoch) = epoch(input)?;
    let (input, units) = up_to("units", REQUEST_UNITS_MAX, input)?;
    let (input, wanted) = count(wanted, units).parse(input)?;
    Ok((input, Request { stream, token, epoch, wanted }))
}

fn piece<'a>(whole: &Bytes, input: &'a [u8]) -> Read<'a, Piece> {
    let (input, kind) = checked("header kind", be_u8, kind, input)?;
    let (input, timestamp) = context("header timestamp", be_u32).parse(input)?;
    let (input, total) = context("header length", be_u16).parse(input)?;
    let (input, offset) = context("header offset", be_u16).parse(input)?;
    let fits = |n: u16| (n > 0 && offset.checked_add(n)? <= total).then_some(usize::from(n));
    let (input, length) = checked("piece length", be_u16, fits, input)?;
    let (input, bytes) = bytes_of("header", whole, length, input)?;
    Ok((input, Piece { kind, timestamp, total, offset, bytes }))
}

fn index<'a>(whole: &Bytes, stream: StreamId, input: &'a [u8]) -> Read<'a, Index> {
    let (input, epoch) = epoch(input)?;
    let (input, gop) = context("gop", be_u64).parse(input)?;
    let (input, sent) = context("sent", be_u16).parse(input)?;
    let (input, part) = context("part", be_u8).parse(input)?;
    let valid = |n: u8| (n > part && usize::from(n) <= INDEX_PARTS_MAX).then_some(n);
    let (input, parts) = checked("parts", be_u8, valid, input)?;
    let (input, pieces) = context("headers", be_u8).parse(input)?;
    let (input, headers) = count(|input| piece(whole, input), pieces.into()).parse(input)?;
    let (input, first) = checked("first unit", be_u64, |n| (n >= gop).then_some(n), input)?;
    // A datagram cannot hold more, so neither can the vector that is allocated for them.
    let fits = |n: u16| (usize::from(n) <= DATAGRAM_MAX / 2).then_some(usize::from(n));
    let (input, counts) = checked("unit counts", be_u16, fits, input)?;
    let (input, counts) = count(context("chunk count", be_u16), counts).parse(input)?;
    Ok((input, Index { stream, epoch, gop, sent, part, parts, headers, first, counts }))
}

fn tail(stream: StreamId, input: &[u8]) -> Read<'_, Tail> {
    let (input, token) = token(input)?;
    let (input, epoch) = epoch(input)?;
    let (input, from) = context("from", be_u64).parse(input)?;
    let (input, millis) = context("for", be_u32).parse(input)?;
    let span = Span::from_millis(millis.into());
    Ok((input, Tail { stream, token, epoch, from, span }))
}

fn lack(stream: StreamId, input: &[u8]) -> Read<'_, Lack> {
    let (input, epoch) = epoch(input)?;
    let (input, units) = up_to("units", LACK_UNITS_MAX, input)?;
    let (input, units) = count(context("unit", be_u64), units).parse(input)?;
    Ok((input, Lack { stream, epoch, units }))
}
