use std::collections::HashMap;
use std::net::SocketAddrV4;

use nearcast_engine::Viewer;
use nearcast_engine::viewer::{CdnState, Event as EngineEvent, Input, Output, Release, Settings};
use nearcast_engine::wire::Datagram;
use nearcast_machine::{Machine, Seed, Time};
use nearcast_media::peering::{Message, Role as PeeringRole};
use nearcast_media::{Follower, Media, StreamId, StreamName, Unit};
use tokio::sync::{mpsc, watch};

use super::words;
use crate::audience::Audience;
use crate::events::{Event, Role, Summary, Way};
use crate::frames::frame_of;
use crate::journal::Journal;
use crate::mesh::{Source, Swarm, status_of, stream_of};
use crate::offers::Offers;
use crate::pump::{Net, Node, Received};
use crate::queue::Outlet;
use crate::status::{Rate, Status, StreamStatus};

/// Streams that may be played here at a time.
const STREAMS: usize = 64;

/// All streams that are played here.
pub(super) struct ViewNode {
    net: Net,
    journal: Journal,
    settings: Settings,
    /// Whether offers are taken at all.
    peering: bool,
    /// What makes this a source of the mesh.
    source: Option<Source>,
    seed: Seed,
    streams: HashMap<StreamId, Playing>,
    serial: u64,
    totals: Summary,
}

/// One stream that is played, by however many players.
struct Playing {
    serial: u64,
    name: StreamName,
    machine: Viewer,
    follower: Follower,
    offers: Offers,
    audience: Audience,
    /// To the session with the CDN. It ends when this does.
    pauses: mpsc::UnboundedSender<Pause>,
    verdict: watch::Sender<Verdict>,
    at_cdn: bool,
    /// Whether a picture was released since the first player opened the stream.
    shown: bool,
    latest: Option<Latest>,
    rate: Rate,
    /// Who is given what comes; there once the first unit has said of which publish it is.
    swarm: Option<Box<Swarm>>,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    epoch: u32,
    unit: u64,
    timestamp: u32,
}

/// Names one time that a stream is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlayId {
    pub(super) stream: StreamId,
    serial: u64,
}

/// An order to the session with the CDN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    /// Whether to pause, or to go on.
    pub(super) pause: bool,
    /// Timestamp of the last unit that was released, in ms.
    pub(super) at: u32,
}

/// What the CDN says to our play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Pending,
    /// Yes.
    Accepted,
    /// No, and why.
    Refused(String),
}

/// A stream that somebody wants to play.
pub(super) struct Opened {
    pub(super) id: PlayId,
    pub(super) verdict: watch::Receiver<Verdict>,
    /// For the first who opens it, who has to connect to the CDN.
    pub(super) pauses: Option<mpsc::UnboundedReceiver<Pause>>,
}

impl ViewNode {
    pub(super) fn new(
        net: Net,
        journal: Journal,
        settings: Settings,
        peering: bool,
        source: Option<Source>,
        seed: Seed,
    ) -> ViewNode {
        ViewNode {
            net,
            journal,
            settings,
            peering,
            source,
            seed,
            streams: HashMap::new(),
            serial: 0,
            totals: Summary::default(),
        }
    }

    /// Somebody wants to play `name`.
    ///
    /// # Errors
    ///
    /// A sentence for the player.
    pub(super) fn open(&mut self, name: &StreamName) -> Result<Opened, String> {
        let stream = name.id();
        if let Some(playing) = self.streams.get(&stream) {
            let id = PlayId { stream, serial: playing.serial };
            return Ok(Opened { id, verdict: playing.verdict.subscribe(), pauses: None });
        }
        if self.streams.len() >= STREAMS {
            return Err(format!("{STREAMS} streams are played here already"));
        }
        self.journal.note(Event::PlayRequested { stream: name.to_string() });
        self.serial += 1;
        let (order, pauses) = mpsc::unbounded_channel();
        let (verdict, receiver) = watch::channel(Verdict::Pending);
        let seed = self.seed.derive(&format!("{name} {}", self.serial));
        let playing = Playing {
            serial: self.serial,
            name: name.clone(),
            machine: Viewer::new(name.clone(), self.settings.clone(), seed),
            follower: Follower::new(),
            offers: Offers::default(),
            audience: Audience::default(),
            pauses: order,
            verdict,
            at_cdn: false,
            shown: false,
            latest: None,
            rate: Rate::default(),
            swarm: None,
        };
        self.streams.insert(stream, playing);
        let id = PlayId { stream, serial: self.serial };
        Ok(Opened { id, verdict: receiver, pauses: Some(pauses) })
    }

