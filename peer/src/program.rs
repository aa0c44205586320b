use std::io;
use std::path::Path;

use nearcast_machine::Seed;

use crate::cli::{Cli, Command, Common, Elementary};
use crate::error::Error;
use crate::events::Event;
use crate::journal::{Journal, JournalThread};
use crate::life::{Life, told_to_end};
use crate::{broadcast, mesh, seed, system, tracker, view, witness};

/// Runs the program until it is told to end by SIGINT or SIGTERM (a witness: or its input ends).
///
/// # Errors
///
/// When it cannot start. What goes wrong later is repaired, or noted in the events and the log.
pub fn run(cli: Cli) -> Result<(), Error> {
    if is_realtime(&cli.command)
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
        // Tokens and the mesh's keys are made from it.
        let seed_value = Seed::from_entropy(system::entropy()?);
        let outcome = match cli.command {
            Command::Broadcast(args) => {
                broadcast::run(args, journal.clone(), lives, seed_value, end).await
            }
            Command::View(args) => view::run(args, journal.clone(), lives, seed_value, end).await,
            Command::Seed(args) => seed::run(args, journal.clone(), lives, seed_value, end).await,
            Command::Mesh(args) => mesh::run(args, journal.clone(), lives, seed_value, end).await,
            Command::Tracker(args) => {
                tracker::run(args, journal.clone(), lives, seed_value, end).await
            }
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
        Command::Mesh(_) | Command::Tracker(_) | Command::Witness(_) => None,
    }
}

fn is_realtime(command: &Command) -> bool {
    match command {
        Command::Mesh(args) => args.realtime,
        other => common(other).is_some_and(|common| common.realtime),
    }
}

fn journal(command: &Command) -> Result<(Journal, Option<JournalThread>), Error> {
    let path: Option<&Path> = match command {
        Command::Witness(args) => Some(&args.events),
        Command::Mesh(args) => args.events.as_deref(),
        Command::Tracker(args) => args.events.as_deref(),
        other => common(other).and_then(|common| common.events.as_deref()),
    };
    let Some(path) = path else { return Ok((Journal::off(), None)) };
    let (journal, thread) =
        Journal::to_path(path).map_err(|source| Error::Events { path: path.to_owned(), source })?;
    Ok((journal, Some(thread)))
}
