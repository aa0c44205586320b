//! What real programs said by RTMP, as the frames that cross a switch.
//!
//! The captures are those of `common/media/tests/captures`, whose README says how each was made.

use std::net::SocketAddrV4;

use crate::frames::Host;
use crate::rtmp::{Said, frames};
use nearcast_media::rtmp::{Dialogue, DialogueEvent, Side};

/// One recorded connection.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub(crate) name: &'static str,
    said: Vec<Said>,
}

/// A publisher and three players, the programs that are there for a terminal.
pub(crate) const NAMES: [&str; 4] =
    ["ffmpeg-publish", "ffmpeg-play", "rtmpdump-play", "mplayer-play"];

impl Capture {
    pub(crate) fn read(name: &'static str) -> Result<Capture, String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/media/tests/captures");
        let path = format!("{folder}/{name}.rtmp");
        let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
        let mut said = Vec::new();
        let mut rest = &bytes[..];
        while let Some(([side, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let cut = tail.split_at_checked(length).ok_or_else(|| format!("{path} is cut off"))?;
            let side = if *side == 0 { Side::Client } else { Side::Server };
            said.push((side, cut.0.to_vec()));
            rest = cut.1;
        }
        Ok(Capture { name, said })
    }

    /// The part of it up to the segment of `mss` bytes by which the server accepts: what a switch
    /// copies to the controller before it is told to let the connection through.
    pub(crate) fn until_accepted(&self, mss: usize) -> Capture {
        let mut observer = Dialogue::new(u64::MAX);
        let mut until = Vec::new();
        for (side, bytes) in &self.said {
            for part in bytes.chunks(mss) {
                observer.receive(*side, part);
                until.push((*side, part.to_vec()));
                while let Some(event) = observer.poll() {
                    if matches!(event, DialogueEvent::Accepted { .. }) {
                        return Capture { name: self.name, said: until };
                    }
                }
            }
        }
        Capture { name: self.name, said: until }
    }

    /// The frames of it, between these two, and the ports they come in by.
    pub(crate) fn frames(
        &self,
        client: (Host, SocketAddrV4),
        server: (Host, SocketAddrV4),
        mss: usize,
    ) -> Vec<(u32, Vec<u8>)> {
        frames(&self.said, client, server, mss)
    }
}
