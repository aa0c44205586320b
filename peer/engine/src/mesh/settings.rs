//! Every constant of the engine, with the paper's value where it names one.

use std::fmt;
use std::str::FromStr;

use nearcast_machine::{Bitrate, Span};
use serde::{Deserialize, Serialize};

use super::LAYERS_MAX;
use super::message::FULL;
use super::wire::{DATAGRAM_MAX, SPAN_MAX};

/// The most neighbours that a peer can have.
pub const NEIGHBOURS_MAX: u16 = 250;

/// The systems that the paper compares: policies of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum System {
    /// Shares by contribution, requests by layer.
    #[default]
    LayerP2p,
    /// Shares by contribution, all chunks alike.
    SingleIncent,
    /// Receivers served in turn, all chunks alike.
    SingleLayer,
}

impl System {
    /// All of them.
    pub const ALL: [System; 3] = [System::LayerP2p, System::SingleIncent, System::SingleLayer];

    /// Its name in scenario files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            System::LayerP2p => "layerp2p",
            System::SingleIncent => "single-incent",
            System::SingleLayer => "single-layer",
        }
    }

    /// Its policies.
    pub const fn policy(self) -> Policy {
        let (supply, demand, replace) = match self {
            System::LayerP2p => (Supply::Proportional, Demand::Layered, Replace::LeastContributor),
            System::SingleIncent => (Supply::Proportional, Demand::Flat, Replace::LeastContributor),
            // It takes no account of contributions (Liu et al. V-A), in this neither.
            System::SingleLayer => (Supply::RoundRobin, Demand::Flat, Replace::Any),
        };
        Policy { supply, demand, replace }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No system is called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no system; there are layerp2p, single-incent and single-layer")]
pub struct UnknownSystem(String);

impl FromStr for System {
    type Err = UnknownSystem;

    fn from_str(name: &str) -> Result<System, UnknownSystem> {
        let found = System::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| UnknownSystem(name.chars().take(64).collect()))
    }
}

/// What a peer goes by in dealing with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How a supplier chooses whom to serve.
    pub supply: Supply,
    /// How a receiver orders its requests.
    pub demand: Demand,
    /// Which neighbour is replaced from time to time.
    pub replace: Replace,
}

/// How a supplier chooses whom to serve next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supply {
    /// At random, in proportion to what each contributed (Liu et al. Eq. 1).
    Proportional,
    /// One after the other.
    RoundRobin,
}

/// How a receiver orders its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Regular requests before probing ones, these layer by layer (Liu et al. Algorithm 1).
    Layered,
    /// All chunks alike, in random order.
    Flat,
}

/// Which neighbour is replaced by another one every [`Settings::adapt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replace {
    /// The one that contributed least since the last time (Liu et al. III-B).
    LeastContributor,
    /// Any, at random.
    Any,
}

/// What a peer is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It plays the stream, and passes on what it has.
    Viewer,
    /// It has the stream from elsewhere ([`Input::Publish`](super::Input::Publish)): the paper's
    /// seed. It asks nobody and seeks nobody, and gives first what fewest have.
    Source,
    /// As a source, but one that everybody asks for what is due soon (*ours*): the seed beside the
    /// CDN. It gives the lowest layer first, and of a layer what is due first.
    Fallback,
}

