//! `nearcast-link`: all links of an emulated topology, in one process.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nearcast_link::{Driver, Options, Realtime};
use nearcast_machine::Seed;

/// Runs emulated links between pairs of TAP devices.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve links until told to quit, by request, SIGTERM or SIGINT
    #[command(after_long_help = EXAMPLES)]
    Run {
        /// Where to listen for requests; prints `ready` once it does
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
        /// What loss, jitter, duplication and reordering are drawn from
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Whether to be scheduled in real time, on processors that wake at once, so that packets
        /// leave when they are due
        #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
        realtime: Realtime,
        /// Capture what leaves each link to NAME.pcap in this folder
        #[arg(long, value_name = "FOLDER")]
        pcap_dir: Option<PathBuf>,
        /// End when the process that started this one ends
        #[arg(long)]
        with_parent: bool,
    },
}

const EXAMPLES: &str = r#"Examples:
  Serve, and make a link of 10 Mbit/s and 8 ms each way (one line of JSON per request):

    nearcast-link run --socket /run/link.sock &
    nc -UN /run/link.sock <<'END'
    {"op":"add","name":"h1-s1","a":"h1-eth0","b":"s1-eth1","a_to_b":{"rate":"10Mbit/s","delay":"8ms"},"b_to_a":{"rate":"10Mbit/s","delay":"8ms"}}
    END
    ip link set h1-eth0 netns h1

  Change it while it runs, pull its cable, read its counters, take it away:

    {"op":"set","name":"h1-s1","params":{"delay":"30ms","loss":"1%"}}
    {"op":"set","name":"h1-s1","direction":"a_to_b","params":{"rate":"4Mbit/s","queue":"50packets"}}
    {"op":"down","name":"h1-s1"}
    {"op":"stats"}
    {"op":"remove","name":"h1-s1"}

  Parameters of a direction: rate, delay, jitter, loss, gilbert_elliott {good_to_bad, bad_to_good,
  loss_in_bad, loss_in_good}, duplicate, reorder {probability, extra}, queue ("100packets", "150kB").
  Operations: add, set, up, down, remove, stats, pcap, list, version, quit.

Needs CAP_NET_ADMIN and /dev/net/tun. The interfaces are gone when the process is."#;

fn main() -> ExitCode {
    let Command::Run { socket, seed, realtime, pcap_dir, with_parent } = Arguments::parse().command;
    let options = Options { socket, seed: Seed::new(seed), realtime, pcap_dir, with_parent };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearcast-link: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let wanted = options.realtime;
    let driver = Driver::new(options)?;
    if wanted == Realtime::Auto && !driver.is_realtime() {
        eprintln!(
            "nearcast-link: no real-time scheduling here, so packets may leave later than due"
        );
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    driver.run()?;
    Ok(())
}
