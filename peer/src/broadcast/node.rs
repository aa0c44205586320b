use std::collections::HashMap;
use std::net::SocketAddrV4;

use ed25519_dalek::SigningKey;
use nearcast_engine::Broadcaster;
use nearcast_engine::broadcaster::{Event as EngineEvent, Input, Output, Settings};
use nearcast_machine::{Machine, Seed, Span, Time};
use nearcast_media::peering::{Message, Role as PeeringRole};
use nearcast_media::{Media, Numberer, StreamId, StreamName};

use crate::audience::Audience;
use crate::events::{Event, Role, Summary};
use crate::frames::frame_of;
use crate::journal::Journal;
use crate::keys::PublicKey;
use crate::mesh::{Scope, Signer, Source, Swarm, status_of, stream_of};
use crate::offers::{self, Offers};
use crate::pump::{Net, Node, Received};
use crate::queue::Outlet;
use crate::status::{Rate, Status, StreamStatus};

/// Streams that may be published here at a time, those that just ended counted.
const STREAMS: usize = 16;
/// How long the last units of a stream can still be asked for; in the mesh, for the playback lag.
const LINGER: Span = Span::from_secs(10);

/// All streams that are published here.
pub(super) struct BroadcastNode {
    net: Net,
    journal: Journal,
    settings: Settings,
    /// Whether offers are taken at all.
    peering: bool,
    /// What makes this a source of the mesh, and where its secrets come from.
    source: Option<(Source, Seed)>,
    /// What streams are signed with.
    key: Option<SigningKey>,
    streams: HashMap<StreamId, Stream>,
    latest_epoch: u32,
    totals: Summary,
}

struct Stream {
    name: StreamName,
    machine: Broadcaster,
    offers: Offers,
    state: State,
}

enum State {
    Live(Box<Live>),
    /// For as long as the last of it may still be asked for.
    Ended {
        until: Time,
        swarm: Option<Box<Swarm>>,
    },
}

/// A publish that goes on.
struct Live {
    epoch: u32,
    numberer: Numberer,
    signer: Option<Signer>,
    /// The connection to the CDN reads here like any other reader.
    audience: Audience,
    at_cdn: bool,
    unit: Option<u64>,
    rate: Rate,
    swarm: Option<Box<Swarm>>,
}

/// Names one publish of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublishId {
    pub(super) stream: StreamId,
    pub(super) epoch: u32,
}

impl BroadcastNode {
    pub(super) fn new(
        net: Net,
        journal: Journal,
        settings: Settings,
        peering: bool,
        source: Option<(Source, Seed)>,
        key: Option<SigningKey>,
    ) -> BroadcastNode {
        BroadcastNode {
            net,
            journal,
            settings,
            peering,
            source,
            key,
            streams: HashMap::new(),
            latest_epoch: 0,
            totals: Summary::default(),
        }
    }

    /// Begins a publish. From now on offers for it can be answered: the controller may see the
    /// CDN's acceptance before it reaches us.
    ///
    /// # Errors
    ///
    /// A sentence for the publisher.
    pub(super) fn begin(&mut self, now: Time, name: &StreamName) -> Result<PublishId, String> {
        let stream = name.id();
        let is_live = |stream: &Stream| matches!(stream.state, State::Live(_));
        if self.streams.get(&stream).is_some_and(is_live) {
            return Err(format!("{name} is being published here already"));
        }
        if self.streams.len() >= STREAMS && !self.streams.contains_key(&stream) {
            return Err(format!("{STREAMS} streams are published here already"));
        }
        // Unit numbers start again, so no two publishes may share an epoch.
        let seconds = u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
        let epoch = seconds.max(self.latest_epoch + 1);
        self.latest_epoch = epoch;
        let swarm = self.source.as_ref().map(|(source, seed)| {
            let seed = seed.derive(&format!("{name} {epoch}"));
            Box::new(Swarm::source(stream, epoch, source.settings.clone(), source.tracker, seed))
        });
        let (numberer, signer) = match &self.key {
            None => (Numberer::new(epoch), None),
            Some(key) => {
                let numberer = Numberer::sealed(epoch, key.verifying_key().to_bytes());
                (numberer, Some(Signer::new(key.clone(), Scope { stream, epoch })))
            }
        };
        let state = State::Live(Box::new(Live {
            epoch,
            numberer,
            signer,
            audience: Audience::default(),
            at_cdn: false,
            unit: None,
            rate: Rate::default(),
            swarm,
        }));
        match self.streams.get_mut(&stream) {
            Some(known) => {
                if let Some((_, swarm)) = known.swarm() {
                    swarm.leave(now, &mut self.net);
                }
                known.state = state;
            }
            None => {
                let machine = Broadcaster::new(name.clone(), self.settings.clone());
                let offers = Offers::default();
                self.streams.insert(stream, Stream { name: name.clone(), machine, offers, state });
            }
        }
        Ok(PublishId { stream, epoch })
    }

