//! `nearcast doctor`: what this machine can and cannot do.

mod checks;
mod probe;

use std::process::ExitCode;

use serde::Serialize;

use crate::Failure;

/// `nearcast doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo nearcast doctor\n  sudo nearcast doctor --json | jq .can_run"
)]
pub struct Args {
    /// Prints JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// What was found, one check after the other.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// Whether `nearcast compare` can run here.
    pub can_run: bool,
    /// In the order in which a person would look.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found: a version, a number, or why it is not well.
    pub found: String,
    /// What to do, where something can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// The main job runs without it, or with it as it is, but something is lost.
    Limited,
    /// The main job cannot run.
    Missing,
}

/// Looks at everything and prints it; failure if the main job cannot run.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let diagnosis = diagnose();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&diagnosis)?);
    } else {
        print!("{}", table(&diagnosis));
    }
    Ok(if diagnosis.can_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at everything.
pub fn diagnose() -> Diagnosis {
    let checks = checks::all();
    let can_run = checks.iter().all(|check| check.state != State::Missing);
    Diagnosis { can_run, checks }
}

fn table(diagnosis: &Diagnosis) -> String {
    let width = diagnosis.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Check { name, state, found, remedy } in &diagnosis.checks {
        let state = match state {
            State::Ok => "ok",
            State::Limited => "limited",
            State::Missing => "MISSING",
        };
        text += &format!("{state:<8} {name:<width$}  {found}\n");
        if let Some(remedy) = remedy {
            text += &format!("{:8} {:width$}  -> {remedy}\n", "", "");
        }
    }
    text += match diagnosis.can_run {
        true => "\n`nearcast compare` can run here.\n",
        false => "\n`nearcast compare` cannot run here before what is MISSING is put right.\n",
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stops_the_main_job_and_says_what_to_do() {
        let check = |state, remedy| Check { name: "thing", state, found: "none".into(), remedy };
        let limited = Diagnosis { can_run: true, checks: vec![check(State::Limited, None)] };
        assert!(table(&limited).contains("can run here"));
        let missing = vec![check(State::Missing, Some("apt install thing"))];
        let text = table(&Diagnosis { can_run: false, checks: missing });
        assert!(text.contains("MISSING  thing  none\n"), "{text}");
        assert!(text.contains("-> apt install thing\n"), "{text}");
        assert!(text.contains("cannot run here"), "{text}");
    }

    #[test]
    fn a_machine_that_runs_this_test_has_processors_memory_and_a_clock() {
        let diagnosis = diagnose();
        for name in ["processors", "memory", "clock source", "kernel"] {
            let check = diagnosis.checks.iter().find(|check| check.name == name).expect(name);
            assert!(check.found.contains(|c: char| c.is_ascii_alphanumeric()), "{check:?}");
        }
        let missing = diagnosis.checks.iter().any(|check| check.state == State::Missing);
        assert_eq!(diagnosis.can_run, !missing);
    }
}
