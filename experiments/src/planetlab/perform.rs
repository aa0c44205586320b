//! One run of one system: everybody joins, stays, and is asked to leave.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nearcast_link::{Request, Stats};
use nearcast_media::StreamName;
use nearcast_topologies::Topology;
use nix::sys::signal::Signal;

use super::collect;
use super::network::{SEED, topology};
use super::plan::Plan;
use super::population::Population;
use super::result::{Flavour, MeshRun, label};
use super::stage::{Setup, Stage};
use crate::Failure;
use crate::clip::Clip;
use crate::measure::{Drops, Monitor, Usage, Watched, judge};
use crate::run::{Progress, unasked_drops};
use crate::world::Shutdown;

/// How often the loop looks around.
const TICK: Duration = Duration::from_millis(50);
/// How long all peers together may take to write their last lines.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What a run takes besides its own time: measured on two cores with 40 peers.
const AROUND: Duration = Duration::from_secs(20);

/// What all runs share.
pub(super) struct Common<'a> {
    pub(super) plan: &'a Plan,
    pub(super) key: &'a StreamName,
    pub(super) clip: &'a Clip,
    /// What links draw from.
    pub(super) seed: u64,
    pub(super) shutdown: Shutdown,
}

impl Common<'_> {
    /// About how long a run takes.
    pub(super) fn estimate(&self) -> Duration {
        Duration::from(self.plan.length()) + AROUND
    }
}

/// Makes a run and says what came of it, however far it got. What peers received is under `folder`.
pub(super) fn perform(
    common: &Common<'_>,
    (system, repeat): (Flavour, u32),
    folder: &Path,
    progress: &Progress,
) -> Result<MeshRun, Failure> {
    let plan = common.plan;
    let population = Population::draw(&plan.scenario, plan.seed, repeat, plan.judged);
    let topology = topology(&population, plan.scenario.seed_upload);
    let mut session = Session {
        common,
        population: &population,
        progress,
        stage: None,
        monitor: None,
        origin: 0,
        lasted: Duration::ZERO,
        usage: None,
        cpu: Default::default(),
        drops_before: Drops::default(),
        drops: Drops::default(),
        queue_drops: 0,
        link_late: None,
        doubts: Vec::new(),
    };
    let outcome = session.act(system, &topology, folder);
    progress.phase("taking the network down");
    let (watched, closed) = session.close();
    progress.phase("reading what was recorded");
    let failure = outcome.err().or(closed.err());
    // A packet that is late by a tenth of the median hop changes nothing that is measured here:
    // peers decide once a second.
    let allowed = plan.scenario.delay.median / 10;
    let events = folder.join("events");
    let step = Duration::from(plan.length() / 120).max(Duration::from_secs(1));
    let told = collect::Told { events: &events, origin: session.origin, step };
    Ok(MeshRun {
        system,
        repeat,
        incomplete_why: failure.map(|error| error.to_string()),
        lasted_s: session.lasted.as_secs_f64(),
        peers: told.peers(&population, system),
        seed_bytes: told.sent_bytes(SEED),
        cpu: session.cpu,
        queue_drops: session.queue_drops,
        fidelity: judge(
            watched,
            session.link_late,
            allowed,
            session.drops.since(&session.drops_before),
            session.doubts,
        ),
    })
}

struct Session<'a> {
    common: &'a Common<'a>,
    population: &'a Population,
    progress: &'a Progress,
    stage: Option<Stage<'a>>,
    monitor: Option<Monitor>,
    /// When the stream began, CLOCK_REALTIME ns.
    origin: u64,
    lasted: Duration,
    usage: Option<Usage>,
    cpu: std::collections::BTreeMap<String, f64>,
    drops_before: Drops,
    drops: Drops,
    queue_drops: u64,
    link_late: Option<(u64, u64)>,
    doubts: Vec<String>,
}

