//! A stream as an encoder publishes it: headers, then pictures in groups, with sound between.

use bytes::Bytes;
use nearcast_machine::{Span, Time};
use nearcast_media::{Kind, Media, Numberer, Unit};

/// What a clip is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clip {
    pub(crate) video: bool,
    pub(crate) sound: bool,
    /// Whether there are B pictures between the P pictures.
    pub(crate) b_pictures: bool,
    /// Pictures per group.
    pub(crate) gop: u64,
}

impl Clip {
    pub(crate) const FULL: Clip = Clip { video: true, sound: true, b_pictures: true, gop: 32 };

    /// The units of `span`, numbered and stamped, each with the time at which it is published.
    pub(crate) fn units(self, epoch: u32, from: Time, span: Span) -> Vec<(Time, Unit)> {
        let mut published: Vec<(Span, Media)> = Vec::new();
        let media = |kind, at: Span, body: Vec<u8>| {
            let timestamp = at.as_millis() as u32;
            (at, Media { kind, timestamp, body: Bytes::from(body) })
        };
        let note = format!("onMetaData of {epoch}").into_bytes();
        published.push(media(Kind::Data, Span::ZERO, note));
        if self.video {
            let header =
                b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1f\xff\xe1\x00\x01\x67\x01\x00\x01\x68";
            published.push(media(Kind::Video, Span::ZERO, header.to_vec()));
        }
        if self.sound {
            published.push(media(Kind::Audio, Span::ZERO, b"\xaf\x00\x12\x10".to_vec()));
        }
        let picture_time = Span::from_nanos(33_333_333);
        let sound_time = Span::from_nanos(23_219_955);
        let mut rest = Vec::new();
        if self.video {
            let times = (0..).map(|n| (n, picture_time * n)).take_while(|&(_, at)| at < span);
            rest.extend(times.map(|(n, at)| media(Kind::Video, at, self.picture(n))));
        }
        if self.sound {
            let times = (0..).map(|n| (n, sound_time * n)).take_while(|&(_, at)| at < span);
            rest.extend(times.map(|(n, at)| media(Kind::Audio, at, sound(n))));
        }
        rest.sort_by_key(|&(at, _)| at);
        published.extend(rest);
        let mut numberer = Numberer::new(epoch);
        published
            .into_iter()
            .map(|(at, media)| (from + at, numberer.number(from + at, media)))
            .collect()
    }

    fn picture(self, n: u64) -> Vec<u8> {
        // Slice headers begin with first_mb_in_slice 0 and a slice_type of 7 (I), 5 (P) or 6 (B).
        let (tag, nal, slice, bytes) = match n % self.gop {
            0 => (0x17, 0x65, 0x88, 20_000),
            n if self.b_pictures && !n.is_multiple_of(3) => (0x27, 0x01, 0x9e, 1_100),
            _ => (0x27, 0x41, 0x9a, 3_300),
        };
        let mut body = vec![tag, 1, 0, 0, 0];
        // Slices of about a thousand bytes, so that most chunks hold a whole one.
        for start in (0..bytes).step_by(1000) {
            let length = 1000.min(bytes - start);
            body.extend((length as u32).to_be_bytes());
            body.extend([nal, slice]);
            body.extend((2..length).map(|i| (i as u64 * 31 + n * 7 + start as u64) as u8 | 1));
        }
        body
    }
}

fn sound(n: u64) -> Vec<u8> {
    let mut body = vec![0xaf, 0x01];
    body.extend((0..180).map(|i| (i + n) as u8));
    body
}
