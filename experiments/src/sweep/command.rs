use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::{env, fs};

use indicatif::{ProgressBar, ProgressStyle};

use super::axis::Axis;
use super::cell::{self, State};
use super::plan::{Cell, Plan};
use super::table::Table;
use super::{parquet, slurm};
use crate::Failure;
use crate::result::FolderError;
use crate::world::Shutdown;

/// The files that a sweep's results are put together in.
const TABLE_FILES: [&str; 2] = ["table.csv", "table.parquet"];
const FAILED_FILE: &str = "failed.csv";

/// `nearcast sweep`
#[derive(Debug, Clone, clap::Args)]
#[command(
    override_usage = "nearcast sweep SCENARIO --vary NAME=VALUES... [OPTIONS]
       nearcast sweep --out FOLDER [--collect | --part K/N]",
    after_help = "Names of settings: seed, system, scale, peers, from, trace, whatever a scenario file has
(free_riders, resource_index, duration, delay, spread, loss, source, step), and the engine's own as engine.NAME
(docs/layerp2p.md): engine.neighbours_min, engine.neighbours_max, engine.epsilon, engine.round,
engine.lag, engine.adapt, ...

Values: a list (5,10,20), a range with both ends (1..5) or a range with a step (10s..30s:5s).

Examples:
  nearcast sweep trace-overloaded --set scale=0.05 --set from=64800s --set duration=3600s \\
      --vary system=layerp2p,single-layer --vary seed=1..3 --vary free_riders=0..0.4:0.1
  nearcast sweep planetlab-overloaded --vary engine.neighbours_min=5,10 --vary engine.lag=10s..30s:10s
  nearcast sweep --out results/planetlab-overloaded-sweep        # goes on where it was interrupted
  nearcast sweep scale --set peers=5000 --vary seed=1..50 --out /shared/s --jobs 20 --slurm > s.sbatch
  sbatch s.sbatch; ...; nearcast sweep --out /shared/s --collect"
)]
pub struct Args {
    /// A simulation's name (see `nearcast list`) or the path of a scenario file; the folder's if
    /// left out
    #[arg(required_unless_present = "out")]
    scenario: Option<String>,
    /// A setting and the values that it takes; the cells are all combinations
    #[arg(long = "vary", value_name = "NAME=VALUES", requires = "scenario")]
    axes: Vec<Axis>,
    /// A setting that has this value in every cell
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "scenario")]
    fixed: Vec<Axis>,
    /// How many cells to run at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Where to write, and what is there of cells already; results/SCENARIO-sweep if left out
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Run nothing; print a script for Slurm's sbatch whose tasks run the cells into the folder
    #[arg(long, conflicts_with_all = ["collect", "part"])]
    slurm: bool,
    /// Run nothing; put the results that are there together
    #[arg(long, conflicts_with = "part")]
    collect: bool,
    /// Run only each N-th cell, from the K-th on (counted from 0), and put nothing together
    #[arg(long, value_name = "K/N")]
    part: Option<Part>,
}

/// Which cells a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    first: usize,
    step: usize,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let parts = text.split_once('/').map(|(first, step)| (first.parse(), step.parse()));
        match parts {
            Some((Ok(first), Ok(step))) if first < step => Ok(Part { first, step }),
            _ => Err("say K/N with K below N, such as 3/20".to_owned()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.step)
    }
}

