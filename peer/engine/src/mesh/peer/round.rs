//! What is done once every T.

use nearcast_machine::{Bitrate, Span, Time};

use super::super::clock::Claim;
use super::super::median::median;
use super::super::pace::Path;
use super::super::{Event, Payload};
use super::Peer;

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
        self.follow_bases();
        self.tell_rates();
        self.demand(now);
        self.draw_map();
        for neighbour in self.roster.iter_mut() {
            neighbour.map_due = neighbour.is_up();
        }
        self.flush_at = Some(now + self.settings.piggyback);
    }

    /// Ends the measurements of the last round.
    fn measure(&mut self) {
        let (round, memory) = (self.settings.round, self.settings.rate_memory);
        for neighbour in self.roster.iter_mut() {
            // A credit begins to fade when the relationship begins.
            if !neighbour.is_up() {
                continue;
            }
            neighbour.rate_in.round(round, memory);
            neighbour.rate_out.round(round, memory);
            if neighbour.served {
                neighbour.unserved = 0;
            } else if neighbour.asked > 0 {
                neighbour.unserved = neighbour.unserved.saturating_add(1);
            }
            (neighbour.asked, neighbour.served) = (0, false);
        }
        let target = self.settings.delay_target;
        if target > Span::ZERO {
            let paths = self.roster.iter_mut().map(|neighbour| &mut neighbour.path);
            let mut delays: Vec<u32> = paths.filter_map(Path::round).collect();
            self.bucket.set_rate(self.pace.round(&mut delays, target));
        }
        self.roster.weigh(self.settings.epsilon);
    }

    /// Finds the rate of each layer: from its own chunks if it has any; else what most neighbours say,
    /// or one would not ask for a layer because one has never had it.
    fn tell_rates(&mut self) {
        let mut claims: Vec<Bitrate> = Vec::with_capacity(self.roster.len());
        for (layer, rate) in self.layers.iter().zip(0..).zip(&mut self.rates) {
            let (layer, number) = layer;
            let maps = self.roster.iter().filter_map(|neighbour| neighbour.map.as_ref());
            claims.clear();
            claims.extend(maps.filter_map(|map| map.rate(number)));
            let most = median(&mut claims);
            let own = layer.rate().map(|bits| Bitrate::from_bits_per_sec(bits.round() as u64));
            *rate = own.or(most).or(*rate);
        }
    }

    /// Finds the present from what the neighbours say.
    fn tell_time(&mut self, now: Time) {
        let claims = self.roster.iter().filter_map(|neighbour| neighbour.claim);
        let mut claims: Vec<Claim> = claims.collect();
        let settings = &self.settings;
        let jump = self.clock.round(now, &mut claims, settings.round, settings.resync);
        if let Some(jump) = jump {
            self.event(Event::Resynced { from: jump.from, to: jump.to });
        }
    }
}