    /// A reader of a stream that was accepted; `None` when it is over meanwhile.
    pub(super) fn read(&mut self, id: PlayId) -> Option<Outlet> {
        Some(playing(&mut self.streams, id)?.audience.join())
    }

    /// How many read it; `None` when it is over.
    pub(super) fn readers(&mut self, id: PlayId) -> Option<usize> {
        Some(playing(&mut self.streams, id)?.audience.readers())
    }

    /// The CDN accepted our play, for the first time or again.
    pub(super) fn accepted(&mut self, now: Time, id: PlayId) {
        let Some(playing) = playing(&mut self.streams, id) else { return };
        playing.verdict.send_replace(Verdict::Accepted);
        // What comes now does not join on to what came by an earlier connection.
        playing.follower.interrupt();
        self.journal.note(Event::PlayAccepted { stream: playing.name.to_string() });
        self.cdn_state(now, id, CdnState::Playing);
    }

    /// The CDN refused our play.
    pub(super) fn refused(&mut self, id: PlayId, reason: String) {
        let Some(playing) = playing(&mut self.streams, id) else { return };
        let stream = playing.name.to_string();
        self.journal.note(Event::PlayRefused { stream, reason: reason.clone() });
        playing.verdict.send_replace(Verdict::Refused(reason));
        self.streams.remove(&id.stream);
    }

    /// The session with the CDN changed.
    pub(super) fn cdn_state(&mut self, now: Time, id: PlayId, state: CdnState) {
        let Some(playing) = playing(&mut self.streams, id) else { return };
        playing.at_cdn = matches!(state, CdnState::Playing | CdnState::Paused);
        playing.machine.handle(now, Input::CdnState(state));
        self.drain(now, id.stream);
    }

    /// The CDN sent this.
    pub(super) fn cdn_media(&mut self, now: Time, id: PlayId, media: Media) {
        let Some(playing) = playing(&mut self.streams, id) else { return };
        playing.follower.receive(media);
        while let Some(followed) = playing.follower.poll() {
            playing.machine.handle(now, Input::Cdn(followed));
        }
        self.drain(now, id.stream);
    }

    /// Stops playing: nobody watches any more, or the program ends.
    pub(super) fn close(&mut self, now: Time, id: PlayId) {
        if playing(&mut self.streams, id).is_some() {
            self.remove(now, id.stream);
        }
    }

    /// Stops playing everything.
    pub(super) fn close_all(&mut self, now: Time) {
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        all.into_iter().for_each(|stream| self.remove(now, stream));
    }

    fn remove(&mut self, now: Time, stream: StreamId) {
        if let Some(mut playing) = self.streams.remove(&stream) {
            if let Some(swarm) = &mut playing.swarm {
                swarm.leave(now, &mut self.net);
            }
            self.totals.slow_players += playing.audience.cut_off();
            self.totals.rejected += playing.machine.counters().rejected;
            playing.audience.end();
        }
    }

