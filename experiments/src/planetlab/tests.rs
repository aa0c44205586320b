use super::synthetic::outcome;
use super::*;
use crate::kept_schema::KeptSchema;

const SCHEMA: KeptSchema = KeptSchema("planetlab.schema.json");

fn fits(value: &serde_json::Value) -> bool {
    SCHEMA.validator().is_valid(value)
}

#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    SCHEMA.assert_is(&schema());
}

#[test]
fn a_result_fits_the_schema_and_a_broken_one_does_not() {
    let good = serde_json::to_value(outcome()).expect("plain data");
    assert!(fits(&good));
    let breakages: [(&str, serde_json::Value); 4] = [
        ("/runs/0/system", "napster".into()),
        ("/runs/0/peers/0/series/0/due", serde_json::json!([1, 2])),
        ("/runs/0/peers/0/quality/q1", "good".into()),
        ("/scale/repeat", (-1).into()),
    ];
    for (pointer, value) in breakages {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).expect("it is in the sample") = value;
        assert!(!fits(&broken), "{pointer} was taken");
    }
    let read: MeshOutcome = serde_json::from_value(good).expect("it is one");
    assert_eq!(read, outcome());
}

#[test]
fn a_page_tells_all_and_nothing_in_it_becomes_markup() {
    let mut outcome = outcome();
    outcome.goals = judge::judge(&outcome);
    let figures = figures::all(&outcome);
    let html = page::page(&outcome, &figures);
    assert!(html.contains("An experiment &lt;that&gt; never was") && !html.contains("<that>"));
    assert_eq!((figures.len(), html.matches("<figure>").count()), (4, 4));
    for told in ["figure 9", "figure 12", "free-riders", "trusted", "± "] {
        assert!(html.contains(told), "{told} is missing");
    }
    assert!(!html.contains("Groups that the switch serves"), "no run had any");
    outcome.runs[0].peers[0].by_switch = Some(0.98);
    assert!(page::page(&outcome, &figures).contains("98.0"));
}
