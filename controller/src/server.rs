use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nearcast_fabric::{ConnectionId, Event, Fabric, Input, Output};
use nearcast_machine::{Machine, Span, Time};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

use crate::connection::{self, Arrival, Writer};
use crate::journal::Direction;
use crate::{Error, Journal, Settings};

/// Connections waiting to be accepted: a thousand switches may come back at once.
const BACKLOG: u32 = 1024;
/// Messages read and not handled yet. Beyond that reading waits, and TCP holds the switches back.
const ARRIVALS: usize = 4096;

/// The controller on its sockets.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    fabric: Fabric,
    journal: Journal,
    clock: Clock,
    writers: BTreeMap<ConnectionId, Writer>,
    next_connection: u64,
}

impl Server {
    /// Opens the socket for switches and the file for events.
    ///
    /// # Errors
    /// If either cannot be opened.
    pub fn bind(settings: Settings) -> Result<Server, Error> {
        let address = settings.listen;
        let journal = Journal::create(settings.events.as_deref())?;
        let listener = listen(address).map_err(|source| Error::Listen { address, source })?;
        Ok(Server {
            listener,
            fabric: Fabric::new(settings.fabric),
            journal,
            clock: Clock::start(),
            writers: BTreeMap::new(),
            next_connection: 1,
        })
    }

    /// The address that switches connect to.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves switches until `stop` is done. What they hold then, they keep.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let (sender, mut arrivals) = mpsc::channel::<Arrival>(ARRIVALS);
        tokio::pin!(stop);
        loop {
            let deadline = self.fabric.deadline().map(|due| self.clock.instant(due));
            let due = async {
                match deadline {
                    Some(instant) => tokio::time::sleep_until(instant.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some((read_at, input)) = arrivals.recv() => self.arrived(read_at, input),
                () = due => {
                    self.fabric.expire(self.clock.now());
                    self.drain(None);
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accepted(stream, peer, &sender),
                    Err(error) => {
                        // Out of descriptors, most likely: those that are there go on.
                        tracing::warn!("cannot accept a switch: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        self.journal.summary(self.clock.now(), self.fabric.packet_ins());
    }

    fn accepted(
        &mut self,
        stream: tokio::net::TcpStream,
        peer: SocketAddr,
        arrivals: &mpsc::Sender<Arrival>,
    ) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        tracing::debug!("connection {} from {peer}", id.0);
        match connection::start(id, stream, arrivals.clone()) {
            Ok(writer) => {
                self.writers.insert(id, writer);
                self.fabric.handle(self.clock.now(), Input::Connected(id));
                self.drain(None);
            }
            Err(error) => tracing::warn!("connection from {peer}: {error}"),
        }
    }

    fn arrived(&mut self, read_at: Instant, input: Input) {
        match &input {
            Input::Message(_, message) => self.journal.count(Direction::Received, message),
            Input::Gone(id, _) => drop(self.writers.remove(id)),
            Input::Connected(_) | Input::Undecodable(..) => {}
        }
        self.fabric.handle(self.clock.now(), input);
        self.drain(Some(read_at));
    }

    /// Does everything that the fabric asks for.
    fn drain(&mut self, read_at: Option<Instant>) {
        let mut events: Vec<Event> = Vec::new();
        let mut sends: BTreeMap<ConnectionId, Vec<u8>> = BTreeMap::new();
        let mut closing = Vec::new();
        while let Some(output) = self.fabric.poll() {
            match output {
                Output::Send(id, message) => {
                    self.journal.count(Direction::Sent, &message);
                    message.encode(sends.entry(id).or_default());
                }
                Output::Close(id) => closing.push(id),
                Output::Event(event) => events.push(event),
            }
        }
        let mut slow = Vec::new();
        for (id, bytes) in sends {
            if self.writers.get(&id).is_some_and(|writer| writer.send(bytes).is_err()) {
                slow.push(id);
            }
        }
        for id in closing {
            self.writers.remove(&id);
        }
        let handled = read_at.map(|read_at| Span::from(read_at.elapsed()));
        let now = self.clock.now();
        for event in &events {
            self.journal.event(now, event, handled);
        }
        for id in slow {
            self.writers.remove(&id);
            let reason = "it does not take what it is sent".to_owned();
            self.fabric.handle(self.clock.now(), Input::Gone(id, reason));
            self.drain(None);
        }
    }
}

pub(crate) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted controller need not wait for its old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// CLOCK_REALTIME as it was at the start, carried on by the monotonic clock: comparable with what
/// others write, and never going backwards.
#[derive(Debug, Clone, Copy)]
struct Clock {
    started: Instant,
    origin: Time,
}

impl Clock {
    fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin = Time::ZERO + Span::from(since_epoch);
        Clock { started: Instant::now(), origin }
    }

    fn now(self) -> Time {
        self.origin + Span::from(self.started.elapsed())
    }

    fn instant(self, time: Time) -> Instant {
        self.started + Duration::from(time.since(self.origin))
    }
}
