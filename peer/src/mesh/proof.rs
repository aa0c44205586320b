//! Proof that a chunk is the broadcaster's: its way up a hash tree whose root is signed.
//!
//! The broadcaster signs its chunks in groups of at most [`GROUP`] (Ed25519 over the root of a
//! Merkle tree, as RFC 7574 has it), and a chunk brings all that proves it, so that it can be
//! judged when it comes, whatever else came:
//!
//! ```text
//! chunks of the group u8 | which of them u8 | sibling hashes, 12 B each | signature 64 B
//! ```
//!
//! or a single zero, where nothing is signed. Hashes are BLAKE3's first 96 bits. Only the
//! broadcaster chooses what is hashed, so that a forger needs a second preimage, and that of one
//! certain leaf or node: each is hashed together with where it stands.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use nearcast_engine::mesh::Chunk;
use nearcast_media::StreamId;
use nearcast_media::seal::{self, GROUP, ROOM_LEN, SIGNATURE_LEN};

const HASH_LEN: usize = 12;
type Hash = [u8; HASH_LEN];

/// The height of the tree of a whole group.
const HEIGHT: usize = GROUP.ilog2() as usize;
/// The longest proof.
pub(super) const LONGEST: usize = 2 + HEIGHT * HASH_LEN + SIGNATURE_LEN;

/// Roots that were found to be signed and are remembered: some seconds of a stream.
const REMEMBERED: usize = 256;

/// Precedes what is signed, so that no signature made for something else is good here.
const CONTEXT: &[u8] = b"nearcast chunks 1";

/// The payload of a chunk without proof.
pub(super) fn unproved(plain: &[u8], shelf: &mut Shelf) -> Bytes {
    shelf.put(1 + plain.len(), |payload| {
        payload.extend([0]);
        payload.extend_from_slice(plain);
    })
}

/// What a payload carries apart from its proof; `None` if that is none.
pub(super) fn plain(payload: &Bytes) -> Option<Bytes> {
    Some(payload.slice(Proof::parse(payload)?.length..))
}

/// The hash tree of a group, of which each level has half as many hashes as the one below. A last
/// one without sibling goes up unchanged.
struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Of a group's chunks, with their plain payloads.
    fn new(scope: Scope, group: &[Chunk<Bytes>]) -> Tree {
        let leaves =
            group.iter().zip(0..).map(|(chunk, at)| leaf(scope, at, chunk, &chunk.payload));
        let mut levels: Vec<Vec<Hash>> = vec![leaves.collect()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let height = levels.len() as u8;
            let pairs = below.chunks(2).zip(0..);
            let above = pairs.map(|(pair, at)| match pair {
                [left, right] => node(scope, height, at, left, right),
                _ => pair[0],
            });
            levels.push(above.collect());
        }
        Tree { levels }
    }

    fn root(&self) -> Hash {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_default()
    }

    /// The siblings on the way up from a leaf.
    fn siblings(&self, index: usize) -> impl Iterator<Item = Hash> {
        let at = self.levels.iter().enumerate();
        at.filter_map(move |(height, level)| level.get((index >> height) ^ 1).copied())
    }
}

/// Of which publish a hash is: a tree of another one is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) stream: StreamId,
    pub(crate) epoch: u32,
}

impl Scope {
    fn hasher(self, height: u8, at: u8) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.stream.0);
        hasher.update(&self.epoch.to_be_bytes());
        hasher.update(&[height, at]);
        hasher
    }

    /// What is signed of a group.
    fn statement(self, count: u8, root: &Hash) -> Vec<u8> {
        let Scope { stream, epoch } = self;
        [CONTEXT, &stream.0, &epoch.to_be_bytes(), &[count], root].concat()
    }
}

fn short(hasher: &blake3::Hasher) -> Hash {
    let mut hash = [0; HASH_LEN];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..HASH_LEN]);
    hash
}

