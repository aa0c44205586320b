use std::collections::HashMap;
use std::net::SocketAddrV4;

use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{Event as EngineEvent, Relation, Settings};
use nearcast_machine::{Seed, Span, Time};
use nearcast_media::flv::{self, Codec};
use nearcast_media::{Kind, Media, StreamId, StreamName, Unit, stamp};
use tokio::sync::watch;

use super::chunks::{Assembled, Assembler};
use super::{Anchor, News, Swarm, event_of, progress_of, status_of};
use crate::audience::Audience;
use crate::events::{Event, Role, Summary, Way};
use crate::frames::frame_of;
use crate::journal::Journal;
use crate::pump::{Net, Node, Received};
use crate::queue::Outlet;
use crate::status::{Rate, Status, StreamStatus};

/// Streams that may be played here at a time.
const STREAMS: usize = 64;
/// How often it is looked at whether a stream is still read, and still comes.
const LOOK: Span = Span::from_millis(500);
/// How often it is written down how far a stream has come.
const TELL: Span = Span::from_secs(1);
/// How long a stream is kept without a reader: players that probe connect twice.
const UNREAD: Span = Span::from_secs(3);
/// How long nothing may come after what has come was played. A new publish of the same stream is
/// found by opening it anew.
const DRY: Span = Span::from_secs(2);
/// How long a stream may take to come at all.
const COMING: Span = Span::from_secs(30);

/// All streams that are played here.
pub(super) struct MeshNode {
    net: Net,
    journal: Journal,
    settings: Settings,
    tracker: SocketAddrV4,
    /// The seed beside the CDN.
    fallback: Option<SocketAddrV4>,
    anchor: Anchor,
    seed: Seed,
    streams: HashMap<StreamId, Playing>,
    serial: u64,
    totals: Summary,
    look_at: Time,
}

/// One stream that is played, by however many players.
struct Playing {
    name: StreamName,
    swarm: Swarm,
    assembler: Assembler,
    audience: Audience,
    /// The sequence headers that players have been given.
    headers: Vec<Media>,
    found: watch::Sender<bool>,
    shown: bool,
    latest: Option<u64>,
    rate: Rate,
    /// How many chunks had come, and since when it is so many.
    came: (u64, Time),
    read_at: Time,
    /// When it is next written down how far it has come.
    tell_at: Time,
}

impl MeshNode {
    pub(super) fn new(
        net: Net,
        journal: Journal,
        settings: Settings,
        tracker: SocketAddrV4,
        fallback: Option<SocketAddrV4>,
        anchor: Anchor,
        seed: Seed,
    ) -> MeshNode {
        MeshNode {
            net,
            journal,
            settings,
            tracker,
            fallback,
            anchor,
            seed,
            streams: HashMap::new(),
            serial: 0,
            totals: Summary::default(),
            look_at: Time::ZERO,
        }
    }

    /// Somebody wants to play `name`; what is answered comes true once a neighbour has it.
    ///
    /// # Errors
    ///
    /// A sentence for the player.
    pub(super) fn open(
        &mut self,
        now: Time,
        name: &StreamName,
    ) -> Result<watch::Receiver<bool>, String> {
        let stream = name.id();
        if let Some(playing) = self.streams.get_mut(&stream) {
            playing.read_at = now;
            return Ok(playing.found.subscribe());
        }
        if self.streams.len() >= STREAMS {
            return Err(format!("{STREAMS} streams are played here already"));
        }
        self.journal.note(Event::PlayRequested { stream: name.to_string() });
        self.serial += 1;
        let seed = self.seed.derive(&format!("{name} {}", self.serial));
        let settings = self.settings.clone();
        let mut swarm = Swarm::viewer(stream, settings, self.tracker, self.anchor, seed);
        if let Some(fallback) = self.fallback {
            swarm.fall_back_to(now, fallback);
        }
        let (found, receiver) = watch::channel(false);
        let playing = Playing {
            name: name.clone(),
            swarm,
            assembler: Assembler::default(),
            audience: Audience::default(),
            headers: Vec::new(),
            found,
            shown: false,
            latest: None,
            rate: Rate::default(),
            came: (0, now),
            read_at: now,
            tell_at: now + TELL,
        };
        self.streams.insert(stream, playing);
        self.look_at = self.look_at.max(now + LOOK);
        self.drain(now, stream);
        Ok(receiver)
    }