/// The settings of a peer. `Default` is the paper's prototype; what it leaves open is marked
/// *(ours)* and argued for in `docs/layerp2p.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which system's policies: `layerp2p`.
    pub policy: Policy,
    /// Viewer.
    pub role: Role,
    /// L, the number of layers: 3. At most [`LAYERS_MAX`](super::LAYERS_MAX).
    pub layers: u8,
    /// The most bytes of a layer chunk: 1250.
    pub lc_max: u16,
    /// The upload rate that the user grants, U_n: 1 Mbit/s, the paper's institutional peers. At 0
    /// the peer serves nobody, and does not claim to have anything.
    pub upload: Bitrate,
    /// Whether signalling is counted against the upload rate: true *(ours)*. It is never held back
    /// by it. The paper's simulator does not count it.
    pub upload_counts_signalling: bool,
    /// What may be sent at once after a pause, as time at the upload rate: 20 ms *(ours)*.
    pub burst: Span,

    /// How long upload rate is saved up before it is spent: 0 *(ours)*, chunk by chunk. A
    /// simulator, for which a wake-up costs as much as a chunk, wakes a supplier only so often and
    /// has the access link space what it is then given. No more than [`burst`](Settings::burst)
    /// counts.
    pub batch: Span,

    /// How much delay the upload may cause before it gives way to other traffic, as in LEDBAT (RFC
    /// 6817): 0, never, as in the paper. A live peer has LEDBAT's 100 ms.
    pub delay_target: Span,

    /// T, the length of a round: 1 s.
    pub round: Span,
    /// The playback lag: 30 s.
    pub lag: Span,
    /// How long news may wait for a chunk to ride on before they go alone: 100 ms *(ours)*. At 0
    /// they always go alone.
    pub piggyback: Span,
    /// Chunks that are due sooner than this are not asked for: 500 ms *(ours)*.
    pub too_late: Span,
    /// In steps of what length playout goes: 10 ms *(ours)*. A simulator takes a whole round.
    pub playout_step: Span,
    /// Most chunks per layer in the exchange window: 4096 *(ours)*.
    pub window: u32,

    /// N_min: 10.
    pub neighbours_min: u16,
    /// N_max: 20. At most 250.
    pub neighbours_max: u16,
    /// How often the neighbour that contributes least is replaced: 30 s.
    pub adapt: Span,
    /// d_l, what an initiator credits its receptor with at first: 60 kbit/s *(ours: about what one
    /// of N_min neighbours contributes to a full stream)*.
    pub credit_receptor: Bitrate,
    /// d_s, what a receptor credits its initiator with at first: 6 kbit/s *(ours)*. At 0 a
    /// free-rider gains nothing by jumping.
    pub credit_initiator: Bitrate,
    /// ε of Eq. 1: 1 kbit/s *(ours)*.
    pub epsilon: Bitrate,
    /// How long measured rates remember, as the time constant of an exponential mean over rounds:
    /// 10 s *(ours)*. Credits fade at the same pace.
    pub rate_memory: Span,
    /// How long a neighbour may be silent: 5 s *(ours)*.
    pub silence: Span,
    /// Most requests of one neighbour that wait: 128 *(ours)*, more than 1 Mbit/s can serve in a
    /// round. A peer asks no neighbour for more at a time.
    pub queue: u16,
    /// After how many rounds in a row in which a neighbour served nothing of what it claims to have
    /// it is asked only for what nobody else has: 3 *(ours)*.
    pub suspect_after: u16,
    /// After how many it is dropped, and shunned: 10 *(ours)*.
    pub drop_after: u16,
    /// For how long a neighbour that was dropped for cause is declined: 60 s *(ours)*.
    pub shun: Span,
    /// How often a peer tells the tracker that it is there: 30 s *(ours)*.
    pub announce: Span,
    /// How soon it may ask again when it lacks candidates: 5 s *(ours)*.
    pub announce_again: Span,

    /// How long before its playback deadline a chunk that no neighbour delivered is asked of the
    /// fallback, if there is one: 3 s *(ours)*.
    pub fetch: Span,
    /// By how much stream time may be off between neighbours before playout is set anew: 2 s
    /// *(ours)*.
    pub resync: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            policy: System::LayerP2p.policy(),
            role: Role::Viewer,
            layers: 3,
            lc_max: 1250,
            upload: Bitrate::from_bits_per_sec(1_000_000),
            upload_counts_signalling: true,
            burst: Span::from_millis(20),
            batch: Span::ZERO,
            delay_target: Span::ZERO,
            round: Span::from_secs(1),
            lag: Span::from_secs(30),
            piggyback: Span::from_millis(100),
            too_late: Span::from_millis(500),
            playout_step: Span::from_millis(10),
            window: 4096,
            neighbours_min: 10,
            neighbours_max: 20,
            adapt: Span::from_secs(30),
            credit_receptor: Bitrate::from_bits_per_sec(60_000),
            credit_initiator: Bitrate::from_bits_per_sec(6_000),
            epsilon: Bitrate::from_bits_per_sec(1_000),
            rate_memory: Span::from_secs(10),
            silence: Span::from_secs(5),
            queue: 128,
            suspect_after: 3,
            drop_after: 10,
            shun: Span::from_secs(60),
            announce: Span::from_secs(30),
            announce_again: Span::from_secs(5),
            fetch: Span::from_secs(3),
            resync: Span::from_secs(2),
        }
    }
}

impl Settings {
    /// The default settings of a viewer of one of the systems.
    pub fn of(system: System) -> Settings {
        Settings { policy: system.policy(), ..Settings::default() }
    }

    /// The paper's seed: a source with 2 Mbit/s.
    pub fn source(system: System) -> Settings {
        Settings {
            role: Role::Source,
            upload: Bitrate::from_bits_per_sec(2_000_000),
            ..Settings::of(system)
        }
    }

    /// The seed beside the CDN: everybody's neighbour, with 100 Mbit/s.
    pub fn fallback(system: System) -> Settings {
        Settings {
            role: Role::Fallback,
            upload: Bitrate::from_bits_per_sec(100_000_000),
            neighbours_max: NEIGHBOURS_MAX,
            ..Settings::of(system)
        }
    }

    /// Whether a peer can work with them.
    ///
    /// # Errors
    /// What it cannot work with, in words.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(what);
        if !(1..=LAYERS_MAX).contains(&self.layers.into()) {
            return wrong(format!("layers = {}: there are 1 to {LAYERS_MAX}", self.layers));
        }
        let round = self.round;
        if round.as_millis() == 0 {
            return wrong(format!("round = {round}: it takes a millisecond at least"));
        }
        if self.piggyback >= round {
            return wrong(format!("piggyback = {}: less than a round, {round}", self.piggyback));
        }
        if self.silence <= round {
            return wrong(format!("silence = {}: more than a round, {round}", self.silence));
        }
        if self.epsilon.bits_per_sec() == 0 {
            return wrong(
                "epsilon = 0: it is positive, or who gave nothing has no share".to_owned(),
            );
        }
        if self.neighbours_max > NEIGHBOURS_MAX {
            let most = format!("{NEIGHBOURS_MAX} at most");
            return wrong(format!("neighbours_max = {}: {most}", self.neighbours_max));
        }
        if self.neighbours_min > self.neighbours_max {
            return wrong("neighbours_min is above neighbours_max".to_owned());
        }
        // A page more than the window may be under way while others are a page behind.
        if self.window > SPAN_MAX - 64 {
            return wrong(format!("window = {}: {} at most", self.window, SPAN_MAX - 64));
        }
        if usize::from(self.lc_max) + FULL > DATAGRAM_MAX {
            return wrong(format!("lc_max = {}: {} at most", self.lc_max, DATAGRAM_MAX - FULL));
        }
        Ok(())
    }
}
