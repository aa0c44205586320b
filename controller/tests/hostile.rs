//! The controller as a process, and switches that do not keep to the protocol, over loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rust_openflow::v13::{Body, Features, Message};
use rust_openflow::{Framer, Hello, VERSION_13};
use serde_json::Value;
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(10);

struct Controller {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Controller {
    fn start() -> Controller {
        let folder = TempDir::new().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let child = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .args(["--listen", &format!("127.0.0.1:{port}"), "--events"])
            .arg(folder.path().join("events"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the controller starts");
        Controller { child, folder, port }
    }

    fn connect(&self) -> Switch {
        let stream = wait_for("the controller to listen", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
        stream.set_read_timeout(Some(BOUND)).expect("a timeout");
        let mut switch = Switch { stream, framer: Framer::new() };
        assert!(matches!(switch.read().body, Body::Hello(_)));
        switch
    }

    /// The first event of a name that is about what `about` says.
    fn event(&self, name: &str, about: &str) -> Value {
        wait_for(&format!("{name}: {about}"), || {
            events(&self.folder.path().join("events"))
                .into_iter()
                .find(|event| event["event"] == name && event.to_string().contains(about))
        })
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be being written.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(start.elapsed() < BOUND, "waited {BOUND:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A switch's end of a connection.
struct Switch {
    stream: TcpStream,
    framer: Framer,
}

impl Switch {
    fn read(&mut self) -> Message {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) =
                self.framer.next_frame().expect("the controller's headers are sound")
            {
                return Message::parse(&frame).expect("the controller's messages are sound");
            }
            let n = self.stream.read(&mut buffer).expect("the controller answers in time");
            assert!(n > 0, "the controller closed the connection");
            self.framer.push(&buffer[..n]);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Answers until it is known which switch this is.
    fn introduce(&mut self, datapath_id: u64) {
        self.write(&encoded(0, Body::Hello(Hello::offering(&[VERSION_13]))));
        loop {
            let asked = self.read();
            if asked.body == Body::FeaturesRequest {
                let features = Body::FeaturesReply(Features::of(datapath_id, 8));
                self.write(&encoded(asked.xid, features));
                return;
            }
        }
    }

    /// Whether the controller still listens to this switch.
    fn is_served(&mut self) -> bool {
        self.write(&encoded(0x5e5e, Body::EchoRequest(b"there?".to_vec())));
        loop {
            let message = self.read();
            if message.xid == 0x5e5e {
                return message.body == Body::EchoReply(b"there?".to_vec());
            }
        }
    }
}

fn encoded(xid: u32, body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::new(xid, body).encode(&mut bytes);
    bytes
}

#[test]
fn a_switch_that_disconnects_in_mid_message_harms_nobody() {
    let controller = Controller::start();
    let mut sound = controller.connect();
    sound.introduce(1);

    let mut torn = controller.connect();
    torn.introduce(2);
    let echo = encoded(7, Body::EchoRequest(vec![0; 100]));
    torn.write(&echo[..60]);
    drop(torn);
    controller.event("switch_gone", "60 bytes into a message");
    assert!(sound.is_served());

    // And it may come back.
    let mut again = controller.connect();
    again.introduce(2);
    assert!(again.is_served());
}

#[test]
fn bytes_that_are_no_openflow_end_only_their_own_connection() {
    let controller = Controller::start();
    let mut sound = controller.connect();
    sound.introduce(1);

    let mut lost = controller.connect();
    lost.introduce(2);
    // A header whose length does not even cover the header.
    lost.write(&[4, 2, 0, 3, 0, 0, 0, 0]);
    controller.event("switch_gone", "cannot be told apart");

    let mut stranger = controller.connect();
    stranger.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    drop(stranger);
    controller.event("connection_refused", "");
    assert!(sound.is_served());
}

#[test]
fn a_message_byte_by_byte_is_a_message() {
    let controller = Controller::start();
    let mut slow = controller.connect();
    slow.stream.set_nodelay(true).expect("a socket option");
    slow.introduce(3);
    for byte in encoded(9, Body::EchoRequest(b"slowly".to_vec())) {
        slow.write(&[byte]);
    }
    let answer = loop {
        let message = slow.read();
        if message.xid == 9 {
            break message.body;
        }
    };
    assert_eq!(answer, Body::EchoReply(b"slowly".to_vec()));
}
