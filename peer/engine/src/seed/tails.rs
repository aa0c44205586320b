//! Who is sent whatever comes, and until when.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;

use nearcast_machine::{Span, Time};
use nearcast_media::StreamId;

/// The tails of all streams.
#[derive(Debug)]
pub(super) struct Tails {
    most: usize,
    longest: Span,
    tails: BTreeMap<(StreamId, SocketAddrV4), Lease>,
}

#[derive(Debug)]
struct Lease {
    epoch: u32,
    /// The next unit to be sent.
    next: u64,
    until: Time,
}

/// What a Tail did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Renewed {
    /// It prolonged a tail, or ended one that was not there.
    Nothing,
    /// It began one.
    Began,
    /// It ended one.
    Ended,
    /// There are as many as there may be.
    Full,
}

impl Tails {
    pub(super) fn new(most: usize, longest: Span) -> Tails {
        Tails { most, longest, tails: BTreeMap::new() }
    }

    /// Begins, prolongs or ends a tail. One that runs goes on where it is: what got lost of it is
    /// asked for by Request.
    pub(super) fn renew(
        &mut self,
        now: Time,
        client: SocketAddrV4,
        stream: StreamId,
        epoch: u32,
        from: u64,
        span: Span,
    ) -> Renewed {
        let key = (stream, client);
        if span == Span::ZERO {
            return match self.tails.remove(&key) {
                Some(_) => Renewed::Ended,
                None => Renewed::Nothing,
            };
        }
        let until = now + span.min(self.longest);
        let full = self.tails.len() >= self.most;
        match self.tails.get_mut(&key) {
            Some(lease) if lease.epoch == epoch => {
                lease.until = until;
                Renewed::Nothing
            }
            None if full => Renewed::Full,
            _ => {
                self.tails.insert(key, Lease { epoch, next: from, until });
                Renewed::Began
            }
        }
    }

    /// Which units each client of `stream` is to be sent now that `latest` is there.
    pub(super) fn advance(
        &mut self,
        stream: StreamId,
        epoch: u32,
        latest: u64,
    ) -> Vec<(SocketAddrV4, RangeInclusive<u64>)> {
        let first = SocketAddrV4::new([0; 4].into(), 0);
        let of_stream =
            self.tails.range_mut((stream, first)..).take_while(|((s, _), _)| *s == stream);
        of_stream
            .filter(|(_, lease)| lease.epoch == epoch && lease.next <= latest)
            .map(|((_, client), lease)| {
                let units = lease.next..=latest;
                lease.next = latest + 1;
                (*client, units)
            })
            .collect()
    }

    /// Ends what has run out, and says whose it was.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(SocketAddrV4, StreamId)> {
        let mut over = Vec::new();
        self.tails.retain(|&(stream, client), lease| {
            let runs = lease.until > now;
            if !runs {
                over.push((client, stream));
            }
            runs
        });
        over
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.tails.values().map(|lease| lease.until).min()
    }
}
