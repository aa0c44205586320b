use std::collections::HashMap;
use std::net::SocketAddrV4;

use nearcast_engine::CdnSeed;
use nearcast_engine::seed::{Event as EngineEvent, Input, Output, Settings};
use nearcast_machine::{Machine, Seed, Time};
use nearcast_media::{Followed, Follower, Kind, Media, StreamId, StreamName, Unit};

use crate::events::{Event, Role, Summary};
use crate::journal::Journal;
use crate::mesh::{Source, Swarm, status_of, stream_of};
use crate::pump::{Net, Node, Received};
use crate::status::{Rate, Status, StreamStatus};

/// All streams of the CDN, as its seed serves them.
pub(super) struct SeedNode {
    net: Net,
    journal: Journal,
    machine: CdnSeed,
    /// What makes this a source of the mesh.
    source: Option<Source>,
    /// Streams that are over, for as long as the last of them may still be asked for.
    ending: HashMap<StreamId, Ending>,
    seed: Seed,
    feeds: HashMap<StreamId, Feeding>,
    /// Most of them at a time.
    limit: usize,
    serial: u64,
    totals: Summary,
}

/// A stream of the mesh that is over.
struct Ending {
    name: StreamName,
    swarm: Swarm,
    until: Time,
}

/// A stream that is played from the CDN's server.
struct Feeding {
    serial: u64,
    /// The publisher's number at the server; unknown when we found the stream there.
    client: Option<u64>,
    name: StreamName,
    follower: Follower,
    epoch: Option<u32>,
    unit: Option<u64>,
    rate: Rate,
    playing: bool,
    swarm: Option<Swarm>,
}

/// Names one publish that is being played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FeedId {
    stream: StreamId,
    serial: u64,
}

impl SeedNode {
    pub(super) fn new(
        net: Net,
        journal: Journal,
        settings: Settings,
        source: Option<Source>,
        seed: Seed,
    ) -> SeedNode {
        let limit = settings.streams;
        let machine = CdnSeed::new(settings, seed);
        let (feeds, serial, totals) = (HashMap::new(), 0, Summary::default());
        let ending = HashMap::new();
        SeedNode { net, journal, machine, source, ending, seed, feeds, limit, serial, totals }
    }

    /// The publisher `client` of the server publishes `name`. `None` when that stream is played
    /// already: the server will refuse a second publisher by itself.
    ///
    /// # Errors
    ///
    /// A sentence, when there is no room.
    pub(super) fn begin(
        &mut self,
        name: &StreamName,
        client: Option<u64>,
    ) -> Result<Option<FeedId>, String> {
        let stream = name.id();
        match self.feeds.get(&stream) {
            Some(known) if known.playing => return Ok(None),
            None if self.feeds.len() >= self.limit => {
                return Err(format!("{} streams are kept already", self.limit));
            }
            Some(_) | None => {}
        }
        self.serial += 1;
        let feeding = Feeding {
            serial: self.serial,
            client,
            name: name.clone(),
            follower: Follower::new(),
            epoch: None,
            unit: None,
            rate: Rate::default(),
            playing: false,
            swarm: None,
        };
        self.feeds.insert(stream, feeding);
        Ok(Some(FeedId { stream, serial: self.serial }))
    }

    /// The publish of `name` ended.
    pub(super) fn end(&mut self, now: Time, name: &StreamName, reason: &str) {
        if let Some(feeding) = self.feeds.remove(&name.id()) {
            if let Some(mut swarm) = feeding.swarm {
                swarm.finish(now);
                let until = now + swarm.settings().lag;
                self.ending.insert(name.id(), Ending { name: feeding.name, swarm, until });
            }
            let (stream, reason) = (name.to_string(), reason.to_owned());
            self.journal.note(Event::StreamEnded { stream, reason });
            self.machine.handle(now, Input::Ended(name.id()));
            self.drain();
        }
    }

    /// The publisher `client` is gone; that matters only if it is the one whose stream is played.
    pub(super) fn publisher_left(&mut self, now: Time, name: &StreamName, client: Option<u64>) {
        let is_theirs = |feeding: &Feeding| client.is_some() && feeding.client == client;
        if self.feeds.get(&name.id()).is_some_and(is_theirs) {
            self.end(now, name, "the publisher stopped");
        }
    }

    /// Whether the publish still goes on.
    pub(super) fn is_fed(&self, id: FeedId) -> bool {
        self.feeds.get(&id.stream).is_some_and(|feeding| feeding.serial == id.serial)
    }

    /// Whether this stream is played, by whatever publish.
    pub(super) fn has(&self, name: &StreamName) -> bool {
        self.feeds.contains_key(&name.id())
    }

    /// The server lets us play.
    pub(super) fn playing(&mut self, id: FeedId) {
        if let Some(feeding) = feeding(&mut self.feeds, id) {
            feeding.playing = true;
            feeding.follower.interrupt();
            self.journal.note(Event::PlayAccepted { stream: feeding.name.to_string() });
        }
    }

    /// The connection to the server broke.
    pub(super) fn broken(&mut self, id: FeedId, reason: String) {
        if let Some(feeding) = feeding(&mut self.feeds, id) {
            feeding.playing = false;
            self.journal.note(Event::CdnLost { stream: feeding.name.to_string(), reason });
        }
    }

