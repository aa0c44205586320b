use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock;
use crate::events::{Event, Record};

/// Lines that may wait for the disk. At 100 lines a second this is more than a minute of them.
const WAITING: usize = 8192;
/// How long the last lines may take when the program ends.
const LAST: Duration = Duration::from_secs(2);

/// Where events go: a file, written by a thread of its own so that a slow disk never holds up a
/// frame. Lines that find the queue full are dropped and counted.
#[derive(Clone)]
pub(crate) struct Journal {
    lines: Option<SyncSender<Line>>,
    dropped: Arc<AtomicU64>,
}

/// The end of a [`Journal`] that waits until all is written.
pub(crate) struct JournalThread {
    thread: Option<JoinHandle<()>>,
    done: Receiver<()>,
}

enum Line {
    Record(Record),
    End,
}

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn off() -> Journal {
        Journal { lines: None, dropped: Arc::default() }
    }

    /// Writes to `path`, anew; `-` is standard output.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub(crate) fn to_path(path: &Path) -> io::Result<(Journal, JournalThread)> {
        if path == Path::new("-") {
            return Ok(Journal::to_writer(io::stdout()));
        }
        Ok(Journal::to_writer(File::create(path)?))
    }

    /// Writes to `writer`.
    pub(crate) fn to_writer(writer: impl Write + Send + 'static) -> (Journal, JournalThread) {
        let (lines, waiting) = sync_channel(WAITING);
        let (finished, done) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                write_lines(BufWriter::new(writer), &waiting, &lost);
                // Nobody waits any more if the program is in a hurry.
                finished.send(()).ok();
            })
            .expect("a thread can be started while the program starts");
        (Journal { lines: Some(lines), dropped }, JournalThread { thread: Some(thread), done })
    }

    /// Writes `event` down as of now.
    pub(crate) fn note(&self, event: Event) {
        self.note_at(clock::now().as_nanos(), event);
    }

    /// Writes `event` down as of `t` (CLOCK_REALTIME, ns).
    pub(crate) fn note_at(&self, t: u64, event: Event) {
        if !matches!(
            event,
            Event::Frame(_) | Event::Sent(_) | Event::Witnessed { .. } | Event::Progress(_)
        ) {
            tracing::debug!(?event);
        }
        let Some(lines) = &self.lines else { return };
        match lines.try_send(Line::Record(Record { t, event })) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lines that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Asks the thread to end after what was noted so far.
    pub(crate) fn end(&self) {
        if let Some(lines) = &self.lines {
            // A full queue means a stuck disk; `JournalThread::join` then gives up in time.
            lines.try_send(Line::End).ok();
        }
    }
}

impl JournalThread {
    /// Waits, for two seconds at most, until the last line is written.
    pub(crate) fn join(mut self) {
        if self.done.recv_timeout(LAST).is_ok()
            && let Some(thread) = self.thread.take()
        {
            thread.join().expect("the events thread does not panic");
        }
    }
}

/// Writes until told to end or until nobody can write any more. Flushes whenever nothing waits, so
/// that a reader of the file is at most a moment behind.
fn write_lines(mut out: impl Write, waiting: &Receiver<Line>, dropped: &AtomicU64) {
    let mut broken = false;
    loop {
        let line = match waiting.recv_timeout(Duration::from_millis(50)) {
            Ok(Line::Record(record)) => record,
            Ok(Line::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                broken |= report(out.flush(), broken);
                continue;
            }
        };
        let text = serde_json::to_vec(&line).expect("events have string keys only");
        let written = out.write_all(&text).and_then(|()| out.write_all(b"\n"));
        if written.is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        broken |= report(written, broken);
    }
    report(out.flush(), broken);
}

/// Says once that events cannot be written; the stream goes on without them.
fn report(result: io::Result<()>, already: bool) -> bool {
    match result {
        Ok(()) => false,
        Err(error) => {
            if !already {
                tracing::error!("events cannot be written any more: {error}");
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Role;
    use std::sync::mpsc::{Sender, channel};

    fn started() -> Event {
        Event::Started { role: Role::View, version: "1".to_owned() }
    }

    #[test]
    fn all_that_was_noted_is_in_the_file_after_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let (journal, thread) = Journal::to_path(&path).expect("a file");
        for t in 0..1000 {
            journal.note_at(t, started());
        }
        journal.end();
        thread.join();
        let text = std::fs::read_to_string(&path).expect("text");
        let times: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<Record>(line).expect("a record").t)
            .collect();
        assert_eq!(times, (0..1000).collect::<Vec<_>>());
        assert_eq!(journal.dropped(), 0);
    }

    /// A disk that takes nothing until it is told to.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().ok();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_disk_drops_lines_instead_of_holding_up_the_stream() {
        let (free, stuck): (Sender<()>, _) = channel();
        let (journal, thread) = Journal::to_writer(Stuck(stuck));
        for t in 0..3 * WAITING as u64 {
            journal.note_at(t, started());
        }
        assert!(journal.dropped() > 0, "the queue is bounded");
        drop(free);
        drop(journal);
        thread.join();
    }

    #[test]
    fn a_full_disk_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (journal, thread) = Journal::to_writer(Full);
        // More than the buffer in front of the disk holds.
        for t in 0..1000 {
            journal.note_at(t, started());
        }
        journal.end();
        thread.join();
        assert!(journal.dropped() > 0);
    }
}
