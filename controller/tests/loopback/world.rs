//! A controller process, and a switch's end of a connection, over loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rust_openflow::v13::{
    Body, Desc, Features, Message, MultipartReply, Port, Reply, Request, port_state,
};
use rust_openflow::{Framer, Hello, VERSION_13};
use serde_json::Value;
use tempfile::TempDir;

use crate::reserved::Reserved;

const BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Controller {
    child: Child,
    folder: TempDir,
    port: Reserved,
    http: Reserved,
}

impl Controller {
    pub(crate) fn start() -> Controller {
        Controller::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Controller {
        let folder = TempDir::new().expect("a folder");
        let [port, http] = [Reserved::new(), Reserved::new()];
        let child = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .args(["--listen", &port.address.to_string()])
            .args(["--http", &http.address.to_string(), "--events"])
            .arg(folder.path().join("events"))
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .expect("the controller starts");
        Controller { child, folder, port, http }
    }

    /// A connection to where it is asked by HTTP.
    pub(crate) fn connect_http(&self, patience: Duration) -> TcpStream {
        let stream = wait_for("HTTP to be served", || TcpStream::connect(self.http.address).ok());
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        stream
    }

    pub(crate) fn connect(&self) -> Switch {
        let stream =
            wait_for("the controller to listen", || TcpStream::connect(self.port.address).ok());
        stream.set_read_timeout(Some(BOUND)).expect("a timeout");
        let mut switch = Switch { stream, framer: Framer::new() };
        assert!(matches!(switch.read().body, Body::Hello(_)));
        switch
    }

    /// Whether there was an event of a name that is about what `about` says.
    pub(crate) fn happened(&self, name: &str, about: &str) -> bool {
        let events = events(&self.folder.path().join("events"));
        events.iter().any(|event| event["event"] == name && event.to_string().contains(about))
    }

    /// The first event of a name that is about what `about` says.
    pub(crate) fn event(&self, name: &str, about: &str) -> Value {
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

pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
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
pub(crate) struct Switch {
    pub(crate) stream: TcpStream,
    framer: Framer,
}

impl Switch {
    pub(crate) fn read(&mut self) -> Message {
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

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Answers until it is known which switch this is.
    pub(crate) fn introduce(&mut self, datapath_id: u64) {
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

    /// Answers as an empty switch with two ports does, until `done` says that this message was the
    /// last.
    pub(crate) fn serve_until(&mut self, mut done: impl FnMut(&Message) -> bool) {
        loop {
            let message = self.read();
            let last = done(&message);
            if let Some(body) = answer(message.body) {
                self.write(&encoded(message.xid, body));
            }
            if last {
                return;
            }
        }
    }

    /// Answers until the controller has made the switch what it should be.
    pub(crate) fn become_live(&mut self, datapath_id: u64) {
        self.introduce(datapath_id);
        self.serve_until(|message| message.body == Body::BarrierRequest);
        // The last of its entries is followed by one barrier more.
        self.serve_until(|message| message.body == Body::BarrierRequest);
    }

    /// Whether the controller still listens to this switch.
    pub(crate) fn is_served(&mut self) -> bool {
        self.write(&encoded(0x5e5e, Body::EchoRequest(b"there?".to_vec())));
        loop {
            let message = self.read();
            if message.xid == 0x5e5e {
                return message.body == Body::EchoReply(b"there?".to_vec());
            }
        }
    }
}

pub(crate) fn encoded(xid: u32, body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::new(xid, body).encode(&mut bytes);
    bytes
}

fn answer(asked: Body) -> Option<Body> {
    let reply = match asked {
        Body::BarrierRequest => return Some(Body::BarrierReply),
        Body::EchoRequest(data) => return Some(Body::EchoReply(data)),
        Body::MultipartRequest(request) => match request.body {
            Request::Desc => Reply::Desc(Desc::default()),
            Request::PortDesc => Reply::PortDesc((1..=2).map(port).collect()),
            Request::GroupDesc => Reply::GroupDesc(Vec::new()),
            Request::Flow(_) => Reply::Flow(Vec::new()),
            _ => return None,
        },
        _ => return None,
    };
    Some(Body::MultipartReply(MultipartReply { more: false, body: reply }))
}

fn port(number: u32) -> Port {
    Port { state: port_state::LIVE, ..Port::new(number, format!("eth{number}")) }
}
