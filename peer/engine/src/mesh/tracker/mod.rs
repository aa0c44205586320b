//! The tracker: who watches a stream, as far as they said so lately.

mod swarm;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use nearcast_machine::{Machine, Rng, Seed, Span, Time};
use nearcast_media::StreamId;
use rand::RngCore;

use super::PeerId;
use swarm::{Swarm, host, uncount};

/// What a peer tells the tracker about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// "I am here": repeated before [`Settings::life`] runs out.
    Announce {
        /// What the tracker gave in [`Answer::Token`]; 0 at first.
        token: u64,
        /// How many other peers it would like to hear of.
        want: u8,
    },
    /// "I leave."
    Depart {
        /// As above.
        token: u64,
    },
}

/// What the tracker tells a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Others who are there, chosen at random.
    Peers(Vec<PeerId>),
    /// "Show first that you are where you say": ask again with this token. It is shorter than the
    /// question, so the tracker amplifies nothing for a forged address.
    Token(u64),
}

/// The most peers in an answer; with them it stays below 500 bytes.
pub const PEERS_MAX: usize = 60;

/// What a driver hands to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Who asks.
    pub from: PeerId,
    /// About which stream.
    pub stream: StreamId,
    /// What.
    pub question: Question,
}

/// What the tracker asks its driver to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// To whom.
    pub to: PeerId,
    /// About which stream.
    pub stream: StreamId,
    /// What.
    pub answer: Answer,
}

/// The settings of a tracker. The paper gives none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a peer is believed to be there after it said so: 90 s, three announcements.
    pub life: Span,
    /// How long a token holds; one of the period before holds as well: 5 min.
    pub token_life: Span,
    /// Whether tokens are asked for: true. A simulator forges no addresses and may do without.
    pub tokens: bool,
    /// Most streams: 10,000.
    pub streams: usize,
    /// Most peers of a stream: 100,000. Further ones are told of others, but not told of.
    pub peers: usize,
    /// Most peers of one host and stream, a host being what [`PeerId`]s have in common above their
    /// lowest 16 bits, where a port stands: 16. `None` where ids are no addresses.
    pub host_peers: Option<u16>,
    /// Most streams that are there because one host spoke of them first, so that none can take the
    /// room of all: 100. `None` where ids are no addresses.
    pub host_streams: Option<u16>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            life: Span::from_secs(90),
            token_life: Span::from_secs(300),
            tokens: true,
            streams: 10_000,
            peers: 100_000,
            host_peers: Some(16),
            host_streams: Some(100),
        }
    }
}

/// Knows who watches which stream.
///
/// ```
/// use nearcast_engine::mesh::PeerId;
/// use nearcast_engine::mesh::tracker::{Answer, Input, Question, Settings, Tracker};
/// use nearcast_machine::{Machine, Seed, Time};
/// use nearcast_media::StreamId;
///
/// let settings =
///     Settings { tokens: false, host_peers: None, host_streams: None, ..Settings::default() };
/// let mut tracker = Tracker::new(settings, Seed::new(7).derive("tracker"));
/// let stream = StreamId([1; 8]);
/// for peer in [PeerId(1), PeerId(2)] {
///     let question = Question::Announce { token: 0, want: 20 };
///     tracker.handle(Time::ZERO, Input { from: peer, stream, question });
/// }
/// assert_eq!(tracker.poll().unwrap().answer, Answer::Peers(vec![]));
/// assert_eq!(tracker.poll().unwrap().answer, Answer::Peers(vec![PeerId(1)]));
/// ```
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    key: [u8; 32],
    rng: Rng,
    streams: BTreeMap<StreamId, Swarm>,
    /// How many of them each host spoke of first.
    opened: BTreeMap<u64, u16>,
    outputs: VecDeque<Output>,
    /// When streams are next looked through for peers that have gone.
    sweep: Option<Time>,
}

