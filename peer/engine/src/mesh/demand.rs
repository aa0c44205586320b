//! The receiver's side: which chunks to ask of whom, in which order (Liu et al. Algorithm 1).

use arrayvec::ArrayVec;
use nearcast_machine::{Bitrate, Rng};
use rand::Rng as _;
use rand::seq::SliceRandom;

use super::layer::{Layer, Place};
use super::neighbour::ROSTER_MAX;
use super::{BufferMap, Lc, Payload};

/// A chunk and the place of the supplier it was given to.
type Assigned = (u32, u8);

/// A set of suppliers, each a bit.
type Set<const WORDS: usize> = [u64; WORDS];

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
    /// Where among all neighbours it is.
    pub(super) place: u8,
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

/// Asks for all chunks that are missing and to be had: those of the first `regular` layers in
/// random order, then those of each further layer in random order, each of a random one of those
/// who have it. Answers them with their suppliers' places in the order in which those are to serve.
pub(super) fn schedule<P: Payload>(
    layers: &[Layer<P>],
    regular: u8,
    suppliers: &[Supplier<'_>],
    horizon: Horizon,
    rng: &mut Rng,
) -> impl Iterator<Item = (Lc, u8)> + use<P> {
    // There are seldom more than go into one word, of which all is then known when this is
    // compiled.
    let order = match suppliers.len() {
        0..=64 => assign_all::<P, 1>(layers, regular, suppliers, horizon, rng),
        _ => assign_all::<P, { ROSTER_MAX.div_ceil(64) }>(layers, regular, suppliers, horizon, rng),
    };
    order.into_iter().map(|(chunk, place)| (Lc::unpack(chunk), place))
}

fn assign_all<P: Payload, const WORDS: usize>(
    layers: &[Layer<P>],
    regular: u8,
    suppliers: &[Supplier<'_>],
    horizon: Horizon,
    rng: &mut Rng,
) -> Vec<Assigned> {
    let mut order: Vec<Assigned> = Vec::with_capacity(ROUND);
    let mut grouped = 0;
    let mut crowd: Crowd<'_, WORDS> = Crowd::new(suppliers);
    for (number, layer) in layers.iter().enumerate() {
        assign(layer, number as u8, &mut crowd, horizon, rng, &mut order);
        // Regular layers make one group, without order among them; each probing one makes its own.
        if number + 1 < usize::from(regular) {
            continue;
        }
        order[grouped..].shuffle(rng);
        grouped = order.len();
    }
    order
}

/// Suppliers by standing, and which of them have each chunk of a page.
struct Crowd<'a, const WORDS: usize> {
    suppliers: &'a [Supplier<'a>],
    /// By standing.
    sets: [Set<WORDS>; 3],
    /// Of each, the words of the layer that was turned to, and of which page the first one is.
    rows: ArrayVec<(u32, &'a [u64]), ROSTER_MAX>,
    /// Of each, the word of the page that was turned to, rotated by its place: so the bits of a
    /// chunk lie on a diagonal, no two at the same height.
    words: ArrayVec<u64, ROSTER_MAX>,
}

/// The diagonal from any bit on.
const DIAGONAL: [u64; 128] = {
    let mut diagonal = [0; 128];
    let mut at = 0;
    while at < 128 {
        diagonal[at] = 1 << (at % 64);
        at += 1;
    }
    diagonal
};

impl<'a, const WORDS: usize> Crowd<'a, WORDS> {
    fn new(suppliers: &'a [Supplier<'a>]) -> Crowd<'a, WORDS> {
        let mut sets = [[0; WORDS]; 3];
        for (at, supplier) in suppliers.iter().enumerate() {
            sets[supplier.standing as usize][at / 64] |= 1 << (at % 64);
        }
        let words = suppliers.iter().map(|_| 0).collect();
        Crowd { suppliers, sets, rows: ArrayVec::new(), words }
    }

    fn turn_to_layer(&mut self, layer: u8) {
        self.rows.clear();
        let row = |of: &Supplier<'a>| (of.map.base(layer) / 64, of.map.bits(layer));
        self.rows.extend(self.suppliers.iter().map(row));
    }

    /// Turns to a page; answers which of its chunks somebody has.
    fn turn_to_page(&mut self, page: u32) -> u64 {
        let mut all = 0;
        for ((word, &(first, row)), at) in self.words.iter_mut().zip(&self.rows).zip(0..) {
            // Of a page below the first one the difference is beyond all words.
            let here = row.get(page.wrapping_sub(first) as usize).copied().unwrap_or(0);
            all |= here;
            *word = here.rotate_left(at);
        }
        all
    }

    /// Those who have the chunk at a bit of the page.
    fn holders(&self, bit: u32) -> Set<WORDS> {
        let mut holders = [0; WORDS];
        let diagonal = &DIAGONAL[bit as usize..][..64];
        for (set, words) in holders.iter_mut().zip(self.words.chunks(64)) {
            let bits = words.iter().zip(diagonal).fold(0, |all, (word, here)| all | word & here);
            *set = bits.rotate_right(bit);
        }
        holders
    }

    /// Of some, those of a standing; `None` if there are none.
    fn of(&self, standing: Standing, some: &Set<WORDS>) -> Option<Set<WORDS>> {
        let set = &self.sets[standing as usize];
        let both: Set<WORDS> = std::array::from_fn(|n| some[n] & set[n]);
        (both != [0; WORDS]).then_some(both)
    }

    /// A random one of a set that is not empty, by its place.
    fn draw(&self, set: Set<WORDS>, rng: &mut Rng) -> u8 {
        let count: u32 = set.iter().map(|word| word.count_ones()).sum();
        let mut nth = if count == 1 { 0 } else { rng.random_range(0..count as usize) };
        let found = set.into_iter().enumerate().find_map(|(n, mut left)| {
            while left != 0 {
                if nth == 0 {
                    return Some(n * 64 + left.trailing_zeros() as usize);
                }
                nth -= 1;
                left &= left - 1;
            }
            None
        });
        self.suppliers[found.expect("there are as many as were counted")].place
    }
}

