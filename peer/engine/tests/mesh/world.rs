//! A tracker, a source and peers on a network that delays, loses, reorders and bends clocks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use nearcast_engine::mesh::tracker::{self, Tracker};
use nearcast_engine::mesh::{
    Chunk, Event, Input, Lc, Message, Output, Peer, PeerId, Settings, Size, Tag,
};
use nearcast_machine::{Machine, Rng, Seed, Span, Time};
use nearcast_media::StreamId;
use rand::Rng as _;

pub(crate) const SOURCE: PeerId = PeerId(0);
const STREAM: StreamId = StreamId([7; 8]);

/// What may happen to a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// One way, at least and at most: what is in between reorders.
    pub(crate) delay: (Span, Span),
    /// The chance that it is lost.
    pub(crate) loss: f64,
    /// The chance that it comes twice.
    pub(crate) twice: f64,
}

impl Default for Network {
    fn default() -> Network {
        let delay = (Span::from_millis(20), Span::from_millis(40));
        Network { delay, loss: 0.0, twice: 0.0 }
    }
}

/// The stream: as many layers as there are, each of so many chunks per second of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Video {
    pub(crate) layers: u8,
    pub(crate) per_second: u32,
    pub(crate) size: u16,
}

impl Default for Video {
    /// The paper's simulation: three layers of 200 kbit/s.
    fn default() -> Video {
        Video { layers: 3, per_second: 20, size: 1250 }
    }
}

#[derive(Debug)]
enum Happening {
    Arrival { from: PeerId, to: PeerId, message: Message<Size> },
    Answer { to: PeerId, answer: tracker::Answer },
    Wake(PeerId),
    Publish,
    Join(Box<(PeerId, Settings)>),
    Leave(PeerId),
    Vanish(PeerId),
}

/// One peer and what was seen of it.
pub(crate) struct Node {
    pub(crate) peer: Peer<Size>,
    pub(crate) released: Vec<Chunk<Size>>,
    pub(crate) events: Vec<(Time, Event)>,
    /// By how much its clock is ahead.
    skew: Span,
    wake: Option<Time>,
    /// What it sent, to whom: chunks.
    pub(crate) served: BTreeMap<PeerId, u64>,
}

/// Looks at a message on its way, and may change it or let it vanish.
type Tamper = Box<dyn FnMut(Time, PeerId, PeerId, Message<Size>) -> Option<Message<Size>>>;

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) network: Network,
    pub(crate) video: Video,
    pub(crate) nodes: BTreeMap<PeerId, Node>,
    pub(crate) tracker: Tracker,
    pub(crate) tamper: Option<Tamper>,
    /// Every output, in order, hashed, if wanted: two runs of one seed must agree.
    pub(crate) log: Option<blake3::Hasher>,
    seed: Seed,
    rng: Rng,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    count: u64,
    published: u32,
}

