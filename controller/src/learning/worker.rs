use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use slab::Slab;

use super::dialogue::{Counts, Dialogue, Fault};

/// Bytes read at once: half a core's second-level cache takes them together with their answers.
const READ: usize = 256 << 10;
/// Room for what is read and for the part of a message that was left before.
const BUFFER: usize = READ + (64 << 10);
/// Events taken at once.
const EVENTS: usize = 256;
/// How often connections are looked at that say nothing, in ms.
const LOOK: u16 = 1000;
/// What the event of new connections says in place of a connection's key.
const WAKE: u64 = u64::MAX;

/// A thread that serves its share of the switches.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    queue: Sender<Arrival>,
    thread: JoinHandle<Counts>,
}

/// A switch that connected, and a random number for its table.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) seed: u64,
}

#[derive(Debug)]
struct Shared {
    wake: EventFd,
    stop: AtomicBool,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(name: String) -> std::io::Result<Worker> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let shared = Arc::new(Shared { wake, stop: AtomicBool::new(false) });
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&shared.wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let (queue, arrivals) = channel();
        let serving = Serving {
            shared: shared.clone(),
            arrivals,
            epoll,
            connections: Slab::new(),
            buffer: vec![0; BUFFER],
            out: Vec::with_capacity(BUFFER),
            origin: Instant::now(),
            closed: Counts::default(),
        };
        let thread = std::thread::Builder::new().name(name).spawn(move || serving.run())?;
        Ok(Worker { shared, queue, thread })
    }

    /// Hands it a connection, which is non-blocking.
    pub(super) fn serve(&self, arrival: Arrival) {
        // A worker that is gone has panicked, which shows when it is joined.
        let _ = self.queue.send(arrival);
        self.shared.wake.write(1).expect("an event counter does not overflow");
    }

    /// Ends it: what its connections came to.
    pub(super) fn stop(self) -> Counts {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.write(1).expect("an event counter does not overflow");
        self.thread.join().expect("a worker does not panic")
    }
}

/// What the thread owns.
struct Serving {
    shared: Arc<Shared>,
    arrivals: Receiver<Arrival>,
    epoll: Epoll,
    connections: Slab<Connection>,
    /// What was read last, from whichever connection.
    buffer: Vec<u8>,
    /// What it is answered with.
    out: Vec<u8>,
    origin: Instant,
    closed: Counts,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    dialogue: Dialogue,
    /// The part of a message that was read, below 64 KiB.
    unread: Vec<u8>,
    /// What the switch would not take at once. While there is any, nothing more is read from it, so
    /// that it never exceeds the answers to one read.
    unsent: Vec<u8>,
}

/// Why a connection ends.
enum End {
    Closed,
    Io(std::io::Error),
    Fault(Fault),
}

