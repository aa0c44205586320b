//! `nearcast-controller-bench`: how many packet-ins a controller answers, and whether it answers
//! right; see `--help`.
//!
//! It fakes switches of OpenFlow 1.0 as cbench does. cbench counts messages; this reads every
//! answer and counts those that are right, and says how far a bare responder comes in the same
//! minute on the same machine, as figures of different minutes compare only with their own.

mod check;
mod fake;
mod responder;
mod round;
mod started;
mod traffic;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nearcast_machine::Span;

use crate::round::{Mode, Outcome, Plan, measure};
use crate::started::Started;
use crate::traffic::Traffic;

const EXAMPLES: &str = "\
Examples:
  nearcast-controller --app learning, which is started for it, in the field's usual setting:
    nearcast-controller-bench

  One switch, one question at a time:
    nearcast-controller-bench --mode latency --switches 1

  Another controller, which runs already, beside ours:
    nearcast-controller-bench --against floodlight=127.0.0.1:6653";

/// Measures how many packet-ins a learning controller answers, and checks each answer.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Throughput: many packets wait at each switch; latency: one.
    #[arg(long, value_enum, default_value_t = Mode::Throughput)]
    mode: Mode,

    /// Switches to fake.
    #[arg(long, default_value = "16")]
    switches: NonZero<u16>,

    /// Stations that send, at each switch.
    #[arg(long, default_value = "1000")]
    macs: NonZero<u32>,

    /// Stations they send to, each at a port of its own.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    destinations: u16,

    /// Measurements of each controller, in turn.
    #[arg(long, default_value = "9")]
    rounds: NonZero<usize>,

    /// Length of a measurement.
    #[arg(long, default_value = "1s")]
    time: Span,

    /// Length of what comes before and does not count.
    #[arg(long, default_value = "300ms")]
    warm_up: Span,

    /// Another controller to measure, which runs; may be given several times.
    #[arg(long, value_name = "NAME=ADDR:PORT", value_parser = named)]
    against: Vec<(String, SocketAddr)>,

    /// Threads of ours; by default it chooses.
    #[arg(long)]
    workers: Option<NonZero<usize>>,

    /// Be the responder, and print the address.
    #[arg(long, hide = true)]
    respond: bool,
}

/// Someone to measure.
struct Contender {
    name: String,
    address: SocketAddr,
    strict: bool,
    outcomes: Vec<Outcome>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("nearcast-controller-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all answers of all controllers were right.
fn run(arguments: &Arguments) -> Result<bool, String> {
    if arguments.respond {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("listening: {error}"))?;
        let address = listener.local_addr().map_err(|error| format!("listening: {error}"))?;
        println!("{address}");
        return responder::respond(&listener).map(|()| true).map_err(|error| error.to_string());
    }
    let responder = Started::responder()?;
    let ours = Started::controller(arguments.workers)?;
    let contender = |name: &str, address, strict| Contender {
        name: name.to_owned(),
        address,
        strict,
        outcomes: Vec::new(),
    };
    let mut contenders = vec![
        contender("bare responder", responder.address(), false),
        contender("nearcast learning", ours.address(), true),
    ];
    contenders.extend(arguments.against.iter().map(|(name, at)| contender(name, *at, true)));
    for round in 1..=arguments.rounds.get() {
        for contender in &mut contenders {
            let plan = plan(arguments, contender.strict);
            let outcome = measure(contender.address, &plan)
                .map_err(|why| format!("{}: {why}", contender.name))?;
            eprintln!("round {round}: {:<20} {:>12.0} /s", contender.name, outcome.rate);
            contender.outcomes.push(outcome);
        }
    }
    report(arguments, &contenders);
    let sound = |outcome: &Outcome| outcome.tally.wrong == 0 && outcome.lost == 0;
    Ok(contenders.iter().filter(|c| c.strict).all(|c| c.outcomes.iter().all(sound)))
}

fn plan(arguments: &Arguments, strict: bool) -> Plan {
    Plan {
        mode: arguments.mode,
        switches: arguments.switches.get(),
        traffic: Traffic { sources: arguments.macs.get(), destinations: arguments.destinations },
        warm_up: Duration::from(arguments.warm_up),
        time: Duration::from(arguments.time),
        strict,
    }
}

fn report(arguments: &Arguments, contenders: &[Contender]) {
    println!(
        "{:?}, {} switches, {} sources and {} destinations each, {} rounds of {}",
        arguments.mode,
        arguments.switches,
        arguments.macs,
        arguments.destinations,
        arguments.rounds,
        arguments.time
    );
    println!(
        "{:<20} {:>12} {:>12} {:>12} {:>9} {:>13} {:>8} {:>6}",
        "", "median /s", "least", "most", "of resp.", "right", "wrong", "lost"
    );
    for contender in contenders {
        let rates = || contender.outcomes.iter().map(|outcome| outcome.rate);
        // Of each round its own: the machine is another one a minute later.
        let ratios = rates()
            .zip(&contenders[0].outcomes)
            .map(|(rate, baseline)| rate / baseline.rate.max(f64::MIN_POSITIVE));
        let sum = |count: fn(&Outcome) -> u64| contender.outcomes.iter().map(count).sum::<u64>();
        let checked = |number: u64| if contender.strict { number.to_string() } else { "-".into() };
        println!(
            "{:<20} {:>12.0} {:>12.0} {:>12.0} {:>9.3} {:>13} {:>8} {:>6}",
            contender.name,
            median(rates().collect()),
            rates().fold(f64::INFINITY, f64::min),
            rates().fold(0.0, f64::max),
            median(ratios.collect()),
            checked(sum(|outcome| outcome.tally.right)),
            checked(sum(|outcome| outcome.tally.wrong)),
            checked(sum(|outcome| outcome.lost)),
        );
        let first = contender.outcomes.iter().find_map(|o| o.tally.first_wrong.as_deref());
        if let (true, Some(why)) = (contender.strict, first) {
            println!("    the first wrong one: {why}");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn named(text: &str) -> Result<(String, SocketAddr), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, address) =
        parts.ok_or("expected a name and an address, such as pox=127.0.0.1:6633")?;
    let address = address.parse().map_err(|_| format!("{address} is no address and port"))?;
    Ok((name.to_owned(), address))
}
