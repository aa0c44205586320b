//! The programs that take part, and how each is called.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use nearcast_media::StreamName;

use super::nginx;
use crate::Failure;
use crate::clip::{Clip, FRAMECRC};
use crate::scenario::Player;
use crate::world::find_program;

/// How much of a stream FFmpeg's demuxer looks at before it plays, bytes: less than the first IDR
/// frame, more than the metadata before it (with 32, as is often advised, a player that joins late
/// finds nothing but metadata, and gives up).
const PROBE: &str = "2048";

/// Where the CDN seed listens, beside the CDN's nginx.
const SEED_PORT: u16 = 7935;

pub(crate) fn controller(
    listen: SocketAddr,
    cdn: Ipv4Addr,
    link_delays: &[(String, nearcast_machine::Span)],
    seed: u64,
    events: &Path,
) -> Result<Command, Failure> {
    let mut command = Command::new(find_program("nearcast-controller")?);
    command.args([
        "--listen",
        &listen.to_string(),
        "--cdn",
        &cdn.to_string(),
        "--seed",
        &seed.to_string(),
    ]);
    for (port, delay) in link_delays {
        command.args(["--link-delay", &format!("{port}={delay}")]);
    }
    command.arg("--events").arg(events);
    Ok(command)
}

pub(crate) fn nginx(prefix: &Path) -> Result<Command, Failure> {
    let program = crate::world::find_system_program("nginx")
        .ok_or("nginx is not installed; apt install libnginx-mod-rtmp")?;
    let mut command = Command::new(program);
    command.arg("-p").arg(prefix).arg("-c").arg(prefix.join("nginx.conf")).args(["-e", "stderr"]);
    Ok(command)
}

/// What a peer is told, whatever it is.
pub(super) struct PeerSettings<'a> {
    pub cdn: Ipv4Addr,
    pub peering: bool,
    pub events: &'a Path,
}

impl PeerSettings<'_> {
    fn command(&self, role: &str, cdn: &str) -> Result<Command, Failure> {
        let mut command = Command::new(find_program("nearcast-peer")?);
        // On the hosts that are emulated each peer has a processor to itself.
        command.args([role, "--cdn", cdn, "--realtime", "--events"]).arg(self.events);
        Ok(command)
    }

    fn with_peering(&self, role: &str) -> Result<Command, Failure> {
        let mut command = self.command(role, &format!("rtmp://{}", self.cdn))?;
        command.args(["--peering", if self.peering { "on" } else { "off" }]);
        Ok(command)
    }

    pub(super) fn broadcaster(&self) -> Result<Command, Failure> {
        self.with_peering("broadcast")
    }

    pub(super) fn viewer(&self) -> Result<Command, Failure> {
        let mut command = self.with_peering("view")?;
        command.args(["--seed", &format!("{}:{SEED_PORT}", self.cdn)]);
        Ok(command)
    }

    pub(super) fn seed(&self, key: &StreamName) -> Result<Command, Failure> {
        let mut command = self.command("seed", "rtmp://127.0.0.1")?;
        command.args(["--allow", key.as_str()]);
        Ok(command)
    }
}

/// The encoder: the clip in real time, to the broadcaster's peer.
pub(crate) fn publisher(clip: &Clip, key: &StreamName, no_burst: bool) -> Command {
    let mut command = ffmpeg();
    command.arg("-re");
    if no_burst {
        // From 6.1 on FFmpeg sends the first half second at once unless told otherwise.
        command.args(["-readrate_initial_burst", "0.001"]);
    }
    command.arg("-i").arg(&clip.file).args(["-c", "copy", "-f", "flv", "-tcp_nodelay", "1"]);
    command.arg(format!("rtmp://127.0.0.1/{key}"));
    command
}

/// A player of the stream that the viewer's peer serves.
pub(super) fn player(player: Player, key: &StreamName) -> Command {
    let url = format!("rtmp://127.0.0.1/{key}");
    let mut command = Command::new(player.program());
    match player {
        Player::Ffmpeg => {
            command = ffmpeg();
            command.args([
                "-threads",
                "1",
                "-probesize",
                PROBE,
                "-tcp_nodelay",
                "1",
                "-i",
                &url,
                "-an",
            ]);
            command.args(FRAMECRC).arg("-");
        }
        Player::Rtmpdump => {
            command.args(["--quiet", "--live", "--rtmp", &url, "--flv", "/dev/null"]);
        }
        Player::Mplayer => {
            command.args([
                "-really-quiet",
                "-nolirc",
                "-noconsolecontrols",
                "-nosound",
                "-vo",
                "null",
                "-nocache",
            ]);
            command.args(["-lavfdopts", &format!("probesize={PROBE}"), &url]);
        }
        Player::Mpv => {
            command.args([
                "--no-config",
                "--really-quiet",
                "--profile=low-latency",
                "--vo=null",
                "--no-audio",
            ]);
            command.arg(&url);
        }
    }
    command
}

/// A HLS player at the CDN: FFmpeg reads playlist and fragments, the witness notes each frame.
pub(super) fn hls_player(
    cdn: Ipv4Addr,
    key: &StreamName,
    events: &Path,
) -> Result<Command, Failure> {
    let url = format!("http://{cdn}:{}/hls/{}.m3u8", nginx::HTTP_PORT, key.key());
    let mut command = Command::new("sh");
    // Arguments, not text, are what the shell is given: no name can become a command.
    command.args([
        "-c",
        "ffmpeg -nostdin -hide_banner -loglevel error -probesize 50000 -i \"$1\" -c copy -f h264 -flush_packets 1 - \
         | \"$2\" witness --events \"$3\"",
        "hls-player",
        &url,
    ]);
    command.arg(find_program("nearcast-peer")?).arg(events);
    Ok(command)
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error"]);
    command
}
