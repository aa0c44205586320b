use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nearcast_fabric::{Config, ConnectionId, Ending, Event, Fabric, Input, Output, Standing, Turn};
use nearcast_machine::{Machine, Span, Time};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::connection::{self, Arrival, Stream, Writer};
use crate::journal::Direction;
use crate::north::{self, Glance, North, QUESTIONS, Question, Queue, Token};
use crate::rival::{Asked, Duel, Heard};
use crate::tls::{self, Tls};
use crate::{Error, Journal, Settings};

/// Connections waiting to be accepted: a thousand switches may come back at once.
const BACKLOG: u32 = 1024;
/// Messages read and not handled yet. Beyond that reading waits, and TCP holds the switches back.
const ARRIVALS: usize = 4096;
/// Messages handled before what follows from them is sent, and bytes beyond which it is in any
/// case.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

/// Lines of the other controller that wait to be taken in.
const HEARD: usize = 256;

/// TLS handshakes at once.
const HANDSHAKES: usize = 256;
/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The controller on its sockets.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    http: Option<TcpListener>,
    token: Option<Token>,
    tls: Option<Tls>,
    duel: Option<Duel>,
    config: Config,
    fabric: Fabric,
    journal: Journal,
    clock: Clock,
    writers: BTreeMap<ConnectionId, Writer>,
    next_connection: u64,
    /// When the last message that was handed to the fabric was read.
    handled_until: Instant,
}

/// What the fabric asks for, of several messages.
#[derive(Debug, Default)]
struct Batch {
    sends: BTreeMap<ConnectionId, Vec<u8>>,
    /// In all of them.
    bytes: usize,
    closing: Vec<ConnectionId>,
    unresponsive: Vec<(ConnectionId, String)>,
    /// Events, and when the message that led to each was read.
    events: Vec<(Event, Option<Instant>)>,
    generation: Option<u64>,
}

/// What became of a TLS handshake.
type Secured = (SocketAddr, std::io::Result<Box<dyn Stream>>);

