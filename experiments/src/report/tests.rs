use super::*;
use crate::result::{RESULT_FILE, store, synthetic};

#[test]
fn a_report_is_made_from_the_file_alone_and_refers_to_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    store(folder.path(), &synthetic::outcome()).expect("stored");
    let outcome: crate::result::Outcome = crate::result::load(folder.path()).expect("loaded");
    build(folder.path(), &outcome).expect("built");
    let html = std::fs::read_to_string(folder.path().join("report.html")).expect("there");
    for elsewhere in ["src=", "href=", "url(", "@import"] {
        assert!(!html.contains(elsewhere), "the page refers to something by {elsewhere}");
    }
    assert!(html.contains("&lt;synthetic&gt;"), "what comes from the file is escaped");
    for name in ["fig3-delay", "fig3-cdf", "single-bytes", "joins", "idle-rtt"] {
        for ending in ["svg", "png"] {
            let path = folder.path().join(format!("figures/{name}.{ending}"));
            assert!(path.metadata().is_ok_and(|file| file.len() > 1000), "{}", path.display());
        }
    }
    assert!(folder.path().join(RESULT_FILE).exists());
}

#[test]
fn an_outcome_without_runs_still_has_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outcome = synthetic::outcome();
    outcome.runs.clear();
    outcome.goals = crate::measure::goals(&outcome);
    outcome.incomplete_why = Some("interrupted before the first run".to_owned());
    build(folder.path(), &outcome).expect("built");
    let html = std::fs::read_to_string(folder.path().join("report.html")).expect("there");
    assert!(html.contains("interrupted before the first run"));
    assert!(summary(&outcome).contains("INCOMPLETE"));
}

#[test]
fn the_rows_say_what_the_frames_say() {
    let rows = way_rows(&synthetic::outcome());
    let row =
        rows.iter().find(|row| row.scenario == "fig3" && row.way == crate::result::Way::Switch);
    let row = row.expect("frames came by the switch");
    assert_eq!(row.propagation, Some(16.0));
    let ratio = row.ratio.expect("the path is known");
    assert!((1.0..1.06).contains(&ratio.median) && ratio.p99 <= 1.06, "{ratio:?}");
    assert!(row.delay.median > 16.0 && row.delay.median < 25.0, "{row:?}");
}

#[test]
fn every_kind_of_result_is_reported_again() {
    let again = |store: &dyn Fn(&std::path::Path), told: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        store(folder.path());
        main(&Args { folder: folder.path().to_owned() }).expect("it is one of ours");
        let html = std::fs::read_to_string(folder.path().join("report.html")).expect("there");
        assert!(html.contains(told), "{told} is missing");
        assert!(folder.path().join("figures").exists() && folder.path().join("csv").exists());
    };
    let mesh = crate::planetlab::synthetic::outcome();
    assert!(mesh.goals.is_empty(), "they are judged anew");
    again(&|folder| store(folder, &mesh).expect("stored"), "figure 12");
    let mut simulations = crate::simulate::synthetic::simulations();
    simulations.goals.clear();
    again(&|folder| store(folder, &simulations).expect("stored"), "low upload: the base layer");
    again(&|folder| store(folder, &synthetic::outcome()).expect("stored"), "fig3");
}
