use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};

use nearcast_machine::Span;
use nix::time::{ClockId, clock_gettime};

use crate::result::{Fidelity, Trust};

/// Watches the processors and the clock, second by second, until it is stopped.
#[derive(Debug)]
pub struct Monitor {
    thread: JoinHandle<Watched>,
    stop: Arc<AtomicBool>,
}

/// What a [`Monitor`] saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watched {
    /// Share of all processors in use, each second.
    pub cpu: Vec<f64>,
    /// Share stolen by the machine beneath, each second.
    pub stolen: Vec<f64>,
    /// The most that CLOCK_REALTIME moved against CLOCK_MONOTONIC, ns, with its sign.
    pub clock_step: i64,
}

impl Monitor {
    /// Begins to watch.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start() -> io::Result<Monitor> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let watch = move || watch(&flag);
        let thread = std::thread::Builder::new().name("fidelity".to_owned()).spawn(watch)?;
        Ok(Monitor { thread, stop })
    }

    /// Ends it.
    pub fn stop(self) -> Watched {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn watch(stop: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    let offset = clock_offset();
    let mut before = Ticks::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_secs(1));
        let step = clock_offset() - offset;
        if step.abs() > watched.clock_step.abs() {
            watched.clock_step = step;
        }
        let now = Ticks::now();
        if let (Some(before), Some(now)) = (before, now)
            && let Some((busy, stolen)) = now.shares_since(before)
        {
            watched.cpu.push(busy);
            watched.stolen.push(stolen);
        }
        before = now;
    }
    watched
}

/// CLOCK_REALTIME minus CLOCK_MONOTONIC, ns: constant unless somebody sets or slews the clock.
fn clock_offset() -> i64 {
    let nanos = |clock| {
        clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
    };
    // Read thrice, as this thread may be put aside between the two: the middle one is free of that.
    let mut offsets =
        [0; 3].map(|_: i64| nanos(ClockId::CLOCK_REALTIME) - nanos(ClockId::CLOCK_MONOTONIC));
    offsets.sort_unstable();
    offsets[1]
}

/// The first line of /proc/stat (proc_stat(5)), in ticks of all processors together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    total: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    fn now() -> Option<Ticks> {
        Ticks::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(text: &str) -> Option<Ticks> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?;
        // user nice system idle iowait irq softirq steal; guest time is part of user.
        let ticks: Vec<u64> =
            fields.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let [_, _, _, idle, iowait, _, _, stolen] = ticks[..] else { return None };
        Some(Ticks { total: ticks.iter().sum(), idle: idle + iowait, stolen })
    }

    fn shares_since(self, before: Ticks) -> Option<(f64, f64)> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)? as f64;
        let idle = self.idle.saturating_sub(before.idle) as f64;
        let stolen = self.stolen.saturating_sub(before.stolen) as f64;
        Some((((total - idle) / total).clamp(0.0, 1.0), (stolen / total).clamp(0.0, 1.0)))
    }
}

/// Packets dropped in places that no topology asks for, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drops(pub BTreeMap<String, u64>);

impl Drops {
    /// What the kernel counts in the network namespace that the calling thread is in: datagrams
    /// that found a socket's buffer full, and packets that an interface did not send. (Packets that
    /// an interface received and dropped are not told apart from those that nobody wants, such as
    /// LLDP.)
    pub fn here(place: &str, only: impl Fn(&str) -> bool) -> Drops {
        // Not /proc/net: that is the namespace of the process, not of this thread.
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
        };
        let mut drops = Drops::default();
        for (field, count) in udp_drops(&read("snmp")) {
            drops.0.insert(format!("{place} UDP {field}"), count);
        }
        for (interface, sent) in interface_drops(&read("dev")) {
            if only(interface) {
                drops.0.insert(format!("{interface}, sending"), sent);
            }
        }
        drops
    }

    /// Packets that the kernel dropped because a processor did not get to them in time.
    pub fn backlog() -> Drops {
        let table = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
        Drops([("the kernel's backlog".to_owned(), backlog_drops(&table))].into())
    }

    /// Puts `other`'s places beside these.
    pub fn join(&mut self, other: Drops) {
        self.0.extend(other.0);
    }

    /// What was dropped since `before`, where anything was.
    pub fn since(&self, before: &Drops) -> BTreeMap<String, u64> {
        let grown = self.0.iter().map(|(place, count)| {
            (place.clone(), count.saturating_sub(before.0.get(place).copied().unwrap_or(0)))
        });
        grown.filter(|(_, count)| *count > 0).collect()
    }
}

/// The socket buffer counters of /proc/net/snmp: a line of names, then one of numbers.
fn udp_drops(snmp: &str) -> Vec<(&str, u64)> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(counts)) = (lines.next(), lines.next()) else { return Vec::new() };
    let pairs = names.split_whitespace().zip(counts.split_whitespace());
    pairs
        .filter(|(name, _)| matches!(*name, "RcvbufErrors" | "SndbufErrors" | "MemErrors"))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect()
}

/// Interface and what it dropped while sending: the twelfth number of each line of /proc/net/dev.
fn interface_drops(dev: &str) -> Vec<(&str, u64)> {
    let rows = dev.lines().filter_map(|line| line.split_once(':'));
    rows.filter_map(|(name, numbers)| {
        let sending = numbers.split_whitespace().nth(11)?;
        Some((name.trim(), sending.parse().ok()?))
    })
    .collect()
}

/// The second number, in hexadecimal, of each processor's line of /proc/net/softnet_stat.
fn backlog_drops(table: &str) -> u64 {
    let dropped = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    table.lines().filter_map(dropped).sum()
}

