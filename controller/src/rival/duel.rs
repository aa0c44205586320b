//! Two controllers, as one of them sees it: which of the two decides, and what it knows of the
//! other.

use std::sync::Arc;

use nearcast_fabric::{Claim, Election, Limits, Replica, Turn, Update};
use nearcast_machine::{Span, Time};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use super::follower::Follower;
use super::tell::{self, Asked, Subscription, Teller};
use super::{Heard, Line, Rival, hear};
use crate::tls::Tls;

/// Lines that whoever listens may be behind before it has to begin anew.
const BEHIND: usize = 4096;

/// The other controller, and which of the two decides.
#[derive(Debug)]
pub(crate) struct Duel {
    rival: Rival,
    listener: Option<TcpListener>,
    election: Election,
    claim: watch::Sender<Claim>,
    follower: Follower,
    news: broadcast::Sender<Arc<str>>,
}

impl Duel {
    /// Stands by at first. The seed tells ranks of one priority apart.
    pub(crate) fn new(
        rival: Rival,
        listener: TcpListener,
        seed_of_rank: u16,
        limits: &Limits,
        now: Time,
    ) -> Duel {
        // Should both have been given one priority, their ranks still differ, most likely.
        let rank = u16::from(rival.priority) << 8 | seed_of_rank;
        let election = Election::new(rank, rival.takeover, now);
        let (claim, _) = watch::channel(election.claim());
        let (news, _) = broadcast::channel(BEHIND);
        let (follower, listener) = (Follower::new(limits), Some(listener));
        Duel { rival, listener, election, claim, follower, news }
    }

    /// Begins to tell the other and to listen to it.
    pub(crate) fn start(
        &mut self,
        tls: Option<Tls>,
        heard: mpsc::Sender<Heard>,
        asked: mpsc::Sender<Asked>,
        tasks: &mut JoinSet<()>,
    ) {
        let lease = self.rival.takeover;
        tasks.spawn(hear::listen_to(self.rival.controller, tls.clone(), lease, heard));
        if let Some(listener) = self.listener.take() {
            let teller = Teller { claim: self.claim.subscribe(), lease, asked };
            tasks.spawn(tell::serve(listener, tls, teller));
        }
    }

    /// The other said something.
    pub(crate) fn heard(&mut self, now: Time, heard: Heard) -> Option<Turn> {
        let turn = match &heard {
            Heard::Claim(claim) => self.election.heard(now, *claim),
            _ => None,
        };
        self.follower.heard(now, heard);
        turn
    }

    /// How many links and parts of streams the other told of.
    pub(crate) fn known(&self) -> usize {
        self.follower.known()
    }

    /// What is known of the other's streams, to go on with.
    pub(crate) fn replica(&mut self, now: Time, lease: Span) -> Replica {
        self.follower.take(now, lease)
    }

    /// A switch said which generation it last took.
    pub(crate) fn seen(&mut self, now: Time, generation: u64) -> Option<Turn> {
        self.election.seen(now, generation)
    }

    /// What follows by now from nothing being heard.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Turn> {
        self.election.expire(now)
    }

    /// When [`expire`](Duel::expire) has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.election.deadline()
    }

    /// The generation this controller is master by, else the highest it knows.
    pub(crate) fn generation(&self) -> u64 {
        self.election.claim().generation
    }

    /// Has the other told of what an election came to.
    pub(crate) fn tell_claim(&self) {
        let claim = self.election.claim();
        self.claim.send_if_modified(|told| std::mem::replace(told, claim) != claim);
    }

    /// Tells of something that changed.
    pub(crate) fn tell(&self, update: Update) {
        self.say(&Line::Update(update));
    }

    /// Tells that nothing is known here any more.
    pub(crate) fn tell_nothing(&self) {
        self.say(&Line::Begin);
        self.say(&Line::End);
    }

    fn say(&self, line: &Line) {
        if self.news.receiver_count() > 0 {
            // Whoever has gone meanwhile misses nothing.
            let _ = self.news.send(line.encode().into());
        }
    }

    /// Somebody begins to listen, and is told all that is `known`.
    pub(crate) fn answer(&self, asked: Asked, known: impl Iterator<Item = Update>) {
        let lines = [Line::Begin].into_iter().chain(known.map(Line::Update)).chain([Line::End]);
        let first = lines.map(|line| line.encode().into()).collect();
        // Whoever asked may have gone.
        let _ = asked.send(Subscription { first, news: self.news.subscribe() });
    }
}
