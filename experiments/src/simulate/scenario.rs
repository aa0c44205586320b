//! What is simulated, as TOML: `experiments/scenarios/simulations`.

use std::path::{Path, PathBuf};

use nearcast_engine::mesh::System;
use nearcast_link::Probability;
use nearcast_machine::{Bitrate, Span};
use nearcast_sim::trace::Contribution;
use nearcast_swarm::{Stream, StreamText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::class::{self, Class};
use super::network::Core;
use super::population::DURATION_MIN;
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
    /// Of which experiment it is, if of one.
    paper: Option<Paper>,
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
    /// What lies between them.
    pub core: Core,
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
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Crowd {
    /// The day of CCTV3, as [`Day::cctv3`](nearcast_sim::trace::Day::cctv3) generates it.
    Day {
        /// How many times as many users.
        scale: f64,
    },
    /// The sessions of a [`trace`](nearcast_sim::trace).
    Trace {
        /// Its file; in a scenario's file as seen from that.
        file: PathBuf,
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
            Crowd::Trace { file } => stem(file),
            Crowd::Uniform { peers, .. } => format!("{peers}-peers"),
            Crowd::Crowd { peers, .. } => format!("crowd-of-{peers}"),
        }
    }
}

/// A file's name without its ending.
fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
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
    #[serde(default)]
    spread: Span,
    #[serde(default)]
    loss: Probability,
    #[serde(default)]
    signalling_loss: Probability,
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
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let (name, text) = SimScenario::text(name)?;
        let mut scenario = SimScenario::read(&name, &text, changes)?;
        for crowd in &mut scenario.populations {
            if let Crowd::Trace { file } = crowd {
                *file = folder.join(&file);
            }
        }
        Ok(scenario)
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
        Ok((stem(path), std::fs::read_to_string(path).map_err(io)?))
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
            paper: file.paper,
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
            core: Core {
                delay: file.delay,
                spread: file.spread,
                loss: file.loss,
                signalling_loss: file.signalling_loss,
            },
            step: file.step,
            stream: Stream::new(&file.stream).map_err(|error| wrong(error.to_string()))?,
            source: file.source,
            engine: file.engine,
            populations: file.population,
        };
        settings::known(&scenario.engine).map_err(wrong)?;
        Ok(scenario)
    }

    /// Whose numbers stand beside ours. Of peers with other means or far apart, who come and go by a
    /// trace of the user's, or whose chunks are lost, the paper says nothing.
    pub fn paper(&self) -> Option<Paper> {
        let means = self.free_riders.is_some() || self.resource_index.is_some();
        let core = self.core != Core { delay: self.core.delay, ..Core::default() };
        self.paper.filter(|_| !means && !core && !self.is_recorded())
    }

    /// Whether any of its populations is that of a file.
    pub(crate) fn is_recorded(&self) -> bool {
        self.populations.iter().any(|crowd| matches!(crowd, Crowd::Trace { .. }))
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
        if !(DURATION_MIN..=Span::from_secs(86_400)).contains(&self.duration) {
            return wrong("duration: 40s to 86400s");
        }
        if self.step > Span::from_secs(1) {
            return wrong("step: 1s at most");
        }
        self.core.check().or_else(wrong)?;
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
        for (at, crowd) in self.populations.iter().enumerate() {
            let label = crowd.label();
            if self.populations[..at].iter().any(|other| other.label() == label) {
                return wrong(&format!("population: two of them would be called {label}"));
            }
            let peers = match *crowd {
                Crowd::Day { scale } if (0.000_1..=100.0).contains(&scale) => continue,
                Crowd::Day { .. } => return wrong("scale: 0.0001 to 100"),
                Crowd::Trace { .. } => continue,
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
        assert!(told("duration", "loss = 1.5\nduration").contains("a chance between 0 and 1"));
        assert!(told("duration", "signalling_loss = 0.1\nduration").contains("without a delay"));
        let twice = "scale = 1\n[[population]]\nkind = \"day\"\nscale = 1.0";
        assert!(told("scale = 0.05", twice).contains("two of them would be called day-x1"));
        assert!(told("contribution", "class = []\n#").contains("either contribution"));
        assert!(SimScenario::find("nothing", &[]).expect_err("none").to_string().contains("scale"));
    }

    #[test]
    fn a_trace_is_named_as_seen_from_the_file_that_names_it_and_has_nothing_of_the_paper_s() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = include_str!("../../scenarios/simulations/trace-overloaded.toml");
        let day = "kind = \"day\"\nscale = 0.05";
        assert!(text.contains(day));
        let path = folder.path().join("mine.toml");
        let text = text.replace(day, "kind = \"trace\"\nfile = \"data/monday.csv\"");
        std::fs::write(&path, text).expect("written");
        let scenario = SimScenario::find(path.to_str().expect("text"), &[]).expect("well formed");
        let file = folder.path().join("data/monday.csv");
        assert_eq!(scenario.populations, [Crowd::Trace { file }]);
        assert_eq!(scenario.populations[0].label(), "monday");
        assert_eq!((scenario.name.as_str(), scenario.paper()), ("mine", None));
        let ours = SimScenario::find("trace-overloaded", &[]).expect("it is ours");
        assert_eq!(ours.paper(), Some(Paper::Trace));
    }
}
