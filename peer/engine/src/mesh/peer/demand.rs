//! The receiver's side of a round.

use arrayvec::ArrayVec;
use nearcast_machine::Time;

use super::super::demand::{Horizon, Standing, Supplier, regular_layers, schedule};
use super::super::neighbour::{Neighbour, ROSTER_MAX};
use super::super::{Demand, Payload, Relation, Role};
use super::Peer;
use super::hearsay::Hearsay;

/// A suspect is asked like any other every so many rounds, so that it can show that it has changed.
const ANOTHER_CHANCE: u32 = 4;
/// What a request mostly asks for at most.
const REQUEST: usize = 32;

impl<P: Payload> Peer<P> {
    /// Decides what to ask of whom in this round.
    pub(super) fn demand(&mut self, now: Time, hearsay: &Hearsay) {
        for neighbour in self.roster.iter_mut() {
            // What was not told in the last round is decided anew.
            neighbour.wanted.clear();
        }
        let (Some(present), Role::Viewer) = (self.clock.present(now), self.settings.role) else {
            return;
        };
        let settings = &self.settings;
        let millis = |span: nearcast_machine::Span| span.as_millis() as i64;
        let regular = match settings.policy.demand {
            Demand::Flat => settings.layers,
            Demand::Layered => regular_layers(settings.upload, &self.rates),
        };
        self.statistics.regular_layers = regular;
        let horizon = Horizon {
            position: present - millis(settings.lag),
            too_late: millis(settings.too_late),
            // What becomes due before the next round can no longer wait for it.
            fetch: millis(settings.fetch + settings.round),
        };
        let rounds = self.rounds;
        let standing = |at: usize, neighbour: &Neighbour| match neighbour {
            Neighbour { relation: Relation::Fallback, .. } => Standing::Fallback,
            _ if neighbour.unserved < settings.suspect_after => Standing::Good,
            _ if (rounds + at as u32).is_multiple_of(ANOTHER_CHANCE) => Standing::Good,
            _ => Standing::Suspect,
        };
        let with_maps = self.roster.iter().enumerate().filter_map(|(at, neighbour)| {
            let map = neighbour.map.as_deref()?;
            Some(Supplier { map, standing: standing(at, neighbour), place: at as u8 })
        });
        for (layer, said) in self.layers.iter_mut().zip(hearsay) {
            layer.reach(said.end, present);
        }
        let mut suppliers: ArrayVec<Supplier<'_>, ROSTER_MAX> = ArrayVec::new();
        suppliers.extend(with_maps);
        let order = schedule(&self.layers, regular, &suppliers, horizon, &mut self.rng);
        drop(suppliers);
        let most = usize::from(settings.queue);
        for (lc, place) in order {
            let neighbour = self.roster.at_mut(place.into());
            if neighbour.wanted.len() >= most {
                continue;
            }
            if neighbour.wanted.is_empty() {
                // The last request took the room along.
                neighbour.wanted.reserve_exact(REQUEST);
            }
            neighbour.wanted.push(lc);
            self.layers[usize::from(lc.layer)].ask(lc.seq);
        }
    }
}
