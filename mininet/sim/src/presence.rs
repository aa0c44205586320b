use nearcast_machine::Time;

use crate::NodeSpec;

/// How much of the time that all nodes together spend in a run has passed: what a run costs goes
/// with that and not with its clock, as a night has a tenth of the evening's nodes.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Who comes and leaves before the end, by time; those that are passed are gone.
    changes: std::vec::IntoIter<(Time, Change)>,
    there: u128,
    /// Node-nanoseconds until `now`, and until the end.
    passed: u128,
    whole: u128,
    now: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Change {
    Comes,
    Leaves,
}

impl Presence {
    pub(crate) fn new(population: &[NodeSpec], end: Time) -> Presence {
        let mut changes = Vec::new();
        let mut whole = 0;
        for node in population.iter().filter(|node| node.arrive < end) {
            let depart = node.depart.filter(|depart| *depart < end);
            whole += nanos(node.arrive, depart.unwrap_or(end));
            changes.push((node.arrive, Change::Comes));
            changes.extend(depart.map(|depart| (depart, Change::Leaves)));
        }
        changes.sort_unstable();
        Presence { changes: changes.into_iter(), there: 0, passed: 0, whole, now: Time::ZERO }
    }

    /// The share that has passed at `now`, which is never before an earlier one; 1 if there is
    /// nobody.
    pub(crate) fn until(&mut self, now: Time) -> f64 {
        while let Some(&(at, change)) = self.changes.as_slice().first().filter(|(at, _)| *at <= now)
        {
            self.pass(at);
            self.changes.next();
            match change {
                Change::Comes => self.there += 1,
                Change::Leaves => self.there -= 1,
            }
        }
        self.pass(now);
        if self.whole == 0 { 1.0 } else { self.passed as f64 / self.whole as f64 }
    }

    fn pass(&mut self, now: Time) {
        self.passed += self.there * nanos(self.now, now);
        self.now = now;
    }
}

fn nanos(from: Time, to: Time) -> u128 {
    u128::from(to.since(from).as_nanos())
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Span;

    use super::*;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn node(arrive: u64, depart: Option<u64>) -> NodeSpec {
        NodeSpec { arrive: at(arrive), depart: depart.map(at), ..NodeSpec::new("node") }
    }

    #[test]
    fn every_node_counts_for_as_long_as_it_is_there() {
        let population = [
            node(0, None),
            node(2, Some(4)),
            // A second of it is after the end; the next is not there before.
            node(9, Some(11)),
            node(10, None),
        ];
        let mut presence = Presence::new(&population, at(10));
        let shares = [0, 1, 2, 3, 5, 9, 10].map(|secs| presence.until(at(secs)) * 13.0);
        let close = |(share, nodes): (f64, f64)| (share - nodes).abs() < 1e-9;
        let expected = [0.0, 1.0, 2.0, 4.0, 7.0, 11.0, 13.0];
        assert!(shares.into_iter().zip(expected).all(close), "{shares:?}");
    }

    #[test]
    fn where_nobody_is_nothing_is_left() {
        let mut presence = Presence::new(&[node(10, None)], at(10));
        assert_eq!(presence.until(at(0)), 1.0);
    }
}
