//! The chunks of one layer in the exchange window.

use super::lines::lines;
use super::{Chunk, Lc, Payload, SEQ_MAX, Tag};

/// 64 consecutive chunks, the first of them a multiple of 64, so that what is asked of all of them
/// at once is asked of one word. Which of them are there lies apart.
#[derive(Debug)]
struct Page<P> {
    /// Which have been asked of anybody.
    asked: u64,
    /// What is known of each; none before the first one comes.
    slots: Option<Box<Slots<P>>>,
}

/// Of a simulator's chunks, five fit a line of the cache.
type Slots<P> = [Slot<P>; 64];

/// A chunk apart from its name.
#[derive(Debug, Clone, Default)]
struct Slot<P> {
    payload: P,
    unit: u32,
    time: u32,
    tag: Tag,
    /// To how many it was sent who pass it on, as far as that was counted.
    copies: u8,
}

/// Where a chunk that is there stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u32,
    pub(super) unit: u32,
    pub(super) time: u32,
}

/// What became of a chunk that was handed to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It was missing.
    New,
    /// It was there.
    Duplicate,
    /// It lies below the window.
    Late,
    /// It lies above the window, or contradicts the chunks around it.
    Refused,
}

/// Pages from that of `base` on. Seldom one of them goes, so that they need no ring.
#[derive(Debug)]
pub(super) struct Layer<P> {
    number: u8,
    /// The first chunk that is not yet past.
    base: u32,
    /// Whether that is known, from a chunk or from what others say.
    placed: bool,
    /// One past the highest chunk that neighbours have, and the stream time of the present, in ms,
    /// when they had first.
    end: (u32, i64),
    /// Most chunks of the window.
    window: u32,
    /// Of each page, which chunks are there: a round and a request go over the whole window, and
    /// find it in a line or two of the cache.
    have: Vec<u64>,
    pages: Vec<Page<P>>,
    /// How many chunks are there.
    held: u32,
    /// The mean size of chunks, in bytes.
    mean: f32,
}

impl<P: Payload> Layer<P> {
    pub(super) fn new(number: u8, window: u32) -> Layer<P> {
        Layer {
            number,
            base: 0,
            placed: false,
            end: (0, 0),
            window,
            have: Vec::new(),
            pages: Vec::new(),
            held: 0,
            mean: 0.0,
        }
    }

    /// The first chunk that is not yet past.
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    /// Whether it is known where in the layer the window is.
    pub(super) fn is_placed(&self) -> bool {
        self.placed
    }

    /// How many chunks are there.
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    /// One past the highest chunk that the window can take now.
    pub(super) fn limit(&self) -> u32 {
        self.base.saturating_add(self.window).min(SEQ_MAX)
    }

    /// Takes how far neighbours have the layer at the `present`. Once a stream has ended that stays
    /// where it is while time goes on.
    pub(super) fn reach(&mut self, end: u32, present: i64) {
        let end = end.min(self.limit());
        if end != self.end.0 {
            self.end = (end, present);
        }
    }

    /// One past the highest chunk that neighbours have and the window can take, and its stream time
    /// in ms at most.
    pub(super) fn end(&self) -> (u32, i64) {
        self.end
    }

    /// Of each page, the first that of the base, the bits of the chunks that are there.
    pub(super) fn words(&self) -> &[u64] {
        &self.have
    }

    pub(super) fn has(&self, seq: u32) -> bool {
        self.word(seq) >> (seq % 64) & 1 != 0
    }

    /// Takes a chunk.
    pub(super) fn insert(&mut self, chunk: Chunk<P>) -> Inserted {
        let Chunk { lc: Lc { seq, .. }, unit, time, tag, payload } = chunk;
        if seq < self.base {
            return Inserted::Late;
        }
        if seq >= self.limit() {
            return Inserted::Refused;
        }
        if self.has(seq) {
            return Inserted::Duplicate;
        }
        // Order within a layer is the same by number, by unit and by time.
        let fits = |low: Place, high: Place| {
            (low.unit == high.unit && low.time == high.time)
                || (low.unit < high.unit && low.time <= high.time)
        };
        let here = Place { seq, unit, time };
        if self.last_before(seq).is_some_and(|before| !fits(before, here))
            || self.first_from(seq + 1).is_some_and(|after| !fits(here, after))
        {
            return Inserted::Refused;
        }
        // An empty chunk is one as well.
        let size = payload.size().max(1) as f32;
        self.mean += (size - self.mean) / if self.mean == 0.0 { 1.0 } else { 64.0 };
        self.held += 1;
        self.placed = true;
        let (page, bit) = (self.make(seq), seq % 64);
        self.have[page] |= 1 << bit;
        let slots = self.pages[page].slots.get_or_insert_with(|| {
            // Not a copy by way of the stack.
            let slots: Box<[Slot<P>]> = (0..64).map(|_| Slot::default()).collect();
            slots.try_into().expect("there are 64")
        });
        slots[bit as usize] = Slot { payload, unit, time, tag, copies: 0 };
        Inserted::New
    }

