use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nearcast_machine::Span;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::PingSocket;
use super::socket::Arrival;
use crate::result::{PingTrain, Probe};

/// One train: pings from one host to another at a steady interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// Its address.
    pub target: Ipv4Addr,
    /// From one to the next.
    pub interval: Span,
    /// Bytes of ICMP payload.
    pub size: u32,
    /// How many.
    pub count: usize,
    /// The least round trip that the links' settings allow.
    pub floor: Span,
}

/// Trains under way, all sent by one thread at the same moments.
#[derive(Debug)]
pub struct Trains {
    thread: JoinHandle<io::Result<Vec<PingTrain>>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

/// How long after the last ping an answer is waited for, at least.
const GRACE: Duration = Duration::from_secs(1);

impl Trains {
    /// Starts all trains at `start`; each socket must have been opened in its plan's `from`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(plans: Vec<(Plan, PingSocket)>, start: Instant) -> io::Result<Trains> {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicUsize::new(0));
        let (flag, counter) = (stop.clone(), sent.clone());
        let thread = std::thread::Builder::new()
            .name("pings".to_owned())
            .spawn(move || run(plans, start, &flag, &counter))?;
        Ok(Trains { thread, stop, sent })
    }

    /// How many pings each train has sent at least.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether all pings were sent and answered, or given up.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Sends no more, waits for answers that are on their way, and gives what was measured.
    ///
    /// # Errors
    /// Whatever a socket answered.
    pub fn stop(self) -> io::Result<Vec<PingTrain>> {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits until all pings were sent and answered, or given up.
    ///
    /// # Errors
    /// Whatever a socket answered.
    pub fn finish(self) -> io::Result<Vec<PingTrain>> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Sending {
    plan: Plan,
    socket: PingSocket,
    /// When each ping was handed over, or, once the kernel has told, left; and its answer's time.
    probes: Vec<(u64, Option<u64>)>,
    /// Sends that went into the socket, which is how the kernel counts them.
    departures: Vec<usize>,
}

impl Sending {
    fn send(&mut self) {
        let number = self.probes.len();
        self.probes.push((now(), None));
        // An unreachable target or a full queue is a lost ping, not the end of the train.
        if self.socket.send(number as u16, self.plan.size).is_ok() {
            self.departures.push(number);
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.socket.receive() {
                Ok(Some(Arrival::Reply(sequence, at))) => self.answered(sequence, at),
                Ok(Some(Arrival::Departed(count, at))) => {
                    let number = self.departures.get(count as usize);
                    if let Some(probe) = number.and_then(|number| self.probes.get_mut(*number)) {
                        probe.0 = at;
                    }
                }
                Ok(None) => return Ok(()),
                // What ICMP says of a target (unreachable and the like) comes as errors: lost
                // pings.
                Err(error) if error.raw_os_error().is_some_and(is_of_the_network) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn answered(&mut self, sequence: u16, at: u64) {
        // The latest ping of this number: 65536 pings later an answer would be another's.
        let latest = self.probes.len().checked_sub(1);
        let number = latest.and_then(|latest| {
            let back = (latest as u16).wrapping_sub(sequence);
            latest.checked_sub(usize::from(back))
        });
        if let Some(probe) = number.and_then(|number| self.probes.get_mut(number)) {
            probe.1.get_or_insert(at);
        }
    }

    fn waits(&self) -> bool {
        self.probes.iter().rev().take(1024).any(|probe| probe.1.is_none())
    }

    fn finish(self) -> PingTrain {
        let probes = self.probes.into_iter().map(|(sent, answered)| Probe {
            sent,
            rtt: answered.map(|at| at.saturating_sub(sent)),
        });
        PingTrain {
            from: self.plan.from,
            to: self.plan.to,
            interval: self.plan.interval.as_nanos(),
            size: self.plan.size,
            floor: self.plan.floor.as_nanos(),
            probes: probes.collect(),
        }
    }
}

fn is_of_the_network(errno: i32) -> bool {
    use nix::libc::{ECONNREFUSED, EHOSTUNREACH, ENETDOWN, ENETUNREACH};
    [ECONNREFUSED, EHOSTUNREACH, ENETDOWN, ENETUNREACH].contains(&errno)
}

fn run(
    plans: Vec<(Plan, PingSocket)>,
    start: Instant,
    stop: &AtomicBool,
    counter: &AtomicUsize,
) -> io::Result<Vec<PingTrain>> {
    let mut trains: Vec<Sending> = plans
        .into_iter()
        .map(|(plan, socket)| Sending { plan, socket, probes: Vec::new(), departures: Vec::new() })
        .collect();
    let mut last_sent = start;
    loop {
        let stopped = stop.load(Ordering::Relaxed);
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        for train in &mut trains {
            let due = |number: usize| start + Duration::from(train.plan.interval * number as u64);
            let more = !stopped && train.probes.len() < train.plan.count;
            if more && due(train.probes.len()) <= now {
                train.send();
                last_sent = now;
            }
            if !stopped && train.probes.len() < train.plan.count {
                let due = start + Duration::from(train.plan.interval * train.probes.len() as u64);
                next = Some(next.map_or(due, |next| next.min(due)));
            }
            train.drain()?;
        }
        counter.store(
            trains.iter().map(|train| train.probes.len()).min().unwrap_or(0),
            Ordering::Relaxed,
        );
        let slowest = trains.iter().map(|train| train.plan.floor).max().unwrap_or_default();
        let give_up = last_sent + GRACE.max(Duration::from(slowest * 4));
        if next.is_none() && (now >= give_up || !trains.iter().any(Sending::waits)) {
            return Ok(trains.into_iter().map(Sending::finish).collect());
        }
        wait(&trains, next.unwrap_or(give_up))?;
    }
}

/// Until something comes back or `deadline`, at most a tenth of a second, to look at the flag.
fn wait(trains: &[Sending], deadline: Instant) -> io::Result<()> {
    let mut polled: Vec<PollFd<'_>> =
        trains.iter().map(|train| PollFd::new(train.socket.as_fd(), PollFlags::POLLIN)).collect();
    let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
    let millis = left.as_micros().div_ceil(1000) as u16;
    match poll(&mut polled, PollTimeout::from(millis)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(target: Ipv4Addr, count: usize) -> Plan {
        Plan {
            from: "here".to_owned(),
            to: "there".to_owned(),
            target,
            interval: Span::from_millis(2),
            size: 56,
            count,
            floor: Span::ZERO,
        }
    }

    /// Raw sockets need root, as does everything else that nearcast runs.
    fn open(target: Ipv4Addr, id: u16) -> Option<PingSocket> {
        match PingSocket::open(target, id) {
            Ok(socket) => Some(socket),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("skipped: raw sockets need root");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn this_machine_answers_at_once_and_two_trains_do_not_mix() {
        let target = Ipv4Addr::LOCALHOST;
        let (Some(a), Some(b)) = (open(target, 0x4E43), open(target, 0x4E44)) else { return };
        let trains =
            Trains::start(vec![(plan(target, 50), a), (plan(target, 30), b)], Instant::now());
        let trains = trains.expect("started").finish().expect("measured");
        assert_eq!(trains.iter().map(|train| train.probes.len()).collect::<Vec<_>>(), [50, 30]);
        for probe in trains.iter().flat_map(|train| &train.probes) {
            let rtt = probe.rtt.expect("loopback loses nothing");
            assert!(rtt < 20_000_000, "{rtt} ns on loopback");
        }
    }

    #[test]
    fn whoever_does_not_answer_is_lost_and_a_train_can_be_stopped() {
        // In a new network namespace not even loopback is up.
        let target = Ipv4Addr::LOCALHOST;
        let alone = move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
            open(target, 0x4E45)
        };
        let opened = std::thread::spawn(alone).join().expect("it does not panic");
        let Some(socket) = opened else { return };
        let plans = vec![(plan(target, 1_000_000), socket)];
        let trains = Trains::start(plans, Instant::now()).expect("started");
        while trains.sent() < 3 {
            std::thread::yield_now();
        }
        let trains = trains.stop().expect("measured");
        assert!((3..1000).contains(&trains[0].probes.len()));
        assert!(trains[0].probes.iter().all(|probe| probe.rtt.is_none()));
    }
}
