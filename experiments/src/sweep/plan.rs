//! What is to be run: a scenario, what is varied of it, and the cells of that grid.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nearcast_engine::mesh::System;
use nearcast_machine::Span;
use nearcast_sim::trace::Trace;
use serde::{Deserialize, Serialize};

use super::axis::{Axis, TRACE};
use crate::Failure;
use crate::result::FolderError;
use crate::simulate::{Change, SIMULATION_FORMAT, SimScenario};

/// Where a folder's plan is.
const PLAN_FILE: &str = "sweep.json";
/// Most cells of a grid.
const CELLS_MAX: usize = 100_000;
/// The version of the file.
const FORMAT: u32 = 1;

/// A sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// Its text as it was then: what becomes of the file later does not matter.
    text: String,
    /// A hash of each trace that is named, by its path: what is in it decides as well.
    #[serde(default)]
    traces: BTreeMap<String, String>,
    /// What is changed of it in every cell.
    fixed: BTreeMap<String, String>,
    /// What differs between cells.
    pub axes: Vec<Axis>,
}

/// One point of the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The value of each axis, in their order.
    pub values: Vec<String>,
    /// What names its folder: a hash of all that its result depends on.
    pub hash: String,
}

impl Plan {
    /// A plan of what `fixed` says everywhere, over the grid of `axes`.
    ///
    /// # Errors
    /// If a setting is none, is said twice, cannot have a value, or the grid is too large. Values
    /// that only do not go together are left to their cells.
    pub fn new(scenario: &str, fixed: &[Axis], axes: Vec<Axis>) -> Result<Plan, Failure> {
        let (name, text) = SimScenario::text(scenario)?;
        let located = |axes: &[Axis]| axes.iter().map(located).collect::<Result<Vec<_>, _>>();
        let (fixed, axes) = (located(fixed)?, located(&axes)?);
        let all = || fixed.iter().chain(&axes);
        let recorded = SimScenario::read(&name, &text, &[])?.is_recorded();
        if recorded && all().all(|axis| axis.name != TRACE) {
            return Err(format!(
                "{name} names a trace, which a sweep would not find: say it once more by --set {TRACE}=FILE"
            )
            .into());
        }
        for (at, axis) in all().enumerate() {
            if all().take(at).any(|other| other.name == axis.name) {
                return Err(format!("{} is said twice", axis.name).into());
            }
            for value in &axis.values {
                check(&name, &text, &axis.name, value)?;
            }
        }
        if let Some(many) = fixed.iter().find(|axis| axis.values.len() != 1) {
            return Err(format!("{many}: --set takes one value, --vary several").into());
        }
        let cells =
            axes.iter().try_fold(1usize, |cells, axis| cells.checked_mul(axis.values.len()));
        if cells.is_none_or(|cells| cells > CELLS_MAX) {
            return Err(format!("there would be more than {CELLS_MAX} cells").into());
        }
        let traces = all().filter(|axis| axis.name == TRACE).flat_map(|axis| &axis.values);
        let traces = traces.map(|path| Ok((path.clone(), hash_of(Path::new(path))?)));
        let traces = traces.collect::<Result<_, FolderError>>()?;
        let fixed = fixed.iter().map(|axis| (axis.name.clone(), axis.values[0].clone())).collect();
        Ok(Plan { format: FORMAT, scenario: name, text, traces, fixed, axes })
    }

    /// Reads the plan of a folder.
    ///
    /// # Errors
    /// If there is none, or of another version.
    pub fn load(folder: &Path) -> Result<Plan, Failure> {
        let path = folder.join(PLAN_FILE);
        let text = fs::read(&path).map_err(FolderError::io(&path))?;
        let wrong = |what: String| format!("{}: {what}", path.display());
        let plan: Plan = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if plan.format != FORMAT {
            return Err(
                wrong(format!("format {}, this nearcast reads {FORMAT}", plan.format)).into()
            );
        }
        Ok(plan)
    }

