use nearcast_machine::Time;

use crate::stamp::{self, Stamp};
use crate::{Kind, Media, Unit};

/// The broadcaster's side: numbers what is published, and stamps its H.264 pictures. The other side
/// is [`Follower`](crate::Follower).
#[derive(Debug)]
pub struct Numberer {
    epoch: u32,
    next: u64,
    frames: u64,
}

impl Numberer {
    /// A publish that began at `epoch`, in Unix seconds.
    pub fn new(epoch: u32) -> Numberer {
        Numberer { epoch, next: 0, frames: 0 }
    }

    /// The next unit of the stream, captured (received from the encoder) at `captured`. Its body holds
    /// the stamp and is what must be sent on, to the CDN and by chunks alike.
    pub fn number(&mut self, captured: Time, mut media: Media) -> Unit {
        let number = self.next;
        self.next += 1;
        if media.kind == Kind::Video {
            let stamp = Stamp {
                epoch: self.epoch,
                unit: number,
                frame: self.frames,
                captured,
                extensions: Vec::new(),
            };
            if let Some(stamped) = stamp::insert(&media.body, &stamp) {
                media.body = stamped;
                self.frames += 1;
            }
        }
        Unit::new(self.epoch, number, media)
    }
}
