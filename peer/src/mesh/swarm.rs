use std::net::SocketAddrV4;

use bytes::Bytes;
use nearcast_engine::mesh::tracker::{Answer, Question};
use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{
    Body, Chunk, Event, Input, NeighbourStatistics, Output, Peer, PeerId, Role, Settings,
    Statistics,
};
use nearcast_machine::{Machine, Seed, Time};
use nearcast_media::{Placer, StreamId, StreamName, Unit};

use super::chunks::chunks;
use super::event_of;
use crate::journal::Journal;
use crate::pump::Net;

/// One stream in the mesh: the engine's peer, and of which publish and where it is.
///
/// Whoever joins does not know the epoch. It seeks with epoch 0, which says "whichever you have", and
/// takes that of the first neighbour who accepts with the key that only this one was given. A stream
/// that begins anew is another swarm.
pub(crate) struct Swarm {
    stream: StreamId,
    epoch: Option<u32>,
    machine: Peer<Bytes>,
    tracker: Option<SocketAddrV4>,
    placer: Placer,
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
        let machine = Peer::new(Settings { role: Role::Source, ..settings }, seed);
        Swarm { stream, epoch: Some(epoch), machine, tracker, placer: Placer::new() }
    }

    /// One who wants to play it.
    pub(crate) fn viewer(
        stream: StreamId,
        settings: Settings,
        tracker: SocketAddrV4,
        seed: Seed,
    ) -> Swarm {
        let machine = Peer::new(Settings { role: Role::Viewer, ..settings }, seed);
        Swarm { stream, epoch: None, machine, tracker: Some(tracker), placer: Placer::new() }
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
        let before = self.machine.neighbours().count();
        self.machine.handle(now, Input::Message { from: from.into(), message });
        // Only the one that we sought knows the key, so this is no forger's word.
        if accepts && self.machine.neighbours().count() > before {
            self.epoch = Some(epoch);
        }
        true
    }

    /// Takes a unit from the encoder's side.
    pub(crate) fn publish(&mut self, now: Time, unit: &Unit) {
        if let Some(place) = self.placer.place(unit) {
            for chunk in chunks(unit, place) {
                self.machine.handle(now, Input::Publish(chunk));
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn expire(&mut self, now: Time) {
        self.machine.expire(now);
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
                Output::Release(chunk) => return Some(News::Release(chunk)),
                Output::Event(event) => return Some(News::Event(event)),
                Output::Send { to, message } => {
                    let (stream, epoch) = (self.stream, self.epoch.unwrap_or(0));
                    send(net, to, &Datagram::Peer { stream, epoch, message });
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
                journal.note(event_of(name.as_str(), event));
            }
        }
    }

    fn ask(&self, question: Question, net: &mut Net) {
        // A seed beside the CDN is known to its viewers, and needs no tracker.
        if let Some(tracker) = self.tracker {
            net.send_mesh(tracker, &Datagram::Question { stream: self.stream, question });
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        self.machine.statistics()
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.machine.settings()
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
        let Statistics { chunks_neighbours, chunks_push, chunks_fallback, .. } = self.statistics();
        chunks_neighbours + chunks_push + chunks_fallback
    }
}

fn send(net: &mut Net, to: PeerId, datagram: &Datagram) {
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
