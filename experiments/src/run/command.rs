use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use super::plan::{Selection, Spec, repetition, runs};
use super::progress::Progress;
use super::session::{Common, counted, perform, topology};
use super::versions;
use crate::Failure;
use crate::clip::{Clip, Pictures};
use crate::measure::goals;
use crate::planetlab::{self, MeshScenario, Wishes};
use crate::report;
use crate::result::{FORMAT, Outcome, System, store};
use crate::scenario::Scenario;
use crate::world::{Exclusive, Shutdown, find_program, find_system_program, require_root};

/// What every experiment takes.
#[derive(Debug, Clone, clap::Args)]
struct Choices {
    /// A third of all times: a minute becomes 20 s; of an experiment of the mesh 8 peers for 30 s.
    /// For tests, as statistics are poorer
    #[arg(long)]
    quick: bool,
    /// What every random choice is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these systems: direct, assisted, hls; of an experiment of the mesh layerp2p,
    /// single-incent, single-layer, layerp2p+switch
    #[arg(long, visible_alias = "system", value_delimiter = ',')]
    systems: Vec<String>,
    /// Where to write; results/NAME-DATE if left out
    #[arg(long)]
    out: Option<PathBuf>,
}

/// `nearcast run EXPERIMENT`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  sudo nearcast run fig3
  sudo nearcast run single --viewers 1,8 --systems assisted --quick
  sudo nearcast run planetlab-overloaded --peers 20 --duration 120s --repeat 3
  sudo nearcast run my-scenario.toml --out results/mine")]
pub struct RunArgs {
    /// An experiment's name (see `nearcast list`) or the path of a scenario file
    experiment: String,
    /// These numbers of viewers in place of the scenario's
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=64))]
    viewers: Vec<u32>,
    #[command(flatten)]
    mesh: Wishes,
    #[command(flatten)]
    common: Choices,
}

/// `nearcast compare`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  sudo nearcast compare
  sudo nearcast compare --quick --viewers 1,4 --systems direct,assisted --out results/mine")]
pub struct CompareArgs {
    /// These numbers of viewers in place of 1, 2, 4 and 8
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=64))]
    viewers: Vec<u32>,
    #[command(flatten)]
    common: Choices,
}

/// The experiments that a comparison is made of.
pub(crate) const COMPARED: [&str; 3] = ["fig2", "fig3", "single"];

/// CDN against P2P-assisted, with everything that the paper and this project ask of it.
pub fn compare(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let selection = args.common.selection(&args.viewers)?;
    let mut specs = Vec::new();
    for name in COMPARED {
        let scenario = Scenario::find(name)?;
        // The paper's own experiments have one viewer, whatever the sweep has.
        let one = Selection { viewers: Vec::new(), ..selection.clone() };
        specs.extend(runs(&scenario, if name == "single" { &selection } else { &one }));
    }
    specs.extend(repetition(&specs));
    execute("compare", &specs, &args.common, args.viewers.as_slice())
}

/// One experiment.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    if let Some(scenario) = MeshScenario::find(&args.experiment)? {
        return args.run_mesh(scenario);
    }
    let scenario = Scenario::find(&args.experiment)?;
    if !args.mesh.is_empty() {
        let names: Vec<&str> = planetlab::names().collect();
        return Err(format!(
            "--peers, --duration, --repeat and --judged are for experiments of the mesh ({}), and {} is none",
            names.join(", "),
            scenario.name
        )
        .into());
    }
    if let Some(&viewers) = args.viewers.first() {
        counted(&scenario, viewers).map_err(|error| format!("--viewers: {error}"))?;
    }
    let specs = runs(&scenario, &args.common.selection(&args.viewers)?);
    if specs.is_empty() {
        return Err(format!("{} has none of the systems asked for", scenario.name).into());
    }
    let words = format!("run {}", args.experiment);
    execute(&words, &specs, &args.common, &args.viewers)
}

impl RunArgs {
    fn run_mesh(&self, scenario: MeshScenario) -> Result<ExitCode, Failure> {
        if !self.viewers.is_empty() {
            return Err(format!("{} has peers and no viewers; say --peers", scenario.name).into());
        }
        let Choices { quick, seed, systems, out } = self.common.clone();
        let orders = planetlab::Orders { wishes: self.mesh.clone(), systems, quick, seed, out };
        planetlab::run(&self.experiment, scenario, &orders)
    }
}

impl Choices {
    fn selection(&self, viewers: &[u32]) -> Result<Selection, Failure> {
        let systems: Result<Vec<System>, String> =
            self.systems.iter().map(|name| name.parse()).collect();
        Ok(Selection { quick: self.quick, systems: systems?, viewers: viewers.to_vec() })
    }

    /// The command line that does the same again.
    fn words(&self, command: &str, viewers: &[u32]) -> String {
        let mut words = format!("sudo nearcast {command} --seed {}", self.seed);
        if self.quick {
            words.push_str(" --quick");
        }
        let list = |items: Vec<String>| items.join(",");
        if !self.systems.is_empty() {
            words.push_str(&format!(" --systems {}", list(self.systems.clone())));
        }
        if !viewers.is_empty() {
            words.push_str(&format!(
                " --viewers {}",
                list(viewers.iter().map(u32::to_string).collect())
            ));
        }
        words
    }
}

