//! A small world on loopback for tests: an nginx-rtmp of its own, FFmpeg as encoder and as player,
//! and the program under test. Each world has addresses of its own (127.x.y.0/24), so worlds can
//! stand side by side and every program can have its usual port.

#![allow(dead_code)] // Each test file uses its own part of it.

pub(crate) mod mesh;
pub(crate) mod polluter;
pub(crate) mod switch;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use nearcast_peer::events::{Event, Frame, Record, Summary};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Addresses, files and the end of it all.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    net: [u8; 3],
}

impl World {
    pub(crate) fn new() -> World {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let folder = tempfile::tempdir().expect("a folder for the test");
        let pid = std::process::id();
        let host = 1 + (pid % 120) as u8;
        let net = [127, 100 + host, NEXT.fetch_add(1, Ordering::Relaxed) ^ (pid >> 7) as u8];
        World { folder, net }
    }

    /// Host `n` of this world.
    pub(crate) fn host(&self, n: u8) -> Ipv4Addr {
        let [a, b, c] = self.net;
        Ipv4Addr::new(a, b, c, n)
    }

    /// The virtual range: the half of the network that no host has.
    pub(crate) fn range(&self) -> String {
        format!("{}/25", self.host(128))
    }

    pub(crate) fn cdn(&self) -> Ipv4Addr {
        self.host(3)
    }

    /// A clip with B-frames and sound and a keyframe each second; the same bytes every time.
    pub(crate) fn clip(&self, seconds: u32) -> PathBuf {
        self.clip_with(seconds, 30)
    }

