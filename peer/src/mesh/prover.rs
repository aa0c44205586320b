//! Both ends of the signatures in a stream's stamps: the broadcaster signs, and whoever has the
//! stream whole, the broadcaster or the CDN's seed, makes the proofs of its chunks.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use nearcast_engine::mesh::Chunk;
use nearcast_media::seal::{self, GROUP, SEALS_MAX};
use nearcast_media::{Kind, Place, Placer, Unit, stamp};

use super::chunks::chunks;
use super::proof::{Scope, Shelf, prove, sign, unproved};

/// Most chunks that are waited with for a picture.
const PENDING: usize = GROUP * SEALS_MAX;

/// Whether a unit ends a group: each stamped picture does.
fn ends_group(unit: &Unit) -> bool {
    unit.kind == Kind::Video && stamp::find(&unit.body).is_some()
}

/// Signs the units of one publish.
pub(crate) struct Signer {
    key: SigningKey,
    scope: Scope,
    placer: Placer,
    pending: Vec<Chunk<Bytes>>,
}

impl Signer {
    pub(crate) fn new(key: SigningKey, scope: Scope) -> Signer {
        Signer { key, scope, placer: Placer::new(), pending: Vec::new() }
    }

    /// Takes each unit, and fills the rooms in its stamp.
    pub(crate) fn sign(&mut self, unit: &mut Unit) {
        let Some(place) = self.placer.place(unit) else { return };
        if self.pending.len() <= PENDING {
            self.pending.extend(chunks(unit, place));
        }
        if ends_group(unit) {
            if !seal::rooms(&unit.body).is_empty() {
                let signatures = sign(&self.key, self.scope, &self.pending);
                unit.body = seal::fill(&unit.body, &signatures);
            }
            self.pending.clear();
        }
    }
}

/// Makes the proofs of the chunks of one publish.
///
/// Chunks are there once the picture is that their signature stands in; of a group that did not
/// come whole, as where a relay dropped something, there are none.
pub(super) struct Prover {
    scope: Scope,
    /// The unit that the group goes on with; `None` if the group is not whole.
    next: Option<u64>,
    pending: Vec<Chunk<Bytes>>,
    shelf: Shelf,
}

impl Prover {
    pub(super) fn new(scope: Scope) -> Prover {
        Prover { scope, next: Some(0), pending: Vec::new(), shelf: Shelf::default() }
    }

    /// Takes the next unit; answers with the chunks that can be published now.
    pub(super) fn take(&mut self, unit: &Unit, place: Place) -> Vec<Chunk<Bytes>> {
        if self.next.is_some_and(|next| next != unit.number) {
            self.next = None;
            self.pending.clear();
        }
        if self.next.is_some() {
            self.next = Some(unit.number + 1);
            self.pending.extend(chunks(unit, place));
        }
        if !ends_group(unit) {
            let many = self.pending.len() > PENDING;
            return if many { self.give_up() } else { Vec::new() };
        }
        let whole = self.next.replace(unit.number + 1).is_some();
        let signatures = seal::signatures(&unit.body);
        if signatures.is_empty() {
            // The stream is not signed, and what there is of it is good as it is.
            if !whole {
                self.pending = chunks(unit, place);
            }
            return self.give_up();
        }
        let group = std::mem::take(&mut self.pending);
        let sealed = whole && signatures.len() == group.len().div_ceil(GROUP);
        if sealed { prove(self.scope, &group, &signatures, &mut self.shelf) } else { Vec::new() }
    }

