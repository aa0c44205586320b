use std::collections::HashMap;

use nearcast_machine::{Bitrate, Span, Time};

use super::error::Fault;
use crate::{Access, NodeSpec};

/// One stay of one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Who. The same user may have several sessions, one after the other.
    pub id: Box<str>,
    /// When the session begins, since the start of the trace.
    pub arrival: Time,
    /// When it ends; later than it begins.
    pub departure: Time,
    /// The user's bandwidth, if the trace knows it.
    pub capacity: Option<Bitrate>,
}

impl Session {
    /// How long it lasts.
    pub fn length(&self) -> Span {
        self.departure.since(self.arrival)
    }
}

/// Sessions that make sense: each ends after it begins, and nobody is there twice at once. In the
/// order of arrival, then departure, then id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    sessions: Vec<Session>,
}

impl Trace {
    /// Checks and sorts.
    ///
    /// # Errors
    /// With the index, in `sessions`, of the one that is wrong.
    pub fn new(mut sessions: Vec<Session>) -> Result<Trace, (usize, Fault)> {
        for (index, session) in sessions.iter().enumerate() {
            if session.departure <= session.arrival {
                let (arrival, departure) = (session.arrival, session.departure);
                return Err((
                    index,
                    Fault::Backwards { id: session.id.clone(), arrival, departure },
                ));
            }
        }
        if let Some(error) = overlap(&sessions) {
            return Err(error);
        }
        sessions.sort_unstable_by(|a, b| {
            (a.arrival, a.departure, &a.id).cmp(&(b.arrival, b.departure, &b.id))
        });
        Ok(Trace { sessions })
    }

    /// The sessions, in order.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The sessions as nodes of a simulation, with the access link that `access` gives each. A node
    /// is named by its user, and from the second session on also by its number (`u7`, `u7,2`): a
    /// comma is in nobody's id.
    pub fn population<'a>(&'a self, mut access: impl FnMut(&Session) -> Access) -> Vec<NodeSpec> {
        let mut stays: HashMap<&'a str, u32> = HashMap::new();
        let node = |session: &'a Session| {
            let Session { id, arrival, departure, .. } = session;
            let stay = stays.entry(id).or_default();
            *stay += 1;
            let name = if *stay == 1 { id.clone() } else { format!("{id},{stay}").into() };
            NodeSpec {
                arrive: *arrival,
                depart: Some(*departure),
                access: access(session),
                ..NodeSpec::new(name)
            }
        };
        self.sessions.iter().map(node).collect()
    }
}

/// A session that begins before another one of the same user is over: its index, and what is wrong.
fn overlap(sessions: &[Session]) -> Option<(usize, Fault)> {
    let mut order: Vec<usize> = (0..sessions.len()).collect();
    order.sort_unstable_by_key(|index| {
        (&sessions[*index].id, sessions[*index].arrival, sessions[*index].departure, *index)
    });
    order.windows(2).find_map(|pair| {
        let [first, second] = [&sessions[pair[0]], &sessions[pair[1]]];
        let overlaps = first.id == second.id && second.arrival < first.departure;
        overlaps.then(|| {
            let (index, other) = (pair[0].max(pair[1]), pair[0].min(pair[1]));
            (index, Fault::Overlap { id: first.id.clone(), other: other as u64 })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, arrival: u64, departure: u64) -> Session {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let (arrival, departure) = (at(arrival), at(departure));
        Session { id: id.into(), arrival, departure, capacity: None }
    }

    #[test]
    fn users_may_return_but_not_be_there_twice() {
        let sessions = vec![session("a", 5, 9), session("b", 0, 20), session("a", 0, 5)];
        let trace = Trace::new(sessions.clone()).expect("one after the other");
        let names: Vec<_> =
            trace.population(|_| Access::default()).into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["a", "b", "a,2"].map(Box::from));

        let mut twice = sessions;
        twice.push(session("b", 19, 30));
        let (index, fault) = Trace::new(twice).expect_err("b is there twice");
        assert_eq!((index, fault), (3, Fault::Overlap { id: "b".into(), other: 1 }));
        let (index, _) =
            Trace::new(vec![session("a", 0, 1), session("b", 3, 3)]).expect_err("no time at all");
        assert_eq!(index, 1);
    }
}
