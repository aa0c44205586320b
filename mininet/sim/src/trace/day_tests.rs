use proptest::prelude::*;

use super::super::Fit;
use super::*;

/// The BLAKE3 hash of the whole trace as CSV: that it is the same on every machine.
const CCTV3_1: &str = "9be701ed63f2c9e13d491c7df4e95ab5dec7ab398fce8a8200ff380c61199b2d";

fn csv(trace: &Trace) -> Vec<u8> {
    let mut text = Vec::new();
    trace.write(&mut text, "").expect("memory");
    text
}

#[test]
fn the_day_has_every_published_property_whatever_the_seed() {
    for seed in 1..=3 {
        let trace = Day::cctv3().generate(Seed::new(seed), 1.0).expect("a day");
        let fit = Fit::of(&trace, 1.0);
        for check in &fit.checks {
            println!("{}: {} (published: {})", check.property, check.ours, check.published);
        }
        assert!(fit.is_met(), "{:#?}", fit.checks);
        // The crowds that were asked for, and no others.
        let minutes: Vec<usize> = fit.crowds.iter().map(|crowd| crowd.minute).collect();
        assert_eq!(minutes, [720, 1110, 1200]);
        if seed == 1 {
            assert_eq!(blake3::hash(&csv(&trace)).to_string(), CCTV3_1);
        }
    }
}

#[test]
fn the_population_follows_the_curve() {
    let day = Day { crowds: Vec::new(), ..Day::cctv3() };
    let fit = Fit::of(&day.generate(Seed::new(9), 1.0).expect("a day"), 1.0);
    for (minute, population) in fit.population.iter().enumerate() {
        let wanted = day.wanted(minute);
        // Five standard deviations of a Poisson variable, which the population is, and one per cent
        // for what the bins round off.
        let slack = 5.0 * wanted.sqrt() + 0.01 * wanted;
        let off = (f64::from(*population) - wanted).abs();
        assert!(off <= slack, "minute {minute}: {population}, wanted {wanted}");
    }
}

#[test]
fn the_seed_decides() {
    let generate = |seed| Day::cctv3().generate(Seed::new(seed), 0.02).expect("a day");
    assert_eq!(generate(4), generate(4));
    assert_ne!(generate(4), generate(5));
}

#[test]
fn a_day_that_cannot_be_is_refused() {
    let refused = |change: &dyn Fn(&mut Day)| {
        let mut day = Day::cctv3();
        change(&mut day);
        day.generate(Seed::new(1), 1.0).expect_err("refused").field
    };
    assert_eq!(refused(&|day| day.population[3].0 = f64::NAN), "population");
    assert_eq!(refused(&|day| day.population[3].1 = f64::INFINITY), "population");
    assert_eq!(refused(&|day| day.population.clear()), "population");
    assert_eq!(refused(&|day| day.crowds[0].viewers = f64::NAN), "crowds");
    assert_eq!(refused(&|day| day.crowds[0].minutes = 0.0), "crowds");
    assert_eq!(refused(&|day| day.lengths.parts.clear()), "lengths");
    assert_eq!(refused(&|day| day.lengths.parts[0].1.median = f64::NAN), "lengths");
    assert_eq!(refused(&|day| day.lengths.parts[0].1.sigma = 0.0), "lengths");
    assert_eq!(refused(&|day| day.lengths.least = -1.0), "lengths.least");
    for scale in [-1.0, f64::NAN, 1e9] {
        let error = Day::cctv3().generate(Seed::new(1), scale).expect_err("refused");
        assert_eq!(error.field, "scale");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_day_makes_a_trace_within_the_day(
        seed: u64,
        levels in prop::collection::vec(0.0f64..50.0, 2..8),
        median in 1.0f64..86_400.0,
        sigma in 0.01f64..5.0,
        hour in 0.0f64..23.0,
    ) {
        let last = levels.len() - 1;
        let at = |index: usize| 24.0 * index as f64 / last as f64;
        let day = Day {
            population: levels.into_iter().enumerate().map(|(i, level)| (at(i), level)).collect(),
            crowds: vec![Crowd { hour, minutes: 3.0, viewers: 30.0 }],
            lengths: Lengths { least: 0.0, parts: vec![(1.0, LogNormal { median, sigma })] },
        };
        let trace = day.generate(Seed::new(seed), 1.0).expect("a day");
        let end = Time::ZERO + Span::from_secs(86_400);
        for session in trace.sessions() {
            prop_assert!(session.arrival < session.departure && session.departure <= end);
        }
        // Not the day before: somebody of that crowd may be left, but not all.
        prop_assert!(trace.sessions().len() < 1_000_000);
    }
}