    /// Takes what the encoder sent: numbered, stamped, to the switch first, then to the CDN's
    /// queue.
    pub(super) fn publish(&mut self, now: Time, id: PublishId, media: Media) {
        let BroadcastNode { streams, net, journal, totals, .. } = self;
        let Some((stream, live)) = live(streams, id) else { return };
        let mut unit = live.numberer.number(now, media);
        if let Some(signer) = &mut live.signer {
            signer.sign(&mut unit);
        }
        stream.machine.handle(now, Input::Unit(unit.clone()));
        drain(stream.machine, stream.name, net, journal);
        live.audience.release(&unit);
        if let Some(swarm) = &mut live.swarm {
            swarm.publish(now, &unit);
            swarm.drain_source(stream.name, net, journal);
        }

        live.unit = Some(unit.number);
        live.rate.add(now, unit.body.len());
        totals.units += 1;
        if let Some(frame) = frame_of(stream.name, &unit) {
            totals.frames += 1;
            journal.note(Event::Sent(frame));
        }
    }

    /// What tells chunks of streams that are published here from others; nothing if they are not
    /// signed.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        self.key.as_ref().map(|key| PublicKey(key.verifying_key().to_bytes()))
    }

    /// Opens the way to the CDN, with the headers and the current group of pictures; `None` when
    /// the publish is over.
    pub(super) fn read(&mut self, id: PublishId) -> Option<Outlet> {
        let (_, live) = live(&mut self.streams, id)?;
        live.at_cdn = true;
        Some(live.audience.join())
    }

    /// Whether the publish goes on.
    pub(super) fn is_live(&mut self, id: PublishId) -> bool {
        live(&mut self.streams, id).is_some()
    }

    /// The CDN is away.
    pub(super) fn cdn_lost(&mut self, id: PublishId) {
        if let Some((_, live)) = live(&mut self.streams, id) {
            live.at_cdn = false;
        }
    }

    /// Units were not forwarded to the CDN.
    pub(super) fn skipped(&mut self, units: u64) {
        self.totals.skipped += units;
    }

    /// Ends a publish. What the CDN's queue holds still goes there.
    pub(super) fn end(&mut self, now: Time, id: PublishId) {
        let BroadcastNode { streams, net, journal, .. } = self;
        let Some((stream, live)) = live(streams, id) else { return };
        live.audience.end();
        let mut swarm = live.swarm.take();
        if let Some(swarm) = &mut swarm {
            swarm.finish(now);
        }
        stream.machine.handle(now, Input::Ended);
        drain(stream.machine, stream.name, net, journal);
        if let Some(stream) = streams.get_mut(&id.stream) {
            let lag = swarm.as_ref().map_or(Span::ZERO, |swarm| swarm.settings().lag);
            stream.state = State::Ended { until: now + LINGER.max(lag), swarm };
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { events_dropped: self.journal.dropped(), ..self.totals.clone() };
        for stream in self.streams.values() {
            summary.rejected += stream.machine.counters().rejected;
        }
        self.net.counts.fill(&mut summary);
        summary
    }
}

