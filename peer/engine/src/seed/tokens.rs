//! Proof that a client can receive at the address it sends from, without remembering anyone.

use std::net::SocketAddrV4;

use nearcast_machine::{Bitrate, Rng, Seed, Span, Time};
use rand::RngCore;

use crate::supply::Bucket;

/// Makes and checks tokens: a keyed hash of the client's address and the time, as in DTLS cookies
/// (RFC 6347 4.2.1) and QUIC's address validation (RFC 9000 8.1).
#[derive(Debug)]
pub(super) struct Tokens {
    key: [u8; 32],
    life: Span,
    bucket: Bucket,
}

impl Tokens {
    pub(super) fn new(seed: Seed, life: Span, rate: Bitrate) -> Tokens {
        let mut key = [0; 32];
        let mut rng: Rng = seed.derive("tokens").rng();
        rng.fill_bytes(&mut key);
        Tokens { key, life, bucket: Bucket::new(rate, 64 * 1024) }
    }

    /// Whether another token of `bytes` may be sent.
    pub(super) fn admit(&mut self, now: Time, bytes: usize) -> bool {
        let ready = self.bucket.ready(now);
        if ready {
            self.bucket.spend(bytes);
        }
        ready
    }

    /// The token of `client`.
    pub(super) fn make(&self, now: Time, client: SocketAddrV4) -> u64 {
        self.token(self.period(now), client)
    }

    /// Whether `token` is one that `client` was given in this period or the one before.
    pub(super) fn good(&self, now: Time, client: SocketAddrV4, token: u64) -> bool {
        let period = self.period(now);
        token == self.token(period, client)
            || period.checked_sub(1).is_some_and(|before| token == self.token(before, client))
    }

    fn period(&self, now: Time) -> u64 {
        now.as_nanos() / self.life.as_nanos().max(1)
    }

    fn token(&self, period: u64, client: SocketAddrV4) -> u64 {
        let mut text = [0; 14];
        text[..8].copy_from_slice(&period.to_be_bytes());
        text[8..12].copy_from_slice(&client.ip().octets());
        text[12..].copy_from_slice(&client.port().to_be_bytes());
        let hash = blake3::keyed_hash(&self.key, &text);
        let mut token = [0; 8];
        token.copy_from_slice(&hash.as_bytes()[..8]);
        // 0 stands for "none yet" in a question.
        u64::from_be_bytes(token).max(1)
    }
}
