//! What is due when.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_machine::Time;

/// Timers by name: each is due at one time, set again or cancelled by its name. Timers due at the
/// same time come in the order of their names, so that a run can be repeated.
#[derive(Debug, Clone)]
pub(crate) struct Agenda<T> {
    due: BTreeSet<(Time, T)>,
    when: BTreeMap<T, Time>,
}

impl<T: Ord + Clone> Agenda<T> {
    pub(crate) fn new() -> Agenda<T> {
        Agenda { due: BTreeSet::new(), when: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, timer: T, at: Time) {
        if self.when.get(&timer) == Some(&at) {
            return;
        }
        self.cancel(&timer);
        self.when.insert(timer.clone(), at);
        self.due.insert((at, timer));
    }

    /// Sets a timer unless it is set already.
    pub(crate) fn ensure(&mut self, timer: T, at: Time) {
        if !self.when.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    pub(crate) fn cancel(&mut self, timer: &T) {
        if let Some((timer, at)) = self.when.remove_entry(timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Takes the first timer that is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<T> {
        let (at, timer) = self.due.first().filter(|(at, _)| *at <= now)?.clone();
        self.due.remove(&(at, timer.clone()));
        self.when.remove(&timer);
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_once_when_it_was_last_set_for() {
        let at = Time::from_nanos;
        let mut agenda = Agenda::new();
        agenda.set("b", at(5));
        agenda.set("a", at(5));
        agenda.set("b", at(9));
        agenda.ensure("b", at(1));
        agenda.set("c", at(7));
        agenda.cancel(&"c");
        assert_eq!(agenda.next(), Some(at(5)));
        assert_eq!(agenda.pop_due(at(4)), None);
        assert_eq!(agenda.pop_due(at(9)), Some("a"));
        assert_eq!(agenda.pop_due(at(9)), Some("b"));
        assert_eq!((agenda.pop_due(at(9)), agenda.next()), (None, None));
    }
}
