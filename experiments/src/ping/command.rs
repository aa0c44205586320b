use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nearcast_machine::{Bytes, Span};
use nearcast_topologies::{Choice, Topology};

use super::{PingSocket, Plan, Trains};
use crate::Failure;
use crate::figures;
use crate::measure::Summary;
use crate::result::{FolderError, PingTrain};
use crate::world::{self, Options, Shutdown, World};

/// `nearcast ping TOPOLOGY`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo nearcast ping single --pairs hb-hv1,hb-hs
  sudo nearcast ping single --setting fig2 --pairs hb-hv1 --interval 10ms --count 1000 --stream")]
pub struct Args {
    /// A topology's name (see `nearcast list`) or the path of a TOML file
    pub topology: String,
    /// Which of its settings; its own default if left out
    #[arg(long)]
    pub setting: Option<String>,
    /// How many viewers, where the topology has such a count: of ours `single`
    #[arg(long)]
    pub viewers: Option<u32>,
    /// Pairs of hosts, FROM-TO; broadcaster to each other host if left out
    #[arg(long, value_delimiter = ',', value_parser = pair)]
    pub pairs: Vec<(String, String)>,
    /// From one ping to the next
    #[arg(long, default_value = "1s")]
    pub interval: Span,
    /// Bytes of ICMP payload
    #[arg(long, default_value_t = 56, value_parser = clap::value_parser!(u32).range(0..=i64::from(super::socket::MAX_SIZE)))]
    pub size: u32,
    /// How many pings each pair sends
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Ping while a livestream crosses the same links
    #[arg(long)]
    pub stream: bool,
    /// Where to write result, histogram and plot
    #[arg(long, default_value = "results/ping")]
    pub out: PathBuf,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('-')
        .filter(|(from, to)| !from.is_empty() && !to.is_empty() && from != to)
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .ok_or_else(|| format!("`{text}` is not a pair of hosts such as hb-hv1"))
}

/// The topology that `name` means: one of ours, or a file.
pub(crate) fn topology(name: &str, choice: &Choice) -> Result<Topology, Failure> {
    let is_file = name.contains('/') || name.ends_with(".toml");
    let topology = if is_file {
        Topology::load(name.as_ref(), choice)?
    } else {
        Topology::named(name, choice)?
    };
    Ok(topology)
}

/// A plan for pings from one host to another.
///
/// # Errors
/// If one of them is not in the topology, or there is no way between them.
pub(crate) fn plan(
    topology: &Topology,
    (from, to): (&str, &str),
    interval: Span,
    size: u32,
    count: usize,
) -> Result<Plan, Failure> {
    let known =
        || topology.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", ");
    let missing = |name: &str| {
        format!("there is no host `{name}` in {}; there are {}", topology.name, known())
    };
    let target = topology.host(to).ok_or_else(|| missing(to))?.ip;
    topology.host(from).ok_or_else(|| missing(from))?;
    let way = |a: &str, b: &str| {
        topology.path(a, b).ok_or_else(|| format!("there is no way from {a} to {b}"))
    };
    // Ethernet 14, IPv4 20, ICMP 8.
    let wire = Bytes::new(u64::from(size) + 42);
    let floor = way(from, to)?.minimum(wire) + way(to, from)?.minimum(wire);
    Ok(Plan { from: from.to_owned(), to: to.to_owned(), target, interval, size, count, floor })
}

/// Opens each plan's socket in its host.
pub(crate) fn open(world: &World, plans: Vec<Plan>) -> Result<Vec<(Plan, PingSocket)>, Failure> {
    let opened = plans.into_iter().enumerate().map(|(index, plan)| {
        // Any number does: it only tells apart the trains of one host.
        let id = 0x4E00 | (index as u16 & 0xFF);
        let target = plan.target;
        let socket = world.in_namespace(&plan.from, move || PingSocket::open(target, id))?;
        let socket = socket
            .map_err(|error| format!("cannot open a raw socket in {}: {error}", plan.from))?;
        Ok((plan, socket))
    });
    opened.collect()
}

