//! Two connections that say they are of the same switch.
//!
//! A switch that was cut off is often back before the end of its old connection is noticed. But
//! there may also be a second switch with the same datapath id, by mistake or malice; if whoever
//! comes later were believed, the two would replace each other for ever, and each time one's ports
//! would be taken for the other's. So the connection that is there is asked for an echo: if it
//! answers, it stays, and the other one is refused; if it does not within [`PROOF`], the other one
//! takes its place.

use nearcast_machine::{Span, Time};

use crate::DatapathId;
use crate::event::Ending;
use crate::fabric::{ConnectionId, Fabric, Timer};

/// How long the connection that is there may take to answer.
const PROOF: Span = Span::from_secs(1);

/// What a connection claims while another one is of that switch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contest {
    switch: DatapathId,
    /// The connection that is there.
    against: ConnectionId,
    since: Time,
}

impl Fabric {
    /// Has a connection wait until it is known whether the one that is there lives.
    pub(crate) fn contest(
        &mut self,
        newcomer: ConnectionId,
        switch: DatapathId,
        against: ConnectionId,
    ) {
        if self.contests.contains_key(&newcomer) {
            return;
        }
        let since = self.now;
        self.contests.insert(newcomer, Contest { switch, against, since });
        self.agenda.set(Timer::Contest(newcomer), since + PROOF);
        self.ask_for_echo(against);
    }

    /// A connection answered an echo that it was asked for at a time.
    pub(crate) fn proven(&mut self, connection: ConnectionId, asked: Time) {
        let lost = self
            .contests
            .iter()
            .filter(|(_, contest)| contest.against == connection && contest.since <= asked);
        for (newcomer, switch) in lost.map(|(n, c)| (*n, c.switch)).collect::<Vec<_>>() {
            let reason = format!("a switch with datapath id {switch} is connected, and answers");
            self.close(newcomer, Ending::Duplicate, reason);
        }
    }

    /// The time of the one that is there is over.
    pub(crate) fn contest_due(&mut self, newcomer: ConnectionId) {
        let Some(&Contest { switch, against, since }) = self.contests.get(&newcomer) else {
            return;
        };
        let there = self.switches.get(&switch).and_then(|state| state.connection);
        let is_there = there == Some(against);
        if is_there && self.heard_until().since(since) < PROOF {
            // Its answer may be among what waits to be read.
            self.agenda.set(Timer::Contest(newcomer), self.now + PROOF);
            return;
        }
        self.contests.remove(&newcomer);
        if is_there {
            let reason = format!("datapath {switch} connected again, and this one does not answer");
            self.close(against, Ending::Replaced, reason);
        }
        self.bring_in(newcomer, switch);
    }

    /// A connection ended: it claims nothing any more, and whoever waited for it need not.
    pub(crate) fn end_contests(&mut self, ended: ConnectionId) {
        self.contests.remove(&ended);
        self.agenda.cancel(&Timer::Contest(ended));
        let waiting = self.contests.iter().filter(|(_, contest)| contest.against == ended);
        for newcomer in waiting.map(|(newcomer, _)| *newcomer).collect::<Vec<_>>() {
            self.agenda.set(Timer::Contest(newcomer), self.now);
        }
    }
}
