use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use nearcast_fabric::{Config, Policy, RTMP_PORT, Subnet, VirtualRange};
use nearcast_machine::{Seed, Span};
use toml::Spanned;

use crate::file::{File, List, items};
use crate::{Error, Rival, TlsFiles};

/// Where switches connect unless it is said otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6653);

const EXAMPLES: &str = "\
Examples:
  One switch, one CDN server at 10.0.0.100:
    nearcast-controller --cdn 10.0.0.100 --events events.jsonl
    ovs-vsctl set-controller s1 tcp:127.0.0.1:6653 -- set bridge s1 protocols=OpenFlow13

  Judge nearness by the links' delays instead of hops:
    nearcast-controller --cdn 10.0.0.100 --link-delay s1-eth1=30ms --link-delay s1-eth2=8ms

  Watch who publishes and plays what, and change nothing about it:
    nearcast-controller --observe-only

  See what it knows, as JSON, as figures for Prometheus, and as it happens:
    nearcast-controller --cdn 10.0.0.100 --http 127.0.0.1:8080
    curl http://127.0.0.1:8080/v1/streams http://127.0.0.1:8080/metrics
    curl -N http://127.0.0.1:8080/v1/events

  Two of them, on one machine; the second takes over when the first dies:
    nearcast-controller --listen 127.0.0.1:6653 --priority 200 \\
        --peer-listen 127.0.0.1:7001 --peer-controller 127.0.0.1:7002
    nearcast-controller --listen 127.0.0.1:6654 --priority 100 \\
        --peer-listen 127.0.0.1:7002 --peer-controller 127.0.0.1:7001
    ovs-vsctl set-controller s1 tcp:127.0.0.1:6653 tcp:127.0.0.1:6654

  Switches by TLS only, each with a certificate of our authority:
    nearcast-controller --tls-cert cert.pem --tls-key key.pem --tls-ca ca.pem
    ovs-vsctl set-ssl s1-key.pem s1-cert.pem ca.pem -- set-controller s1 ssl:127.0.0.1:6653

  All settings from a file, which can be checked before it is used:
    nearcast-controller check controller.toml
    nearcast-controller --config controller.toml

Stopping it leaves every flow entry in place: streams in flight do not notice.
Log detail is set by RUST_LOG, such as RUST_LOG=debug.";

/// OpenFlow 1.3 controller that lets near viewers take a livestream straight from its broadcaster's
/// switch.
#[derive(Debug, Clone, Parser)]
#[command(name = "nearcast-controller", version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// TOML file of settings; what is said here as well goes before it. All of them are described
    /// in docs/operation.md.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address that switches connect to [default: 127.0.0.1:6653].
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// What it does with its switches [default: fabric].
    #[arg(long, value_enum)]
    pub app: Option<App>,

    /// Threads of the learning app; by default one for each core but one.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZero<usize>>,

    /// RTMP server that counts as the CDN; may be given several times. Without it every server that
    /// accepts a publisher counts, each for its own streams.
    #[arg(long, value_name = "IP[:PORT]", value_parser = cdn)]
    pub cdn: Vec<SocketAddr>,

    /// Range of virtual addresses, used by nobody else [default: 10.254.0.0/16].
    #[arg(long = "virtual", value_name = "PREFIX")]
    pub virtual_range: Option<VirtualRange>,

    /// File that gets a JSON line for each event, and a summary at the end.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,

    /// Address to serve JSON, events and Prometheus figures at over HTTP. Elsewhere than on
    /// loopback it needs a token.
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,

    /// File with the token that those who ask by HTTP have to know, at least 16 characters:
    /// Authorization: Bearer TOKEN.
    #[arg(long, value_name = "FILE")]
    pub http_token_file: Option<PathBuf>,

    /// Report who could be served by the switch, but form no peering.
    #[arg(long)]
    pub observe_only: bool,

    /// Hosts in this subnet may peer, and no others but those of further subnets; may be given
    /// several times.
    #[arg(long, value_name = "PREFIX")]
    pub allow: Vec<Subnet>,

    /// Hosts in this subnet may not peer; may be given several times.
    #[arg(long, value_name = "PREFIX")]
    pub deny: Vec<Subnet>,

    /// By which part the direct path must be shorter than the one by the CDN, from 0 to below 1
    /// [default: 0.1].
    #[arg(long, value_name = "PART")]
    pub margin: Option<f64>,

    /// How long an offer to a host holds if it is not renewed [default: 30s].
    #[arg(long, value_name = "TIME")]
    pub lease: Option<Span>,

    /// One-way delay of the link at a switch port; may be given several times.
    #[arg(long, value_name = "PORT=TIME", value_parser = link_delay)]
    pub link_delay: Vec<(String, Span)>,

    /// TOML file of such delays, with lines like: s1-eth1 = "8ms"
    #[arg(long, value_name = "FILE")]
    pub link_delays: Option<PathBuf>,

    /// Certificate to show to switches, in PEM. With it switches connect by TLS, and only by TLS.
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    pub tls_cert: Option<PathBuf>,

    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Certificates of the authorities that sign those of switches, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_ca: Option<PathBuf>,

    /// Address at which a second controller hears of this one.
    #[arg(long, value_name = "ADDR:PORT", requires = "peer_controller")]
    pub peer_listen: Option<SocketAddr>,

    /// That address of the second controller. One of the two is master of the switches, the other
    /// stands by and takes over.
    #[arg(long, value_name = "ADDR:PORT", requires = "peer_listen")]
    pub peer_controller: Option<SocketAddr>,

    /// Of two controllers that start together the one of higher priority becomes master; the two
    /// must differ [default: 100].
    #[arg(long, value_name = "0-255", requires = "peer_controller")]
    pub priority: Option<u8>,

    /// How long the other controller is not heard before it counts as gone [default: 1s].
    #[arg(long, value_name = "TIME", requires = "peer_controller")]
    pub takeover: Option<Span>,

    /// Seed of random choices; by default one of the time.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What else the program does.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Read a configuration file and say what is wrong with it, with line and field.
    Check {
        /// The file.
        file: PathBuf,
    },
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