/// Builds the topology, pings, and writes what was measured.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let mut choice =
        args.setting.as_ref().map_or_else(Choice::default, |name| Choice::setting(name.as_str()));
    if let Some(viewers) = args.viewers {
        choice = choice.with_count("viewers", viewers);
    }
    let topology = topology(&args.topology, &choice)?;
    let plans = pairs(args, &topology)
        .iter()
        .map(|(from, to)| {
            plan(&topology, (from, to), args.interval, args.size, args.count as usize)
        })
        .collect::<Result<Vec<Plan>, Failure>>()?;
    world::require_root("nearcast ping")?;

    let shutdown = Shutdown::install()?;
    let _alone = crate::run::alone(shutdown)?;
    let folder = &args.out;
    std::fs::create_dir_all(folder).map_err(FolderError::io(folder))?;
    let trains = if args.stream {
        crate::run::pings_under_stream(&topology, plans, folder, shutdown)?
    } else {
        let world = World::build(&topology, &Options::new(folder.clone()))?;
        let trains = idle(&world, plans, shutdown);
        world.close()?;
        trains?
    };
    write(args, &trains)?;
    print!("{}", table(&trains));
    println!("\n{}", folder.display());
    Ok(if shutdown.requested() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

fn pairs(args: &Args, topology: &Topology) -> Vec<(String, String)> {
    if !args.pairs.is_empty() {
        return args.pairs.clone();
    }
    let names: Vec<&str> = topology.hosts.iter().map(|host| host.name.as_str()).collect();
    let Some((first, rest)) = names.split_first() else { return Vec::new() };
    rest.iter().map(|other| ((*first).to_owned(), (*other).to_owned())).collect()
}

/// Waits until each pair's first ping is answered, so that no train begins with a host being looked
/// for.
///
/// # Errors
/// If one is not answered within ten seconds.
pub(crate) fn warm_up(world: &World, plans: &[Plan], shutdown: Shutdown) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut left: Vec<Plan> = plans.to_vec();
    while !left.is_empty() {
        shutdown.check()?;
        if Instant::now() > deadline {
            let pairs: Vec<String> =
                left.iter().map(|plan| format!("{}-{}", plan.from, plan.to)).collect();
            return Err(format!("no ping is answered within 10 s: {}", pairs.join(", ")).into());
        }
        let once = left.iter().cloned().map(|plan| Plan { count: 1, ..plan }).collect();
        let trains = Trains::start(open(world, once)?, Instant::now())?.finish()?;
        let answered =
            trains.iter().map(|train| train.probes.iter().any(|probe| probe.rtt.is_some()));
        left = left
            .into_iter()
            .zip(answered)
            .filter(|(_, answered)| !answered)
            .map(|(plan, _)| plan)
            .collect();
    }
    Ok(())
}

fn idle(world: &World, plans: Vec<Plan>, shutdown: Shutdown) -> Result<Vec<PingTrain>, Failure> {
    warm_up(world, &plans, shutdown)?;
    let count = plans.iter().map(|plan| plan.count).max().unwrap_or(0);
    let trains = Trains::start(open(world, plans)?, Instant::now())?;
    follow(trains, count, shutdown)
}

/// Shows how far the trains are, and stops them when the user wants to.
pub(crate) fn follow(
    trains: Trains,
    count: usize,
    shutdown: Shutdown,
) -> Result<Vec<PingTrain>, Failure> {
    let bar = ProgressBar::new(count as u64);
    bar.set_style(
        ProgressStyle::with_template("pinging {bar:40} {pos}/{len}  {eta} left")
            .expect("a template"),
    );
    while !trains.is_finished() && !shutdown.requested() {
        bar.set_position(trains.sent() as u64);
        let _ = shutdown.sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
    Ok(trains.stop()?)
}

fn write(args: &Args, trains: &[PingTrain]) -> Result<(), Failure> {
    let path = args.out.join("pings.json");
    let text = serde_json::to_vec_pretty(trains)?;
    std::fs::write(&path, text).map_err(FolderError::io(&path))?;
    for figure in figures::ping_histogram(trains).into_iter().chain(figures::ping_series(trains)) {
        figures::write_figure(&args.out, &figure)?;
    }
    Ok(())
}

fn table(trains: &[PingTrain]) -> String {
    let mut out = format!(
        "{:<14} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n",
        "pair", "pings", "lost", "floor ms", "min ms", "median ms", "p99 ms", "max ms", "median x"
    );
    for train in trains {
        let rtts = train.probes.iter().filter_map(|probe| probe.rtt).map(|rtt| rtt as f64 / 1e6);
        let floor = train.floor as f64 / 1e6;
        let pair = format!("{}-{}", train.from, train.to);
        let lost = train.probes.iter().filter(|probe| probe.rtt.is_none()).count();
        let numbers = Summary::of(rtts).map_or_else(
            || format!("{:>9} {:>9} {:>9} {:>9} {:>8}", "-", "-", "-", "-", "-"),
            |s| {
                let ratio = if floor > 0.0 { s.median / floor } else { f64::NAN };
                format!(
                    "{:>9.3} {:>9.3} {:>9.3} {:>9.3} {ratio:>8.3}",
                    s.min, s.median, s.p99, s.max
                )
            },
        );
        out.push_str(&format!(
            "{pair:<14} {:>7} {lost:>6} {floor:>9.3} {numbers}\n",
            train.probes.len()
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_hosts() {
        assert_eq!(pair("hb-hv1"), Ok(("hb".to_owned(), "hv1".to_owned())));
        for wrong in ["hb", "-hb", "hb-", "hb-hb", ""] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_floor_of_a_ping_is_there_and_back() {
        let single = topology("single", &Choice::setting("fig3")).expect("it comes with nearcast");
        let plan = plan(&single, ("hb", "hv1"), Span::from_secs(1), 56, 1).expect("a plan");
        // 98 bytes at 10 Mbit/s are 78.4 us, on four links, and 32 ms of propagation.
        assert_eq!(plan.floor, Span::from_micros(32_000) + Span::from_nanos(4 * 78_400));
        let error =
            super::plan(&single, ("hb", "nobody"), Span::from_secs(1), 56, 1).expect_err("nobody");
        assert!(error.to_string().contains("hv1"), "it names who is there: {error}");
    }

    #[test]
    fn a_train_that_lost_everything_still_has_a_row() {
        let train = PingTrain {
            from: "a".to_owned(),
            to: "b".to_owned(),
            interval: 1,
            size: 56,
            floor: 1_000_000,
            probes: vec![crate::result::Probe { sent: 1, rtt: None }],
        };
        assert!(table(&[train]).lines().nth(1).expect("a row").contains('-'));
    }
}
