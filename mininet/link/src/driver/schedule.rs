use std::collections::BTreeSet;

use nearcast_machine::Time;

/// When which pipe wants to be looked at.
#[derive(Default)]
pub(super) struct Schedule {
    order: BTreeSet<(Time, usize)>,
    deadlines: Vec<Option<Time>>,
}

impl Schedule {
    /// Pipe `id` wants to be looked at `at`, and no longer when it said before.
    pub(super) fn set(&mut self, id: usize, at: Option<Time>) {
        if self.deadlines.len() <= id {
            self.deadlines.resize(id + 1, None);
        }
        if self.deadlines[id] == at {
            return;
        }
        if let Some(before) = std::mem::replace(&mut self.deadlines[id], at) {
            self.order.remove(&(before, id));
        }
        self.order.extend(at.map(|at| (at, id)));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The pipe whose deadline is earliest, if that has come by `now`.
    pub(super) fn due(&self, now: Time) -> Option<usize> {
        self.order.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_one_deadline_its_latest() {
        let at = Time::from_nanos;
        let mut schedule = Schedule::default();
        schedule.set(7, Some(at(30)));
        schedule.set(2, Some(at(20)));
        schedule.set(7, Some(at(10)));
        assert_eq!(
            (schedule.next(), schedule.due(at(9)), schedule.due(at(10))),
            (Some(at(10)), None, Some(7))
        );
        schedule.set(7, None);
        assert_eq!(schedule.due(at(100)), Some(2));
        schedule.set(2, None);
        assert_eq!(schedule.next(), None);
    }
}