/// Gives each missing chunk of a layer to a random one of those who have it. Apart from the rest of
/// a round, so that its loop has the processor's registers to itself.
#[inline(never)]
fn assign<P: Payload, const WORDS: usize>(
    layer: &Layer<P>,
    number: u8,
    crowd: &mut Crowd<'_, WORDS>,
    horizon: Horizon,
    rng: &mut Rng,
    out: &mut Vec<Assigned>,
) {
    let ((end, _), first) = (layer.end(), layer.base() / 64);
    let mut timeline = Timeline::new(layer, horizon);
    crowd.turn_to_layer(number);
    // What is beyond the last page that is there is missing.
    let words = layer.words().iter().copied().chain(std::iter::repeat(0));
    for (page, word) in (first..end.div_ceil(64)).zip(words) {
        let mut missing = !word;
        if page == first {
            missing &= u64::MAX << (layer.base() % 64);
        }
        if missing == 0 {
            continue;
        }
        missing &= crowd.turn_to_page(page);
        while missing != 0 {
            let bit = missing.trailing_zeros();
            missing &= missing - 1;
            let seq = page * 64 + bit;
            if seq >= end {
                return;
            }
            let due = timeline.due(seq);
            if due == Due::TooSoon {
                continue;
            }
            let holders = crowd.holders(bit);
            let fetched = due == Due::Soon;
            let fetched = fetched.then(|| crowd.of(Standing::Fallback, &holders)).flatten();
            let good = fetched.or_else(|| crowd.of(Standing::Good, &holders));
            if let Some(set) = good.or_else(|| crowd.of(Standing::Suspect, &holders)) {
                out.push((Lc { layer: number, seq }.pack(), crowd.draw(set, rng)));
            }
        }
    }
}

/// When a chunk is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Before it could come.
    TooSoon,
    /// Before the next round could fetch it.
    Soon,
    Later,
}

/// When chunks that are missing are due, told from those around them. Asked for in ascending order.
struct Timeline<'a, P> {
    layer: &'a Layer<P>,
    horizon: Horizon,
    /// The nearest chunk below whose time is known, or where the window begins.
    below: (u32, i64),
    above: (u32, i64),
    /// Where the window ends.
    end: (u32, i64),
    /// Whether the one below is a chunk that is due later, and so all from there on are: times
    /// never fall within a layer.
    later: bool,
}

impl<'a, P: Payload> Timeline<'a, P> {
    fn new(layer: &'a Layer<P>, horizon: Horizon) -> Timeline<'a, P> {
        // A stream that has just begun reaches no further back than its beginning.
        let below = (layer.base(), horizon.position.max(0));
        Timeline { layer, horizon, below, above: below, end: layer.end(), later: false }
    }

    fn due(&mut self, seq: u32) -> Due {
        if self.later {
            return Due::Later;
        }
        let Horizon { position, too_late, fetch } = self.horizon;
        if seq >= self.above.0 {
            let known = |place: Place| (place.seq, i64::from(place.time));
            if let Some(below) = self.layer.last_before(seq).map(known) {
                self.below = below;
                self.later = below.1 - position >= fetch.max(too_late);
            }
            self.above = self.layer.first_from(seq).map_or(self.end, known);
        }
        match self.time(seq) - position {
            due_in if due_in < too_late => Due::TooSoon,
            due_in if due_in < fetch => Due::Soon,
            _ => Due::Later,
        }
    }

    fn time(&self, seq: u32) -> i64 {
        let (from, to) = (self.below, self.above);
        match to.0.saturating_sub(from.0) {
            0 => from.1,
            // Whatever the window's ends are taken for.
            span => {
                let run = (to.1 - from.1).max(0);
                from.1 + run * i64::from(seq.saturating_sub(from.0)) / i64::from(span)
            }
        }
    }
}
