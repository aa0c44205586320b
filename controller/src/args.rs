use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use nearcast_fabric::{Config, RTMP_PORT, VirtualRange};
use nearcast_machine::{Seed, Span};

use crate::Error;

const EXAMPLES: &str = "\
Examples:
  One switch, one CDN server at 10.0.0.100:
    nearcast-controller --cdn 10.0.0.100 --events events.jsonl
    ovs-vsctl set-controller s1 tcp:127.0.0.1:6653 -- set bridge s1 protocols=OpenFlow13

  Judge nearness by the links' delays instead of hops:
    nearcast-controller --cdn 10.0.0.100 --link-delay s1-eth1=30ms --link-delay s1-eth2=8ms

  Watch who publishes and plays what, and change nothing about it:
    nearcast-controller --observe-only

Stopping it leaves every flow entry in place: streams in flight do not notice.
Log detail is set by RUST_LOG, such as RUST_LOG=debug.";

/// OpenFlow 1.3 controller that lets near viewers take a livestream straight from its broadcaster's
/// switch.
#[derive(Debug, Clone, Parser)]
#[command(name = "nearcast-controller", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Address that switches connect to.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6653")]
    pub listen: SocketAddr,

    /// What it does with its switches.
    #[arg(long, value_enum, default_value_t = App::Fabric)]
    pub app: App,

    /// Threads of the learning app; by default one for each core.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZero<usize>>,

    /// RTMP server that counts as the CDN; may be given several times. Without it every server that
    /// accepts a publisher counts, each for its own streams.
    #[arg(long, value_name = "IP[:PORT]", value_parser = cdn)]
    pub cdn: Vec<SocketAddrV4>,

    /// Range of virtual addresses, used by nobody else.
    #[arg(long = "virtual", value_name = "PREFIX", default_value_t)]
    pub virtual_range: VirtualRange,

    /// File that gets a JSON line for each event, and a summary at the end.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,

    /// Report who could be served by the switch, but form no peering.
    #[arg(long)]
    pub observe_only: bool,

    /// By which part the direct path must be shorter than the one by the CDN, from 0 to below 1.
    #[arg(long, value_name = "PART", default_value_t = 0.1)]
    pub margin: f64,

    /// How long an offer to a host holds if it is not renewed.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub lease: Span,

    /// One-way delay of the link at a switch port; may be given several times.
    #[arg(long, value_name = "PORT=TIME", value_parser = link_delay)]
    pub link_delay: Vec<(String, Span)>,

    /// TOML file of such delays, with lines like: s1-eth1 = "8ms"
    #[arg(long, value_name = "FILE")]
    pub link_delays: Option<PathBuf>,

    /// Seed of random choices; by default one of the time.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What the controller does with its switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum App {
    /// Streams take the short way, by OpenFlow 1.3.
    Fabric,
    /// Plain L2 learning by OpenFlow 1.0, each switch for itself: what controllers are compared in.
    /// Of the options only --listen and --workers count.
    Learning,
}

/// What the command line comes to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address that switches connect to.
    pub listen: SocketAddr,
    /// What is done with them.
    pub app: App,
    /// Threads of the learning app.
    pub workers: usize,
    /// Where events are written.
    pub events: Option<PathBuf>,
    /// Settings of the fabric.
    pub fabric: Config,
}

impl Arguments {
    /// Checks the arguments and reads the files they name.
    ///
    /// # Errors
    /// A margin out of range, and a file of link delays that cannot be read or understood.
    pub fn settings(self) -> Result<Settings, Error> {
        if !(0.0..1.0).contains(&self.margin) {
            let text =
                format!("--margin {} is not a part from 0 to below 1, such as 0.1", self.margin);
            return Err(Error::Setting(text));
        }
        if self.lease < Span::from_secs(1) || self.lease > Span::from_secs(3600) {
            let text = format!("--lease {} is not between 1s and 1h", self.lease);
            return Err(Error::Setting(text));
        }
        let mut link_delays = match &self.link_delays {
            Some(path) => read_link_delays(path)?,
            None => BTreeMap::new(),
        };
        link_delays.extend(self.link_delay);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = self.seed.unwrap_or(since_epoch.as_nanos() as u64);
        let fabric = Config {
            virtual_range: self.virtual_range,
            cdn: self.cdn,
            margin: self.margin,
            observe_only: self.observe_only,
            link_delays,
            lease: self.lease,
            seed: Seed::new(seed),
            probe_key: random_key()?,
            incarnation: u32::try_from(since_epoch.as_secs()).unwrap_or(u32::MAX / 2),
            ..Config::default()
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let workers = self.workers.unwrap_or_else(cores).get();
        Ok(Settings { listen: self.listen, app: self.app, workers, events: self.events, fabric })
    }
}

fn random_key() -> Result<[u8; 32], Error> {
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut key))
        .map_err(|source| Error::System { what: "cannot draw a key from /dev/urandom", source })?;
    Ok(key)
}

fn read_link_delays(path: &Path) -> Result<BTreeMap<String, Span>, Error> {
    let failed = |why: String| Error::LinkDelays { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    toml::from_str(&text).map_err(|error| failed(error.to_string().trim().to_owned()))
}

fn cdn(text: &str) -> Result<SocketAddrV4, String> {
    text.parse()
        .or_else(|_| text.parse::<Ipv4Addr>().map(|ip| SocketAddrV4::new(ip, RTMP_PORT)))
        .map_err(|_| "expected an IPv4 address, such as 10.0.0.100 or 10.0.0.100:1935".to_owned())
}

fn link_delay(text: &str) -> Result<(String, Span), String> {
    let (port, delay) = text
        .split_once('=')
        .filter(|(port, _)| !port.is_empty())
        .ok_or("expected the name of a switch port and a time, such as s1-eth1=8ms")?;
    Ok((port.to_owned(), delay.parse().map_err(|error| format!("{error}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, String> {
        let all = ["nearcast-controller"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(all).map_err(|error| error.to_string())?;
        parsed.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_understood() {
        let settings = parse(&[
            "--cdn",
            "10.0.0.9",
            "--cdn",
            "10.0.0.8:1936",
            "--link-delay",
            "s1-eth1=8ms",
            "--seed",
            "7",
        ])
        .expect("sound arguments");
        let cdn: Vec<_> = settings.fabric.cdn.iter().map(ToString::to_string).collect();
        assert_eq!(cdn, ["10.0.0.9:1935", "10.0.0.8:1936"]);
        assert_eq!(settings.fabric.link_delays["s1-eth1"], Span::from_millis(8));
        assert_eq!(settings.fabric.seed, Seed::new(7));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (arguments, said) in [
            (["--margin", "1"], "--margin 1"),
            (["--lease", "0s"], "--lease 0s"),
            (["--cdn", "cdn.example"], "10.0.0.100"),
            (["--virtual", "10.0.0.0"], "10.254.0.0/16"),
            (["--link-delay", "s1-eth1"], "s1-eth1=8ms"),
            (["--link-delay", "s1-eth1=8"], "8ms"),
            (["--link-delays", "/nonexistent"], "/nonexistent"),
        ] {
            let error = parse(&arguments).expect_err(said);
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_wrong_line_of_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "s1-eth1 = \"8ms\"\ns1-eth2 = \"8 parsecs\"\n")
            .expect("written");
        let path = file.path().to_str().expect("a plain path");
        let error = parse(&["--link-delays", path]).expect_err("a wrong unit");
        assert!(error.contains("line 2") && error.contains("parsecs"), "{error}");
    }
}
