//! One stream at one peer of the mesh.

mod demand;
mod foresee;
mod hearsay;
mod meet;
mod news;
mod playout;
mod receive;
mod round;
mod supply;

use std::collections::VecDeque;
use std::sync::Arc;

use nearcast_machine::{Bitrate, Machine, Rng, Seed, Span, Time};
use rand::{Rng as _, RngCore};

use super::candidates::Candidates;
use super::clock::StreamClock;
use super::layer::Layer;
use super::neighbour::Roster;
use super::pace::Pace;
use super::tracker::Question;
use super::{
    BufferMap, Cause, Event, Input, NeighbourStatistics, Output, Payload, PeerId, Settings,
    Statistics,
};
use crate::supply::Bucket;

/// One stream as one peer of the mesh has it: what it plays, what it asks of whom, whom it serves.
///
/// ```
/// use nearcast_engine::mesh::{Input, Output, Peer, PeerId, Settings, Size, System};
/// use nearcast_machine::{Bitrate, Machine, Seed, Time};
///
/// let seed = Seed::new(7).derive("hv1");
/// let mut peer: Peer<Size> = Peer::new(Settings::of(System::LayerP2p), seed);
///
/// // The driver's loop: hand in what came, drain, sleep until the deadline or the next input.
/// // A new peer is due at once.
/// let mut now = Time::ZERO;
/// for _ in 0..10 {
///     peer.expire(now);
///     while let Some(output) = peer.poll() {
///         match output {
///             Output::Send { to: _, message } => { let _bytes = message.size(); }
///             Output::Tracker(_question) => { /* to the tracker, whose answer is an input */ }
///             Output::Release(_chunk) => { /* to the player */ }
///             Output::Event(_event) => { /* a line in the log */ }
///         }
///     }
///     now = now.max(peer.deadline().expect("rounds go on until the user leaves"));
/// }
/// peer.handle(now, Input::Leave);
/// ```
#[derive(Debug)]
pub struct Peer<P> {
    settings: Settings,
    rng: Rng,
    /// What keys are made with.
    secret: [u8; 32],
    statistics: Statistics,
    outputs: VecDeque<Output<P>>,
    layers: Vec<Layer<P>>,
    clock: StreamClock,
    roster: Roster,
    candidates: Candidates,
    /// The upload rate.
    bucket: Bucket,
    pace: Pace,
    /// Whom the last chunk went to.
    served: usize,
    fallback: Option<PeerId>,
    /// When it may be sought next.
    fallback_from: Time,
    /// The rate of each layer, R(l) - R(l - 1), as far as it is known.
    rates: Vec<Option<Bitrate>>,
    /// This round's buffer map.
    map: Option<Arc<BufferMap>>,
    token: u64,
    announce_at: Time,
    /// When the tracker may be asked out of turn.
    announce_from: Time,
    phase: Phase,
    round_at: Time,
    rounds: u32,
    adapt_at: Time,
    /// Who is sought for the place of a neighbour that was let go.
    successor: Option<PeerId>,
    /// When news go alone that found no chunk to ride on.
    flush_at: Option<Time>,
    play_at: Option<Time>,
    /// The unit that was released last, and its layer.
    played: Option<(u32, u8)>,
    started: bool,
    /// Whether it was told that a live layer does not fit into the window.
    outgrown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    On,
    Left,
}