    /// Whether everything that cells read is what it was when the sweep was begun.
    ///
    /// # Errors
    /// Names the trace that is not.
    pub(super) fn verify(&self) -> Result<(), Failure> {
        for (path, hash) in &self.traces {
            if hash_of(Path::new(path))? != *hash {
                return Err(format!(
                    "{path} is not what it was when this sweep was begun; put it back, or say the whole \
                     sweep again to begin it anew"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Writes it to a folder, with the scenario that its cells run.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn store(&self, folder: &Path) -> Result<(), Failure> {
        fs::create_dir_all(folder).map_err(FolderError::io(folder))?;
        replace(&self.scenario_file(folder), self.text.as_bytes())?;
        replace(&folder.join(PLAN_FILE), &serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    fn scenario_file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.toml", self.scenario))
    }

    /// How many cells there are.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// A cell; the last axis goes fastest.
    pub fn cell(&self, index: usize) -> Cell {
        let mut left = index;
        let mut values: Vec<String> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis.values[left % axis.values.len()].clone());
            left /= axis.values.len();
        }
        values.reverse();
        let settings = self.settings(&values);
        let trace = settings.get(TRACE).and_then(|path| self.traces.get(*path));
        // A newer nearcast may come to another result; a list keeps names and values apart.
        let version = (env!("CARGO_PKG_VERSION"), SIMULATION_FORMAT);
        let whole = (version, &self.scenario, &self.text, &settings, trace);
        let text = serde_json::to_vec(&whole).expect("plain data");
        let hash = blake3::hash(&text).to_hex()[..16].to_owned();
        Cell { values, hash }
    }

    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        (0..self.count()).map(|index| self.cell(index))
    }

    /// All that is changed in a cell, in the order of names: whether everywhere or only here makes
    /// no difference to its result.
    fn settings<'a>(&'a self, values: &'a [String]) -> BTreeMap<&'a str, &'a str> {
        let varied = self.axes.iter().zip(values).map(|(axis, v)| (axis.name.as_str(), v.as_str()));
        let fixed = self.fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fixed.chain(varied).collect()
    }

    /// A cell in words.
    pub fn words(&self, cell: &Cell) -> String {
        let words = self.axes.iter().zip(&cell.values);
        let words: Vec<String> = words.map(|(axis, v)| format!("{}={v}", axis.name)).collect();
        if words.is_empty() { self.scenario.clone() } else { words.join(" ") }
    }

    /// Where a cell's result is.
    pub(super) fn folder(&self, folder: &Path, cell: &Cell) -> PathBuf {
        folder.join("cells").join(&cell.hash)
    }

    /// What `nearcast` is called with to run a cell.
    pub(super) fn arguments(&self, folder: &Path, cell: &Cell) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["simulate".into(), self.scenario_file(folder).into()];
        for (name, value) in self.settings(&cell.values) {
            match flag(name) {
                Some(flag) => words.push(format!("{flag}={value}").into()),
                None => words.extend(["--set".into(), format!("{name}={value}").into()]),
            }
        }
        words.extend(["--bare".into(), "--out".into(), self.folder(folder, cell).into()]);
        words
    }
}

/// Values as cells understand them, wherever they are run: traces by their whole paths.
fn located(axis: &Axis) -> Result<Axis, Failure> {
    let mut axis = axis.clone();
    if axis.name == TRACE {
        for value in &mut axis.values {
            let path = fs::canonicalize(&*value).map_err(FolderError::io(Path::new(&*value)))?;
            *value = path.to_str().ok_or("a trace's path is UTF-8")?.to_owned();
        }
    }
    Ok(axis)
}

fn hash_of(path: &Path) -> Result<String, FolderError> {
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    read.map_err(FolderError::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The settings that are not the scenario's but the command's.
fn flag(name: &str) -> Option<&'static str> {
    match name {
        "seed" => Some("--seed"),
        "system" => Some("--systems"),
        "scale" => Some("--scale"),
        "peers" => Some("--peers"),
        "from" => Some("--from"),
        TRACE => Some("--trace"),
        _ => None,
    }
}

/// Whether there is such a setting and it can have the value.
fn check(scenario: &str, text: &str, name: &str, value: &str) -> Result<(), Failure> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &str) -> Result<(), String> {
        value.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
    }
    let outcome = match name {
        "seed" => parsed::<u64>(value),
        "system" => parsed::<System>(value),
        "scale" => parsed::<f64>(value),
        "peers" => parsed::<u32>(value),
        "from" => parsed::<Span>(value),
        TRACE => {
            Trace::open(Path::new(value))?;
            return Ok(());
        }
        _ => {
            SimScenario::read(scenario, text, &[Change::new(name, value)?])?;
            return Ok(());
        }
    };
    outcome.map_err(|why| format!("{name}={value}: {why}").into())
}

