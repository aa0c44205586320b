//! The world of the tests: hosts on one switch, a CDN behind it, and a controller that offers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_engine::wire::Datagram;
use nearcast_engine::{Broadcaster, CdnSeed, Viewer, broadcaster, seed, viewer};
use nearcast_machine::{Machine, Rng, Seed, Span, Time};
use nearcast_media::peering::{Offer, PORT, Reason, Withdraw};
use nearcast_media::{Followed, Follower, Kind, Media, Role, StreamName, Unit};
use viewer::{CdnState, Event, Release, Way};

use crate::link::Link;

pub(crate) const CONTROLLER: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 1);
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 2);
pub(crate) const SEED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), PORT);
/// Between two hosts of the switch, there and back.
pub(crate) const LAN_RTT: Span = Span::from_millis(32);
const LEASE: Span = Span::from_secs(6);

/// A host's alias; the broadcaster is host 0.
pub(crate) fn alias(host: usize) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 254, 1, host as u8), PORT)
}

fn host_of(address: &SocketAddrV4) -> usize {
    usize::from(address.ip().octets()[3])
}

pub(crate) fn stream() -> StreamName {
    "live/room".parse().expect("a name")
}

/// What can happen at a set time.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The encoder publishes a unit.
    Publish(Unit),
    /// A viewer begins to play, and is offered the peering.
    Play(usize),
    /// The controller withdraws the peering from everyone.
    Withdraw,
    /// The controller offers it to everyone again.
    OfferAgain,
    /// The controller stops; leases are no longer renewed.
    ControllerDies,
    /// The switch drops what goes to the group address.
    GroupDies,
    /// ...and forwards it again.
    GroupRises,
    /// The switch drops what goes from and to a viewer's virtual addresses.
    LanDies(usize),
    /// The seed is gone.
    SeedDies,
    /// The RTMP session of a viewer breaks, and is back after a second.
    CdnBreaks(usize),
    /// The CDN tells the viewers that the stream is over.
    Ends,
    /// A viewer is handed something.
    Inject(usize, viewer::Input),

    ToBroadcaster(SocketAddrV4, Datagram),
    ToViewer(usize, SocketAddrV4, Datagram),
    ToSeed(SocketAddrV4, Datagram),
    AtCdn(Media),
    Rtmp(usize, u64, Media),
    RtmpPause(usize, bool),
    RtmpState(usize, CdnState),
    AtSwitch(Datagram),
    Bucket(usize),
    Renew,
    Tick,
}

pub(crate) struct Host {
    pub(crate) machine: Viewer,
    pub(crate) released: Vec<(Time, Release)>,
    pub(crate) headers: Vec<Media>,
    pub(crate) events: Vec<(Time, Event)>,
    follower: Follower,
    playing: bool,
    paused: bool,
    session: u64,
    connected: bool,
    bucket: bool,
    lan: bool,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) broadcaster: Broadcaster,
    pub(crate) seed: CdnSeed,
    pub(crate) viewers: Vec<Host>,
    /// From and to each host's port of the switch; the broadcaster's is the first.
    pub(crate) up: Vec<Link>,
    pub(crate) down: Vec<Link>,
    pub(crate) published: BTreeMap<(u32, u64), (Time, Unit)>,
    /// Everything that any machine was told and said, for comparing runs; kept if asked for.
    pub(crate) log: Option<String>,
    agenda: BTreeMap<(Time, u64), Act>,
    serial: u64,
    /// How often something was done without time going on.
    turns: u32,
    rng: Rng,
    to_cdn: Link,
    from_cdn: Link,
    seed_follower: Follower,
    relay_headers: BTreeMap<Kind, Media>,
    group: bool,
    controller: bool,
    seed_lives: bool,
    withdrawn: bool,
    peered: BTreeSet<usize>,
    generation: u32,
}

