//! The processes that are measured.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that listens, and ends with this.
pub(crate) struct Started {
    child: Child,
    address: SocketAddr,
}

impl Started {
    /// This program as the bare responder: a process of its own, as the controller is one.
    pub(crate) fn responder() -> Result<Started, String> {
        let failed = |error| format!("cannot start the responder: {error}");
        let mut child = Command::new(ourselves()?)
            .arg("--respond")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let output = child.stdout.take().expect("it was asked for");
        let address = BufReader::new(output)
            .read_line(&mut line)
            .map_err(failed)
            .and_then(|_| line.trim().parse().map_err(|_| "the responder said no address".into()));
        match address {
            Ok(address) => Ok(Started { child, address }),
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(why)
            }
        }
    }

    /// `nearcast-controller --app learning`, from where this program is.
    pub(crate) fn controller(workers: Option<NonZero<usize>>) -> Result<Started, String> {
        let program = ourselves()?.with_file_name("nearcast-controller");
        let failed = |error| format!("cannot start {}: {error}", program.display());
        // Free a moment ago, and likely still.
        let address = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(failed)?;
        let mut command = Command::new(&program);
        command.args(["--app", "learning", "--listen", &address.to_string()]);
        if let Some(workers) = workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let child = command.env("RUST_LOG", "warn").spawn().map_err(failed)?;
        let mut started = Started { child, address };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = started.child.try_wait() {
                return Err(format!("{} ended: {status}", program.display()));
            }
            if Instant::now() > end {
                return Err(format!("{} does not listen at {address}", program.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(started)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ourselves() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))
}
