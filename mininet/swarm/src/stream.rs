use nearcast_engine::mesh::{Chunk, Lc, Size, Tag};
use nearcast_machine::{Bitrate, Span, Time};
use serde::Deserialize;
use thiserror::Error;

/// Both of the paper's streams have three.
pub const LAYERS: usize = 3;
/// Most bytes of a chunk (Liu et al. IV).
const CHUNK_MAX: u32 = 1250;

/// What the encoder gives, at a constant rate: of each layer so many frames a second, all of one
/// size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    layers: [Layer; LAYERS],
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Layer {
    /// From one frame to the next.
    every: Span,
    /// The bytes of a frame.
    size: u32,
    /// Most bytes of a chunk.
    chunk_max: u32,
}

/// The same as it stands in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamText {
    /// Of each layer, from the lowest.
    pub rates: [Bitrate; LAYERS],
    /// Frames per second of each.
    pub frames: [f64; LAYERS],
}

/// Liu et al. VI.A: three layers of 200 kbit/s, a chunk of each in 50 ms.
impl Default for StreamText {
    fn default() -> StreamText {
        StreamText { rates: [Bitrate::from_bits_per_sec(200_000); LAYERS], frames: [20.0; LAYERS] }
    }
}

/// Why there is no such stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StreamError {
    /// A layer has too few frames, or too many.
    #[error("stream.frames[{0}]: 0.1 to 1000 a second")]
    Frames(usize),
    /// There is nothing of a layer's frames, or too much.
    #[error("stream.rates[{0}]: a frame has 1 to 1000000 bytes")]
    Size(usize),
}

impl Stream {
    /// In chunks of 1250 bytes at most, the paper's.
    ///
    /// # Errors
    /// [`StreamError`]; names the layer, from 0.
    pub fn new(text: &StreamText) -> Result<Stream, StreamError> {
        Stream::cut(text, [CHUNK_MAX; LAYERS])
    }

    /// In chunks of so many bytes at most, by layer.
    ///
    /// # Errors
    /// As [`new`](Stream::new).
    pub fn cut(text: &StreamText, chunk_max: [u32; LAYERS]) -> Result<Stream, StreamError> {
        let layer = |at: usize| {
            let (rate, frames) = (text.rates[at].bits_per_sec() as f64, text.frames[at]);
            if !(0.1..=1000.0).contains(&frames) {
                return Err(StreamError::Frames(at));
            }
            let size = rate / 8.0 / frames;
            if !(1.0..=1e6).contains(&size) {
                return Err(StreamError::Size(at));
            }
            Ok(Layer {
                every: Span::from_secs_f64(1.0 / frames),
                size: size.round() as u32,
                chunk_max: chunk_max[at],
            })
        };
        Ok(Stream { layers: [layer(0)?, layer(1)?, layer(2)?] })
    }

    /// The rate of all layers, in kbit/s.
    pub fn kbit(&self) -> f64 {
        let rates = self.layers.iter().map(|l| f64::from(l.size) * 8e-3 / l.every.as_secs_f64());
        rates.sum()
    }

    /// Chunks per second of each layer.
    pub fn chunks_per_s(&self) -> [f64; LAYERS] {
        self.layers.map(|l| f64::from(l.size.div_ceil(l.chunk_max)) / l.every.as_secs_f64())
    }
}

/// The encoder: frames as they are due, in the order of their times and in each instant of their
/// layers.
#[derive(Debug)]
pub struct Encoder {
    stream: Stream,
    /// Frames and chunks so far, of each layer.
    frames: [u32; LAYERS],
    chunks: [u32; LAYERS],
    units: u32,
}

impl Encoder {
    /// At the beginning of a stream.
    pub fn new(stream: Stream) -> Encoder {
        Encoder { stream, frames: [0; LAYERS], chunks: [0; LAYERS], units: 0 }
    }