impl<P: Payload> Peer<P> {
    /// A peer that knows nobody and has nothing. It is due at once. Keys that keep forgers out are
    /// made of the seed: a live driver's must be one that nobody can guess.
    ///
    /// # Panics
    /// If the settings are none that [`Settings::check`] lets pass.
    pub fn new(settings: Settings, seed: Seed) -> Peer<P> {
        let checked = settings.check();
        assert!(checked.is_ok(), "a peer takes sound settings: {checked:?}");
        let layers = settings.layers;
        let rng = seed.derive("peer").rng();
        let mut secret = [0; 32];
        // From a generator of its own, of which nothing else is ever seen.
        seed.derive("secret").rng().fill_bytes(&mut secret);
        // Into debt by one chunk at most, however small the burst.
        let burst =
            u128::from(settings.upload.bits_per_sec()) * u128::from(settings.burst.as_nanos());
        let burst = u64::try_from(burst / 8_000_000_000).unwrap_or(u64::MAX);
        Peer {
            rng,
            secret,
            statistics: Statistics::default(),
            outputs: VecDeque::new(),
            layers: (0..layers).map(|number| Layer::new(number, settings.window)).collect(),
            clock: StreamClock::default(),
            roster: Roster::default(),
            candidates: Candidates::default(),
            bucket: Bucket::new(settings.upload, burst),
            pace: Pace::new(settings.upload),
            served: 0,
            fallback: None,
            fallback_from: Time::ZERO,
            rates: vec![None; layers.into()],
            map: None,
            token: 0,
            announce_at: Time::ZERO,
            announce_from: Time::ZERO,
            phase: Phase::New,
            round_at: Time::ZERO,
            rounds: 0,
            adapt_at: Time::ZERO,
            successor: None,
            flush_at: None,
            play_at: None,
            played: None,
            started: false,
            outgrown: false,
            settings,
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sums since the start.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The upload rate that is used at present, of what was granted.
    pub fn pace(&self) -> Bitrate {
        self.pace.rate()
    }

    /// The neighbours of the moment.
    pub fn neighbours(&self) -> impl Iterator<Item = NeighbourStatistics> {
        self.roster.iter().filter(|neighbour| neighbour.is_up()).map(|n| n.statistics())
    }

    /// Whether a message from this peer with this key is a neighbour's, and its chunk worth
    /// judging: by who merely writes another's address nobody is accused.
    pub fn knows(&self, from: PeerId, key: u64) -> bool {
        self.roster.find(from).is_some_and(|at| self.roster.at(at).key_in == key)
    }

    /// The playback position as stream time in ms; `None` until the present is known. It is
    /// negative while the stream is younger than the playback lag.
    pub fn position(&self, now: Time) -> Option<i64> {
        Some(self.clock.present(now)? - self.settings.lag.as_millis() as i64)
    }

    /// How many chunks of a layer are in the exchange window.
    pub fn held(&self, layer: u8) -> u32 {
        self.layers.get(usize::from(layer)).map_or(0, Layer::held)
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Takes the first breath, once the time is known.
    fn begin(&mut self, now: Time) {
        if self.phase != Phase::New {
            return;
        }
        self.phase = Phase::On;
        // Peers that begin together would otherwise do everything together.
        self.round_at = now + self.part_of(self.settings.round);
        self.adapt_at = now + self.settings.adapt + self.part_of(self.settings.adapt);
        self.announce(now);
    }

    /// A random part of a span.
    fn part_of(&mut self, span: Span) -> Span {
        Span::from_nanos(self.rng.random_range(0..span.as_nanos().max(1)))
    }

    /// Says what is due to be said, and serves. In this order: at a piggyback of 0 no news may
    /// ride.
    fn go_on(&mut self, now: Time) {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush(now);
        }
        self.serve(now);
    }

    fn leave(&mut self, now: Time) {
        while self.roster.len() > 0 {
            self.part(now, 0, Cause::Leaving, true);
        }
        self.outputs.push_back(Output::Tracker(Question::Depart { token: self.token }));
        self.phase = Phase::Left;
    }
}

impl<P: Payload> Machine for Peer<P> {
    type Input = Input<P>;
    type Output = Output<P>;

    fn handle(&mut self, now: Time, input: Input<P>) {
        self.begin(now);
        if self.phase == Phase::Left {
            return;
        }
        match input {
            Input::Message { from, message } => self.message(now, from, message),
            Input::Tracker(answer) => self.tracker(now, answer),
            Input::Publish(chunk) => self.publish(now, chunk),
            Input::Fallback(source) => self.set_fallback(now, source),
            Input::Shun(peer) => self.shun(now, peer, Cause::Shunned),
            Input::Leave => return self.leave(now),
        }
        self.go_on(now);
    }

    fn expire(&mut self, now: Time) {
        self.begin(now);
        if self.phase == Phase::Left {
            return;
        }
        if self.play_at.is_some_and(|at| at <= now) {
            self.play(now);
        }
        if self.round_at <= now {
            self.round(now);
        }
        self.go_on(now);
    }

    fn poll(&mut self) -> Option<Output<P>> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::New => Some(Time::ZERO),
            Phase::Left => None,
            Phase::On => {
                let mut first = self.round_at;
                if self.roster.any_waiting() {
                    first = first.min(self.serve_at());
                }
                for at in [self.play_at, self.flush_at] {
                    first = first.min(at.unwrap_or(first));
                }
                Some(first)
            }
        }
    }
}
