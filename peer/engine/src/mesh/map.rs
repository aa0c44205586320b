//! Buffer maps: which chunks of the exchange window a peer has.

use arrayvec::ArrayVec;
use nearcast_machine::Bitrate;

use super::LAYERS_MAX;
use super::lines::lines;

/// The chunks that a peer has, layer by layer, as one bit each.
///
/// On the wire each layer takes whichever is shorter of its bits and of their run lengths, so that
/// a window without holes costs a few bytes and one with many no more than its bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferMap {
    layers: [Part; LAYERS_MAX],
    count: u8,
    words: Box<[u64]>,
    size: u16,
}

/// What a map says of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerBits<'a> {
    /// The first chunk that the peer still wants or has; [`SEQ_MAX`](super::SEQ_MAX) if it does not
    /// know yet where the stream is.
    pub base: u32,
    /// The layer's rate in kbit/s, rounded up, as far as the peer knows; 0 if it does not.
    pub kbits: u16,
    /// The words of its bits, of which the first holds the chunk `base` at `base % 64`. Bits below
    /// it do not count.
    pub words: &'a [u64],
}

/// Where a layer's bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Part {
    base: u32,
    kbits: u16,
    /// The first of its words.
    start: u16,
    /// How many it has; the first one holds the bit of `base`.
    len: u16,
}

/// How a layer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// So many bytes of bits, the bit of `base` first.
    Bits(usize),
    /// So many bytes of run lengths.
    Runs(usize),
}

/// The number of layers.
const HEAD: usize = 1;
/// Base, rate, form and length of a layer.
const LAYER: usize = 4 + 2 + 2;

impl BufferMap {
    /// A map of layers from 0 on.
    ///
    /// # Panics
    /// If there are more than [`LAYERS_MAX`] layers, or more than 65535 words in all.
    pub fn new<'a>(layers: impl IntoIterator<Item = LayerBits<'a>>) -> BufferMap {
        let mut parts = [Part::default(); LAYERS_MAX];
        let layers = layers.into_iter().map(|layer| {
            let last = layer.words.iter().rposition(|&word| word != 0);
            LayerBits { words: &layer.words[..last.map_or(0, |last| last + 1)], ..layer }
        });
        let layers: ArrayVec<LayerBits<'_>, LAYERS_MAX> = layers.collect();
        let mut words = Vec::with_capacity(layers.iter().map(|layer| layer.words.len()).sum());
        let (mut count, mut size) = (0, HEAD);
        for LayerBits { base, kbits, words: bits } in layers {
            let start = words.len();
            words.extend_from_slice(bits);
            if let Some(first) = words.get_mut(start) {
                *first &= u64::MAX << (base % 64);
            }
            // The first word may have held nothing but what does not count.
            while words.len() > start && words.last() == Some(&0) {
                words.pop();
            }
            let len = words.len() - start;
            let narrow = |n| u16::try_from(n).expect("a map has at most 65535 words");
            parts[count] = Part { base, kbits, start: narrow(start), len: narrow(len) };
            size += LAYER + form(base, &words[start..]).len();
            count += 1;
        }
        BufferMap {
            layers: parts,
            count: count as u8,
            words: words.into_boxed_slice(),
            size: u16::try_from(size).unwrap_or(u16::MAX),
        }
    }

    /// How many layers it tells of.
    pub fn layers(&self) -> u8 {
        self.count
    }

    /// The first chunk of a layer that the peer still wants or has; [`SEQ_MAX`](super::SEQ_MAX) if
    /// it does not know yet where the stream is.
    pub fn base(&self, layer: u8) -> u32 {
        self.part(layer).base
    }

    /// What the peer takes for the rate of a layer.
    pub fn rate(&self, layer: u8) -> Option<Bitrate> {
        let kbits = self.part(layer).kbits;
        (kbits > 0).then(|| Bitrate::from_bits_per_sec(u64::from(kbits) * 1000))
    }

    /// The same in kbit/s; 0 if it does not know.
    pub(crate) fn kbits(&self, layer: u8) -> u16 {
        self.part(layer).kbits
    }

    /// One past the last chunk of a layer that the peer has.
    pub fn end(&self, layer: u8) -> u32 {
        let bits = self.bits(layer);
        match bits.last() {
            None => self.base(layer),
            Some(last) => {
                let words = self.base(layer) / 64 + bits.len() as u32;
                words * 64 - last.leading_zeros()
            }
        }
    }

    /// The bits of chunks `64 * page` to `64 * page + 63` of a layer.
    pub fn word(&self, layer: u8, page: u32) -> u64 {
        let part = self.part(layer);
        match page.checked_sub(part.base / 64) {
            Some(at) if at < u32::from(part.len) => {
                self.words[usize::from(part.start) + at as usize]
            }
            _ => 0,
        }
    }

    /// Whether the peer has a chunk.
    pub fn has(&self, layer: u8, seq: u32) -> bool {
        self.word(layer, seq / 64) >> (seq % 64) & 1 != 0
    }

    /// How many chunks the peer has.
    pub fn held(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether the peer has none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many bytes it is on the wire.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// The words of a layer, of which the first holds the bit of its base.
    pub(crate) fn bits(&self, layer: u8) -> &[u64] {
        let Part { start, len, .. } = self.part(layer);
        &self.words[start.into()..usize::from(start) + usize::from(len)]
    }

    /// How a layer is written.
    pub(crate) fn form(&self, layer: u8) -> Form {
        form(self.base(layer), self.bits(layer))
    }

    /// The lengths of runs, those of held and of missing chunks in turn, from the base on. The
    /// first is of held ones and may be 0; the last is of held ones.
    pub(crate) fn runs(&self, layer: u8) -> impl Iterator<Item = u32> {
        runs(self.base(layer), self.bits(layer))
    }

    /// Names where its words lie.
    pub(super) fn foresee(&self, name: &mut impl FnMut(*const u8)) {
        lines(&self.words, name);
    }

    fn part(&self, layer: u8) -> Part {
        self.layers.get(usize::from(layer)).copied().unwrap_or_default()
    }
}