    /// A reader of a stream that was found; `None` when it is over meanwhile.
    pub(super) fn read(&mut self, name: &StreamName) -> Option<Outlet> {
        Some(self.streams.get_mut(&name.id())?.audience.join())
    }

    /// Stops playing everything.
    pub(super) fn close_all(&mut self, now: Time) {
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        all.into_iter().for_each(|stream| self.close(now, stream));
    }

    fn close(&mut self, now: Time, stream: StreamId) {
        let MeshNode { streams, net, journal, totals, .. } = self;
        let Some(mut playing) = streams.remove(&stream) else { return };
        playing.finish(now, journal, totals);
        journal.note(progress_of(playing.name.as_str(), &playing.swarm));
        playing.swarm.leave(now, net);
        totals.slow_players += playing.audience.cut_off();
        totals.rejected += playing.swarm.statistics().forged + playing.swarm.polluted();
        playing.audience.end();
    }

    /// Does what the swarm of `stream` asks for.
    fn drain(&mut self, now: Time, stream: StreamId) {
        let MeshNode { streams, net, journal, totals, .. } = self;
        let Some(playing) = streams.get_mut(&stream) else { return };
        while let Some(news) = playing.swarm.poll(net) {
            match news {
                News::Release(chunk) => {
                    let Some(epoch) = playing.swarm.epoch() else { continue };
                    for unit in playing.assembler.take(epoch, chunk).into_iter().flatten() {
                        playing.release(now, unit, journal, totals);
                    }
                }
                News::Event(event) => {
                    // One that has only been met may not have a chunk yet; the seed always has.
                    if let EngineEvent::Met { relation, .. } = event
                        && (relation != Relation::Initiator || playing.swarm.epoch().is_some())
                    {
                        playing.found.send_replace(true);
                    }
                    journal.note(event_of(playing.name.as_str(), event));
                }
            }
        }
    }

    /// Closes what nobody reads any more, and what is over.
    fn look(&mut self, now: Time) {
        self.look_at = now + LOOK;
        let lag = self.settings.lag;
        let mut over = Vec::new();
        for (&stream, playing) in &mut self.streams {
            let came = playing.swarm.came();
            if came != playing.came.0 {
                playing.came = (came, now);
            }
            if playing.audience.readers() > 0 {
                playing.read_at = now;
            }
            if playing.tell_at <= now {
                playing.tell_at = now + TELL;
                self.journal.note(progress_of(playing.name.as_str(), &playing.swarm));
            }
            let patience = if came > 0 { lag + DRY } else { COMING };
            let dry = playing.came.1 + patience <= now;
            let waits = !*playing.found.borrow() && playing.found.receiver_count() > 0;
            if dry {
                let (stream, reason) = (playing.name.to_string(), "nothing comes any more");
                self.journal.note(Event::StreamEnded { stream, reason: reason.to_owned() });
            }
            if dry || playing.read_at + UNREAD <= now && !waits {
                over.push(stream);
            }
        }
        over.into_iter().for_each(|stream| self.close(now, stream));
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { events_dropped: self.journal.dropped(), ..self.totals.clone() };
        for playing in self.streams.values() {
            summary.slow_players += playing.audience.cut_off();
            summary.rejected += playing.swarm.statistics().forged + playing.swarm.polluted();
        }
        self.net.counts.fill(&mut summary);
        summary
    }
}

