//! What is done once every T.

use arrayvec::ArrayVec;
use nearcast_machine::{Bitrate, Span, Time};

use super::super::clock::Claim;
use super::super::neighbour::ROSTER_MAX;
use super::super::pace::Path;
use super::super::rate::Round;
use super::super::{Event, Payload};
use super::Peer;
use super::hearsay::Hearsay;

/// For how many outputs room is kept: what a round has to tell to so many neighbours.
const OUTPUTS: usize = 32;

impl<P: Payload> Peer<P> {
    /// One round: measure, tend the neighbours, find the present, decide what to ask, tell.
    pub(super) fn round(&mut self, now: Time) {
        self.rounds = self.rounds.wrapping_add(1);
        let round = self.settings.round;
        // A burst of signalling should not take room for ever; a round's own comes again.
        self.outputs.shrink_to(OUTPUTS);
        // After a pause rounds go on from here, not one after the other until they have caught up.
        self.round_at = (self.round_at + round).max(now + round / 2);
        self.measure();
        self.weed(now);
        self.reconfirm(now);
        self.adapt(now);
        self.seek(now);
        self.announce_if_due(now);
        self.tell_time(now);
        self.play(now);
        let hearsay = self.hear();
        self.follow_bases(&hearsay);
        self.tell_rates(&hearsay);
        self.demand(now, &hearsay);
        self.draw_map();
        for neighbour in self.roster.iter_mut() {
            neighbour.map_due = neighbour.is_up();
            neighbour.asked = !neighbour.wanted.is_empty();
            self.statistics.asked += neighbour.wanted.len() as u64;
        }
        self.flush_at = Some(now + self.settings.piggyback);
    }

    /// Ends the measurements of the last round.
    fn measure(&mut self) {
        let round = Round::new(self.settings.round, self.settings.rate_memory);
        for neighbour in self.roster.iter_mut() {
            // A credit begins to fade when the relationship begins.
            if !neighbour.is_up() {
                continue;
            }
            neighbour.rate_in.round(&round);
            neighbour.rate_out.round(&round);
            if neighbour.served {
                neighbour.unserved = 0;
            } else if neighbour.asked {
                neighbour.unserved = neighbour.unserved.saturating_add(1);
            }
            (neighbour.asked, neighbour.served) = (false, false);
        }
        let target = self.settings.delay_target;
        if target > Span::ZERO {
            let paths = self.roster.iter_mut().map(|neighbour| &mut neighbour.path);
            let mut delays: ArrayVec<u32, ROSTER_MAX> = paths.filter_map(Path::round).collect();
            self.bucket.set_rate(self.pace.round(&mut delays, target));
        }
        self.roster.weigh(self.settings.epsilon);
    }

    /// Finds the rate of each layer: from its own chunks if it has any; else what most neighbours
    /// say, or one would not ask for a layer because one has never had it.
    fn tell_rates(&mut self, hearsay: &Hearsay) {
        for ((layer, said), rate) in self.layers.iter().zip(hearsay).zip(&mut self.rates) {
            let own = layer.rate().map(|bits| Bitrate::from_bits_per_sec(bits.round() as u64));
            *rate = own.or(said.rate).or(*rate);
        }
    }

    /// Finds the present from what the neighbours say.
    fn tell_time(&mut self, now: Time) {
        let mut claims: ArrayVec<Claim, ROSTER_MAX> = ArrayVec::new();
        claims.extend(self.roster.iter().filter_map(|neighbour| neighbour.claim));
        let settings = &self.settings;
        let jump = self.clock.round(now, &claims, settings.round, settings.resync);
        if let Some(jump) = jump {
            self.event(Event::Resynced { from: jump.from, to: jump.to });
        }
    }
}
