//! What is run, as TOML: `experiments/scenarios/planetlab`.

use std::path::Path;

use nearcast_machine::{Bitrate, Span};
use serde::Deserialize;

use super::result::Flavour;
use crate::Failure;

/// Those that come with nearcast.
const FILES: [(&str, &str); 2] = [
    ("planetlab-underloaded", include_str!("../../scenarios/planetlab/planetlab-underloaded.toml")),
    ("planetlab-overloaded", include_str!("../../scenarios/planetlab/planetlab-overloaded.toml")),
];

/// The largest file that is taken for a scenario.
const FILE_MAX: u64 = 1 << 20;
/// Most peers: their interfaces' names have to fit, and no machine carries more.
pub(super) const PEERS_MAX: u32 = 400;
/// Most runs of one system.
pub(super) const REPEAT_MAX: u32 = 30;
/// Four rounds of the engine's; less shows nothing.
const SHORTEST: Span = Span::from_secs(20);
const LONGEST: Span = Span::from_secs(7200);

/// Peers of some classes who join one after the other, and stay.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshScenario {
    /// What it is called.
    pub name: String,
    /// What it stands for, in a sentence.
    pub title: String,
    /// How many peers.
    pub peers: u32,
    /// They join within this time, each moment as likely as any.
    pub joins: Span,
    /// How long they then stay.
    pub duration: Span,
    /// How many runs of each system.
    pub repeat: u32,
    /// Which systems.
    pub systems: Vec<Flavour>,
    /// What the broadcaster gives.
    pub seed_upload: Bitrate,
    /// Kinds of peers.
    pub classes: Vec<Class>,
    /// How far hosts are from the core.
    pub delay: Delay,
    /// Peers that sit together, for the system that makes use of it.
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// Peers that give the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What they are called.
    pub name: String,
    /// Which part of all peers they are.
    pub share: f64,
    /// What each gives to others.
    pub upload: Bitrate,
}

/// One-way delays from hosts to the core: log-normal, cut off at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Half of them are farther than this.
    pub median: Span,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
    /// No host is nearer.
    pub least: Span,
    /// No host is farther.
    pub most: Span,
}

/// Peers behind one switch. The first group is behind the broadcaster's.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Which part of all peers they are.
    pub share: f64,
    /// One way, from each to the switch.
    pub delay: Span,
}

/// The names of those that come with nearcast.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

impl MeshScenario {
    /// The scenario that `name` means, if it means one of these: one of ours, or the path of a TOML
    /// file with classes of peers in it.
    ///
    /// # Errors
    /// A mistake in the file is answered with the file, line and column.
    pub fn find(name: &str) -> Result<Option<MeshScenario>, Failure> {
        if let Some((name, text)) = FILES.iter().find(|(known, _)| *known == name) {
            return MeshScenario::read(name, text).map(Some);
        }
        let path = Path::new(name);
        if !path.metadata().is_ok_and(|file| file.is_file() && file.len() <= FILE_MAX) {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let of_ours = text.parse::<toml::Table>().is_ok_and(|file| file.contains_key("classes"));
        if of_ours { MeshScenario::read(name, &text).map(Some) } else { Ok(None) }
    }

    /// Reads and checks the file called `name` in messages.
    pub(super) fn read(name: &str, text: &str) -> Result<MeshScenario, Failure> {
        let scenario: MeshScenario =
            toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        scenario.check().map_err(|what| format!("{name}: {what}"))?;
        Ok(scenario)
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(what);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return wrong("name: letters, digits, - and _ only, as files are called so".to_owned());
        }
        if !(2..=PEERS_MAX).contains(&self.peers) {
            return wrong(format!("peers: 2 to {PEERS_MAX}"));
        }
        if !(1..=REPEAT_MAX).contains(&self.repeat) {
            return wrong(format!("repeat: 1 to {REPEAT_MAX}"));
        }
        if !(SHORTEST..=LONGEST).contains(&self.duration) {
            return wrong(format!("duration: {SHORTEST} to {LONGEST}"));
        }
        if self.joins > self.duration {
            return wrong("joins: within the duration at most".to_owned());
        }
        if self.systems.is_empty() {
            return wrong("systems: name one at least".to_owned());
        }
        let classes = sum(self.classes.iter().map(|class| class.share));
        if !classes.is_some_and(|sum| (sum - 1.0).abs() < 1e-6) {
            return wrong("classes: shares above 0 that make up 1".to_owned());
        }
        // More is not what upload limits are tried with, and no link process carries it for many.
        let most = Bitrate::from_bits_per_sec(100_000_000);
        if self.seed_upload > most || self.classes.iter().any(|class| class.upload > most) {
            return wrong(format!("upload: {most} at most"));
        }
        let together = sum(self.groups.iter().map(|group| group.share));
        if !together.is_some_and(|sum| sum <= 1.0) || self.groups.len() > 8 {
            return wrong("groups: 8 at most, with shares above 0 of 1 together".to_owned());
        }
        let Delay { median, sigma, least, most } = self.delay;
        let in_order = least <= median && median <= most && most <= Span::from_secs(2);
        if !in_order || !(0.0..=4.0).contains(&sigma) || median == Span::ZERO {
            return wrong(
                "delay: least, median, most in this order, 2s at most; sigma 0 to 4".to_owned(),
            );
        }
        if self.groups.iter().any(|group| group.delay > most) {
            return wrong("groups: nobody is farther than the delay's most".to_owned());
        }
        Ok(())
    }