/// Writes a file so that a reader sees the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let partial = path.with_extension("partial");
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        // What is half written is of no use.
        let _ = fs::remove_file(&partial);
        FolderError::io(path)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| text.parse().expect("well formed")).collect()
    }

    fn plan(fixed: &[&str], varied: &[&str]) -> Result<Plan, Failure> {
        Plan::new("trace-overloaded", &axes(fixed), axes(varied))
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let plan =
            plan(&["scale=0.01"], &["system=layerp2p,single-layer", "seed=1..3"]).expect("good");
        let cells: Vec<Cell> = plan.cells().collect();
        let words: Vec<String> = cells.iter().map(|cell| plan.words(cell)).collect();
        assert_eq!((words.len(), words[1].as_str()), (6, "system=layerp2p seed=2"));
        let hashes: std::collections::BTreeSet<&str> =
            cells.iter().map(|cell| cell.hash.as_str()).collect();
        assert_eq!(hashes.len(), 6);
        let arguments = plan.arguments(Path::new("/f"), &cells[5]);
        let arguments: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
        let out = format!("/f/cells/{}", cells[5].hash);
        assert_eq!(arguments[..2], ["simulate", "/f/trace-overloaded.toml"]);
        assert_eq!(arguments[2..5], ["--scale=0.01", "--seed=3", "--systems=single-layer"]);
        assert_eq!(arguments[5..], ["--bare", "--out", &out]);
    }

    #[test]
    fn a_cell_is_the_same_wherever_its_settings_are_said_and_another_with_others() {
        let one = plan(&["scale=0.01", "seed=2"], &["engine.lag=20s"]).expect("good");
        let two = plan(&["engine.lag=20s"], &["seed=1..2", "scale=0.01"]).expect("good");
        assert_eq!(one.cell(0).hash, two.cell(1).hash);
        assert_ne!(one.cell(0).hash, two.cell(0).hash);
        let other = Plan::new(
            "trace-underloaded",
            &axes(&["scale=0.01", "seed=2", "engine.lag=20s"]),
            vec![],
        );
        assert_ne!(one.cell(0).hash, other.expect("good").cell(0).hash);
    }

    #[test]
    fn a_trace_counts_by_what_is_in_it_and_is_found_from_anywhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.csv");
        let hash = |rows: &str, place: &Path| {
            let text = format!("id,arrival_s,departure_s\n{rows}");
            fs::write(&file, text).expect("written");
            let place = place.to_str().expect("text");
            let plan = plan(&[&format!("trace={place}")], &["seed=1"]).expect("good");
            let cell = plan.cell(0);
            let words = plan.arguments(Path::new("/f"), &cell);
            let whole = fs::canonicalize(&file).expect("it is there");
            assert!(words.contains(&format!("--trace={}", whole.display()).into()), "{words:?}");
            cell.hash
        };
        let first = hash("a,0,90\n", &file);
        assert_eq!(hash("a,0,90\n", &folder.path().join("./x.csv")), first);
        assert_ne!(hash("a,0,91\n", &file), first);
    }

    #[test]
    fn what_cannot_be_is_told_before_anything_runs() {
        let told = |fixed: &[&str], varied: &[&str]| {
            plan(fixed, varied).expect_err("it cannot be").to_string()
        };
        assert!(told(&[], &["engine.neighbors_min=5"]).contains("neighbours_min"));
        assert!(told(&[], &["system=tribler"]).contains("no system"));
        assert!(told(&[], &["seed=one"]).contains("seed=one"));
        assert!(told(&[], &["engine.lag=20"]).contains("engine.lag=20"));
        assert!(told(&["seed=1"], &["seed=2"]).contains("seed is said twice"));
        assert!(told(&["seed=1,2"], &[]).contains("--vary"));
        let wide = ["seed=1..1000", "engine.queue=1..1000"];
        assert!(told(&[], &wide).contains("more than 100000 cells"));
        // Only together with another setting may this one be right.
        assert!(plan(&[], &["engine.neighbours_min=30"]).is_ok());
    }

    #[test]
    fn a_plan_is_found_again_and_one_of_another_version_is_not_guessed_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = plan(&["scale=0.01"], &["seed=1..3"]).expect("good");
        plan.store(folder.path()).expect("it can be written");
        assert_eq!(Plan::load(folder.path()).expect("it is there"), plan);
        let path = folder.path().join(PLAN_FILE);
        let newer =
            fs::read_to_string(&path).expect("text").replace("\"format\": 1", "\"format\": 9");
        fs::write(&path, newer).expect("it can be written");
        assert!(Plan::load(folder.path()).expect_err("newer").to_string().contains("format 9"));
    }
}