/// More than this in use, and who runs when is a matter of luck.
const SATURATED: f64 = 0.95;
/// The share of a run's seconds in which that is tolerated: starting programs saturates for a
/// moment.
const TOLERATED: f64 = 0.05;
/// How late a link may be, a tenth of the shortest propagation in the topologies of the MIT paper.
pub const LATE: Span = Span::from_micros(800);
/// Slewing moves a clock by at most 0.5 ms a second; a step within a run would be in every delay.
const CLOCK_STEP: i64 = 1_000_000;

/// What all that was seen says of a run, in which links may be `allowed` late: what they were in ns
/// (99th percentile, and most) is `link_late`.
pub fn judge(
    watched: Watched,
    link_late: Option<(u64, u64)>,
    allowed: Span,
    unasked_drops: BTreeMap<String, u64>,
    other: Vec<String>,
) -> Fidelity {
    let mut reasons = other;
    let seconds = watched.cpu.len();
    let over = |series: &[f64], limit: f64| series.iter().filter(|share| **share > limit).count();
    let saturated = over(&watched.cpu, SATURATED);
    if saturated as f64 > seconds as f64 * TOLERATED {
        reasons.push(format!("the processors were saturated in {saturated} of {seconds} seconds"));
    }
    let stolen = over(&watched.stolen, 0.1);
    if stolen as f64 > seconds as f64 * TOLERATED {
        reasons.push(format!("the machine beneath took more than a tenth of the processors in {stolen} of {seconds} seconds"));
    }
    if let Some((p99, _)) = link_late
        && p99 > allowed.as_nanos()
    {
        reasons.push(format!(
            "links handed on packets up to {:.2} ms late (99th percentile)",
            p99 as f64 / 1e6
        ));
    }
    for (place, count) in &unasked_drops {
        reasons.push(format!("{count} packets dropped at {place}, which no topology asks for"));
    }
    if watched.clock_step.abs() > CLOCK_STEP {
        reasons.push(format!("the clock was moved by {:.3} ms", watched.clock_step as f64 / 1e6));
    }
    Fidelity {
        verdict: if reasons.is_empty() { Trust::Trusted } else { Trust::Doubtful },
        reasons,
        cpu: watched.cpu,
        stolen: watched.stolen,
        link_late_p99: link_late.map(|late| late.0),
        link_late_max: link_late.map(|late| late.1),
        unasked_drops,
        clock_step: watched.clock_step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(cpu: Vec<f64>) -> Watched {
        Watched { stolen: vec![0.0; cpu.len()], cpu, clock_step: 0 }
    }

    #[test]
    fn each_reason_for_doubt_is_said() {
        let calm = || watched(vec![0.4; 60]);
        let verdict = |w, late, drops: &[(&str, u64)]| {
            let drops = drops.iter().map(|(place, count)| ((*place).to_owned(), *count)).collect();
            judge(w, late, LATE, drops, Vec::new())
        };
        assert_eq!(verdict(calm(), Some((90_000, 400_000)), &[]).verdict, Trust::Trusted);
        let busy = verdict(watched(vec![0.99; 60]), None, &[]);
        assert!(
            busy.verdict == Trust::Doubtful && busy.reasons[0].contains("60 of 60"),
            "{busy:?}"
        );
        let late = verdict(calm(), Some((2_000_000, 9_000_000)), &[]);
        assert!(late.reasons[0].contains("2.00 ms late"), "{late:?}");
        let drops = verdict(calm(), None, &[("hv1 UDP RcvbufErrors", 3)]);
        assert!(drops.reasons[0].contains("hv1 UDP RcvbufErrors"), "{drops:?}");
        let stepped = verdict(Watched { clock_step: -2_000_000, ..calm() }, None, &[]);
        assert!(stepped.reasons[0].contains("-2.000 ms"), "{stepped:?}");
        // Two saturated seconds of sixty are those in which programs start.
        let mut cpu = vec![0.4; 58];
        cpu.extend([1.0, 1.0]);
        assert_eq!(verdict(watched(cpu), None, &[]).verdict, Trust::Trusted);
    }

    #[test]
    fn the_kernel_s_tables_are_read() {
        let before = Ticks::read("cpu  100 0 100 800 0 0 0 0 0 0\n").expect("a line");
        let after = Ticks::read("cpu  160 0 120 880 20 0 0 20 0 0\nintr 1\n").expect("a line");
        assert_eq!(after.shares_since(before), Some((0.5, 0.1)));
        assert_eq!(Ticks::read("cpu  1 2 3"), None);
        let snmp = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 9 1 5 9 4 2\n";
        assert_eq!(udp_drops(snmp), [("RcvbufErrors", 4), ("SndbufErrors", 2)]);
        let dev =
            "Inter-| Receive\n face |bytes\nhb-eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(interface_drops(dev), [("hb-eth0", 12)]);
        assert_eq!(backlog_drops("0001 000a 0000\n0001 0001 0000\n"), 11);
        assert!(!Drops::here("here", |_| true).0.is_empty(), "this machine has counters");
    }

    #[test]
    fn a_monitor_sees_this_machine() {
        let monitor = Monitor::start().expect("a thread");
        std::thread::sleep(Duration::from_millis(50));
        let watched = monitor.stop();
        assert_eq!(watched.cpu.len(), watched.stolen.len());
        assert!(watched.cpu.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(watched.clock_step.abs() < 10_000_000, "{watched:?}");
    }
}
