//! Neighbour management (Liu et al. III-B): whom to seek, to accept, to decline, to replace.

use nearcast_machine::{Bitrate, Time};
use rand::Rng as _;

use super::super::neighbour::{Neighbour, State};
use super::super::tracker::{Answer, PEERS_MAX, Question};
use super::super::{Body, Cause, Event, Output, Payload, PeerId, Relation, Replace, Role};
use super::Peer;

impl<P: Payload> Peer<P> {
    /// Takes an answer of the tracker.
    pub(super) fn tracker(&mut self, now: Time, answer: Answer) {
        match answer {
            // An unasked one could make us ask for ever, were it answered at once again and again.
            Answer::Token(token) if token != self.token => {
                self.token = token;
                self.announce(now);
            }
            Answer::Token(_) => {}
            Answer::Peers(peers) => {
                let peers = &peers[..peers.len().min(PEERS_MAX)];
                self.candidates.learn(peers, &mut self.rng);
                self.seek(now);
            }
        }
    }

    /// Tells the tracker that we are here, and asks for others.
    pub(super) fn announce(&mut self, now: Time) {
        let want = PEERS_MAX.min(3 * usize::from(self.settings.neighbours_max)) as u8;
        let want = if self.settings.role == Role::Viewer { want } else { 0 };
        let question = Question::Announce { token: self.token, want };
        self.outputs.push_back(Output::Tracker(question));
        self.announce_at = now + self.settings.announce;
        self.announce_from = now + self.settings.announce_again;
    }

    /// Announces us once it is time to, or earlier for want of candidates.
    pub(super) fn announce_if_due(&mut self, now: Time) {
        let roster = &self.roster;
        let short = self.count() < self.wished()
            && !self.candidates.any(now, |peer| roster.find(peer).is_some());
        if self.announce_at <= now || short && self.announce_from <= now {
            self.announce(now);
        }
    }

    /// How many neighbours there are, or are sought; the fallback is none of them.
    fn count(&self) -> usize {
        self.roster.iter().filter(|neighbour| neighbour.relation != Relation::Fallback).count()
    }

    /// N_min, below which we seek.
    fn wished(&self) -> usize {
        match self.settings.role {
            Role::Viewer => self.settings.neighbours_min.into(),
            Role::Source | Role::Fallback => 0,
        }
    }

    fn is_full(&self) -> bool {
        self.count() >= self.settings.neighbours_max.into()
    }

    /// Seeks neighbours until there are N_min, and the fallback.
    pub(super) fn seek(&mut self, now: Time) {
        for _ in self.count()..self.wished() {
            if self.seek_another(now).is_none() {
                break;
            }
        }
        if let Some(fallback) = self.fallback
            && self.fallback_from <= now
            && self.roster.find(fallback).is_none()
        {
            // One that is full says so at once, however often it is asked.
            self.fallback_from = now + self.settings.announce_again;
            self.seek_peer(now, fallback, Relation::Fallback, Bitrate::default());
        }
    }

    /// Seeks one of the candidates, if there is any.
    fn seek_another(&mut self, now: Time) -> Option<PeerId> {
        let (roster, fallback) = (&self.roster, self.fallback);
        let busy = |peer| Some(peer) == fallback || roster.find(peer).is_some();
        let again = now + self.settings.announce_again;
        let peer = self.candidates.draw(now, again, &mut self.rng, busy)?;
        self.seek_peer(now, peer, Relation::Receptor, self.settings.credit_receptor);
        Some(peer)
    }

    fn seek_peer(&mut self, now: Time, peer: PeerId, relation: Relation, credit: Bitrate) {
        let state = State::Sought(now + self.settings.round * 2);
        let mut neighbour = Neighbour::new(now, peer, relation, state, credit);
        // What the generator draws could be told from other draws of it; its hash cannot.
        let drawn = self.rng.random();
        neighbour.key_in = self.key_for(peer, drawn);
        let key = neighbour.key_in;
        self.roster.push(neighbour, self.settings.epsilon);
        self.signal(now, peer, 0, Body::Seek { key });
    }

