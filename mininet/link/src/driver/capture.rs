use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use nearcast_machine::Time;

use crate::control::Which;

/// Frames are handed to the writer in pieces of this size.
const PIECE: usize = 64 << 10;
/// How many pieces may wait for a slow disk, before frames go uncaptured.
const MAX_PIECES: usize = 64;

/// Writes frames to a file in the classic pcap format with nanoseconds
/// (draft-ietf-opsawg-pcap), on a thread of its own so that no disk delays a packet.
pub(super) struct Capture {
    path: PathBuf,
    direction: Which,
    piece: Vec<u8>,
    pieces: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl Capture {
    pub(super) fn new(path: &Path, direction: Which) -> io::Result<Capture> {
        let file = File::create(path)?;
        let (pieces, receiver) = sync_channel(MAX_PIECES);
        let writer =
            thread::Builder::new().name("capture".to_owned()).spawn(|| write(file, receiver))?;
        Ok(Capture {
            path: path.to_owned(),
            direction,
            piece: file_header(),
            pieces: Some(pieces),
            writer: Some(writer),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether frames that entered at the `end`-th interface are to be recorded.
    pub(super) fn covers(&self, end: usize) -> bool {
        self.direction.covers(end)
    }

    /// Records a frame; `false` if the disk does not keep up, or failed.
    pub(super) fn record(&mut self, wall: Time, frame: &[u8]) -> bool {
        if self.piece.len() + 16 + frame.len() > PIECE && !self.hand_over() {
            return false;
        }
        let (secs, nanos) = (wall.as_nanos() / 1_000_000_000, wall.as_nanos() % 1_000_000_000);
        let len = frame.len() as u32;
        for field in [secs as u32, nanos as u32, len, len] {
            self.piece.extend(field.to_le_bytes());
        }
        self.piece.extend(frame);
        true
    }

    fn hand_over(&mut self) -> bool {
        let Some(pieces) = &self.pieces else { return false };
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        match pieces.try_send(piece) {
            Ok(()) => true,
            Err(TrySendError::Full(piece) | TrySendError::Disconnected(piece)) => {
                self.piece = piece;
                false
            }
        }
    }

    /// Writes what is left and waits until it is in the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.complete()
    }

    fn complete(&mut self) -> io::Result<()> {
        if let Some(pieces) = self.pieces.take() {
            // A writer that failed has let go of the other end, and says why below.
            let _ = pieces.send(std::mem::take(&mut self.piece));
        }
        let written = self.writer.take().map(JoinHandle::join);
        written.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err(io::Error::other("the writer died")))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Err(error) = self.complete() {
            eprintln!("nearcast-link: the capture {} is incomplete: {error}", self.path.display());
        }
    }
}

fn write(mut file: File, pieces: Receiver<Vec<u8>>) -> io::Result<()> {
    pieces.into_iter().try_for_each(|piece| file.write_all(&piece))
}

/// The header says by its byte order how the rest is ordered; this is little-endian.
fn file_header() -> Vec<u8> {
    let mut header = Vec::with_capacity(PIECE);
    header.extend(0xa1b2_3c4d_u32.to_le_bytes()); // nanoseconds
    header.extend(2u16.to_le_bytes());
    header.extend(4u16.to_le_bytes());
    header.extend([0; 8]);
    header.extend(262_144u32.to_le_bytes()); // longest frame, as tcpdump has it
    header.extend(1u32.to_le_bytes()); // LINKTYPE_ETHERNET
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_every_frame_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("link.pcap");
        let mut capture = Capture::new(&path, Which::AToB).expect("a file");
        assert!(capture.covers(0) && !capture.covers(1));
        const FRAMES: usize = 500;
        for number in 0..FRAMES {
            let recorded = capture.record(Time::from_nanos(7_000_000_042), &[number as u8; 1000]);
            assert!(recorded, "half a megabyte waits for the slowest disk");
        }
        capture.finish().expect("a complete file");

        let bytes = std::fs::read(&path).expect("the file");
        assert_eq!(bytes.len(), 24 + FRAMES * 1016);
        assert_eq!(bytes[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        for (number, record) in bytes[24..].chunks(1016).enumerate() {
            assert_eq!(record[..16], [7, 0, 0, 0, 42, 0, 0, 0, 0xe8, 3, 0, 0, 0xe8, 3, 0, 0]);
            assert!(record[16..].iter().all(|byte| *byte == number as u8));
        }
    }

    #[test]
    fn a_full_disk_is_told_and_does_not_block() {
        let mut capture = Capture::new(Path::new("/dev/full"), Which::Both).expect("a file");
        // The writer ends at the first piece, and from then on nothing can be handed over.
        while capture.record(Time::ZERO, &[0; 1000]) {}
        let error = capture.finish().expect_err("a full disk");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
