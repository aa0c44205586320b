use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use nearcast_engine::mesh::System;
use nearcast_machine::{Seed, Span};

use super::judge::judge;
use super::perform::{Plan, perform};
use super::population::Peers;
use super::result::{SIMULATION_FORMAT, Simulations};
use super::scenario::{Crowd, PEERS_MAX, SimScenario};
use super::settings::Change;
use super::{csv, figures, page};
use crate::Failure;
use crate::report::{REPORT_FILE, publish};
use crate::result::{RESULT_FILE, load, store};
use crate::world::Shutdown;

/// `nearcast simulate SCENARIO`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  nearcast simulate trace-overloaded --scale 0.02 --from 64800s --duration 3600s
  nearcast simulate scale --peers 1000
  nearcast simulate planetlab-overloaded --peers 20 --delay 20ms
  nearcast simulate trace-overloaded --trace monday.csv --from 64800s --duration 3600s
  nearcast simulate trace-overloaded --scale 0.1 --set engine.epsilon=5kbit/s --set free_riders=0.2
  nearcast simulate trace-underloaded --scale 1 --systems layerp2p")]
pub struct Args {
    /// A simulation's name (see `nearcast list`) or the path of a scenario file
    scenario: String,
    /// So many peers: joining in place of the scenario's numbers, or at a day's peak
    #[arg(long, conflicts_with = "scale", value_parser = clap::value_parser!(u32).range(1..=i64::from(PEERS_MAX)))]
    peers: Option<u32>,
    /// So many times the users of the day: 1 is the paper's
    #[arg(long)]
    scale: Option<f64>,
    /// In place of the scenario's numbers those who come and go by this CSV of columns id,
    /// arrival_s, departure_s and, if known, capacity_kbit_s (`nearcast trace` makes and shows such)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["peers", "scale"])]
    trace: Option<PathBuf>,
    /// How long to simulate, such as 3600s; a run also ends when the last one has left
    #[arg(long)]
    duration: Option<Span>,
    /// Where in the day to begin, such as 64800s for 18:00
    #[arg(long, default_value = "0s")]
    from: Span,
    /// Only these systems: layerp2p, single-incent, single-layer
    #[arg(long, value_delimiter = ',')]
    systems: Vec<System>,
    /// One-way delay of the core; with 0s signalling is there at once, as in the paper
    #[arg(long)]
    delay: Option<Span>,
    /// Another value for a setting of the scenario, by its name as in the file: free_riders,
    /// resource_index, source, spread, loss, step, engine.lag and whatever else the engine has
    #[arg(long = "set", value_name = "NAME=VALUE")]
    changes: Vec<Change>,
    /// What every random choice is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads of each run; the result is the same. More than one needs a --delay
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Where to write; results/NAME-sim-SEED if left out
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write result.json alone, without tables, figures and report
    #[arg(long)]
    bare: bool,
}

/// Why neither --scale nor --peers is taken.
const RECORDED: &str = "a trace has as many peers as it has: leave --scale and --peers out";
/// The most users of a day at once, at scale 1.
const DAY_PEAK: f64 = 9_500.0;

