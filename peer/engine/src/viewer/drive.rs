//! What is done after every input and whenever something comes due.

use nearcast_machine::{Span, Time};

use super::join::{Fetching, Join};
use super::pull::Plan;
use super::{Cause, CdnState, Event, Output, Path, Viewer};
use crate::wire::{self, Datagram};

impl Viewer {
    /// Does all that is due at `now`. Doing it twice is the same as doing it once.
    pub(super) fn drive(&mut self, now: Time) {
        self.driven = now;
        self.quiet_tail(now);
        self.release(now);
        self.end_join(now);
        self.steer(now);
        self.finish(now);
        self.drive_tail(now);
        self.drive_join(now);
        self.drive_pull(now);
        self.serve(now);
    }

    /// The rest of a unit of which nothing has come for a while is late, and so is the next unit
    /// when the switch falls silent: it may have been the last one, and got lost, which nothing
    /// later will ever show.
    fn quiet_tail(&mut self, now: Time) {
        if let Some(next) = self.cursor.next
            && self.steer.falls_silent(now, &self.settings)
        {
            self.pull.suspect(now, next, None, now);
        }
        let Some(unit) = self.quiet_candidate() else { return };
        let touched = self.store.as_ref().and_then(|store| store.touched(unit));
        if touched.is_some_and(|touched| touched + self.settings.quiet <= now) {
            self.pull.suspect(now, unit, None, now);
        }
    }

    /// The last unit that is being pushed, if it may have lost its end.
    fn quiet_candidate(&self) -> Option<u64> {
        let unit = self.steer.pushed_unit()?;
        let wanted = self.cursor.next.or(self.base).is_some_and(|due| unit >= due);
        (wanted && !self.pull.suspects(unit)).then_some(unit)
    }

    /// Says how a handover went once all of it has been released or overtaken.
    fn end_join(&mut self, now: Time) {
        let Join::Fetching(fetching) = &self.join else { return };
        if self.cursor.next.is_none_or(|next| next <= fetching.last) {
            return;
        }
        let &Fetching { holder, began, gop, chunks, bytes, first, .. } = fetching;
        self.join = Join::Idle;
        let first = first.unwrap_or(now);
        let event = Event::Joined { holder, gop, began, first, complete: now, chunks, bytes };
        self.event(event);
    }

    fn steer(&mut self, now: Time) {
        let Some(next) = self.cursor.next else { return };
        let (blocked, peered) = (self.cursor.blocked, self.peered());
        // Each step leads to a path that the next one leaves alone, or to the end.
        while let Some((path, cause)) =
            self.steer.decide(now, next, blocked, peered, &self.settings)
        {
            self.change_path(now, path, cause);
        }
    }

    pub(super) fn change_path(&mut self, now: Time, to: Path, cause: Cause) {
        let from = self.steer.path();
        if from == to {
            return;
        }
        if let Some(pause) = self.steer.take(now, to) {
            self.outputs.push_back(Output::CdnPause(pause));
        }
        let unit = self.cursor.next.unwrap_or(0);
        self.event(Event::Path { from, to, unit, cause });
    }

    /// Asks the seed for a token while all is well, and for the tail when it is needed.
    fn drive_tail(&mut self, now: Time) {
        let Some(seed) = self.settings.seed else { return };
        let stream = self.id;
        let epoch = self.store.as_ref().map_or(0, |store| store.epoch());
        let mut token = self.tailing.token_held().unwrap_or(0);
        let question =
            |token, from, span| Datagram::Tail(wire::Tail { stream, token, epoch, from, span });
        let bridging = self.steer.path() == Path::Bridge
            && !(self.steer.cdn_state() == CdnState::Ended && self.cursor.over);
        if let Some(next) = self.cursor.next.filter(|_| bridging) {
            let unknown = self.settings.timeout;
            let timeout = self.pull.supplier(seed).map_or(unknown, |s| s.timeout(unknown));
            if self.tailing.asks(now, timeout) {
                self.send(seed, question(token, next, self.settings.tail));
            }
        } else if self.tailing.ends() {
            self.send(seed, question(token, 0, Span::ZERO));
        }
        if self.tailing.greets(now) {
            // Without a token the answer is one.
            token = 0;
            self.send(seed, question(token, 0, Span::ZERO));
        }
    }

    fn drive_join(&mut self, now: Time) {
        let ladder = self.pull.ladder();
        let unknown = self.settings.timeout;
        let pull = &mut self.pull;
        let timeout = |of| pull.supplier(of).map_or(unknown, |supplier| supplier.timeout(unknown));
        if let Some(of) = self.join.ask(now, &ladder, timeout) {
            let token = match Some(of) == self.settings.seed {
                true => self.tailing.token_held().unwrap_or(0),
                false => 0,
            };
            self.send(of, Datagram::Join(wire::Join { stream: self.id, token }));
        }
    }

    fn drive_pull(&mut self, now: Time) {
        self.pull.expire(now, &self.settings, &mut self.rng);
        let Some(store) = &self.store else { return };
        let plan = Plan {
            now,
            settings: &self.settings,
            store,
            stream: self.id,
            token: self.tailing.token_held(),
        };
        for asking in self.pull.plan(&plan) {
            if asking.repair {
                let (of, unit, chunks) = (asking.of, asking.unit, asking.chunks);
                self.event(Event::Asked { of, unit, chunks });
            }
            self.send(asking.of, asking.datagram);
        }
    }

    /// Sends neighbours what is queued for them, as far as the rate allows.
    fn serve(&mut self, now: Time) {
        while let Some((to, name)) = self.supply.next(now) {
            let store = self.store.as_ref().filter(|store| store.epoch() == name.epoch);
            let Some(chunk) = store.and_then(|store| store.chunk(name.unit, name.index)) else {
                continue;
            };
            let datagram = Datagram::Chunk(chunk);
            self.supply.charge(to, datagram.encoded_len());
            self.counters.chunks_served += 1;
            self.send(to, datagram);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let now = self.driven;
        let settings = &self.settings;
        let give_up = self.cursor.blocked.map(|since| since + settings.give_up);
        let quiet = self
            .quiet_candidate()
            .and_then(|unit| self.store.as_ref().and_then(|store| store.touched(unit)))
            .map(|touched| touched + settings.quiet);
        let entry = self.store.as_ref().filter(|_| self.cursor.next.is_none());
        let tail = settings.seed.and_then(|_| self.tailing.deadline());
        [
            self.membership.deadline(),
            self.supply.deadline(),
            self.steer.deadline(self.cursor.blocked, settings).filter(|&at| at > now),
            self.pull.deadline(now, settings),
            self.join.deadline(!self.pull.ladder().is_empty()),
            give_up.filter(|&at| at > now),
            entry.and_then(|store| store.entry_deadline()).filter(|&at| at > now),
            quiet,
            tail,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