impl Form {
    pub(crate) fn len(self) -> usize {
        let (Form::Bits(bytes) | Form::Runs(bytes)) = self;
        bytes
    }
}

/// The shorter form.
fn form(base: u32, bits: &[u64]) -> Form {
    let Some(last) = bits.last() else { return Form::Bits(0) };
    let span = bits.len() as u32 * 64 - last.leading_zeros() - base % 64;
    let plain = span.div_ceil(8) as usize;
    let mut run_bytes = 0;
    for run in runs(base, bits) {
        run_bytes += varint_len(run);
        if run_bytes >= plain {
            return Form::Bits(plain);
        }
    }
    Form::Runs(run_bytes)
}

/// How many bytes a run length takes: 7 bits each, least significant first.
pub(crate) fn varint_len(run: u32) -> usize {
    (32 - (run | 1).leading_zeros()).div_ceil(7) as usize
}

fn runs(base: u32, bits: &[u64]) -> impl Iterator<Item = u32> {
    // A run begins where a bit differs from the one before it. What lies below the base is taken as
    // held, what lies beyond the last word as missing: there the last run ends.
    let held = !(u64::MAX << (base % 64));
    let (mut words, mut before) = (bits.iter().zip(0u32..), u64::MAX);
    let (mut edges, mut page, mut from, mut last) = (0, 0, base % 64, bits.is_empty());
    std::iter::from_fn(move || {
        while edges == 0 {
            let word = match words.next() {
                Some((&word, 0)) => word | held,
                Some((&word, n)) => {
                    page = n;
                    word
                }
                None if last => return None,
                None => {
                    (page, last) = (page + 1, true);
                    0
                }
            };
            edges = word ^ (word << 1 | before >> 63);
            before = word;
        }
        let to = 64 * page + edges.trailing_zeros();
        edges &= edges - 1;
        Some(to - std::mem::replace(&mut from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(base: u32, words: &[u64]) -> LayerBits<'_> {
        LayerBits { base, kbits: 0, words }
    }

    fn map(base: u32, held: &[u32]) -> BufferMap {
        let mut words = vec![0u64; 64];
        for seq in held {
            words[(seq / 64 - base / 64) as usize] |= 1 << (seq % 64);
        }
        BufferMap::new([bits(base, &words)])
    }

    proptest! {
        #[test]
        fn bits_ends_and_runs_agree(
            base in 0u32..1000,
            steps in prop::collection::vec(1u32..90, 0..40),
        ) {
            let held: Vec<u32> = steps.iter().scan(base, |at, step| {
                *at += step - 1;
                let seq = *at;
                *at += 1;
                Some(seq)
            }).collect();
            let map = map(base, &held);
            for seq in base.saturating_sub(70)..base + 4000 {
                prop_assert_eq!(map.has(0, seq), held.contains(&seq), "{}", seq);
            }
            prop_assert_eq!(map.end(0), held.last().map_or(base, |last| last + 1));
            prop_assert_eq!(map.held() as usize, held.len());
            let (mut at, mut from_runs) = (base, Vec::new());
            for (i, run) in map.runs(0).enumerate() {
                if i % 2 == 0 {
                    from_runs.extend(at..at + run);
                }
                at += run;
            }
            prop_assert_eq!(from_runs, held);
        }
    }

    #[test]
    fn what_lies_below_the_base_does_not_count() {
        let map = BufferMap::new([bits(70, &[u64::MAX, 0]), bits(64, &[]), bits(65, &[1])]);
        assert!(!map.has(0, 69) && map.has(0, 70) && map.has(0, 127) && !map.has(0, 128));
        assert_eq!((map.end(0), map.end(1), map.end(2)), (128, 64, 65));
        assert_eq!(map.end(7), 0, "a layer that the map does not know");
    }

    #[test]
    fn a_full_window_costs_a_few_bytes_and_a_ragged_one_its_bits() {
        // The paper's window: 30 s of 290, 230 and 100 kbit/s in chunks of 1250 bytes.
        let size = |holes: u64| {
            let layers = [870u32, 690, 300].map(|count| {
                let mut words = vec![!holes; count.div_ceil(64) as usize];
                *words.last_mut().expect("some") &= u64::MAX >> (64 - count % 64);
                words
            });
            BufferMap::new(layers.iter().map(|words| bits(0, words))).size()
        };
        assert_eq!(size(0), HEAD + 3 * LAYER + 2 + 2 + 2);
        assert_eq!(size(0x5555_5555_5555_5555), HEAD + 3 * LAYER + 109 + 87 + 38);
    }
}
