//! `nearcast sim-vs-mininet`: what a run in Mininet measured beside what the simulator makes of the
//! same peers, places, delays and stream.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use nearcast_machine::Span;
use nearcast_swarm::Stream;

use super::abreast::abreast;
use super::differences::{Row, Twin, rows};
use super::plan::{Plan, Wishes};
use super::result::{Flavour, MeshOutcome, MeshRun};
use super::scenario::MeshScenario;
use super::{crosscheck_page, virtually};
use crate::Failure;
use crate::report::publish;
use crate::result::{FolderError, load, write_table};
use crate::world::Shutdown;

/// The files that are written beside the run's own.
const PAGE: &str = "sim-vs-mininet.html";
const TABLE: &str = "sim-vs-mininet.csv";

/// `nearcast sim-vs-mininet FOLDER`
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  sudo nearcast run planetlab-overloaded --peers 20 --duration 150s --repeat 3 --out results/twenty
  nearcast sim-vs-mininet results/twenty")]
pub struct Args {
    /// A folder that `nearcast run planetlab-...` has written
    folder: PathBuf,
    /// The file of its scenario, if it is none of ours
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// How often each run is simulated, to see how much of a difference is chance
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    draws: u32,
}

/// Simulates what a folder's runs did, and writes the differences beside them.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let measured: MeshOutcome = load(&args.folder)?;
    let plan = plan_of(&measured, args.scenario.as_deref())?;
    let layers = measured.stream().ok_or(
        "no peer of this run settled with all layers, so that the stream's rates are unknown; \
         make a longer one",
    )?;
    let stream = virtually::stream(layers)?;
    let shutdown = Shutdown::install()?;
    let twins = match twins(&plan, stream, &measured, args.draws, shutdown) {
        Err(_) if shutdown.requested() => return Ok(ExitCode::from(130)),
        twins => twins?,
    };
    if twins.is_empty() {
        return Err("there is no whole run without the switch's help, and the simulator has no \
                    switch"
            .into());
    }
    let rows = rows(&measured, &twins);
    write(&args.folder, &rows)?;
    let figure = crosscheck_page::figure(&measured, &rows);
    let html = crosscheck_page::page(&measured, (twins.len(), args.draws), &rows, &figure);
    publish(&args.folder, PAGE, &html, std::slice::from_ref(&figure))?;
    print!("{}", crosscheck_page::text(&rows));
    println!("{}", args.folder.join(PAGE).display());
    Ok(ExitCode::SUCCESS)
}

/// Makes each run `draws` times more in virtual time, on all cores.
fn twins<'a>(
    plan: &Plan,
    stream: Stream,
    measured: &'a MeshOutcome,
    draws: u32,
    shutdown: Shutdown,
) -> Result<Vec<Twin<'a>>, Failure> {
    // One that was cut short is not what the plan says.
    let whole = |run: &&MeshRun| run.system != Flavour::Switched && run.incomplete_why.is_none();
    let runs: Vec<&MeshRun> = measured.runs.iter().filter(whole).collect();
    let each: Vec<(&MeshRun, u32)> =
        runs.iter().flat_map(|&run| (0..draws).map(move |draw| (run, draw))).collect();
    let style = "{pos}/{len} simulations [{bar:24}]  {elapsed} so far, {eta} left";
    let style = ProgressStyle::with_template(style)?.progress_chars("=> ");
    let bar = ProgressBar::new(each.len() as u64).with_style(style);
    let made = abreast(&each, |&(run, draw)| {
        let made = virtually::perform(plan, stream, (run.system, run.repeat), draw, shutdown);
        bar.inc(1);
        made
    });
    bar.finish_and_clear();
    let mut made = made.into_iter();
    let twin = |measured| {
        let simulated = made.by_ref().take(draws as usize).collect::<Result<_, _>>()?;
        Ok(Twin { measured, simulated })
    };
    runs.into_iter().map(twin).collect()
}

/// The plan that a result was made by.
///
/// # Errors
/// If its scenario is not known, or another one than it was.
fn plan_of(measured: &MeshOutcome, file: Option<&Path>) -> Result<Plan, Failure> {
    let name = file.map_or_else(|| measured.scenario.clone(), |path| path.display().to_string());
    let scenario = MeshScenario::find(&name)?.ok_or_else(|| {
        format!(
            "`{name}` is no scenario of the mesh here; say where its file is by --scenario FILE"
        )
    })?;
    let scale = &measured.scale;
    let wishes = Wishes {
        peers: Some(scale.peers),
        duration: Some(Span::from_secs_f64(scale.duration_s)),
        repeat: Some(scale.repeat),
        judged: None,
    };
    let systems = measured.systems();
    let plan = Plan::new(scenario, &wishes, &systems, false, measured.seed)?;
    if plan.scale() != *scale {
        return Err(format!(
            "the scenario `{name}` is not any more what it was when this run was made by it"
        )
        .into());
    }
    Ok(plan)
}

const COLUMNS: [&str; 9] =
    ["system", "class", "metric", "unit", "mininet", "simulator", "difference", "chance", "agrees"];

