use bytes::Bytes;
use nearcast_media::{Kind, Layer, Unit};

/// The highest unit number that is believed: 2^56 is a thousand units a second for two million
/// years, and leaves room to count on from any number without overflow.
pub(crate) const UNIT_MAX: u64 = 1 << 56;

/// What every chunk of a unit says about it, so that any one of them is enough to place it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The unit's place in publish order.
    pub number: u64,
    /// How many chunks it has, at least one.
    pub count: u16,
    /// The unit that decoding must begin with to reach this one: the last keyframe, or the unit
    /// itself where nothing came before that it needs (audio without video).
    pub gop: u64,
    /// What the unit carries.
    pub kind: Kind,
    /// Its temporal layer.
    pub layer: Layer,
    /// Whether decoding can begin with it.
    pub keyframe: bool,
    /// Whether it is a sequence header or metadata.
    pub header: bool,
    /// RTMP milliseconds.
    pub timestamp: u32,
}

impl Head {
    pub(crate) fn new(unit: &Unit, count: u16, gop: u64) -> Head {
        let &Unit { number, kind, layer, keyframe, header, timestamp, .. } = unit;
        Head { number, count, gop, kind, layer, keyframe, header, timestamp }
    }

    pub(crate) fn unit(&self, epoch: u32, body: Bytes) -> Unit {
        let &Head { number, kind, layer, keyframe, header, timestamp, .. } = self;
        Unit { epoch, number, kind, layer, keyframe, header, timestamp, body }
    }
}
