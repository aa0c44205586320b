//! Whose chunks a viewer of the mesh takes.

use std::net::SocketAddrV4;

use bytes::Bytes;
use nearcast_engine::mesh::Chunk;
use nearcast_machine::{Span, Time};

use super::proof::{Judge, Scope, Verdict};

/// How often the seed is asked until it answers.
const AGAIN: Span = Span::from_millis(500);

/// By what a viewer knows the broadcaster's key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// The user has it from the broadcaster.
    Key([u8; 32]),
    /// The seed beside the CDN reads it in the stream as the CDN admitted it.
    Seed(SocketAddrV4),
    /// By nothing.
    None,
}

/// What is to be done with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    Take,
    /// It can neither be taken nor be held against its sender.
    Leave,
    /// Its sender has no business here.
    Shun,
}

/// Judges chunks as far as the broadcaster's key is known.
pub(super) enum Trust {
    /// Nobody says whose the stream is, or it is not signed: every chunk is taken.
    Anyone,
    /// The seed is asked for the key, under a number that only it hears. No chunk is taken before.
    Asking { seed: SocketAddrV4, nonce: u64, next: Time },
    /// The key is known.
    Known(Box<Judge>),
}

impl Trust {
    /// `nonce`: that nobody can guess.
    pub(super) fn new(anchor: Anchor, nonce: u64) -> Trust {
        match anchor {
            Anchor::Key(key) => Trust::Known(Box::new(Judge::new(&key))),
            Anchor::Seed(seed) => Trust::Asking { seed, nonce, next: Time::ZERO },
            Anchor::None => Trust::Anyone,
        }
    }

    /// Whether chunks are verified.
    pub(super) fn verifies(&self) -> bool {
        matches!(self, Trust::Known(_))
    }

    /// Whom to ask for the key now, under which number.
    pub(super) fn ask(&mut self, now: Time) -> Option<(SocketAddrV4, u64)> {
        match self {
            Trust::Asking { seed, nonce, next } if *next <= now => {
                *next = now + AGAIN;
                Some((*seed, *nonce))
            }
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match self {
            Trust::Asking { next, .. } => Some(*next),
            _ => None,
        }
    }

    /// Takes the seed's answer; `false` if it is none that was asked for.
    pub(super) fn answer(&mut self, from: SocketAddrV4, nonce: u64, key: Option<[u8; 32]>) -> bool {
        let expected =
            matches!(*self, Trust::Asking { seed, nonce: n, .. } if (seed, n) == (from, nonce));
        if expected {
            *self = key.map_or(Trust::Anyone, |key| Trust::Known(Box::new(Judge::new(&key))));
        }
        expected
    }

    pub(super) fn rule(&mut self, scope: Scope, chunk: &Chunk<Bytes>) -> Ruling {
        match self {
            Trust::Anyone => Ruling::Take,
            Trust::Asking { .. } => Ruling::Leave,
            Trust::Known(judge) => match judge.judge(scope, chunk) {
                Verdict::Genuine => Ruling::Take,
                // A picture may be too large to be signed, for which its bringer is not to blame.
                Verdict::Unproved => Ruling::Leave,
                Verdict::Forged => Ruling::Shun,
            },
        }
    }
}
