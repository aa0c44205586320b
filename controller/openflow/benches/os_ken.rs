//! How long a message takes here and in os-ken, in turn on the same machine.
//!
//!     OS_KEN_PYTHON=/path/to/python cargo bench -p rust_openflow --bench os_ken
//!
//! with a Python that has os-ken (`pip install os-ken`). Parsed are the same bytes; what both write
//! is compared before its time counts. os-ken writes only what controllers send, and reads only
//! what switches do.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod messages;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rust_openflow::{v10, v13};
use serde_json::{Value, json};

/// How often both are measured.
const ROUNDS: usize = 5;
/// How long one message of ours is repeated for.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// Version, name, and which of both ways.
type Key = (&'static str, &'static str, Way);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Parse,
    Write,
}

/// Nanoseconds a message, one for each round.
#[derive(Debug, Default)]
struct Times {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("os_ken: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let wires = wires();
    let asked = json!({ "v10": hex(&wires, "v10"), "v13": hex(&wires, "v13") }).to_string();
    let mut times: BTreeMap<Key, Times> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let said = ask(&asked)?;
        for (version, name, wire) in &wires {
            for way in [Way::Parse, Way::Write] {
                let Some(theirs) = theirs(&said, (version, name, way), wire)? else { continue };
                let times = times.entry((version, name, way)).or_default();
                times.theirs.push(theirs);
                times.ours.push(ours(version, wire, way));
            }
        }
    }
    println!("{:<46} {:>10} {:>12} {:>8}", "ns a message, medians", "ours", "os-ken", "ratio");
    for ((version, name, way), Times { ours, theirs }) in times {
        let (ours, theirs) = (median(ours), median(theirs));
        let label = format!("{way:?} {version} {name}");
        println!("{label:<46} {ours:>10.0} {theirs:>12.0} {:>8.0}", theirs / ours);
    }
    Ok(())
}

/// Every message by version and name, encoded.
fn wires() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut wires = Vec::new();
    for (name, body) in messages::v10() {
        let mut wire = Vec::new();
        v10::Message::new(messages::XID, body).encode(&mut wire);
        wires.push(("v10", name, wire));
    }
    for (name, body) in messages::v13() {
        let mut wire = Vec::new();
        v13::Message::new(messages::XID, body).encode(&mut wire);
        wires.push(("v13", name, wire));
    }
    wires
}

/// What controllers send.
fn is_written(name: &str) -> bool {
    matches!(name, "flow-mod" | "packet-out")
}

/// Those that os-ken is to parse.
fn hex(wires: &[(&str, &str, Vec<u8>)], version: &str) -> BTreeMap<String, String> {
    let of = wires.iter().filter(|(of, name, _)| *of == version && !is_written(name));
    of.map(|(_, name, wire)| ((*name).to_owned(), to_hex(wire))).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Has os-ken measure itself.
fn ask(asked: &str) -> Result<Value, String> {
    let python = std::env::var_os("OS_KEN_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/os_ken/speed.py");
    let failed = |error: std::io::Error| format!("{}: {error}", python.display());
    let mut child = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().expect("it was asked for");
    // If it does not read, its status and what it prints say why.
    let _ = input.write_all(asked.as_bytes());
    drop(input);
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("{script} ended with {}; has this Python os-ken?", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{script}: {error}"))
}

/// What os-ken took, if it does that; what it wrote must be what we write.
fn theirs(said: &Value, (version, name, way): Key, wire: &[u8]) -> Result<Option<f64>, String> {
    if (way == Way::Write) != is_written(name) {
        return Ok(None);
    }
    let lacks = || format!("os-ken said nothing of {version} {name}");
    if way == Way::Parse {
        return said["parse"][version][name].as_f64().map(Some).ok_or_else(lacks);
    }
    let written = &said["write"][version][name];
    let (time, theirs) = written[0].as_f64().zip(written[1].as_str()).ok_or_else(lacks)?;
    let ours = to_hex(wire);
    if theirs != ours {
        return Err(format!("{version} {name} is not the same:\nours   {ours}\nos-ken {theirs}"));
    }
    Ok(Some(time))
}

/// What we take.
fn ours(version: &str, wire: &[u8], way: Way) -> f64 {
    let mut out = Vec::with_capacity(1 << 16);
    macro_rules! of {
        ($version:ident) => {{
            let message = $version::Message::parse(wire).expect("a message");
            match way {
                Way::Parse => repeated(|| {
                    black_box($version::Message::parse(black_box(wire)).is_ok());
                }),
                Way::Write => repeated(|| {
                    out.clear();
                    black_box(&message).encode(&mut out);
                    black_box(&out);
                }),
            }
        }};
    }
    if version == "v10" { of!(v10) } else { of!(v13) }
}

/// Nanoseconds for each time.
fn repeated(mut what: impl FnMut()) -> f64 {
    let (start, mut number) = (Instant::now(), 0u32);
    while start.elapsed() < LONG_ENOUGH {
        (0..100).for_each(|_| what());
        number += 100;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(number)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