impl Serving {
    fn run(mut self) -> Counts {
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut looked = 0;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(LOOK)) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => panic!("waiting for connections failed: {error}"),
            };
            let now = self.now();
            for event in &events[..count] {
                match event.data() {
                    WAKE => self.welcome(now),
                    key => self.serve(key as usize, event.events(), now),
                }
            }
            if now != looked {
                looked = now;
                self.look(now);
            }
        }
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.close(key, End::Closed));
        self.closed
    }

    fn now(&self) -> u32 {
        // Enough for 136 years.
        self.origin.elapsed().as_secs() as u32
    }

    fn welcome(&mut self, now: u32) {
        // Read before the queue, so that what is queued after it wakes us again.
        let _ = self.shared.wake.read();
        while let Ok(Arrival { stream, peer, seed }) = self.arrivals.try_recv() {
            self.out.clear();
            let dialogue = Dialogue::open(seed, now, &mut self.out);
            let (unread, unsent) = Default::default();
            let entry = self.connections.vacant_entry();
            let key = entry.key();
            let interest = EpollEvent::new(EpollFlags::EPOLLIN, key as u64);
            let added = self.epoll.add(&stream, interest);
            entry.insert(Connection { stream, peer, dialogue, unread, unsent });
            if let Err(errno) = added {
                self.close(key, End::Io(errno.into()));
                continue;
            }
            self.answer(key);
        }
    }

    fn serve(&mut self, key: usize, ready: EpollFlags, now: u32) {
        // It may have been closed by an event before this one.
        let Some(connection) = self.connections.get_mut(key) else { return };
        let done = if connection.unsent.is_empty() {
            connection.receive(now, &mut self.buffer, &mut self.out)
        } else if ready.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
            Err(End::Closed)
        } else {
            self.out.clear();
            Ok(())
        };
        match done {
            Ok(()) => self.answer(key),
            Err(end) => self.close(key, end),
        }
    }

    /// Sends what is in `out`, after what was not sent before.
    fn answer(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.unsent.is_empty() && self.out.is_empty() {
            return;
        }
        let waited = !connection.unsent.is_empty();
        let sent = connection.send(&self.out);
        let waits = !connection.unsent.is_empty();
        let flags = if waits { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        let changed = sent.and_then(|()| {
            if waits == waited {
                return Ok(());
            }
            let mut interest = EpollEvent::new(flags, key as u64);
            self.epoll.modify(connection.stream.as_fd(), &mut interest).map_err(Into::into)
        });
        if let Err(error) = changed {
            self.close(key, End::Io(error));
        }
    }

    /// Sees to those who say nothing.
    #[cold]
    fn look(&mut self, now: u32) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.out.clear();
            let dialogue = &mut self.connections[key].dialogue;
            match dialogue.expire(now, &mut self.out) {
                Ok(()) => self.answer(key),
                Err(fault) => self.close(key, End::Fault(fault)),
            }
        }
    }

    #[cold]
    fn close(&mut self, key: usize, end: End) {
        let mut connection = self.connections.remove(key);
        // What it is to know about the reason; closing takes it off the epoll.
        if matches!(end, End::Fault(_)) {
            let _ = connection.stream.write(&self.out);
        }
        let counts = connection.dialogue.counts();
        self.closed.add(&counts);
        let peer = connection.peer;
        let who = connection.dialogue.datapath().map(|id| format!("{id:016x}"));
        let who = who.as_deref().unwrap_or("a switch that did not say its name");
        match end {
            End::Closed => tracing::info!(?counts, "{who} at {peer} is gone"),
            End::Io(error) => tracing::info!(?counts, "{who} at {peer} is gone: {error}"),
            End::Fault(fault) => tracing::warn!(?counts, "{who} at {peer} is let go: {fault}"),
        }
    }
}

impl Connection {
    /// Reads once, so that nobody waits for one who has much to say; the rest is told again.
    fn receive(&mut self, now: u32, buffer: &mut [u8], out: &mut Vec<u8>) -> Result<(), End> {
        out.clear();
        let left = self.unread.len();
        buffer[..left].copy_from_slice(&self.unread);
        let read = match self.stream.read(&mut buffer[left..left + READ]) {
            Ok(0) => return Err(End::Closed),
            Ok(read) => read,
            Err(error) if is_transient(&error) => return Ok(()),
            Err(error) => return Err(End::Io(error)),
        };
        let bytes = &buffer[..left + read];
        let taken = self.dialogue.receive(now, bytes, out).map_err(End::Fault)?;
        self.unread.clear();
        self.unread.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Sends what is left from before, and `more` after it, as much as the switch takes.
    fn send(&mut self, more: &[u8]) -> std::io::Result<()> {
        let mut sent = 0;
        if self.unsent.is_empty() {
            sent = write_some(&mut self.stream, more)?;
        } else {
            let before = write_some(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..before);
        }
        self.unsent.extend_from_slice(&more[sent..]);
        if self.unsent.is_empty() {
            // Given back: a thousand switches that were slow once would hold much else.
            self.unsent = Vec::new();
        }
        Ok(())
    }
}

fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match stream.write(bytes) {
        Err(error) if is_transient(&error) => Ok(0),
        written => written,
    }
}

fn is_transient(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
