use std::net::SocketAddrV4;

use bytes::Bytes;
use nearcast_engine::mesh::tracker::{Answer, Question};
use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{
    Body, Chunk, Event, Input, Message, NeighbourStatistics, Output, Peer, PeerId, Settings,
    Statistics,
};
use nearcast_machine::{Bitrate, Machine, Seed, Time};
use nearcast_media::{Placer, StreamId, StreamName, Unit, stamp};
use rand::Rng as _;

use super::event_of;
use super::proof::{self, Scope};
use super::prover::Prover;
use super::trust::{Anchor, Ruling, Trust};
use crate::journal::Journal;
use crate::pump::Net;

/// One stream in the mesh: the engine's peer, and of which publish and where it is.
///
/// Whoever joins does not know the epoch. It seeks with epoch 0, which says "whichever you have",
/// and takes that of the first neighbour who accepts with the key that only this one was given. A
/// stream that begins anew is another swarm.
pub(crate) struct Swarm {
    stream: StreamId,
    epoch: Option<u32>,
    machine: Peer<Bytes>,
    tracker: Option<SocketAddrV4>,
    supply: Option<Supply>,
    trust: Trust,
    /// Chunks that were not the broadcaster's.
    polluted: u64,
}

/// What makes the chunks of one who has the stream from elsewhere.
struct Supply {
    placer: Placer,
    prover: Prover,
    /// The key that the stream says it is signed with, once a keyframe came; nothing if it is not.
    key: Option<Option<[u8; 32]>>,
}

/// What a swarm tells its node.
#[derive(Debug)]
pub(crate) enum News {
    /// A chunk to be played.
    Release(Chunk<Bytes>),
    /// Something for the log.
    Event(Event),
}

impl Swarm {
    /// One who has the stream from elsewhere.
    pub(crate) fn source(
        stream: StreamId,
        epoch: u32,
        settings: Settings,
        tracker: Option<SocketAddrV4>,
        seed: Seed,
    ) -> Swarm {
        let machine = Peer::new(settings, seed);
        let prover = Prover::new(Scope { stream, epoch });
        let supply = Some(Supply { placer: Placer::new(), prover, key: None });
        let trust = Trust::Anyone;
        Swarm { stream, epoch: Some(epoch), machine, tracker, supply, trust, polluted: 0 }
    }

    /// One who wants to play it.
    pub(crate) fn viewer(
        stream: StreamId,
        settings: Settings,
        tracker: SocketAddrV4,
        anchor: Anchor,
        seed: Seed,
    ) -> Swarm {
        let machine = Peer::new(settings, seed);
        let trust = Trust::new(anchor, seed.derive("key wanted").rng().random());
        let tracker = Some(tracker);
        Swarm { stream, epoch: None, machine, tracker, supply: None, trust, polluted: 0 }
    }

    /// Of which publish; unknown until a neighbour has accepted.
    pub(crate) fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    /// Where chunks come from that no neighbour delivers in time.
    pub(crate) fn fall_back_to(&mut self, now: Time, source: SocketAddrV4) {
        self.machine.handle(now, Input::Fallback(Some(source.into())));
    }

