use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nearcast_media::StreamName;

use super::judge::judge;
use super::perform::{Common, folder_of, perform};
use super::plan::{Plan, Wishes};
use super::result::{Flavour, MESH_FORMAT, MeshOutcome, label};
use super::scenario::MeshScenario;
use super::video::Video;
use super::{csv, figures, page};
use crate::Failure;
use crate::clip::LayeredClip;
use crate::report::{REPORT_FILE, publish};
use crate::result::{FolderError, Trust, load, store};
use crate::run::{self, Progress};
use crate::world::{Shutdown, find_program, find_system_program, require_root};

/// What `nearcast run` is told besides the experiment's name.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// What this kind of experiment alone knows.
    pub(crate) wishes: Wishes,
    /// Only these systems, by name; the scenario's if empty.
    pub(crate) systems: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    pub(crate) out: Option<PathBuf>,
}

impl Orders {
    /// The command line that does the same again.
    fn words(&self, experiment: &str) -> String {
        let mut words = format!("sudo nearcast run {experiment} --seed {}", self.seed);
        words.push_str(&self.wishes.words());
        if self.quick {
            words.push_str(" --quick");
        }
        if !self.systems.is_empty() {
            words.push_str(&format!(" --systems {}", self.systems.join(",")));
        }
        words
    }
}

/// Runs an experiment of the mesh and writes its results. `experiment` is what it was asked for by.
pub(crate) fn run(
    experiment: &str,
    scenario: MeshScenario,
    orders: &Orders,
) -> Result<ExitCode, Failure> {
    let systems: Result<Vec<Flavour>, String> =
        orders.systems.iter().map(|name| name.parse()).collect();
    let plan = Plan::new(scenario, &orders.wishes, &systems?, orders.quick, orders.seed)?;
    require_root("an experiment")?;
    check_programs()?;
    let shutdown = Shutdown::install()?;
    let name = plan.scenario.name.clone();
    let folder =
        orders.out.clone().unwrap_or_else(|| format!("results/{name}-{}", run::date()).into());
    let folder = std::path::absolute(&folder).map_err(FolderError::io(&folder))?;
    let mut outcome = MeshOutcome {
        format: MESH_FORMAT,
        scenario: name,
        title: plan.scenario.title.clone(),
        command: orders.words(experiment),
        seed: orders.seed,
        versions: run::versions(),
        machine: run::machine(),
        incomplete_why: Some("it was killed".to_owned()),
        scale: plan.scale(),
        clip: None,
        whole: None,
        runs: Vec::new(),
        goals: Vec::new(),
    };
    // A place that cannot be written is found out now, not after the first run.
    store(&folder, &outcome)?;
    let failure = make_runs(&plan, orders.seed, &folder, &mut outcome, shutdown).err();
    outcome.incomplete_why = failure.as_ref().map(ToString::to_string);
    outcome.goals = judge(&outcome);
    store(&folder, &outcome)?;
    build(&folder, &outcome)?;
    println!("{}", folder.join(REPORT_FILE).display());
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(_) if shutdown.requested() => Ok(ExitCode::from(130)),
        Some(error) => Err(error),
    }
}

/// Makes the report of a folder again.
pub(crate) fn report(folder: &Path) -> Result<(), Failure> {
    let mut outcome: MeshOutcome = load(folder)?;
    outcome.goals = judge(&outcome);
    build(folder, &outcome)
}

/// Writes CSV, figures and the page of an outcome into its folder, and says what became of its
/// goals.
fn build(folder: &Path, outcome: &MeshOutcome) -> Result<(), Failure> {
    csv::write(folder, outcome)?;
    let figures = figures::all(outcome);
    publish(folder, REPORT_FILE, &page::page(outcome, &figures), &figures)?;
    for goal in &outcome.goals {
        println!("{:?}: {}: {} (paper: {})", goal.verdict, goal.name, goal.measured, goal.target);
    }
    Ok(())
}

/// Every repetition under every system. What there is is written after each run.
fn make_runs(
    plan: &Plan,
    seed: u64,
    folder: &Path,
    outcome: &mut MeshOutcome,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let _alone = run::alone(shutdown)?;
    // Longer than the runs, so that the stream does not end before they do.
    let seconds = plan.length().as_secs_f64().ceil() as u64 + 10;
    eprintln!("preparing a clip of {seconds} s (kept for later runs)");
    let layered = LayeredClip::prepare(seconds, shutdown)?;
    let video = Video::read(&layered)?;
    outcome.clip = Some(layered.clip.facts.clone());
    outcome.whole = Some(video.whole(folder)?);

    let key: StreamName = "live/cam".parse()?;
    let common = Common { plan, key: &key, clip: &layered.clip, seed, shutdown };
    let scenario = &plan.scenario;
    let runs = (0..scenario.repeat)
        .flat_map(|repeat| scenario.systems.iter().map(move |system| (*system, repeat)));
    let runs: Vec<(Flavour, u32)> = runs.collect();
    let total = common.estimate() * runs.len() as u32;
    eprintln!(
        "{} runs with {} peers, about {} min in all; Ctrl-C stops and keeps what there is",
        runs.len(),
        scenario.peers,
        total.as_secs().div_ceil(60)
    );
    let mut progress = Progress::new(total);
    for (system, repeat) in runs {
        progress.begin(label(system, repeat), common.estimate());
        let place = folder_of(folder, system, repeat);
        let mut run = perform(&common, (system, repeat), &place, &progress)?;
        progress.phase("judging the video");
        video.judge_all(&mut run, &place, plan.settled.into(), shutdown);
        let said = match run.fidelity.verdict {
            Trust::Trusted => "trusted".to_owned(),
            Trust::Doubtful => run.fidelity.reasons.join("; "),
        };
        progress.say(&format!("{}: {said}", run.label()));
        let why = run.incomplete_why.clone();
        outcome.runs.push(run);
        outcome.goals = judge(outcome);
        store(folder, outcome)?;
        shutdown.check()?;
        if let Some(why) = why {
            return Err(format!("{}: {why}", label(system, repeat)).into());
        }
    }
    Ok(())
}

/// Every program that the runs will need, before the first of them begins.
fn check_programs() -> Result<(), Failure> {
    for ours in ["nearcast-controller", "nearcast-peer", "nearcast-link"] {
        find_program(ours)?;
    }
    let needed = [
        ("ffmpeg", "ffmpeg"),
        ("x264", "x264"),
        ("nginx", "libnginx-mod-rtmp"),
        ("ovs-ofctl", "openvswitch-switch"),
    ];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|(program, _)| find_system_program(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("something is not installed; apt install {}", missing.join(" ")).into())
}
