//! One peer, and a test that speaks for everybody around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use nearcast_engine::mesh::tracker::{Answer, Question};
use nearcast_engine::mesh::{
    Body, BufferMap, Chunk, Event, Input, LayerBits, Lc, Message, News, Output, Peer, PeerId,
    Report, Request, Settings, Size, Tag,
};
use nearcast_machine::{Machine, Seed, Span, Time};

/// Stream time at time zero: the stream is older than the window.
pub(crate) const EDGE: u32 = 100_000;

/// A peer under test.
pub(crate) struct Alone {
    pub(crate) peer: Peer<Size>,
    pub(crate) now: Time,
    /// What it sent, and when, until it is taken.
    pub(crate) sent: Vec<(Time, PeerId, Message<Size>)>,
    pub(crate) released: Vec<Chunk<Size>>,
    pub(crate) events: Vec<Event>,
    pub(crate) questions: Vec<Question>,
    others: BTreeMap<PeerId, Other>,
}

/// What the test knows of one that it speaks for.
#[derive(Debug, Clone, Copy, Default)]
struct Other {
    /// What messages to the peer must bring.
    key: u64,
    number: u32,
}

/// A chunk of three layers with twenty chunks per second each, 200 kbit/s.
pub(crate) fn chunk(layer: u8, seq: u32) -> Chunk<Size> {
    Chunk {
        lc: Lc { layer, seq },
        unit: seq * 3 + u32::from(layer),
        time: seq * 50,
        tag: Tag::new(true, true, 0),
        payload: Size(1250),
    }
}

/// The chunk of the present at `now`.
pub(crate) fn newest(now: Time) -> u32 {
    (EDGE + (now.as_nanos() / 1_000_000) as u32) / 50
}

/// A map with all chunks of `seqs` in each of `layers` layers of 200 kbit/s.
pub(crate) fn map(layers: u8, seqs: std::ops::Range<u32>) -> BufferMap {
    let first = seqs.start / 64;
    let mut words = vec![0u64; (seqs.end.div_ceil(64) - first) as usize];
    for seq in seqs.clone() {
        words[(seq / 64 - first) as usize] |= 1 << (seq % 64);
    }
    let layer = LayerBits { base: seqs.start, kbits: 200, words: &words };
    BufferMap::new((0..layers).map(|_| layer))
}

impl Alone {
    pub(crate) fn new(settings: Settings) -> Alone {
        let mut alone = Alone {
            peer: Peer::new(settings, Seed::new(3)),
            now: Time::ZERO + Span::from_secs(1),
            sent: Vec::new(),
            released: Vec::new(),
            events: Vec::new(),
            questions: Vec::new(),
            others: BTreeMap::new(),
        };
        alone.peer.expire(alone.now);
        alone.drain();
        alone
    }

