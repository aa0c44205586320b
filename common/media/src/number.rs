use bytes::Bytes;
use nearcast_machine::Time;

use crate::place::{Tally, header_extension};
use crate::seal::Sealing;
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
    sealing: Option<Sealing>,
}

impl Numberer {
    /// A publish that began at `epoch`, in Unix seconds.
    pub fn new(epoch: u32) -> Numberer {
        let headers = [None, None];
        Numberer { epoch, next: 0, frames: 0, tally: None, headers, sealing: None }
    }

    /// One whose pictures have rooms for signatures (see [`seal`](crate::seal)), which `key`
    /// verifies.
    pub fn sealed(epoch: u32, key: [u8; 32]) -> Numberer {
        Numberer { sealing: Some(Sealing::new(key)), ..Numberer::new(epoch) }
    }

    /// The next unit of the stream, captured (received from the encoder) at `captured`. Its body
    /// holds the stamp and is what must be sent on, to the CDN and by chunks alike.
    pub fn number(&mut self, captured: Time, media: Media) -> Unit {
        let number = self.next;
        self.next += 1;
        let tally = self.tally.get_or_insert_with(|| Tally::new(media.timestamp));
        tally.tell_time(media.timestamp);
        let mut unit = Unit::new(self.epoch, number, media);
        let mut is_stamped = false;
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
            let stamped = match &mut self.sealing {
                Some(sealing) => sealing.stamp(&unit.body, stamp, unit.keyframe),
                None => stamp::insert(&unit.body, &stamp),
            };
            if let Some(stamped) = stamped {
                unit.body = stamped;
                self.frames += 1;
                is_stamped = true;
            }
        }
        match unit.kind {
            Kind::Video if unit.header => self.headers[0] = Some(unit.body.clone()),
            Kind::Audio if unit.header => self.headers[1] = Some(unit.body.clone()),
            _ => {}
        }
        tally.count(&unit);
        if let Some(sealing) = &mut self.sealing {
            sealing.count(unit.kind, &unit.body, is_stamped);
        }
        unit
    }
}
