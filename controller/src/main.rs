//! `nearcast-controller`: see `--help`.

use clap::Parser;
use nearcast_controller::learning::LearningServer;
use nearcast_controller::{App, Arguments, Command, Error, Server, check};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> std::process::ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearcast-controller: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Allows as many descriptors as the administrator does: each switch takes one.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it is refused, the switch that is one too many is not accepted, and that is said.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let system = |what| move |source| Error::System { what, source };
    if let Some(Command::Check { file }) = &arguments.command {
        check(file)?;
        println!("{}: nothing is wrong with it", file.display());
        return Ok(());
    }
    let settings = arguments.settings()?;
    allow_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the event loop"))?;
    runtime.block_on(async {
        let mut terminate =
            signal(SignalKind::terminate()).map_err(system("cannot wait for SIGTERM"))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(system("cannot wait for SIGINT"))?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let listening = |address: std::io::Result<_>| {
            let address = address.map_err(system("cannot tell the listening address"))?;
            tracing::info!("listening for switches on {address}");
            Ok(())
        };
        match settings.app {
            App::Fabric => {
                let server = Server::bind(settings)?;
                listening(server.address())?;
                server.run(stop).await;
            }
            App::Learning => {
                let server = LearningServer::bind(settings.listen, settings.workers)?;
                listening(server.address())?;
                let counts = server.run(stop).await;
                tracing::info!(?counts, "stopped");
            }
        }
        Ok(())
    })
}
