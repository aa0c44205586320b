use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nearcast_machine::Seed;

use crate::cli::{Cli, Command, Common, Elementary};
use crate::error::Error;
use crate::events::Event;
use crate::journal::{Journal, JournalThread};
use crate::life::{Life, told_to_end};
use crate::{broadcast, seed, system, view, witness};

/// Runs the program until it is told to end by SIGINT or SIGTERM (a witness: or its input ends).
///
/// # Errors
///
/// When it cannot start. What goes wrong later is repaired, or noted in the events and the log.
pub fn run(cli: Cli) -> Result<(), Error> {
    if common(&cli.command).is_some_and(|common| common.realtime)
        && let Err(error) = system::run_in_real_time()
    {
        tracing::warn!("--realtime is not permitted here: {error}");
    }
    // Signals count from here on, so that nothing that has begun is left half done.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("the event loop cannot start"))?;
    let outcome = runtime.block_on(async {
        let end = told_to_end().map_err(Error::system("signals cannot be awaited"))?;
        let (journal, thread) = journal(&cli.command)?;
        let lives = Life::new();
        let seed_value = from_the_system()?;
        let outcome = match cli.command {
            Command::Broadcast(args) => broadcast::run(args, journal.clone(), lives, end).await,
            Command::View(args) => view::run(args, journal.clone(), lives, seed_value, end).await,
            Command::Seed(args) => seed::run(args, journal.clone(), lives, seed_value, end).await,
            Command::Witness(args) => match args.format {
                Elementary::H264 => witness::run(io::stdin(), journal.clone(), end).await,
            },
        };
        let outcome = outcome.map(|summary| journal.note(Event::Summary(summary)));
        journal.end();
        if let Some(thread) = thread {
            thread.join();
        }
        outcome
    });
    // Tasks that did not end in time are abandoned.
    runtime.shutdown_background();
    outcome
}

fn common(command: &Command) -> Option<&Common> {
    match command {
        Command::Broadcast(args) => Some(&args.common),
        Command::View(args) => Some(&args.common),
        Command::Seed(args) => Some(&args.common),
        Command::Witness(_) => None,
    }
}

fn journal(command: &Command) -> Result<(Journal, Option<JournalThread>), Error> {
    let path: Option<&Path> = match command {
        Command::Witness(args) => Some(&args.events),
        other => common(other).and_then(|common| common.events.as_deref()),
    };
    let Some(path) = path else { return Ok((Journal::off(), None)) };
    let (journal, thread) =
        Journal::to_path(path).map_err(|source| Error::Events { path: path.to_owned(), source })?;
    Ok((journal, Some(thread)))
}

/// A seed that nobody can guess: the CDN seed's tokens are made from it.
fn from_the_system() -> Result<Seed, Error> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(Error::system("/dev/urandom cannot be read"))?;
    Ok(Seed::new(u64::from_ne_bytes(bytes)))
}