impl World {
    /// `viewers` hosts beside the broadcaster; LAN links of 8 ms and 10 Mbit/s, CDN link of 30 ms
    /// and 100 Mbit/s, as in the paper's bandwidth-limited setting.
    pub(crate) fn new(viewers: usize, run: u64) -> World {
        let seed = Seed::new(run);
        let lan = Link::new("10Mbit/s", Span::from_millis(8));
        let cdn = Link::new("100Mbit/s", Span::from_millis(30));
        let settings =
            || viewer::Settings { seed: Some(SEED), controller: CONTROLLER, ..Default::default() };
        let host = |n: usize| Host {
            machine: Viewer::new(stream(), settings(), seed.derive(&format!("hv{}", n + 1))),
            released: Vec::new(),
            headers: Vec::new(),
            events: Vec::new(),
            follower: Follower::new(),
            playing: false,
            paused: false,
            session: 0,
            connected: true,
            bucket: false,
            lan: true,
        };
        let mut world = World {
            now: Time::ZERO,
            broadcaster: Broadcaster::new(stream(), broadcaster::Settings::default()),
            seed: CdnSeed::new(seed::Settings::default(), seed.derive("hs")),
            viewers: (0..viewers).map(host).collect(),
            up: vec![lan.clone(); viewers + 1],
            down: vec![lan; viewers + 1],
            published: BTreeMap::new(),
            log: None,
            agenda: BTreeMap::new(),
            serial: 0,
            turns: 0,
            rng: seed.derive("net").rng(),
            to_cdn: cdn.clone(),
            from_cdn: cdn,
            seed_follower: Follower::new(),
            relay_headers: BTreeMap::new(),
            group: true,
            controller: true,
            seed_lives: true,
            withdrawn: false,
            peered: BTreeSet::new(),
            generation: 1,
        };
        world.at(Time::ZERO, Act::Renew);
        world
    }

