//! `nearcast doctor`: what this machine can and cannot do.

use std::process::ExitCode;

use crate::Failure;

/// `nearcast doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Prints JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Checks the machine.
pub fn main(_: &Args) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
