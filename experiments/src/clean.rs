//! `nearcast clean`: removes what killed runs left behind, and only that.

use std::process::ExitCode;

use crate::Failure;
use crate::world::{self, Entry, Record};

/// `nearcast clean`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sudo nearcast clean\n  sudo nearcast clean --force")]
pub struct Args {
    /// Ends runs that are still going on, too
    #[arg(long)]
    force: bool,
}

/// Goes through the records of all runs.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    world::require_root("clean")?;
    let mut is_clean = true;
    for Record { path, entry } in Entry::all()? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                eprintln!("nearcast: {error}; it is left alone");
                continue;
            }
        };
        if entry.is_live() && !args.force {
            println!(
                "run {} is going on (process {}); it is left alone, unless with --force",
                entry.run, entry.owner.pid
            );
            continue;
        }
        is_clean = false;
        let removed = world::end(&path, &entry)?;
        println!("run {} (process {}) left:", entry.run, entry.owner.pid);
        match removed.is_empty() {
            true => println!("  nothing but its record"),
            false => print!("{removed}"),
        }
    }
    if world::stop_ovs_if_ours()? {
        is_clean = false;
        println!("stopped Open vSwitch, which a run had started");
    }
    if is_clean {
        println!("nothing to remove");
    }
    Ok(ExitCode::SUCCESS)
}