    fn next(&self) -> (Time, usize) {
        let at = |layer: usize| {
            Time::ZERO + self.stream.layers[layer].every * u64::from(self.frames[layer])
        };
        let nexts = (0..LAYERS).map(|layer| (at(layer), layer));
        nexts.min().expect("there are layers")
    }

    /// When the next frame is due.
    pub fn due(&self) -> Time {
        self.next().0
    }

    /// The next frame.
    pub fn frame(&mut self) -> impl Iterator<Item = Chunk<Size>> + use<> {
        let (due, layer) = self.next();
        let Layer { size, chunk_max: most, .. } = self.stream.layers[layer];
        let (first, unit) = (self.chunks[layer], self.units);
        let count = size.div_ceil(most);
        self.frames[layer] += 1;
        self.chunks[layer] += count;
        self.units += 1;
        (0..count).map(move |n| Chunk {
            lc: Lc { layer: layer as u8, seq: first + n },
            unit,
            time: (due.as_nanos() / 1_000_000) as u32,
            tag: Tag::new(n == 0, n + 1 == count, 0),
            payload: Size((size - n * most).min(most) as u16),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_at_1250_bytes_and_come_in_the_order_of_time() {
        let rates = [290_000, 230_000, 100_000].map(Bitrate::from_bits_per_sec);
        let text = StreamText { rates, frames: [3.75, 11.25, 15.0] };
        let stream = Stream::new(&text).expect("it is the paper's");
        assert!((stream.kbit() - 620.0).abs() < 0.1, "{}", stream.kbit());
        let mut encoder = Encoder::new(stream);
        let (mut bytes, mut counts, mut last) = ([0u64; LAYERS], [0u32; LAYERS], (0, 0));
        while encoder.due() < Time::ZERO + Span::from_secs(4) {
            let frame: Vec<Chunk<Size>> = encoder.frame().collect();
            for (n, chunk) in frame.iter().enumerate() {
                let layer = usize::from(chunk.lc.layer);
                assert_eq!(chunk.lc.seq, counts[layer], "each layer counts its own");
                assert_eq!((chunk.unit, chunk.time), (frame[0].unit, frame[0].time));
                assert_eq!(chunk.tag, Tag::new(n == 0, n + 1 == frame.len(), 0));
                assert!(chunk.payload.0 > 0 && u32::from(chunk.payload.0) <= CHUNK_MAX);
                bytes[layer] += u64::from(chunk.payload.0);
                counts[layer] += 1;
            }
            let now = (frame[0].unit, frame[0].time);
            assert!(now.0 == 0 || now.0 == last.0 + 1 && now.1 >= last.1);
            last = now;
        }
        // Of four seconds 15 + 45 + 60 frames of 8, 3 and 1 chunks.
        assert_eq!(counts, [120, 135, 60]);
        let kbit = bytes.map(|bytes| (bytes as f64 * 8e-3 / 4.0).round());
        assert_eq!(kbit, [290.0, 230.0, 100.0]);
        let told = stream.chunks_per_s();
        assert!((told[0] - 30.0).abs() < 1e-6 && (told[1] - 33.75).abs() < 1e-6);
    }

    #[test]
    fn a_stream_that_cannot_be_is_refused() {
        let text = |rate, frames| StreamText { rates: [rate; LAYERS], frames: [frames; LAYERS] };
        let rate = Bitrate::from_bits_per_sec;
        for (rate, frames, error) in [
            (rate(0), 20.0, StreamError::Size(0)),
            (rate(200_000), 0.0, StreamError::Frames(0)),
            (rate(200_000), f64::NAN, StreamError::Frames(0)),
            (rate(u64::MAX), 1.0, StreamError::Size(0)),
        ] {
            assert_eq!(Stream::new(&text(rate, frames)), Err(error), "{rate} in {frames} frames");
        }
        assert!(Stream::new(&StreamText::default()).is_ok());
    }
}