/// Runs a simulation and writes its results.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let mut scenario = SimScenario::find(&args.scenario, &args.changes)?;
    args.change(&mut scenario)?;
    if args.threads > 1 && scenario.core.delay == Span::ZERO {
        eprintln!(
            "nearcast: one thread, for messages may take no time; --delay makes more possible"
        );
    }
    let shutdown = Shutdown::install()?;
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| format!("results/{}-sim-{}", scenario.name, args.seed).into());
    let result = simulate(&scenario, args, &folder, shutdown)?;
    tell(&result);
    let made = if args.bare { RESULT_FILE } else { REPORT_FILE };
    println!("{}", folder.join(made).display());
    Ok(if result.incomplete_why.is_some() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// Makes the report of a folder again.
pub(crate) fn report(folder: &Path) -> Result<(), Failure> {
    let mut result: Simulations = load(folder)?;
    result.goals = judge(&result);
    build(folder, &result)?;
    tell(&result);
    Ok(())
}

/// What became of the paper's numbers.
fn tell(result: &Simulations) {
    for goal in &result.goals {
        println!(
            "{:?}: {}: {}; {} ({})",
            goal.verdict, goal.run, goal.name, goal.measured, goal.target
        );
    }
}

/// Writes CSV, figures and the page of a result into its folder.
fn build(folder: &Path, result: &Simulations) -> Result<(), Failure> {
    csv::write(folder, result)?;
    let figures = figures::all(result);
    publish(folder, REPORT_FILE, &page::page(result, &figures), &figures)
}

impl Args {
    /// The scenario as the command line wants it.
    fn change(&self, scenario: &mut SimScenario) -> Result<(), Failure> {
        scenario.duration = self.duration.unwrap_or(scenario.duration);
        scenario.core.delay = self.delay.unwrap_or(scenario.core.delay);
        if !self.systems.is_empty() {
            scenario.systems.clone_from(&self.systems);
        }
        if let Some(file) = &self.trace {
            scenario.populations = vec![Crowd::Trace { file: file.clone() }];
        }
        if let Some(new) = self.scale {
            for crowd in &mut scenario.populations {
                match crowd {
                    Crowd::Day { scale } => *scale = new,
                    Crowd::Trace { .. } => return Err(RECORDED.into()),
                    Crowd::Uniform { .. } | Crowd::Crowd { .. } => {
                        return Err("--scale is for days; say --peers here".into());
                    }
                }
            }
        }
        if let Some(new) = self.peers {
            // A series of populations that differ in nothing but their number becomes one.
            scenario.populations.dedup_by_key(|crowd| std::mem::discriminant(crowd));
            for crowd in &mut scenario.populations {
                match crowd {
                    Crowd::Day { scale } => *scale = f64::from(new) / DAY_PEAK,
                    Crowd::Trace { .. } => return Err(RECORDED.into()),
                    Crowd::Uniform { peers, .. } => *peers = new,
                    Crowd::Crowd { peers, residents, .. } => {
                        *residents = (*residents).min(new.div_ceil(10));
                        *peers = new;
                    }
                }
            }
        }
        scenario.check()
    }

    /// The command line that does the same again.
    fn words(&self) -> String {
        let mut words = format!(
            "nearcast simulate {} --seed {} --from {}",
            self.scenario, self.seed, self.from
        );
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.push_str(&format!(" --{name} {value}"));
            }
        };
        add("peers", self.peers.map(|peers| peers.to_string()));
        add("scale", self.scale.map(|scale| scale.to_string()));
        add("trace", self.trace.as_ref().map(|file| format!("'{}'", file.display())));
        add("duration", self.duration.map(|duration| duration.to_string()));
        add("delay", self.delay.map(|delay| delay.to_string()));
        let systems: Vec<&str> = self.systems.iter().map(|system| system.name()).collect();
        add("systems", (!systems.is_empty()).then(|| systems.join(",")));
        for change in &self.changes {
            add("set", Some(format!("'{change}'")));
        }
        words
    }
}

/// Runs every population under every system. What there is is written after each run.
pub(super) fn simulate(
    scenario: &SimScenario,
    args: &Args,
    folder: &Path,
    shutdown: Shutdown,
) -> Result<Simulations, Failure> {
    let mut result = Simulations {
        format: SIMULATION_FORMAT,
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        command: args.words(),
        seed: args.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        paper: scenario.paper(),
        overloaded: scenario.overloaded(),
        full_kbit: scenario.stream.kbit(),
        chunks_per_s: scenario.stream.chunks_per_s(),
        incomplete_why: Some("it was killed".to_owned()),
        runs: Vec::new(),
        goals: Vec::new(),
    };
    // A population that cannot be is found out before anything is written, and a place that cannot
    // be written before the first run.
    let seed = Seed::new(args.seed).derive("population");
    let drawn: Vec<Peers> = scenario
        .populations
        .iter()
        .map(|crowd| Peers::draw(scenario, crowd, seed, args.from))
        .collect::<Result<_, _>>()?;
    store(folder, &result)?;
    let style = ProgressStyle::with_template("{prefix}  [{bar:24}]  {msg}")
        .expect("the template is well formed")
        .progress_chars("=> ");
    let runs = scenario.populations.len() * scenario.systems.len();
    'runs: for (crowd, peers) in scenario.populations.iter().zip(&drawn) {
        for &system in &scenario.systems {
            let plan = Plan { seed: args.seed, threads: args.threads.into(), from: args.from };
            let bar = ProgressBar::new(0).with_style(style.clone());
            let nth = result.runs.len() + 1;
            bar.set_prefix(format!("{nth} of {runs}: {} {}", crowd.label(), system.name()));
            let run = perform(scenario, &plan, &crowd.label(), peers, system, &bar, shutdown)?;
            bar.finish_and_clear();
            println!(
                "{}: {} sessions, {} at most; {:.0} s simulated in {:.1} s ({:.1} times real time), \
                 {:.2} M deliveries/s",
                run.label(),
                run.sessions.len(),
                run.peak,
                run.cost.simulated_s,
                run.cost.elapsed_s,
                run.cost.speed,
                run.cost.deliveries_per_s / 1e6
            );
            result.runs.push(run);
            result.goals = judge(&result);
            store(folder, &result)?;
            if shutdown.requested() {
                break 'runs;
            }
        }
    }
    result.incomplete_why = shutdown.requested().then(|| "it was interrupted".to_owned());
    store(folder, &result)?;
    if !args.bare {
        build(folder, &result)?;
    }
    Ok(result)
}