    /// A clip with a keyframe each `group` pictures.
    pub(crate) fn clip_with(&self, seconds: u32, group: u32) -> PathBuf {
        let path = self.folder.path().join("clip.flv");
        let video = "testsrc2=size=320x180:rate=30";
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", video])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"])
            .args(["-t", &seconds.to_string(), "-threads", "1"])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"])
            .args(["-g", &group.to_string()])
            .args(["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k"])
            .arg(&path)
            .status()
            .expect("FFmpeg is installed");
        assert!(status.success(), "the clip could not be made");
        path
    }

    /// A clip of about 600 kbit/s in three temporal layers, without sound, in slices that fit a
    /// chunk.
    pub(crate) fn layered_clip(&self, seconds: u32) -> PathBuf {
        let path = self.folder.path().join("layered.flv");
        let video = "testsrc2=size=352x288:rate=30,noise=alls=6:allf=t:all_seed=1";
        let x264 = "b-pyramid=normal:keyint=32:min-keyint=32:scenecut=0:open-gop=0:ref=1:\
                    weightp=0:slice-max-size=1130:vbv-maxrate=640:vbv-bufsize=320";
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", video])
            .args(["-t", &seconds.to_string(), "-threads", "1"])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-b_strategy", "0"])
            .args(["-b:v", "600k", "-pix_fmt", "yuv420p", "-x264-params", x264])
            .arg(&path)
            .status()
            .expect("FFmpeg is installed");
        assert!(status.success(), "the clip could not be made");
        path
    }

    /// Publishes `clip` in real time.
    pub(crate) fn publish(&self, clip: &Path, to: Ipv4Addr, stream: &str) -> Program {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-re", "-i"]).arg(clip);
        command.args(["-c", "copy", "-tcp_nodelay", "1", "-f", "flv"]);
        command.arg(format!("rtmp://{to}/{stream}"));
        Program::start("encoder", command)
    }

    /// Decodes the pictures of `url`; its output is one checksum per picture.
    pub(crate) fn play(&self, url: &str) -> Program {
        let mut command = Command::new("ffmpeg");
        // No small probe: with sound, FFmpeg would settle for the stream it sees first.
        command.args(["-v", "error", "-nostdin", "-threads", "1", "-i", url]);
        command.args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framecrc"]);
        command.args(["-flush_packets", "1", "-"]);
        Program::start("player", command)
    }

    /// Starts `nearcast-peer`; it listens when this returns.
    pub(crate) fn peer(&self, role: &str, name: &str, arguments: &[&str]) -> Peer {
        let events = self.folder.path().join(format!("{name}.jsonl"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast-peer"));
        command.arg(role).args(arguments).arg("--events").arg(&events);
        let program = Program::start(name, command);
        let mut peer = Peer { program, events };
        let started = |event: &Event| matches!(event, Event::Started { .. });
        peer.wait_for("that it listens", Duration::from_secs(10), started);
        peer
    }

    /// The broadcaster's peer, at host 1.
    pub(crate) fn broadcaster(&self, more: &[&str]) -> Peer {
        let (host, cdn, range) = (self.host(1), self.cdn(), self.range());
        let mut arguments = vec!["--cdn".to_owned(), format!("rtmp://{cdn}")];
        arguments.extend(["--listen".to_owned(), format!("{host}:1935")]);
        arguments.extend(["--udp".to_owned(), format!("{host}:7935")]);
        arguments.extend(["--http".to_owned(), format!("{host}:7936")]);
        arguments.extend(["--virtual".to_owned(), range]);
        let arguments: Vec<&str> =
            arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.peer("broadcast", "broadcaster", &arguments)
    }

    /// A viewer's peer, at host `n`.
    pub(crate) fn viewer(&self, n: u8, more: &[&str]) -> Peer {
        let (host, cdn, range) = (self.host(n), self.cdn(), self.range());
        let mut arguments = vec!["--cdn".to_owned(), format!("rtmp://{cdn}")];
        arguments.extend(["--listen".to_owned(), format!("{host}:1935")]);
        arguments.extend(["--udp".to_owned(), format!("{host}:7935")]);
        arguments.extend(["--http".to_owned(), format!("{host}:8080")]);
        arguments.extend(["--virtual".to_owned(), range]);
        let arguments: Vec<&str> =
            arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.peer("view", &format!("viewer{n}"), &arguments)
    }

    /// The seed, at the CDN.
    pub(crate) fn seed(&self, more: &[&str]) -> Peer {
        let cdn = self.cdn();
        let mut arguments = vec!["--cdn".to_owned(), format!("rtmp://{cdn}")];
        arguments.extend(["--udp".to_owned(), format!("{cdn}:7935")]);
        arguments.extend(["--http".to_owned(), format!("{cdn}:7936")]);
        let arguments: Vec<&str> =
            arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.peer("seed", "seed", &arguments)
    }

    /// nginx-rtmp; `callbacks` asks the seed about publishers.
    pub(crate) fn nginx(&self, callbacks: bool) -> Program {
        let cdn = self.cdn();
        let prefix = self.folder.path().join("nginx");
        fs::create_dir_all(prefix.join("tmp")).expect("a folder for nginx");
        let calls = match callbacks {
            true => format!(
                "on_publish http://{cdn}:7936/on_publish;
                 on_publish_done http://{cdn}:7936/on_publish_done;"
            ),
            false => String::new(),
        };
        // One process, so that killing it is killing it.
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
             daemon off; master_process off; pid nginx.pid; error_log error.log info;
             events {{ worker_connections 256; }}
             rtmp {{ server {{ listen {cdn}:1935; chunk_size 4096;
                 application live {{ live on; idle_streams off; {calls} }} }} }}"
        );
        let file = prefix.join("nginx.conf");
        fs::write(&file, config).expect("nginx's configuration");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&prefix).arg("-e").arg(prefix.join("error.log"));
        command.arg("-c").arg(&file);
        let program = Program::start("nginx", command);
        wait_until("nginx listens", Duration::from_secs(10), || {
            TcpStream::connect((cdn, 1935)).is_ok()
        });
        program
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("what the programs wrote is kept in {}", self.folder.path().display());
        }
    }
}

