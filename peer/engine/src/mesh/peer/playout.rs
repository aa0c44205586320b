//! Playout: what is due, in order, once; and what is missing by then.

use arrayvec::ArrayVec;
use nearcast_machine::{Span, Time};

use super::super::layer::Place;
use super::super::{Event, LAYERS_MAX, Output, Payload, Role};
use super::Peer;
use super::hearsay::Hearsay;

/// By how much a unit may be due later than one that was published after it, in ms. Sound and
/// picture are not interleaved to the millisecond; more than this is a lie that holds others up.
const INTERLEAVE: i64 = 500;

/// The first chunk of each layer.
type Heads = ArrayVec<Option<Place>, LAYERS_MAX>;

impl<P: Payload> Peer<P> {
    /// Takes note of a chunk that came and will be due.
    pub(super) fn play_by(&mut self, time: u32) {
        // Mostly it is due long after what is due next, whatever the step.
        let Some(due) = self.due(i64::from(time)) else { return };
        if self.play_at.is_none_or(|at| due < at) {
            let due = self.in_steps(due);
            self.play_at = Some(self.play_at.map_or(due, |at| at.min(due)));
        }
    }

    /// When a stream time is played.
    fn due(&self, time: i64) -> Option<Time> {
        self.clock.when(time + self.settings.lag.as_millis() as i64)
    }

    /// The same in steps of [`playout_step`](super::Settings::playout_step).
    fn in_steps(&self, due: Time) -> Time {
        let step = self.settings.playout_step.as_nanos().max(1);
        Time::from_nanos(due.as_nanos().div_ceil(step).saturating_mul(step))
    }

    /// Releases what is due, and forgets it. A source, which plays nothing, only forgets.
    pub(super) fn play(&mut self, now: Time) {
        self.play_at = None;
        let Some(position) = self.position(now) else { return };
        let heads = self.layers.iter().map(|layer| layer.first_from(layer.base()));
        let mut heads: Heads = heads.collect();
        while let Some((layer, place, time)) = next_due(&heads) {
            if time > position {
                // By another way of rounding it could be due now, which would be for ever.
                let due = self.due(time).map(|due| self.in_steps(due));
                self.play_at = due.map(|due| due.max(now + Span::from_nanos(1)));
                return;
            }
            if !self.started {
                self.started = true;
                self.event(Event::Started { time: place.time });
            }
            self.pass(layer, place.seq);
            let chunk = self.layers[layer].chunk(place.seq).expect("it is there");
            self.layers[layer].advance(place.seq + 1);
            heads[layer] = self.layers[layer].first_from(place.seq + 1);
            // The chunks of a unit are in one layer: another layer that names it is wrong.
            let again = self.played.is_some_and(|(unit, of)| {
                place.unit < unit || place.unit == unit && usize::from(of) != layer
            });
            if again {
                self.statistics.refused += 1;
                continue;
            }
            self.played = Some((place.unit, layer as u8));
            let figures = &mut self.statistics.layers[layer];
            figures.played += 1;
            figures.played_bytes += chunk.payload.size() as u64;
            if self.settings.role == Role::Viewer {
                self.outputs.push_back(Output::Release(chunk));
            }
        }
    }

    /// Counts the chunks of a layer up to and including `seq` as due.
    fn pass(&mut self, layer: usize, seq: u32) {
        let passed = u64::from((seq + 1).saturating_sub(self.layers[layer].base()));
        self.statistics.layers[layer].due += passed;
    }

    /// Gives up what neighbours have long played, in a layer of which nothing comes that would tell
    /// where playing stands. Most of them must agree.
    pub(super) fn follow_bases(&mut self, hearsay: &Hearsay) {
        for (layer, said) in hearsay.iter().enumerate() {
            let Some(median) = said.base else { continue };
            let own = &mut self.layers[layer];
            let base = own.base();
            match own.first_from(base) {
                Some(first) if median.min(first.seq) > base => {
                    let base = median.min(first.seq);
                    if self.started {
                        self.pass(layer, base - 1);
                    }
                    self.layers[layer].advance(base);
                }
                Some(_) => {}
                None if !own.is_placed() => own.restart(median),
                None if median > base => {
                    if self.started {
                        self.pass(layer, median - 1);
                    }
                    self.layers[layer].advance(median);
                }
                // The first maps may have been lies.
                None if median < base && !own.is_touched() => {
                    own.restart(median);
                    let figures = &mut self.statistics.layers[layer];
                    figures.due = figures.due.saturating_sub(u64::from(base - median));
                }
                None => {}
            }
        }
    }
}

/// The chunk that is to be released next, with its layer and the stream time at which it is due.
/// Order is that of publishing.
fn next_due(heads: &Heads) -> Option<(usize, Place, i64)> {
    let known =
        || heads.iter().enumerate().filter_map(|(layer, head)| head.map(|head| (layer, head)));
    let (layer, first) = known().min_by_key(|(_, place)| place.unit)?;
    let others = known().filter(|&(other, _)| other != layer);
    let latest = others.map(|(_, place)| i64::from(place.time) + INTERLEAVE);
    Some((layer, first, latest.fold(i64::from(first.time), i64::min)))
}
