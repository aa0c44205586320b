//! What is simulated, as TOML: `experiments/scenarios/simulations`.

use std::path::Path;

use nearcast_engine::mesh::System;
use nearcast_machine::Span;
use nearcast_sim::trace::Contribution;
use serde::Deserialize;

use crate::Failure;

/// Those that come with nearcast.
const FILES: [(&str, &str); 3] = [
    ("trace-underloaded", include_str!("../../scenarios/simulations/trace-underloaded.toml")),
    ("trace-overloaded", include_str!("../../scenarios/simulations/trace-overloaded.toml")),
    ("scale", include_str!("../../scenarios/simulations/scale.toml")),
];

/// The largest file that is taken for a scenario.
const FILE_MAX: u64 = 1 << 20;
/// Most peers of a population that is not a day's.
pub(super) const PEERS_MAX: u32 = 100_000;

/// A simulation's scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct SimScenario {
    /// Its file's name.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// Which part of their bandwidth peers contribute.
    pub contribution: Contribution,
    /// Which systems are compared.
    pub systems: Vec<System>,
    /// How long is simulated.
    pub duration: Span,
    /// Who is there; each is a run of its own for each system.
    pub populations: Vec<Crowd>,
}

/// Who comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Crowd {
    /// The day of CCTV3, as [`Day::cctv3`](nearcast_sim::trace::Day::cctv3) generates it.
    Day {
        /// How many times as many users.
        scale: f64,
    },
    /// Peers that join one after the other, and stay.
    Uniform {
        /// How many.
        peers: u32,
        /// In how long.
        within: Span,
    },
    /// A flash crowd. Before it comes, others have joined one after the other.
    Crowd {
        /// How many are there before.
        residents: u32,
        /// How many come.
        peers: u32,
        /// When they begin to.
        at: Span,
        /// In how long.
        within: Span,
    },
}

impl Crowd {
    /// A name for files and tables.
    pub fn label(&self) -> String {
        match self {
            Crowd::Day { scale } => format!("day-x{scale}"),
            Crowd::Uniform { peers, .. } => format!("{peers}-peers"),
            Crowd::Crowd { peers, .. } => format!("crowd-of-{peers}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    contribution: Share,
    systems: Vec<String>,
    duration: Span,
    population: Vec<Crowd>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Share {
    Underloaded,
    Overloaded,
}

/// The names of those that come with nearcast.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

impl SimScenario {
    /// The scenario that `name` means: one of ours, or the path of a TOML file.
    ///
    /// # Errors
    /// A mistake in the file is answered with the file and, where TOML knows it, line and column.
    pub fn find(name: &str) -> Result<SimScenario, Failure> {
        if let Some((name, text)) = FILES.iter().find(|(known, _)| *known == name) {
            return SimScenario::read(name, text);
        }
        if !name.contains('/') && !name.ends_with(".toml") {
            let known = names().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "there is no simulation `{name}`; there are {known}, or give the path of a .toml file"
            )
            .into());
        }
        let path = Path::new(name);
        let io = |error| format!("{name}: {error}");
        if std::fs::metadata(path).map_err(io)?.len() > FILE_MAX {
            return Err(format!("{name} is too large for a scenario").into());
        }
        let stem = path.file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
        SimScenario::read(&stem, &std::fs::read_to_string(path).map_err(io)?)
    }

    /// Reads a scenario's text.
    ///
    /// # Errors
    /// As [`find`](SimScenario::find).
    pub fn read(name: &str, text: &str) -> Result<SimScenario, Failure> {
        let file: File = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        let systems = file.systems.iter().map(|system| system.parse());
        let scenario = SimScenario {
            name: name.to_owned(),
            title: file.title,
            contribution: match file.contribution {
                Share::Underloaded => Contribution::Underloaded,
                Share::Overloaded => Contribution::Overloaded,
            },
            systems: systems
                .collect::<Result<_, _>>()
                .map_err(|error| format!("{name}: systems: {error}"))?,
            duration: file.duration,
            populations: file.population,
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether it can be run.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let wrong = |what: &str| Err(format!("{}: {what}", self.name).into());
        if self.systems.is_empty() {
            return wrong("systems: name one at least");
        }
        if self.populations.is_empty() {
            return wrong("population: there must be one at least");
        }
        if !(Span::from_secs(40)..=Span::from_secs(86_400)).contains(&self.duration) {
            // Playout begins 30 s after a stream does.
            return wrong("duration: 40s to 86400s");
        }
        for crowd in &self.populations {
            let peers = match *crowd {
                Crowd::Day { scale } if (0.000_1..=100.0).contains(&scale) => continue,
                Crowd::Day { .. } => return wrong("scale: 0.0001 to 100"),
                Crowd::Uniform { peers, .. } => peers,
                Crowd::Crowd { peers, residents, .. } => peers.max(residents),
            };
            if !(1..=PEERS_MAX).contains(&peers) {
                return wrong("peers: 1 to 100000");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_can_be_read() {
        for name in names() {
            let scenario = SimScenario::find(name).expect("it is ours");
            assert_eq!(scenario.name, name);
        }
        let scale = SimScenario::find("scale").expect("it is ours");
        assert_eq!(scale.populations.len(), 6);
    }

    #[test]
    fn a_mistake_is_named() {
        let good = include_str!("../../scenarios/simulations/trace-overloaded.toml");
        let told = |from: &str, to: &str| {
            assert!(good.contains(from));
            let read = SimScenario::read("mine", &good.replace(from, to));
            read.expect_err("it is wrong").to_string()
        };
        assert!(told("\"layerp2p\"", "\"tribler\"").contains("`tribler` is no system"));
        assert!(told("scale = 0.05", "scale = nan").contains("scale: 0.0001 to 100"));
        assert!(told("86400s", "5s").contains("duration: 40s to 86400s"));
        assert!(told("kind = \"day\"", "kind = \"week\"").contains("week"));
        assert!(told("title", "titel").contains("titel"));
        assert!(SimScenario::find("nothing").expect_err("none").to_string().contains("scale"));
    }
}