    fn drain(&mut self) {
        while let Some(output) = self.peer.poll() {
            match output {
                Output::Send { to, message } => self.sent.push((self.now, to, message)),
                Output::Release(chunk) => self.released.push(chunk),
                Output::Event(event) => self.events.push(event),
                Output::Tracker(question) => self.questions.push(question),
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input<Size>) {
        self.peer.handle(self.now, input);
        self.drain();
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.peer.deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.peer.expire(self.now);
            self.drain();
        }
        self.now = until;
    }

    pub(crate) fn run_millis(&mut self, millis: u64) {
        self.run(Span::from_millis(millis));
    }

    /// What was sent since this was last called, to one peer.
    pub(crate) fn take_to(&mut self, peer: PeerId) -> Vec<(Time, Body<Size>)> {
        let mut taken = Vec::new();
        self.sent.retain(|(when, to, message)| {
            if *to == peer {
                taken.push((*when, message.body.clone()));
            }
            *to != peer
        });
        taken
    }

    /// A raw message.
    pub(crate) fn raw(&mut self, from: PeerId, key: u64, body: Body<Size>) {
        self.input(Input::Message { from, message: Message { key, body } });
    }

    /// Another one says something, with its key.
    pub(crate) fn say(&mut self, from: PeerId, body: Body<Size>) {
        let key = self.others[&from].key;
        self.raw(from, key, body);
    }

    /// The key that messages of a neighbour bring.
    pub(crate) fn key_of(&self, from: PeerId) -> u64 {
        self.others[&from].key
    }

    /// Another peer seeks the peer and confirms; answers whether it was accepted.
    pub(crate) fn initiate(&mut self, from: PeerId) -> bool {
        let own = 1_000_000 + from.0;
        self.raw(from, 0, Body::Seek { key: own });
        let Some((_, Body::Accept { key })) = self.take_to(from).pop() else { return false };
        self.others.insert(from, Other { key, number: 0 });
        self.raw(from, key, Body::Confirm { key: own });
        true
    }

    /// The tracker names others.
    pub(crate) fn told_of(&mut self, peers: impl IntoIterator<Item = u64>) {
        let peers = peers.into_iter().map(PeerId).collect();
        self.input(Input::Tracker(Answer::Peers(peers)));
    }

    /// Those that are being sought accept, if `willing`; answers who they were.
    pub(crate) fn accept_all(&mut self, willing: bool) -> Vec<PeerId> {
        let sought = self.take_sought();
        for &(to, key) in &sought {
            let own = 2_000_000 + to.0;
            self.others.insert(to, Other { key, number: 0 });
            let body = if willing { Body::Accept { key: own } } else { Body::Decline };
            self.raw(to, key, body);
        }
        sought.into_iter().map(|(peer, _)| peer).collect()
    }

    /// Those that are being sought do not answer; answers who they were.
    pub(crate) fn ignore_all(&mut self) -> Vec<PeerId> {
        self.take_sought().into_iter().map(|(peer, _)| peer).collect()
    }

    /// Those that are being sought, with the key that each was given.
    fn take_sought(&mut self) -> Vec<(PeerId, u64)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        let sought = sent.filter_map(|(_, to, message)| match message.body {
            Body::Seek { key } => Some((to, key)),
            _ => None,
        });
        sought.collect()
    }

    /// News of a neighbour.
    pub(crate) fn news(&mut self, from: PeerId, map: Option<&BufferMap>, wanted: Option<Vec<Lc>>) {
        let edge = EDGE + (self.now.as_nanos() / 1_000_000) as u32;
        let other = self.others.get_mut(&from).expect("it is a neighbour");
        other.number += 1;
        let report = |map: &BufferMap| Report {
            map: Arc::new(map.clone()),
            edge,
            hops: 0,
            stamp: 1,
            echo: 0,
            held: 0,
        };
        let patience = Span::from_secs(1);
        let news = News {
            number: other.number,
            map: map.map(report),
            request: wanted.map(|wanted| Request { patience, wanted }),
        };
        self.say(from, Body::News(Box::new(news)));
    }

    /// A chunk of a neighbour.
    pub(crate) fn give(&mut self, from: PeerId, chunk: Chunk<Size>) {
        self.say(from, Body::Chunk { chunk, news: None });
    }

    /// The requests among what was sent to a peer since it was last taken, in order.
    pub(crate) fn requests_to(&mut self, peer: PeerId) -> Vec<Lc> {
        let bodies = self.take_to(peer).into_iter().map(|(_, body)| body);
        let news = bodies.filter_map(|body| match body {
            Body::News(news) => Some(*news),
            Body::Chunk { news, .. } => news.map(|news| *news),
            _ => None,
        });
        news.filter_map(|news| news.request).flat_map(|request| request.wanted).collect()
    }

    /// The chunks among what was sent to a peer since it was last taken, in order, with the times.
    pub(crate) fn chunks_to(&mut self, peer: PeerId) -> Vec<(Time, Lc)> {
        let bodies = self.take_to(peer).into_iter();
        let chunks = bodies.filter_map(|(when, body)| match body {
            Body::Chunk { chunk, .. } => Some((when, chunk.lc)),
            _ => None,
        });
        chunks.collect()
    }
}