    /// The chunks for which no proof will come.
    pub(super) fn give_up(&mut self) -> Vec<Chunk<Bytes>> {
        let Prover { pending, shelf, .. } = self;
        let unproved =
            |chunk: Chunk<Bytes>| Chunk { payload: unproved(&chunk.payload, shelf), ..chunk };
        std::mem::take(pending).into_iter().map(unproved).collect()
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Time;
    use nearcast_media::{Followed, Follower, Media, Numberer, StreamId};

    use super::*;
    use crate::mesh::proof::{Judge, Verdict};

    const SCOPE: Scope = Scope { stream: StreamId(*b"a stream"), epoch: 9 };

    fn picture(length: usize, keyframe: bool) -> Media {
        let (frame, nal) = if keyframe { (0x17, 0x65) } else { (0x27, 0x41) };
        let mut body = vec![frame, 1, 0, 0, 0];
        body.extend((length as u32 + 2).to_be_bytes());
        body.extend([nal, 0x88]);
        body.extend(vec![0x84; length]);
        Media { kind: Kind::Video, timestamp: 0, body: body.into() }
    }

    fn sound() -> Media {
        Media { kind: Kind::Audio, timestamp: 0, body: b"\xaf\x01\x07".as_slice().into() }
    }

    /// Two pictures and some sound, thirty times over.
    fn script() -> impl Iterator<Item = Media> {
        (0..30).flat_map(|round| {
            let key = round % 10 == 0;
            [sound(), picture(400 + 100 * round, key), sound(), sound(), picture(90_000, false)]
        })
    }

    fn published(signing: bool) -> Vec<Unit> {
        let key = SigningKey::from_bytes(&[1; 32]);
        let mut numberer = match signing {
            true => Numberer::sealed(SCOPE.epoch, key.verifying_key().to_bytes()),
            false => Numberer::new(SCOPE.epoch),
        };
        let mut signer = Signer::new(key, SCOPE);
        let number = |media| {
            let mut unit = numberer.number(Time::from_nanos(0), media);
            signer.sign(&mut unit);
            unit
        };
        script().map(number).collect()
    }

    /// The chunks that one makes of these units.
    fn made(units: &[Unit]) -> Vec<Chunk<Bytes>> {
        let (mut placer, mut prover) = (Placer::new(), Prover::new(SCOPE));
        let mut take = |unit| prover.take(unit, placer.place(unit)?).into();
        let made: Vec<Vec<_>> = units.iter().filter_map(&mut take).collect();
        made.concat()
    }

    fn verdicts(chunks: &[Chunk<Bytes>]) -> Vec<Verdict> {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
        let mut judge = Judge::new(&key);
        chunks.iter().map(|chunk| judge.judge(SCOPE, chunk)).collect()
    }

    #[test]
    fn all_that_is_signed_is_proved_by_whoever_has_it() {
        let units = published(true);
        let chunks = made(&units);
        let cut: usize =
            units.iter().map(|unit| nearcast_media::cut(unit.kind, &unit.body).len()).sum();
        assert_eq!(chunks.len(), cut);
        assert!(verdicts(&chunks).iter().all(|verdict| *verdict == Verdict::Genuine));

        // A reader of the relay, who came in the middle and lost a unit.
        let mut follower = Follower::new();
        let relayed = units.iter().filter(|unit| unit.number > 40 && unit.number != 77);
        relayed.for_each(|unit| follower.receive(unit.media()));
        let mut seen = Vec::new();
        while let Some(followed) = follower.poll() {
            if let Followed::Unit(unit) = followed {
                seen.push(unit);
            }
        }
        let again = made(&seen);
        assert!(again.iter().all(|chunk| chunks.contains(chunk)), "they are the same chunks");
        let of = |from: u32| again.iter().filter(|chunk| chunk.unit > from).count();
        assert!(of(41) > 0 && of(80) == chunks.iter().filter(|chunk| chunk.unit > 80).count());
    }

    #[test]
    fn an_unsigned_stream_has_its_chunks_all_the_same() {
        let units = published(false);
        let chunks = made(&units);
        assert!(verdicts(&chunks).iter().all(|verdict| *verdict == Verdict::Unproved));
        assert_eq!(chunks.last().map(|chunk| chunk.unit), Some(149));
        let late = made(&units[33..]);
        assert!(late.len() > 1000 && late.iter().all(|chunk| chunks.contains(chunk)));
    }
}