/// The hash of a chunk, the rooms for signatures in it blank: these are filled in when it is known.
fn leaf(scope: Scope, at: u8, chunk: &Chunk<Bytes>, plain: &[u8]) -> Hash {
    let mut hasher = scope.hasher(0, at);
    hasher.update(&[chunk.lc.layer]);
    for word in [chunk.lc.seq, chunk.unit, chunk.time] {
        hasher.update(&word.to_be_bytes());
    }
    hasher.update(&[chunk.tag.bits()]);
    let mut from = 0;
    // Stamps stand in the first chunk of a picture.
    let rooms = if chunk.tag.first() { seal::rooms(plain) } else { Vec::new() };
    for room in rooms {
        hasher.update(&plain[from..room.start]).update(&[seal::BLANK; ROOM_LEN]);
        from = room.end;
    }
    hasher.update(&plain[from..]);
    short(&hasher)
}

fn node(scope: Scope, height: u8, at: u8, left: &Hash, right: &Hash) -> Hash {
    let mut hasher = scope.hasher(height, at);
    hasher.update(left).update(right);
    short(&hasher)
}

/// Signs what is published.
pub(super) fn sign(
    key: &SigningKey,
    scope: Scope,
    chunks: &[Chunk<Bytes>],
) -> Vec<[u8; SIGNATURE_LEN]> {
    let sign = |group: &[Chunk<Bytes>]| {
        let root = Tree::new(scope, group).root();
        key.sign(&scope.statement(group.len() as u8, &root)).to_bytes()
    };
    chunks.chunks(GROUP).map(sign).collect()
}

/// The chunks, each with its proof, of which `signatures` has one for every [`GROUP`].
pub(super) fn prove(
    scope: Scope,
    chunks: &[Chunk<Bytes>],
    signatures: &[[u8; SIGNATURE_LEN]],
    shelf: &mut Shelf,
) -> Vec<Chunk<Bytes>> {
    let mut proved = Vec::with_capacity(chunks.len());
    for (group, signature) in chunks.chunks(GROUP).zip(signatures) {
        let tree = Tree::new(scope, group);
        for (at, chunk) in group.iter().enumerate() {
            let payload = shelf.put(LONGEST + chunk.payload.len(), |payload| {
                payload.extend([group.len() as u8, at as u8]);
                payload.extend(tree.siblings(at).flatten());
                payload.extend(signature);
                payload.extend_from_slice(&chunk.payload);
            });
            proved.push(Chunk { payload, ..chunk.clone() });
        }
    }
    proved
}

/// Memory for the payloads of one publish, which stand one behind the other in blocks of [`BLOCK`]
/// bytes.
///
/// Receivers ask for a second at once. So what they get lies in few pages, and that it is in use is
/// counted once for each block, not in as many places of memory as there are chunks.
#[derive(Debug, Default)]
pub(super) struct Shelf(BytesMut);

/// A chunk keeps its block in memory. All chunks of a source go when they are too old, so it keeps
/// what came within a second or so of it.
const BLOCK: usize = 64 << 10;

impl Shelf {
    /// What `write` writes, which is at most `room` bytes.
    pub(super) fn put(&mut self, room: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        if self.0.capacity() < room {
            self.0 = BytesMut::with_capacity(BLOCK.max(room));
        }
        write(&mut self.0);
        self.0.split().freeze()
    }
}

/// A proof as it came.
struct Proof<'a> {
    /// 0 if it is none.
    count: u8,
    index: u8,
    siblings: &'a [u8],
    signature: &'a [u8],
    length: usize,
}

impl Proof<'_> {
    fn parse(payload: &[u8]) -> Option<Proof<'_>> {
        let (&count, rest) = payload.split_first()?;
        if count == 0 {
            return Some(Proof { count, index: 0, siblings: &[], signature: &[], length: 1 });
        }
        let (&index, rest) = rest.split_first()?;
        if usize::from(count) > GROUP || index >= count {
            return None;
        }
        let siblings = way_up(count, index).filter(|step| step.sibling).count() * HASH_LEN;
        let (siblings, rest) = rest.split_at_checked(siblings)?;
        let (signature, rest) = rest.split_at_checked(SIGNATURE_LEN)?;
        Some(Proof { count, index, siblings, signature, length: payload.len() - rest.len() })
    }

    fn root(&self, scope: Scope, leaf: Hash) -> Option<Hash> {
        let mut siblings = self.siblings.chunks_exact(HASH_LEN);
        let mut hash = leaf;
        for Step { height, at, sibling } in way_up(self.count, self.index) {
            if !sibling {
                continue;
            }
            let other: Hash = siblings.next()?.try_into().ok()?;
            let (left, right) = if at % 2 == 0 { (&hash, &other) } else { (&other, &hash) };
            hash = node(scope, height + 1, at / 2, left, right);
        }
        Some(hash)
    }
}