impl<'a> Session<'a> {
    fn act(
        &mut self,
        system: Flavour,
        topology: &'a Topology,
        folder: &'a Path,
    ) -> Result<(), Failure> {
        let Common { plan, key, clip, seed, shutdown } = *self.common;
        let setup = Setup {
            topology,
            key,
            folder,
            system,
            upload: plan.scenario.seed_upload.to_string(),
            settings: plan.settings(),
            seed,
        };
        let progress = self.progress;
        progress.phase("building the network");
        let stage = Stage::build(setup, shutdown, &|phase| progress.phase(phase))?;
        let stage = self.stage.insert(stage);
        self.monitor = Some(Monitor::start()?);
        self.drops_before = unasked_drops(&stage.world);
        stage.world.links()?.call::<Stats>(&Request::Stats { reset_timing: true })?;
        stage.publish(clip, shutdown)?;
        self.origin = now();
        let start = Instant::now();
        let came = self.everybody(start);
        self.lasted = start.elapsed();
        let stage = self.stage.as_ref().ok_or("the network is gone")?;
        if let Some(before) = &self.usage {
            self.cpu = usage(stage).since(before);
        }
        came?;
        self.progress.phase("waiting for last words");
        let peers = stage.programs.iter().filter(|(kind, _)| *kind == "peers");
        for (_, peer) in peers.clone() {
            peer.signal(Signal::SIGTERM)?;
        }
        let deadline = Instant::now() + LAST_WORDS;
        for (_, peer) in peers {
            peer.wait(deadline.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// From the first join to the end.
    fn everybody(&mut self, start: Instant) -> Result<(), Failure> {
        let plan = self.common.plan;
        let mut order: Vec<usize> = (0..self.population.members.len()).collect();
        order.sort_by_key(|at| self.population.members[*at].joins);
        let mut next = order.into_iter().peekable();
        let all = self.population.members.len();
        let mut joined = 0;
        // Once everybody plays, and joining is over.
        let settled = Duration::from(plan.scenario.joins + plan.lag);
        loop {
            let passed = start.elapsed();
            let stage = self.stage.as_mut().ok_or("the network is gone")?;
            let due = |at: &usize| Duration::from(self.population.members[*at].joins) <= passed;
            while let Some(at) = next.next_if(due) {
                stage.join(&self.population.members[at])?;
                joined += 1;
                if joined == all || joined % 10 == 1 {
                    self.progress.phase(&format!("{joined} of {all} peers have joined"));
                }
            }
            if self.usage.is_none() && passed >= settled {
                self.usage = Some(usage(stage));
            }
            if let Some((_, dead)) = stage.programs.iter().find(|(_, it)| !it.is_running()) {
                let said = dead.last_words(400);
                return Err(format!("{} ended before its time: {said}", dead.name()).into());
            }
            if passed >= Duration::from(plan.length()) {
                return Ok(());
            }
            self.progress.tick();
            self.common.shutdown.sleep(TICK)?;
        }
    }

    /// Notes the last figures and ends whatever is still under way, in any state.
    fn close(&mut self) -> (Watched, Result<(), Failure>) {
        let mut closed = Ok(());
        if let Some(stage) = &self.stage {
            self.drops = unasked_drops(&stage.world);
            let stats = stage.world.links().map_err(Failure::from);
            if let Ok(stats) = stats.and_then(|mut links| Ok(links.stats()?)) {
                self.link_late = Some((stats.timing.p99_ns, stats.timing.max_ns));
                let dropped = |pipe: &nearcast_link::PipeStats| pipe.counters.dropped_queue;
                let links = stats.links.iter();
                self.queue_drops =
                    links.map(|link| dropped(&link.a_to_b) + dropped(&link.b_to_a)).sum();
            }
        }
        let watched = self.monitor.take().map(Monitor::stop).unwrap_or_default();
        if let Some(stage) = self.stage.take() {
            match stage.world.close() {
                Ok(left) if left.is_empty() => {}
                Ok(left) => {
                    self.doubts.push(format!("what was built did not go by itself: {left:?}"));
                }
                Err(error) => closed = Err(error.into()),
            }
        }
        (watched, closed)
    }
}

/// What everything of a run uses of the processors, this program included.
fn usage(stage: &Stage<'_>) -> Usage {
    let programs = stage.programs.iter().map(|(kind, process)| (*kind, process.pid()));
    let links = stage.world.link_process().map(|pid| ("links", pid));
    let switches = switch_process().map(|pid| ("switches", pid));
    let own = [("nearcast", std::process::id())];
    Usage::now(programs.chain(links).chain(switches).chain(own))
}

/// Open vSwitch, as it notes itself.
fn switch_process() -> Option<u32> {
    let noted = std::fs::read_to_string("/var/run/openvswitch/ovs-vswitchd.pid").ok()?;
    noted.trim().parse().ok()
}

/// The folder of a run.
pub(super) fn folder_of(folder: &Path, system: Flavour, repeat: u32) -> std::path::PathBuf {
    folder.join("runs").join(label(system, repeat).replace('+', "-"))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
