//! Held against another implementation: os-ken's serializer and parser.
//!
//! `corpus.json` is what `generate.py` had os-ken write and read. The values of each message stand
//! there and, by the same name, in `v10.rs` and `v13.rs`.

#[path = "../laws/mod.rs"]
mod laws;
mod v10;
mod v13;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use laws::Codec;
use serde_json::Value;

/// What os-ken's messages carry as data: 0, 1, ... 19.
fn data() -> Vec<u8> {
    (0..20).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn corpus() -> Value {
    let text = fs::read_to_string(folder().join("os_ken/corpus.json")).expect("the corpus");
    serde_json::from_str(&text).expect("JSON")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Each message that os-ken wrote is one of `ours`, in both directions, and none is left over.
fn same<M: Codec>(version: &str, ours: Vec<(&str, M)>) {
    let corpus = corpus();
    let theirs = corpus["serialized"][version].as_object().expect("messages by name");
    let mut left: BTreeMap<_, _> = ours.into_iter().collect();
    for (name, hex) in theirs {
        let wire = bytes(hex.as_str().expect("hexadecimal"));
        let ours = left.remove(name.as_str()).unwrap_or_else(|| panic!("{name} is not among ours"));
        assert_eq!(M::parse(&wire).as_ref(), Ok(&ours), "{name} of {wire:02x?}");
        assert_eq!(laws::encode(&ours), wire, "{name}");
    }
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn os_ken_writes_1_0_as_we_do() {
    same("v10", v10::messages());
}

#[test]
fn os_ken_writes_1_3_as_we_do() {
    same("v13", v13::messages());
}

/// Fields that are called the same here and there, and are everywhere numbers of their own.
const ALIKE: &[&str] = &[
    "active_count",
    "advertised",
    "auxiliary_id",
    "band_types",
    "buffer_id",
    "byte_count",
    "byte_in_count",
    "capabilities",
    "collisions",
    "config",
    "cookie",
    "cookie_mask",
    "curr",
    "curr_speed",
    "datapath_id",
    "dl_type",
    "dl_vlan",
    "dl_vlan_pcp",
    "duration_nsec",
    "duration_sec",
    "flow_count",
    "generation_id",
    "hard_timeout",
    "idle_timeout",
    "lookup_count",
    "matched_count",
    "max_bands",
    "max_color",
    "max_len",
    "max_meter",
    "max_speed",
    "miss_send_len",
    "n_buffers",
    "n_tables",
    "nw_proto",
    "nw_tos",
    "out_group",
    "out_port",
    "packet_count",
    "packet_in_count",
    "peer",
    "priority",
    "rate",
    "ref_count",
    "rx_bytes",
    "rx_crc_err",
    "rx_dropped",
    "rx_errors",
    "rx_frame_err",
    "rx_over_err",
    "rx_packets",
    "state",
    "supported",
    "total_len",
    "tp_dst",
    "tp_src",
    "tx_bytes",
    "tx_dropped",
    "tx_errors",
    "tx_packets",
    "types",
    "watch_group",
    "watch_port",
    "weight",
    "wildcards",
];

/// Nicira as a vendor or experimenter.
const NICIRA: u32 = 0x2320;

/// The numbers of the field `name`, in their order, in what is written of a message.
fn numbers(said: &str, name: &str) -> Vec<u64> {
    let label = format!(" {name}: ");
    said.match_indices(&label)
        .map(|(at, _)| {
            let number = &said[at + label.len()..];
            let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            number[..end].parse().unwrap_or_else(|_| panic!("{name} is {number:.20}"))
        })
        .collect()
}

/// What os-ken reads in a capture is what we read; says how many fields that were.
fn read<M: Codec>(version: &str) -> usize {
    let corpus = corpus();
    let mut compared = 0;
    for (name, fields) in corpus["parsed"][version].as_object().expect("captures by name") {
        let path = folder().join(format!("captures/{version}/{name}.bin"));
        let wire = fs::read(path).expect("a capture");
        let length = usize::from(u16::from_be_bytes([wire[2], wire[3]]));
        let said = format!("{:?}", M::parse(&wire[..length]).expect("it parses"));
        // os-ken reads Nicira's extensions too, which are not ours to read.
        if said.contains(&format!(": {NICIRA}")) {
            continue;
        }
        for (field, theirs) in fields.as_object().expect("fields by name") {
            if ALIKE.contains(&field.as_str()) {
                let theirs: Vec<_> = theirs
                    .as_array()
                    .expect("numbers")
                    .iter()
                    .map(|number| number.as_u64().expect("a number"))
                    .collect();
                assert_eq!(numbers(&said, field), theirs, "{field} of {version}/{name}: {said}");
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn os_ken_reads_in_the_captures_what_we_read() {
    // So that the test cannot pass because it finds nothing to compare.
    let compared = read::<rust_openflow::v10::Message>("v10");
    assert!(compared >= 100, "{compared} fields of 1.0");
    let compared = read::<rust_openflow::v13::Message>("v13");
    assert!(compared >= 100, "{compared} fields of 1.3");
}

/// `OS_KEN_PYTHON=/path/to/python cargo test -p rust_openflow --test os_ken -- --ignored`, with a
/// Python that has os-ken.
#[test]
#[ignore = "needs os-ken from PyPI"]
fn the_corpus_is_what_os_ken_makes_today() {
    let python = env::var_os("OS_KEN_PYTHON").unwrap_or_else(|| "python3".into());
    let output =
        Command::new(python).arg(folder().join("os_ken/generate.py")).output().expect("Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut today: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut corpus = corpus();
    for corpus in [&mut today, &mut corpus] {
        corpus.as_object_mut().expect("an object").remove("os-ken");
    }
    assert_eq!(today, corpus);
}