/// A level on the way from a leaf to the root.
struct Step {
    height: u8,
    at: u8,
    /// Whether there is one; the last one of a level has none if it stands alone.
    sibling: bool,
}

fn way_up(count: u8, index: u8) -> impl Iterator<Item = Step> {
    let levels = std::iter::successors(Some((count, index)), |&(count, at)| {
        (count > 1).then_some((count.div_ceil(2), at / 2))
    });
    let below_the_root = levels.take_while(|&(count, _)| count > 1).zip(0..);
    below_the_root.map(|((count, at), height)| Step { height, at, sibling: (at ^ 1) < count })
}

/// What a chunk is, as far as its proof goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broadcaster's.
    Genuine,
    /// Nobody claims that it is signed.
    Unproved,
    /// Another's, or damaged.
    Forged,
}

/// Tells the broadcaster's chunks from others.
pub(super) struct Judge {
    /// Nothing if it is no key of Ed25519; then no chunk is genuine.
    key: Option<VerifyingKey>,
    /// What was found to be signed, the latest last.
    known: VecDeque<(Scope, u8, Hash, [u8; SIGNATURE_LEN])>,
}

impl Judge {
    /// By the broadcaster's key.
    pub(super) fn new(key: &[u8; 32]) -> Judge {
        let key = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak());
        Judge { key, known: VecDeque::with_capacity(REMEMBERED) }
    }

    pub(super) fn judge(&mut self, scope: Scope, chunk: &Chunk<Bytes>) -> Verdict {
        let Some(proof) = Proof::parse(&chunk.payload) else { return Verdict::Forged };
        if proof.count == 0 {
            return Verdict::Unproved;
        }
        let leaf = leaf(scope, proof.index, chunk, &chunk.payload[proof.length..]);
        let root = proof.root(scope, leaf);
        let signature: Option<[u8; SIGNATURE_LEN]> = proof.signature.try_into().ok();
        let Some((root, signature)) = root.zip(signature) else { return Verdict::Forged };
        // The signature counts too: with a wrong one the chunk would be no proof for the next peer.
        let claim = (scope, proof.count, root, signature);
        if self.known.contains(&claim) {
            return Verdict::Genuine;
        }
        let statement = scope.statement(proof.count, &root);
        let signed = Signature::from_bytes(&signature);
        let verifies = |key: &VerifyingKey| key.verify_strict(&statement, &signed).is_ok();
        if !self.key.as_ref().is_some_and(verifies) {
            return Verdict::Forged;
        }
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(claim);
        Verdict::Genuine
    }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::mesh::{Lc, Tag};

    use super::*;

    const SCOPE: Scope = Scope { stream: StreamId(*b"a stream"), epoch: 9 };

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[42; 32])
    }

    fn judge() -> Judge {
        Judge::new(&key().verifying_key().to_bytes())
    }

    fn group(count: u32) -> Vec<Chunk<Bytes>> {
        let chunk = |seq| Chunk {
            lc: Lc { layer: 1, seq },
            unit: seq / 3,
            time: seq * 7,
            tag: Tag::new(seq == 0, false, 12),
            payload: seq.to_be_bytes().repeat(5).into(),
        };
        (0..count).map(chunk).collect()
    }

    fn proved(count: u32) -> Vec<Chunk<Bytes>> {
        let group = group(count);
        let signatures = sign(&key(), SCOPE, &group);
        prove(SCOPE, &group, &signatures, &mut Shelf::default())
    }

    #[test]
    fn payloads_stand_one_behind_the_other_and_are_nobody_elses() {
        let mut shelf = Shelf::default();
        let lengths = (1..400).map(|n| n * 37 % 1500).chain([BLOCK, BLOCK + 1, 0, 3]);
        let put = |(length, n): (usize, u16)| {
            // What is said to be written at most is seldom all of it.
            let write = |to: &mut BytesMut| to.extend(n.to_be_bytes().iter().cycle().take(length));
            (length, n, shelf.put(length + 90, write))
        };
        let shelved: Vec<_> = lengths.zip(0..).map(put).collect();
        for (length, n, bytes) in &shelved {
            assert!(bytes.iter().eq(n.to_be_bytes().iter().cycle().take(*length)));
        }
        let follows =
            |pair: &[(usize, u16, Bytes)]| pair[0].2.as_ptr_range().end == pair[1].2.as_ptr();
        let elsewhere = shelved.windows(2).filter(|pair| !follows(pair)).count();
        let total: usize = shelved.iter().map(|(length, ..)| length).sum();
        assert!(elsewhere <= total / (BLOCK - 1600) + 3, "{elsewhere} blocks");
    }

    #[test]
    fn every_chunk_of_a_group_of_any_size_proves_itself_alone() {
        for count in 1..=2 * GROUP as u32 + 1 {
            let chunks = proved(count);
            for (chunk, original) in chunks.iter().zip(group(count)) {
                assert_eq!(judge().judge(SCOPE, chunk), Verdict::Genuine, "{count}: {chunk:?}");
                assert_eq!(plain(&chunk.payload), Some(original.payload.clone()));
                assert!(chunk.payload.len() <= LONGEST + original.payload.len());
            }
            assert_eq!(chunks.len(), count as usize);
        }
    }

    #[test]
    fn a_chunk_with_any_byte_changed_is_forged_even_if_its_group_is_known() {
        for count in [1, 3, 7] {
            let mut judge = judge();
            let chunks = proved(count);
            for chunk in &chunks {
                assert_eq!(judge.judge(SCOPE, chunk), Verdict::Genuine);
                for at in 0..chunk.payload.len() {
                    let mut payload = chunk.payload.to_vec();
                    payload[at] ^= 1;
                    let forged = Chunk { payload: payload.into(), ..chunk.clone() };
                    // A count of zero says that there is no proof.
                    let expected = match (at, count) {
                        (0, 1) => Verdict::Unproved,
                        _ => Verdict::Forged,
                    };
                    assert_eq!(judge.judge(SCOPE, &forged), expected, "byte {at} of {chunk:?}");
                }
                let cut = Chunk { payload: chunk.payload.slice(..20), ..chunk.clone() };
                assert_eq!(judge.judge(SCOPE, &cut), Verdict::Forged);
            }
        }
    }

    #[test]
    fn a_chunk_is_no_other_chunk() {
        let chunk = &proved(5)[2];
        let renamed = [
            Chunk { lc: Lc { layer: 0, ..chunk.lc }, ..chunk.clone() },
            Chunk { lc: Lc { seq: 3, ..chunk.lc }, ..chunk.clone() },
            Chunk { unit: 1, ..chunk.clone() },
            Chunk { time: 15, ..chunk.clone() },
            Chunk { tag: Tag::new(true, false, 12), ..chunk.clone() },
        ];
        for forged in renamed {
            assert_eq!(judge().judge(SCOPE, &forged), Verdict::Forged, "{forged:?}");
        }
        let elsewhere =
            [Scope { stream: StreamId(*b"b stream"), ..SCOPE }, Scope { epoch: 10, ..SCOPE }];
        for scope in elsewhere {
            assert_eq!(judge().judge(scope, chunk), Verdict::Forged);
        }
    }

    #[test]
    fn anothers_signature_is_none() {
        let group = group(4);
        let signatures = sign(&SigningKey::from_bytes(&[43; 32]), SCOPE, &group);
        for chunk in prove(SCOPE, &group, &signatures, &mut Shelf::default()) {
            assert_eq!(judge().judge(SCOPE, &chunk), Verdict::Forged);
        }
        // The point of order one, which would verify much.
        let mut weak = [0; 32];
        weak[0] = 1;
        assert_eq!(Judge::new(&weak).judge(SCOPE, &proved(1)[0]), Verdict::Forged);
    }

    #[test]
    fn what_is_known_to_be_signed_is_bounded() {
        let mut judge = judge();
        for epoch in 0..2 * REMEMBERED as u32 {
            let (scope, group) = (Scope { epoch, ..SCOPE }, group(1));
            let signatures = sign(&key(), scope, &group);
            let chunk = &prove(scope, &group, &signatures, &mut Shelf::default())[0];
            assert_eq!(judge.judge(scope, chunk), Verdict::Genuine);
        }
        assert_eq!(judge.known.len(), REMEMBERED);
    }
}