/// What command line and file come to.
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
    /// Where HTTP is served.
    pub http: Option<SocketAddr>,
    /// The token that is asked for there.
    pub http_token_file: Option<PathBuf>,
    /// With these, switches and the other controller are spoken to by TLS.
    pub tls: Option<TlsFiles>,
    /// The other controller.
    pub rival: Option<Rival>,
    /// What tells the ranks of two controllers apart that were given the same priority; 8 bits.
    pub seed_of_rank: u16,
    /// Settings of the fabric.
    pub fabric: Config,
}

impl Arguments {
    /// Checks the arguments and reads the files they name. What the command line says goes before
    /// the file, lists as a whole.
    ///
    /// # Errors
    /// A value out of range, and a file that cannot be read or understood.
    pub fn settings(self) -> Result<Settings, Error> {
        let file = self.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let named =
            |name: &'static str| move |why: String| Error::Setting(format!("--{name} {why}"));
        let own_margin = self.margin.map(margin).transpose().map_err(named("margin"))?;
        let own_lease = self.lease.map(lease).transpose().map_err(named("lease"))?;
        let own_takeover = self.takeover.map(takeover).transpose().map_err(named("takeover"))?;
        let mut link_delays = file.link_delays.clone();
        if let Some(path) = &self.link_delays {
            link_delays.extend(read_link_delays(path)?);
        }
        link_delays.extend(self.link_delay);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = self.seed.or(file.seed).unwrap_or(since_epoch.as_nanos() as u64);
        let policy = Policy {
            allow: or_file(self.allow, &file.policy.allow),
            deny: or_file(self.deny, &file.policy.deny),
            cdn: or_file(Vec::new(), &file.policy.cdn),
        };
        let in_file: Vec<_> = items(&file.cdn).map(|cdn| cdn.0).collect();
        let default = Config::default();
        let timing = |written: &Option<Spanned<Span>>, default| {
            written.as_ref().map_or(default, |span| *span.get_ref())
        };
        let fabric = Config {
            virtual_range: self.virtual_range.or(file.virtual_range).unwrap_or_default(),
            cdn: if self.cdn.is_empty() { in_file } else { self.cdn },
            policy,
            margin: own_margin.or(file.margin.map(Spanned::into_inner)).unwrap_or(default.margin),
            observe_only: self.observe_only || file.observe_only.unwrap_or(false),
            link_delays,
            lease: own_lease.or(file.lease.map(Spanned::into_inner)).unwrap_or(default.lease),
            probe_interval: timing(&file.timing.probe_interval, default.probe_interval),
            settle: timing(&file.timing.settle, default.settle),
            echo_interval: timing(&file.timing.echo_interval, default.echo_interval),
            audit_interval: timing(&file.timing.audit_interval, default.audit_interval),
            seed: Seed::new(seed),
            probe_key: random()?,
            incarnation: u32::try_from(since_epoch.as_secs()).unwrap_or(u32::MAX / 2),
            limits: file.limits.limits(),
        };
        let own_tls = match (self.tls_cert, self.tls_key, self.tls_ca) {
            (Some(cert), Some(key), Some(ca)) => Some(TlsFiles { cert, key, ca }),
            _ => None,
        };
        let peer = file.peer.map(Spanned::into_inner).unwrap_or_default();
        let listen = self.peer_listen.or(peer.listen);
        let controller = self.peer_controller.or(peer.controller);
        let taken = peer.takeover.map(Spanned::into_inner);
        let rival = listen.zip(controller).map(|(listen, controller)| Rival {
            listen,
            controller,
            priority: self.priority.or(peer.priority).unwrap_or(100),
            takeover: own_takeover.or(taken).unwrap_or(Span::from_secs(1)),
        });
        let http = self.http.or(file.http);
        let http_token_file = self.http_token_file.or(file.http_token_file);
        if let Some(address) = http.filter(|http| !http.ip().is_loopback())
            && http_token_file.is_none()
        {
            return Err(Error::Setting(format!(
                "--http {address} is not on loopback, and whoever reaches it could read all: give a \
                 token with --http-token-file, or listen on 127.0.0.1"
            )));
        }
        let [rank] = random()?;
        Ok(Settings {
            listen: self.listen.or(file.listen).unwrap_or(LISTEN),
            app: self.app.or(file.app).unwrap_or(App::Fabric),
            workers: self.workers.or(file.workers).unwrap_or_else(workers).get(),
            events: self.events.or(file.events),
            http,
            http_token_file,
            tls: own_tls.or(file.tls.map(Spanned::into_inner)),
            rival,
            seed_of_rank: u16::from(rank),
            fabric,
        })
    }
}

