//! Stream time: where the encoder's present is, as far as a peer can tell.

use arrayvec::ArrayVec;
use nearcast_machine::{Span, Time};

use super::median::median;
use super::neighbour::ROSTER_MAX;

/// Beyond as many hops nobody knows the present from a source any more; each runs on by itself.
const HOPS_MAX: u8 = 16;

/// The hops of one who does not know the present.
const UNKNOWN: u8 = u8::MAX;

/// How far a clock can be off its stream's: what the present moves per time at most, 1 in 1000.
const SLEW: i64 = 1000;

/// For how many rounds neighbours must agree on another present before it is believed.
const ROUNDS: u8 = 3;

/// What a neighbour says about the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The stream time of the present less our clock's, in us.
    offset: i64,
    /// Over how many peers it came from a source.
    hops: u8,
}

impl Claim {
    /// The claim that came with a message at `now`, which was under way for `transit`.
    pub(super) fn new(now: Time, edge: u32, hops: u8, transit: Span) -> Option<Claim> {
        let edge = i64::from(edge) * 1000 + micros(transit.as_nanos());
        (hops != UNKNOWN).then(|| Claim { offset: edge - micros(now.as_nanos()), hops })
    }
}

/// A change of the present that is more than clocks running apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The present of a stream, kept as a distance from the own clock.
///
/// As in NTP, time goes down from the source by hops: were everybody to follow the mean of all
/// neighbours, all would slowly fall back together by the delay of messages.
#[derive(Debug, Default)]
pub(super) struct StreamClock {
    offset: Option<i64>,
    hops: u8,
    /// For how many rounds neighbours have disagreed.
    astray: u8,
    published: Option<Time>,
}

impl StreamClock {
    /// Stream time of the present in ms; it may lie before the stream's beginning.
    pub(super) fn present(&self, now: Time) -> Option<i64> {
        self.offset.map(|offset| (micros(now.as_nanos()) + offset).div_euclid(1000))
    }

    /// The same as a neighbour is told it, and the hops.
    pub(super) fn edge(&self, now: Time) -> (u32, u8) {
        let edge = |present: i64| u32::try_from(present.max(0)).unwrap_or(u32::MAX);
        self.present(now).map_or((0, UNKNOWN), |present| (edge(present), self.hops))
    }

    /// When the present will be `time`.
    pub(super) fn when(&self, time: i64) -> Option<Time> {
        let micros = (time * 1000).saturating_sub(self.offset?).max(0);
        Some(Time::from_nanos((micros as u64).saturating_mul(1000)))
    }

    /// Takes the time of a chunk that comes from the encoder itself. Chunks come a little late at
    /// times and never early, so the earliest ones tell the present.
    pub(super) fn publish(&mut self, now: Time, time: u32) {
        let offset = i64::from(time) * 1000 - micros(now.as_nanos());
        let since = now.since(self.published.replace(now).unwrap_or(now));
        let leak = micros(since.as_nanos()) / SLEW;
        let known = self.offset.filter(|_| self.hops == 0).map_or(offset, |known| known - leak);
        self.offset = Some(known.max(offset));
        self.hops = 0;
    }

