//! What is asked for by HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::Controller;

/// Status and body of the answer to a GET.
fn get(controller: &Controller, path: &str) -> (u16, String) {
    let mut stream = connect(controller, path);
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

fn connect(controller: &Controller, path: &str) -> TcpStream {
    let mut stream = controller.connect_http(Duration::from_secs(10));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    stream
}

fn json(controller: &Controller, path: &str) -> Value {
    let (status, body) = get(controller, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

#[test]
fn every_answer_is_as_the_description_says() {
    let controller = Controller::start();
    let mut switch = controller.connect();
    switch.become_live(0x2a);
    controller.event("switch_ready", "000000000000002a");

    let document = json(&controller, "/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let mut validated = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let content = &item["get"]["responses"]["200"]["content"];
        let schema = &content["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let whole = json!({ "allOf": [schema], "components": document["components"] });
        let validator = jsonschema::draft202012::new(&whole).expect("a schema");
        let answer = json(&controller, path);
        let errors: Vec<_> = validator.iter_errors(&answer).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{path}: {errors:?}: {answer}");
        assert!(!validator.is_valid(&json!("something else")), "{path}: anything would do");
        validated += 1;
    }
    assert_eq!(validated, 7);

    let topology = json(&controller, "/v1/topology");
    assert_eq!(topology["switches"][0]["id"], "000000000000002a");
    assert_eq!(topology["switches"][0]["ports"], json!({ "1": "eth1", "2": "eth2" }));
    assert_eq!(json(&controller, "/v1/health")["role"], "alone");
    let all = json(&controller, "/v1/flows");
    let total = all["total"].as_u64().expect("a number");
    assert!(total > 5, "{all}");
    let some = json(&controller, "/v1/flows?switch=000000000000002a&offset=1&limit=2");
    assert_eq!(some["total"], total);
    assert_eq!(
        some["flows"].as_array(),
        all["flows"].as_array().map(|all| all[1..3].to_vec()).as_ref()
    );
    assert_eq!(json(&controller, "/v1/flows?switch=00000000000000ff")["total"], 0);
    assert_eq!(json(&controller, "/v1/counters")["queues"][0]["switch"], "000000000000002a");
}

#[test]
fn what_is_asked_wrongly_is_told_what_is_wrong() {
    let controller = Controller::start();
    for (path, status, said) in [
        ("/v1/flows?switch=s1", 400, "16 hex digits"),
        ("/v1/flows?limit=-1", 400, "limit"),
        ("/v1/flows?swicth=000000000000002a", 400, "swicth"),
        ("/v1/hosts?limit=3", 400, "limit"),
        ("/v1/nothing", 404, ""),
    ] {
        let (got, body) = get(&controller, path);
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(said), "{path}: {body}");
    }
}

#[test]
fn figures_are_of_the_kinds_that_prometheus_reads() {
    let controller = Controller::start();
    let mut switch = controller.connect();
    switch.become_live(0x2b);
    controller.event("switch_ready", "000000000000002b");
    let (status, text) = get(&controller, "/metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE nearcast_controller_packet_ins counter",
        "nearcast_controller_packet_ins_total{class=\"lldp\"} 0",
        "nearcast_controller_packet_ins_limited_total{class=\"rtmp\"} 0",
        "# TYPE nearcast_controller_peering_installed_seconds histogram",
        "nearcast_controller_peering_installed_seconds_count 0",
        "nearcast_controller_switches_live 1",
        "nearcast_controller_queue_bytes{switch=\"000000000000002b\"} ",
        "nearcast_controller_role{role=\"alone\"} 1",
        "nearcast_controller_replica 0",
        "nearcast_controller_messages_total{direction=\"received\",type=\"features_reply\"} 1",
        "nearcast_controller_events_total{event=\"switch_ready\"} 1",
    ] {
        assert!(text.lines().any(|known| known.starts_with(line)), "{line}\nis not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn events_are_read_as_they_come() {
    let controller = Controller::start();
    let mut lines = BufReader::new(connect(&controller, "/v1/events")).lines();
    let head = lines.next().expect("a line").expect("read");
    assert!(head.contains("200"), "{head}");
    let mut switch = controller.connect();
    switch.become_live(0x2c);
    let event = lines
        .map(|line| line.expect("in time"))
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .find(|event| event["event"] == "switch_ready");
    let event = event.expect("the stream goes on");
    assert_eq!(event["switch"], "000000000000002c");
    assert!(event["t"].as_u64() > Some(1 << 60), "CLOCK_REALTIME: {event}");
}