    /// Does what the machine of `stream` asks for.
    fn drain(&mut self, now: Time, stream: StreamId) {
        let ViewNode { streams, net, journal, totals, source, seed, .. } = self;
        let Some(playing) = streams.get_mut(&stream) else { return };
        let mut over = false;
        while let Some(output) = playing.machine.poll() {
            match output {
                Output::Header(media) => playing.audience.header(media),
                Output::Release(release) => {
                    playing.release(now, &release, journal, totals);
                    if let Some(source) = source {
                        playing.give_on(now, &release.unit, (source, *seed), net, journal);
                    }
                }
                Output::Send { to, datagram } => {
                    if let Datagram::Join(_) = datagram {
                        let stream = playing.name.to_string();
                        journal.note(Event::JoinAsked { stream, holder: to.into() });
                    }
                    net.send(to, datagram);
                }
                Output::Answer { to, answer } => {
                    journal.note(Event::Answer {
                        peering: answer.peering,
                        generation: answer.generation,
                        accept: answer.accept,
                    });
                    net.answer(to, answer);
                }
                Output::CdnPause(pause) => {
                    if !pause {
                        playing.follower.interrupt();
                    }
                    let at = playing.latest.map_or(0, |latest| latest.timestamp);
                    // The session may have ended meanwhile; it then has nothing to pause.
                    playing.pauses.send(Pause { pause, at }).ok();
                }
                Output::Event(event) => {
                    over |= event == EngineEvent::Ended;
                    count(&event, totals);
                    if let Some(event) = words::event_of(&playing.name, event) {
                        journal.note(event);
                    }
                }
            }
        }
        if over {
            self.remove(now, stream);
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { events_dropped: self.journal.dropped(), ..self.totals.clone() };
        for playing in self.streams.values() {
            summary.slow_players += playing.audience.cut_off();
            summary.rejected += playing.machine.counters().rejected;
        }
        self.net.counts.fill(&mut summary);
        summary
    }
}

impl Playing {
    /// The earlier of its machines'.
    fn deadline(&self) -> Option<Time> {
        let mesh = self.swarm.as_ref().and_then(|swarm| swarm.deadline());
        self.machine.deadline().into_iter().chain(mesh).min()
    }

    /// Hands a unit to the players, then writes it down.
    fn release(&mut self, now: Time, release: &Release, journal: &Journal, totals: &mut Summary) {
        let unit = &release.unit;
        self.audience.release(unit);

        self.rate.add(now, unit.body.len());
        totals.units += 1;
        let way = words::way_of(release.way);
        *match way {
            Way::Cdn => &mut totals.cdn,
            Way::Switch => &mut totals.switch,
            Way::Neighbour => &mut totals.neighbour,
            Way::Seed => &mut totals.seed,
        } += 1;
        if let Some(latest) = self.latest.filter(|latest| latest.epoch == unit.epoch) {
            totals.repeated += u64::from(unit.number == latest.unit);
            totals.disordered += u64::from(unit.number < latest.unit);
        }
        let (epoch, timestamp) = (unit.epoch, unit.timestamp);
        self.latest = Some(Latest { epoch, unit: unit.number, timestamp });

        if let Some(mut frame) = frame_of(&self.name, unit) {
            totals.frames += 1;
            if !self.shown {
                self.shown = true;
                let stream = self.name.to_string();
                journal.note(Event::FirstFrame { stream, unit: unit.number, way });
            }
            frame.way = Some(way);
            journal.note(Event::Frame(frame));
        }
    }

