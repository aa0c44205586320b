use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use nearcast_engine::mesh::System;
use nearcast_machine::{Bitrate, Span};
use nearcast_media::{StreamName, peering};

use crate::address::{CdnUrl, VirtualRange};
use crate::keys::PublicKey;

/// A livestream by the short way: between near hosts through the switch, with the CDN behind it.
#[derive(Debug, Parser)]
#[command(name = "nearcast-peer", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Each command has examples: nearcast-peer view --help")]
pub struct Cli {
    /// What to be.
    #[command(subcommand)]
    pub command: Command,
}

/// What a peer can be.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Beside the encoder: takes the stream from OBS or FFmpeg, stamps it, sends it to the near
    /// viewers and to the CDN
    #[command(after_help = BROADCAST_EXAMPLES)]
    Broadcast(BroadcastArgs),
    /// Beside the players: plays the stream by the shortest way and serves it to any player here
    #[command(after_help = VIEW_EXAMPLES)]
    View(ViewArgs),
    /// Beside the CDN's nginx-rtmp: answers requests for chunks that no neighbour has
    #[command(after_help = SEED_EXAMPLES)]
    Seed(SeedArgs),
    /// Beside the players where no switch helps: plays the stream out of the LayerP2P mesh, gives
    /// others of it, and serves it to any player here
    #[command(after_help = MESH_EXAMPLES)]
    Mesh(MeshArgs),
    /// Tells the peers of a mesh of each other
    #[command(after_help = TRACKER_EXAMPLES)]
    Tracker(TrackerArgs),
    /// Reads a H.264 elementary stream on standard input and notes when each stamped frame came
    #[command(after_help = WITNESS_EXAMPLES)]
    Witness(WitnessArgs),
}

const BROADCAST_EXAMPLES: &str = "\
Examples:
  nearcast-peer broadcast --cdn rtmp://10.0.0.3
  ffmpeg -re -i clip.mp4 -c copy -f flv rtmp://127.0.0.1/live/cam
What is published here as live/cam is published at the CDN as live/cam.";

const VIEW_EXAMPLES: &str = "\
Examples:
  nearcast-peer view --cdn rtmp://10.0.0.3 --seed 10.0.0.3:7935
  mpv rtmp://127.0.0.1/live/cam
  ffplay http://127.0.0.1:8080/live/cam.flv
Measured without a player:
  nearcast-peer view --cdn rtmp://10.0.0.3 --play live/cam --events frames.jsonl
Giving what the switch brings on to a mesh:
  nearcast-peer view --cdn rtmp://10.0.0.3 --mesh 10.0.0.3:7937 --upload 1Mbit/s";

const SEED_EXAMPLES: &str = "\
Example:
  nearcast-peer seed --cdn rtmp://127.0.0.1 --allow live/cam
and in the application block of nginx.conf:
  on_publish      http://127.0.0.1:7936/on_publish;
  on_publish_done http://127.0.0.1:7936/on_publish_done;
  idle_streams    off;";

const MESH_EXAMPLES: &str = "\
Examples:
  nearcast-peer mesh --tracker 10.0.0.3:7937 --upload 400kbit/s
  mpv rtmp://127.0.0.1/live/cam
With the seed beside the CDN for what no neighbour has in time, and settings from a file:
  nearcast-peer mesh --tracker 10.0.0.3:7937 --seed 10.0.0.3:7935 --settings mesh.toml
and the broadcaster's own word for what is its stream, beside which no other is taken:
  nearcast-peer mesh --tracker 10.0.0.3:7937 --key 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60
A file of settings has any of those of docs/layerp2p.md:
  system = \"single-incent\"
  lag = \"10s\"
  neighbours_min = 5";

const TRACKER_EXAMPLES: &str = "\
Example:
  nearcast-peer tracker --udp 10.0.0.3:7937
  nearcast-peer broadcast --cdn rtmp://10.0.0.3 --mesh 10.0.0.3:7937 --upload 2Mbit/s";

const WITNESS_EXAMPLES: &str = "\
Example (HLS):
  ffmpeg -i http://10.0.0.3/hls/cam.m3u8 -c copy -f h264 - | nearcast-peer witness --events hls.jsonl";

/// What every role that talks to the network takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The CDN's RTMP server
    #[arg(long, value_name = "rtmp://HOST[:PORT]")]
    pub cdn: CdnUrl,
    /// Where to listen for offers, chunks and requests
    #[arg(long, value_name = "ADDR:PORT", default_value_t = everywhere(peering::PORT))]
    pub udp: SocketAddrV4,
    /// Virtual range of the controller; its first address may send offers
    #[arg(long = "virtual", value_name = "NET/BITS", default_value = "10.254.0.0/16")]
    pub virtual_range: VirtualRange,
    /// Write events to FILE as JSON lines, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Run with real-time priority (SCHED_RR 1) where that is permitted
    #[arg(long)]
    pub realtime: bool,
}

/// A switch in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// Take offers.
    On,
    /// Answer no offer: the plain CDN way, for comparison.
    Off,
}