    /// Another peer seeks us.
    pub(super) fn sought(&mut self, now: Time, from: PeerId, key: u64) {
        if let Some(at) = self.roster.find(from) {
            let neighbour = self.roster.at(at);
            // Both have sought each other: one of the two relationships is enough, and both can
            // tell which.
            if !neighbour.is_up() && neighbour.key_in > key {
                return;
            }
        } else if self.is_full() || self.candidates.shuns(now, from) {
            self.signal(now, from, key, Body::Decline);
            return;
        }
        let accept = Body::Accept { key: self.key_for(from, key) };
        self.signal(now, from, key, accept);
    }

    /// The key for a peer that gave us `key`: nobody who does not receive at its address can know
    /// it, and we need not remember it (as in DTLS cookies, RFC 6347 4.2.1).
    fn key_for(&self, peer: PeerId, key: u64) -> u64 {
        let mut text = [0; 16];
        text[..8].copy_from_slice(&peer.0.to_be_bytes());
        text[8..].copy_from_slice(&key.to_be_bytes());
        let mut made = [0; 8];
        made.copy_from_slice(&blake3::keyed_hash(&self.secret, &text).as_bytes()[..8]);
        u64::from_be_bytes(made).max(1)
    }

    /// One that we sought accepts.
    pub(super) fn accepted(&mut self, now: Time, at: usize, key: u64) {
        let neighbour = self.roster.at_mut(at);
        if neighbour.is_up() {
            return;
        }
        let span = now.since(neighbour.since);
        neighbour.measured(now, span);
        neighbour.state = State::Accepted;
        neighbour.key_out = key;
        (neighbour.since, neighbour.heard) = (now, now);
        let (peer, relation, back) = (neighbour.peer, neighbour.relation, neighbour.key_in);
        self.signal(now, peer, key, Body::Confirm { key: back });
        self.met(now, at, peer, relation);
    }

    /// One that we accepted confirms; or forges that, or says it again.
    pub(super) fn confirmed(&mut self, now: Time, from: PeerId, brought: u64, key: u64) {
        let made = self.key_for(from, key);
        if brought != made {
            self.statistics.forged += 1;
            return;
        }
        if let Some(at) = self.roster.find(from) {
            let neighbour = self.roster.at_mut(at);
            if neighbour.is_up() && neighbour.key_out == key {
                neighbour.heard = now;
                return;
            }
            let cause = Cause::Restarted;
            self.part(now, at, cause, false);
        }
        if self.is_full() || self.candidates.shuns(now, from) {
            self.signal(now, from, key, Body::Decline);
            return;
        }
        let credit = self.settings.credit_initiator;
        let mut neighbour = Neighbour::new(now, from, Relation::Initiator, State::Met, credit);
        (neighbour.key_in, neighbour.key_out) = (made, key);
        self.roster.push(neighbour, self.settings.epsilon);
        self.met(now, self.roster.len() - 1, from, Relation::Initiator);
    }

    /// A relationship begins: the other one is told soon what we have.
    fn met(&mut self, now: Time, at: usize, peer: PeerId, relation: Relation) {
        self.roster.at_mut(at).map_due = self.map.is_some();
        if self.map.is_some() {
            let soon = now + self.settings.piggyback;
            self.flush_at = Some(self.flush_at.map_or(soon, |at| at.min(soon)));
        }
        self.event(Event::Met { peer, relation });
    }

    /// One that we sought has no room, or one that accepted has filled up since.
    pub(super) fn declined(&mut self, now: Time, at: usize) {
        let peer = self.roster.at(at).peer;
        self.part(now, at, Cause::Left, false);
        self.seek_instead(now, peer);
        self.seek(now);
    }

    /// Seeks another one for the place that a peer was sought for in vain, if it is still free.
    fn seek_instead(&mut self, now: Time, of: PeerId) {
        if self.successor == Some(of) {
            self.successor = if self.is_full() { None } else { self.seek_another(now) };
        }
    }

