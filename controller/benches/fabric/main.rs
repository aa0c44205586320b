//! How fast the fabric answers as a program: over loopback sockets, beside the same fabric in
//! memory.
//!
//!     cargo bench -p nearcast-controller --bench fabric -- inspection
//!     cargo bench -p nearcast-controller --bench fabric -- peering
//!     cargo bench -p nearcast-controller --bench fabric -- switches
//!
//! Without a name it runs them all; `--help` of each has its settings. `docs/controller-speed.md`
//! says what the figures mean.

mod captures;
mod frames;
mod inspection;
mod peering;
mod process;
mod quantiles;
mod rtmp;
mod switch;
mod switches;
mod wire;

use std::process::ExitCode;

use clap::Parser;

/// Measures the controller's fabric.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// What cargo says to every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// RTMP inspection: bits a second on one core, of connections of real programs.
    Inspection(inspection::Arguments),
    /// From an accepted play to an installed peering, to the offer, and to the viewer's bucket.
    Peering(peering::Arguments),
    /// Many switches connected at once: handshakes, packet-ins of all, memory.
    Switches(switches::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Some(Command::Inspection(arguments)) => inspection::run(&arguments),
        Some(Command::Peering(arguments)) => peering::run(&arguments),
        Some(Command::Switches(arguments)) => switches::run(&arguments),
        None => inspection::run(&inspection::Arguments::default())
            .and_then(|()| peering::run(&peering::Arguments::default()))
            .and_then(|()| switches::run(&switches::Arguments::default())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("fabric: {why}");
            ExitCode::FAILURE
        }
    }
}
