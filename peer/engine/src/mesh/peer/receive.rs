//! What comes in: who may say it, and what becomes of it.

use nearcast_machine::Time;

use super::super::clock::Claim;
use super::super::layer::Inserted;
use super::super::neighbour::State;
use super::super::{Body, Cause, Chunk, Event, Lc, Message, News, Payload, PeerId, Relation};
use super::Peer;

/// By whom a chunk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// By a neighbour that was asked, the fallback among them.
    Neighbour(usize),
    /// From the encoder, the CDN or the switch: live and unasked.
    Live,
}

impl<P: Payload> Peer<P> {
    /// Takes a message.
    pub(super) fn message(&mut self, now: Time, from: PeerId, message: Message<P>) {
        let Message { key, body } = message;
        match body {
            Body::Seek { key } => return self.sought(now, from, key),
            Body::Confirm { key: theirs } => return self.confirmed(now, from, key, theirs),
            _ => {}
        }
        let known = self.roster.find(from).filter(|&at| self.roster.at(at).key_in == key);
        let Some(at) = known else {
            self.statistics.forged += 1;
            return;
        };
        let neighbour = self.roster.at_mut(at);
        if let State::Sought(_) = neighbour.state {
            match body {
                Body::Accept { key } => self.accepted(now, at, key),
                Body::Decline => self.declined(now, at),
                _ => self.statistics.forged += 1,
            }
            return;
        }
        neighbour.heard = now;
        match body {
            // Said again, or by one that has given up on us.
            Body::Accept { .. } => {}
            Body::Decline => self.declined(now, at),
            Body::Leave => {
                self.part(now, at, Cause::Left, false);
                self.candidates.rest(from, now + self.settings.adapt);
            }
            Body::News(news) => {
                neighbour.state = State::Met;
                self.heed(now, at, *news);
            }
            Body::Chunk { chunk, news } => {
                neighbour.state = State::Met;
                if let Some(news) = news {
                    self.heed(now, at, *news);
                }
                self.take(now, at, chunk);
            }
            Body::Seek { .. } | Body::Confirm { .. } => unreachable!("these were taken above"),
        }
    }

    /// Takes the news of a neighbour.
    fn heed(&mut self, now: Time, at: usize, news: News) {
        let neighbour = self.roster.at_mut(at);
        if news.number <= neighbour.news_in {
            self.statistics.stale += 1;
            return;
        }
        neighbour.news_in = news.number;
        if let Some(report) = news.map {
            neighbour.stamped(now, report.stamp, report.echo, report.held);
            let transit = neighbour.round_trip.unwrap_or_default() / 2;
            neighbour.claim = Claim::new(now, report.edge, report.hops, transit);
            neighbour.map = Some(report.map);
        }
        if let Some(request) = news.request {
            self.request(now, at, request);
        }
    }

    /// Takes a chunk of a neighbour.
    fn take(&mut self, now: Time, at: usize, chunk: Chunk<P>) {
        let size = chunk.payload.size();
        let inserted = self.insert(now, Origin::Neighbour(at), chunk);
        let neighbour = self.roster.at_mut(at);
        neighbour.served |= inserted != Inserted::Refused;
        if inserted != Inserted::New {
            return;
        }
        // What counts is what was needed, once.
        neighbour.rate_in.add(size);
        neighbour.contributed += size as u64;
        match neighbour.relation {
            Relation::Fallback => self.statistics.chunks_fallback += 1,
            _ => self.statistics.chunks_neighbours += 1,
        }
    }

    /// Takes a live chunk.
    pub(super) fn publish(&mut self, now: Time, chunk: Chunk<P>) {
        let Lc { layer: number, seq } = chunk.lc;
        if chunk.payload.size() > self.settings.lc_max.into() {
            self.statistics.refused += 1;
            return;
        }
        self.clock.publish(now, chunk.time);
        if let Some(layer) = self.layers.get_mut(usize::from(number)) {
            match layer.held() {
                0 if !layer.is_placed() || seq >= layer.limit() => layer.restart(seq),
                _ if seq >= layer.limit() => {
                    layer.advance(seq - (self.settings.window - 1));
                    let first = layer.first_from(layer.base()).map(|first| i64::from(first.time));
                    // What is gone then had yet to be due.
                    if !self.outgrown && first > self.position(now) {
                        self.outgrown = true;
                        self.event(Event::Outgrown { layer: number });
                    }
                }
                _ => {}
            }
        }
        self.insert(now, Origin::Live, chunk);
    }

    /// Puts a chunk into the exchange window, if it belongs there.
    fn insert(&mut self, now: Time, origin: Origin, chunk: Chunk<P>) -> Inserted {
        let inserted = self.judge(now, origin, &chunk).unwrap_or_else(|| {
            let time = chunk.time;
            let inserted = self.layers[usize::from(chunk.lc.layer)].insert(chunk);
            if inserted == Inserted::New {
                self.play_by(time);
            }
            inserted
        });
        match inserted {
            Inserted::New => {}
            Inserted::Duplicate => self.statistics.duplicates += 1,
            Inserted::Late => self.statistics.late += 1,
            Inserted::Refused => self.statistics.refused += 1,
        }
        inserted
    }

    /// Why a chunk is not taken, if it is not.
    fn judge(&self, now: Time, origin: Origin, chunk: &Chunk<P>) -> Option<Inserted> {
        let known = self.layers.get(usize::from(chunk.lc.layer));
        let Some((layer, present)) = known.zip(self.clock.present(now)) else {
            return Some(Inserted::Refused);
        };
        let seq = chunk.lc.seq;
        let asked = origin == Origin::Live || layer.asked(seq) || layer.has(seq);
        let time = i64::from(chunk.time);
        let ahead = present + self.settings.resync.as_millis() as i64;
        let fits = chunk.payload.size() <= self.settings.lc_max.into();
        // What was passed in playing lies below the base, was never asked for or is too old.
        if seq < layer.base() {
            return Some(Inserted::Late);
        }
        if !fits || !asked || time > ahead {
            return Some(Inserted::Refused);
        }
        let passed = self.played.is_some_and(|(unit, _)| chunk.unit <= unit);
        let due = time + (self.settings.lag.as_millis() as i64) < present;
        (passed || due).then_some(Inserted::Late)
    }
}
