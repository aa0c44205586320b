//! What serving a stream costs: our suppliers beside nginx-rtmp, the same stream, in one run.
//!
//!     cargo bench -p nearcast-peer --bench serve -- --receivers 200
//!
//! FFmpeg publishes a clip of about 620 kbit/s through `nearcast-peer broadcast` to one nginx with
//! one worker, beside which stands `nearcast-peer seed`, as at a CDN. Turn by turn, in each round,
//! as many receivers as asked for are served for some seconds:
//!
//! - by nginx, who play by RTMP;
//! - by the seed, who are sent whatever comes (tails: push);
//! - by the seed as a source of the LayerP2P mesh, who are engines of it and ask for every chunk;
//! - by the seed, who ask for chunks of the last seconds as fast as they are served (its capacity).
//!
//! Receivers live in a process of their own, whose time is not counted ([`audience`]); they compare
//! a part of what they get with the stream as nginx relays it, and count all of it. What is counted
//! is the serving process's CPU time as the kernel has it. On loopback that includes what the
//! kernel does to receive datagrams and segments, for both; TCP's acknowledgements it does in the
//! receivers' time.
//!
//! It fails if a byte was wrong, or less than 98 % came.

mod audience;
mod cpu;
mod members;
mod players;
mod pulls;
mod report;
mod socket;
mod stage;
mod tails;
mod truth;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::audience::Audience;
use crate::report::{Report, Turn};
use crate::stage::Stage;

/// By which way receivers are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// nginx-rtmp, RTMP.
    Nginx,
    /// The seed pushes.
    Push,
    /// The mesh asks.
    Mesh,
    /// The seed answers, as fast as it can.
    Pull,
}

impl Way {
    const ALL: [Way; 4] = [Way::Nginx, Way::Push, Way::Mesh, Way::Pull];

    fn name(self) -> &'static str {
        match self {
            Way::Nginx => "nginx-rtmp",
            Way::Push => "seed, push",
            Way::Mesh => "mesh, on request",
            Way::Pull => "seed, all it can",
        }
    }
}

/// Measures what serving a stream costs.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// Receivers; of the mesh, and of all that the seed can, at most 240
    #[arg(long, default_value_t = 200)]
    receivers: usize,

    /// Rounds, in each of which every way has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Seconds that are measured of each turn
    #[arg(long, default_value_t = 4)]
    seconds: u64,

    /// Encode slices of at most 1130 bytes in three layers, as the PlanetLab experiment does; else
    /// each picture is one slice, as encoders have it by default
    #[arg(long)]
    slices: bool,

    /// Only these ways
    #[arg(long, value_enum)]
    way: Vec<Way>,

    /// Another nearcast-peer, to compare with
    #[arg(long)]
    program: Option<std::path::PathBuf>,

    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The receivers, in a process of their own.
    #[command(hide = true)]
    Audience(audience::Arguments),
}

/// The mesh has at most 250 neighbours.
const MESH_MOST: usize = 240;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Part::Audience(of)) = &arguments.part {
        audience::run(of);
        return ExitCode::SUCCESS;
    }
    let stage = Stage::new(arguments.slices, arguments.receivers, arguments.program.as_deref());
    let ways = if arguments.way.is_empty() { &Way::ALL[..] } else { &arguments.way };
    let mut report = Report::default();
    for round in 0..arguments.rounds {
        // Whoever is first is another one in each round.
        for at in 0..ways.len() {
            let way = ways[(at + round) % ways.len()];
            report.add(turn(&stage, way, &arguments));
        }
    }
    report.print(stage.bitrate());
    if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn turn(stage: &Stage, way: Way, arguments: &Arguments) -> Turn {
    let receivers = match way {
        Way::Nginx | Way::Push => arguments.receivers,
        Way::Mesh | Way::Pull => arguments.receivers.min(MESH_MOST),
    };
    let server = if way == Way::Nginx { stage.nginx() } else { stage.seed() };
    let mut audience = Audience::gather(stage, way, receivers);
    audience.begin();
    let began = cpu::Reading::of(server);
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let spent = cpu::Reading::of(server).since(&began);
    let seen = audience.end();
    let turn = Turn { way, receivers, spent, seen };
    eprintln!("{turn}");
    turn
}
