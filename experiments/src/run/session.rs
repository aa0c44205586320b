use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nearcast_machine::Span;
use nearcast_topologies::{Choice, Topology};
use nix::sys::signal::Signal;

use super::plan::Spec;
use super::progress::Progress;
use super::stage::{Setup, Stage, unasked_drops};
use super::{cast, collect, fault, truth};
use crate::Failure;
use crate::clip::{Clip, Pictures};
use crate::measure::{Drops, LATE, Monitor, Watched, judge};
use crate::ping::{self, Trains};
use crate::result::{
    LinkSetting, LinkTraffic, LinkTruth, PingTrain, Run, System, Timeline, Viewer,
};
use crate::scenario::{FaultKind, Player, Scenario};
use crate::world::{Process, Shutdown};

/// What all runs of an experiment share.
pub(super) struct Common<'a> {
    pub clip: &'a Clip,
    pub pictures: &'a Pictures,
    pub seed: u64,
    pub shutdown: Shutdown,
    /// Whether FFmpeg has to be told not to send a file's beginning at once.
    pub ffmpeg_bursts: bool,
}

/// Makes one run and says what came of it, however far it got.
pub(super) fn perform(
    spec: &Spec,
    common: &Common<'_>,
    folder: &Path,
    progress: &Progress,
) -> Result<Run, Failure> {
    let topology = topology(&spec.scenario, spec.viewers)?;
    let mut session = Session::new(spec, common, &topology, folder, progress);
    let outcome = session.act();
    // Whatever happened, what is recorded is kept, and what was built goes.
    progress.phase("taking the network down");
    let closed = session.close();
    let mut run = session.collect();
    let failure = outcome.err().or(closed.err());
    run.complete = failure.is_none();
    run.incomplete_why = failure.map(|error| error.to_string());
    Ok(run)
}

/// The scenario's topology with this many viewers, or, where they are not counted, with those that
/// it has.
pub(super) fn topology(scenario: &Scenario, viewers: u32) -> Result<Topology, Failure> {
    counted(scenario, viewers).or_else(|_| ping::topology(&scenario.topology, &choice(scenario)))
}

/// The scenario's topology with this many viewers.
///
/// # Errors
/// Also if its viewers are not counted.
pub(super) fn counted(scenario: &Scenario, viewers: u32) -> Result<Topology, Failure> {
    ping::topology(&scenario.topology, &choice(scenario).with_count("viewers", viewers))
}

fn choice(scenario: &Scenario) -> Choice {
    scenario.setting.as_deref().map(Choice::setting).unwrap_or_default()
}

/// How long a publisher may take to end after its clip has.
const LINGER: Duration = Duration::from_secs(4);
/// How long peers and players may take to end. Some players hang on a stream that is over; they are
/// killed with the world.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often the loop looks around.
const TICK: Duration = Duration::from_millis(20);

struct Session<'a> {
    spec: &'a Spec,
    common: &'a Common<'a>,
    topology: &'a Topology,
    folder: &'a Path,
    progress: &'a Progress,
    stage: Option<Stage>,
    monitor: Option<Monitor>,
    trains: Option<Trains>,
    publisher: Option<Process>,
    players: Vec<Process>,
    seats: Vec<collect::Seat>,
    witnesses: Vec<(usize, PathBuf)>,
    /// Second 0 of the figure.
    origin: u64,
    truth: Vec<LinkTruth>,
    pings: Vec<PingTrain>,
    traffic_before: Option<Vec<LinkTraffic>>,
    traffic: Vec<LinkTraffic>,
    drops_before: Drops,
    drops: Drops,
    link_late: Option<(u64, u64)>,
    watched: Watched,
    faults: Vec<(String, u64)>,
    /// Whether the stream ran to its end.
    whole: bool,
    doubts: Vec<String>,
}

/// Something that happens at a point of the run's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Open(usize),
    Publish,
    Break(FaultKind),
    Heal(FaultKind),
}

