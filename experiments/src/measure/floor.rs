//! The least delay that physics allows a frame on its path.
//!
//! A frame of `B` bytes is handed over at once and cut into packets. Each link of the path sends
//! one packet at a time, at its rate, header bytes included; a packet is forwarded once it is there
//! in full; links work at the same time. The last packet's arrival is then
//!
//! ```text
//! done(link, packet) = max(done(link, packet - 1), done(link - 1, packet) + delay(link - 1))
//!                      + size(packet) * 8 / rate(link)
//! floor              = done(last link, last packet) + delay(last link)
//! ```
//!
//! which for one bottleneck is: propagation along the path, plus the serialisation of the whole
//! frame on the slowest link, plus that of one packet on each of the others. Nothing else is in it:
//! no queue, no other traffic, no processing. A measured delay divided by it says how much was
//! added.

use crate::result::{Frame, Hop, Viewer, Way};

/// Bytes on the wire for each chunk beside its payload: Ethernet 14, IPv4 20, UDP 8, and the header
/// of a chunk message.
pub const CHUNK_OVERHEAD: u64 = 14 + 20 + 8 + CHUNK_HEADER;
/// The header of `nearcast_engine::wire`'s chunk message.
const CHUNK_HEADER: u64 = 40;
/// The most payload of a chunk.
const CHUNK: u64 = 1250;
/// Ethernet 14, IPv4 20, TCP 20 with its timestamp option 12.
const SEGMENT_OVERHEAD: u64 = 14 + 20 + 32;
/// The most payload of a TCP segment at an MTU of 1500 bytes.
const SEGMENT: u64 = 1448;
/// The chunk size that FFmpeg and nginx-rtmp set, and the header of a message's first chunk and of
/// each later one (RTMP 5.3.1).
const RTMP_CHUNK: u64 = 4096;

/// The sizes of the fewest packets that a frame of `bytes` bytes takes this way, in bytes on the
/// wire.
pub fn packets(way: Way, bytes: u64) -> Vec<u64> {
    let (payload, most, overhead) = match way {
        Way::Switch | Way::Neighbour | Way::Seed => (bytes, CHUNK, CHUNK_OVERHEAD),
        Way::Cdn | Way::Hls => {
            let headers = 12 + bytes.saturating_sub(1) / RTMP_CHUNK;
            (bytes + headers, SEGMENT, SEGMENT_OVERHEAD)
        }
    };
    let full = payload / most;
    let rest = payload % most;
    let mut sizes = vec![most + overhead; usize::try_from(full).unwrap_or(usize::MAX).min(1 << 16)];
    if rest > 0 || sizes.is_empty() {
        sizes.push(rest + overhead);
    }
    sizes
}

/// The least time, ns, from handing over packets of these sizes to the last one's arrival.
pub fn frame_floor(hops: &[Hop], packets: &[u64]) -> u64 {
    let mut done = vec![0_u64; hops.len()];
    let mut arrived = 0;
    for size in packets {
        arrived = 0;
        for (hop, done) in hops.iter().zip(&mut done) {
            *done = arrived.max(*done) + serialisation(hop.rate, *size);
            arrived = *done + hop.delay;
        }
    }
    arrived
}

/// The sum of the links' propagation delays, ns.
pub fn propagation(hops: &[Hop]) -> u64 {
    hops.iter().map(|hop| hop.delay).sum()
}

/// How many times its own floor a frame took; `None` where its path is not known.
pub fn frame_ratio(viewer: &Viewer, frame: &Frame) -> Option<f64> {
    let path = viewer.paths.iter().find(|path| path.way == frame.way)?;
    let floor = frame_floor(&path.hops, &packets(frame.way, frame.bytes));
    (floor > 0).then(|| frame.delay() as f64 / floor as f64)
}

fn serialisation(rate: Option<u64>, bytes: u64) -> u64 {
    let Some(rate) = rate.filter(|rate| *rate > 0) else { return 0 };
    u64::try_from((u128::from(bytes) * 8_000_000_000).div_ceil(u128::from(rate)))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(mbit: u64, ms: u64) -> Hop {
        Hop {
            from: String::new(),
            to: String::new(),
            rate: Some(mbit * 1_000_000),
            delay: ms * 1_000_000,
        }
    }

    #[test]
    fn a_packet_is_stored_on_every_link() {
        // 1250 bytes at 10 Mbit/s are 1 ms; two links of 8 ms: 18 ms.
        assert_eq!(frame_floor(&[hop(10, 8), hop(10, 8)], &[1250]), 18_000_000);
        // Ten of them: nine more milliseconds, not eighteen.
        assert_eq!(frame_floor(&[hop(10, 8), hop(10, 8)], &[1250; 10]), 27_000_000);
    }

    #[test]
    fn the_slowest_link_counts_whole_and_the_others_once() {
        // 100 Mbit/s: 0.1 ms a packet. Last packet leaves the slow link at 10 ms.
        let path = [hop(10, 8), hop(100, 30), hop(100, 30), hop(10, 8)];
        assert_eq!(frame_floor(&path, &[1250; 10]), 76_000_000 + 10_000_000 + 200_000 + 1_000_000);
    }

    #[test]
    fn a_frame_is_cut_into_the_fewest_packets() {
        assert_eq!(packets(Way::Switch, 2500), vec![1250 + CHUNK_OVERHEAD; 2]);
        assert_eq!(packets(Way::Switch, 2501).len(), 3);
        assert_eq!(packets(Way::Cdn, 1436), vec![1448 + 66]);
        assert_eq!(packets(Way::Cdn, 1437).len(), 2);
        assert_eq!(packets(Way::Cdn, 0).len(), 1);
    }
}
