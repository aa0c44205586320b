use nearcast_machine::Span;
use nearcast_media::StreamName;
use nearcast_topologies::{Error, Source};
use serde::Deserialize;
use toml::Spanned;

use crate::result::System;

/// What is run: a topology, a stream that crosses it for a while, viewers, and what is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it stands for, in a sentence.
    pub title: String,
    /// One of the topologies that come with nearcast, or the path of a file.
    pub topology: String,
    /// Which of the topology's settings; its own default if none.
    pub setting: Option<String>,
    /// It is run once with each of these numbers of viewers.
    pub viewers: Vec<u32>,
    /// And with each of these systems.
    pub systems: Vec<System>,
    /// How long one run is.
    pub duration: Span,
    /// When the stream runs.
    pub stream: Interval,
    /// What it is called.
    pub key: StreamName,
    /// When viewers join who are not there from the start.
    pub joins: Joins,
    /// Pings before, under and after the stream.
    pub ping: PingPlan,
    /// Which players viewers use, the first viewer the first, and round again.
    pub players: Vec<Player>,
    /// What is broken on purpose.
    pub faults: Vec<FaultPlan>,
}

/// From when until when, counted from the run's second 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its beginning.
    pub from: Span,
    /// Its end.
    pub until: Span,
}

impl Interval {
    /// How long it is.
    pub fn length(&self) -> Span {
        self.until.saturating_sub(self.from)
    }
}

/// The second viewer joins `first` after the stream's beginning, and each further one `every`
/// later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joins {
    /// When the second viewer joins, after the stream began.
    pub first: Span,
    /// From then on one viewer in each such interval.
    pub every: Span,
}

/// Pings at a steady interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingPlan {
    /// From one to the next.
    pub interval: Span,
    /// Bytes of ICMP payload.
    pub size: u32,
}

/// A player process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Player {
    /// FFmpeg, which decodes every picture and writes its checksum: a witness.
    Ffmpeg,
    /// rtmpdump, which only reads.
    Rtmpdump,
    /// MPlayer without picture or sound.
    Mplayer,
    /// mpv without picture or sound.
    Mpv,
}

impl Player {
    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Player::Ffmpeg => "ffmpeg",
            Player::Rtmpdump => "rtmpdump",
            Player::Mplayer => "mplayer",
            Player::Mpv => "mpv",
        }
    }
}

/// Something that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// When, after the stream began.
    pub at: Span,
    /// What.
    pub what: FaultKind,
    /// For how long, where it can be undone.
    #[serde(default = "FaultPlan::some_seconds")]
    pub lasts: Span,
}

impl FaultPlan {
    fn some_seconds() -> Span {
        Span::from_secs(3)
    }
}

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum FaultKind {
    /// The flow entries of all peerings, on every switch.
    #[serde(rename = "flows deleted")]
    Flows,
    /// The groups of all peerings, on every switch.
    #[serde(rename = "group deleted")]
    Group,
    /// Every datagram to a peering address is dropped, for a while.
    #[serde(rename = "LAN datagrams dropped")]
    Datagrams,
    /// The controller is killed, and not started again.
    #[serde(rename = "controller stopped")]
    Controller,
}

impl FaultKind {
    /// As it is written in files.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Flows => "flows deleted",
            FaultKind::Group => "group deleted",
            FaultKind::Datagrams => "LAN datagrams dropped",
            FaultKind::Controller => "controller stopped",
        }
    }
}

/// A scenario as written, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    title: String,
    topology: String,
    setting: Option<String>,
    #[serde(default = "one")]
    viewers: Spanned<Vec<u32>>,
    systems: Spanned<Vec<System>>,
    duration: Spanned<Span>,
    stream: Spanned<Interval>,
    #[serde(default = "live_cam")]
    key: Spanned<String>,
    #[serde(default = "staggered")]
    joins: Spanned<Joins>,
    ping: Spanned<PingPlan>,
    #[serde(default = "all_players")]
    players: Spanned<Vec<Player>>,
    #[serde(default)]
    faults: Vec<Spanned<FaultPlan>>,
}

fn one() -> Spanned<Vec<u32>> {
    Spanned::new(0..0, vec![1])
}

fn live_cam() -> Spanned<String> {
    Spanned::new(0..0, "live/cam".to_owned())
}

fn staggered() -> Spanned<Joins> {
    Spanned::new(0..0, Joins { first: Span::from_millis(4300), every: Span::from_millis(2900) })
}

fn all_players() -> Spanned<Vec<Player>> {
    Spanned::new(0..0, vec![Player::Ffmpeg, Player::Rtmpdump, Player::Mplayer, Player::Mpv])
}

/// A run of a day would fill the disk with events before anybody looks.
const LONGEST: Span = Span::from_secs(3600);
/// Three seconds of stream are the least in which a group of pictures is seen whole.
const SHORTEST_STREAM: Span = Span::from_secs(3);
/// More decoding players do not fit any machine that runs this.
const MOST_VIEWERS: u32 = 64;

impl Scenario {
    /// Reads and checks the file called `name` in messages, whose content is `text`.
    pub(super) fn read(name: &str, text: &str) -> Result<Scenario, Error> {
        let source = Source::new(name, text);
        let file: File = toml::from_str(text).map_err(|error| {
            source.invalid(error.span().map_or(0, |span| span.start), error.message())
        })?;
        check(&source, &file)?;
        let key = file.key.get_ref().parse();
        let key =
            key.map_err(|error| source.invalid(file.key.span().start, &format!("{error}")))?;
        Ok(Scenario {
            name: file.name.into_inner(),
            title: file.title,
            topology: file.topology,
            setting: file.setting,
            viewers: file.viewers.into_inner(),
            systems: file.systems.into_inner(),
            duration: file.duration.into_inner(),
            stream: file.stream.into_inner(),
            key,
            joins: file.joins.into_inner(),
            ping: file.ping.into_inner(),
            players: file.players.into_inner(),
            faults: file.faults.into_iter().map(Spanned::into_inner).collect(),
        })
    }

