use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nearcast_machine::{Seed, Time};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::clock::{self, Alarm};
use super::error::DriverError;
use super::host::{self, Realtime};
use super::links::Links;
use super::request::World;
use super::server::Server;

/// How the link process is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen for requests.
    pub socket: PathBuf,
    /// Where loss, jitter, duplication and reordering come from: each link derives its own from it
    /// by name. Jitter follows the machine's monotonic clock besides, so live runs do not repeat
    /// it.
    pub seed: Seed,
    /// Whether to be scheduled in real time, on processors that wake at once.
    pub realtime: Realtime,
    /// Captures every link to `NAME.pcap` in this folder.
    pub pcap_dir: Option<PathBuf>,
    /// Ends when the process that started this one does.
    pub with_parent: bool,
}

/// The link process: waits for frames, deadlines and requests, and does nothing else.
///
/// It sleeps until a deadline and does not spin before it: with real-time scheduling, and
/// processors that it keeps from deep sleep, packets leave 0.02 ms late at the median
/// (docs/link.md), and spinning would take a processor from the hosts whose traffic it carries.
pub struct Driver {
    epoll: Epoll,
    alarm: Alarm,
    /// These only have to stay open: that the first two are reported says it all.
    _signals: SignalFd,
    _parent: Option<OwnedFd>,
    _awake: Option<File>,
    server: Server,
    links: Links,
    started: Time,
    realtime: bool,
}

/// What `epoll` reports: the kind in the upper half of its token, a number in the lower.
#[derive(Clone, Copy)]
enum Source {
    Alarm = 0,
    Signal = 1,
    Parent = 2,
    Listener = 3,
    Client = 4,
    Interface = 5,
}

impl Source {
    fn token(self, number: usize) -> u64 {
        (self as u64) << 32 | number as u64
    }

    fn of(token: u64) -> (Source, usize) {
        let source = match token >> 32 {
            0 => Source::Alarm,
            1 => Source::Signal,
            2 => Source::Parent,
            3 => Source::Listener,
            4 => Source::Client,
            _ => Source::Interface,
        };
        (source, token as u32 as usize)
    }
}

fn client_token(number: usize) -> u64 {
    Source::Client.token(number)
}

fn interface_token(number: usize) -> u64 {
    Source::Interface.token(number)
}

impl Driver {
    /// Listens for requests; there are no links yet. SIGTERM, SIGINT and SIGHUP are from now on
    /// taken by [`run`](Driver::run), in every thread that the calling one starts.
    ///
    /// # Errors
    /// If the process lacks the rights, the socket is taken, or the kernel refuses.
    pub fn new(options: Options) -> Result<Driver, DriverError> {
        let parent = options.with_parent.then(host::watch_parent).transpose()?;
        host::check_privileges()?;
        host::allow_descriptors();
        let server = Server::new(&options.socket)?;

        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTERM);
        mask.add(Signal::SIGINT);
        mask.add(Signal::SIGHUP);
        mask.thread_block().map_err(DriverError::system("block signals"))?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(DriverError::system("receive signals"))?;

        let alarm = Alarm::new().map_err(DriverError::system("make a timer"))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(DriverError::system("make an epoll"))?;
        let watch = |result: Result<(), Errno>| result.map_err(DriverError::system("use epoll"));
        let event = |source: Source| EpollEvent::new(EpollFlags::EPOLLIN, source.token(0));
        // Reported once each: the alarm is not read, and the listener may be out of descriptors.
        let once = |source: Source| {
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, source.token(0))
        };
        watch(epoll.add(&alarm, once(Source::Alarm)))?;
        watch(epoll.add(&server, once(Source::Listener)))?;
        watch(epoll.add(&signals, event(Source::Signal)))?;
        if let Some(parent) = &parent {
            watch(epoll.add(parent, event(Source::Parent)))?;
        }

        let realtime = host::keep_time(options.realtime)?;
        let awake = host::stay_awake(options.realtime);
        let links = Links::new(options.seed, options.pcap_dir);
        let started = clock::now();
        Ok(Driver {
            epoll,
            alarm,
            _signals: signals,
            _parent: parent,
            _awake: awake,
            server,
            links,
            started,
            realtime,
        })
    }

    /// Whether the kernel granted real-time scheduling.
    pub fn is_realtime(&self) -> bool {
        self.realtime
    }

    /// Runs the links until it is told to quit, by request or signal, or the parent ends.
    ///
    /// # Errors
    /// If the kernel refuses to wait.
    pub fn run(mut self) -> Result<(), DriverError> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let next = self.links.release_due();
            self.alarm.set(next).map_err(DriverError::system("set a timer"))?;
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(DriverError::system("wait")(errno)),
            };
            for event in &events[..count] {
                match Source::of(event.data()) {
                    (Source::Alarm, _) => self.alarm.rang(),
                    (Source::Interface, number) => self.links.receive(number, &self.epoll),
                    (Source::Listener, _) => self.server.accept(&self.epoll, client_token),
                    (Source::Client, number) => {
                        if self.converse(number) {
                            return Ok(());
                        }
                    }
                    (Source::Signal | Source::Parent, _) => return Ok(()),
                }
                // A burst or a request takes its time, and what came due meanwhile does not wait
                // for the rest of the events.
                self.links.release_due();
            }
        }
    }

    /// Answers what a client asked. Whether it asked to quit.
    fn converse(&mut self, number: usize) -> bool {
        self.server.transfer(number);
        while let Some(line) = self.server.next_line(number) {
            let mut world = World {
                links: &mut self.links,
                epoll: &self.epoll,
                token: interface_token,
                started: self.started,
                realtime: self.realtime,
            };
            let (reply, quit) = world.answer(&line);
            self.server.reply(number, &reply);
            if quit {
                return true;
            }
            self.links.release_due();
        }
        self.server.settle(number, &self.epoll, client_token);
        false
    }
}
