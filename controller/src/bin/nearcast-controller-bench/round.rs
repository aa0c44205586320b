//! One measurement: so many switches, one controller, so long.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::check::Tally;
use crate::fake::Fake;
use crate::traffic::Traffic;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Each switch keeps many packets waiting.
    Throughput,
    /// Each switch asks about one packet at a time.
    Latency,
}

impl Mode {
    /// Packets of a switch that may wait: enough to keep the controller busy while the others are
    /// looked after.
    fn window(self) -> u32 {
        match self {
            Mode::Throughput => 4096,
            Mode::Latency => 1,
        }
    }
}

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) switches: u16,
    pub(crate) traffic: Traffic,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// Whether answers must be right.
    pub(crate) strict: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Packet-ins answered per second.
    pub(crate) rate: f64,
    /// All answers, those of the warm-up included.
    pub(crate) tally: Tally,
    /// Packet-ins that were never answered.
    pub(crate) lost: u64,
}

/// Bytes written at once, and read at once.
const WRITE: usize = 64 << 10;
const READ: usize = 256 << 10;
/// How long the controller may take to greet, and to answer what is left.
const PATIENCE: Duration = Duration::from_secs(5);

struct Link {
    stream: TcpStream,
    fake: Fake,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    /// Whether epoll was told to wait for room.
    blocked: bool,
}

/// Measures the controller at `address`.
pub(crate) fn measure(address: SocketAddr, plan: &Plan) -> Result<Outcome, String> {
    let mut round = Round::connect(address, plan)?;
    round.run_until(Instant::now() + PATIENCE, 0, |links| {
        links.iter().all(|link| link.fake.is_ready())
    })?;
    if let Some(at) = round.links.iter().position(|link| !link.fake.is_ready()) {
        return Err(format!("switch {} was not greeted, or its broadcasts not answered", at + 1));
    }
    let window = plan.mode.window();
    round.run_until(Instant::now() + plan.warm_up, window, |_| false)?;
    let (before, start) = (round.answered(), Instant::now());
    round.run_until(start + plan.time, window, |_| false)?;
    let (answers, taken) = (round.answered() - before, start.elapsed());
    round.run_until(Instant::now() + PATIENCE, 0, |links| {
        links.iter().all(|link| link.fake.outstanding() == 0)
    })?;
    let mut outcome = Outcome { rate: answers as f64 / taken.as_secs_f64(), ..Outcome::default() };
    for link in &round.links {
        let tally = link.fake.tally();
        outcome.tally.right += tally.right;
        outcome.tally.wrong += tally.wrong;
        if outcome.tally.first_wrong.is_none() {
            outcome.tally.first_wrong.clone_from(&tally.first_wrong);
        }
        outcome.lost += u64::from(link.fake.outstanding());
    }
    Ok(outcome)
}

struct Round {
    epoll: Epoll,
    links: Vec<Link>,
    buffer: Vec<u8>,
}

impl Round {
    fn connect(address: SocketAddr, plan: &Plan) -> Result<Round, String> {
        let failed = |error| format!("cannot connect to {address}: {error}");
        let epoll = Epoll::new(EpollCreateFlags::empty()).map_err(|errno| errno.to_string())?;
        let mut links = Vec::new();
        for number in 0..plan.switches {
            let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
            stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(failed)?;
            let interest = EpollEvent::new(EpollFlags::EPOLLIN, number.into());
            epoll.add(&stream, interest).map_err(|errno| errno.to_string())?;
            let mut unsent = Vec::new();
            let fake = Fake::open(number + 1, plan.traffic, plan.strict, &mut unsent);
            links.push(Link { stream, fake, unread: Vec::new(), unsent, blocked: false });
        }
        let buffer = vec![0; READ + (64 << 10)];
        let mut round = Round { epoll, links, buffer };
        (0..round.links.len()).try_for_each(|place| round.send(place, 0))?;
        Ok(round)
    }

    fn answered(&self) -> u64 {
        self.links.iter().map(|link| link.fake.tally().right).sum()
    }

    /// Asks, keeping `window` packets of each switch waiting, until `end` or `done`.
    fn run_until(
        &mut self,
        end: Instant,
        window: u32,
        done: impl Fn(&[Link]) -> bool,
    ) -> Result<(), String> {
        for place in 0..self.links.len() {
            self.send(place, window)?;
        }
        let mut events = [EpollEvent::empty(); 64];
        while Instant::now() < end && !done(&self.links) {
            // Without waiting, as cbench: what is measured is when the controller wakes, not we.
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO);
            let count = count.map_err(|errno| format!("waiting failed: {errno}"))?;
            for event in &events[..count] {
                let place = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLIN) {
                    self.receive(place)?;
                }
                self.send(place, window)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, place: usize) -> Result<(), String> {
        let link = &mut self.links[place];
        let left = link.unread.len();
        self.buffer[..left].copy_from_slice(&link.unread);
        let read = match link.stream.read(&mut self.buffer[left..left + READ]) {
            Ok(0) => return Err(format!("the controller let switch {} go", place + 1)),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("switch {}: {error}", place + 1)),
        };
        let bytes = &self.buffer[..left + read];
        let taken = link.fake.receive(bytes, &mut link.unsent);
        let taken = taken.map_err(|error| format!("the controller sends no OpenFlow: {error}"))?;
        link.unread.clear();
        link.unread.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    fn send(&mut self, place: usize, window: u32) -> Result<(), String> {
        let link = &mut self.links[place];
        link.fake.ask(window, WRITE, &mut link.unsent);
        if !link.unsent.is_empty() {
            match link.stream.write(&link.unsent) {
                Ok(sent) => drop(link.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("switch {}: {error}", place + 1)),
            }
        }
        if link.unsent.is_empty() == link.blocked {
            link.blocked = !link.blocked;
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, link.blocked);
            let mut interest = EpollEvent::new(flags, place as u64);
            self.epoll
                .modify(&link.stream, &mut interest)
                .map_err(|errno| format!("waiting failed: {errno}"))?;
        }
        Ok(())
    }
}
