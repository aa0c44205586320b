//! The configuration file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nearcast_fabric::{Limits, Subnet, VirtualRange};
use nearcast_machine::Span;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::args::{self, App};
use crate::{Error, TlsFiles};

/// What a file says; what it does not say is left to the command line and the defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) listen: Option<SocketAddr>,
    #[serde(deserialize_with = "text")]
    pub(crate) app: Option<App>,
    pub(crate) workers: Option<NonZero<usize>>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) http_token_file: Option<PathBuf>,
    pub(crate) events: Option<PathBuf>,
    #[serde(rename = "virtual", deserialize_with = "text")]
    pub(crate) virtual_range: Option<VirtualRange>,
    pub(crate) cdn: List<Cdn>,
    pub(crate) observe_only: Option<bool>,
    pub(crate) margin: Option<Spanned<f64>>,
    pub(crate) lease: Option<Spanned<Span>>,
    pub(crate) seed: Option<u64>,
    pub(crate) link_delays: BTreeMap<String, Span>,
    pub(crate) policy: PolicyFile,
    pub(crate) timing: TimingFile,
    pub(crate) limits: LimitsFile,
    pub(crate) tls: Option<Spanned<TlsFiles>>,
    pub(crate) peer: Option<Spanned<PeerFile>>,
}

/// Who may take part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PolicyFile {
    pub(crate) allow: List<Subnet>,
    pub(crate) deny: List<Subnet>,
    pub(crate) cdn: List<Subnet>,
}

/// How often and how long.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimingFile {
    pub(crate) probe_interval: Option<Spanned<Span>>,
    pub(crate) settle: Option<Spanned<Span>>,
    pub(crate) echo_interval: Option<Spanned<Span>>,
    pub(crate) audit_interval: Option<Spanned<Span>>,
}

/// The other controller.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeerFile {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) controller: Option<SocketAddr>,
    pub(crate) priority: Option<u8>,
    pub(crate) takeover: Option<Spanned<Span>>,
}

macro_rules! limits {
    ($($name:ident: $kind:ty),* $(,)?) => {
        /// Bounds, each as in [`Limits`].
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct LimitsFile {
            $($name: Option<$kind>,)*
        }

        impl LimitsFile {
            /// Those that are not said are the defaults.
            pub(crate) fn limits(&self) -> Limits {
                let default = Limits::default();
                // Spelt out, so that a limit which is added cannot be forgotten here.
                Limits { $($name: self.$name.map_or(default.$name, Into::into),)* }
            }
        }
    };
}

limits! {
    switches: usize,
    ports: usize,
    hosts: usize,
    hosts_per_port: usize,
    host_idle: Span,
    connections: usize,
    connections_per_client: usize,
    inspect_bytes: u64,
    inspect_time: Span,
    reassembly_bytes: usize,
    streams: usize,
    roles_per_host: usize,
    groups_per_switch: usize,
    viewers: usize,
    held_frames: usize,
    control_rate: u32,
    rtmp_rate: u32,
    unknown_rate: u32,
    answer_rate: u32,
}

/// An item of a list, written as text. What is wrong with it is told when the whole file is
/// checked, since only then it is known which item it is.
#[derive(Debug, Clone)]
pub(crate) struct Text<T>(Result<T, String>);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Text(text.parse().map_err(|error: T::Err| error.to_string())))
    }
}

/// A list of them.
pub(crate) type List<T> = Vec<Spanned<Text<T>>>;

/// The items of a list that was checked.
pub(crate) fn items<T: Copy>(list: &List<T>) -> impl Iterator<Item = T> {
    list.iter().filter_map(|item| item.get_ref().0.as_ref().ok().copied())
}

fn text<'de, T: FromStr<Err: std::fmt::Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Text::deserialize(deserializer)?.0.map(Some).map_err(serde::de::Error::custom)
}

/// An RTMP server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cdn(pub(crate) SocketAddr);

impl FromStr for Cdn {
    type Err = String;

    fn from_str(text: &str) -> Result<Cdn, String> {
        args::cdn(text).map(Cdn)
    }
}

impl File {
    /// Reads a file and checks every value that has bounds.
    ///
    /// # Errors
    /// With file, line and field.
    pub(crate) fn read(path: &Path) -> Result<File, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let source = Source { path, text: &text };
        let file: File = toml::from_str(&text).map_err(|error| {
            source.invalid(error.span().map_or(0, |span| span.start), error.message())
        })?;
        file.check(&source)?;
        Ok(file)
    }

    fn check(&self, source: &Source<'_>) -> Result<(), Error> {
        source.all(&self.cdn)?;
        for list in [&self.policy.allow, &self.policy.deny, &self.policy.cdn] {
            source.all(list)?;
        }
        if let Some(margin) = &self.margin {
            source.at(margin, args::margin(*margin.get_ref()).map(drop))?;
        }
        if let Some(lease) = &self.lease {
            source.at(lease, args::lease(*lease.get_ref()).map(drop))?;
        }
        let TimingFile { probe_interval, settle, echo_interval, audit_interval } = &self.timing;
        for span in [probe_interval, settle, echo_interval, audit_interval].into_iter().flatten() {
            source.at(span, args::interval(*span.get_ref()).map(drop))?;
        }
        if let Some(peer) = &self.peer {
            let inner = peer.get_ref();
            if inner.listen.is_none() || inner.controller.is_none() {
                let missing = "needs both `listen` and `controller`".to_owned();
                source.at(peer, Err(missing))?;
            }
            if let Some(takeover) = &inner.takeover {
                source.at(takeover, args::takeover(*takeover.get_ref()).map(drop))?;
            }
        }
        Ok(())
    }
}