impl Node for BroadcastNode {
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received) {
        let BroadcastNode { streams, net, journal, settings, .. } = self;
        if let Received::Mesh(datagram) = received {
            let stream = streams.get_mut(&stream_of(&datagram));
            let Some((name, swarm)) = stream.and_then(Stream::swarm) else {
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
            Received::Peer(datagram) => match streams.get_mut(&datagram.stream()) {
                Some(stream) => {
                    stream.machine.handle(now, Input::Datagram { from, datagram });
                    drain(&mut stream.machine, &stream.name, net, journal);
                }
                None => net.counts.reject(),
            },
            Received::Peering(Message::Offer(offer)) => {
                let Some(stream) = streams.get_mut(&offer.stream.id()) else { return };
                if offer.role != PeeringRole::Broadcaster {
                    net.counts.reject();
                    return;
                }
                if *from.ip() == settings.controller
                    && let Some(event) = stream.offers.event(&offer)
                {
                    journal.note(event);
                }
                stream.machine.handle(now, Input::Offer { from: *from.ip(), offer });
                drain(&mut stream.machine, &stream.name, net, journal);
            }
            // It names a peering, not a stream; the machine whose peering it is takes it.
            Received::Peering(Message::Withdraw(withdraw)) => {
                for stream in streams.values_mut() {
                    stream.machine.handle(now, Input::Withdraw { from: *from.ip(), withdraw });
                    drain(&mut stream.machine, &stream.name, net, journal);
                }
            }
            Received::Peering(Message::Answer(_)) => net.counts.reject(),
        }
    }

    fn expire(&mut self, now: Time) {
        let BroadcastNode { streams, net, journal, totals, .. } = self;
        streams.retain(|_, stream| {
            stream.machine.expire(now);
            drain(&mut stream.machine, &stream.name, net, journal);
            if let Some((name, swarm)) = stream.swarm() {
                swarm.expire(now, net);
                swarm.drain_source(name, net, journal);
            }
            let over = matches!(stream.state, State::Ended { until, .. } if until <= now);
            if over {
                if let Some((_, swarm)) = stream.swarm() {
                    swarm.leave(now, net);
                }
                totals.rejected += stream.machine.counters().rejected;
            }
            !over
        });
    }

    fn deadline(&self) -> Option<Time> {
        let of = |stream: &Stream| match &stream.state {
            State::Live(live) => {
                let mesh = live.swarm.as_ref().and_then(|swarm| swarm.deadline());
                stream.machine.deadline().into_iter().chain(mesh).min()
            }
            State::Ended { until, swarm } => {
                let mesh = swarm.as_ref().and_then(|swarm| swarm.deadline());
                stream.machine.deadline().into_iter().chain(mesh).chain([*until]).min()
            }
        };
        self.streams.values().filter_map(of).min()
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    fn status(&mut self, now: Time) -> Status {
        let totals = self.summary();
        let streams = self.streams.values_mut().filter_map(|stream| match &mut stream.state {
            State::Ended { .. } => None,
            State::Live(live) => Some(StreamStatus {
                stream: stream.name.to_string(),
                epoch: Some(live.epoch.into()),
                unit: live.unit,
                rate: live.rate.bits_per_sec(now),
                readers: live.audience.readers(),
                peered: stream.machine.peered(),
                way: None,
                at_cdn: live.at_cdn,
                mesh: live.swarm.as_ref().map(|swarm| status_of(swarm)),
            }),
        });
        Status { role: Role::Broadcast, now: now.as_nanos(), streams: streams.collect(), totals }
    }
}

impl Stream {
    /// The stream in the mesh, if it is there.
    fn swarm(&mut self) -> Option<(&StreamName, &mut Swarm)> {
        let swarm = match &mut self.state {
            State::Live(live) => &mut live.swarm,
            State::Ended { swarm, .. } => swarm,
        };
        Some((&self.name, swarm.as_mut()?))
    }
}

/// A stream as a whole and, apart from it, the publish `id`, if that goes on.
fn live(
    streams: &mut HashMap<StreamId, Stream>,
    id: PublishId,
) -> Option<(Borrowed<'_>, &mut Live)> {
    let Stream { name, machine, state, .. } = streams.get_mut(&id.stream)?;
    match state {
        State::Live(live) if live.epoch == id.epoch => Some((Borrowed { name, machine }, live)),
        _ => None,
    }
}

struct Borrowed<'a> {
    name: &'a StreamName,
    machine: &'a mut Broadcaster,
}

/// Does what the machine asks for.
fn drain(machine: &mut Broadcaster, name: &StreamName, net: &mut Net, journal: &Journal) {
    while let Some(output) = machine.poll() {
        match output {
            Output::Send { to, datagram } => net.send(to, datagram),
            Output::Answer { to, answer } => {
                journal.note(Event::Answer {
                    peering: answer.peering,
                    generation: answer.generation,
                    accept: answer.accept,
                });
                net.answer(to, answer);
            }
            Output::Event(event) => {
                if let Some(event) = event_of(name, event) {
                    journal.note(event);
                }
            }
        }
    }
}

fn event_of(name: &StreamName, event: EngineEvent) -> Option<Event> {
    let stream = name.to_string();
    Some(match event {
        // The offer and the answer say it.
        EngineEvent::Peered { .. } => return None,
        EngineEvent::Refused { from } => Event::Forged { from },
        EngineEvent::Unpeered { peering, reason } => {
            Event::Withdraw { peering, stream, reason: offers::reason(reason) }
        }
        EngineEvent::Joined { viewer, gop } => Event::Served { stream, client: viewer.into(), gop },
    })
}