    /// A copy of a chunk.
    pub(super) fn chunk(&self, seq: u32) -> Option<Chunk<P>> {
        let Slot { payload, unit, time, tag, .. } = self.has(seq).then(|| self.slot(seq))??;
        Some(Chunk {
            lc: Lc { layer: self.number, seq },
            unit: *unit,
            time: *time,
            tag: *tag,
            payload: payload.clone(),
        })
    }

    /// To how many a chunk was sent, by [`count_copy`](Layer::count_copy).
    pub(super) fn copies(&self, seq: u32) -> u8 {
        self.slot(seq).map_or(0, |slot| slot.copies)
    }

    /// Counts that a chunk that is there was sent to one who passes it on.
    pub(super) fn count_copy(&mut self, seq: u32) {
        if !self.has(seq) {
            return;
        }
        let page = self.page(seq);
        if let Some(slots) = &mut self.pages[page].slots {
            let copies = &mut slots[(seq % 64) as usize].copies;
            *copies = copies.saturating_add(1);
        }
    }

    /// The first chunk from `seq` on that is there.
    #[inline]
    pub(super) fn first_from(&self, seq: u32) -> Option<Place> {
        let seq = seq.max(self.base);
        let page = self.page(seq);
        let here = self.have.get(page)? & u64::MAX << (seq % 64);
        if here != 0 {
            return Some(self.place(page, here.trailing_zeros()));
        }
        let next = page + 1 + self.have[page + 1..].iter().position(|&word| word != 0)?;
        Some(self.place(next, self.have[next].trailing_zeros()))
    }

    /// The last chunk below `seq` that is there.
    #[inline]
    pub(super) fn last_before(&self, seq: u32) -> Option<Place> {
        let page = (seq / 64).checked_sub(self.base / 64)? as usize;
        let here = self.have.get(page).map_or(0, |word| word & !(u64::MAX << (seq % 64)));
        if here != 0 {
            return Some(self.place(page, 63 - here.leading_zeros()));
        }
        self.last_of(page.min(self.have.len()))
    }

    /// The last chunk that is there.
    pub(super) fn last(&self) -> Option<Place> {
        self.last_of(self.have.len())
    }

    /// The last chunk that is there of the first so many pages.
    fn last_of(&self, pages: usize) -> Option<Place> {
        let last = self.have[..pages].iter().rposition(|&word| word != 0)?;
        Some(self.place(last, 63 - self.have[last].leading_zeros()))
    }

    /// Takes note that a chunk was asked for, if the window can take it.
    pub(super) fn ask(&mut self, seq: u32) {
        if (self.base..self.limit()).contains(&seq) {
            let page = self.make(seq);
            self.pages[page].asked |= 1 << (seq % 64);
        }
    }

    /// Whether a chunk was asked for.
    pub(super) fn asked(&self, seq: u32) -> bool {
        self.at(seq).is_some_and(|page| page.asked >> (seq % 64) & 1 != 0)
    }

    /// Forgets all chunks below `base`.
    pub(super) fn advance(&mut self, base: u32) {
        if base <= self.base {
            return;
        }
        let base = base.min(SEQ_MAX - 1);
        self.placed = true;
        let past = ((base / 64 - self.base / 64) as usize).min(self.pages.len());
        if past > 0 {
            self.pages.drain(..past);
            self.held -= self.have.drain(..past).map(u64::count_ones).sum::<u32>();
        }
        self.base = base;
        if let (Some(have), Some(page)) = (self.have.first_mut(), self.pages.first_mut()) {
            let mut past = *have & !(u64::MAX << (base % 64));
            *have ^= past;
            while past != 0 {
                self.held -= 1;
                if let Some(slots) = &mut page.slots {
                    // The payload may be what keeps a whole datagram in memory.
                    slots[past.trailing_zeros() as usize].payload = P::default();
                }
                past &= past - 1;
            }
        }
    }