/// A file's text, for errors that say where.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn at<T>(&self, value: &Spanned<T>, checked: Result<(), String>) -> Result<(), Error> {
        checked.map_err(|message| self.invalid(value.span().start, &message))
    }

    fn all<T>(&self, list: &List<T>) -> Result<(), Error> {
        let wrong = |item: &Spanned<Text<T>>| item.get_ref().0.as_ref().err().cloned();
        list.iter().try_for_each(|item| self.at(item, wrong(item).map_or(Ok(()), Err)))
    }

    /// That what is written at byte `offset` is wrong.
    fn invalid(&self, offset: usize, message: &str) -> Error {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let mut field = String::new();
        if let Ok(table) = DeTable::parse(self.text) {
            descend(table.get_ref(), offset, &mut field);
        }
        Error::Invalid {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            field,
            message: message.trim_end().to_owned(),
        }
    }
}

/// Finds the path of the innermost value around byte `offset`, such as `policy.allow[1]`.
fn descend(table: &DeTable<'_>, offset: usize, field: &mut String) {
    for (key, value) in table {
        let length = field.len();
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(key.get_ref());
        let named = field.len();
        match value.get_ref() {
            // The span of a table under a [header] is not all that it holds.
            DeValue::Table(inner) => descend(inner, offset, field),
            DeValue::Array(items) => {
                let at = items.iter().position(|item| item.span().contains(&offset));
                if let Some(index) = at {
                    field.push_str(&format!("[{index}]"));
                }
            }
            _ => {}
        }
        if field.len() > named || value.span().contains(&offset) || key.span().contains(&offset) {
            return;
        }
        field.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<File, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let path = file.path().display().to_string();
        File::read(file.path()).map_err(|error| error.to_string().replace(&path, "FILE"))
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_field() {
        for (text, said) in [
            ("listen = \"127.0.0.1:6653\"\nlisten_on = 3\n", "FILE:2:1: listen_on: unknown field"),
            ("margin = 1.5\n", "FILE:1:10: margin: 1.5 is not a part from 0 to below 1"),
            ("\nlease = \"8 parsecs\"", "FILE:2:9: lease: "),
            ("lease = \"0s\"", "FILE:1:9: lease: 0"),
            (
                "[policy]\nallow = [\"10.0.0.0/8\",\n  \"10.0.0.0/33\"]",
                "FILE:3:3: policy.allow[1]: ",
            ),
            ("[limits]\n# many\nhosts = -1", "FILE:3:9: limits.hosts: "),
            ("[limits]\nhost = 1", "FILE:2:1: limits.host: unknown field"),
            ("[timing]\nsettle = \"0ms\"", "FILE:2:10: timing.settle: "),
            ("[peer]\nlisten = \"127.0.0.1:1\"", "FILE:1:1: peer: needs both"),
            ("[link_delays]\ns1-eth1 = \"8\"", "FILE:2:11: link_delays.s1-eth1: "),
            ("cdn = [\"cdn.example\"]", "FILE:1:8: cdn[0]: expected an address"),
            ("[tls]\ncert = \"a.pem\"", "FILE:1:1: tls: missing field"),
            ("a = [", "FILE:1:6: "),
        ] {
            let error = read(text).expect_err(said);
            assert!(error.starts_with(said), "{error}\nis not what was expected: {said}");
        }
        let missing = File::read(Path::new("/nonexistent/nearcast.toml")).expect_err("no file");
        assert!(missing.to_string().contains("/nonexistent/nearcast.toml"));
    }

    #[test]
    fn every_limit_can_be_set() {
        let file = read("[limits]\nhosts = 7\nhost_idle = \"2s\"").expect("sound");
        let limits = file.limits.limits();
        assert_eq!((limits.hosts, limits.host_idle), (7, Span::from_secs(2)));
        assert_eq!(limits.viewers, Limits::default().viewers);
    }

    #[test]
    fn what_the_manual_shows_is_what_is_read() {
        let manual = include_str!("../../docs/operation.md");
        let (_, settings) = manual.split_once("All settings, with").expect("a chapter");
        let (settings, _) = settings.split_once("\n## ").expect("a chapter after it");
        let lines = settings.lines().filter_map(|line| line.strip_prefix("    "));
        let file = read(&lines.collect::<Vec<_>>().join("\n")).expect("sound");
        assert_eq!(file.limits.limits(), Limits::default(), "the defaults are those it says");
        assert_eq!(file.link_delays["s1-eth1"], Span::from_millis(8));
        assert!(file.tls.is_some() && file.peer.is_some());
    }
}