fn execute(
    command: &str,
    specs: &[Spec],
    args: &Choices,
    viewers: &[u32],
) -> Result<ExitCode, Failure> {
    require_root("an experiment")?;
    check_programs(specs)?;
    // What is wrong with a topology is said before anything is built.
    for spec in specs {
        topology(&spec.scenario, spec.viewers)?;
    }
    let shutdown = Shutdown::install()?;
    let name = command.strip_prefix("run ").unwrap_or(command);
    let stem = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
    let folder = args.out.clone().unwrap_or_else(|| format!("results/{stem}-{}", date()).into());
    let mut outcome = Outcome {
        format: FORMAT,
        experiment: stem.into_owned(),
        complete: false,
        incomplete_why: Some("it was killed".to_owned()),
        started: now(),
        took_s: 0.0,
        seed: args.seed,
        quick: args.quick,
        command: args.words(command, viewers),
        versions: versions::versions(),
        machine: versions::machine(),
        clip: None,
        runs: Vec::new(),
        goals: Vec::new(),
    };
    // A place that cannot be written is found out now, not after the first run.
    store(&folder, &outcome)?;

    let total: Duration = specs.iter().map(Spec::estimate).sum();
    eprintln!(
        "{} run{}, about {} min in all; Ctrl-C stops and keeps what there is",
        specs.len(),
        if specs.len() == 1 { "" } else { "s" },
        total.as_secs().div_ceil(60)
    );
    let began = Instant::now();
    let failure = make_runs(specs, args.seed, &folder, &mut outcome, shutdown);
    outcome.took_s = began.elapsed().as_secs_f64();
    outcome.complete = failure.is_ok();
    outcome.incomplete_why = failure.as_ref().err().map(ToString::to_string);
    outcome.goals = goals(&outcome);
    store(&folder, &outcome)?;
    report::build(&folder, &outcome)?;
    println!("{}", report::summary(&outcome));
    println!("{}", folder.join(report::REPORT_FILE).display());
    match failure {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(_) if shutdown.requested() => Ok(ExitCode::from(130)),
        Err(error) => Err(error),
    }
}

fn make_runs(
    specs: &[Spec],
    seed: u64,
    folder: &Path,
    outcome: &mut Outcome,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let _alone = alone(shutdown)?;
    let mut progress = Progress::new(specs.iter().map(Spec::estimate).sum());
    let ffmpeg_bursts = versions::ffmpeg_bursts();
    let mut clips: Vec<(u64, Clip, Pictures)> = Vec::new();
    for spec in specs {
        let seconds = spec.scenario.stream.length().as_secs_f64().ceil() as u64;
        if !clips.iter().any(|(known, ..)| *known == seconds) {
            progress.say(&format!("preparing a clip of {seconds} s (kept for later runs)"));
            let clip = Clip::prepare(seconds, shutdown)?;
            let pictures = Pictures::of_clip(&clip)?;
            outcome.clip.get_or_insert_with(|| clip.facts.clone());
            clips.push((seconds, clip, pictures));
        }
        let Some((_, clip, pictures)) = clips.iter().find(|(known, ..)| *known == seconds) else {
            continue;
        };
        let common = Common { clip, pictures, seed, shutdown, ffmpeg_bursts };
        progress.begin(spec.label(), spec.estimate());
        let run = perform(spec, &common, &folder.join("runs").join(spec.label()), &progress)?;
        let why = run.incomplete_why.clone();
        outcome.runs.push(run);
        outcome.goals = goals(outcome);
        store(folder, outcome)?;
        shutdown.check()?;
        if let Some(why) = why {
            return Err(format!("{}: {why}", spec.label()).into());
        }
    }
    Ok(())
}

/// The machine to oneself, which may mean to wait.
pub(crate) fn alone(shutdown: Shutdown) -> Result<Exclusive, Failure> {
    if let Some(alone) = Exclusive::try_acquire()? {
        return Ok(alone);
    }
    eprintln!("waiting for another run on this machine to end");
    loop {
        shutdown.sleep(Duration::from_millis(200))?;
        if let Some(alone) = Exclusive::try_acquire()? {
            return Ok(alone);
        }
    }
}

/// Every program that the runs will need, before the first of them begins.
fn check_programs(specs: &[Spec]) -> Result<(), Failure> {
    for ours in ["nearcast-controller", "nearcast-peer", "nearcast-link"] {
        find_program(ours)?;
    }
    let mut needed: BTreeSet<(&str, &str)> =
        [("ffmpeg", "ffmpeg"), ("nginx", "libnginx-mod-rtmp"), ("ovs-ofctl", "openvswitch-switch")]
            .into();
    for spec in specs.iter().filter(|spec| spec.system != System::Hls) {
        let seats = spec.viewers as usize;
        let players = spec.scenario.players.iter().take(seats);
        needed.extend(players.map(|player| (player.program(), player.program())));
    }
    let missing: Vec<&(&str, &str)> =
        needed.iter().filter(|(program, _)| find_system_program(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    Err(format!("not installed: {}; apt install {}", programs.join(", "), packages.join(" "))
        .into())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Today and now in UTC, as a folder's name.
pub(crate) fn date() -> String {
    let seconds = now() / 1_000_000_000;
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// The Gregorian date of a day since 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn a_result_says_how_to_make_it_again() {
        let args = Choices { quick: true, seed: 7, systems: vec!["hls".to_owned()], out: None };
        assert_eq!(
            args.words("run fig3", &[1, 8]),
            "sudo nearcast run fig3 --seed 7 --quick --systems hls --viewers 1,8"
        );
    }
}