    /// The server sent this.
    pub(super) fn media(&mut self, now: Time, id: FeedId, media: Media) {
        let Some(feeding) = feeding(&mut self.feeds, id) else { return };
        feeding.rate.add(now, media.body.len());
        feeding.follower.receive(media);
        while let Some(followed) = feeding.follower.poll() {
            if let Followed::Unit(unit) = &followed {
                self.totals.units += 1;
                self.totals.frames += u64::from(unit.kind == Kind::Video && !unit.header);
                (feeding.epoch, feeding.unit) = (Some(unit.epoch), Some(unit.number));
            }
            if let (Followed::Unit(unit), Some(source)) = (&followed, &self.source) {
                feeding.supply_mesh(now, unit, source, self.seed, &mut self.net);
            }
            self.machine.handle(now, Input::Cdn { stream: id.stream, followed });
        }
        if let Some(swarm) = &mut feeding.swarm {
            swarm.drain_source(&feeding.name, &mut self.net, &self.journal);
        }
        self.drain();
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { events_dropped: self.journal.dropped(), ..self.totals.clone() };
        summary.rejected += self.machine.counters().rejected;
        self.net.counts.fill(&mut summary);
        summary
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { to, datagram } => self.net.send(to, datagram),
                Output::Event(event) => {
                    if let Some(event) = self.event_of(event) {
                        self.journal.note(event);
                    }
                }
            }
        }
    }

    fn event_of(&self, event: EngineEvent) -> Option<Event> {
        // A tail or a group may outlive its publish for a moment; the hash then has to do.
        let name = |stream: StreamId| match self.feeds.get(&stream) {
            Some(feeding) => feeding.name.to_string(),
            None => stream.to_string(),
        };
        Some(match event {
            EngineEvent::Joined { client, stream, gop } => {
                Event::Served { stream: name(stream), client: client.into(), gop }
            }
            EngineEvent::TailBegan { client, stream, .. } => {
                Event::Tail { stream: name(stream), client: client.into(), begins: true }
            }
            EngineEvent::TailEnded { client, stream } => {
                Event::Tail { stream: name(stream), client: client.into(), begins: false }
            }
            // Anybody may ask for anything; a line for each would be theirs to write.
            EngineEvent::Unknown { client, stream } => {
                tracing::debug!("{client} asks for {stream}, which is not here");
                return None;
            }
        })
    }
}

impl Node for SeedNode {
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received) {
        match received {
            Received::Peer(datagram) => {
                self.machine.handle(now, Input::Datagram { from, datagram });
                self.drain();
            }
            // The seed takes part in no peering.
            Received::Peering(_) => self.net.counts.reject(),
            Received::Mesh(datagram) => {
                let stream = stream_of(&datagram);
                let SeedNode { feeds, ending, net, journal, .. } = self;
                let live = feeds.get_mut(&stream).and_then(|f| Some((&f.name, f.swarm.as_mut()?)));
                let over = ending.get_mut(&stream).map(|end| (&end.name, &mut end.swarm));
                let Some((name, swarm)) = live.or(over) else {
                    net.counts.reject();
                    return;
                };
                if !swarm.receive(now, from, datagram, net) {
                    net.counts.reject();
                }
                swarm.drain_source(name, net, journal);
            }
        }
    }

    fn expire(&mut self, now: Time) {
        self.machine.expire(now);
        self.drain();
        let SeedNode { feeds, ending, net, journal, .. } = self;
        ending.retain(|stream, end| {
            // A publish that goes on has the stream to itself.
            let over = end.until <= now || feeds.get(stream).is_some_and(|f| f.swarm.is_some());
            match over {
                true => end.swarm.leave(now, net),
                false => end.swarm.expire(now, net),
            }
            end.swarm.drain_source(&end.name, net, journal);
            !over
        });
        for feeding in feeds.values_mut() {
            if let Some(swarm) = &mut feeding.swarm {
                swarm.expire(now, net);
                swarm.drain_source(&feeding.name, net, journal);
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        let swarms = self.feeds.values().filter_map(|feeding| feeding.swarm.as_ref()?.deadline());
        let ending = self.ending.values().flat_map(|end| [Some(end.until), end.swarm.deadline()]);
        swarms.chain(ending.flatten()).chain(self.machine.deadline()).min()
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    fn status(&mut self, now: Time) -> Status {
        let totals = self.summary();
        let streams = self.feeds.values_mut().map(|feeding| StreamStatus {
            stream: feeding.name.to_string(),
            epoch: feeding.epoch.map(u64::from),
            unit: feeding.unit,
            rate: feeding.rate.bits_per_sec(now),
            readers: 0,
            peered: false,
            way: None,
            at_cdn: feeding.playing,
            mesh: feeding.swarm.as_ref().map(status_of),
        });
        Status { role: Role::Seed, now: now.as_nanos(), streams: streams.collect(), totals }
    }
}

impl Feeding {
    /// Hands a unit to the mesh. A new epoch is another swarm.
    fn supply_mesh(&mut self, now: Time, unit: &Unit, source: &Source, seed: Seed, net: &mut Net) {
        if self.swarm.as_ref().and_then(Swarm::epoch) != Some(unit.epoch) {
            if let Some(mut old) = self.swarm.take() {
                old.leave(now, net);
            }
            let seed = seed.derive(&format!("mesh {} {} {}", self.name, self.serial, unit.epoch));
            let (stream, settings) = (self.name.id(), source.settings.clone());
            let swarm = Swarm::source(stream, unit.epoch, settings, source.tracker, seed);
            self.swarm = Some(swarm);
        }
        if let Some(swarm) = &mut self.swarm {
            swarm.publish(now, unit);
        }
    }
}

fn feeding(feeds: &mut HashMap<StreamId, Feeding>, id: FeedId) -> Option<&mut Feeding> {
    feeds.get_mut(&id.stream).filter(|feeding| feeding.serial == id.serial)
}
