//! One direction of a TCP connection, put back in order for inspection.

use std::collections::BTreeMap;

/// How many separate pieces may wait for a hole to be filled. A piece costs more than its bytes,
/// so a sender of one-byte segments must not be bounded by bytes alone.
const MAX_PIECES: usize = 64;

/// Why a direction cannot be followed any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// A segment lies farther ahead of the first hole than the buffer reaches.
    #[error("a segment lies {ahead} bytes ahead of a hole; at most {limit} are held")]
    TooFarAhead {
        /// Distance from the first missing byte to the end of the segment.
        ahead: usize,
        /// How many bytes the buffer reaches ahead.
        limit: usize,
    },
    /// The data waiting behind a hole came in more pieces than are kept.
    #[error("more than 64 separate pieces wait behind a hole")]
    TooManyPieces,
}

/// Puts the segments of one direction of a connection in order, from its SYN on.
///
/// Out-of-order segments wait within a bound; repeated bytes are dropped; where segments overlap
/// the bytes that came first count, as most receivers have it. Sequence numbers wrap (RFC 9293
/// 3.4).
///
/// ```
/// use nearcast_fabric::Reassembly;
/// let mut direction = Reassembly::after_syn(u32::MAX, 1024);
/// let mut read = Vec::new();
/// direction.segment(2, b"cd", |bytes| read.extend_from_slice(bytes)).unwrap();
/// assert!(read.is_empty(), "two bytes are missing");
/// direction.segment(0, b"abc", |bytes| read.extend_from_slice(bytes)).unwrap();
/// assert_eq!(read, b"abcd");
/// ```
#[derive(Debug, Clone)]
pub struct Reassembly {
    /// Sequence number of the next byte to release.
    next: u32,
    /// Bytes released so far: the offset of `next` in the stream.
    released: u64,
    /// What waits behind a hole, by stream offset; pieces never overlap.
    waiting: BTreeMap<u64, Vec<u8>>,
    limit: usize,
}

impl Reassembly {
    /// A direction whose SYN carried `initial`; it holds at most `limit` bytes ahead of a hole
    /// (at most a quarter of the sequence space).
    pub fn after_syn(initial: u32, limit: usize) -> Reassembly {
        let limit = limit.min(1 << 30);
        Reassembly { next: initial.wrapping_add(1), released: 0, waiting: BTreeMap::new(), limit }
    }

    /// Takes a segment and hands every byte that is now in order to `sink`, each once.
    pub fn segment(
        &mut self,
        sequence: u32,
        payload: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), ReassemblyError> {
        // Distances of up to half the sequence space are told apart by sign.
        let distance = sequence.wrapping_sub(self.next) as i32;
        let (offset, payload) = if distance < 0 {
            let seen = distance.unsigned_abs() as usize;
            (self.released, payload.get(seen..).unwrap_or(&[]))
        } else {
            (self.released + u64::from(distance.unsigned_abs()), payload)
        };
        if payload.is_empty() {
            return Ok(());
        }
        if offset == self.released && self.waiting.is_empty() {
            self.release(payload, &mut sink);
            return Ok(());
        }
        let ahead = usize::try_from(offset - self.released).unwrap_or(usize::MAX);
        let ahead = ahead.saturating_add(payload.len());
        if ahead > self.limit {
            return Err(ReassemblyError::TooFarAhead { ahead, limit: self.limit });
        }
        self.keep(offset, payload)?;
        while let Some(piece) = self.waiting.first_entry().filter(|e| *e.key() == self.released) {
            let piece = piece.remove();
            self.release(&piece, &mut sink);
        }
        Ok(())
    }

    /// Bytes released in order so far.
    pub fn released(&self) -> u64 {
        self.released
    }

    /// Whether every byte before `sequence` was released.
    pub fn reached(&self, sequence: u32) -> bool {
        self.next.wrapping_sub(sequence) as i32 >= 0
    }

    /// Whether `initial` is the sequence number of the SYN this began with, nothing having come
    /// since.
    pub fn follows(&self, initial: u32) -> bool {
        self.released == 0 && self.next == initial.wrapping_add(1)
    }

