use bytes::{BufMut, BytesMut};

use crate::Error;

/// The simple handshake (RTMP 5.2), either end of it.
///
/// Clients that send a digest in C1 (the undocumented "complex" handshake) take a plain S1 for an
/// older server, and go on without: FFmpeg, librtmp and all that is built on them.
#[derive(Debug)]
pub(super) struct Handshake {
    client: bool,
    /// The other side's version byte and first message, until they are answered.
    challenge: Vec<u8>,
    /// How many bytes of the other side's second message are to come.
    echo: usize,
    /// Whether C2 was sent with C1.
    early: bool,
}

/// The length of C1, C2, S1 and S2.
const PART: usize = 1536;

/// C0 to C2 together, and S0 to S2 together.
pub(super) const HANDSHAKE: u64 = 1 + 2 * PART as u64;

/// The only version of RTMP (5.2.2).
pub(super) const VERSION: u8 = 3;

impl Handshake {
    pub(super) fn server() -> Handshake {
        Handshake { client: false, challenge: Vec::new(), echo: PART, early: false }
    }

    /// A client, and the beginning of its handshake. With `early`, C2 is sent before S1 has come,
    /// so that commands can follow at once; it cannot echo S1 then, which few servers look at.
    pub(super) fn client(early: bool, out: &mut BytesMut) -> Handshake {
        out.put_u8(VERSION);
        put_challenge(out);
        if early {
            put_challenge(out);
        }
        Handshake { client: true, challenge: Vec::new(), echo: PART, early }
    }

    /// Takes bytes off the front of `input`, answers into `out`, and says whether it is finished.
    pub(super) fn read(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Result<bool, Error> {
        let missing = 1 + PART - self.challenge.len();
        if missing > 0 {
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.challenge.extend_from_slice(taken);
            *input = rest;
            if self.challenge.first().is_some_and(|version| *version != VERSION) {
                return Err(Error::Malformed { what: "RTMP version", offset: 0 });
            }
            if taken.len() < missing {
                return Ok(false);
            }
            if !self.client {
                out.put_u8(VERSION);
                put_challenge(out);
            }
            if !self.early {
                out.put_slice(&self.challenge[1..]);
            }
        }
        let (taken, rest) = input.split_at(self.echo.min(input.len()));
        self.echo -= taken.len();
        *input = rest;
        Ok(self.echo == 0)
    }
}

/// C1 or S1 (5.2.3): the time, which is zero here, zeros, which say "no digest", and bytes that
/// need only differ from one another.
fn put_challenge(out: &mut BytesMut) {
    out.put_bytes(0, 8);
    let mut state = 0x2545_f491u32;
    for _ in 0..(PART - 8) / 4 {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        out.put_u32(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_finish_whatever_the_pieces() {
        for (early, piece) in [(false, 1), (false, 1000), (true, 1), (true, 5000)] {
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            let mut client = Handshake::client(early, &mut up);
            let mut server = Handshake::server();
            let (mut client_done, mut server_done) = (false, false);
            while !(client_done && server_done) {
                assert!(!up.is_empty() || !down.is_empty(), "stuck with {piece}");
                for bytes in up.split().chunks(piece) {
                    server_done = server.read(&mut &*bytes, &mut down).expect("version 3");
                }
                for bytes in down.split().chunks(piece) {
                    client_done = client.read(&mut &*bytes, &mut up).expect("version 3");
                }
            }
        }
    }

    #[test]
    fn another_version_is_malformed_at_once() {
        let mut out = BytesMut::new();
        assert!(Handshake::server().read(&mut &b"GET / HTTP/1.1"[..], &mut out).is_err());
        assert!(out.is_empty());
    }
}
