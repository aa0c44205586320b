//! Settings by their dotted names, and what a run's machines are made of.

use std::fmt;
use std::str::FromStr;

use nearcast_engine::mesh::{self, System};
use nearcast_swarm::{Kit, simulated};
use toml::{Table, Value};

use super::scenario::SimScenario;
use crate::Failure;

/// What the engine's settings say that is the population's or the stream's here.
const NOT_OURS: [&str; 4] = ["role", "upload", "layers", "lc_max"];

/// A setting of a scenario, by its name as in the file, and another value:
/// `engine.epsilon=2kbit/s`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    name: String,
    value: Value,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Change, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is no setting: say NAME=VALUE"))?;
        Change::new(name, value)
    }
}

impl Change {
    /// A value is what TOML takes for one, and else text: units need no quotes.
    ///
    /// # Errors
    /// If the name is none.
    pub fn new(name: &str, value: &str) -> Result<Change, String> {
        let part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !name.split('.').all(part) {
            return Err(format!("`{name}` is no setting's name: say as in the file, such as lag"));
        }
        let parsed = toml::from_str(&format!("value = {value}"));
        let parsed = parsed.ok().filter(|table: &Table| table.len() == 1);
        let parsed = parsed.and_then(|mut table| table.remove("value"));
        let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Change { name: name.to_owned(), value })
    }

    /// Puts it where it belongs, whatever was there.
    pub(super) fn apply(&self, table: &mut Table) -> Result<(), Failure> {
        let mut table = table;
        let (path, last) = self.name.rsplit_once('.').unwrap_or(("", &self.name));
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = inner
                .as_table_mut()
                .ok_or_else(|| format!("{self}: `{part}` has no settings in it"))?;
        }
        table.insert(last.to_owned(), self.value.clone());
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::String(text) => write!(f, "{}={text}", self.name),
            value => write!(f, "{}={value}", self.name),
        }
    }
}

/// Whether the engine has such settings.
pub(super) fn known(engine: &Table) -> Result<(), String> {
    if let Some(name) = NOT_OURS.into_iter().find(|name| engine.contains_key(*name)) {
        return Err(format!("engine.{name} follows from the population and the stream"));
    }
    changed(mesh::Settings::default(), engine).map(|_| ())
}

/// Settings with some of them changed; those in a table of their own one by one.
pub(crate) fn changed(settings: mesh::Settings, engine: &Table) -> Result<mesh::Settings, String> {
    fn merge(into: &mut Table, from: &Table) {
        for (name, value) in from {
            match (into.get_mut(name), value) {
                (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
                _ => {
                    into.insert(name.clone(), value.clone());
                }
            }
        }
    }
    let mut table = Table::try_from(settings).expect("plain data");
    merge(&mut table, engine);
    table.try_into().map_err(|error: toml::de::Error| format!("engine: {}", error.message()))
}

impl SimScenario {
    /// What the machines of a run under a system are made of.
    ///
    /// # Errors
    /// If a peer cannot work with the settings.
    pub(super) fn kit(&self, system: System) -> Result<Kit, Failure> {
        let of = |settings: mesh::Settings| {
            let settings = changed(simulated(settings, self.step), &self.engine)?;
            settings.check().map(|()| settings)
        };
        let wrong = |what: String| format!("{}: {what}", self.name);
        let viewer = of(mesh::Settings::of(system)).map_err(wrong)?;
        let source = of(mesh::Settings { upload: self.source, ..mesh::Settings::source(system) });
        let in_lag =
            self.stream.chunks_per_s().into_iter().fold(0.0, f64::max) * viewer.lag.as_secs_f64();
        if in_lag > f64::from(viewer.window) {
            return Err(wrong(format!(
                "a layer has {in_lag:.0} chunks in a playback lag, and engine.window holds {}: take a lower \
                 rate, a shorter engine.lag or a larger engine.window",
                viewer.window
            ))
            .into());
        }
        Ok(Kit { stream: self.stream, viewer, source: source.map_err(wrong)? })
    }
}

#[cfg(test)]
mod tests {
    use nearcast_engine::mesh::Supply;
    use nearcast_machine::Span;

    use super::*;

    fn find(changes: &[&str]) -> Result<SimScenario, Failure> {
        let changes =
            changes.iter().map(|text| text.parse()).collect::<Result<Vec<Change>, _>>()?;
        SimScenario::find("trace-overloaded", &changes)
    }

    fn viewer(changes: &[&str]) -> mesh::Settings {
        find(changes).and_then(|s| s.kit(System::LayerP2p)).expect("they are settings").viewer
    }

    #[test]
    fn every_setting_has_a_name() {
        let settings = viewer(&[
            "engine.neighbours_min=5",
            "engine.epsilon=2kbit/s",
            "engine.round=\"2s\"",
            "engine.lag=20s",
            "engine.policy.supply=round-robin",
            "engine.upload_counts_signalling=true",
        ]);
        assert_eq!((settings.neighbours_min, settings.round), (5, Span::from_secs(2)));
        assert_eq!((settings.epsilon.bits_per_sec(), settings.lag), (2_000, Span::from_secs(20)));
        assert_eq!(settings.policy.supply, Supply::RoundRobin);
        assert_eq!(settings.policy.demand, System::LayerP2p.policy().demand, "the others stay");
        assert!(settings.upload_counts_signalling);
        let scenario =
            find(&["free_riders=0.2", "resource_index=0.9", "source=5Mbit/s", "step=0ms"])
                .expect("they are settings");
        assert_eq!((scenario.free_riders, scenario.resource_index), (Some(0.2), Some(0.9)));
        let kit = scenario.kit(System::SingleLayer).expect("they are settings");
        assert_eq!(kit.source.upload.bits_per_sec(), 5_000_000);
        assert_eq!((kit.viewer.batch, kit.viewer.burst), (Span::ZERO, Span::from_millis(20)));
    }

    #[test]
    fn what_is_none_is_named() {
        let told = |change: &str| find(&[change]).expect_err("it is none").to_string();
        assert!(
            told("engine.neighbors_min=5").contains("neighbours_min"),
            "the nearest are listed"
        );
        assert!(told("engine.lag=20").starts_with("engine.lag=20: "));
        assert!(told("titel=x").contains("titel"));
        assert!(told("title.x=1").contains("`title` has no settings in it"));
        assert!(told("engine.upload=1Mbit/s").contains("population"));
        assert!(told("engine").contains("NAME=VALUE"));
        assert!(told("engine..lag=2s").contains("no setting's name"));
        let many = find(&["engine.lag=60s", "engine.window=1000"]).expect("settings");
        let told = many.check().expect_err("more than the window").to_string();
        assert!(told.contains("in a playback lag, and engine.window holds 1000"), "{told}");
        let apart = find(&["engine.neighbours_min=30"]).expect("a setting");
        let told = apart.check().expect_err("above the most").to_string();
        assert!(told.contains("neighbours_min is above neighbours_max"), "{told}");
    }
}