    /// Takes what the neighbours claim, once per round. `resync` is how far off they may be without
    /// being followed at once.
    pub(super) fn round(
        &mut self,
        now: Time,
        claims: &[Claim],
        round: Span,
        resync: Span,
    ) -> Option<Jump> {
        if self.published.is_some_and(|last| now.since(last) < round * 10) {
            return None;
        }
        let offsets = claims.iter().map(|claim| claim.offset);
        let middle = median(&offsets.collect::<ArrayVec<i64, ROSTER_MAX>>())?;
        // One that is far from what most say is not followed, however near to the source it claims
        // to be.
        let resync = micros(resync.as_nanos());
        let near = || claims.iter().filter(|claim| (claim.offset - middle).abs() <= resync);
        let hops = near().map(|claim| claim.hops).min()?;
        let offsets = near().filter(|claim| claim.hops == hops).map(|claim| claim.offset);
        let target = median(&offsets.collect::<ArrayVec<i64, ROSTER_MAX>>())?;
        self.hops = hops.saturating_add(1).min(HOPS_MAX);
        let Some(offset) = self.offset else {
            self.offset = Some(target);
            return None;
        };
        let off = target - offset;
        if off.abs() <= resync {
            self.astray = 0;
            if hops < HOPS_MAX {
                let most = micros(round.as_nanos()) / SLEW;
                self.offset = Some(offset + off.clamp(-most, most));
            }
            return None;
        }
        self.astray += 1;
        if self.astray < ROUNDS {
            return None;
        }
        self.astray = 0;
        let from = self.edge(now).0;
        self.offset = Some(target);
        Some(Jump { from, to: self.edge(now).0 })
    }
}

fn micros(nanos: u64) -> i64 {
    (nanos / 1000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    fn claim(now: Time, edge: u32, hops: u8) -> Claim {
        Claim::new(now, edge, hops, Span::ZERO).expect("one that knows")
    }

    fn round(clock: &mut StreamClock, now: Time, claims: &[Claim]) -> Option<Jump> {
        clock.round(now, claims, SECOND, SECOND * 2)
    }

    #[test]
    fn time_comes_from_the_source_and_a_lie_about_it_is_not_followed() {
        let mut clock = StreamClock::default();
        let now = at(100_000);
        let honest = [claim(now, 50_000, 0), claim(now, 49_900, 1), claim(now, 49_800, 2)];
        round(&mut clock, now, &honest);
        assert_eq!((clock.present(now), clock.hops), (Some(50_000), 1));
        let liar = claim(now, 4_000_000_000, 0);
        for _ in 0..10 {
            let claims = [liar, honest[1], honest[2]];
            assert_eq!(round(&mut clock, now, &claims), None);
        }
        assert!((49_900..=50_000).contains(&clock.present(now).expect("it runs")));
    }

    #[test]
    fn clocks_that_run_apart_are_followed_slowly_and_a_jump_after_a_while() {
        let mut clock = StreamClock::default();
        round(&mut clock, at(0), &[claim(at(0), 10_000, 0)]);
        round(&mut clock, at(1000), &[claim(at(1000), 11_500, 0)]);
        assert_eq!(clock.present(at(1000)), Some(11_001), "a millisecond per second");
        let far = |now| [claim(now, 90_000, 0)];
        assert_eq!(round(&mut clock, at(2000), &far(at(2000))), None);
        assert_eq!(round(&mut clock, at(2000), &far(at(2000))), None);
        let jump = round(&mut clock, at(2000), &far(at(2000))).expect("three rounds of it");
        assert_eq!(jump, Jump { from: 12_001, to: 90_000 });
        assert_eq!(clock.when(90_010), Some(at(2010)));
    }

    #[test]
    fn a_source_goes_by_its_earliest_chunks() {
        let mut clock = StreamClock::default();
        clock.publish(at(1000), 0);
        clock.publish(at(1080), 40);
        assert_eq!(clock.edge(at(1080)), (79, 0), "one that came late, less a little for drift");
        clock.publish(at(1081), 120);
        assert_eq!(clock.edge(at(1081)), (120, 0), "so all before came late");
    }

    #[test]
    fn without_a_source_time_goes_on() {
        let mut clock = StreamClock::default();
        round(&mut clock, at(0), &[claim(at(0), 10_000, 0)]);
        for second in 1..100 {
            let now = at(second * 1000);
            // Everybody hears of the present 50 ms late, over one hop more each round.
            let edge = 10_000 + second as u32 * 1000 - 50;
            let hops = (second as u8).min(HOPS_MAX);
            round(&mut clock, now, &[claim(now, edge, hops)]);
        }
        let off = clock.present(at(99_000)).expect("it runs") - 109_000;
        assert!((-16..=0).contains(&off), "{off} ms");
    }
}
