use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nearcast_machine::Seed;
use nearcast_sim::trace::{Day, Fit, MAX_SESSIONS, Trace};

use super::{csv, figures, page};
use crate::Failure;
use crate::report::{REPORT_FILE, publish};

/// `nearcast trace`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  nearcast trace make day.csv
  nearcast trace show day.csv
  nearcast trace make small.csv --scale 0.01 --seed 2
  nearcast simulate trace-overloaded --trace small.csv

A trace is a CSV file: its first line names the columns id, arrival_s, departure_s and, if known,
capacity_kbit_s, the others have a session each. Lines that begin with # are comments.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Generates a day with the published properties of CCTV3's, the day of the LayerP2P paper.
    Make {
        /// Where to write it
        file: PathBuf,
        /// So many times the users of the day: 1 is the paper's, more than 100,000 sessions
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// What every random choice is drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Shows a trace beside what is published of CCTV3's day: a page, tables and figures.
    Show {
        /// The trace
        file: PathBuf,
        /// Beside a day of so many times the users
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Where to write; results/trace-NAME if left out
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// Makes or shows a trace.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Make { file, scale, seed } => make(file, *scale, *seed)?,
        What::Show { file, scale, out } => show(file, *scale, out.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn make(file: &Path, scale: f64, seed: u64) -> Result<(), Failure> {
    let trace = Day::cctv3().generate(Seed::new(seed), scale)?;
    if trace.sessions().is_empty() {
        return Err("nobody comes on such a day; take a larger --scale".into());
    }
    if trace.sessions().len() > MAX_SESSIONS {
        return Err(format!("more than {MAX_SESSIONS} sessions; take a smaller --scale").into());
    }
    // Its name alone: where it was made is nobody's business.
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let comment = format!(
        "Generated to have the published properties of the PPLive CCTV3 day, not recorded.\n\
         nearcast trace make {name} --scale {scale} --seed {seed}"
    );
    trace.save(file, &comment)?;
    tell(&Fit::of(&trace, scale));
    println!("{}", file.display());
    Ok(())
}

fn show(file: &Path, scale: f64, out: Option<&Path>) -> Result<(), Failure> {
    if !(0.000_1..=100.0).contains(&scale) {
        return Err("--scale: 0.0001 to 100".into());
    }
    let fit = Fit::of(&Trace::open(file)?, scale);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = out.map_or_else(|| format!("results/trace-{name}").into(), Path::to_owned);
    csv::write(&folder, &fit)?;
    let figures = figures::all(&fit, scale);
    let command = format!("nearcast trace show '{}' --scale {scale}", file.display());
    let page = page::page(&name, &command, scale, &fit, &figures);
    publish(&folder, REPORT_FILE, &page, &figures)?;
    tell(&fit);
    println!("{}", folder.join(REPORT_FILE).display());
    Ok(())
}

/// What is published, and whether the trace has it.
fn tell(fit: &Fit) {
    for check in &fit.checks {
        let verdict = if check.met { "Met" } else { "Missed" };
        println!("{verdict}: {}: {} ({})", check.property, check.ours, check.published);
    }
}