    /// Begins at `base`, wherever that is.
    ///
    /// # Panics
    /// If anything is held: what has been announced to others is not given up.
    pub(super) fn restart(&mut self, base: u32) {
        assert_eq!(self.held, 0, "only an empty window can be moved back");
        self.have.clear();
        self.pages.clear();
        self.placed = true;
        self.base = base.min(SEQ_MAX - 1);
    }

    /// Whether any chunk of it has ever come.
    pub(super) fn is_touched(&self) -> bool {
        self.mean > 0.0
    }

    /// The rate of the layer in bit/s, as the chunks that are there tell it: how many there are
    /// from the first to the last one, missing ones included, in how much stream time. `None` below
    /// a second of it.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.first_from(self.base)?, self.last()?);
        let millis = last.time - first.time;
        let bits = f64::from(last.seq - first.seq) * f64::from(self.mean) * 8.0;
        (millis >= 1000).then(|| bits * 1000.0 / f64::from(millis))
    }

    /// Names where the words of all pages lie.
    pub(super) fn foresee_words(&self, name: &mut impl FnMut(*const u8)) {
        lines(&self.have, name);
    }

    /// Names where all pages lie, without what is known of their chunks.
    pub(super) fn foresee_pages(&self, name: &mut impl FnMut(*const u8)) {
        lines(&self.have, name);
        lines(&self.pages, name);
    }

    /// Names where a chunk's page lies.
    pub(super) fn foresee_page(&self, seq: u32, name: &mut impl FnMut(*const u8)) {
        if let (Some(word), Some(page)) = (self.have.get(self.page(seq)), self.at(seq)) {
            name(std::ptr::from_ref(word).cast());
            name(std::ptr::from_ref(page).cast());
        }
    }

    /// Names where what is known of a chunk lies, as far as there is room for it.
    pub(super) fn foresee_slot(&self, seq: u32, name: &mut impl FnMut(*const u8)) {
        if let Some(slot) = self.slot(seq) {
            name(std::ptr::from_ref(slot).cast());
        }
    }

    /// Names where what is known of a chunk that is missing will lie, and what is known of those
    /// next to it on its page, into whose order it must fit.
    pub(super) fn foresee_around(&self, seq: u32, name: &mut impl FnMut(*const u8)) {
        let (page, bit) = (self.page(seq), seq % 64);
        let slots = self.pages.get(page).and_then(|page| page.slots.as_ref());
        let Some((slots, have)) = slots.zip(self.have.get(page)) else { return };
        let (below, above) = (have & !(u64::MAX << bit), have & u64::MAX << bit);
        let after = (above != 0).then(|| above.trailing_zeros());
        for at in [Some(bit), below.checked_ilog2(), after].into_iter().flatten() {
            name(std::ptr::from_ref(&slots[at as usize]).cast());
        }
    }

    /// Names where what is known of the first and the last chunk lies.
    pub(super) fn foresee_ends(&self, name: &mut impl FnMut(*const u8)) {
        let last = self.have.last().map(|word| (word | 1).ilog2());
        let ends = [self.pages.first().zip(Some(self.base % 64)), self.pages.last().zip(last)];
        for (page, bit) in ends.into_iter().flatten() {
            if let Some(slots) = &page.slots {
                name(std::ptr::from_ref(&slots[bit as usize]).cast());
            }
        }
    }

    fn place(&self, page: usize, bit: u32) -> Place {
        let seq = (self.base / 64 + page as u32) * 64 + bit;
        let slots = self.pages[page].slots.as_ref().expect("something is there");
        let Slot { unit, time, .. } = slots[bit as usize];
        Place { seq, unit, time }
    }

    /// Where the page of a chunk is, if it is there; of one below the base, nowhere.
    fn page(&self, seq: u32) -> usize {
        (seq / 64).wrapping_sub(self.base / 64) as usize
    }

    fn at(&self, seq: u32) -> Option<&Page<P>> {
        self.pages.get(self.page(seq))
    }

    fn word(&self, seq: u32) -> u64 {
        self.have.get(self.page(seq)).copied().unwrap_or(0)
    }

    /// What is known of a chunk, as far as there is room for it.
    fn slot(&self, seq: u32) -> Option<&Slot<P>> {
        Some(&self.at(seq)?.slots.as_ref()?[(seq % 64) as usize])
    }

    /// Where the page of a chunk is, made if it was not there. The caller has checked that the
    /// chunk is in the window.
    fn make(&mut self, seq: u32) -> usize {
        let page = self.page(seq);
        if page >= self.pages.len() {
            self.grow(page + 1);
        }
        page
    }

    #[cold]
    fn grow(&mut self, pages: usize) {
        // To double would waste a third.
        self.have.reserve_exact(pages - self.have.len());
        self.have.resize(pages, 0);
        self.pages.reserve_exact(pages - self.pages.len());
        self.pages.resize_with(pages, || Page { asked: 0, slots: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::Size;
    use proptest::prelude::*;

    fn chunk(seq: u32) -> Chunk<Size> {
        // Three chunks a unit, a unit every 33 ms.
        let (unit, time) = (seq / 3, seq / 3 * 33);
        let lc = Lc { layer: 0, seq };
        Chunk { lc, unit, time, tag: Tag::default(), payload: Size(1000) }
    }

    fn layer() -> Layer<Size> {
        Layer::new(0, 1024)
    }

    proptest! {
        #[test]
        fn it_holds_what_a_set_would(
            steps in prop::collection::vec((0u32..1500, any::<bool>(), 0u32..40), 1..200),
        ) {
            let (mut layer, mut set) = (layer(), std::collections::BTreeSet::new());
            for (seq, move_on, by) in steps {
                let expected = match seq {
                    _ if seq < layer.base() => Inserted::Late,
                    _ if seq >= layer.base() + 1024 => Inserted::Refused,
                    _ if set.contains(&seq) => Inserted::Duplicate,
                    _ => Inserted::New,
                };
                prop_assert_eq!(layer.insert(chunk(seq)), expected);
                if expected == Inserted::New {
                    set.insert(seq);
                }
                if move_on {
                    layer.advance(layer.base() + by);
                    set = set.split_off(&layer.base());
                }
                prop_assert_eq!(layer.held() as usize, set.len());
                let at = seq.max(layer.base());
                let place = |seq: Option<&u32>| seq.copied();
                let found = |place: Option<Place>| place.map(|place| place.seq);
                prop_assert_eq!(found(layer.first_from(at)), place(set.range(at..).next()));
                prop_assert_eq!(found(layer.last_before(at)), place(set.range(..at).next_back()));
                prop_assert_eq!(found(layer.last()), place(set.last()));
                prop_assert_eq!(layer.chunk(at), set.contains(&at).then(|| chunk(at)));
            }
        }
    }

    #[test]
    fn what_contradicts_the_chunks_around_it_is_refused() {
        let mut layer = layer();
        layer.insert(chunk(9));
        layer.insert(chunk(100));
        let mut forge = |seq, unit, time| layer.insert(Chunk { unit, time, ..chunk(seq) });
        assert_eq!(forge(10, 3, 100), Inserted::Refused, "one unit at two times");
        assert_eq!(forge(11, 2, 99), Inserted::Refused, "an older unit after a newer one");
        assert_eq!(forge(11, 4, 98), Inserted::Refused, "a newer unit at an older time");
        assert_eq!(forge(11, 34, 1000), Inserted::Refused, "a newer unit before an older one");
        assert_eq!(forge(11, 4, 5000), Inserted::Refused, "a later time before an earlier one");
        assert_eq!(forge(8, 4, 99), Inserted::Refused);
        assert_eq!(forge(10, 3, 99), Inserted::New);
        assert_eq!(forge(11, 4, 99), Inserted::New, "two units can have one time");
    }

    #[test]
    fn nobody_can_make_the_window_grow() {
        let mut layer = layer();
        layer.ask(SEQ_MAX - 1);
        assert_eq!(layer.insert(chunk(1024)), Inserted::Refused);
        assert_eq!((layer.pages.len(), layer.asked(SEQ_MAX - 1)), (0, false));
        layer.insert(chunk(1023));
        assert_eq!(layer.pages.len(), 16);
        layer.advance(900);
        assert_eq!(layer.pages.len(), 2);
        layer.advance(SEQ_MAX - 1);
        assert_eq!((layer.pages.len(), layer.held(), layer.limit()), (0, 0, SEQ_MAX));
    }

    #[test]
    fn the_rate_counts_what_is_missing() {
        let mut layer = layer();
        (0..300).filter(|seq| seq % 4 == 0).for_each(|seq| {
            layer.insert(chunk(seq));
        });
        // 3 chunks of 1000 bytes every 33 ms.
        let rate = layer.rate().expect("three seconds are enough");
        assert!((rate / (3.0 * 8000.0 / 0.033) - 1.0).abs() < 0.02, "{rate}");
    }
}
