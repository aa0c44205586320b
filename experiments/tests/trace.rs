//! Traces as a user makes, shows and simulates them, and files that are none.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn nearcast(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearcast"));
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command.output().expect("it starts")
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn a_trace_that_was_made_can_be_shown_and_simulated() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |words: &[&str]| {
        let output = nearcast(folder.path(), words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    };
    let told = run(&["trace", "make", "day.csv", "--scale", "0.01"]);
    assert!(told.contains("Met: the peak: ") && told.contains("day.csv"), "{told}");
    // As its own comment says it was made.
    let text = fs::read_to_string(folder.path().join("day.csv")).expect("written");
    let again = text.lines().nth(1).and_then(|line| line.strip_prefix("# nearcast "));
    let again: Vec<&str> = again.expect("the command").split(' ').collect();
    assert_eq!(again[..3], ["trace", "make", "day.csv"]);
    run(&again);
    assert_eq!(fs::read_to_string(folder.path().join("day.csv")).expect("written"), text);

    let told = run(&["trace", "show", "day.csv", "--scale", "0.01"]);
    assert!(told.ends_with("results/trace-day/report.html\n"), "{told}");
    for file in ["report.html", "csv/minutes.csv", "csv/lengths.csv", "figures/lengths.png"] {
        let path = folder.path().join("results/trace-day").join(file);
        assert!(path.metadata().expect(file).len() > 100, "{file}");
    }

    let words = "simulate trace-overloaded --trace day.csv --from 72000s --duration 60s --bare \
                 --systems layerp2p --out sim";
    let told = run(&words.split(' ').collect::<Vec<_>>());
    assert!(told.contains("day-layerp2p: "), "{told}");
    let result = fs::read(folder.path().join("sim/result.json")).expect("written");
    let result: serde_json::Value = serde_json::from_slice(&result).expect("JSON");
    assert_eq!(result["paper"], serde_json::Value::Null, "of another trace the paper says nothing");
    assert!(result["command"].as_str().expect("text").contains("--trace 'day.csv'"));
    let sessions = result["runs"][0]["sessions"].as_array().expect("a list");
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    let rows = rows.map(|line| -> Vec<f64> {
        line.split(',').skip(1).map(|field| field.parse().expect("a number")).collect()
    });
    let there: Vec<f64> =
        rows.filter(|row| row[0] < 72_060.0 && row[1] > 72_000.0).map(|row| row[2]).collect();
    let have: Vec<f64> =
        sessions.iter().filter_map(|session| session["class_kbit"].as_f64()).collect();
    assert!(there.len() > 50, "{} in the evening", there.len());
    assert_eq!(have, there, "everybody, with the bandwidth that the trace says");
}

#[test]
fn what_is_no_trace_is_named_by_its_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let head = "id,arrival_s,departure_s,capacity_kbit_s\n";
    let cases = [
        ("a,0,90,1\nb,70,60,1\n", "line 3: session `b` departs"),
        ("a,0,90,1\n\na,60,70,1\n", "line 4: `a` is there already"),
        ("a,0,90,NaN\n", "line 2: capacity_kbit_s is `NaN`"),
        ("a,0,inf,1\n", "line 2: departure_s is `inf`"),
        ("a,0,90\n", "line 2: 3 fields"),
        ("", "no sessions"),
    ];
    for (rows, why) in cases {
        fs::write(folder.path().join("bad.csv"), format!("{head}{rows}")).expect("written");
        let commands = [
            "simulate trace-overloaded --trace bad.csv",
            "trace show bad.csv",
            "sweep trace-overloaded --set trace=bad.csv --vary seed=1..2",
        ];
        for words in commands {
            let output = nearcast(folder.path(), &words.split(' ').collect::<Vec<_>>());
            let told = said(&output);
            assert_eq!(output.status.code(), Some(1), "{words}: {told}");
            assert!(told.contains("bad.csv") && told.contains(why), "{words}: {told}");
            assert!(!folder.path().join("results").exists(), "{words} left something behind");
        }
    }
    let output = nearcast(folder.path(), &["simulate", "scale", "--trace", "none.csv"]);
    assert!(said(&output).contains("none.csv: No such file"), "{}", said(&output));
}
