//! What is simulated, as TOML: `experiments/scenarios/simulations`.

use std::path::Path;

use nearcast_engine::mesh::System;
use nearcast_machine::{Bitrate, Span};
use nearcast_sim::trace::Contribution;
use nearcast_swarm::{Stream, StreamText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::class::{self, Class};
use super::settings::{self, Change};
use crate::Failure;

/// Those that come with nearcast.
const FILES: [(&str, &str); 5] = [
    ("trace-underloaded", include_str!("../../scenarios/simulations/trace-underloaded.toml")),
    ("trace-overloaded", include_str!("../../scenarios/simulations/trace-overloaded.toml")),
    (
        "planetlab-underloaded",
        include_str!("../../scenarios/simulations/planetlab-underloaded.toml"),
    ),
    ("planetlab-overloaded", include_str!("../../scenarios/simulations/planetlab-overloaded.toml")),
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
    /// Whose numbers stand beside ours, unless peers' means were changed.
    pub paper: Option<Paper>,
    /// Which systems are compared.
    pub systems: Vec<System>,
    /// How long is simulated.
    pub duration: Span,
    /// Who is there; each is a run of its own for each system.
    pub populations: Vec<Crowd>,
    /// What they contribute.
    pub classes: Vec<Class>,
    /// The share of them that contributes nothing, if not that of the classes.
    pub free_riders: Option<f64>,
    /// What all contribute is scaled to so many times the full rate, if at all.
    pub resource_index: Option<f64>,
    /// One-way delay of the core; at zero signalling is there at once, as in the paper.
    pub delay: Span,
    /// A supplier wakes so often at most, and a receiver takes together what has come in the
    /// meantime; its access link spaces what a supplier sends. Zero: chunk by chunk.
    pub step: Span,
    pub(super) stream: Stream,
    /// The source's upload rate.
    pub(super) source: Bitrate,
    /// Settings of the engine that are not the default.
    pub(super) engine: Table,
}

/// An experiment of Liu et al.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Paper {
    /// Section VI, driven by a trace.
    Trace,
    /// Section V, on PlanetLab.
    Planetlab,
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
            // That of a number of peers has no end.
            Crowd::Day { scale } => format!("day-x{}", (scale * 1e4).round() / 1e4),
            Crowd::Uniform { peers, .. } => format!("{peers}-peers"),
            Crowd::Crowd { peers, .. } => format!("crowd-of-{peers}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    paper: Option<Paper>,
    /// A column of Table II, or
    contribution: Option<Share>,
    /// classes of its own.
    #[serde(default)]
    class: Vec<Class>,
    free_riders: Option<f64>,
    resource_index: Option<f64>,
    systems: Vec<String>,
    duration: Span,
    #[serde(default)]
    delay: Span,
    #[serde(default = "step")]
    step: Span,
    #[serde(default)]
    stream: StreamText,
    #[serde(default = "source")]
    source: Bitrate,
    #[serde(default)]
    engine: Table,
    population: Vec<Crowd>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Share {
    Underloaded,
    Overloaded,
}

/// A tenth of a round.
fn step() -> Span {
    Span::from_millis(100)
}

/// The paper's seed.
fn source() -> Bitrate {
    Bitrate::from_bits_per_sec(2_000_000)
}

/// The names of those that come with nearcast.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

impl SimScenario {
    /// The scenario that `name` means, one of ours or the path of a TOML file, with some of its
    /// settings changed.
    ///
    /// # Errors
    /// A mistake in the file is answered with the file and, where TOML knows it, line and column.
    pub fn find(name: &str, changes: &[Change]) -> Result<SimScenario, Failure> {
        let (name, text) = SimScenario::text(name)?;
        SimScenario::read(&name, &text, changes)
    }

    /// The name and the text of the scenario that `name` means.
    pub(crate) fn text(name: &str) -> Result<(String, String), Failure> {
        if let Some((name, text)) = FILES.iter().find(|(known, _)| *known == name) {
            return Ok(((*name).to_owned(), (*text).to_owned()));
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
        Ok((stem.into_owned(), std::fs::read_to_string(path).map_err(io)?))
    }

    /// Reads a scenario's text, with some of its settings changed.
    ///
    /// # Errors
    /// As [`find`](SimScenario::find).
    pub fn read(name: &str, text: &str, changes: &[Change]) -> Result<SimScenario, Failure> {
        let told = |error: toml::de::Error| format!("{name}: {error}");
        // By itself first: what is wrong in the text is told with its line.
        let mut file: File = toml::from_str(text).map_err(told)?;
        if !changes.is_empty() {
            let mut table: Table = toml::from_str(text).map_err(told)?;
            for change in changes {
                change.apply(&mut table)?;
                file = table
                    .clone()
                    .try_into()
                    .map_err(|error: toml::de::Error| format!("{change}: {}", error.message()))?;
                settings::known(&file.engine).map_err(|what| format!("{change}: {what}"))?;
            }
        }
        let wrong = |what: String| format!("{name}: {what}");
        let systems = file.systems.iter().map(|system| system.parse());
        let scenario = SimScenario {
            name: name.to_owned(),
            title: file.title,
            // Of peers with other means the paper says nothing.
            paper: match (file.free_riders, file.resource_index) {
                (None, None) => file.paper,
                _ => None,
            },
            classes: match (file.contribution, file.class) {
                (Some(Share::Underloaded), own) if own.is_empty() => {
                    class::table(Contribution::Underloaded)
                }
                (Some(Share::Overloaded), own) if own.is_empty() => {
                    class::table(Contribution::Overloaded)
                }
                (None, own) if !own.is_empty() => own,
                _ => {
                    let what = "say either contribution, for Table II of the paper, or [[class]]";
                    return Err(wrong(what.to_owned()).into());
                }
            },
            free_riders: file.free_riders,
            resource_index: file.resource_index,
            systems: systems
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(format!("systems: {error}")))?,
            duration: file.duration,
            delay: file.delay,
            step: file.step,
            stream: Stream::new(&file.stream).map_err(|error| wrong(error.to_string()))?,
            source: file.source,
            engine: file.engine,
            populations: file.population,
        };
        settings::known(&scenario.engine).map_err(wrong)?;
        Ok(scenario)
    }

    /// Whether peers contribute less than the full rate, all in all.
    pub(super) fn overloaded(&self) -> bool {
        let mean = || -> f64 {
            self.classes.iter().map(|c| c.share * c.upload.bits_per_sec() as f64).sum()
        };
        let index = self.resource_index.unwrap_or_else(|| mean() / 1e3 / self.stream.kbit());
        index < 1.0
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
        if self.step > Span::from_secs(1) || self.delay > Span::from_secs(10) {
            return wrong("step is 1s at most, delay 10s");
        }
        if self.free_riders.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return wrong("free_riders: 0 to 1");
        }
        if self.resource_index.is_some_and(|index| !(0.001..=1000.0).contains(&index)) {
            return wrong("resource_index: 0.001 to 1000");
        }
        class::check(&self.classes).map_err(|what| format!("{}: {what}", self.name))?;
        for &system in &self.systems {
            self.kit(system)?;
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
    fn ours_can_be_read_and_run() {
        for name in names() {
            let scenario = SimScenario::find(name, &[]).expect("it is ours");
            assert_eq!(scenario.name, name);
            scenario.check().expect("it can be run");
        }
        let scale = SimScenario::find("scale", &[]).expect("it is ours");
        assert_eq!(scale.populations.len(), 6);
        let planetlab = SimScenario::find("planetlab-overloaded", &[]).expect("it is ours");
        assert_eq!(planetlab.stream.kbit().round(), 620.0);
    }

    #[test]
    fn a_mistake_is_named() {
        let good = include_str!("../../scenarios/simulations/trace-overloaded.toml");
        let told = |from: &str, to: &str| {
            assert!(good.contains(from));
            let read = SimScenario::read("mine", &good.replace(from, to), &[]);
            let checked = read.and_then(|scenario| scenario.check());
            checked.expect_err("it is wrong").to_string()
        };
        assert!(told("\"layerp2p\"", "\"tribler\"").contains("`tribler` is no system"));
        assert!(told("scale = 0.05", "scale = nan").contains("scale: 0.0001 to 100"));
        assert!(told("86400s", "5s").contains("duration: 40s to 86400s"));
        assert!(told("kind = \"day\"", "kind = \"week\"").contains("week"));
        assert!(told("title", "titel").contains("titel"));
        assert!(told("contribution", "class = []\n#").contains("either contribution"));
        assert!(SimScenario::find("nothing", &[]).expect_err("none").to_string().contains("scale"));
    }
}