/// How to behave in the mesh.
#[derive(Debug, Clone, Args)]
pub struct MeshPolicy {
    /// How much to give others [default: `mesh` 1Mbit/s, `broadcast` and `view` 2Mbit/s, `seed`
    /// 100Mbit/s]
    #[arg(long, value_name = "RATE")]
    pub upload: Option<Bitrate>,
    /// Which system: layerp2p, single-incent or single-layer [default: layerp2p]
    #[arg(long, value_name = "NAME")]
    pub system: Option<System>,
    /// Settings of the mesh as TOML; --upload and --system go before it
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

/// `nearcast-peer mesh`
#[derive(Debug, Clone, Args)]
pub struct MeshArgs {
    /// Who knows the other peers
    #[arg(long, value_name = "ADDR:PORT")]
    pub tracker: SocketAddrV4,
    /// The seed beside the CDN, asked for what no neighbour has in time
    #[arg(long, value_name = "ADDR:PORT")]
    pub seed: Option<SocketAddrV4>,
    /// The broadcaster's public key, which it notes when it begins: no chunk is played or passed on
    /// that it has not signed. By default the seed is asked for it; without either, chunks are not
    /// verified
    #[arg(long, value_name = "HEX")]
    pub key: Option<PublicKey>,
    /// Where to listen for other peers
    #[arg(long, value_name = "ADDR:PORT", default_value_t = everywhere(peering::PORT))]
    pub udp: SocketAddrV4,
    /// How to behave.
    #[command(flatten)]
    pub policy: MeshPolicy,
    /// Where players open rtmp://ADDR:PORT/app/key
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(1935))]
    pub listen: SocketAddrV4,
    /// Where players open http://ADDR:PORT/app/key.flv, and GET /status and /metrics are answered
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(8080))]
    pub http: SocketAddrV4,
    /// Play this stream at once, without a player (repeatable)
    #[arg(long, value_name = "APP/KEY")]
    pub play: Vec<StreamName>,
    /// Play this stream at once and write it to FILE as FLV (repeatable)
    #[arg(long, value_name = "APP/KEY=FILE")]
    pub record: Vec<Recording>,
    /// Write events to FILE as JSON lines, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Run with real-time priority (SCHED_RR 1) where that is permitted
    #[arg(long)]
    pub realtime: bool,
}

/// `nearcast-peer tracker`
#[derive(Debug, Clone, Args)]
pub struct TrackerArgs {
    /// Where to listen for peers
    #[arg(long, value_name = "ADDR:PORT", default_value_t = everywhere(7937))]
    pub udp: SocketAddrV4,
    /// Where GET /status and /metrics are answered
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(7938))]
    pub http: SocketAddrV4,
    /// How long a peer is believed to be there after it said so
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub life: Span,
    /// Most streams
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub streams: usize,
    /// Most peers of a stream
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub peers: usize,
    /// Most peers of one host and stream
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub host_peers: u16,
    /// Most streams that are there because one host spoke of them first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub host_streams: u16,
    /// Write events to FILE as JSON lines, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

/// `nearcast-peer broadcast`
#[derive(Debug, Clone, Args)]
pub struct BroadcastArgs {
    /// What every role takes.
    #[command(flatten)]
    pub common: Common,
    /// Where OBS or FFmpeg publishes to
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(1935))]
    pub listen: SocketAddrV4,
    /// Where GET /status and /metrics are answered
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(7936))]
    pub http: SocketAddrV4,
    /// Whether to take part in peerings
    #[arg(long, value_enum, default_value_t = OnOff::On)]
    pub peering: OnOff,
    /// Be a source of the LayerP2P mesh as well, and tell this tracker
    #[arg(long, value_name = "TRACKER:PORT")]
    pub mesh: Option<SocketAddrV4>,
    /// How to behave there.
    #[command(flatten)]
    pub policy: MeshPolicy,
    /// Whether to sign the stream's chunks, for the mesh to tell them from others'
    #[arg(long, value_enum, default_value_t = Sign::Mesh)]
    pub sign: Sign,
    /// Sign with the key in FILE, which is made if it is not there; by default with a new one each
    /// time
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
}

/// When a broadcaster signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sign {
    /// If it is a source of the mesh itself.
    Mesh,
    /// Always: the seed beside the CDN may be a source of the mesh.
    On,
    /// Never.
    Off,
}

