//! The `nearcast` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nearcast::{clean, doctor, list, ping, planetlab, report, run, simulate, sweep, trace};

/// Simulations are short of memory's time and not of its room, and spend a tenth of theirs in
/// malloc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// CDN against P2P-assisted livestreaming, measured.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CDN against P2P-assisted livestreaming: the paper's experiments and a sweep of viewers.
    Compare(run::CompareArgs),
    /// One experiment.
    Run(run::RunArgs),
    /// The mesh in virtual time: a day of thousands of peers, on one machine.
    Simulate(simulate::Args),
    /// Simulations over a grid of settings, by processes or as a Slurm job array; one table.
    Sweep(sweep::Args),
    /// Who comes and goes in a simulation: generates a day, or shows what a trace is like.
    Trace(trace::Args),
    /// The same peers in Mininet and in the simulator: the difference of every metric.
    SimVsMininet(planetlab::CrossCheckArgs),
    /// Ping trains between hosts of a topology, idle or under a stream.
    Ping(ping::Args),
    /// What this machine can and cannot do.
    Doctor(doctor::Args),
    /// Removes what killed runs left behind, and only that.
    Clean(clean::Args),
    /// The experiments and topologies there are.
    List(list::Args),
    /// Makes a run's report again from its result.json.
    Report(report::Args),
}

/// A command answers with its exit code, or with the one line that a person should see.
fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(args) => run::compare(&args),
        Command::Run(args) => run::run(&args),
        Command::Simulate(args) => simulate::main(&args),
        Command::Sweep(args) => sweep::main(&args),
        Command::Trace(args) => trace::main(&args),
        Command::SimVsMininet(args) => planetlab::cross_check(&args),
        Command::Ping(args) => ping::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Clean(args) => clean::main(&args),
        Command::List(args) => list::main(&args),
        Command::Report(args) => report::main(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("nearcast: {error}");
        ExitCode::FAILURE
    })
}
