//! What the tests against real programs share.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::disallowed_methods, reason = "real programs take real time")]

mod reserved;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nearcast_media::rtmp::{Client, ClientConfig, ClientEvent, Settings, Side};
use nearcast_media::{Media, Role, flv};
use reserved::Reserved;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The media of the clip with three temporal layers.
pub fn clip() -> Vec<Media> {
    let file = capture_bytes("layers.flv");
    let mut rest = &file[flv::HEADER.len()..];
    let mut media = Vec::new();
    while !rest.is_empty() {
        let (tag, length) = flv::parse_tag(rest).expect("a whole tag");
        media.extend(tag);
        rest = &rest[length..];
    }
    media
}

fn capture_bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded connection: who sent what, in order.
pub fn capture(name: &str) -> Vec<(Side, Vec<u8>)> {
    let file = capture_bytes(name);
    let (mut rest, mut records) = (&file[..], Vec::new());
    while let [side, a, b, c, d, after @ ..] = rest {
        let side = if *side == 0 { Side::Client } else { Side::Server };
        let (bytes, after) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        records.push((side, bytes.to_vec()));
        rest = after;
    }
    records
}

/// An nginx-rtmp of our own, on a free port of the loopback, in a folder that goes with it.
pub struct Nginx {
    process: Child,
    listen: Reserved,
    _folder: tempfile::TempDir,
}

impl Nginx {
    pub fn start() -> Nginx {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listen = Reserved::new();
        let address = listen.address;
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
             daemon off; master_process off; worker_processes 1;
             error_log stderr warn; pid nginx.pid;
             events {{ worker_connections 64; }}
             rtmp {{ server {{ listen {address}; chunk_size 4096;
               application live {{ live on; idle_streams off; wait_key off; }} }} }}"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, config).expect("the configuration is written");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).expect("a log"))
            .spawn()
            .expect("nginx is installed (Debian: nginx-light libnginx-mod-rtmp)");
        let mut nginx = Nginx { process, listen, _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = nginx._folder.path().join("stderr");
            let log = || fs::read_to_string(&log).unwrap_or_default();
            let ended = nginx.process.try_wait().expect("our child");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "no nginx: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
        nginx
    }

    /// A client of this server.
    pub fn client(&self, role: Role, key: &str, pipeline: bool) -> Connection {
        let url = format!("rtmp://{}/live/{key}", self.listen.address).parse().expect("a URL");
        let client =
            Client::new(ClientConfig { url, role, pipeline, settings: Settings::default() });
        let socket = TcpStream::connect(self.listen.address).expect("nginx listens");
        socket.set_nodelay(true).expect("a TCP socket");
        Connection { client, socket, flights: 0 }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client and its socket.
pub struct Connection {
    pub client: Client,
    socket: TcpStream,
    /// How often it had something to say.
    pub flights: usize,
}

impl Connection {
    /// Sends what there is to send.
    pub fn flush(&mut self) {
        self.flights += usize::from(self.client.pending() > 0);
        while let Some(bytes) = self.client.output() {
            self.socket.write_all(&bytes).expect("the server reads");
        }
    }

    /// The next event, which must come.
    pub fn event(&mut self) -> ClientEvent {
        self.event_unless_closed().expect("the server stays")
    }

    /// The next event; `None` if the server closed instead.
    pub fn event_unless_closed(&mut self) -> Option<ClientEvent> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.flush();
            if let Some(event) = self.client.poll() {
                return Some(event);
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no event before patience runs out");
            self.socket.set_read_timeout(Some(left)).expect("a span above zero");
            let mut buffer = [0; 64 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => {
                    self.client.receive(&buffer[..n]).expect("nginx speaks RTMP");
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Fails with the first message that differs, not with all of them.
pub fn assert_same(found: &[Media], expected: &[Media]) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "message {i}");
    }
    assert_eq!(found.len(), expected.len(), "as many messages");
}