    /// Another source of last resort.
    pub(super) fn set_fallback(&mut self, now: Time, source: Option<PeerId>) {
        if let Some(at) = self.fallback.and_then(|peer| self.roster.find(peer))
            && self.fallback != source
        {
            self.part(now, at, Cause::Leaving, true);
        }
        (self.fallback, self.fallback_from) = (source, now);
        // It may have been an ordinary neighbour until now.
        if let Some(at) = source.and_then(|peer| self.roster.find(peer)) {
            self.roster.at_mut(at).relation = Relation::Fallback;
        }
        self.seek(now);
    }

    /// Drops a peer, and has nothing to do with it for a while.
    pub(super) fn shun(&mut self, now: Time, peer: PeerId, cause: Cause) {
        self.candidates.shun(now, peer, self.settings.shun);
        if let Some(at) = self.roster.find(peer) {
            self.part(now, at, cause, true);
        }
    }

    /// Ends a relationship, or the search for one.
    pub(super) fn part(&mut self, now: Time, at: usize, cause: Cause, tell: bool) {
        let neighbour = self.roster.remove(at);
        if self.served > at {
            self.served -= 1;
        }
        if !neighbour.is_up() {
            return;
        }
        if tell {
            self.signal(now, neighbour.peer, neighbour.key_out, Body::Leave);
        }
        self.event(Event::Parted { peer: neighbour.peer, cause });
    }

    /// Drops whoever is silent, does not answer, or serves nothing of what it claims to have.
    pub(super) fn weed(&mut self, now: Time) {
        let settings = &self.settings;
        let (silence, drop_after) = (settings.silence, settings.drop_after);
        let mut at = 0;
        while at < self.roster.len() {
            let neighbour = self.roster.at(at);
            let peer = neighbour.peer;
            match neighbour.state {
                State::Sought(until) if until <= now => {
                    self.part(now, at, Cause::Silent, false);
                    self.seek_instead(now, peer);
                }
                State::Sought(_) => at += 1,
                _ if neighbour.heard + silence <= now => self.part(now, at, Cause::Silent, true),
                _ if neighbour.unserved >= drop_after => self.shun(now, peer, Cause::Unserving),
                _ => at += 1,
            }
        }
    }

    /// Says again to those that accepted that we are there, until they are heard.
    pub(super) fn reconfirm(&mut self, now: Time) {
        for at in 0..self.roster.len() {
            let neighbour = self.roster.at(at);
            if neighbour.state == State::Accepted {
                let (peer, out) = (neighbour.peer, neighbour.key_out);
                let key = neighbour.key_in;
                self.signal(now, peer, out, Body::Confirm { key });
            }
        }
    }

    /// Replaces a neighbour, the one that contributed least, by another one, if one is known. A
    /// source, which nobody contributes to, lets go of any when it is full, so that others get in.
    pub(super) fn adapt(&mut self, now: Time) {
        if self.adapt_at > now {
            return;
        }
        let roster = &self.roster;
        let can = match self.settings.role {
            Role::Source | Role::Fallback => self.is_full(),
            Role::Viewer => self.candidates.any(now, |peer| roster.find(peer).is_some()),
        };
        if !can {
            // As soon as a candidate is known.
            return;
        }
        self.adapt_at = now + self.settings.adapt;
        // One that has just come had no time to contribute.
        let old = |neighbour: &&Neighbour| {
            neighbour.is_up()
                && neighbour.relation != Relation::Fallback
                && neighbour.since + self.settings.adapt <= now
        };
        let worth = |neighbour: &Neighbour| match self.settings.policy.replace {
            Replace::LeastContributor => neighbour.contributed,
            Replace::Any => 0,
        };
        let least = roster.iter().filter(old).map(worth).min();
        let ties = roster.iter().filter(old).filter(|&n| Some(worth(n)) == least);
        let ties: Vec<PeerId> = ties.map(|neighbour| neighbour.peer).collect();
        self.roster.iter_mut().for_each(|neighbour| neighbour.contributed = 0);
        if ties.is_empty() {
            return;
        }
        let out = ties[self.rng.random_range(0..ties.len())];
        let at = self.roster.find(out).expect("it was found in the roster");
        self.part(now, at, Cause::Replaced, true);
        self.candidates.rest(out, now + self.settings.adapt);
        if self.settings.role == Role::Viewer {
            self.successor = self.seek_another(now);
        }
    }
}
