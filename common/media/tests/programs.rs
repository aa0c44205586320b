//! Real clients against our server: FFmpeg publishes, FFmpeg, rtmpdump and MPlayer play.

#![allow(clippy::disallowed_methods, reason = "real programs take real time")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use std::{fs, thread};

use nearcast_media::rtmp::{Server, ServerEvent, Settings};
use nearcast_media::{Kind, Media, flv};
use support::{PATIENCE, assert_same, clip};

/// The server's end of one connection.
struct Session {
    server: Server,
    socket: TcpStream,
}

impl Session {
    fn accept(listener: &TcpListener) -> Session {
        let (socket, _) = listener.accept().expect("a program connects");
        socket.set_read_timeout(Some(PATIENCE)).expect("a span above zero");
        socket.set_nodelay(true).expect("a TCP socket");
        Session { server: Server::new(Settings::default()), socket }
    }

    fn flush(&mut self) {
        while let Some(bytes) = self.server.output() {
            self.socket.write_all(&bytes).expect("the program reads");
        }
    }

    /// The next event; `None` once the program closed.
    fn event(&mut self) -> Option<ServerEvent> {
        loop {
            self.flush();
            if let Some(event) = self.server.poll() {
                return Some(event);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => self.server.receive(&buffer[..n]).expect("real programs speak RTMP"),
                Err(error) => panic!("the program says nothing: {error}"),
            }
        }
    }

    /// Accepts what it asks for, and gives the key.
    fn begin(&mut self) -> String {
        let app = self.event().expect("connect");
        assert!(matches!(&app, ServerEvent::Connected { app, .. } if app == "live"), "{app:?}");
        let (ServerEvent::PublishRequested { key } | ServerEvent::PlayRequested { key }) =
            self.event().expect("a request")
        else {
            panic!("neither publish nor play");
        };
        self.server.accept().expect("it asked");
        self.flush();
        key
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("rtmp://{}/live/room", listener.local_addr().expect("bound"));
    (listener, url)
}

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/layers.flv");

fn start(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is not installed? {error}"))
}

/// The program's output, if it ends in time.
fn output(mut program: Child) -> Output {
    let start = Instant::now();
    while program.try_wait().expect("our child").is_none() {
        if start.elapsed() > PATIENCE {
            let _ = program.kill();
            panic!("it does not end: {:?}", program.wait_with_output());
        }
        thread::sleep(std::time::Duration::from_millis(5));
    }
    program.wait_with_output().expect("our child")
}

fn without_data(media: impl IntoIterator<Item = Media>) -> Vec<Media> {
    media.into_iter().filter(|media| media.kind != Kind::Data).collect()
}

#[test]
fn ffmpeg_publishes_to_us() {
    let (listener, url) = listen();
    let ffmpeg = start("ffmpeg", &["-v", "error", "-i", CLIP, "-c", "copy", "-f", "flv", &url]);
    let mut session = Session::accept(&listener);
    assert_eq!(session.begin(), "room");
    let mut received = Vec::new();
    while let Some(event) = session.event() {
        match event {
            ServerEvent::Media(media) => received.push(media),
            ServerEvent::Ended => break,
            other => panic!("{other:?}"),
        }
    }
    drop(session);
    let output = output(ffmpeg);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = received.iter().find(|media| media.kind == Kind::Data).expect("metadata");
    assert!(first.body.starts_with(b"\x02\x00\x0aonMetaData"), "without @setDataFrame");
    // FFmpeg's muxer ends the stream in its own way.
    assert_same(&without_data(received)[..150], &without_data(clip())[..150]);
}

#[test]
fn a_refused_ffmpeg_says_why() {
    let (listener, url) = listen();
    let ffmpeg = start("ffmpeg", &["-v", "error", "-i", CLIP, "-c", "copy", "-f", "flv", &url]);
    let mut session = Session::accept(&listener);
    while !matches!(session.event(), Some(ServerEvent::PublishRequested { .. })) {}
    session.server.refuse("the room is taken").expect("it asked");
    session.flush();
    let output = output(ffmpeg);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && complaint.contains("the room is taken"), "{complaint}");
}

/// Plays the clip to a program, and gives what it wrote to standard output.
fn play_to(program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Output {
    let (listener, url) = listen();
    let arguments = arguments(&url);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let program = start(program, &arguments);
    let mut session = Session::accept(&listener);
    assert_eq!(session.begin(), "room");
    for media in clip() {
        session.server.send(&media).expect("accepted");
    }
    session.server.finish();
    session.flush();
    // A player that knows the end closes; one that does not is closed.
    let mut socket = session.socket.try_clone().expect("a socket");
    socket.shutdown(std::net::Shutdown::Write).expect("open");
    let _ = socket.read_to_end(&mut Vec::new());
    output(program)
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

/// Checksums of packets, without their times, which FFmpeg shifts.
fn checksums(framecrc: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(framecrc);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').take(2).collect()).collect()
}

#[test]
fn ffmpeg_plays_from_us() {
    let framecrc = ["-map", "0:v", "-c", "copy", "-f", "framecrc", "-"];
    let arguments = |url: &str| {
        strings(&[&["-v", "error", "-probesize", "32", "-i", url][..], &framecrc].concat())
    };
    let played = play_to("ffmpeg", arguments);
    let file = output(start("ffmpeg", &[&["-v", "error", "-i", CLIP][..], &framecrc].concat()));
    let (played, file) = (checksums(&played.stdout), checksums(&file.stdout));
    assert_eq!(file.len(), 65);
    assert_eq!(played, file);
}

#[test]
fn rtmpdump_records_from_us() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("recorded.flv");
    let target = path.to_str().expect("a plain path").to_owned();
    play_to("rtmpdump", |url| strings(&["-q", "--live", "-r", url, "-o", &target]));
    let file = fs::read(&path).expect("it was recorded");
    let (mut rest, mut recorded) = (&file[flv::HEADER.len()..], Vec::new());
    while !rest.is_empty() {
        let (tag, length) = flv::parse_tag(rest).expect("a whole tag");
        recorded.extend(tag);
        rest = &rest[length..];
    }
    // librtmp leaves out video bodies of five bytes, such as the end of sequence.
    let mut expected = without_data(clip());
    expected.retain(|media| media.body.len() > 5);
    assert_same(&without_data(recorded), &expected);
}

#[test]
fn mplayer_plays_from_us() {
    let arguments = |url: &str| {
        let quiet = ["-nolirc", "-noconsolecontrols", "-nosound", "-vo", "null", "-nocache"];
        let options = ["-benchmark", "-lavfdopts", "probesize=32", url];
        strings(&[&quiet[..], &options].concat())
    };
    let played = play_to("mplayer", arguments);
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(said.contains("160x120"), "{said}");
}
