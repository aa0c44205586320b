use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{REPORT_FILE, page, publish, summary};
use crate::measure::goals;
use crate::result::{Kind, Outcome, kind, load, write_csv};
use crate::{Failure, figures, planetlab, simulate};

/// `nearcast report FOLDER`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nearcast report results/compare-20261121-120000")]
pub struct Args {
    /// A folder that a run has written: where its result.json is
    pub folder: PathBuf,
}

/// Makes the report of a folder again. A newer nearcast may judge, draw or word differently; the
/// raw series are what counts.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    match kind(&args.folder)? {
        Kind::Streams => {
            let mut outcome: Outcome = load(&args.folder)?;
            outcome.goals = goals(&outcome);
            build(&args.folder, &outcome)?;
            println!("{}", summary(&outcome));
        }
        Kind::Mesh => planetlab::report(&args.folder)?,
        Kind::Simulations => simulate::report(&args.folder)?,
    }
    println!("{}", args.folder.join(REPORT_FILE).display());
    Ok(ExitCode::SUCCESS)
}

/// Writes CSV, figures and the page of an outcome into its folder.
pub fn build(folder: &Path, outcome: &Outcome) -> Result<(), Failure> {
    write_csv(folder, outcome)?;
    let figures = figures::all(outcome);
    publish(folder, REPORT_FILE, &page::page(outcome, &figures), &figures)
}