fn write(folder: &Path, rows: &[Row]) -> Result<(), FolderError> {
    write_table(folder, TABLE, &COLUMNS, |table| {
        rows.iter().try_for_each(|row| {
            let compared = row.compared;
            table.serialize((
                (row.system.name(), &row.peers, row.metric, row.unit),
                (compared.map(|both| both.mininet), compared.map(|both| both.simulator)),
                (compared.map(|both| both.difference()), compared.map(|both| both.chance)),
                row.agrees(),
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::measures::LayerRate;
    use super::super::synthetic::outcome;
    use super::*;
    use crate::result::store;

    const STREAM: [LayerRate; 3] = [
        LayerRate { kbit: 290.0, chunks: 33.0 },
        LayerRate { kbit: 230.0, chunks: 31.0 },
        LayerRate { kbit: 100.0, chunks: 19.0 },
    ];

    /// What virtual time makes of a scenario in a draw that is none of the twins', as Mininet would
    /// leave it.
    fn made(plan: &Plan) -> MeshOutcome {
        let stream = virtually::stream(STREAM).expect("plain");
        let shutdown = Shutdown::handle().expect("a flag");
        let run = |repeat| {
            let which = (Flavour::LayerP2p, repeat);
            virtually::perform(plan, stream, which, 1000, shutdown).expect("it runs")
        };
        let runs = (0..plan.scenario.repeat).map(run).collect();
        let scenario = plan.scenario.name.clone();
        MeshOutcome { scale: plan.scale(), runs, scenario, goals: Vec::new(), ..outcome() }
    }

    fn small(name: &str) -> Plan {
        let scenario = MeshScenario::find(name).expect("sound").expect("ours");
        let wishes = Wishes {
            peers: Some(10),
            duration: Some(Span::from_secs(60)),
            repeat: Some(2),
            judged: None,
        };
        Plan::new(scenario, &wishes, &[], false, 1).expect("it can be")
    }

    #[test]
    fn what_was_simulated_itself_agrees() {
        let plan = small("planetlab-underloaded");
        let measured = made(&plan);
        let stream = measured.stream().expect("everybody plays all");
        for (is, was) in stream.iter().zip(STREAM) {
            let (kbit, chunks) = (is.kbit / was.kbit, is.chunks / was.chunks);
            assert!((kbit - 1.0).abs() < 0.02 && (chunks - 1.0).abs() < 0.02, "{stream:?}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        store(folder.path(), &measured).expect("stored");
        let args = Args { folder: folder.path().to_owned(), scenario: None, draws: 4 };
        main(&args).expect("it can be made");
        let table = folder.path().join("csv").join(TABLE);
        let mut table = csv::Reader::from_path(table).expect("a table");
        let agrees: Vec<String> =
            table.records().map(|row| row.expect("a row")[8].to_owned()).collect();
        // Ten metrics of the two classes that ten peers have and of all, and the broadcaster.
        assert_eq!(agrees.len(), 3 * 10 + 1);
        let differ = agrees.iter().filter(|agrees| *agrees == "false").count();
        assert!(differ <= 3, "one in twenty may differ by chance: {agrees:?}");
        assert!(folder.path().join(PAGE).exists());
    }

    #[test]
    fn the_same_seed_is_the_same_run_and_free_riders_get_least() {
        let plan = small("planetlab-overloaded");
        let [one, two] = [(); 2].map(|()| made(&plan));
        assert_eq!(one, two);
        assert!(one.runs[0] != one.runs[1], "other places and delays");
        let rate = |class| one.rate(Flavour::LayerP2p, Some(class)).expect("they settled").mean;
        assert!(rate(0) < rate(2), "{} and {}", rate(0), rate(2));
        assert!(one.runs[0].seed_bytes * 8 < 2_100_000 * 66, "{}", one.runs[0].seed_bytes);
    }

    #[test]
    fn the_plan_of_a_result_is_the_one_it_was_made_by() {
        let scenario = MeshScenario::find("planetlab-overloaded").expect("sound").expect("ours");
        let wishes = Wishes {
            peers: Some(20),
            duration: Some(Span::from_secs(150)),
            repeat: Some(2),
            judged: Some(1),
        };
        let plan = Plan::new(scenario, &wishes, &[Flavour::LayerP2p], false, 1).expect("it can be");
        let mut made = outcome();
        (made.scale, made.runs) = (plan.scale(), made.runs[..1].to_vec());
        let again = plan_of(&made, None).expect("it is ours");
        assert_eq!((again.scenario.clone(), again.lag), (plan.scenario.clone(), plan.lag));
        assert_eq!((again.settled, again.neighbours), (plan.settled, plan.neighbours));
        made.scale.classes[0].upload_kbit = 1.0;
        let told = plan_of(&made, None).expect_err("it was another one").to_string();
        assert!(told.contains("not any more"), "{told}");
        made.scenario = "of-mine".to_owned();
        let told = plan_of(&made, None).expect_err("unknown").to_string();
        assert!(told.contains("--scenario"), "{told}");
    }
}
