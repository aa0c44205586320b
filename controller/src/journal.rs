use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearcast_fabric::{Ending, Event};
use nearcast_machine::{Span, Time};
use rust_openflow::v13::Message;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::Error;
use crate::north::{self, Durations};
use crate::spans::Spans;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a switch.
    Sent,
    /// From a switch.
    Received,
}

/// Writes events as JSON lines, counts messages, and sums up at the end.
///
/// Every line has `t` (CLOCK_REALTIME in ns) and `event`; a decision about a stream has `decision`
/// true, and two runs of one scenario with one seed agree in those lines but for `t` and
/// `volatile`.
#[derive(Debug)]
pub struct Journal {
    file: Option<(PathBuf, BufWriter<File>)>,
    sent: BTreeMap<&'static str, u64>,
    received: BTreeMap<&'static str, u64>,
    events: BTreeMap<String, u64>,
    endings: BTreeMap<&'static str, u64>,
    durations: Durations,
    spans: Spans,
    /// Lines for those who follow along.
    followers: broadcast::Sender<Arc<str>>,
}

/// How many there were of each name.
pub(crate) type Counts<K> = BTreeMap<K, u64>;

impl Journal {
    /// A journal that writes to `path`, or only counts and logs.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: Option<&Path>) -> Result<Journal, Error> {
        let file = path
            .map(|path| match File::create(path) {
                Ok(file) => Ok((path.to_owned(), BufWriter::new(file))),
                Err(source) => Err(Error::Events { path: path.to_owned(), source }),
            })
            .transpose()?;
        let (sent, received, events, endings) = Default::default();
        let (followers, _) = broadcast::channel(north::EVENTS);
        let (durations, spans) = (Durations::new(), Spans::default());
        Ok(Journal { file, sent, received, events, endings, durations, spans, followers })
    }

    /// Lines from now on, for whoever follows along.
    pub(crate) fn followers(&self) -> &broadcast::Sender<Arc<str>> {
        &self.followers
    }

    /// Messages sent and received by type, and events by name.
    pub(crate) fn counts(&self) -> (&Counts<&'static str>, &Counts<&'static str>, &Counts<String>) {
        (&self.sent, &self.received, &self.events)
    }

    /// Connections that ended, by why they did.
    pub(crate) fn endings(&self) -> &Counts<&'static str> {
        &self.endings
    }

    pub(crate) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Counts a message by its type.
    pub fn count(&mut self, direction: Direction, message: &Message) {
        let counts = match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        *counts.entry(message.body.name()).or_default() += 1;
    }

    /// Writes an event. `handled` is how long the controller took from reading the message that
    /// caused it to handing out all that follows from it.
    pub fn event(&mut self, now: Time, event: &Event, handled: Option<Span>) {
        let mut line = match serde_json::to_value(event) {
            Ok(Value::Object(line)) => line,
            other => {
                tracing::error!(?event, ?other, "an event that is no JSON object is not written");
                return;
            }
        };
        if event.is_decision() {
            line.insert("decision".to_owned(), true.into());
        }
        if let Some(handled) = handled.filter(|_| event.is_decision()) {
            let volatile = line.entry("volatile").or_insert_with(|| json!({}));
            volatile["handled_us"] = (handled.as_nanos() as f64 / 1e3).into();
        }
        let name = line.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
        let text = Value::Object(line.clone()).to_string();
        self.durations.observe(event);
        let ending = event.ending();
        self.spans.of(event).in_scope(|| match ending {
            // It was ended here, and a person should know why.
            Some(cause) if cause != Ending::Closed => {
                tracing::warn!(target: "nearcast_controller::event", "{text}");
            }
            _ => tracing::info!(target: "nearcast_controller::event", "{text}"),
        });
        if let Some(cause) = ending {
            *self.endings.entry(cause.name()).or_default() += 1;
        }
        *self.events.entry(name).or_default() += 1;
        self.write(now, line);
    }

    /// Writes the last line: messages by type and direction, packet-ins by class, events by name.
    pub fn summary(&mut self, now: Time, packet_ins: &BTreeMap<&'static str, u64>) {
        let summary = json!({
            "event": "summary",
            "sent": self.sent,
            "received": self.received,
            "packet_ins": packet_ins,
            "events": self.events,
        });
        tracing::info!(target: "nearcast_controller::event", "{summary}");
        if let Value::Object(line) = summary {
            self.write(now, line);
        }
    }

    fn write(&mut self, now: Time, mut line: serde_json::Map<String, Value>) {
        line.insert("t".to_owned(), now.as_nanos().into());
        let line = Value::Object(line).to_string();
        if self.followers.receiver_count() > 0 {
            // Whoever has gone meanwhile misses nothing.
            let _ = self.followers.send(line.as_str().into());
        }
        let Some((path, file)) = &mut self.file else { return };
        // Line by line, so that a reader follows along and a kill loses nothing.
        let written = writeln!(file, "{line}").and_then(|()| file.flush());
        if let Err(error) = written {
            tracing::error!("cannot write events to {} any more: {error}", path.display());
            self.file = None;
        }
    }
}
