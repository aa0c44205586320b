//! `nearcast-peer`: see `nearcast-peer --help`.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use nearcast_peer::Cli;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match nearcast_peer::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearcast-peer: {error}");
            ExitCode::FAILURE
        }
    }
}
