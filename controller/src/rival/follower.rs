//! What is known of the other controller's streams.

use nearcast_fabric::{Limits, Replica};
use nearcast_machine::{Span, Time};

use super::Heard;

/// Follows what the other controller tells. A beginning counts once it was told to its end; until
/// then what was known before does.
#[derive(Debug)]
pub(super) struct Follower {
    limits: Limits,
    known: Replica,
    beginning: Option<Replica>,
    heard: Option<Time>,
}

impl Follower {
    pub(super) fn new(limits: &Limits) -> Follower {
        let known = Replica::new(limits);
        Follower { limits: limits.clone(), known, beginning: None, heard: None }
    }

    /// Takes note of what was heard.
    pub(super) fn heard(&mut self, now: Time, heard: Heard) {
        match heard {
            Heard::Lost => {
                self.beginning = None;
                return;
            }
            Heard::Claim(_) => {}
            Heard::Begin => self.beginning = Some(Replica::new(&self.limits)),
            Heard::Update(update) => {
                // What finds no room is counted there.
                self.beginning.as_mut().unwrap_or(&mut self.known).apply(update);
            }
            Heard::End => {
                if let Some(whole) = self.beginning.take() {
                    self.known = whole;
                }
            }
        }
        self.heard = Some(now);
    }

    /// How many links and parts of streams are known.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// What is known, which is forgotten. Nothing, if the other was not heard for `lease`: what its
    /// peers were offered has run out by now.
    pub(super) fn take(&mut self, now: Time, lease: Span) -> Replica {
        let fresh = self.heard.is_some_and(|heard| now.since(heard) < lease);
        let known = std::mem::replace(&mut self.known, Replica::new(&self.limits));
        if fresh { known } else { Replica::new(&self.limits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Span = Span::from_secs(30);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    fn link(port: u32) -> Heard {
        let told = format!(
            "{{\"link\":{{\"from\":\"0000000000000001:{port}\",\"to\":\"0000000000000002:{port}\",\
             \"delay_us\":null}}}}"
        );
        Heard::Update(serde_json::from_str(&told).expect("an update"))
    }

    fn following(all: &[Heard]) -> Follower {
        let mut follower = Follower::new(&Limits::default());
        all.iter().for_each(|heard| follower.heard(at(1), heard.clone()));
        follower
    }

    #[test]
    fn a_beginning_counts_when_it_is_whole() {
        let count = |all: &[Heard]| following(all).known();
        let whole = [Heard::Begin, link(1), link(2), Heard::End];
        assert_eq!(count(&whole), 2);
        assert_eq!(count(&[&whole[..], &[link(3)]].concat()), 3, "what changes is told after it");
        let cut = [&whole[..], &[Heard::Begin, link(4)]].concat();
        assert_eq!(count(&cut), 2, "the other died while it told");
        let lost = [&cut[..], &[Heard::Lost, Heard::End]].concat();
        assert_eq!(count(&lost), 2);
        assert_eq!(count(&[&whole[..], &[Heard::Begin, Heard::End]].concat()), 0);
    }

    #[test]
    fn what_is_old_is_not_gone_on_with_and_nothing_is_twice() {
        let whole = [Heard::Begin, link(1), Heard::End];
        assert_eq!(following(&whole).take(at(31), LEASE).updates().count(), 0);
        let mut follower = following(&whole);
        assert_eq!(follower.take(at(2), LEASE).updates().count(), 1);
        assert_eq!(follower.take(at(2), LEASE).updates().count(), 0);
    }
}
