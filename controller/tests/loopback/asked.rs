//! Those who ask by HTTP and do not behave.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::world::{Controller, wait_for};

/// Longer than any bound on a connection.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(controller: &Controller) -> TcpStream {
    controller.connect_http(PATIENCE)
}

/// Says something, and nothing more; what is answered until the connection is closed.
fn said(controller: &Controller, request: &str) -> String {
    let mut stream = connect(controller);
    // It may have heard enough before the end.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it was not let go: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

#[test]
fn a_request_has_a_size_and_a_time() {
    let controller = Controller::start();
    let long = format!("{HEALTH}X-Long: {}\r\n\r\n", "x".repeat(64 << 10));
    let many = format!("{HEALTH}{}\r\n", "X-Many: 1\r\n".repeat(1000));
    let body = format!("{HEALTH}Content-Length: 1000000\r\n\r\n");
    for (request, wanted) in [
        (format!("{HEALTH}\r\n"), Some(200)),
        (long, Some(431)),
        (many, Some(431)),
        (body, Some(413)),
        // Nobody waits for the next, nor for the rest.
        (format!("{}\r\n", HEALTH.replace("Connection: close\r\n", "")), Some(200)),
        (HEALTH.to_owned(), None),
        (String::new(), None),
    ] {
        let answer = said(&controller, &request);
        let start: String = request.chars().take(200).collect();
        let got = status(&answer).filter(|status| *status != 408);
        assert_eq!(got, wanted, "{start}\n{answer}");
    }
    let next = said(&controller, &format!("{HEALTH}\r\n"));
    assert_eq!(status(&next), Some(200), "others are answered");
}

#[test]
fn readers_of_events_are_bounded_and_do_not_keep_others_out() {
    let controller = Controller::start();
    let request = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let read = || {
        let mut stream = connect(&controller);
        stream.write_all(request.as_bytes()).expect("asked");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("an answer");
        (stream, head.ends_with(b"200"))
    };
    let readers: Vec<_> = (0..64).map(|_| read()).collect();
    assert!(readers.iter().all(|(_, reads)| *reads));
    assert!(!read().1, "one more is one too many");
    assert_eq!(status(&said(&controller, &format!("{HEALTH}\r\n"))), Some(200));
    for (stream, _) in &readers {
        stream.shutdown(Shutdown::Both).expect("it is ours");
    }
    // Who goes makes room; that is noticed when he is next written to.
    let mut switch = controller.connect();
    switch.become_live(0x31);
    wait_for("room for a reader", || read().1.then_some(()));
}

#[test]
fn a_reader_who_takes_nothing_is_let_go() {
    let controller = Controller::start();
    // Answers of some size, to one who asks and asks, and never reads.
    let mut stream = connect(&controller);
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(64);
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let ended = loop {
        if let Err(error) = stream.write_all(request.as_bytes()) {
            break error;
        }
    };
    assert!(
        matches!(ended.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "it was not let go: {ended}"
    );
    assert_eq!(status(&said(&controller, &format!("{HEALTH}\r\n"))), Some(200));
}

#[test]
fn only_who_knows_the_token_is_answered() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "a-secret-of-some-length\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let controller = Controller::start_with(&["--http-token-file", path]);
    for path in ["/v1/health", "/v1/events", "/metrics", "/openapi.json", "/nothing"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for wrong in ["", "Authorization: Bearer a-secret-of-some-lengt\r\n"] {
            let answer = said(&controller, &format!("{request}{wrong}\r\n"));
            assert_eq!(status(&answer), Some(401), "{path}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("www-authenticate: bearer"), "{answer}");
        }
    }
    let right = "Authorization: Bearer a-secret-of-some-length\r\n\r\n";
    assert_eq!(status(&said(&controller, &format!("{HEALTH}{right}"))), Some(200));
}

#[test]
fn elsewhere_than_on_loopback_it_does_not_start_without_a_token() {
    let short = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(short.path(), "secret").expect("written");
    let short = short.path().to_str().expect("a plain path");
    for (arguments, why) in [
        (&["--http", "0.0.0.0:0"][..], "--http-token-file"),
        (&["--http", "0.0.0.0:0", "--http-token-file", "/nonexistent"], "/nonexistent"),
        (&["--http", "0.0.0.0:0", "--http-token-file", short], "can be guessed"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(why), "{arguments:?}: {errors}");
    }
}