impl Playing {
    /// Hands a unit to the players, then writes it down.
    fn release(
        &mut self,
        now: Time,
        Assembled { unit, partial }: Assembled,
        journal: &Journal,
        totals: &mut Summary,
    ) {
        // Who came late has not seen the headers that the publish began with.
        let stamp = unit.keyframe.then(|| stamp::find(&unit.body)).flatten();
        for (kind, body) in stamp.iter().flat_map(|stamp| stamp.headers()) {
            self.header(Media { kind, timestamp: unit.timestamp, body: body.clone() });
        }
        if unit.header && unit.kind != Kind::Data {
            self.header(unit.media());
        } else if !self.lacks_header(&unit) {
            self.audience.release(&unit);
        }

        self.rate.add(now, unit.body.len());
        totals.units += 1;
        totals.neighbour += 1;
        if let Some(latest) = self.latest {
            totals.repeated += u64::from(unit.number == latest);
            totals.disordered += u64::from(unit.number < latest);
            totals.lost += unit.number.saturating_sub(latest + 1);
        }
        self.latest = Some(unit.number);
        let stream = || self.name.to_string();
        if partial {
            journal.note(Event::Torn { stream: stream(), unit: unit.number });
        }
        if let Some(mut frame) = frame_of(&self.name, &unit) {
            totals.frames += 1;
            let (unit, way) = (unit.number, Way::Neighbour);
            if !self.shown {
                self.shown = true;
                journal.note(Event::FirstFrame { stream: stream(), unit, way });
            }
            frame.way = Some(way);
            journal.note(Event::Frame(frame));
        }
    }

    /// Whether it is a picture that no player can decode, as what its headers say is still to come:
    /// of a first group of pictures that comes in parts the keyframe's stamp may be missing.
    fn lacks_header(&self, unit: &Unit) -> bool {
        let header = flv::BodyHeader::parse(unit.kind, &unit.body);
        let needs = header.is_some_and(|header| header.codec == Codec::Avc);
        needs && !self.headers.iter().any(|header| header.kind == unit.kind)
    }

    /// Gives players a sequence header, unless they have it.
    fn header(&mut self, media: Media) {
        let known = self.headers.iter_mut().find(|header| header.kind == media.kind);
        match known {
            Some(header) if header.body == media.body => return,
            Some(header) => *header = media.clone(),
            None => self.headers.push(media.clone()),
        }
        self.audience.header(media);
    }

    /// Releases what is still being put together.
    fn finish(&mut self, now: Time, journal: &Journal, totals: &mut Summary) {
        if let Some(epoch) = self.swarm.epoch()
            && let Some(unit) = self.assembler.finish(epoch)
        {
            self.release(now, unit, journal, totals);
        }
    }
}

impl Node for MeshNode {
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received) {
        let Received::Mesh(datagram) = received else {
            self.net.counts.reject();
            return;
        };
        let stream = stream_of(&datagram);
        let MeshNode { streams, net, .. } = self;
        let playing = streams.get_mut(&stream);
        if playing.is_some_and(|playing| playing.swarm.receive(now, from, datagram, net)) {
            self.drain(now, stream);
        } else {
            self.net.counts.reject();
        }
    }

    fn expire(&mut self, now: Time) {
        if self.look_at <= now && !self.streams.is_empty() {
            self.look(now);
        }
        let due = |playing: &Playing| playing.swarm.deadline().is_some_and(|at| at <= now);
        let all: Vec<StreamId> =
            self.streams.iter().filter(|(_, p)| due(p)).map(|(&stream, _)| stream).collect();
        for stream in all {
            if let Some(playing) = self.streams.get_mut(&stream) {
                playing.swarm.expire(now, &mut self.net);
                self.drain(now, stream);
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        let look = (!self.streams.is_empty()).then_some(self.look_at);
        self.streams.values().filter_map(|playing| playing.swarm.deadline()).chain(look).min()
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    fn status(&mut self, now: Time) -> Status {
        let totals = self.summary();
        let streams = self.streams.values_mut().map(|playing| StreamStatus {
            stream: playing.name.to_string(),
            epoch: playing.swarm.epoch().map(u64::from),
            unit: playing.latest,
            rate: playing.rate.bits_per_sec(now),
            readers: playing.audience.readers(),
            peered: false,
            way: None,
            at_cdn: false,
            mesh: Some(status_of(&playing.swarm)),
        });
        Status { role: Role::Mesh, now: now.as_nanos(), streams: streams.collect(), totals }
    }
}

/// Of which stream a datagram is.
pub(crate) fn stream_of(datagram: &Datagram) -> StreamId {
    match datagram {
        Datagram::Peer { stream, .. }
        | Datagram::Question { stream, .. }
        | Datagram::Answer { stream, .. }
        | Datagram::KeyWanted { stream, .. }
        | Datagram::Key { stream, .. } => *stream,
    }
}
