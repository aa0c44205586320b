//! The viewer's side: many ways in, one sequence out.

mod api;
mod drive;
mod intake;
mod join;
mod pull;
mod release;
mod settings;
mod steer;
mod supplier;
mod tail;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use nearcast_machine::{Machine, Rng, Seed, Time};
use nearcast_media::peering::PORT;
use nearcast_media::{Role, StreamId, StreamName};

use crate::groups::Groups;
use crate::headers::Headers;
use crate::membership::Membership;
use crate::store::Store;
use crate::supply::Supply;
use crate::wire::Datagram;
use join::Join;
use pull::Pull;
use release::Cursor;
use steer::Steer;
use tail::Tailing;

pub use api::{Cause, CdnState, Counters, Event, Input, Output, Path, Release, Way};
pub use settings::Settings;

/// One stream as one viewer plays it.
///
/// Whatever comes, by whichever way, goes into one window; what is whole there leaves it in order,
/// once. So no change of way can lose, repeat or reorder a unit, and what is decided here is only
/// what to ask for, of whom, and whether RTMP is needed.
///
/// ```
/// use nearcast_engine::Viewer;
/// use nearcast_engine::viewer::{CdnState, Input, Output, Settings};
/// use nearcast_machine::{Machine, Seed, Time};
///
/// let stream = "live/room".parse().unwrap();
/// let mut viewer = Viewer::new(stream, Settings::default(), Seed::new(7).derive("hv1"));
///
/// // The driver's loop: hand in what came, drain, sleep until the deadline or the next input.
/// let mut now = Time::ZERO;
/// viewer.handle(now, Input::CdnState(CdnState::Playing));
/// loop {
///     while let Some(output) = viewer.poll() {
///         match output {
///             Output::Header(_media) => { /* to the player */ }
///             Output::Release(_release) => { /* to the player */ }
///             Output::Send { to: _, datagram } => {
///                 let mut bytes = Vec::new();
///                 datagram.encode(&mut bytes); // and out of the socket
///             }
///             Output::Answer { .. } => { /* `peering::Message::Answer`, by the same socket */ }
///             Output::CdnPause(_pause) => { /* RTMP pause; Follower::interrupt when it resumes */ }
///             Output::Event(_event) => { /* a line in the log */ }
///         }
///     }
///     // Nothing is under way, so there is nothing to wait for but the next input.
///     let Some(deadline) = viewer.deadline() else { break };
///     now = now.max(deadline);
///     viewer.expire(now);
/// }
/// ```
#[derive(Debug)]
pub struct Viewer {
    stream: StreamName,
    id: StreamId,
    settings: Settings,
    rng: Rng,
    counters: Counters,
    outputs: VecDeque<Output>,
    membership: Membership,
    supply: Supply,
    steer: Steer,
    pull: Pull,
    join: Join,
    tailing: Tailing,
    cursor: Cursor,
    /// The window, once an epoch is known.
    store: Option<Store>,
    /// Headers that came before that.
    early: Headers,
    /// Where RTMP's units belong.
    groups: Groups,
    /// Who completed each unit that is whole and not released.
    ways: BTreeMap<u64, Way>,
    /// The first unit that is wanted while none has been released.
    base: Option<u64>,
    /// Units below it that are not whole are known to be missing.
    swept: u64,
    /// Since when RTMP has been delivering an epoch that is older than the one being played.
    contradicted: Option<Time>,
    /// When all that was due was last done.
    driven: Time,
}

impl Viewer {
    /// A viewer of `stream` that has nothing yet. RTMP should be playing, or about to.
    pub fn new(stream: StreamName, settings: Settings, seed: Seed) -> Viewer {
        Viewer {
            id: stream.id(),
            stream,
            rng: seed.derive("viewer").rng(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            membership: Membership::new(settings.controller, settings.range, Role::Viewer),
            supply: Supply::new(settings.supply),
            steer: Steer::new(&settings),
            pull: Pull::new(settings.seed),
            join: Join::default(),
            tailing: Tailing::default(),
            cursor: Cursor::default(),
            store: None,
            early: Headers::default(),
            groups: Groups::default(),
            ways: BTreeMap::new(),
            base: None,
            swept: 0,
            contradicted: None,
            driven: Time::ZERO,
            settings,
        }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Which way is relied on at the moment.
    pub fn path(&self) -> Path {
        self.steer.path()
    }

    /// Sums since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a peering is in force.
    pub fn peered(&self) -> bool {
        self.membership.offer().is_some()
    }

    /// How many bytes the window holds, bookkeeping included.
    pub fn held(&self) -> u64 {
        self.store.as_ref().map_or(0, Store::bytes)
    }

    fn send(&mut self, to: SocketAddrV4, datagram: Datagram) {
        self.outputs.push_back(Output::Send { to, datagram });
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn controller(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.settings.controller, PORT)
    }
}

impl Machine for Viewer {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Time, input: Input) {
        self.expire_lease(now);
        match input {
            Input::Cdn(followed) => self.cdn(now, followed),
            Input::CdnState(state) => self.cdn_state(state),
            Input::Offer { from, offer } => self.offer(now, from, offer),
            Input::Withdraw { from, withdraw } => self.withdraw(from, &withdraw),
            Input::Datagram { from, datagram } => self.datagram(now, from, datagram),
        }
        self.drive(now);
    }

    fn expire(&mut self, now: Time) {
        self.expire_lease(now);
        self.drive(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.next_deadline()
    }
}
