use std::collections::VecDeque;

use crate::stamp::{self, Stamp};
use crate::{Kind, Media, Unit};

/// Finds the numbers again that a [`Numberer`](crate::Numberer) gave, in what a relay delivers.
///
/// Only stamped pictures carry their number. What came between two of them is numbered when the
/// second one arrives and confirms that the relay dropped nothing; so audio is held for up to one
/// picture, and a number is never given to the wrong unit.
///
/// ```
/// use nearcast_machine::Time;
/// use nearcast_media::{Followed, Follower, Kind, Media, Numberer};
///
/// let picture = b"\x27\x01\x00\x00\x00\x00\x00\x00\x03\x41\x9a\x00".as_slice().into();
/// let media = Media { kind: Kind::Video, timestamp: 0, body: picture };
/// let unit = Numberer::new(1_700_000_000).number(Time::from_nanos(1), media);
/// let mut follower = Follower::new();
/// follower.receive(unit.media());
/// assert_eq!(follower.poll(), Some(Followed::Unit(unit)));
/// ```
#[derive(Debug, Default)]
pub struct Follower {
    /// Epoch and number of the last stamped unit; `None` before the first and after an
    /// interruption.
    last: Option<(u32, u64)>,
    /// What came since.
    held: Vec<Media>,
    held_bytes: usize,
    /// More came since than is held: its numbers cannot be confirmed.
    overflowed: bool,
    out: VecDeque<Followed>,
}

/// What a [`Follower`] makes of a relayed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The next unit with its number, in ascending order within an epoch.
    Unit(Unit),
    /// A sequence header or metadata that the relay itself put into the stream, as it does in front
    /// of the first picture, without a number.
    Header(Media),
    /// The relay dropped something: the units `from..to` of `epoch` are not whole. Fetch them
    /// elsewhere. The range is what the stream claims and may be of any size.
    Gap {
        /// The publish they belong to.
        epoch: u32,
        /// The first one.
        from: u64,
        /// The one after the last.
        to: u64,
    },
}

/// How much may come between two pictures before it is given up: ten seconds of audio, and more
/// bytes than that has.
const HELD_MAX: usize = 512;
const HELD_BYTES_MAX: usize = 4 << 20;

impl Follower {
    /// A follower of a relayed stream from any point on.
    pub fn new() -> Follower {
        Follower::default()
    }

    /// Takes the next message that the relay delivered.
    pub fn receive(&mut self, media: Media) {
        let stamp = (media.kind == Kind::Video).then(|| stamp::find(&media.body)).flatten();
        match (stamp, self.last) {
            (Some(stamp), last) => self.stamped(&stamp, last, media),
            // Before the first stamp nothing else can be placed.
            (None, None) => self.keep_header(media),
            (None, Some(_)) if self.overflowed => self.keep_header(media),
            (None, Some(_)) => {
                self.held_bytes += media.body.len();
                self.held.push(media);
                if self.held.len() > HELD_MAX || self.held_bytes > HELD_BYTES_MAX {
                    self.overflowed = true;
                    self.let_go();
                }
            }
        }
    }

    /// The next result, oldest first.
    pub fn poll(&mut self) -> Option<Followed> {
        self.out.pop_front()
    }

    /// The relay was paused, or reconnected: what comes next does not join on to what came before,
    /// and no gap is reported between them.
    pub fn interrupt(&mut self) {
        self.let_go();
        self.last = None;
        self.overflowed = false;
    }

    /// The stream is over: what is still held takes the numbers after the last one, as no picture
    /// will confirm them.
    pub fn finish(&mut self) {
        if let Some((epoch, number)) = self.last
            && !self.overflowed
        {
            self.give_numbers(epoch, number + 1, |_| true);
        }
        self.interrupt();
    }

