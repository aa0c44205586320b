use bytes::Bytes;

use crate::flv::{BodyHeader, Codec};
use crate::h264::{Nal, Picture, avcc, avcc_length_size};
use crate::media::ON_META_DATA;
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
    /// Whether decoding of the video can begin with it: an H.264 IDR, or what FLV calls a keyframe
    /// of another codec. False for audio and data.
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
        let Media { kind, timestamp, body } = media;
        let header = BodyHeader::parse(kind, &body);
        let sequence_header = header.is_some_and(|header| header.sequence_header);
        let picture = header
            .filter(|header| kind == Kind::Video && header.codec == Codec::Avc && !sequence_header)
            .and_then(|header| picture(&body[header.payload..]));
        let keyframe = match picture {
            Some(picture) => picture.idr,
            None => header.is_some_and(|header| {
                kind == Kind::Video && header.codec != Codec::Avc && header.keyframe
            }),
        };
        Unit {
            epoch,
            number,
            kind,
            layer: picture.map_or(Layer::One, |picture| picture.layer),
            keyframe: keyframe && !sequence_header,
            header: sequence_header || kind == Kind::Data && body.starts_with(ON_META_DATA),
            timestamp,
            body,
        }
    }

    /// The message again, as RTMP and FLV send it.
    pub fn media(&self) -> Media {
        Media { kind: self.kind, timestamp: self.timestamp, body: self.body.clone() }
    }
}

/// What the NAL units of an H.264 message make.
fn picture(data: &[u8]) -> Option<Picture> {
    let length_size = avcc_length_size(data)?;
    Picture::of(avcc(data, length_size).filter_map(|range| Nal::new(&data[range])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(kind: Kind, body: &'static [u8]) -> Unit {
        Unit::new(1, 2, Media { kind, timestamp: 3, body: Bytes::from_static(body) })
    }

    #[test]
    fn units_are_told_from_their_bytes() {
        let told = |kind, body| {
            let unit = unit(kind, body);
            (unit.layer.number(), unit.keyframe, unit.header)
        };
        let idr = b"\x17\x01\x00\x00\x00\x00\x00\x00\x03\x65\x88\x84";
        assert_eq!(told(Kind::Video, idr), (1, true, false));
        // A recovery point that FLV calls a keyframe is none: pictures may refer past it.
        let open = b"\x17\x01\x00\x00\x00\x00\x00\x00\x03\x61\x88\x84";
        assert_eq!(told(Kind::Video, open), (1, false, false));
        let b = b"\x27\x01\x00\x00\x00\x00\x00\x00\x03\x01\x9e\x84";
        assert_eq!(told(Kind::Video, b), (3, false, false));
        assert_eq!(told(Kind::Video, b"\x17\x00\x00\x00\x00\x01\x64"), (1, false, true));
        assert_eq!(told(Kind::Video, b"\x91hvc1\x00\x00\x00\x26"), (1, true, false));
        assert_eq!(told(Kind::Audio, b"\xaf\x00\x12\x10"), (1, false, true));
        assert_eq!(told(Kind::Audio, b"\xaf\x01\x21"), (1, false, false));
        assert_eq!(told(Kind::Data, b"\x02\x00\x0aonMetaData\x05"), (1, false, true));
        assert_eq!(told(Kind::Data, b"\x02\x00\x0aonTextData\x05"), (1, false, false));
    }
}
