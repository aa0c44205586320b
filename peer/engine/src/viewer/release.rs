//! In order, once, and from a keyframe on.

use std::collections::BTreeMap;

use nearcast_machine::Time;
use nearcast_media::Media;

use super::join::Join;
use super::{Cause, CdnState, Event, Output, Path, Release, Viewer, Way};
use crate::headers::Headers;

/// Most epochs that are remembered. Each takes a lie of the broadcaster or the give-up time.
const EPOCHS_MAX: usize = 64;

/// What the player has had.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The next unit to be released, once one has been.
    pub(super) next: Option<u64>,
    /// Since when it has been waited for although it, or a later one, is known to exist.
    pub(super) blocked: Option<Time>,
    /// That nothing can be had before the next keyframe, so that there is nothing to wait for.
    pub(super) hopeless: bool,
    /// The stream has ended and this was said.
    pub(super) over: bool,
    shown: Headers,
    /// The first unit that may be released of this epoch.
    floor: u64,
    /// The same for epochs that were left.
    had: BTreeMap<u32, u64>,
}

impl Cursor {
    /// Another epoch; the player still has its headers. What it has had of an epoch that is come
    /// back to is remembered, so that it is not given it twice.
    pub(super) fn restart(&mut self, from: u32, to: u32) {
        if let Some(next) = self.next {
            if self.had.len() >= EPOCHS_MAX {
                self.had.pop_first();
            }
            self.had.insert(from, next);
        }
        let had = std::mem::take(&mut self.had);
        let shown = std::mem::take(&mut self.shown);
        let floor = had.get(&to).copied().unwrap_or(0);
        *self = Cursor { shown, had, floor, ..Cursor::default() };
    }
}

impl Viewer {
    /// Releases what can be.
    pub(super) fn release(&mut self, now: Time) {
        if self.cursor.next.is_none() {
            self.start(now);
        }
        self.run(now);
        while self.skip(now) {
            self.run(now);
        }
    }

    fn start(&mut self, now: Time) {
        let Some(entry) = self.store.as_ref().and_then(|store| store.entry(now, self.cursor.floor))
        else {
            return;
        };
        self.show_headers();
        let way = self.ways.get(&entry).copied().unwrap_or(Way::Cdn);
        self.event(Event::Started { unit: entry, way });
        self.begin_at(entry);
        self.change_path(now, Path::Cdn, Cause::Start);
        match &mut self.join {
            Join::Fetching(fetching) => fetching.first = Some(now),
            join => *join = Join::Idle,
        }
    }

    /// Moves the cursor to a unit without releasing what is before it.
    fn begin_at(&mut self, unit: u64) {
        self.cursor.next = Some(unit);
        self.cursor.blocked = None;
        self.cursor.hopeless = false;
        self.pull.settled_below(unit);
        self.ways = self.ways.split_off(&unit);
        self.swept = self.swept.max(unit);
    }

    /// Releases units for as long as the next one is whole.
    fn run(&mut self, now: Time) {
        let Some(first) = self.cursor.next else { return };
        let mut next = first;
        while let Some(unit) = self.store.as_ref().and_then(|store| store.unit(next)) {
            let way = self.ways.remove(&next).unwrap_or(Way::Cdn);
            if unit.header {
                self.cursor.shown.learn(unit.media());
            }
            self.count(way);
            self.steer.released(way);
            if let Join::Fetching(fetching) = &mut self.join {
                fetching.bytes += unit.body.len() as u64;
            }
            self.outputs.push_back(Output::Release(Release { unit, way }));
            next += 1;
        }
        if next != first {
            self.cursor.next = Some(next);
            self.pull.settled_below(next);
            let since = self.cursor.blocked.take();
            if let Some(span) = since.map(|since| now.since(since))
                && span >= self.settings.stall
            {
                self.event(Event::Stalled { unit: first, span });
            }
        }
        let later = self.swept > next
            || self
                .store
                .as_ref()
                .and_then(|store| store.latest())
                .is_some_and(|last| last >= next);
        if !later {
            self.cursor.blocked = None;
        } else if self.cursor.blocked.is_none() {
            self.cursor.blocked = Some(now);
        }
    }

    /// Goes on with a later keyframe if the next unit cannot be had; answers whether it did.
    fn skip(&mut self, now: Time) -> bool {
        let (Some(next), Some(since)) = (self.cursor.next, self.cursor.blocked) else {
            return false;
        };
        let given_up = since + self.settings.give_up <= now || self.cursor.hopeless;
        let entry = self.store.as_ref().and_then(|store| store.entry(now, next + 1));
        let (true, Some(entry)) = (given_up, entry) else { return false };
        self.counters.lost += entry - next;
        self.event(Event::Skipped { from: next, to: entry });
        if now.since(since) >= self.settings.stall {
            self.event(Event::Stalled { unit: next, span: now.since(since) });
        }
        self.show_headers();
        self.begin_at(entry);
        true
    }

    /// Gives the player what it needs before the next unit.
    fn show_headers(&mut self) {
        let Some(store) = &self.store else { return };
        let news: Vec<Media> = store.headers().news(&self.cursor.shown).cloned().collect();
        for header in news {
            self.cursor.shown.learn(header.clone());
            self.outputs.push_back(Output::Header(header));
        }
    }

    fn count(&mut self, way: Way) {
        let counters = &mut self.counters;
        let counter = match way {
            Way::Cdn => &mut counters.released_cdn,
            Way::Switch => &mut counters.released_switch,
            Way::Neighbour => &mut counters.released_neighbour,
            Way::Seed => &mut counters.released_seed,
        };
        *counter += 1;
    }

    /// Says that the stream is over once it is and nothing of it is left to come.
    pub(super) fn finish(&mut self, now: Time) {
        let ended = self.steer.cdn_state() == CdnState::Ended && !self.cursor.over;
        let pushed = self.steer.path() == Path::Switch && !self.steer.silent(now, &self.settings);
        let waiting = self.cursor.blocked.is_some_and(|since| since + self.settings.give_up > now);
        if ended && !pushed && !waiting {
            self.cursor.over = true;
            self.pull.clear();
            self.event(Event::Ended);
        }
    }
}