impl Tracker {
    /// A tracker that knows nobody.
    pub fn new(settings: Settings, seed: Seed) -> Tracker {
        let mut key = [0; 32];
        seed.derive("tracker tokens").rng().fill_bytes(&mut key);
        Tracker {
            settings,
            key,
            rng: seed.derive("tracker lists").rng(),
            streams: BTreeMap::new(),
            opened: BTreeMap::new(),
            outputs: VecDeque::new(),
            sweep: None,
        }
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// How many peers a stream has.
    pub fn peers(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, Swarm::len)
    }

    fn announce(&mut self, now: Time, from: PeerId, stream: StreamId, want: u8) {
        if !self.streams.contains_key(&stream) {
            self.open(host(from), stream);
        }
        let mut peers = Vec::new();
        if let Some(swarm) = self.streams.get_mut(&stream) {
            let Settings { life, peers: most, host_peers, .. } = self.settings;
            swarm.announce(from, now + life, most, host_peers);
            swarm.sample(from, usize::from(want).min(PEERS_MAX), &mut self.rng, &mut peers);
            self.sweep.get_or_insert(now + life);
        }
        self.outputs.push_back(Output { to: from, stream, answer: Answer::Peers(peers) });
    }

    /// Makes room for a stream of which a host speaks first, if there is any.
    fn open(&mut self, by: u64, stream: StreamId) {
        let Settings { streams, host_streams, .. } = self.settings;
        let own = self.opened.get(&by).copied().unwrap_or_default();
        if self.streams.len() < streams && host_streams.is_none_or(|most| own < most) {
            self.streams.insert(stream, Swarm::of(by));
            self.opened.insert(by, own.saturating_add(1));
        }
    }

    /// A keyed hash of the asker and the time, as in DTLS cookies (RFC 6347 4.2.1).
    fn token(&self, period: u64, peer: PeerId) -> u64 {
        let mut text = [0; 16];
        text[..8].copy_from_slice(&period.to_be_bytes());
        text[8..].copy_from_slice(&peer.0.to_be_bytes());
        let mut token = [0; 8];
        token.copy_from_slice(&blake3::keyed_hash(&self.key, &text).as_bytes()[..8]);
        // 0 stands for "none yet" in a question.
        u64::from_be_bytes(token).max(1)
    }

    fn period(&self, now: Time) -> u64 {
        now.as_nanos() / self.settings.token_life.as_nanos().max(1)
    }

    fn is_good(&self, now: Time, peer: PeerId, token: u64) -> bool {
        let period = self.period(now);
        let before = period.checked_sub(1);
        !self.settings.tokens
            || token == self.token(period, peer)
            || before.is_some_and(|before| token == self.token(before, peer))
    }
}

impl Machine for Tracker {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Time, Input { from, stream, question }: Input) {
        let (Question::Announce { token, .. } | Question::Depart { token }) = question;
        if !self.is_good(now, from, token) {
            let answer = Answer::Token(self.token(self.period(now), from));
            self.outputs.push_back(Output { to: from, stream, answer });
            return;
        }
        match question {
            Question::Announce { want, .. } => self.announce(now, from, stream, want),
            Question::Depart { .. } => {
                if let Some(swarm) = self.streams.get_mut(&stream) {
                    swarm.remove(from);
                    if swarm.len() == 0 {
                        uncount(&mut self.opened, swarm.opener());
                        self.streams.remove(&stream);
                    }
                }
            }
        }
    }

    fn expire(&mut self, now: Time) {
        if self.sweep.take_if(|sweep| *sweep <= now).is_none() {
            return;
        }
        self.streams.retain(|_, swarm| {
            swarm.expire(now);
            if swarm.len() == 0 {
                uncount(&mut self.opened, swarm.opener());
            }
            swarm.len() > 0
        });
        // Looking eight times per life, nobody is kept for more than an eighth longer than it said.
        let pause = Span::from_nanos((self.settings.life / 8).as_nanos().max(1));
        self.sweep = (!self.streams.is_empty()).then(|| now + pause);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.sweep
    }
}