/// Runs a sweep, or what of it is left to do.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let (plan, folder) = args.plan()?;
    if args.slurm {
        let folder = fs::canonicalize(&folder).map_err(FolderError::io(&folder))?;
        print!("{}", slurm::script(&plan, &env::current_exe()?, &folder, args.jobs.into())?);
        return Ok(ExitCode::SUCCESS);
    }
    let shutdown = Shutdown::install()?;
    let cells: Vec<Cell> = match args.part {
        Some(Part { first, step }) => plan.cells().skip(first).step_by(step).collect(),
        None => plan.cells().collect(),
    };
    if !args.collect {
        plan.verify()?;
        let program = env::current_exe()?;
        run(&program, &plan, &folder, &cells, args.jobs.into(), shutdown)?;
    }
    let states: Vec<State> =
        cells.iter().map(|cell| cell::state(&plan.folder(&folder, cell))).collect();
    if args.part.is_none() {
        collect(&plan, &folder, &cells, &states)?;
    }
    let count = |is: fn(&State) -> bool| states.iter().filter(|state| is(state)).count();
    let [done, open] = [count(|s| *s == State::Done), count(|s| *s == State::Open)];
    let failed = states.len() - done - open;
    println!("{} cells: {done} done, {failed} failed, {open} left", states.len());
    for (cell, state) in cells.iter().zip(&states) {
        if let State::Failed(why) = state {
            println!("failed: {}: {why}", plan.words(cell));
        }
    }
    Ok(match (shutdown.requested(), failed) {
        (true, _) => ExitCode::from(130),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

impl Args {
    /// What is to be run and where: what was asked for now, or what the folder says.
    fn plan(&self) -> Result<(Plan, PathBuf), Failure> {
        let Some(scenario) = &self.scenario else {
            let folder = self.out.clone().ok_or("say a scenario, or the --out of a sweep")?;
            return Ok((Plan::load(&folder)?, folder));
        };
        let plan = Plan::new(scenario, &self.fixed, self.axes.clone())?;
        let folder = self.out.clone();
        let folder = folder.unwrap_or_else(|| format!("results/{}-sweep", plan.scenario).into());
        plan.store(&folder)?;
        Ok((plan, folder))
    }
}

/// Runs the cells that are not done, so many at a time. One that fails does not keep others from
/// being run.
fn run(
    program: &Path,
    plan: &Plan,
    folder: &Path,
    cells: &[Cell],
    jobs: usize,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let is_done = |cell: &&Cell| cell::state(&plan.folder(folder, cell)) == State::Done;
    let (done, left): (Vec<&Cell>, VecDeque<&Cell>) = {
        let (done, left): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(is_done);
        (done, left.into())
    };
    let bar = ProgressBar::new(cells.len() as u64);
    let style = "{pos}/{len} cells [{bar:24}]  {elapsed} so far, {eta} left  {msg}";
    bar.set_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
    bar.set_position(done.len() as u64);
    bar.reset_eta();
    bar.enable_steady_tick(std::time::Duration::from_secs(1));
    let jobs = jobs.min(left.len());
    let left = Mutex::new(left);
    let next = || left.lock().expect("nobody panics with it").pop_front();
    let work = || -> Result<(), Failure> {
        while let Some(cell) = next().filter(|_| !shutdown.requested()) {
            match cell::run(program, plan, folder, cell, shutdown)? {
                State::Done => bar.inc(1),
                State::Failed(why) => {
                    bar.inc(1);
                    bar.println(format!("failed: {}: {why}", plan.words(cell)));
                }
                State::Open => {}
            }
        }
        Ok(())
    };
    let ended: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
    });
    bar.finish_and_clear();
    ended.into_iter().collect()
}

/// Puts the results of cells together: those that are done as a table, those that failed with what
/// they said.
fn collect(plan: &Plan, folder: &Path, cells: &[Cell], states: &[State]) -> Result<(), Failure> {
    let mut table = Table::default();
    let mut failed = csv::Writer::from_writer(Vec::new());
    failed.write_record(["cell", "settings", "error"])?;
    for (cell, state) in cells.iter().zip(states) {
        match state {
            State::Done => table.add(plan, cell, &cell::result(&plan.folder(folder, cell))?),
            State::Failed(why) => failed.write_record([&cell.hash, &plan.words(cell), why])?,
            State::Open => {}
        }
    }
    let failed = failed.into_inner().map_err(|error| error.into_error())?;
    super::plan::replace(&folder.join(FAILED_FILE), &failed)?;
    let [csv, parquet] = TABLE_FILES.map(|name| folder.join(name));
    if table.rows() == 0 {
        // What there is would be another sweep's.
        [csv, parquet].into_iter().for_each(|path| drop(fs::remove_file(path)));
        return Ok(());
    }
    table.write_csv(&csv)?;
    parquet::write(&table, &parquet)?;
    println!("{} and {}: {} rows", csv.display(), parquet.display(), table.rows());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_number_below_how_many_there_are() {
        assert_eq!("3/20".parse(), Ok(Part { first: 3, step: 20 }));
        assert_eq!(Part { first: 3, step: 20 }.to_string(), "3/20");
        for text in ["20/20", "3", "3/", "/3", "-1/3", "0/0"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