/// A program that is ended with the test.
pub(crate) struct Program {
    name: String,
    child: Child,
    output: Option<std::thread::JoinHandle<String>>,
}

impl Program {
    pub(crate) fn start(name: &str, mut command: Command) -> Program {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let mut stdout = child.stdout.take().expect("it is piped");
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).ok();
            text
        });
        Program { name: name.to_owned(), child, output: Some(output) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end and answers what it wrote.
    pub(crate) fn finish(mut self, within: Duration) -> (ExitStatus, String) {
        let mut status = None;
        wait_until(&format!("{} ends", self.name), within, || {
            status = self.child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        let output = self.output.take().expect("it is taken once").join().expect("output");
        (status.expect("it ended"), output)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A running `nearcast-peer`.
pub(crate) struct Peer {
    pub(crate) program: Program,
    events: PathBuf,
}

impl Peer {
    /// All it has written so far.
    pub(crate) fn events(&self) -> Vec<Record> {
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Waits for an event.
    pub(crate) fn wait_for(&mut self, what: &str, within: Duration, is: impl Fn(&Event) -> bool) {
        wait_until(&format!("{}: {what}", self.program.name), within, || {
            assert!(self.program.is_running(), "{} has ended", self.program.name);
            self.events().iter().any(|record| is(&record.event))
        });
    }

    /// The frames it released or sent.
    pub(crate) fn frames(&self) -> Vec<(u64, Frame)> {
        let frame = |record: Record| match record.event {
            Event::Frame(frame) | Event::Sent(frame) => Some((record.t, frame)),
            _ => None,
        };
        self.events().into_iter().filter_map(frame).collect()
    }

    /// Waits for a frame of this number or a later one.
    pub(crate) fn wait_for_frame(&mut self, number: u64) {
        let is = |event: &Event| match event {
            Event::Frame(frame) | Event::Sent(frame) => frame.frame >= number,
            _ => false,
        };
        self.wait_for(&format!("frame {number}"), Duration::from_secs(30), is);
    }

    /// Ends it as a user would, and answers its last line.
    pub(crate) fn end(self) -> Summary {
        self.program.signal(Signal::SIGTERM);
        let Peer { program, events } = self;
        let (status, _) = program.finish(Duration::from_secs(6));
        assert!(status.success(), "it ended with {status}");
        let text = fs::read_to_string(&events).expect("its events");
        let last = text.lines().last().expect("a last line");
        match serde_json::from_str::<Record>(last).expect("a record").event {
            Event::Summary(summary) => summary,
            other => panic!("the last line is {other:?}"),
        }
    }
}

/// The checksums in FFmpeg's framecrc output, one per picture.
pub(crate) fn checksums(framecrc: &str) -> Vec<String> {
    framecrc
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next())
        .map(|crc| crc.trim().to_owned())
        .collect()
}

/// Checks that `part` is `whole` from some picture on to its end, and at most so many are missing
/// before that.
pub(crate) fn assert_tail(whole: &[String], part: &[String], at_most_missing: usize) {
    let first = part.first().expect("some picture");
    let begin = whole.iter().position(|crc| crc == first).expect("a picture of the clip");
    let same = whole[begin..].iter().zip(part).take_while(|(one, other)| one == other).count();
    assert!(
        same == part.len() && begin + same == whole.len(),
        "{} pictures from {begin} on, of which {same} in a row are those of the clip of {}",
        part.len(),
        whole.len(),
    );
    assert!(begin <= at_most_missing, "it begins with picture {begin}");
}

/// Waits for a condition, and says which one did not come about.
pub(crate) fn wait_until(what: &str, within: Duration, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < within, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One HTTP request, answered as status line and body.
pub(crate) fn http(host: Ipv4Addr, port: u16, request: &str) -> (String, String) {
    use std::io::Write;
    let mut tcp = TcpStream::connect((host, port)).expect("it listens");
    tcp.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    write!(tcp, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}
