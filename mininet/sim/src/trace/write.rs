use std::fmt;
use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nearcast_machine::Time;

use super::error::TraceError;
use super::session::Trace;

impl Trace {
    /// Writes the trace to `path`, under the lines of `comment`. Whatever happens, there is then
    /// either the whole trace or what was there before.
    ///
    /// # Errors
    /// Names the file.
    pub fn save(&self, path: &Path, comment: &str) -> Result<(), TraceError> {
        self.save_whole(path, comment).map_err(|error| TraceError {
            file: path.to_owned(),
            line: None,
            fault: error.into(),
        })
    }

    fn save_whole(&self, path: &Path, comment: &str) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // In the same folder, so that it can be renamed; the umask still applies.
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let mut out = BufWriter::new(&mut file);
        self.write(&mut out, comment)?;
        out.flush()?;
        drop(out);
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Writes the trace as CSV, under the lines of `comment`. The column of capacities is there if
    /// every session has one, for a field of it may not be empty.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write, comment: &str) -> io::Result<()> {
        for line in comment.lines() {
            writeln!(out, "# {line}")?;
        }
        let capacities = self.sessions().iter().all(|session| session.capacity.is_some());
        let last = if capacities { ",capacity_kbit_s" } else { "" };
        writeln!(out, "id,arrival_s,departure_s{last}")?;
        for session in self.sessions() {
            let (arrival, departure) = (Secs(session.arrival), Secs(session.departure));
            write!(out, "{},{arrival},{departure}", session.id)?;
            if let Some(capacity) = session.capacity.filter(|_| capacities) {
                write!(out, ",{}", Decimal { whole: capacity.bits_per_sec(), places: 3 })?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

struct Secs(Time);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal { whole: self.0.as_nanos(), places: 9 }.fmt(f)
    }
}

/// `whole` over ten to the `places`, exactly, without zeros at the end.
struct Decimal {
    whole: u64,
    places: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u64.pow(self.places);
        let (integer, mut fraction) = (self.whole / unit, self.whole % unit);
        if fraction == 0 {
            return write!(f, "{integer}");
        }
        let mut places = self.places as usize;
        while fraction.is_multiple_of(10) {
            (fraction, places) = (fraction / 10, places - 1);
        }
        write!(f, "{integer}.{fraction:0places$}")
    }
}