    /// Hands a unit to the mesh, as its source.
    fn give_on(
        &mut self,
        now: Time,
        unit: &Unit,
        (source, seed): (&Source, Seed),
        net: &mut Net,
        journal: &Journal,
    ) {
        // Another publish of the same name is another swarm.
        if let Some(swarm) = self.swarm.take_if(|swarm| swarm.epoch() != Some(unit.epoch)).as_mut()
        {
            swarm.leave(now, net);
        }
        let (name, epoch) = (&self.name, unit.epoch);
        let swarm = self.swarm.get_or_insert_with(|| {
            let seed = seed.derive(&format!("{name} {epoch} mesh"));
            let Source { settings, tracker } = source.clone();
            Box::new(Swarm::source(name.id(), epoch, settings, tracker, seed))
        });
        swarm.publish(now, unit);
        swarm.drain_source(name, net, journal);
    }
}

impl Node for ViewNode {
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received) {
        if let Received::Mesh(datagram) = received {
            let ViewNode { streams, net, journal, .. } = self;
            let playing = streams.get_mut(&stream_of(&datagram));
            let Some(Playing { name, swarm: Some(swarm), .. }) = playing else {
                net.counts.reject();
                return;
            };
            if !swarm.receive(now, from, datagram, net) {
                net.counts.reject();
            }
            swarm.drain_source(name, net, journal);
            return;
        }
        if !self.peering {
            return;
        }
        match received {
            Received::Mesh(_) => {}
            Received::Peer(datagram) => {
                let stream = datagram.stream();
                match self.streams.get_mut(&stream) {
                    Some(playing) => {
                        if let Datagram::Chunk(chunk) = &datagram
                            && playing.offers.is_first_switched(*from.ip())
                        {
                            let (stream, unit) = (playing.name.to_string(), chunk.head.number);
                            self.journal.note(Event::FirstSwitched { stream, unit });
                        }
                        playing.machine.handle(now, Input::Datagram { from, datagram });
                        self.drain(now, stream);
                    }
                    None => self.net.counts.reject(),
                }
            }
            Received::Peering(Message::Offer(offer)) => {
                let stream = offer.stream.id();
                let Some(playing) = self.streams.get_mut(&stream) else { return };
                if offer.role != PeeringRole::Viewer {
                    self.net.counts.reject();
                    return;
                }
                if *from.ip() == self.settings.controller
                    && let Some(event) = playing.offers.event(&offer)
                {
                    self.journal.note(event);
                }
                playing.machine.handle(now, Input::Offer { from: *from.ip(), offer });
                self.drain(now, stream);
            }
            // It names a peering, not a stream; the machine whose peering it is takes it.
            Received::Peering(Message::Withdraw(withdraw)) => {
                let all: Vec<StreamId> = self.streams.keys().copied().collect();
                for stream in all {
                    if let Some(playing) = self.streams.get_mut(&stream) {
                        let from = *from.ip();
                        playing.machine.handle(now, Input::Withdraw { from, withdraw });
                        self.drain(now, stream);
                    }
                }
            }
            Received::Peering(Message::Answer(_)) => self.net.counts.reject(),
        }
    }

    fn expire(&mut self, now: Time) {
        let due = |playing: &Playing| playing.deadline().is_some_and(|at| at <= now);
        let all: Vec<StreamId> =
            self.streams.iter().filter(|(_, p)| due(p)).map(|(&stream, _)| stream).collect();
        for stream in all {
            if let Some(playing) = self.streams.get_mut(&stream) {
                playing.machine.expire(now);
                if let Some(swarm) = &mut playing.swarm {
                    swarm.expire(now, &mut self.net);
                    swarm.drain_source(&playing.name, &mut self.net, &self.journal);
                }
                self.drain(now, stream);
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.streams.values().filter_map(Playing::deadline).min()
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    fn status(&mut self, now: Time) -> Status {
        let totals = self.summary();
        let streams = self.streams.values_mut().map(|playing| StreamStatus {
            stream: playing.name.to_string(),
            epoch: playing.latest.map(|latest| latest.epoch.into()),
            unit: playing.latest.map(|latest| latest.unit),
            rate: playing.rate.bits_per_sec(now),
            readers: playing.audience.readers(),
            peered: playing.machine.peered(),
            way: Some(words::path_of(playing.machine.path())),
            at_cdn: playing.at_cdn,
            mesh: playing.swarm.as_ref().map(|swarm| status_of(swarm)),
        });
        Status { role: Role::View, now: now.as_nanos(), streams: streams.collect(), totals }
    }
}

fn playing(streams: &mut HashMap<StreamId, Playing>, id: PlayId) -> Option<&mut Playing> {
    streams.get_mut(&id.stream).filter(|playing| playing.serial == id.serial)
}

fn count(event: &EngineEvent, totals: &mut Summary) {
    match event {
        EngineEvent::Path { .. } => totals.changes += 1,
        EngineEvent::Skipped { from, to } => totals.lost += to.saturating_sub(*from),
        EngineEvent::Asked { chunks, .. } => totals.repaired += u64::from(*chunks),
        _ => {}
    }
}