impl<'a> Session<'a> {
    fn new(
        spec: &'a Spec,
        common: &'a Common<'a>,
        topology: &'a Topology,
        folder: &'a Path,
        progress: &'a Progress,
    ) -> Session<'a> {
        Session {
            spec,
            common,
            topology,
            folder,
            progress,
            stage: None,
            monitor: None,
            trains: None,
            publisher: None,
            players: Vec::new(),
            seats: Vec::new(),
            witnesses: Vec::new(),
            origin: now(),
            truth: Vec::new(),
            pings: Vec::new(),
            traffic_before: None,
            traffic: Vec::new(),
            drops_before: Drops::default(),
            drops: Drops::default(),
            link_late: None,
            watched: Watched::default(),
            faults: Vec::new(),
            whole: false,
            doubts: Vec::new(),
        }
    }

    fn act(&mut self) -> Result<(), Failure> {
        let shutdown = self.common.shutdown;
        let setup = Setup {
            topology: self.topology,
            key: &self.spec.scenario.key,
            folder: self.folder,
            seed: self.common.seed,
            peering: self.spec.system == System::Assisted,
            hls: self.spec.system == System::Hls,
        };
        let progress = self.progress;
        self.stage = Some(Stage::build(&setup, shutdown, &|phase| progress.phase(phase))?);
        self.monitor = Some(Monitor::start()?);
        self.progress.phase("measuring the links");
        self.truth = truth::measure(self.stage()?, shutdown)?;

        self.drops_before = unasked_drops(&self.stage()?.world);
        self.stage()?
            .world
            .links()?
            .call::<nearcast_link::Stats>(&nearcast_link::Request::Stats { reset_timing: true })?;
        // A moment ahead, so that the first ping is not late already.
        let lead = Duration::from_millis(50);
        let start = Instant::now() + lead;
        self.origin = now() + lead.as_nanos() as u64;
        let trains = Trains::start(ping::open(&self.stage()?.world, self.ping_plans()?)?, start)?;
        self.trains = Some(trains);
        self.play(start)?;
        self.progress.phase("reading what was recorded");
        self.finish_programs()
    }

    fn stage(&self) -> Result<&Stage, Failure> {
        self.stage.as_ref().ok_or_else(|| "the network is gone".into())
    }

    fn ping_plans(&self) -> Result<Vec<ping::Plan>, Failure> {
        let stage = self.stage()?;
        let plan = self.spec.scenario.ping;
        let count = self.spec.scenario.duration.as_nanos() / plan.interval.as_nanos().max(1);
        let viewer = stage.viewers.first().ok_or("there is no viewer")?;
        let pairs =
            [(&stage.broadcaster, &stage.cdn), (&stage.cdn, viewer), (&stage.broadcaster, viewer)];
        pairs
            .into_iter()
            .map(|(from, to)| {
                ping::plan(self.topology, (from, to), plan.interval, plan.size, count as usize)
            })
            .collect()
    }

    fn acts(&self) -> Result<Vec<(Duration, Act)>, Failure> {
        let scenario = &self.spec.scenario;
        let stream = scenario.stream;
        let at = |span: Span| Duration::from(span);
        let mut acts = vec![(at(stream.from), Act::Publish)];
        for viewer in 0..self.stage()?.viewers.len() {
            let opens = match scenario.join(viewer as u32) {
                // Well before the stream, so that its player waits for it.
                None => Duration::from(stream.from / 2),
                Some(join) => at(stream.from + join),
            };
            acts.push((opens, Act::Open(viewer)));
        }
        for fault in &scenario.faults {
            acts.push((at(stream.from + fault.at), Act::Break(fault.what)));
            acts.push((at(stream.from + fault.at + fault.lasts), Act::Heal(fault.what)));
        }
        acts.sort_by_key(|(at, _)| *at);
        Ok(acts)
    }

    /// The run's own time, from second 0 to its end.
    fn play(&mut self, start: Instant) -> Result<(), Failure> {
        let duration = Duration::from(self.spec.scenario.duration);
        let until = Duration::from(self.spec.scenario.stream.until);
        let mut acts = self.acts()?.into_iter().peekable();
        let mut waiting_for_hls: Vec<usize> = Vec::new();
        self.progress.phase("idle, pinging");
        loop {
            let passed = Instant::now().saturating_duration_since(start);
            while let Some((_, act)) = acts.next_if(|(at, _)| *at <= passed) {
                match act {
                    // There is nothing to play before the CDN has cut the first fragment.
                    Act::Open(viewer) if self.spec.system == System::Hls => {
                        waiting_for_hls.push(viewer)
                    }
                    Act::Open(viewer) => self.open(viewer)?,
                    Act::Publish => self.publish()?,
                    Act::Break(fault) => {
                        self.faults.push((fault.name().to_owned(), now()));
                        fault::inflict(self.stage()?, fault)?;
                        self.progress.phase(fault.name());
                    }
                    Act::Heal(fault) => fault::heal(self.stage()?, fault)?,
                }
            }
            if !waiting_for_hls.is_empty() {
                let playlist =
                    super::nginx::playlist(&self.stage()?.nginx_prefix(), &self.spec.scenario.key);
                if collect::has_content(&playlist).unwrap_or(false) {
                    for viewer in waiting_for_hls.drain(..) {
                        self.open_hls(viewer)?;
                    }
                }
            }
            self.watch_publisher(passed, until)?;
            if passed >= duration && self.whole {
                return Ok(());
            }
            self.progress.tick();
            let next = acts.peek().map_or(duration, |(at, _)| *at).saturating_sub(passed);
            self.common.shutdown.sleep(next.clamp(Duration::from_millis(1), TICK))?;
        }
    }

    fn publish(&mut self) -> Result<(), Failure> {
        self.progress.phase("streaming");
        self.traffic_before = Some(self.traffic_now()?);
        let command =
            cast::publisher(self.common.clip, &self.spec.scenario.key, self.common.ffmpeg_bursts);
        let stage = self.stage()?;
        let host = stage.broadcaster.clone();
        self.publisher = Some(stage.start(&host, "publisher", command)?);
        Ok(())
    }

    /// Notes when the clip is over; a publisher that does not end is ended.
    fn watch_publisher(&mut self, passed: Duration, until: Duration) -> Result<(), Failure> {
        let Some(publisher) = self.publisher.as_ref().filter(|_| !self.whole) else {
            return Ok(());
        };
        if publisher.is_running() {
            if passed > until + LINGER {
                publisher.signal(Signal::SIGKILL)?;
                self.doubts
                    .push("the publisher did not end with its clip and was killed".to_owned());
            }
            return Ok(());
        }
        let status = publisher.status()?;
        if passed + Duration::from_secs(1) < until && !status.is_some_and(|status| status.success())
        {
            return Err(format!("the publisher ended: {}", publisher.last_words(400)).into());
        }
        self.whole = true;
        self.note_traffic()?;
        self.progress.phase("idle, pinging");
        Ok(())
    }

    fn open(&mut self, viewer: usize) -> Result<(), Failure> {
        let scenario = &self.spec.scenario;
        let player = scenario.players[viewer % scenario.players.len()];
        let stage = self.stage()?;
        let host = stage.viewers.get(viewer).ok_or("there is no such viewer")?.clone();
        let command = cast::player(player, &scenario.key);
        let opened = now();
        let process = stage.start(&host, &format!("{host}-player"), command)?;
        if player == Player::Ffmpeg {
            self.witnesses.push((self.seats.len(), process.stdout().to_owned()));
        }
        let early = viewer == 0;
        self.seats.push(collect::Seat { host, player: player.program().to_owned(), early, opened });
        self.players.push(process);
        Ok(())
    }

    fn open_hls(&mut self, viewer: usize) -> Result<(), Failure> {
        let stage = self.stage()?;
        let host = stage.viewers.get(viewer).ok_or("there is no such viewer")?.clone();
        let events = stage.events(&format!("{host}-hls"));
        let command = cast::hls_player(stage.cdn_address, &self.spec.scenario.key, &events)?;
        let opened = now();
        let process = stage.start(&host, &format!("{host}-player"), command)?;
        let player = "ffmpeg (HLS)".to_owned();
        self.seats.push(collect::Seat { host, player, early: viewer == 0, opened });
        self.players.push(process);
        Ok(())
    }

    /// What every link has carried so far, each direction.
    fn traffic_now(&self) -> Result<Vec<LinkTraffic>, Failure> {
        let stats = self.stage()?.world.links()?.stats()?;
        let mut traffic = Vec::new();
        for link in &self.topology.links {
            let Some(found) = stats.links.iter().find(|found| found.name.to_string() == link.name)
            else {
                continue;
            };
            for (from, to, pipe) in
                [(&link.a, &link.b, found.a_to_b), (&link.b, &link.a, found.b_to_a)]
            {
                traffic.push(LinkTraffic {
                    from: from.clone(),
                    to: to.clone(),
                    packets: pipe.counters.sent,
                    bytes: pipe.counters.sent_bytes,
                    dropped: pipe.counters.dropped_queue,
                    lost: pipe.counters.lost,
                });
            }
        }
        Ok(traffic)
    }

    fn note_traffic(&mut self) -> Result<(), Failure> {
        let Some(before) = self.traffic_before.take() else { return Ok(()) };
        let now = self.traffic_now()?;
        self.traffic = now
            .into_iter()
            .zip(before)
            .map(|(now, before)| LinkTraffic {
                packets: now.packets - before.packets,
                bytes: now.bytes - before.bytes,
                dropped: now.dropped - before.dropped,
                lost: now.lost - before.lost,
                ..now
            })
            .collect();
        Ok(())
    }

    /// Lets the programs end in the order that lets each write its last lines: peers end the stream
    /// for their players, who then show what they still hold. One peer after the other, so that the
    /// controller sees them go in the same order every time.
    fn finish_programs(&mut self) -> Result<(), Failure> {
        if let Some(trains) = self.trains.take() {
            self.pings = trains.stop()?;
        }
        let deadline = Instant::now() + LAST_WORDS;
        let peers = &self.stage()?.viewer_peers;
        let left = || deadline.saturating_duration_since(Instant::now());
        for peer in peers {
            peer.signal(Signal::SIGTERM)?;
            peer.wait(left())?;
        }
        for player in &self.players {
            player.wait(left())?;
        }
        Ok(())
    }

    /// Ends whatever is still under way, in any state.
    fn close(&mut self) -> Result<(), Failure> {
        let mut first: Result<(), Failure> = Ok(());
        let mut keep = |result: Result<(), Failure>| {
            if first.is_ok() {
                first = result;
            }
        };
        if let Some(trains) = self.trains.take() {
            keep(trains.stop().map(|pings| self.pings = pings).map_err(Failure::from));
        }
        if self.stage.is_some() {
            keep(self.note_traffic());
        }
        if let Some(stage) = &self.stage {
            self.drops = unasked_drops(&stage.world);
            if let Ok(stats) =
                stage.world.links().map_err(Failure::from).and_then(|mut links| Ok(links.stats()?))
            {
                self.link_late = Some((stats.timing.p99_ns, stats.timing.max_ns));
            }
        }
        if let Some(monitor) = self.monitor.take() {
            self.watched = monitor.stop();
        }
        if let Some(stage) = self.stage.take() {
            let _ = stage.controller.stop();
            match stage.world.close() {
                Ok(left) if left.is_empty() => {}
                Ok(left) => {
                    self.doubts.push(format!("what was built did not go by itself: {left:?}"))
                }
                Err(error) => keep(Err(error.into())),
            }
        }
        first
    }

    fn collect(self) -> Run {
        let events = |name: &str| self.folder.join("events").join(format!("{name}.jsonl"));
        let names = Names::of(self.topology);
        let broadcast = collect::broadcast(&events(&names.broadcaster));
        let is_hls = self.spec.system == System::Hls;
        let mut viewers: Vec<Viewer> = self
            .seats
            .iter()
            .map(|seat| {
                let name = if is_hls { format!("{}-hls", seat.host) } else { seat.host.clone() };
                let paths =
                    collect::paths(self.topology, &names.broadcaster, &names.cdn, &seat.host);
                collect::viewer(seat.clone(), paths, &events(&name), &broadcast.sent, self.whole)
            })
            .collect();
        for (viewer, file) in &self.witnesses {
            viewers[*viewer].witness = self.common.pictures.compare(file).ok();
        }
        let scenario = &self.spec.scenario;
        let faults = collect::faults(&self.faults, &broadcast.sent, &viewers);
        Run {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            system: self.spec.system,
            complete: false,
            incomplete_why: None,
            topology: self.topology.name.clone(),
            links: self.topology.links.iter().map(link_setting).collect(),
            timeline: Timeline {
                origin: self.origin,
                duration_s: scenario.duration.as_secs_f64(),
                stream_from_s: scenario.stream.from.as_secs_f64(),
                stream_until_s: scenario.stream.until.as_secs_f64(),
                published: broadcast.published,
                ended: broadcast.ended,
            },
            sent: broadcast.sent,
            viewers,
            pings: self.pings,
            truth: self.truth,
            traffic: self.traffic,
            controller: collect::controller(&events("fabric")),
            faults,
            fidelity: judge(
                self.watched,
                self.link_late,
                LATE,
                self.drops.since(&self.drops_before),
                self.doubts,
            ),
        }
    }
}

struct Names {
    broadcaster: String,
    cdn: String,
}

impl Names {
    fn of(topology: &Topology) -> Names {
        let first = |role| {
            topology.with_role(role).next().map(|host| host.name.clone()).unwrap_or_default()
        };
        Names {
            broadcaster: first(nearcast_topologies::Role::Broadcaster),
            cdn: first(nearcast_topologies::Role::Cdn),
        }
    }
}

fn link_setting(link: &nearcast_topologies::Link) -> LinkSetting {
    LinkSetting {
        a: link.a.clone(),
        b: link.b.clone(),
        rate: link.a_to_b.rate.map(|rate| rate.bits_per_sec()),
        delay: link.a_to_b.delay.as_nanos(),
        queue: link.a_to_b.queue.to_string(),
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
