//! The supplier's side: one queue per receiver, Eq. 1 among them, and the upload rate.

use nearcast_machine::Time;

use super::super::message::FULL;
use super::super::share::Waiting;
use super::super::wire::DATAGRAM_MAX;
use super::super::{Body, Chunk, Lc, Message, Output, Payload, PeerId, Request, Role, Supply};
use super::Peer;

impl<P: Payload> Peer<P> {
    /// Takes the request of a neighbour.
    pub(super) fn request(&mut self, now: Time, at: usize, mut request: Request) {
        let asked = request.wanted.len() as u64;
        self.statistics.requests += asked;
        if self.settings.upload.bits_per_sec() == 0 {
            self.statistics.requests_refused += asked;
            return;
        }
        if self.settings.role == Role::Fallback {
            // Nobody else is asked for what it is asked for: the lowest layer goes first, and of a
            // layer what is due first.
            request.wanted.sort_unstable_by_key(|lc| lc.pack());
        }
        let layers = &self.layers;
        let has = |lc: &Lc| layers.get(usize::from(lc.layer)).is_some_and(|l| l.has(lc.seq));
        request.wanted.retain(has);
        let lacked = asked - request.wanted.len() as u64;
        // A request is served within T - tau or not at all: the receiver asks somebody else then
        // (Liu et al. III-E). Of T, what was left when the request was sent counts.
        let neighbour = self.roster.at_mut(at);
        let patience = request.patience.min(self.settings.round);
        let deadline = now + patience.saturating_sub(neighbour.round_trip.unwrap_or_default());
        // What came too late to be served takes no room from what comes now.
        self.statistics.requests_expired += u64::from(neighbour.queue.purge(now));
        let taken = neighbour.queue.push(&request.wanted, deadline, self.settings.queue);
        let waits = !neighbour.queue.is_empty();
        self.roster.set_waiting(at, waits);
        self.statistics.requests_lacked += lacked;
        self.statistics.requests_refused += asked - lacked - u64::from(taken);
    }

    /// When somebody who waits may be served.
    pub(super) fn serve_at(&self) -> Time {
        // Were more saved up than the bucket holds, some would run over.
        self.bucket.ready_at() + self.settings.batch.min(self.settings.burst)
    }

    /// Sends chunks for as long as there is upload rate left and somebody waits.
    pub(super) fn serve(&mut self, now: Time) {
        if self.serve_at() > now || !self.roster.any_waiting() {
            return;
        }
        let supply = self.settings.policy.supply;
        let mut waiting = Waiting::default();
        if self.settings.role == Role::Source && supply == Supply::Proportional {
            // Nobody contributes to a source. What counts to the others is what it gives to those
            // who pass it on, and it gives the rest only what these leave.
            let roster = &self.roster;
            waiting.gather(roster.shares().filter(|&(at, _)| roster.at(at).passes_on()));
        }
        if waiting.is_empty() {
            waiting.gather(self.roster.shares());
        }
        while !waiting.is_empty() && self.bucket.ready(now) {
            let next = waiting.choose(supply, self.roster.len(), self.served, &mut self.rng);
            let Some(next) = next else { return };
            let at = waiting.place(next);
            let (layers, neighbour) = (&mut self.layers, self.roster.at_mut(at));
            // Drawing again when nothing is left in time is the same as never having counted it.
            self.statistics.requests_expired += u64::from(neighbour.queue.purge(now));
            let lc = match self.settings.role {
                Role::Viewer | Role::Fallback => neighbour.queue.pop(),
                // Where peers lack upload they ask a source also for what others have, and in the
                // order of requests some chunks would never leave it.
                Role::Source => {
                    let copies = |lc: Lc| layers[usize::from(lc.layer)].copies(lc.seq);
                    let lc = neighbour.queue.pop_rarest(copies);
                    if let Some(lc) = lc.filter(|_| neighbour.passes_on()) {
                        layers[usize::from(lc.layer)].count_copy(lc.seq);
                    }
                    lc
                }
            };
            if neighbour.queue.is_empty() {
                self.roster.set_waiting(at, false);
                waiting.remove(next);
            }
            let Some(lc) = lc else { continue };
            match self.layers[usize::from(lc.layer)].chunk(lc.seq) {
                Some(chunk) => {
                    self.served = at;
                    self.send_chunk(now, at, chunk);
                }
                None => self.statistics.requests_lacked += 1,
            }
        }
    }

    fn send_chunk(&mut self, now: Time, at: usize, chunk: Chunk<P>) {
        let payload = chunk.payload.size();
        let size = FULL + payload;
        let news = self.news(now, at, DATAGRAM_MAX.saturating_sub(size));
        let added = news.as_ref().map_or(0, |news| news.size());
        self.statistics.news_piggybacked += u64::from(news.is_some());
        self.statistics.served += 1;
        self.statistics.served_bytes += payload as u64;
        self.statistics.sent_bytes += (size + added) as u64;
        let counted = if self.settings.upload_counts_signalling { size + added } else { payload };
        self.bucket.spend(counted);
        let neighbour = self.roster.at_mut(at);
        neighbour.rate_out.add(payload);
        let (to, key) = (neighbour.peer, neighbour.key_out);
        let message = Message { key, body: Body::Chunk { chunk, news } };
        self.outputs.push_back(Output::Send { to, message });
    }

    /// Sends a message that is no chunk. It is never held back, but counts.
    pub(super) fn signal(&mut self, now: Time, to: PeerId, key: u64, body: Body<P>) {
        let message = Message { key, body };
        let size = message.size();
        self.statistics.sent_bytes += size as u64;
        if self.settings.upload_counts_signalling && self.settings.upload.bits_per_sec() > 0 {
            self.bucket.ready(now);
            self.bucket.spend(size);
        }
        self.outputs.push_back(Output::Send { to, message });
    }
}