/// A list of the command line, or else of the file.
fn or_file<T: Copy>(own: Vec<T>, file: &List<T>) -> Vec<T> {
    if own.is_empty() { items(file).collect() } else { own }
}

/// A part that the direct path must be shorter by.
pub(crate) fn margin(margin: f64) -> Result<f64, String> {
    let sound = (0.0..1.0).contains(&margin);
    sound.then_some(margin).ok_or(format!("{margin} is not a part from 0 to below 1, such as 0.1"))
}

/// How long an offer holds.
pub(crate) fn lease(span: Span) -> Result<Span, String> {
    between(span, Span::from_secs(1), Span::from_secs(3600))
}

/// How often something is done.
pub(crate) fn interval(span: Span) -> Result<Span, String> {
    between(span, Span::from_millis(10), Span::from_secs(3600))
}

/// How long the other controller is not heard.
pub(crate) fn takeover(span: Span) -> Result<Span, String> {
    between(span, Span::from_millis(100), Span::from_secs(60))
}

fn between(span: Span, least: Span, most: Span) -> Result<Span, String> {
    let sound = (least..=most).contains(&span);
    sound.then_some(span).ok_or(format!("{span} is not between {least} and {most}"))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut key = [0; N];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key)).map_err(
        |source| Error::System { what: "cannot draw random bytes from /dev/urandom", source },
    )?;
    Ok(key)
}

fn read_link_delays(path: &Path) -> Result<BTreeMap<String, Span>, Error> {
    let failed = |why: String| Error::LinkDelays { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    toml::from_str(&text).map_err(|error| failed(error.to_string().trim().to_owned()))
}

pub(crate) fn cdn(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, RTMP_PORT)))
        .map_err(|_| {
            "expected an address, such as 10.0.0.100, 10.0.0.100:1935, fd00::100 or [fd00::100]:1935"
                .to_owned()
        })
}

fn link_delay(text: &str) -> Result<(String, Span), String> {
    let (port, delay) = text
        .split_once('=')
        .filter(|(port, _)| !port.is_empty())
        .ok_or("expected the name of a switch port and a time, such as s1-eth1=8ms")?;
    Ok((port.to_owned(), delay.parse().map_err(|error| format!("{error}"))?))
}

impl std::str::FromStr for App {
    type Err = String;

    fn from_str(text: &str) -> Result<App, String> {
        <App as ValueEnum>::from_str(text, false)
            .map_err(|_| format!("`{text}` is no app: there are `fabric` and `learning`"))
    }
}

/// Reads a configuration file only to see whether it is sound.
///
/// # Errors
/// What is wrong with it, with line and field.
pub fn check(file: &Path) -> Result<(), Error> {
    File::read(file).map(drop)
}

/// As many as there are processors, but for one that the switches of this machine, or what stands
/// for them, need: on two processors two workers answer switches that wait half as fast as one does
/// (docs/controller-speed.md).
fn workers() -> NonZero<usize> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    NonZero::new(cores - 1).unwrap_or(NonZero::<usize>::MIN)
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
            "--cdn",
            "fd00::9",
            "--cdn",
            "[fd00::8]:1936",
            "--link-delay",
            "s1-eth1=8ms",
            "--seed",
            "7",
        ])
        .expect("sound arguments");
        let cdn: Vec<_> = settings.fabric.cdn.iter().map(ToString::to_string).collect();
        assert_eq!(cdn, ["10.0.0.9:1935", "10.0.0.8:1936", "[fd00::9]:1935", "[fd00::8]:1936"]);
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
            (["--http", "0.0.0.0:8080"], "--http-token-file"),
            (["--http", "[::]:8080"], "not on loopback"),
        ] {
            let error = parse(&arguments).expect_err(said);
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = "margin = 0.2\nlease = \"9s\"\ncdn = [\"10.0.0.9\"]\n\
                    [policy]\nallow = [\"10.1.0.0/16\"]\n[timing]\nsettle = \"1s\"\n";
        std::fs::write(file.path(), text).expect("written");
        let path = file.path().to_str().expect("a plain path");
        let settings = parse(&["--config", path, "--margin", "0.3", "--allow", "10.2.0.0/16"]);
        let fabric = settings.expect("sound").fabric;
        assert_eq!((fabric.margin, fabric.lease), (0.3, Span::from_secs(9)));
        assert_eq!(fabric.cdn[0].to_string(), "10.0.0.9:1935");
        assert_eq!(fabric.policy.allow, ["10.2.0.0/16".parse().expect("a subnet")]);
        assert_eq!(fabric.settle, Span::from_secs(1));
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
