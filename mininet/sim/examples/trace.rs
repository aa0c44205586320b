//! Generates a trace of the CCTV3 day and holds it against what is published.
//!
//! `cargo run -p nearcast-sim --example trace -- day.csv [SEED [SCALE]]`

use std::env;
use std::error::Error;
use std::path::Path;

use nearcast_machine::Seed;
use nearcast_sim::trace::{Day, Fit};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (path, seed, scale) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [path] => (path, 1, 1.0),
        [path, seed] => (path, seed.parse()?, 1.0),
        [path, seed, scale] => (path, seed.parse()?, scale.parse()?),
        _ => return Err("usage: trace FILE [SEED [SCALE]]".into()),
    };
    let trace = Day::cctv3().generate(Seed::new(seed), scale)?;
    let comment = format!(
        "Generated to have the published properties of the PPLive CCTV3 day, not recorded.\n\
         cargo run -p nearcast-sim --example trace -- FILE {seed} {scale}"
    );
    trace.save(Path::new(path), &comment)?;
    for check in Fit::of(&trace, scale).checks {
        let verdict = if check.met { "met" } else { "missed" };
        println!("{}: {} (published: {}): {verdict}", check.property, check.ours, check.published);
    }
    Ok(())
}
