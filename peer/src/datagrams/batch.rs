use std::net::SocketAddrV4;
use std::ops::Range;

use super::Packet;
use super::calls::RUNS_AT_ONCE;
use super::train::{CAR, Train};

/// The longest run: what fits behind the headers of IP and UDP in the longest datagram of IP.
const RUN_MAX: usize = 65_507;
/// Bytes that are held before they leave: what is written is still in the processor's cache when
/// the kernel reads it.
const BYTES: usize = 256 << 10;

/// Datagrams to one receiver, one after the other: all of `segment` bytes, of which the last may
/// have fewer. That is what the kernel cuts apart by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) to: SocketAddrV4,
    pub(crate) contents: &'a [u8],
    pub(crate) segment: usize,
}

impl Run<'_> {
    /// How many datagrams it is.
    pub(crate) fn count(&self) -> u64 {
        self.contents.len().div_ceil(self.segment.max(1)) as u64
    }
}

/// Runs to whomever, which leave by one call.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    runs: Vec<Written>,
}

#[derive(Debug)]
struct Written {
    to: SocketAddrV4,
    bytes: Range<usize>,
    segment: usize,
    count: usize,
}

impl Batch {
    /// The runs, in the order in which they are to leave.
    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = Run<'_>> + Clone {
        self.runs.iter().map(|run| {
            let contents = &self.bytes[run.bytes.clone()];
            Run { to: run.to, contents, segment: run.segment }
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
    }

    /// Whether another datagram of `length` bytes has to wait for the next batch, if it does not
    /// [join](Batch::joins) the last run.
    pub(super) fn is_full(&self, length: usize) -> bool {
        self.runs.len() >= RUNS_AT_ONCE || self.bytes.len() + length > BYTES
    }

    /// Whether a datagram can become part of the last run, of which the kernel takes at most
    /// `segments`.
    pub(super) fn joins(&self, to: SocketAddrV4, length: usize, segments: usize) -> bool {
        self.runs.last().is_some_and(|run| {
            // Behind a shorter one nothing can follow.
            let whole = run.bytes.len() == run.segment * run.count;
            let fits = length <= run.segment && run.bytes.len() + length <= RUN_MAX;
            run.to == to && whole && fits && run.count < segments
        })
    }

    /// Begins a run, whose datagrams are at most `segment` bytes long.
    pub(super) fn begin(&mut self, to: SocketAddrV4, segment: usize) {
        let end = self.bytes.len();
        self.runs.push(Written { to, bytes: end..end, segment, count: 0 });
    }

    /// Lets `write` put a datagram behind the last run.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        let run = self.runs.last_mut().expect("a run was begun");
        run.bytes.end = self.bytes.len();
        run.count += 1;
    }

    /// Adds a train of as many of `packets` as it takes, each with its length, and of at most
    /// `segments` cars; answers how many those are.
    pub(super) fn couple<'a, P: Packet + 'a>(
        &mut self,
        (to, number): (SocketAddrV4, u32),
        packets: impl Iterator<Item = (usize, &'a P)>,
        segments: usize,
    ) -> usize {
        self.begin(to, CAR);
        let mut train = Train::new(&mut self.bytes, number, segments.min(RUN_MAX / CAR));
        let taken = packets.take_while(|&(length, packet)| train.take(length, packet)).count();
        let cars = train.cars();
        let run = self.runs.last_mut().expect("it was begun");
        (run.bytes.end, run.count) = (self.bytes.len(), cars);
        taken
    }
}