    /// The same with all its times shortened to a third: a minute becomes 20 s, for tests.
    pub fn quick(mut self) -> Scenario {
        let third = |span: &mut Span| *span = *span / 3;
        let Interval { from, until } = &mut self.stream;
        let Joins { first, every } = &mut self.joins;
        [&mut self.duration, from, until, first, every].into_iter().for_each(third);
        for fault in &mut self.faults {
            third(&mut fault.at);
            third(&mut fault.lasts);
        }
        self
    }

    /// When the viewer of this number (from 0) joins, after the stream began; nothing for the first
    /// one, who is there before.
    pub fn join(&self, viewer: u32) -> Option<Span> {
        viewer.checked_sub(1).map(|late| self.joins.first + self.joins.every * u64::from(late))
    }
}

fn check(source: &Source<'_>, file: &File) -> Result<(), Error> {
    let wrong = |at: usize, message: &str| Err(source.invalid(at, message));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name = file.name.get_ref();
    if name.is_empty() || !name.chars().all(plain) {
        return wrong(file.name.span().start, "letters, digits, - and _ only: files are called so");
    }
    let viewers = file.viewers.get_ref();
    if viewers.is_empty() || viewers.iter().any(|n| !(1..=MOST_VIEWERS).contains(n)) {
        let message = format!("at least one number of viewers, each from 1 to {MOST_VIEWERS}");
        return wrong(file.viewers.span().start, &message);
    }
    if file.systems.get_ref().is_empty() {
        return wrong(file.systems.span().start, "at least one of direct, assisted and hls");
    }
    if file.players.get_ref().is_empty() {
        return wrong(
            file.players.span().start,
            "at least one of ffmpeg, rtmpdump, mplayer and mpv",
        );
    }
    let (duration, stream) = (*file.duration.get_ref(), *file.stream.get_ref());
    if duration > LONGEST {
        return wrong(file.duration.span().start, &format!("at most {LONGEST}"));
    }
    if stream.length() < SHORTEST_STREAM {
        let message = format!("`until` must be at least {SHORTEST_STREAM} after `from`");
        return wrong(file.stream.span().start, &message);
    }
    if stream.until > duration {
        return wrong(file.stream.span().start, &format!("it would outlast the run's {duration}"));
    }
    let late = viewers.iter().max().map_or(0, |most| u64::from(most.saturating_sub(1)));
    let joins = *file.joins.get_ref();
    if late > 0 && joins.first + joins.every * (late - 1) + Span::from_secs(1) > stream.length() {
        let message =
            format!("the last of {} viewers would join when the stream is over", late + 1);
        return wrong(file.joins.span().start, &message);
    }
    let ping = file.ping.get_ref();
    if ping.interval < Span::from_millis(1) || ping.size > 1472 {
        return wrong(
            file.ping.span().start,
            "an interval of at least 1ms, a size of at most 1472",
        );
    }
    for fault in &file.faults {
        if fault.get_ref().at > stream.length() {
            return wrong(fault.span().start, "it would happen when the stream is over");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"x\"\ntitle = \"X\"\ntopology = \"single\"\nviewers = [1, 2]\n\
        systems = [\"direct\"]\nduration = \"60s\"\nstream = { from = \"15s\", until = \"45s\" }\n\
        ping = { interval = \"1s\", size = 56 }\n";

    #[test]
    fn every_scenario_that_comes_with_nearcast_is_sound() {
        for name in super::super::names() {
            let scenario = Scenario::find(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, name);
            let choice = scenario.setting.as_deref().map(nearcast_topologies::Choice::setting);
            nearcast_topologies::Topology::named(&scenario.topology, &choice.unwrap_or_default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let fig3 = Scenario::find("fig3").expect("it is there");
        assert_eq!((fig3.duration, fig3.stream.from), (Span::from_secs(60), Span::from_secs(15)));
        assert_eq!(fig3.quick().duration, Span::from_secs(20));
    }

    #[test]
    fn a_mistake_is_answered_with_file_line_and_field() {
        for (from, to, expected) in [
            ("\"60s\"", "\"60 parsecs\"", "x.toml:6:12: duration: `60 parsecs` is not a time"),
            ("\"15s\"", "\"50s\"", "x.toml:7:10: stream: `until` must be"),
            ("\"45s\"", "\"75s\"", "x.toml:7:10: stream: it would outlast"),
            ("[1, 2]", "[0]", "x.toml:4:11: viewers: at least one"),
            ("[1, 2]", "[60]", "would join when the stream is over"),
            ("\"direct\"", "\"p2p\"", "x.toml:5:"),
            ("size = 56", "sise = 56", "x.toml:8:"),
            ("name = \"x\"", "name = \"../x\"", "x.toml:1:8: name: letters"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error =
                Scenario::read("x.toml", &GOOD.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(expected), "{error}");
        }
        Scenario::read("x.toml", GOOD).expect("it is sound");
    }

    #[test]
    fn an_unknown_scenario_is_told_what_there_is() {
        let error = Scenario::find("fig4").expect_err("there is none").to_string();
        assert!(error.contains("fig4") && error.contains("fig2, fig3, single"), "{error}");
    }

    #[test]
    fn the_first_viewer_is_there_before_and_the_others_follow() {
        let single = Scenario::find("single").expect("it is there");
        let joins: Vec<Option<Span>> = (0..3).map(|viewer| single.join(viewer)).collect();
        assert_eq!(joins, [None, Some(Span::from_millis(4300)), Some(Span::from_millis(7200))]);
    }
}
