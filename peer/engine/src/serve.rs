//! Answers to Join and Request, the same at a broadcaster, a viewer and the CDN seed.

use std::net::SocketAddrV4;

use bytes::Bytes;
use nearcast_machine::Time;
use nearcast_media::{Media, StreamId};

use crate::store::Store;
use crate::supply::{Name, Supply};
use crate::wire::{
    DATAGRAM_MAX, Datagram, INDEX_HEADER, INDEX_PARTS_MAX, Index, Lack, PIECE_HEADER, Piece,
    Request, Wanted,
};

/// How many chunks a joiner is sent unasked; its window starts with as many.
pub(crate) const FIRST_WINDOW: u16 = 32;

/// The longest group that is handed over, in units after its first: four minutes of video with
/// sound.
const GROUP_MAX: u64 = 16_384;

/// Most chunks that one request can queue. A receiver's window is smaller.
const REQUEST_CHUNKS_MAX: usize = 512;

/// Answers a Join: queues the first chunks of the current group and gives the datagrams that go
/// before them, with the group's first unit; a Lack if there is no group, nothing if the receiver
/// has had its share.
pub(crate) fn join(
    now: Time,
    store: Option<&Store>,
    stream: StreamId,
    to: SocketAddrV4,
    supply: &mut Supply,
) -> (Vec<Datagram>, Option<u64>) {
    let group = store.and_then(|store| Some((store, store.group(now)?)));
    let Some((store, gop)) = group else {
        return (lack(now, stream, 0, Vec::new(), to, supply), None);
    };
    let mut counts: Vec<u16> = Vec::new();
    for (unit, count) in store.counts(gop..=gop + GROUP_MAX) {
        counts.resize((unit - gop) as usize, 0);
        counts.push(count);
    }
    let first: Vec<Name> = (gop..)
        .zip(&counts)
        .flat_map(|(unit, &count)| (0..count).map(move |index| (unit, index)))
        .map(|(unit, index)| Name { stream, epoch: store.epoch(), unit, index })
        .take(FIRST_WINDOW.into())
        .collect();
    let parts = index(store, gop, first.len() as u16, &counts);
    let bytes = parts.iter().map(Datagram::encoded_len).sum();
    if !supply.admit(now, to, bytes) {
        return (Vec::new(), None);
    }
    for name in first {
        supply.push(now, to, name);
    }
    (parts, Some(gop))
}

/// Answers a Request: queues the chunks that are there, and gives a Lack for the units that are
/// not.
pub(crate) fn request(
    now: Time,
    store: Option<&Store>,
    request: &Request,
    to: SocketAddrV4,
    supply: &mut Supply,
) -> Vec<Datagram> {
    let &Request { stream, epoch, .. } = request;
    let store = store.filter(|store| store.epoch() == epoch);
    let mut lacking = Vec::new();
    let mut left = REQUEST_CHUNKS_MAX;
    for Wanted { unit, ranges } in &request.wanted {
        let count = store.map_or(0, |store| store.count(*unit));
        if count == 0 {
            lacking.push(*unit);
            continue;
        }
        let whole = [(0, count - 1)];
        let ranges = if ranges.is_empty() { &whole[..] } else { ranges };
        for index in ranges.iter().flat_map(|&(first, last)| first..=last.min(count - 1)) {
            if left == 0 || !supply.push(now, to, Name { stream, epoch, unit: *unit, index }) {
                return Vec::new();
            }
            left -= 1;
        }
    }
    match lacking.is_empty() {
        true => Vec::new(),
        false => lack(now, stream, epoch, lacking, to, supply),
    }
}

fn lack(
    now: Time,
    stream: StreamId,
    epoch: u32,
    units: Vec<u64>,
    to: SocketAddrV4,
    supply: &mut Supply,
) -> Vec<Datagram> {
    let lack = Datagram::Lack(Lack { stream, epoch, units });
    match supply.admit(now, to, lack.encoded_len()) {
        true => vec![lack],
        false => Vec::new(),
    }
}

/// The table of contents from `gop` on, in as many parts as it takes.
fn index(store: &Store, gop: u64, sent: u16, counts: &[u16]) -> Vec<Datagram> {
    let stream = store.stream();
    let epoch = store.epoch();
    let empty = |first| Index {
        stream,
        epoch,
        gop,
        sent,
        part: 0,
        parts: 0,
        headers: Vec::new(),
        first,
        counts: Vec::new(),
    };
    const ROOM: usize = DATAGRAM_MAX - INDEX_HEADER;
    let mut parts = vec![empty(gop)];
    let mut room = ROOM;
    for header in store.headers().iter() {
        for piece in pieces(header) {
            if piece.encoded_len() > room {
                parts.push(empty(gop));
                room = ROOM;
            }
            room -= piece.encoded_len();
            parts.last_mut().expect("there is a first part").headers.push(piece);
        }
    }
    for (unit, &count) in (gop..).zip(counts) {
        if room < 2 {
            parts.push(empty(unit));
            room = ROOM;
        }
        room -= 2;
        parts.last_mut().expect("there is a first part").counts.push(count);
    }
    // What does not fit is no group that anyone should be handed; the joiner sees the rest pushed.
    parts.truncate(INDEX_PARTS_MAX);
    let total = parts.len() as u8;
    (0..total)
        .zip(parts)
        .map(|(part, index)| Datagram::Index(Index { part, parts: total, ..index }))
        .collect()
}

fn pieces(header: &Media) -> impl Iterator<Item = Piece> {
    const MOST: usize = DATAGRAM_MAX - INDEX_HEADER - PIECE_HEADER;
    let Media { kind, timestamp, ref body } = *header;
    let total = body.len() as u16; // At most `HEADER_MAX`, which is far below.
    (0..body.len()).step_by(MOST).map(move |offset| {
        let bytes: Bytes = body.slice(offset..(offset + MOST).min(body.len()));
        Piece { kind, timestamp, total, offset: offset as u16, bytes }
    })
}