    pub(crate) fn at(&mut self, at: Time, act: Act) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), act);
    }

    pub(crate) fn publish(&mut self, units: Vec<(Time, Unit)>) {
        for (at, unit) in units {
            self.published.insert((unit.epoch, unit.number), (at, unit.clone()));
            self.at(at, Act::Publish(unit));
        }
    }

    /// Lets everything happen up to `until`.
    pub(crate) fn run(&mut self, until: Time) {
        loop {
            let machines: [Option<Time>; 2] = [self.broadcaster.deadline(), self.seed.deadline()];
            let viewers = self.viewers.iter().filter(|v| v.playing).map(|v| v.machine.deadline());
            let deadline = machines.into_iter().chain(viewers).flatten().min();
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let at = match (deadline, next) {
                (Some(deadline), Some(next)) => deadline.min(next),
                (deadline, next) => match deadline.or(next) {
                    Some(at) => at,
                    None => return,
                },
            };
            if at > until {
                self.now = until;
                return;
            }
            let turns = if at > self.now { 0 } else { self.turns + 1 };
            assert!(turns < 10_000, "the world spins at {at:?}");
            self.turns = turns;
            self.now = self.now.max(at);
            let act = match next {
                Some(next) if next <= self.now => self.agenda.pop_first().map(|(_, act)| act),
                _ => Some(Act::Tick),
            };
            self.act(act.expect("there is a first"));
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.now;
        if !matches!(act, Act::Tick) {
            self.note(|| format!("{act:?}"));
        }
        match act {
            Act::Publish(unit) => {
                let media = unit.media();
                let at_switch = self.up[0].carry_surely(now, media.body.len());
                let at_cdn = self.to_cdn.carry_surely(at_switch, media.body.len());
                self.at(at_cdn, Act::AtCdn(media));
                self.broadcaster.handle(now, broadcaster::Input::Unit(unit));
            }
            Act::Play(n) => {
                self.viewers[n].playing = true;
                for header in self.relay_headers.clone().into_values() {
                    self.relay(n, header);
                }
                self.viewer(n, viewer::Input::CdnState(CdnState::Playing));
                if self.controller && !self.withdrawn {
                    self.peered.insert(n);
                    self.generation += 1;
                    self.offer();
                }
            }
            Act::Withdraw => {
                self.withdrawn = true;
                let withdraw = Withdraw {
                    peering: 1,
                    generation: self.generation,
                    reason: Reason::Unsupported,
                };
                let input = broadcaster::Input::Withdraw { from: CONTROLLER, withdraw };
                self.broadcaster.handle(now, input);
                for n in 0..self.viewers.len() {
                    self.viewers[n].bucket = false;
                    self.viewer(n, viewer::Input::Withdraw { from: CONTROLLER, withdraw });
                }
            }
            Act::OfferAgain => {
                self.withdrawn = false;
                self.generation += 1;
                self.offer();
            }
            Act::ControllerDies => self.controller = false,
            Act::GroupDies => self.group = false,
            Act::GroupRises => self.group = true,
            Act::LanDies(n) => self.viewers[n].lan = false,
            Act::SeedDies => self.seed_lives = false,
            Act::CdnBreaks(n) => {
                self.viewers[n].session += 1;
                self.viewers[n].connected = false;
                self.viewer(n, viewer::Input::CdnState(CdnState::Lost));
                self.at(now + Span::from_secs(1), Act::RtmpState(n, CdnState::Playing));
            }
            Act::Ends => {
                self.broadcaster.handle(now, broadcaster::Input::Ended);
                for n in 0..self.viewers.len() {
                    self.viewer(n, viewer::Input::CdnState(CdnState::Ended));
                }
            }
            Act::Inject(n, input) => self.viewer(n, input),
            Act::ToBroadcaster(from, datagram) => {
                self.broadcaster.handle(now, broadcaster::Input::Datagram { from, datagram });
            }
            Act::ToViewer(n, from, datagram) => {
                self.viewer(n, viewer::Input::Datagram { from, datagram });
            }
            Act::ToSeed(from, datagram) => {
                if self.seed_lives {
                    self.seed.handle(now, seed::Input::Datagram { from, datagram });
                }
            }
            Act::AtCdn(media) => self.at_cdn(media),
            Act::Rtmp(n, session, media) => {
                if self.viewers[n].session == session {
                    self.viewers[n].follower.receive(media);
                    while let Some(followed) = self.viewers[n].follower.poll() {
                        self.viewer(n, viewer::Input::Cdn(followed));
                    }
                }
            }
            Act::RtmpPause(n, pause) => {
                self.viewers[n].paused = pause;
                let state = if pause { CdnState::Paused } else { CdnState::Playing };
                let back = now + Span::from_millis(38);
                self.at(back, Act::RtmpState(n, state));
            }
            Act::RtmpState(n, state) => {
                if !self.viewers[n].connected {
                    // A new session plays from the start, whatever the old one did.
                    let host = &mut self.viewers[n];
                    (host.connected, host.paused) = (true, false);
                    host.follower.interrupt();
                }
                self.viewer(n, viewer::Input::CdnState(state));
            }
            Act::AtSwitch(datagram) => self.copy(datagram),
            Act::Bucket(n) => self.viewers[n].bucket = true,
            Act::Renew => {
                if self.controller && !self.withdrawn && !self.peered.is_empty() {
                    self.offer();
                }
                self.at(now + LEASE / 3, Act::Renew);
            }
            Act::Tick => {
                self.broadcaster.expire(now);
                self.seed.expire(now);
                for host in self.viewers.iter_mut().filter(|host| host.playing) {
                    host.machine.expire(now);
                }
            }
        }
        self.drain();
    }

    fn viewer(&mut self, n: usize, input: viewer::Input) {
        self.viewers[n].machine.handle(self.now, input);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{:?} {}", self.now, line());
        }
    }

    /// The controller offers the peering to the broadcaster and to all who play.
    fn offer(&mut self) {
        let offer = |role, own: usize, holders: Vec<usize>| Offer {
            peering: 1,
            generation: self.generation,
            stream: stream(),
            role,
            group: GROUP,
            alias: *alias(own).ip(),
            holders: holders.into_iter().map(|host| *alias(host).ip()).collect(),
            lease: LEASE,
        };
        let mut offers = vec![(0, offer(Role::Broadcaster, 0, Vec::new()))];
        for &n in &self.peered {
            let others = self.peered.iter().filter(|&&other| other != n).map(|other| other + 1);
            let holders = others.chain([0]).collect();
            offers.push((n + 1, offer(Role::Viewer, n + 1, holders)));
        }
        for (host, offer) in offers {
            // The controller is 8 ms away; its messages are handed over at once to keep order
            // simple.
            let from = CONTROLLER;
            match host.checked_sub(1) {
                None => {
                    let input = broadcaster::Input::Offer { from, offer };
                    self.broadcaster.handle(self.now, input);
                }
                Some(n) if self.viewers[n].lan => {
                    self.viewer(n, viewer::Input::Offer { from, offer });
                }
                Some(_) => {}
            }
        }
    }

    fn at_cdn(&mut self, media: Media) {
        let now = self.now;
        self.seed_follower.receive(media.clone());
        while let Some(followed) = self.seed_follower.poll() {
            let header = match &followed {
                Followed::Unit(unit) if unit.header => Some(unit.media()),
                Followed::Header(header) => Some(header.clone()),
                _ => None,
            };
            self.relay_headers.extend(header.map(|header| (header.kind, header)));
            if self.seed_lives {
                self.seed.handle(now, seed::Input::Cdn { stream: stream().id(), followed });
            }
        }
        for n in 0..self.viewers.len() {
            let host = &self.viewers[n];
            if host.playing && !host.paused && host.connected {
                self.relay(n, media.clone());
            }
        }
    }

    fn relay(&mut self, n: usize, media: Media) {
        let at_switch = self.from_cdn.carry_surely(self.now, media.body.len());
        let there = self.down[n + 1].carry_surely(at_switch, media.body.len());
        self.at(there, Act::Rtmp(n, self.viewers[n].session, media));
    }

    /// The switch copies to every viewer with a bucket.
    fn copy(&mut self, datagram: Datagram) {
        if !self.group {
            return;
        }
        for n in 0..self.viewers.len() {
            if self.viewers[n].bucket && self.viewers[n].lan {
                let length = datagram.encoded_len();
                let there = self.down[n + 1].carry(self.now, length, &mut self.rng);
                if let Some(there) = there {
                    let from = SocketAddrV4::new(GROUP, PORT);
                    self.at(there, Act::ToViewer(n, from, datagram.clone()));
                }
            }
        }
    }

    /// Does what the machines say.
    fn drain(&mut self) {
        while let Some(output) = self.broadcaster.poll() {
            self.note(|| format!("hb > {output:?}"));
            if let broadcaster::Output::Send { to, datagram } = output {
                self.send(0, to, datagram);
            }
        }
        while let Some(output) = self.seed.poll() {
            self.note(|| format!("hs > {output:?}"));
            if let seed::Output::Send { to, datagram } = output {
                let host = host_of(&to);
                let length = datagram.encoded_len();
                let at_switch = self.from_cdn.carry(self.now, length, &mut self.rng);
                let Some(at_switch) = at_switch else { continue };
                let there = self.down[host].carry(at_switch, length, &mut self.rng);
                if let Some(there) = there {
                    self.at(there, Act::ToViewer(host - 1, SEED, datagram));
                }
            }
        }
        for n in 0..self.viewers.len() {
            while let Some(output) = self.viewers[n].machine.poll() {
                self.note(|| format!("hv{} > {output:?}", n + 1));
                self.output(n, output);
            }
        }
    }

    fn output(&mut self, n: usize, output: viewer::Output) {
        let now = self.now;
        match output {
            viewer::Output::Header(media) => self.viewers[n].headers.push(media),
            viewer::Output::Release(release) => self.viewers[n].released.push((now, release)),
            viewer::Output::Event(event) => self.viewers[n].events.push((now, event)),
            viewer::Output::Send { to, datagram } => self.send(n + 1, to, datagram),
            viewer::Output::Answer { answer, .. } => {
                assert!(answer.accept, "offers of this world can be accepted");
                self.at(now + Span::from_millis(10), Act::Bucket(n));
            }
            viewer::Output::CdnPause(pause) => {
                if !pause {
                    self.viewers[n].follower.interrupt();
                }
                self.at(now + Span::from_millis(38), Act::RtmpPause(n, pause));
            }
        }
    }

    /// A host sends a datagram; it crosses the host's link to the switch, and goes on from there.
    fn send(&mut self, from: usize, to: SocketAddrV4, datagram: Datagram) {
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes);
        assert_eq!(bytes.len(), datagram.encoded_len());
        assert_eq!(Datagram::parse(&bytes.into()).as_ref(), Ok(&datagram));
        let length = datagram.encoded_len();
        let Some(at_switch) = self.up[from].carry(self.now, length, &mut self.rng) else { return };
        let lan = |host: usize| host.checked_sub(1).is_none_or(|n| self.viewers[n].lan);
        if to == SEED {
            // The seed sees the host's real address; its last byte names the host all the same.
            let real = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, from as u8), PORT);
            if let Some(there) = self.to_cdn.carry(at_switch, length, &mut self.rng) {
                self.at(there, Act::ToSeed(real, datagram));
            }
        } else if *to.ip() == GROUP {
            assert_eq!(from, 0, "only the broadcaster sends to the group");
            self.at(at_switch, Act::AtSwitch(datagram));
        } else if lan(from) && lan(host_of(&to)) && !self.withdrawn {
            let host = host_of(&to);
            let there = self.down[host].carry(at_switch, length, &mut self.rng);
            let Some(there) = there else { return };
            match host.checked_sub(1) {
                None => self.at(there, Act::ToBroadcaster(alias(from), datagram)),
                Some(n) => self.at(there, Act::ToViewer(n, alias(from), datagram)),
            }
        }
    }

    /// Checks what a viewer released: whole, as published, in order, once, without a gap that was
    /// not announced, from a keyframe with headers on. Gives the number of units.
    pub(crate) fn check(&self, n: usize) -> usize {
        let host = &self.viewers[n];
        let skips: BTreeMap<u64, u64> = host
            .events
            .iter()
            .filter_map(|(_, event)| match *event {
                Event::Skipped { from, to } => Some((from, to)),
                _ => None,
            })
            .collect();
        let mut last: Option<(u32, u64)> = None;
        for (_, Release { unit, .. }) in &host.released {
            let name = (unit.epoch, unit.number);
            let (_, published) = self.published.get(&name).expect("it was published");
            assert_eq!(published, unit, "hv{}", n + 1);
            match last {
                Some((epoch, number)) if epoch == unit.epoch => {
                    let expected = skips.get(&(number + 1)).copied().unwrap_or(number + 1);
                    assert_eq!(unit.number, expected, "hv{}: after {number}", n + 1);
                    if expected != number + 1 {
                        assert!(unit.keyframe, "hv{}: goes on with a keyframe", n + 1);
                    }
                }
                Some((epoch, _)) => assert!(unit.epoch > epoch, "epochs ascend"),
                None => {
                    let video = self.published.values().any(|(_, unit)| unit.kind == Kind::Video);
                    assert!(unit.keyframe || !video, "begins with a keyframe");
                    assert!(host.headers.iter().any(|h| h.kind == unit.kind), "with its header");
                }
            }
            last = Some(name);
        }
        host.released.len()
    }

    pub(crate) fn assert_no_skip(&self, n: usize) {
        let skips =
            self.viewers[n].events.iter().filter(|(_, e)| matches!(e, Event::Skipped { .. }));
        assert_eq!(skips.count(), 0, "hv{}: {:?}", n + 1, self.viewers[n].events);
    }

    /// How long after its publication each unit was released.
    pub(crate) fn delays(&self, n: usize) -> Vec<Span> {
        let released = self.viewers[n].released.iter();
        released
            .map(|(at, Release { unit, .. })| {
                at.since(self.published[&(unit.epoch, unit.number)].0)
            })
            .collect()
    }

    /// The longest time between two releases.
    pub(crate) fn longest_pause(&self, n: usize) -> Span {
        let times: Vec<Time> = self.viewers[n].released.iter().map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or(Span::ZERO)
    }

    pub(crate) fn by_way(&self, n: usize, way: Way) -> usize {
        self.viewers[n].released.iter().filter(|(_, release)| release.way == way).count()
    }

    pub(crate) fn last_released(&self, n: usize) -> Option<(u32, u64)> {
        self.viewers[n].released.last().map(|(_, r)| (r.unit.epoch, r.unit.number))
    }
}

pub(crate) fn secs(secs: f64) -> Time {
    Time::ZERO + Span::from_secs_f64(secs)
}
