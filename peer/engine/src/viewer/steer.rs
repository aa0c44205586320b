//! Which way is relied on: when RTMP is paused, and when it is needed again.

use nearcast_machine::{Span, Time};

use super::{Cause, CdnState, Path, Settings, Way};

/// How much a return to RTMP raises the bar for pausing it again.
const BAR_STEP: u32 = 4;
/// The highest that the bar gets, in units.
const BAR_MAX: u32 = 256;
/// How long the switch must carry the stream for the bar to come down again.
const BAR_RESET: Span = Span::from_secs(10);

/// What is known of the ways, and the decision that follows from it.
#[derive(Debug)]
pub(super) struct Steer {
    path: Path,
    cdn: Cdn,
    push: Push,
    /// How many units in a row were released that the switch brought first.
    streak: u32,
    /// How many it takes.
    bar: u32,
    switched: Option<Time>,
}

#[derive(Debug)]
struct Cdn {
    state: CdnState,
    /// What the driver was last asked for.
    paused: bool,
    /// The first and last unit delivered without a gap since the session was last resumed.
    run: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Push {
    /// When the last chunk was pushed.
    last: Option<Time>,
    /// The highest unit of which a chunk was pushed, and when its first one came.
    unit: Option<(u64, Time)>,
    /// The smoothed time between units.
    interval: Option<Span>,
    /// Whether its silence has been noticed.
    noticed: bool,
}

impl Steer {
    pub(super) fn new(settings: &Settings) -> Steer {
        Steer {
            path: Path::Starting,
            cdn: Cdn { state: CdnState::Playing, paused: false, run: None },
            push: Push::default(),
            streak: 0,
            bar: settings.settle,
            switched: None,
        }
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }

    pub(super) fn cdn_state(&self) -> CdnState {
        self.cdn.state
    }

    /// The latest unit that was pushed.
    pub(super) fn pushed_unit(&self) -> Option<u64> {
        self.push.unit.map(|(unit, _)| unit)
    }

    /// RTMP brought a unit.
    pub(super) fn cdn_unit(&mut self, unit: u64) {
        if self.cdn.state != CdnState::Paused {
            self.cdn.state = CdnState::Playing;
        }
        self.cdn.run = match self.cdn.run {
            Some((first, last)) if unit == last + 1 => Some((first, unit)),
            _ => Some((unit, unit)),
        };
    }

    /// RTMP broke off or is no longer whole.
    pub(super) fn cdn_interrupted(&mut self) {
        self.cdn.run = None;
    }

    /// The session is in another state. Says whether the driver must be asked again for what it
    /// should be.
    pub(super) fn cdn_is(&mut self, state: CdnState) -> Option<bool> {
        self.cdn.state = state;
        match state {
            CdnState::Playing if self.cdn.paused => Some(true),
            CdnState::Paused if !self.cdn.paused => Some(false),
            CdnState::Lost | CdnState::Ended => {
                self.cdn.run = None;
                None
            }
            CdnState::Playing | CdnState::Paused => None,
        }
    }

    /// A chunk was pushed.
    pub(super) fn pushed(&mut self, now: Time, unit: u64) {
        self.push.last = Some(now);
        self.push.noticed = false;
        match self.push.unit {
            Some((last, at)) if unit > last => {
                let sample = now.since(at) / (unit - last);
                let smoothed = self.push.interval.map_or(sample, |mean| (mean * 7 + sample) / 8);
                self.push.interval = Some(smoothed);
                self.push.unit = Some((unit, now));
            }
            None => self.push.unit = Some((unit, now)),
            Some(_) => {}
        }
    }

    /// A unit was released. `way` is who brought it first.
    pub(super) fn released(&mut self, way: Way) {
        match way {
            Way::Switch => self.streak = self.streak.saturating_add(1),
            // A repaired unit says nothing about the push being ahead; it does not speak against
            // it.
            Way::Neighbour => {}
            Way::Cdn | Way::Seed => self.streak = 0,
        }
    }

    /// When the switch counts as silent, if nothing comes before.
    fn silent_at(&self, settings: &Settings) -> Option<Time> {
        let interval = self.push.interval.unwrap_or(Span::ZERO);
        let grace = settings.silence.max(interval * 3);
        self.push.last.map(|last| last + interval + grace)
    }

    /// Whether the switch counts as silent.
    pub(super) fn silent(&self, now: Time, settings: &Settings) -> bool {
        self.silent_at(settings).is_none_or(|at| at <= now)
    }

    /// Whether the switch has just fallen silent; answers once for each silence.
    pub(super) fn falls_silent(&mut self, now: Time, settings: &Settings) -> bool {
        let falls = !self.push.noticed && self.push.last.is_some() && self.silent(now, settings);
        self.push.noticed |= falls;
        falls
    }

    /// Whether and why another way is to be relied on. `next` is the next unit to be released and
    /// `blocked` since when it has been waited for; `peered` whether a peering is in force.
    pub(super) fn decide(
        &mut self,
        now: Time,
        next: u64,
        blocked: Option<Time>,
        peered: bool,
        settings: &Settings,
    ) -> Option<(Path, Cause)> {
        if self.switched.is_some_and(|since| since + BAR_RESET <= now) && self.path == Path::Switch
        {
            self.bar = settings.settle;
        }
        let stuck = blocked.is_some_and(|since| since + settings.stuck <= now);
        match self.path {
            Path::Starting => None,
            Path::Switch => {
                let over = self.cdn.state == CdnState::Ended;
                match () {
                    () if !peered => Some((Path::Bridge, Cause::Withdrawn)),
                    () if over => None,
                    () if self.silent(now, settings) => Some((Path::Bridge, Cause::Silence)),
                    () if stuck => Some((Path::Bridge, Cause::Stuck)),
                    () => None,
                }
            }
            Path::Cdn | Path::Bridge
                if peered && self.streak >= self.bar && !stuck && !self.silent(now, settings) =>
            {
                Some((Path::Switch, Cause::Settled))
            }
            Path::Cdn if self.cdn.state == CdnState::Lost => Some((Path::Bridge, Cause::CdnLost)),
            Path::Bridge if self.cdn.run.is_some_and(|(first, _)| first <= next) => {
                Some((Path::Cdn, Cause::Rejoined))
            }
            Path::Cdn | Path::Bridge => None,
        }
    }

    /// Takes another path. Says what the driver must be asked for, if anything: RTMP is paused on
    /// the switch and nowhere else.
    pub(super) fn take(&mut self, now: Time, path: Path) -> Option<bool> {
        if self.path == Path::Switch && path != Path::Switch {
            self.bar = (self.bar.saturating_mul(BAR_STEP)).min(BAR_MAX);
            self.streak = 0;
        }
        self.path = path;
        self.switched = (path == Path::Switch).then_some(now);
        let pause = path == Path::Switch;
        if pause == self.cdn.paused {
            return None;
        }
        self.cdn.paused = pause;
        self.cdn.run = None;
        Some(pause)
    }

    /// A new epoch: what was known of the old one's units says nothing about its.
    pub(super) fn restart(&mut self) {
        self.push = Push::default();
        self.cdn.run = None;
        if self.cdn.state == CdnState::Ended {
            self.cdn.state = CdnState::Playing;
        }
        self.streak = 0;
    }

    pub(super) fn deadline(&self, blocked: Option<Time>, settings: &Settings) -> Option<Time> {
        let switch = self.path == Path::Switch;
        let stuck = blocked.filter(|_| switch).map(|since| since + settings.stuck);
        let silent = self.silent_at(settings).filter(|_| switch || !self.push.noticed);
        silent.into_iter().chain(stuck).min()
    }
}
