//! The controller as a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A controller that runs, and ends with this.
pub(crate) struct Controller {
    child: Child,
    address: SocketAddr,
    http: SocketAddr,
    _folder: TempDir,
}

impl Controller {
    /// One with a configuration file that says `settings`.
    pub(crate) fn start(settings: &str) -> Result<Controller, String> {
        let failed = |error| format!("cannot start the controller: {error}");
        let folder = TempDir::new().map_err(failed)?;
        let file = folder.path().join("controller.toml");
        let (address, http) = (free().map_err(failed)?, free().map_err(failed)?);
        let settings = format!("listen = \"{address}\"\nhttp = \"{http}\"\n{settings}");
        std::fs::write(&file, settings).map_err(failed)?;
        let child = Command::new(env!("CARGO_BIN_EXE_nearcast-controller"))
            .arg("--config")
            .arg(&file)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut controller = Controller { child, address, http, _folder: folder };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = controller.child.try_wait() {
                return Err(format!("the controller ended: {status}"));
            }
            if Instant::now() > end {
                return Err(format!("the controller does not listen at {address}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(controller)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says of itself by a name, such as `hosts`: the value of that gauge.
    pub(crate) fn gauge(&self, name: &str) -> Result<f64, String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.http)?;
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
            let mut page = String::new();
            stream.read_to_string(&mut page).map(|_| page)
        };
        let page: std::io::Result<String> = ask();
        let page = page.map_err(|error| format!("asking for {name}: {error}"))?;
        let name = format!("nearcast_controller_{name} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        value.ok_or_else(|| format!("there is no {name}"))
    }

    /// Its resident memory now and at most so far, in MiB (`VmRSS` and `VmHWM`, proc(5)).
    pub(crate) fn memory(&self) -> Result<(f64, f64), String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("{path} says no {name}"))
        };
        Ok((mib("VmRSS")?, mib("VmHWM")?))
    }

    /// The processor time that it has used so far (fields 14 and 15 of `stat`, proc(5)).
    pub(crate) fn processor(&self) -> Result<Duration, String> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The name, in parentheses, may have spaces in it.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: Option<u64> =
            fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().ok()).sum();
        let ticks = ticks.ok_or_else(|| format!("{path} is not what proc(5) says"))?;
        // USER_HZ, which is 100 on every architecture that Linux has users on.
        Ok(Duration::from_millis(10 * ticks))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free a moment ago, and likely still.
fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
