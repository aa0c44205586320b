use nearcast_machine::Time;

use crate::{Media, Unit};

/// The broadcaster's side: numbers what is published, and stamps its H.264 pictures.
#[derive(Debug)]
pub struct Numberer {}

impl Numberer {
    /// A publish that began at `epoch`, in Unix seconds.
    pub fn new(epoch: u32) -> Numberer {
        let _ = epoch;
        unimplemented!()
    }

    /// The next unit of the stream, captured (received from the encoder) at `captured`. Its body holds
    /// the stamp and is what must be sent on, to the CDN and by chunks alike.
    pub fn number(&mut self, captured: Time, media: Media) -> Unit {
        let _ = (captured, media);
        unimplemented!()
    }
}

/// The other side: finds the numbers again in what a relay delivers.
///
/// Only stamped pictures carry their number. What came between two of them is numbered when the
/// second one arrives and confirms that the relay dropped nothing; so audio is held for up to one
/// picture, and a number is never given to the wrong unit.
#[derive(Debug)]
pub struct Follower {}

/// What a [`Follower`] makes of a relayed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The next unit with its number, in ascending order within an epoch.
    Unit(Unit),
    /// A sequence header or metadata that the relay itself put in front of the stream, without a
    /// number.
    Header(Media),
    /// The relay dropped something: the units `from..to` of `epoch` are not whole. Fetch them
    /// elsewhere.
    Gap {
        /// The publish they belong to.
        epoch: u32,
        /// The first one.
        from: u64,
        /// The one after the last.
        to: u64,
    },
}

impl Follower {
    /// A follower of a relayed stream from any point on.
    pub fn new() -> Follower {
        unimplemented!()
    }

    /// Takes the next message that the relay delivered.
    pub fn receive(&mut self, media: Media) {
        let _ = media;
        unimplemented!()
    }

    /// The next result, oldest first.
    pub fn poll(&mut self) -> Option<Followed> {
        unimplemented!()
    }

    /// The relay was paused, or reconnected: what comes next does not join on to what came before, and
    /// no gap is reported between them.
    pub fn interrupt(&mut self) {
        unimplemented!()
    }
}