impl World {
    /// A world with a tracker and nobody in it.
    pub(crate) fn new(seed: u64) -> World {
        let seed = Seed::new(seed);
        let settings = tracker::Settings {
            tokens: false,
            host_peers: None,
            host_streams: None,
            ..tracker::Settings::default()
        };
        World {
            now: Time::ZERO,
            network: Network::default(),
            video: Video::default(),
            nodes: BTreeMap::new(),
            tracker: Tracker::new(settings, seed.derive("tracker")),
            tamper: None,
            log: None,
            seed,
            rng: seed.derive("network").rng(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            count: 0,
            published: 0,
        }
    }

    /// The same with a source that publishes from now on.
    pub(crate) fn with_source(seed: u64, settings: Settings) -> World {
        let mut world = World::new(seed);
        world.join(SOURCE, settings);
        world.at(Time::ZERO, Happening::Publish);
        world
    }

    fn at(&mut self, when: Time, what: Happening) {
        self.count += 1;
        self.queue.push(Reverse((when, self.count)));
        self.happenings.insert(self.count, what);
    }

    /// A peer joins now; its clock may be ahead of ours.
    pub(crate) fn join_skewed(&mut self, id: PeerId, settings: Settings, skew: Span) {
        let name = format!("peer {}", id.0);
        let peer = Peer::new(settings, self.seed.derive(&name));
        let node = Node {
            peer,
            released: Vec::new(),
            events: Vec::new(),
            skew,
            wake: None,
            served: BTreeMap::new(),
        };
        self.nodes.insert(id, node);
        self.step(id, None);
    }

    pub(crate) fn join(&mut self, id: PeerId, settings: Settings) {
        self.join_skewed(id, settings, Span::ZERO);
    }

    pub(crate) fn join_at(&mut self, when: Time, id: PeerId, settings: Settings) {
        self.at(when, Happening::Join(Box::new((id, settings))));
    }

    pub(crate) fn leave_at(&mut self, when: Time, id: PeerId) {
        self.at(when, Happening::Leave(id));
    }

    pub(crate) fn vanish_at(&mut self, when: Time, id: PeerId) {
        self.at(when, Happening::Vanish(id));
    }

    pub(crate) fn node(&self, id: u64) -> &Node {
        &self.nodes[&PeerId(id)]
    }

    /// Goes on until `until`.
    pub(crate) fn run(&mut self, until: Time) {
        while let Some(&Reverse((when, number))) = self.queue.peek()
            && when <= until
        {
            self.queue.pop();
            self.now = when;
            match self.happenings.remove(&number).expect("it was put there") {
                Happening::Arrival { from, to, message } => {
                    self.step(to, Some(Input::Message { from, message }));
                }
                Happening::Answer { to, answer } => self.step(to, Some(Input::Tracker(answer))),
                Happening::Wake(id) => {
                    if self.nodes.get(&id).is_some_and(|node| node.wake == Some(when)) {
                        self.step(id, None);
                    }
                }
                Happening::Publish => self.publish(),
                Happening::Join(join) => self.join(join.0, join.1),
                Happening::Leave(id) => self.step(id, Some(Input::Leave)),
                Happening::Vanish(id) => {
                    self.nodes.remove(&id);
                }
            }
        }
        self.now = until;
    }

    pub(crate) fn run_secs(&mut self, secs: u64) {
        self.run(self.now + Span::from_secs(secs));
    }

    /// A frame of each layer, one chunk each.
    fn publish(&mut self) {
        let Video { layers, per_second, size } = self.video;
        let n = self.published;
        self.published += 1;
        let time = (u64::from(n) * 1000 / u64::from(per_second)) as u32;
        for layer in 0..layers {
            let chunk = Chunk {
                lc: Lc { layer, seq: n },
                unit: n * u32::from(layers) + u32::from(layer),
                time,
                tag: Tag::new(true, true, 0),
                payload: Size(size),
            };
            self.step(SOURCE, Some(Input::Publish(chunk)));
        }
        let step = Span::from_nanos(1_000_000_000 / u64::from(per_second));
        self.at(self.now + step, Happening::Publish);
    }

    /// One input and all that follows from it at once.
    fn step(&mut self, id: PeerId, input: Option<Input<Size>>) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let local = now + node.skew;
        match input {
            Some(input) => node.peer.handle(local, input),
            None => node.peer.expire(local),
        }
        while let Some(output) = self.nodes.get_mut(&id).and_then(|node| node.peer.poll()) {
            if let Some(log) = &mut self.log {
                log.update(format!("{now:?} {id:?} {output:?}\n").as_bytes());
            }
            self.carry_out(id, output);
        }
        let node = self.nodes.get_mut(&id).expect("it is still there");
        let due = node.peer.deadline().map(|due| (due - node.skew).max(now));
        if let Some(due) = due
            && node.wake.is_none_or(|wake| wake <= now || wake > due)
        {
            node.wake = Some(due);
            self.at(due, Happening::Wake(id));
        }
    }

    fn carry_out(&mut self, id: PeerId, output: Output<Size>) {
        match output {
            Output::Send { to, message } => {
                let node = self.nodes.get_mut(&id).expect("the sender is there");
                if matches!(message.body, nearcast_engine::mesh::Body::Chunk { .. }) {
                    *node.served.entry(to).or_default() += 1;
                }
                self.send(id, to, message);
            }
            Output::Tracker(question) => {
                let input = tracker::Input { from: id, stream: STREAM, question };
                self.tracker.handle(self.now, input);
                if self.tracker.deadline().is_some_and(|due| due <= self.now) {
                    self.tracker.expire(self.now);
                }
                while let Some(tracker::Output { to, answer, .. }) = self.tracker.poll() {
                    let when = self.now + Span::from_millis(30);
                    self.at(when, Happening::Answer { to, answer });
                }
            }
            Output::Release(chunk) => {
                self.nodes.get_mut(&id).expect("it is there").released.push(chunk);
            }
            Output::Event(event) => {
                let now = self.now;
                self.nodes.get_mut(&id).expect("it is there").events.push((now, event));
            }
        }
    }

    fn send(&mut self, from: PeerId, to: PeerId, message: Message<Size>) {
        let message = match &mut self.tamper {
            Some(tamper) => tamper(self.now, from, to, message),
            None => Some(message),
        };
        let Some(message) = message else { return };
        let Network { delay: (least, most), loss, twice } = self.network;
        let copies = if self.rng.random_bool(twice) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.random_bool(loss) {
                continue;
            }
            let nanos = self.rng.random_range(least.as_nanos()..=most.as_nanos());
            let when = self.now + Span::from_nanos(nanos);
            self.at(when, Happening::Arrival { from, to, message: message.clone() });
        }
    }
}

pub(crate) fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

/// Settings with an upload rate in kbit/s.
pub(crate) fn with_upload(settings: Settings, kbit: u64) -> Settings {
    let upload = nearcast_machine::Bitrate::from_bits_per_sec(kbit * 1000);
    Settings { upload, ..settings }
}