    /// Takes a datagram of this stream; `false` if it is none for us.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        from: SocketAddrV4,
        datagram: Datagram,
        net: &mut Net,
    ) -> bool {
        let (epoch, message) = match datagram {
            Datagram::Answer { answer, .. } => {
                let ours = self.tracker == Some(from);
                if ours {
                    self.machine.handle(now, Input::Tracker(only_addresses(answer)));
                }
                return ours;
            }
            Datagram::Question { .. } => return false,
            Datagram::KeyWanted { nonce, .. } => return self.tell_key(from, nonce, net),
            Datagram::Key { nonce, key, .. } => return self.trust.answer(from, nonce, key),
            Datagram::Peer { epoch, message, .. } => (epoch, message),
        };
        let for_us = match (self.epoch, &message.body) {
            (Some(ours), Body::Seek { .. }) => epoch == 0 || epoch == ours,
            (Some(ours), _) => epoch == ours,
            // We have nothing to offer yet, and epoch 0 is nobody's.
            (None, body) => epoch != 0 && matches!(body, Body::Accept { .. } | Body::Decline),
        };
        if !for_us {
            return false;
        }
        let accepts = self.epoch.is_none() && matches!(message.body, Body::Accept { .. });
        // Whatever was to be said before is said under the old epoch.
        if accepts {
            self.send_all(net);
        }
        let Some(message) = self.sift(now, from.into(), epoch, message) else { return true };
        let neighbours = |machine: &Peer<Bytes>| machine.neighbours().count();
        let before = accepts.then(|| neighbours(&self.machine));
        self.machine.handle(now, Input::Message { from: from.into(), message });
        // Only the one that we sought knows the key, so this is no forger's word.
        if before.is_some_and(|before| neighbours(&self.machine) > before) {
            self.epoch = Some(epoch);
        }
        true
    }

    /// What is left of a message when the chunk in it has been judged. One who sends another's
    /// chunks is shut out.
    fn sift(
        &mut self,
        now: Time,
        from: PeerId,
        epoch: u32,
        message: Message<Bytes>,
    ) -> Option<Message<Bytes>> {
        // Of a stranger's chunk the machine takes no notice, and nobody is to blame for it.
        let Body::Chunk { chunk, .. } = &message.body else { return Some(message) };
        if !self.machine.knows(from, message.key) {
            return Some(message);
        }
        match self.trust.rule(Scope { stream: self.stream, epoch }, chunk) {
            Ruling::Take => return Some(message),
            Ruling::Leave => {}
            Ruling::Shun => {
                self.polluted += 1;
                self.machine.handle(now, Input::Shun(from));
                return None;
            }
        }
        let Message { key, body: Body::Chunk { news, .. } } = message else { return None };
        news.map(|news| Message { key, body: Body::News(news) })
    }

    /// Tells a viewer the key, as one who has the stream from the CDN.
    fn tell_key(&self, to: SocketAddrV4, nonce: u64, net: &mut Net) -> bool {
        let Some(key) = self.supply.as_ref().and_then(|supply| supply.key) else { return false };
        net.send_mesh(to, Datagram::Key { stream: self.stream, nonce, key });
        true
    }

    /// Takes a unit from the encoder's side.
    pub(crate) fn publish(&mut self, now: Time, unit: &Unit) {
        let Some(Supply { placer, prover, key }) = &mut self.supply else { return };
        if unit.keyframe
            && let Some(stamp) = stamp::find(&unit.body)
        {
            *key = Some(stamp.key());
        }
        let Some(place) = placer.place(unit) else { return };
        for chunk in prover.take(unit, place) {
            self.machine.handle(now, Input::Publish(chunk));
        }
    }

    /// There are no more units.
    pub(crate) fn finish(&mut self, now: Time) {
        let left = self.supply.as_mut().map(|supply| supply.prover.give_up());
        for chunk in left.into_iter().flatten() {
            self.machine.handle(now, Input::Publish(chunk));
        }
    }

    /// Lets time pass.
    pub(crate) fn expire(&mut self, now: Time, net: &mut Net) {
        self.machine.expire(now);
        if let Some((seed, nonce)) = self.trust.ask(now) {
            net.send_mesh(seed, Datagram::KeyWanted { stream: self.stream, nonce });
        }
    }

    /// Says goodbye.
    pub(crate) fn leave(&mut self, now: Time, net: &mut Net) {
        self.machine.handle(now, Input::Leave);
        self.send_all(net);
    }

    /// Does the next thing that the machine asks for, up to what concerns the node.
    pub(crate) fn poll(&mut self, net: &mut Net) -> Option<News> {
        loop {
            match self.machine.poll()? {
                Output::Release(chunk) => {
                    let payload = proof::plain(&chunk.payload).unwrap_or_default();
                    return Some(News::Release(Chunk { payload, ..chunk }));
                }
                Output::Event(event) => return Some(News::Event(event)),
                Output::Send { to, message } => {
                    let (stream, epoch) = (self.stream, self.epoch.unwrap_or(0));
                    send(net, to, Datagram::Peer { stream, epoch, message });
                }
                Output::Tracker(question) => self.ask(question, net),
            }
        }
    }

    /// Does all that the machine asks for, in a moment when nothing concerns the node.
    fn send_all(&mut self, net: &mut Net) {
        while self.poll(net).is_some() {}
    }

    /// Does all that a source's machine asks for: it plays nothing.
    pub(crate) fn drain_source(&mut self, name: &StreamName, net: &mut Net, journal: &Journal) {
        while let Some(news) = self.poll(net) {
            if let News::Event(event) = news {
                if let Event::Outgrown { .. } = event {
                    tracing::warn!(
                        "{name} has more chunks in the mesh's lag than its window holds: viewers lack \
                         some or all; give everybody a larger window or a shorter lag by --settings"
                    );
                }
                journal.note(event_of(name.as_str(), event));
            }
        }
    }

    fn ask(&self, question: Question, net: &mut Net) {
        // A seed beside the CDN is known to its viewers, and needs no tracker.
        if let Some(tracker) = self.tracker {
            net.send_mesh(tracker, Datagram::Question { stream: self.stream, question });
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.machine.deadline().into_iter().chain(self.trust.deadline()).min()
    }

    /// Whether chunks are taken only with the broadcaster's signature.
    pub(crate) fn verifies(&self) -> bool {
        self.trust.verifies()
    }

    /// How many chunks came that were not the broadcaster's.
    pub(crate) fn polluted(&self) -> u64 {
        self.polluted
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        self.machine.statistics()
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.machine.settings()
    }

    /// The upload rate that is used at present.
    pub(crate) fn pace(&self) -> Bitrate {
        self.machine.pace()
    }

    pub(crate) fn neighbours(&self) -> impl Iterator<Item = NeighbourStatistics> {
        self.machine.neighbours()
    }

    /// How far the playback position is behind the present, in chunks that are there: per layer.
    pub(crate) fn held(&self) -> Vec<u32> {
        (0..self.settings().layers).map(|layer| self.machine.held(layer)).collect()
    }

    /// Chunks that were missing and came, by whichever way.
    pub(crate) fn came(&self) -> u64 {
        let Statistics { chunks_neighbours, chunks_fallback, .. } = self.statistics();
        chunks_neighbours + chunks_fallback
    }
}

fn send(net: &mut Net, to: PeerId, datagram: Datagram) {
    // Ids are made of addresses, and lists are looked through before they are believed.
    if let Some(address) = to.address() {
        net.send_mesh(address, datagram);
    }
}

/// Of a list, what datagrams can be sent to.
fn only_addresses(answer: Answer) -> Answer {
    match answer {
        Answer::Peers(mut peers) => {
            peers.retain(|peer| {
                let sound = |a: SocketAddrV4| {
                    a.port() != 0
                        && !a.ip().is_unspecified()
                        && !a.ip().is_multicast()
                        && !a.ip().is_broadcast()
                };
                peer.address().is_some_and(sound)
            });
            Answer::Peers(peers)
        }
        token => token,
    }
}
