use bytes::Bytes;

use crate::{Kind, Media};

/// A temporal layer; the lower it is, the more depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Layer {
    /// I and P pictures, parameter sets, audio, data, and all that is not H.264.
    One = 1,
    /// B pictures that others refer to.
    Two = 2,
    /// Pictures that nothing refers to.
    Three = 3,
}

impl Layer {
    /// All layers, from the lowest.
    pub const ALL: [Layer; 3] = [Layer::One, Layer::Two, Layer::Three];

    /// 1, 2 or 3.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The layer `number`; `None` unless it is 1, 2 or 3.
    pub const fn from_number(number: u8) -> Option<Layer> {
        match number {
            1 => Some(Layer::One),
            2 => Some(Layer::Two),
            3 => Some(Layer::Three),
            _ => None,
        }
    }
}

/// One audio, video or data message of a stream, with its number and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Unix seconds when this publish began.
    pub epoch: u32,
    /// Its place in publish order, from 0.
    pub number: u64,
    /// What it carries.
    pub kind: Kind,
    /// The temporal layer it belongs to.
    pub layer: Layer,
    /// Whether decoding can begin with it: an H.264 IDR, or what FLV calls a keyframe elsewhere.
    pub keyframe: bool,
    /// Whether it is a sequence header or metadata, which a player needs before anything else.
    pub header: bool,
    /// RTMP milliseconds.
    pub timestamp: u32,
    /// The message body, with the stamp in it.
    pub body: Bytes,
}

impl Unit {
    /// The unit that `media` is, told from its bytes alone: every node comes to the same answer.
    pub fn new(epoch: u32, number: u64, media: Media) -> Unit {
        let _ = (epoch, number, media);
        unimplemented!()
    }

    /// The message again, as RTMP and FLV send it.
    pub fn media(&self) -> Media {
        Media { kind: self.kind, timestamp: self.timestamp, body: self.body.clone() }
    }
}