    /// Bytes that wait behind a hole.
    pub fn held(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    fn release(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) {
        self.next = self.next.wrapping_add(bytes.len() as u32);
        self.released += bytes.len() as u64;
        sink(bytes);
    }

    /// Keeps those parts of a segment that no waiting piece covers.
    fn keep(&mut self, offset: u64, payload: &[u8]) -> Result<(), ReassemblyError> {
        let end = offset + payload.len() as u64;
        let mut at = offset;
        while at < end {
            let covered_to = self
                .waiting
                .range(..=at)
                .next_back()
                .map(|(start, piece)| start + piece.len() as u64)
                .filter(|covered_to| *covered_to > at);
            if let Some(covered_to) = covered_to {
                at = covered_to;
                continue;
            }
            let next_piece = self.waiting.range(at..).next().map_or(end, |(start, _)| *start);
            let stop = next_piece.min(end);
            if self.waiting.len() >= MAX_PIECES {
                return Err(ReassemblyError::TooManyPieces);
            }
            let part = &payload[(at - offset) as usize..(stop - offset) as usize];
            self.waiting.insert(at, part.to_vec());
            at = stop;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(direction: &mut Reassembly, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        direction.segment(sequence, payload, |b| read.extend_from_slice(b)).expect("within bounds");
        read
    }

    #[test]
    fn repeated_and_overlapping_bytes_are_released_once() {
        let mut direction = Reassembly::after_syn(99, 64);
        assert_eq!(feed(&mut direction, 100, b"abcd"), b"abcd");
        assert_eq!(feed(&mut direction, 100, b"abcd"), b"");
        assert_eq!(feed(&mut direction, 102, b"cdef"), b"ef");
        assert_eq!(direction.released(), 6);
    }

    #[test]
    fn where_pieces_overlap_the_first_to_come_counts() {
        let mut direction = Reassembly::after_syn(0, 64);
        assert_eq!(feed(&mut direction, 3, b"CC"), b"");
        assert_eq!(feed(&mut direction, 2, b"xxxx"), b"");
        assert_eq!(feed(&mut direction, 1, b"a"), b"axCCx");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_pieces() {
        let mut direction = Reassembly::after_syn(0, 100);
        let error = direction.segment(90, &[0; 20], |_| ()).expect_err("beyond the buffer");
        assert_eq!(error, ReassemblyError::TooFarAhead { ahead: 109, limit: 100 });

        let mut direction = Reassembly::after_syn(0, 10_000);
        for piece in 0..MAX_PIECES as u32 {
            direction.segment(3 + 2 * piece, b"x", |_| ()).expect("room for it");
        }
        let error = direction.segment(1001, b"x", |_| ()).expect_err("one piece too many");
        assert_eq!(error, ReassemblyError::TooManyPieces);
        assert_eq!(direction.held(), MAX_PIECES);
    }

    proptest! {
        /// Any cut, order and repetition of a stream yields the stream, across the wrap too.
        #[test]
        fn any_order_of_segments_yields_the_stream(
            initial in any::<u32>(),
            stream in proptest::collection::vec(any::<u8>(), 1..200),
            order in proptest::collection::vec((0usize..200, 1usize..40), 0..120),
        ) {
            let mut direction = Reassembly::after_syn(initial, 1 << 16);
            let mut read = Vec::new();
            let start = initial.wrapping_add(1);
            let cuts = order
                .iter()
                .map(|(at, len)| (at % stream.len(), *len))
                .chain((0..stream.len()).step_by(7).map(|at| (at, 7)));
            for (at, len) in cuts {
                let part = &stream[at..(at + len).min(stream.len())];
                let sequence = start.wrapping_add(at as u32);
                if direction.segment(sequence, part, |b| read.extend_from_slice(b)).is_err() {
                    return Ok(()); // more pieces than are kept: given up, never garbled
                }
                prop_assert_eq!(&read[..], &stream[..read.len()]);
            }
            prop_assert_eq!(read, stream);
        }
    }
}
