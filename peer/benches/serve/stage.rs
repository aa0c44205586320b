//! What is served and who serves it: FFmpeg, the broadcaster's peer, nginx-rtmp and the seed, at
//! addresses of their own on loopback.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const STREAM: &str = "live/cam";
/// Of the clip, which is published over and over.
const SECONDS: u64 = 20;

/// A program that ends with this value.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Program {
        let name = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Program(
            child.unwrap_or_else(|error| panic!("{} cannot be started: {error}", name.display())),
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// All of them.
pub(crate) struct Stage {
    net: [u8; 3],
    bitrate: u64,
    // In this order they end.
    _encoder: Program,
    _broadcaster: Program,
    seed: Program,
    nginx: Program,
    _folder: TempDir,
}

impl Stage {
    /// Begins to publish, in slices that fit a chunk or not, for so many receivers. `program`:
    /// another nearcast-peer than this build's.
    pub(crate) fn new(slices: bool, receivers: usize, program: Option<&Path>) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let process = std::process::id();
        let net = [127, 30 + (process % 200) as u8, (process >> 8) as u8];
        let peer = program.unwrap_or(Path::new(env!("CARGO_BIN_EXE_nearcast-peer")));
        let clip = clip(folder.path(), slices);
        let bitrate = fs::metadata(&clip).expect("the clip").len() * 8 / SECONDS;

        let seed = Program::start(&mut seed(peer, net, receivers));
        let nginx = nginx(folder.path(), host(net, 3), receivers);
        let broadcaster = Program::start(&mut broadcaster(peer, net));
        wait_for(SocketAddrV4::new(host(net, 1), 1935));
        let mut encoder = Command::new("ffmpeg");
        encoder.args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i"]).arg(&clip);
        encoder.args(["-c", "copy", "-tcp_nodelay", "1", "-f", "flv"]);
        encoder.arg(format!("rtmp://{}/{STREAM}", host(net, 1)));
        let encoder = Program::start(&mut encoder);
        Stage {
            net,
            bitrate,
            _encoder: encoder,
            _broadcaster: broadcaster,
            seed,
            nginx,
            _folder: folder,
        }
    }

    /// The stream at nginx.
    pub(crate) fn url(&self) -> String {
        format!("rtmp://{}/{STREAM}", host(self.net, 3))
    }

    pub(crate) fn seed_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(host(self.net, 3), 7935)
    }

    /// Its process.
    pub(crate) fn seed(&self) -> u32 {
        self.seed.0.id()
    }

    /// Its process.
    pub(crate) fn nginx(&self) -> u32 {
        self.nginx.0.id()
    }

    /// Of the clip, in bits per second.
    pub(crate) fn bitrate(&self) -> u64 {
        self.bitrate
    }
}

fn host([a, b, c]: [u8; 3], n: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, n)
}

/// A clip that is hard enough to take its 600 kbit/s.
fn clip(folder: &Path, slices: bool) -> PathBuf {
    let path = folder.join("clip.flv");
    let video = "testsrc2=size=704x576:rate=30,noise=alls=4:allf=t:all_seed=1";
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", video]);
    command.args(["-t", &SECONDS.to_string(), "-c:v", "libx264", "-preset", "veryfast"]);
    command.args(["-b:v", "610k", "-maxrate", "700k", "-bufsize", "700k", "-pix_fmt", "yuv420p"]);
    match slices {
        true => command.args(["-bf", "3", "-b_strategy", "0", "-x264-params"]).arg(
            "b-pyramid=normal:keyint=64:min-keyint=64:scenecut=0:open-gop=0:ref=1:weightp=0:\
             slice-max-size=1130",
        ),
        false => command.args(["-bf", "2", "-g", "60"]),
    };
    let status = command.arg(&path).status().expect("FFmpeg is installed");
    assert!(status.success(), "the clip could not be made");
    path
}

fn broadcaster(peer: &Path, net: [u8; 3]) -> Command {
    let (own, cdn) = (host(net, 1), host(net, 3));
    let mut command = Command::new(peer);
    command.args(["broadcast", "--sign", "on", "--cdn", &format!("rtmp://{cdn}")]);
    command.args(["--listen", &format!("{own}:1935"), "--http", &format!("{own}:7936")]);
    command.args(["--udp", &format!("{own}:7935")]);
    command
}

/// Limits that are no limits.
fn seed(peer: &Path, net: [u8; 3], receivers: usize) -> Command {
    let cdn = host(net, 3);
    let mut command = Command::new(peer);
    command.args(["seed", "--allow", STREAM, "--cdn", &format!("rtmp://{cdn}")]);
    command.args(["--udp", &format!("{cdn}:7935"), "--http", &format!("{cdn}:7936")]);
    command.args(["--clients", &(receivers + 256).to_string(), "--rate", "100Gbit/s"]);
    command.args(["--mesh", "--upload", "10Gbit/s"]);
    command
}

/// One process, which is the worker, as Debian's module is set up by its documentation.
fn nginx(folder: &Path, cdn: Ipv4Addr, receivers: usize) -> Program {
    let prefix = folder.join("nginx");
    fs::create_dir_all(prefix.join("tmp")).expect("a folder for nginx");
    let connections = receivers + 256;
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
         daemon off; master_process off; pid nginx.pid; error_log error.log error;
         worker_rlimit_nofile {connections};
         events {{ worker_connections {connections}; }}
         rtmp {{ access_log off; server {{ listen {cdn}:1935; chunk_size 4096;
             application live {{ live on; idle_streams off;
                 on_publish http://{cdn}:7936/on_publish;
                 on_publish_done http://{cdn}:7936/on_publish_done; }} }} }}"
    );
    let file = prefix.join("nginx.conf");
    fs::write(&file, config).expect("nginx's configuration");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&prefix).arg("-e").arg(prefix.join("error.log")).arg("-c").arg(&file);
    let program = Program::start(&mut command);
    wait_for(SocketAddrV4::new(cdn, 1935));
    program
}

fn wait_for(address: SocketAddrV4) {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody listens at {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