    fn stamped(&mut self, stamp: &Stamp, last: Option<(u32, u64)>, media: Media) {
        let number = stamp.unit;
        match last {
            Some((epoch, before)) if epoch == stamp.epoch && before >= number => {
                // A repeat of what was there already, and of what belongs to it.
                self.let_go();
                return;
            }
            Some((epoch, before)) if epoch == stamp.epoch => {
                self.between(epoch, before + 1, number)
            }
            // The broadcaster began anew: the headers held are the new publish's.
            _ => self.let_go(),
        }
        self.last = Some((stamp.epoch, number));
        self.overflowed = false;
        self.out.push_back(Followed::Unit(Unit::new(stamp.epoch, number, media)));
    }

    /// Gives what is held the numbers `from..to`, if it is just as many.
    fn between(&mut self, epoch: u32, from: u64, to: u64) {
        let missing = to - from;
        let is_header = |media: &Media| Unit::new(0, 0, media.clone()).header;
        let without_headers = self.held.iter().filter(|media| !is_header(media)).count() as u64;
        if !self.overflowed && self.held.len() as u64 == missing {
            self.give_numbers(epoch, from, |_| true);
        } else if !self.overflowed && without_headers == missing {
            // nginx-rtmp sends the audio's sequence header in front of the first audio message that
            // a player gets, which may be behind the first picture.
            self.give_numbers(epoch, from, |media| !is_header(media));
        } else {
            if missing > 0 {
                self.out.push_back(Followed::Gap { epoch, from, to });
            }
            self.let_go();
        }
    }

    fn give_numbers(&mut self, epoch: u32, from: u64, counts: impl Fn(&Media) -> bool) {
        let mut number = from;
        for media in self.held.drain(..) {
            if counts(&media) {
                self.out.push_back(Followed::Unit(Unit::new(epoch, number, media)));
                // The last of them is one less than a number that was there.
                number = number.saturating_add(1);
            } else {
                self.out.push_back(Followed::Header(media));
            }
        }
        self.held_bytes = 0;
    }

    /// Forgets what is held, but for headers: those are good wherever they stand.
    fn let_go(&mut self) {
        for media in std::mem::take(&mut self.held) {
            self.keep_header(media);
        }
        self.held_bytes = 0;
    }

