//! The receiver's side: which chunks to ask of whom, in which order (Liu et al. Algorithm 1).

use nearcast_machine::{Bitrate, Rng};
use rand::Rng as _;
use rand::seq::SliceRandom;

use super::layer::{Layer, Place};
use super::{BufferMap, Lc, Payload};

/// A chunk and the supplier it was given to.
type Assigned = (u32, u8);

/// One more than the most neighbours, which N_max and the fallback make 251.
const SUPPLIERS_MAX: usize = 256;

/// l_n: how many layers are asked for by regular requests, the largest l with R(l) <= U_n.
/// `rates` are those of the single layers, as far up as they are known.
pub(super) fn regular_layers(upload: Bitrate, rates: &[Option<Bitrate>]) -> u8 {
    let mut up_to = 0u64;
    let sustained = rates.iter().take_while(|rate| {
        let rate = rate.map_or(u64::MAX, Bitrate::bits_per_sec);
        up_to = up_to.saturating_add(rate);
        up_to <= upload.bits_per_sec()
    });
    sustained.count() as u8
}

/// A neighbour as the receiver's scheduler sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Supplier<'a> {
    pub(super) map: &'a BufferMap,
    pub(super) standing: Standing,
}

/// What a supplier is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Any chunk that it has.
    Good,
    /// Only what no good one has: it has not served lately.
    Suspect,
    /// Only what is due soon.
    Fallback,
}

/// Which chunks of a layer are asked for, by when they are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Horizon {
    /// The playback position, as stream time in ms.
    pub(super) position: i64,
    /// What is due in less than this many ms is not asked for.
    pub(super) too_late: i64,
    /// What is due in less than this many ms is the fallback's, if it has it.
    pub(super) fetch: i64,
}

/// Asks for all chunks that are missing and to be had: those of the first `regular` layers in random
/// order, then those of each further layer in random order, each of a random one of those who have
/// it. Calls `ask` in the order in which suppliers are to serve; where that answers false, the
/// supplier has been asked for enough.
pub(super) fn schedule<P: Payload>(
    layers: &[Layer<P>],
    regular: u8,
    suppliers: &[Supplier<'_>],
    horizon: Horizon,
    rng: &mut Rng,
    mut ask: impl FnMut(usize, Lc) -> bool,
) {
    let mut group: Vec<Assigned> = Vec::new();
    let mut words = vec![0; suppliers.len()];
    for (number, layer) in layers.iter().enumerate() {
        assign(layer, number as u8, suppliers, &mut words, horizon, rng, &mut group);
        // Regular layers make one group, without order among them; each probing one makes its own.
        if number + 1 < usize::from(regular) {
            continue;
        }
        group.shuffle(rng);
        for (chunk, supplier) in group.drain(..) {
            ask(supplier.into(), Lc::unpack(chunk));
        }
    }
}

/// Gives each missing chunk of a layer to a random one of those who have it.
fn assign<P: Payload>(
    layer: &Layer<P>,
    number: u8,
    suppliers: &[Supplier<'_>],
    words: &mut [u64],
    horizon: Horizon,
    rng: &mut Rng,
    out: &mut Vec<Assigned>,
) {
    let (end, _) = layer.end();
    let mut timeline = Timeline::new(layer, horizon.position);
    for page in layer.base() / 64..end.div_ceil(64) {
        let mut available = 0;
        for (word, supplier) in words.iter_mut().zip(suppliers) {
            *word = supplier.map.word(number, page);
            available |= *word;
        }
        let mut missing = available & !layer.word(page);
        if page == layer.base() / 64 {
            missing &= u64::MAX << (layer.base() % 64);
        }
        while missing != 0 {
            let bit = missing.trailing_zeros();
            missing &= missing - 1;
            let seq = page * 64 + bit;
            if seq >= end {
                return;
            }
            let due_in = timeline.time(seq) - horizon.position;
            if due_in < horizon.too_late {
                continue;
            }
            let order: &[Standing] = match due_in < horizon.fetch {
                true => &[Standing::Fallback, Standing::Good, Standing::Suspect],
                false => &[Standing::Good, Standing::Suspect],
            };
            let mut holders = [0; SUPPLIERS_MAX];
            let chosen = order.iter().find_map(|&standing| {
                let mut count = 0;
                for (at, (word, supplier)) in words.iter().zip(suppliers).enumerate() {
                    // Written in any case and kept if it is one: there is nothing to be guessed
                    // about who has what.
                    holders[count] = at as u8;
                    count += usize::from(supplier.standing == standing && word >> bit & 1 != 0);
                }
                match count {
                    0 => None,
                    1 => Some(holders[0]),
                    _ => Some(holders[rng.random_range(0..count)]),
                }
            });
            if let Some(at) = chosen {
                out.push((Lc { layer: number, seq }.pack(), at));
            }
        }
    }
}

/// Stream times of chunks that are missing, told from those around them. Asked for in ascending
/// order.
struct Timeline<'a, P> {
    layer: &'a Layer<P>,
    /// The nearest chunk below whose time is known, or where the window begins.
    below: (u32, i64),
    above: (u32, i64),
    /// Where the window ends.
    end: (u32, i64),
}

impl<'a, P: Payload> Timeline<'a, P> {
    fn new(layer: &'a Layer<P>, position: i64) -> Timeline<'a, P> {
        // A stream that has just begun reaches no further back than its beginning.
        let below = (layer.base(), position.max(0));
        Timeline { layer, below, above: below, end: layer.end() }
    }

    fn time(&mut self, seq: u32) -> i64 {
        if seq >= self.above.0 {
            let known = |place: Place| (place.seq, i64::from(place.time));
            self.below = self.layer.last_before(seq).map_or(self.below, known);
            self.above = self.layer.first_from(seq).map_or(self.end, known);
        }
        let (from, to) = (self.below, self.above);
        match to.0.saturating_sub(from.0) {
            0 => from.1,
            // Times never fall within a layer, whatever the window's ends are taken for.
            span => {
                let run = (to.1 - from.1).max(0);
                from.1 + run * i64::from(seq.saturating_sub(from.0)) / i64::from(span)
            }
        }
    }
}
