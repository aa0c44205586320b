use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use nearcast_machine::{Bitrate, Span, Time};

use super::error::{Fault, TraceError};
use super::session::{Session, Trace};

/// The most sessions of a trace: about a gigabyte of memory.
pub const MAX_SESSIONS: usize = 10_000_000;
/// The longest line of a trace, in bytes.
pub const MAX_LINE: usize = 4096;

const MAX_ID: usize = 64;
const MAX_TIME: f64 = 366.0 * 86_400.0;
const MAX_CAPACITY: f64 = 1e9;

impl Trace {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Names the file and the line.
    pub fn open(path: &Path) -> Result<Trace, TraceError> {
        let failed = |fault| TraceError { file: path.to_owned(), line: None, fault };
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        Trace::read(file, path)
    }

    /// Reads a trace from `source`, which `name` calls by name in errors. What is kept in memory is
    /// bounded by [`MAX_LINE`] and [`MAX_SESSIONS`], whatever comes.
    ///
    /// # Errors
    /// Names the line.
    pub fn read(source: impl Read, name: &Path) -> Result<Trace, TraceError> {
        read(source).map_err(|(line, fault)| TraceError { file: name.to_owned(), line, fault })
    }
}

/// A line, from 1, and what is wrong.
type Located = (Option<u64>, Fault);

fn read(source: impl Read) -> Result<Trace, Located> {
    let mut source = Lines { source: BufReader::new(source), number: 0, line: Vec::new() };
    let Some(header) = source.next()? else { return Err((None, Fault::Empty)) };
    let columns = Columns::of(header).map_err(|fault| (Some(source.number), fault))?;

    let (mut sessions, mut lines) = (Vec::new(), Vec::new());
    while let Some(line) = source.next()? {
        let session = columns.session(line).map_err(|fault| (Some(source.number), fault))?;
        if sessions.len() == MAX_SESSIONS {
            return Err((Some(source.number), Fault::TooMany(MAX_SESSIONS)));
        }
        sessions.push(session);
        lines.push(source.number);
    }
    if sessions.is_empty() {
        return Err((None, Fault::Empty));
    }
    Trace::new(sessions).map_err(|(index, fault)| {
        let fault = match fault {
            Fault::Overlap { id, other } => Fault::Overlap { id, other: lines[other as usize] },
            fault => fault,
        };
        (Some(lines[index]), fault)
    })
}

/// Lines that say something: neither blank nor comments. A CSV library would allow fields in quotes
/// that go on for ever, and lose count of the lines where some are blank.
struct Lines<R> {
    source: BufReader<R>,
    /// Of the line that was last read, from 1.
    number: u64,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> Result<Option<&str>, Located> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut bounded = self.source.by_ref().take(MAX_LINE as u64 + 1);
            let count = bounded.read_until(b'\n', &mut self.line);
            if count.map_err(|error| (Some(self.number), error.into()))? == 0 {
                return Ok(None);
            }
            if self.line.len() > MAX_LINE {
                return Err((Some(self.number), Fault::LongLine(MAX_LINE)));
            }
            if self.number == 1 && self.line.starts_with("\u{feff}".as_bytes()) {
                // A byte order mark, as spreadsheets write it.
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() && !self.line.starts_with(b"#") {
                break;
            }
        }
        let line = str::from_utf8(&self.line);
        Ok(Some(line.map_err(|_| (Some(self.number), Fault::Encoding))?))
    }
}

/// Where each column is.
struct Columns {
    id: usize,
    arrival: usize,
    departure: usize,
    capacity: Option<usize>,
    count: usize,
}

const ID: &str = "id";
const ARRIVAL: &str = "arrival_s";
const DEPARTURE: &str = "departure_s";
const CAPACITY: &str = "capacity_kbit_s";

impl Columns {
    fn of(header: &str) -> Result<Columns, Fault> {
        let names = [ID, ARRIVAL, DEPARTURE, CAPACITY];
        let mut found = [None; 4];
        let mut count = 0;
        for (index, name) in header.split(',').map(str::trim).enumerate() {
            count = index + 1;
            let known = names.iter().position(|known| *known == name);
            match known.map(|known| &mut found[known]) {
                Some(place @ None) => *place = Some(index),
                _ => return Err(Fault::Column(name.chars().take(MAX_ID).collect())),
            }
        }
        let need = |column: usize| found[column].ok_or(Fault::NoColumn(names[column]));
        Ok(Columns {
            id: need(0)?,
            arrival: need(1)?,
            departure: need(2)?,
            capacity: found[3],
            count,
        })
    }

    fn session(&self, line: &str) -> Result<Session, Fault> {
        let mut record = [""; 4];
        let mut found = 0;
        for field in line.split(',') {
            if let Some(place) = record.get_mut(found) {
                *place = field.trim();
            }
            found += 1;
        }
        if found != self.count {
            return Err(Fault::Fields { found, expected: self.count });
        }
        let id = record[self.id];
        if id.is_empty() || id.len() > MAX_ID || id.starts_with('#') {
            return Err(field(ID, id, "1 to 64 bytes that do not begin with #"));
        }
        let time = |column, index: usize| {
            let expected = "a number of seconds from 0 to 366 days";
            let secs = number(column, record[index], MAX_TIME, expected)?;
            Ok::<_, Fault>(Time::ZERO + Span::from_secs_f64(secs))
        };
        let rate = |index: usize| {
            let expected = "a rate in kbit/s, from 0 to 10^9";
            let kbits = number(CAPACITY, record[index], MAX_CAPACITY, expected)?;
            Ok::<_, Fault>(Bitrate::from_bits_per_sec((kbits * 1e3).round() as u64))
        };
        Ok(Session {
            id: id.into(),
            arrival: time(ARRIVAL, self.arrival)?,
            departure: time(DEPARTURE, self.departure)?,
            capacity: self.capacity.map(rate).transpose()?,
        })
    }
}

/// `text` as a number from 0 to `most`; NaN is none.
fn number(
    column: &'static str,
    text: &str,
    most: f64,
    expected: &'static str,
) -> Result<f64, Fault> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=most).contains(number));
    number.ok_or_else(|| field(column, text, expected))
}

fn field(column: &'static str, text: &str, expected: &'static str) -> Fault {
    Fault::Field { column, text: text.chars().take(MAX_ID).collect(), expected }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