    fn keep_header(&mut self, media: Media) {
        let unit = Unit::new(0, 0, media);
        if unit.header {
            self.out.push_back(Followed::Header(unit.media()));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nearcast_machine::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::Numberer;

    fn media(kind: Kind, body: &'static [u8]) -> Media {
        Media { kind, timestamp: 0, body: Bytes::from_static(body) }
    }

    fn audio() -> Media {
        media(Kind::Audio, b"\xaf\x01\x21")
    }

    fn audio_header() -> Media {
        media(Kind::Audio, b"\xaf\x00\x12\x10")
    }

    fn picture() -> Media {
        media(Kind::Video, b"\x27\x01\x00\x00\x00\x00\x00\x00\x03\x41\x9a\x84")
    }

    /// What was published: two headers, then pictures with the given number of audio messages
    /// behind each.
    fn published(epoch: u32, audios: &[usize]) -> Vec<Unit> {
        let mut all = vec![media(Kind::Video, b"\x17\x00\x00\x00\x00\x01"), audio_header()];
        for count in audios {
            all.push(picture());
            all.extend(vec![audio(); *count]);
        }
        let mut numberer = Numberer::new(epoch);
        all.into_iter().map(|media| numberer.number(Time::from_nanos(5), media)).collect()
    }

    fn follow(follower: &mut Follower, relayed: impl IntoIterator<Item = Media>) -> Vec<Followed> {
        relayed.into_iter().for_each(|media| follower.receive(media));
        std::iter::from_fn(|| follower.poll()).collect()
    }

    fn units(followed: &[Followed]) -> Vec<Unit> {
        let unit = |followed: &Followed| match followed {
            Followed::Unit(unit) => Some(unit.clone()),
            _ => None,
        };
        followed.iter().filter_map(unit).collect()
    }

    proptest! {
        /// Whatever a relay drops, a unit gets its own number or none, and every number that is
        /// missing between two that are there is in a gap.
        #[test]
        fn a_number_is_never_given_to_another_unit(
            audios in prop::collection::vec(0usize..4, 2..12),
            dropped in prop::collection::vec(any::<bool>(), 60),
            drop_any in any::<bool>(),
        ) {
            // Bodies differ, so that a unit that takes another's place is seen.
            let mut sent = published(9, &audios);
            for unit in &mut sent {
                if unit.kind == Kind::Audio && !unit.header {
                    let body = [&unit.body[..], &unit.number.to_be_bytes()].concat();
                    unit.body = body.into();
                }
            }
            let kept = sent.iter().zip(&dropped).filter(|(_, dropped)| !(drop_any && **dropped));
            let mut follower = Follower::new();
            let followed = follow(&mut follower, kept.map(|(unit, _)| unit.media()));
            for unit in units(&followed) {
                prop_assert_eq!(&unit, &sent[unit.number as usize]);
            }
            let mut next = None;
            for followed in followed {
                let (from, to) = match followed {
                    Followed::Unit(unit) => (unit.number, unit.number + 1),
                    Followed::Gap { from, to, .. } => (from, to),
                    Followed::Header(_) => continue,
                };
                prop_assert_eq!(next.unwrap_or(from), from);
                next = Some(to);
            }
        }
    }

    #[test]
    fn a_whole_stream_is_followed_from_its_first_picture_to_its_end() {
        let sent = published(9, &[1, 2, 0, 3]);
        let mut follower = Follower::new();
        let mut followed = follow(&mut follower, sent.iter().map(Unit::media));
        follower.finish();
        followed.extend(follow(&mut follower, []));
        let headers = sent[..2].iter().map(|unit| Followed::Header(unit.media()));
        let units = sent[2..].iter().cloned().map(Followed::Unit);
        assert_eq!(followed, headers.chain(units).collect::<Vec<_>>());
    }

    #[test]
    fn a_header_that_the_relay_adds_takes_no_number() {
        let sent = published(9, &[1, 1]);
        let mut relayed: Vec<_> = sent[2..].iter().map(Unit::media).collect();
        relayed.insert(1, audio_header());
        let followed = follow(&mut Follower::new(), relayed);
        assert_eq!(units(&followed), sent[2..5]);
        assert!(followed.contains(&Followed::Header(audio_header())));
    }

    #[test]
    fn a_dropped_message_is_a_gap_up_to_the_next_picture() {
        let sent = published(9, &[2, 1]);
        let relayed = [&sent[2], &sent[4], &sent[5]].map(Unit::media);
        let followed = follow(&mut Follower::new(), relayed);
        let gap = Followed::Gap { epoch: 9, from: 3, to: 5 };
        let expected = [Followed::Unit(sent[2].clone()), gap, Followed::Unit(sent[5].clone())];
        assert_eq!(followed, expected);
    }

    #[test]
    fn a_new_epoch_and_an_interruption_are_no_gap() {
        let (first, second) = (published(9, &[1, 1]), published(10, &[0]));
        let mut follower = Follower::new();
        let relayed = first.iter().chain(&second).map(Unit::media);
        let followed = follow(&mut follower, relayed);
        assert_eq!(units(&followed), [&first[2..5], &second[2..3]].concat());
        follower.interrupt();
        let later = published(10, &[0; 9]);
        let followed = follow(&mut follower, [later[9].media()]);
        assert_eq!(followed, [Followed::Unit(later[9].clone())]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let sent = published(9, &[HELD_MAX * 3, 0]);
        let mut follower = Follower::new();
        let last = sent.len() - 1;
        follow(&mut follower, sent[..last].iter().map(Unit::media));
        assert!(follower.held.len() <= HELD_MAX);
        let followed = follow(&mut follower, [sent[last].media()]);
        let gap = Followed::Gap { epoch: 9, from: 3, to: last as u64 };
        assert_eq!(followed, [gap, Followed::Unit(sent[last].clone())]);
    }
}