/// `nearcast-peer view`
#[derive(Debug, Clone, Args)]
pub struct ViewArgs {
    /// What every role takes.
    #[command(flatten)]
    pub common: Common,
    /// The seed beside the CDN, asked for what no neighbour has
    #[arg(long, value_name = "ADDR:PORT")]
    pub seed: Option<SocketAddrV4>,
    /// Where players open rtmp://ADDR:PORT/app/key
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(1935))]
    pub listen: SocketAddrV4,
    /// Where players open http://ADDR:PORT/app/key.flv, and GET /status and /metrics are answered
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(8080))]
    pub http: SocketAddrV4,
    /// Whether to take part in peerings
    #[arg(long, value_enum, default_value_t = OnOff::On)]
    pub peering: OnOff,
    /// Give what comes on to the LayerP2P mesh as one of its sources, and tell this tracker
    #[arg(long, value_name = "TRACKER:PORT")]
    pub mesh: Option<SocketAddrV4>,
    /// How to behave there.
    #[command(flatten)]
    pub policy: MeshPolicy,
    /// Play this stream at once, without a player (repeatable)
    #[arg(long, value_name = "APP/KEY")]
    pub play: Vec<StreamName>,
    /// Play this stream at once and write it to FILE as FLV (repeatable)
    #[arg(long, value_name = "APP/KEY=FILE")]
    pub record: Vec<Recording>,
}

/// `nearcast-peer seed`
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("who").required(true).args(["allow", "allow_any"]))]
pub struct SeedArgs {
    /// What every role takes.
    #[command(flatten)]
    pub common: Common,
    /// Where nginx calls on_publish and on_publish_done, and GET /status and /metrics are answered
    #[arg(long, value_name = "ADDR:PORT", default_value_t = local(7936))]
    pub http: SocketAddrV4,
    /// Admit publishers of this stream (repeatable); others are refused
    #[arg(long, value_name = "APP/KEY")]
    pub allow: Vec<StreamName>,
    /// Admit every publisher
    #[arg(long)]
    pub allow_any: bool,
    /// Most that clients may be sent in all, apart from the mesh
    #[arg(long, value_name = "RATE", default_value = "100Mbit/s")]
    pub rate: Bitrate,
    /// Most clients at a time, apart from the mesh
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub clients: usize,
    /// Answer the LayerP2P mesh as well: to those who ask here for what nobody else has in time
    #[arg(long)]
    pub mesh: bool,
    /// Tell this tracker, as any source of the mesh does
    #[arg(long, value_name = "ADDR:PORT", requires = "mesh")]
    pub tracker: Option<SocketAddrV4>,
    /// How to behave there.
    #[command(flatten)]
    pub policy: MeshPolicy,
}

/// `nearcast-peer witness`
#[derive(Debug, Clone, Args)]
pub struct WitnessArgs {
    /// What is read
    #[arg(long, value_enum, default_value_t = Elementary::H264)]
    pub format: Elementary,
    /// Write events to FILE as JSON lines, `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub events: PathBuf,
}

/// Elementary streams that carry stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Elementary {
    /// H.264 with Annex B start codes.
    H264,
}

/// A stream, and the file it is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Which stream.
    pub stream: StreamName,
    /// Made anew.
    pub file: PathBuf,
}

impl FromStr for Recording {
    type Err = String;

    fn from_str(text: &str) -> Result<Recording, String> {
        let wrong = || format!("`{text}` is not a stream and a file such as live/cam=cam.flv");
        let (stream, file) = text.split_once('=').ok_or_else(wrong)?;
        if file.is_empty() {
            return Err(wrong());
        }
        Ok(Recording { stream: stream.parse().map_err(|_| wrong())?, file: file.into() })
    }
}

const fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

const fn everywhere(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)
}

impl SeedArgs {
    /// Whether `stream` may be published.
    pub(crate) fn allows(&self, stream: &StreamName) -> bool {
        self.allow_any || self.allow.contains(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (line, hint) in [
            ("view --cdn http://10.0.0.3", "rtmp://10.0.0.3"),
            ("view --cdn rtmp://10.0.0.3 --play cam", "app/key"),
            ("view --cdn rtmp://10.0.0.3 --virtual 10.254.0.0", "10.254.0.0/16"),
            ("seed --cdn rtmp://127.0.0.1", "--allow"),
            ("broadcast", "--cdn"),
            ("mesh", "--tracker"),
            ("mesh --tracker 10.0.0.3:7937 --record live/cam", "live/cam=cam.flv"),
            ("mesh --tracker 10.0.0.3:7937 --record cam=cam.flv", "live/cam=cam.flv"),
            ("mesh --tracker 10.0.0.3:7937 --system napster", "single-incent"),
            ("mesh --tracker 10.0.0.3:7937 --upload 400", "kbit/s"),
            ("mesh --tracker 10.0.0.3:7937 --key 7f", "64 hexadecimal"),
        ] {
            let words = std::iter::once("nearcast-peer").chain(line.split(' '));
            let error = Cli::try_parse_from(words).expect_err(line).to_string();
            assert!(error.contains(hint), "`{line}` says: {error}");
        }
    }

    #[test]
    fn a_seed_admits_only_what_it_was_told() {
        let words = "nearcast-peer seed --cdn rtmp://127.0.0.1 --allow live/a --allow live/b";
        let cli = Cli::try_parse_from(words.split(' ')).expect("a command line");
        let Command::Seed(args) = cli.command else { panic!("it is a seed") };
        let allows = |name: &str| args.allows(&name.parse().expect("a name"));
        assert!(allows("live/a") && allows("live/b"));
        assert!(!allows("live/c") && !allows("live/a/b"));
    }
}