impl Server {
    /// Opens the sockets and the file for events.
    ///
    /// # Errors
    /// If one cannot be opened, and if the files for TLS cannot be used.
    pub fn bind(settings: Settings) -> Result<Server, Error> {
        let open = |address| listen(address).map_err(|source| Error::Listen { address, source });
        let journal = Journal::create(settings.events.as_deref())?;
        let clock = Clock::start();
        let mut fabric = Fabric::new(settings.fabric.clone());
        let duel = match settings.rival {
            None => None,
            Some(rival) => {
                fabric.handle(clock.now(), Input::Stand);
                let (listener, limits) = (open(rival.listen)?, &settings.fabric.limits);
                Some(Duel::new(rival, listener, settings.seed_of_rank, limits, clock.now()))
            }
        };
        Ok(Server {
            listener: open(settings.listen)?,
            http: settings.http.map(open).transpose()?,
            token: settings.http_token_file.as_deref().map(Token::read).transpose()?,
            tls: settings.tls.as_ref().map(Tls::load).transpose()?,
            duel,
            config: settings.fabric,
            fabric,
            journal,
            clock,
            writers: BTreeMap::new(),
            next_connection: 1,
            handled_until: Instant::now(),
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
        let (secured, mut handshakes) = mpsc::channel::<Secured>(HANDSHAKES);
        let (questions, mut asked) = mpsc::channel::<Question>(QUESTIONS);
        let (told, mut heard) = mpsc::channel::<Heard>(HEARD);
        let (listening, mut listeners) = mpsc::channel::<Asked>(1);
        let permits = Arc::new(Semaphore::new(HANDSHAKES));
        let mut tasks = JoinSet::new();
        if let Some(listener) = self.http.take() {
            let events = self.journal.followers().clone();
            let north = North::new(questions.clone(), events, self.token);
            tasks.spawn(north::serve(listener, north));
        }
        if let Some(duel) = &mut self.duel {
            duel.start(self.tls.clone(), told.clone(), listening.clone(), &mut tasks);
        }
        tokio::pin!(stop);
        loop {
            let election = self.duel.as_ref().and_then(Duel::deadline);
            let deadline = self.fabric.deadline().into_iter().chain(election).min();
            let due = async {
                match deadline {
                    Some(due) => tokio::time::sleep_until(self.clock.instant(due).into()).await,
                    None => std::future::pending().await,
                }
            };
            // In no order of preference: whoever floods us with one kind must not shut out the
            // others.
            tokio::select! {
                () = &mut stop => break,
                Some(first) = arrivals.recv() => {
                    self.arrived(first, &mut arrivals);
                    // Those who read and write have their turn, however much there is to be
                    // handled: what switches say must be read before any of them counts as silent.
                    tokio::task::yield_now().await;
                }
                Some(question) = asked.recv() => self.answer(question),
                Some(heard) = heard.recv() => {
                    let now = self.clock.now();
                    let turn = self.duel.as_mut().and_then(|duel| duel.heard(now, heard));
                    self.take_turn(turn);
                }
                Some(asked) = listeners.recv() => if let Some(duel) = &self.duel {
                    duel.answer(asked, self.fabric.replica());
                },
                () = due => {
                    let now = self.clock.now();
                    // What waits was read after what was handed in last.
                    let waits = !arrivals.is_empty();
                    self.fabric.behind(waits.then(|| self.clock.time(self.handled_until)));
                    self.fabric.expire(now);
                    self.drain();
                    let turn = self.duel.as_mut().and_then(|duel| duel.expire(now));
                    self.take_turn(turn);
                }
                Some((peer, stream)) = handshakes.recv() => match stream {
                    Ok(stream) => self.connected(stream, &sender),
                    Err(error) => self.refused(tls::refused(peer, &error)),
                },
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accepted(stream, peer, &sender, &secured, &permits),
                    Err(error) => {
                        // Out of descriptors, most likely: those that are there go on.
                        tracing::warn!("cannot accept a switch: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        self.stop().await;
    }

    /// Says what was counted, and sends what is still queued.
    async fn stop(mut self) {
        self.journal.summary(self.clock.now(), self.fabric.packet_ins());
        let writers = std::mem::take(&mut self.writers).into_values();
        let finishing: Vec<_> = writers.filter_map(Writer::finish).collect();
        for writer in finishing {
            // They end by themselves, all in the same time.
            let _ = writer.await;
        }
    }

    fn accepted(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        arrivals: &mpsc::Sender<Arrival>,
        secured: &mpsc::Sender<Secured>,
        permits: &Arc<Semaphore>,
    ) {
        tracing::debug!("connection from {peer}");
        if let Err(error) = connection::prepare(&stream) {
            tracing::warn!("connection from {peer}: {error}");
            return;
        }
        let Some(tls) = self.tls.clone() else {
            self.connected(Box::new(stream), arrivals);
            return;
        };
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            self.refused(format!("TLS with {peer}: there are as many handshakes as may be"));
            return;
        };
        let secured = secured.clone();
        tokio::spawn(async move {
            let handshake = tokio::time::timeout(HANDSHAKE, tls.acceptor.accept(stream)).await;
            let stream = match handshake {
                Ok(Ok(stream)) => Ok(Box::new(stream) as Box<dyn Stream>),
                Ok(Err(error)) => Err(error),
                Err(late) => Err(late.into()),
            };
            drop(permit);
            // If nobody listens any more the controller is stopping.
            let _ = secured.send((peer, stream)).await;
        });
    }

    fn next_connection(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        id
    }

    fn connected(&mut self, stream: Box<dyn Stream>, arrivals: &mpsc::Sender<Arrival>) {
        let id = self.next_connection();
        self.writers.insert(id, connection::start(id, stream, arrivals.clone()));
        self.fabric.handle(self.clock.now(), Input::Connected(id));
        self.drain();
    }

    /// Tells of a connection that did not come as far as the fabric.
    fn refused(&mut self, reason: String) {
        let connection = self.next_connection().0;
        let event = Event::ConnectionRefused { connection, cause: Ending::Handshake, reason };
        self.journal.event(self.clock.now(), &event, None);
    }

    /// Handles what came and what waits behind it, and sends what follows from all of that at once:
    /// a thousand switches to be told of ten hosts are written to once each, and not ten times.
    fn arrived(&mut self, first: Arrival, arrivals: &mut mpsc::Receiver<Arrival>) {
        let mut batch = Batch::default();
        let mut next = Some(first);
        let mut count = 0;
        while let Some((read_at, input)) = next {
            match &input {
                Input::Message(_, message) => self.journal.count(Direction::Received, message),
                Input::Gone(id, ..) => drop(self.writers.remove(id)),
                _ => {}
            }
            self.handled_until = self.handled_until.max(read_at);
            let waits = !arrivals.is_empty();
            self.fabric.behind(waits.then(|| self.clock.time(self.handled_until)));
            self.fabric.handle(self.clock.now(), input);
            self.gather(&mut batch, Some(read_at));
            count += 1;
            let more = count < BATCH && batch.bytes < BATCH_BYTES;
            next = more.then(|| arrivals.try_recv().ok()).flatten();
        }
        self.release(batch);
    }

    /// Does everything that the fabric asks for.
    fn drain(&mut self) {
        let mut batch = Batch::default();
        self.gather(&mut batch, None);
        self.release(batch);
    }

    /// Takes what the fabric asks for since the message that was read at that time.
    fn gather(&mut self, batch: &mut Batch, read_at: Option<Instant>) {
        while let Some(output) = self.fabric.poll() {
            match output {
                Output::Send(id, message) => {
                    self.journal.count(Direction::Sent, &message);
                    let bytes = batch.sends.entry(id).or_default();
                    let before = bytes.len();
                    message.encode(bytes);
                    batch.bytes += bytes.len() - before;
                }
                Output::Close(id) => batch.closing.push(id),
                Output::Unresponsive(id, reason) => batch.unresponsive.push((id, reason)),
                Output::Event(event) => batch.events.push((event, read_at)),
                Output::Generation(seen) => batch.generation = batch.generation.max(Some(seen)),
                Output::Replicate(update) => {
                    if let Some(duel) = &self.duel {
                        duel.tell(update);
                    }
                }
            }
        }
    }

    /// Does what was asked for.
    fn release(&mut self, batch: Batch) {
        let mut slow = Vec::new();
        for (id, bytes) in batch.sends {
            if self.writers.get(&id).is_some_and(|writer| writer.send(bytes).is_err()) {
                slow.push(id);
            }
        }
        for id in batch.closing {
            self.writers.remove(&id);
        }
        let now = self.clock.now();
        for (event, read_at) in &batch.events {
            let handled = read_at.map(|read_at| Span::from(read_at.elapsed()));
            self.journal.event(now, event, handled);
        }
        for (id, reason) in batch.unresponsive {
            if self.writers.get_mut(&id).is_some_and(Writer::is_taken) {
                self.fabric.spare(id);
            } else {
                self.end(id, Ending::Silent, reason);
            }
        }
        for id in slow {
            let waiting = self.writers.get(&id).map_or(0, Writer::queued);
            let reason = format!("it does not take what it is sent: {waiting} bytes wait for it");
            self.end(id, Ending::Slow, reason);
        }
        if let Some((seen, duel)) = batch.generation.zip(self.duel.as_mut()) {
            let turn = duel.seen(now, seen);
            self.take_turn(turn);
        }
    }

    /// Ends a connection, and what waits for it.
    fn end(&mut self, id: ConnectionId, cause: Ending, reason: String) {
        if let Some(writer) = self.writers.remove(&id) {
            writer.cut();
        }
        self.fabric.handle(self.clock.now(), Input::Gone(id, cause, reason));
        self.drain();
    }

    fn answer(&mut self, question: Question) {
        let queue = |(id, switch)| {
            self.writers.get(&id).map(|writer| Queue { switch, bytes: writer.queued() })
        };
        let standing = match self.fabric.standing() {
            Standing::Alone => north::Standing::Alone,
            Standing::Master(_) => north::Standing::Master,
            Standing::Slave => north::Standing::Slave,
        };
        question(&Glance {
            fabric: &self.fabric,
            journal: &self.journal,
            started: self.clock.started,
            queues: self.fabric.introduced().into_iter().filter_map(queue).collect(),
            standing,
            told: self.duel.as_ref().map_or(0, Duel::known),
        });
    }

    /// Does what an election came to, and has it told to the other controller.
    fn take_turn(&mut self, turn: Option<Turn>) {
        let now = self.clock.now();
        match turn {
            None => {}
            Some(Turn::Lead(generation)) => {
                let incarnation = self.clock.incarnation();
                let lease = self.config.lease;
                let Some(duel) = &mut self.duel else { return };
                let replica = Box::new(duel.replica(now, lease));
                self.fabric.handle(now, Input::Lead { generation, incarnation, replica });
                self.drain();
            }
            Some(Turn::Stand) => {
                // What this one knows is of no use any more: the other changes it. The switches
                // come back at once, and find a controller that stands by.
                std::mem::take(&mut self.writers).into_values().for_each(Writer::cut);
                self.fabric = Fabric::new(self.config.clone());
                self.fabric.handle(now, Input::Stand);
                if let Some(duel) = &self.duel {
                    duel.tell_nothing();
                    let event = Event::Standing { role: "slave", generation: duel.generation() };
                    self.journal.event(now, &event, None);
                }
            }
        }
        if let Some(duel) = &self.duel {
            duel.tell_claim();
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

    /// Seconds since 1970: above that of every controller before, unless the clock was set back.
    fn incarnation(self) -> u32 {
        let seconds = self.now().since(Time::ZERO).as_nanos() / 1_000_000_000;
        u32::try_from(seconds).unwrap_or(u32::MAX / 2)
    }

    fn time(self, instant: Instant) -> Time {
        self.origin + Span::from(instant.saturating_duration_since(self.started))
    }

    fn instant(self, time: Time) -> Instant {
        self.started + Duration::from(time.since(self.origin))
    }
}
