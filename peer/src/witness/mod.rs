//! `nearcast-peer witness`: when each stamped frame of an elementary stream came.

mod scan;

use std::future::Future;
use std::io::{self, Read};

use nearcast_machine::Time;
use tokio::sync::mpsc;

use crate::clock;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::journal::Journal;
use scan::{Scanner, Seen};

/// What is read at once; a pipe holds as much.
const READ: usize = 64 << 10;
/// Pieces that may wait. A writer that is faster waits in its turn.
const PIECES: usize = 64;

/// Reads `input` until it ends or `end` comes true.
pub(crate) async fn run(
    input: impl Read + Send + 'static,
    journal: Journal,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let (pieces, mut waiting) = mpsc::channel(PIECES);
    // A thread, because a read of a pipe cannot be abandoned; it ends with the program.
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read(input, &pieces))
        .map_err(Error::system("no thread can be started"))?;
    journal.note(Event::started(Role::Witness));

    let mut summary = Summary::default();
    let mut note = |seen: Seen| {
        summary.frames += 1;
        journal.note_at(
            seen.at.as_nanos(),
            Event::Witnessed {
                epoch: seen.stamp.epoch.into(),
                unit: seen.stamp.unit,
                frame: seen.stamp.frame,
                captured: seen.stamp.captured.as_nanos(),
                bytes: seen.bytes,
            },
        );
    };
    let mut scanner = Scanner::default();
    tokio::pin!(end);
    loop {
        let piece: Option<(Time, Vec<u8>)> = tokio::select! {
            piece = waiting.recv() => piece,
            () = &mut end => None,
        };
        match piece {
            Some((at, bytes)) => scanner.push(at, &bytes, &mut note),
            None => break,
        }
    }
    scanner.end(clock::now(), &mut note);
    summary.events_dropped = journal.dropped();
    Ok(summary)
}

fn read(mut input: impl Read, pieces: &mpsc::Sender<(Time, Vec<u8>)>) {
    let mut buffer = vec![0; READ];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let piece = (clock::now(), buffer[..length].to_vec());
                if pieces.blocking_send(piece).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::error!("the stream cannot be read: {error}");
                return;
            }
        }
    }
}
