use nearcast_machine::Span;

use super::scenario::{Crowd, SimScenario};
use super::synthetic::simulations;
use super::*;
use crate::kept_schema::KeptSchema;
use crate::world::Shutdown;

const SCHEMA: KeptSchema = KeptSchema("simulation.schema.json");

fn fits(value: &serde_json::Value) -> bool {
    SCHEMA.validator().is_valid(value)
}

#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    SCHEMA.assert_is(&schema());
}

#[test]
fn a_result_fits_the_schema_and_a_broken_one_does_not() {
    let good = serde_json::to_value(simulations()).expect("plain data");
    assert!(fits(&good));
    let breakages: [(&str, serde_json::Value); 4] = [
        ("/seed", "one".into()),
        ("/runs/0/sessions/0/due", serde_json::json!([1, 2])),
        ("/runs/0/cost/threads", (-1).into()),
        ("/runs/0/series/0/played/0", "many".into()),
    ];
    for (pointer, value) in breakages {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).expect("it is in the sample") = value;
        assert!(!fits(&broken), "{pointer} was taken");
    }
}

#[test]
fn a_page_tells_all_and_nothing_in_it_becomes_markup() {
    let mut result = simulations();
    result.goals = judge::judge(&result);
    let figures = figures::all(&result);
    let html = page::page(&result, &figures);
    assert!(html.contains("A day &lt;that&gt; never was") && !html.contains("<that>"));
    assert_eq!((figures.len(), html.matches("<figure>").count()), (3, 3));
    for told in ["low upload: the base layer", "96.0 %", "free-riders", "4800.0"] {
        assert!(html.contains(told), "{told} is missing");
    }
}

fn args(extra: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }
    let words = ["nearcast", "scale"].into_iter().chain(extra.iter().copied());
    <Cli as clap::Parser>::try_parse_from(words).expect("well formed").args
}

fn small(systems: &[&str], population: Crowd) -> SimScenario {
    let mut scenario = SimScenario::find("trace-overloaded", &[]).expect("it is ours");
    scenario.name = "small".to_owned();
    scenario.systems = systems.iter().map(|name| name.parse().expect("known")).collect();
    scenario.duration = Span::from_secs(120);
    scenario.populations = vec![population];
    scenario
}

#[test]
fn a_small_overloaded_mesh_pays_those_who_contribute() {
    let folder = tempfile::tempdir().expect("a folder");
    let crowd = Crowd::Uniform { peers: 60, within: Span::from_secs(15) };
    let shutdown = Shutdown::handle().expect("a flag");
    let run = |seed: &str| {
        let args = args(&["--seed", seed]);
        let scenario = small(&["layerp2p", "single-layer"], crowd.clone());
        command::simulate(&scenario, &args, folder.path(), shutdown).expect("it runs")
    };
    let result = run("3");
    assert_eq!(result.runs.len(), 2);
    let ratio = |run: &SimRun, group: Group| {
        let of_group = run.sessions.iter().filter(|session| session.group == group);
        judge::ratio(of_group, 2).expect("they were there")
    };
    let [layered, single] = &result.runs[..] else { panic!("two systems") };
    let of = |run: &SimRun| Group::ALL.map(|group| ratio(run, group));
    println!("layer 3: {:?}, without incentives {:?}", of(layered), of(single));
    // Who gives gets: the point of the paper. Of so few peers the source makes up for much of what
    // is missing, so that it shows in the highest layer first.
    let gap = |run: &SimRun| ratio(run, Group::High) - ratio(run, Group::FreeRiders);
    assert!(gap(layered) > 0.2, "{}", gap(layered));
    assert!(gap(layered) > gap(single) + 0.1, "{} and {}", gap(layered), gap(single));
    for run in &result.runs {
        assert_eq!((run.sessions.len(), run.peak), (60, 60));
        // Sums in steps and sums over sessions are of the same chunks.
        let due: u64 = run.series.iter().map(|step| step.due[0]).sum();
        let all: u64 = run.sessions.iter().map(|session| session.due[0]).sum();
        // They came within 15 s, and have settled for the last 5 to 20 s, less half a step.
        let settled: u64 = run.sessions.iter().map(|session| session.settled_due[0]).sum();
        let expected = result.chunks_per_s[0] * 60.0 * 9.5;
        assert!((settled as f64 / expected - 1.0).abs() < 0.25, "{settled} of {all}");
        assert!(run.sessions.iter().all(|s| s.settled_played[0] <= s.settled_due[0]));
        assert!(due <= all && due * 10 > all * 8, "{due} of {all}");
    }
    let written = std::fs::read_to_string(folder.path().join("result.json")).expect("written");
    assert!(fits(&serde_json::from_str(&written).expect("JSON")));
    for file in ["report.html", "csv/sessions.csv", "csv/series.csv", "figures/60-peers-time.png"] {
        assert!(folder.path().join(file).metadata().expect(file).len() > 100, "{file}");
    }
    // The same seed is the same run, another another.
    let digests = |result: &Simulations| -> Vec<String> {
        result.runs.iter().map(|run| run.digest.clone()).collect()
    };
    assert_eq!(digests(&run("3")), digests(&result));
    assert_ne!(digests(&run("4")), digests(&result));
}
