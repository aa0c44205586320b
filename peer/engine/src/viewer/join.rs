//! Being handed the current group of pictures.

use std::net::SocketAddrV4;

use nearcast_machine::{Span, Time};
use nearcast_media::{Kind, Media};

use crate::headers::{HEADER_MAX, Headers};
use crate::wire::{Index, Piece};

/// How long to wait when nobody on the ladder had a group, times the number of tries.
const ROUND_PAUSE: Span = Span::from_millis(250);
/// The longest such wait.
const ROUND_PAUSE_MAX: Span = Span::from_secs(4);

/// Where a joiner stands.
#[derive(Debug, Default)]
pub(super) enum Join {
    /// Nobody is asked (yet, or any more).
    #[default]
    Idle,
    /// The next one on the ladder is to be asked at `at`.
    Due { at: Time, rung: usize, began: Option<Time> },
    /// Somebody was asked.
    Asked { of: SocketAddrV4, until: Time, rung: usize, began: Time, parts: Vec<Option<Index>> },
    /// The group is known and is being fetched.
    Fetching(Fetching),
}

/// A group that is being handed over.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) holder: SocketAddrV4,
    pub(super) began: Time,
    pub(super) gop: u64,
    /// The last unit of it.
    pub(super) last: u64,
    pub(super) chunks: u32,
    pub(super) bytes: u64,
    /// When playing began.
    pub(super) first: Option<Time>,
}

/// A whole index.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) holder: SocketAddrV4,
    pub(super) began: Time,
    pub(super) epoch: u32,
    pub(super) gop: u64,
    pub(super) headers: Headers,
    /// How many chunks each unit from `gop` on has; 0 for those the holder lacks.
    pub(super) counts: Vec<u16>,
    pub(super) sent: u16,
}

impl Join {
    /// Begins, unless it has begun.
    pub(super) fn begin(&mut self, at: Time) {
        if let Join::Idle = self {
            *self = Join::Due { at, rung: 0, began: None };
        }
    }

    /// Whom to ask now, if anyone.
    pub(super) fn ask(
        &mut self,
        now: Time,
        ladder: &[SocketAddrV4],
        timeout: impl FnOnce(SocketAddrV4) -> Span,
    ) -> Option<SocketAddrV4> {
        if let Join::Asked { of, until, .. } = *self
            && until <= now
        {
            self.lacks(now, of, ladder.len());
        }
        let Join::Due { at, rung, began } = *self else { return None };
        if at > now || ladder.is_empty() {
            return None;
        }
        let of = ladder[rung % ladder.len()];
        let until = now + timeout(of);
        *self = Join::Asked { of, until, rung, began: began.unwrap_or(now), parts: Vec::new() };
        Some(of)
    }

    /// The one who was asked has no group, or does not answer: the next of a ladder with `rungs`
    /// rungs is due, at once or, after the last one, after a while.
    pub(super) fn lacks(&mut self, now: Time, from: SocketAddrV4, rungs: usize) {
        if let Join::Asked { of, rung, began, .. } = *self
            && of == from
        {
            let rung = rung + 1;
            let rounds = if rung.is_multiple_of(rungs.max(1)) { rung / rungs.max(1) } else { 0 };
            let pause = (ROUND_PAUSE * rounds as u64).min(ROUND_PAUSE_MAX);
            *self = Join::Due { at: now + pause, rung, began: Some(began) };
        }
    }

    /// Whether the one who was asked is `from`, and the rung, counted from 0 on and on.
    pub(super) fn asked(&self, from: SocketAddrV4) -> Option<usize> {
        match *self {
            Join::Asked { of, rung, .. } if of == from => Some(rung),
            _ => None,
        }
    }

    /// Begins a new round of a ladder with `rungs` rungs, after a pause.
    pub(super) fn put_off(&mut self, until: Time, rungs: usize) {
        if let Join::Asked { began, .. } = *self {
            *self = Join::Due { at: until, rung: rungs, began: Some(began) };
        }
    }

    /// The one who was asked wants to be asked again, with another token.
    pub(super) fn again(&mut self, now: Time, from: SocketAddrV4) {
        if let Join::Asked { of, rung, began, .. } = *self
            && of == from
        {
            *self = Join::Due { at: now, rung, began: Some(began) };
        }
    }

    /// Takes a part of an index; gives the whole when it was the last part.
    pub(super) fn index(
        &mut self,
        now: Time,
        from: SocketAddrV4,
        index: Index,
        timeout: Span,
    ) -> Option<Group> {
        let Join::Asked { of, until, began, parts, .. } = self else { return None };
        if *of != from || index.part >= index.parts || index.first < index.gop {
            return None;
        }
        let known = parts.iter().flatten().next();
        let same = |other: &Index| {
            (other.epoch, other.gop, other.parts) == (index.epoch, index.gop, index.parts)
        };
        if known.is_some_and(|known| !same(known)) {
            parts.clear();
        }
        parts.resize(index.parts.into(), None);
        *until = now + timeout;
        let place = usize::from(index.part);
        parts[place] = Some(index);
        if parts.iter().any(Option::is_none) {
            return None;
        }
        let (holder, began) = (*of, *began);
        let parts: Vec<Index> = std::mem::take(parts).into_iter().flatten().collect();
        *self = Join::Idle;
        whole(holder, began, parts)
    }

    pub(super) fn deadline(&self, asks_someone: bool) -> Option<Time> {
        match self {
            Join::Due { at, .. } if asks_someone => Some(*at),
            Join::Asked { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// The group that the parts of an index describe; `None` if they do not fit together.
fn whole(holder: SocketAddrV4, began: Time, parts: Vec<Index>) -> Option<Group> {
    let Index { epoch, gop, sent, .. } = *parts.first()?;
    let mut counts = Vec::new();
    for part in &parts {
        if !part.counts.is_empty() && part.first - gop != counts.len() as u64 {
            return None;
        }
        counts.extend_from_slice(&part.counts);
    }
    let pieces: Vec<Piece> = parts.into_iter().flat_map(|part| part.headers).collect();
    let mut headers = Headers::default();
    for kind in [Kind::Data, Kind::Video, Kind::Audio] {
        if let Some(header) = header(pieces.iter().filter(|piece| piece.kind == kind)) {
            headers.learn(header);
        }
    }
    (counts.first() != Some(&0) && !counts.is_empty()).then_some(Group {
        holder,
        began,
        epoch,
        gop,
        headers,
        counts,
        sent,
    })
}

/// The header that pieces in order make up; `None` if one is missing.
fn header<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Option<Media> {
    let mut pieces = pieces.peekable();
    let &&Piece { kind, timestamp, total, .. } = pieces.peek()?;
    let mut body = Vec::new();
    for piece in pieces {
        if usize::from(piece.offset) != body.len() || piece.total != total {
            return None;
        }
        body.extend_from_slice(&piece.bytes);
    }
    let whole = body.len() == usize::from(total) && body.len() <= HEADER_MAX;
    whole.then(|| Media { kind, timestamp, body: body.into() })
}
