use nearcast_machine::{Seed, Span, Time};
use nearcast_sim::trace::{Day, Fit, Session, Trace};

use super::{csv, figures, page};

fn page_of(name: &str, fit: &Fit, scale: f64) -> String {
    page::page(name, "nearcast trace show", scale, fit, &figures::all(fit, scale))
}

#[test]
fn a_generated_day_s_page_tells_what_it_has_and_the_tables_have_every_minute() {
    let trace = Day::cctv3().generate(Seed::new(1), 0.05).expect("a day");
    let fit = Fit::of(&trace, 0.05);
    let html = page_of("day <1>", &fit, 0.05);
    assert!(html.contains("day &lt;1&gt;") && !html.contains("day <1>"));
    assert_eq!(html.matches("<figure>").count(), 3);
    assert_eq!(html.matches("class=\"mark met\"").count(), fit.checks.len(), "{:?}", fit.checks);
    assert!(html.contains("more than 450") && html.contains("3000"), "scaled, and Table II");

    let folder = tempfile::tempdir().expect("a folder");
    csv::write(folder.path(), &fit).expect("written");
    let text = |name: &str| {
        std::fs::read_to_string(folder.path().join("csv").join(name)).expect("written")
    };
    let minutes = text("minutes.csv");
    let rows: Vec<Vec<u64>> = minutes
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|n| n.parse().expect("a number")).collect())
        .collect();
    assert_eq!(rows.len(), 1440);
    let arrivals: u64 = rows.iter().map(|row| row[2]).sum();
    assert_eq!(arrivals, trace.sessions().len() as u64);
    let busiest = rows.iter().max_by_key(|row| row[1]).expect("a day has minutes");
    assert!((18 * 60..22 * 60).contains(&busiest[0]), "{busiest:?}");
    assert!(text("lengths.csv").starts_with("fraction,length_s\n0.0,"));
}

#[test]
fn a_trace_of_one_short_session_has_a_page_as_well() {
    let at = |secs| Time::ZERO + Span::from_secs(secs);
    let session = Session { id: "a".into(), arrival: at(0), departure: at(5), capacity: None };
    let fit = Fit::of(&Trace::new(vec![session]).expect("one"), 1.0);
    let html = page_of("short", &fit, 1.0);
    assert!(html.contains("capacity_kbit_s"), "that it has none is told");
    assert!(html.contains("class=\"mark missed\"") && html.contains("5.0 s"));
    assert!(!html.contains("NaN") && !html.contains("inf"), "nothing is divided by nothing");
}
