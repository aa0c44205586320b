use bytes::Bytes;
use nearcast_machine::Time;

use crate::place::{Tally, header_extension};
use crate::stamp::{self, Stamp};
use crate::{Kind, Media, Unit};

/// The broadcaster's side: numbers what is published, and stamps its H.264 pictures. The other side
/// is [`Follower`](crate::Follower).
#[derive(Debug)]
pub struct Numberer {
    epoch: u32,
    next: u64,
    frames: u64,
    tally: Option<Tally>,
    /// The latest sequence headers: of video, of audio.
    headers: [Option<Bytes>; 2],
}

impl Numberer {
    /// A publish that began at `epoch`, in Unix seconds.
    pub fn new(epoch: u32) -> Numberer {
        Numberer { epoch, next: 0, frames: 0, tally: None, headers: [None, None] }
    }

    /// The next unit of the stream, captured (received from the encoder) at `captured`. Its body holds
    /// the stamp and is what must be sent on, to the CDN and by chunks alike.
    pub fn number(&mut self, captured: Time, media: Media) -> Unit {
        let number = self.next;
        self.next += 1;
        let tally = self.tally.get_or_insert_with(|| Tally::new(media.timestamp));
        tally.tell_time(media.timestamp);
        let mut unit = Unit::new(self.epoch, number, media);
        if unit.kind == Kind::Video {
            let mut extensions = vec![tally.to_extension()];
            if unit.keyframe {
                let kinds = [Kind::Video, Kind::Audio].into_iter().zip(&self.headers);
                extensions.extend(
                    kinds.filter_map(|(kind, body)| header_extension(kind, body.as_ref()?)),
                );
            }
            let stamp =
                Stamp { epoch: self.epoch, unit: number, frame: self.frames, captured, extensions };
            if let Some(stamped) = stamp::insert(&unit.body, &stamp) {
                unit.body = stamped;
                self.frames += 1;
            }
        }
        match unit.kind {
            Kind::Video if unit.header => self.headers[0] = Some(unit.body.clone()),
            Kind::Audio if unit.header => self.headers[1] = Some(unit.body.clone()),
            _ => {}
        }
        tally.count(&unit);
        unit
    }
}
