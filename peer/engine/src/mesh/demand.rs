//! The receiver's side: which chunks to ask of whom, in which order (Liu et al. Algorithm 1).

use nearcast_machine::{Bitrate, Rng};
use rand::Rng as _;
use rand::seq::SliceRandom;

use super::layer::{Layer, Place};
use super::{BufferMap, Lc, Payload};

/// A chunk and the supplier it was given to.
type Assigned = (u32, u8);

/// A set of suppliers, each a bit: 251 at most, which are N_max and the fallback.
type Set = [u64; 4];

/// What a round asks for, mostly.
const ROUND: usize = 256;

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
/// it. Answers them with their suppliers in the order in which those are to serve.
pub(super) fn schedule<P: Payload>(
    layers: &[Layer<P>],
    regular: u8,
    suppliers: &[Supplier<'_>],
    horizon: Horizon,
    rng: &mut Rng,
) -> impl Iterator<Item = (Lc, usize)> + use<P> {
    let mut order: Vec<Assigned> = Vec::with_capacity(ROUND);
    let mut grouped = 0;
    let mut crowd = Crowd::new(suppliers);
    for (number, layer) in layers.iter().enumerate() {
        assign(layer, number as u8, &mut crowd, horizon, rng, &mut order);
        // Regular layers make one group, without order among them; each probing one makes its own.
        if number + 1 < usize::from(regular) {
            continue;
        }
        order[grouped..].shuffle(rng);
        grouped = order.len();
    }
    order.into_iter().map(|(chunk, supplier)| (Lc::unpack(chunk), supplier.into()))
}

/// Suppliers by standing, and which of them have each chunk of a page.
struct Crowd<'a> {
    suppliers: &'a [Supplier<'a>],
    /// For each 64 suppliers, of each chunk the bits of those who have it.
    holders: Vec<[u64; 64]>,
    good: Set,
    suspect: Set,
    fallback: Set,
}

impl<'a> Crowd<'a> {
    fn new(suppliers: &'a [Supplier<'a>]) -> Crowd<'a> {
        let of = |standing: Standing| {
            let mut set = Set::default();
            for (at, supplier) in suppliers.iter().enumerate() {
                set[at / 64] |= u64::from(supplier.standing == standing) << (at % 64);
            }
            set
        };
        Crowd {
            suppliers,
            holders: vec![[0; 64]; suppliers.len().div_ceil(64)],
            good: of(Standing::Good),
            suspect: of(Standing::Suspect),
            fallback: of(Standing::Fallback),
        }
    }

    /// Turns to a page, of which some chunks are missing here, and says which of those somebody has.
    fn turn_to(&mut self, layer: u8, page: u32, missing: u64) -> u64 {
        if missing == 0 {
            return 0;
        }
        let mut all = 0;
        for (holders, suppliers) in self.holders.iter_mut().zip(self.suppliers.chunks(64)) {
            let (of, none) = holders.split_at_mut(suppliers.len());
            for (word, supplier) in of.iter_mut().zip(suppliers) {
                *word = supplier.map.word(layer, page);
                all |= *word;
            }
            none.fill(0);
        }
        let missing = all & missing;
        if missing != 0 {
            self.holders.iter_mut().for_each(transpose);
        }
        missing
    }

    /// A random one of those who have the chunk at a bit of the page.
    fn draw(&self, bit: u32, among: &Set, rng: &mut Rng) -> Option<u8> {
        let both = || self.holders.iter().zip(among).map(|(of, among)| of[bit as usize] & among);
        let mut nth = match both().map(u64::count_ones).sum::<u32>() {
            0 => return None,
            1 => 0,
            count => rng.random_range(0..count as usize) as u32,
        };
        for (n, mut both) in (0..).zip(both()) {
            let here = both.count_ones();
            if nth < here {
                (0..nth).for_each(|_| both &= both - 1);
                return Some((n * 64 + both.trailing_zeros()) as u8);
            }
            nth -= here;
        }
        None
    }
}

/// Makes rows of columns: bit c of row r becomes bit r of row c (Warren, Hacker's Delight, 7-3).
fn transpose(rows: &mut [u64; 64]) {
    let (mut width, mut mask) = (32, u64::from(u32::MAX));
    while width > 0 {
        for block in rows.chunks_exact_mut(2 * width) {
            let (above, below) = block.split_at_mut(width);
            for (above, below) in above.iter_mut().zip(below) {
                let swapped = (*above >> width ^ *below) & mask;
                *below ^= swapped;
                *above ^= swapped << width;
            }
        }
        width /= 2;
        mask ^= mask << width;
    }
}

/// Gives each missing chunk of a layer to a random one of those who have it.
fn assign<P: Payload>(
    layer: &Layer<P>,
    number: u8,
    crowd: &mut Crowd<'_>,
    horizon: Horizon,
    rng: &mut Rng,
    out: &mut Vec<Assigned>,
) {
    let (end, _) = layer.end();
    let mut timeline = Timeline::new(layer, horizon.position);
    for page in layer.base() / 64..end.div_ceil(64) {
        let mut missing = !layer.word(page);
        if page == layer.base() / 64 {
            missing &= u64::MAX << (layer.base() % 64);
        }
        missing = crowd.turn_to(number, page, missing);
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
            let fetched = due_in < horizon.fetch;
            let order =
                [fetched.then_some(&crowd.fallback), Some(&crowd.good), Some(&crowd.suspect)];
            let mut order = order.into_iter().flatten();
            if let Some(at) = order.find_map(|those| crowd.draw(bit, those, rng)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_become_columns(rows in prop::collection::vec(any::<u64>(), 64)) {
            let before: [u64; 64] = rows.try_into().expect("as many");
            let mut after = before;
            transpose(&mut after);
            for (r, row) in before.iter().enumerate() {
                for (c, column) in after.iter().enumerate() {
                    prop_assert_eq!(row >> c & 1, column >> r & 1);
                }
            }
        }
    }
}