    /// The same for another time: who joins within 120 s of 1200 s joins within 3 s of 30 s.
    pub(super) fn lasting(mut self, duration: Span) -> MeshScenario {
        let part = self.joins.as_secs_f64() / self.duration.as_secs_f64();
        self.joins = Span::from_secs_f64(duration.as_secs_f64() * part);
        self.duration = duration;
        self
    }

    /// Mean over all peers of what they give, kbit/s.
    pub(super) fn mean_upload_kbit(&self) -> f64 {
        let of = |class: &Class| class.share * class.upload.bits_per_sec() as f64 / 1e3;
        self.classes.iter().map(of).sum()
    }
}

/// Nothing if one of them is not above 0.
fn sum(mut shares: impl Iterator<Item = f64>) -> Option<f64> {
    shares.try_fold(0.0, |sum, share| (share > 0.0).then_some(sum + share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_the_papers() {
        let full = super::super::measures::PAPER_KBIT;
        for (name, index, systems) in
            [("planetlab-underloaded", 1.23, 4), ("planetlab-overloaded", 0.82, 4)]
        {
            let scenario = MeshScenario::find(name).expect("sound").expect("ours");
            assert_eq!((scenario.name.as_str(), scenario.systems.len()), (name, systems));
            // The paper rounds 510 to 520 in one of them.
            assert!((scenario.mean_upload_kbit() / full - index).abs() < 0.02, "{name}");
        }
        assert!(MeshScenario::find("fig3").expect("no mistake").is_none());
    }

    #[test]
    fn a_shorter_run_has_shorter_joins() {
        let scenario = MeshScenario::find("planetlab-overloaded").expect("sound").expect("ours");
        let short = scenario.lasting(Span::from_secs(30));
        assert_eq!((short.duration, short.joins), (Span::from_secs(30), Span::from_secs(3)));
    }

    #[test]
    fn a_mistake_is_named() {
        let good = include_str!("../../scenarios/planetlab/planetlab-overloaded.toml");
        for (from, to, word) in [
            ("share = 0.3", "share = 0.4", "classes: shares"),
            ("share = 0.3", "share = nan", "classes: shares"),
            ("\"single-layer\"", "\"napster\"", "napster"),
            ("peers = 40", "peers = 1", "peers: 2 to"),
            ("\"1200s\"", "\"2s\"", "duration: 20s"),
            ("\"35ms\"", "\"3ms\"", "delay: least"),
            ("sigma", "sygma", "sygma"),
            ("\"700kbit/s\"", "\"700Mbit/s\"", "upload: 100Mbit/s"),
        ] {
            assert!(good.contains(from), "{from}");
            let text = good.replacen(from, to, 1);
            let error = MeshScenario::read("x.toml", &text).expect_err(to).to_string();
            assert!(error.contains(word) && error.starts_with("x.toml"), "{error}");
        }
    }
}
