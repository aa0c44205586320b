//! From what the programs wrote to what a result holds.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use nearcast_peer::events::{self, Event, Record};
use nearcast_topologies::Topology;
use serde_json::Value;

use crate::measure::playback;
use crate::result::{
    ControllerRecord, Fault, Frame, Hop, Join, Path as Route, Sent, Viewer, Way, WayChange,
};

/// A line longer than this is none of ours.
const LONGEST_LINE: u64 = 64 << 10;

/// The lines of a file of JSON that can be read; one that a kill cut off is left out, and a file
/// that is not there has none.
pub(crate) fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let mut reader = BufReader::new(file);
    let mut found = Vec::new();
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return found,
            Ok(_) => found.extend(serde_json::from_slice(&line).ok()),
        }
    }
}

/// What the broadcaster's peer did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Broadcast {
    pub sent: Vec<Sent>,
    pub published: Option<u64>,
    pub ended: Option<u64>,
}

pub(super) fn broadcast(path: &Path) -> Broadcast {
    let mut broadcast = Broadcast::default();
    for record in lines::<Record>(path) {
        match record.event {
            Event::PublishAccepted { .. } => broadcast.published = Some(record.t),
            Event::PublishEnded { .. } => broadcast.ended = Some(record.t),
            Event::Sent(frame) => broadcast.sent.push(Sent {
                frame: frame.frame,
                unit: frame.unit,
                layer: frame.layer,
                bytes: frame.bytes,
                captured: frame.captured,
                keyframe: frame.keyframe,
            }),
            _ => {}
        }
    }
    broadcast
}

/// What is known of a viewer before its peer's record is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seat {
    pub host: String,
    pub player: String,
    pub early: bool,
    pub opened: u64,
}

/// A viewer, from its peer's record. `whole` says that the stream ran to its end, so that frames
/// that are not there at the end are lost and not merely to come.
pub(super) fn viewer(
    seat: Seat,
    paths: Vec<Route>,
    path: &Path,
    sent: &[Sent],
    whole: bool,
) -> Viewer {
    let mut viewer = Viewer {
        host: seat.host,
        player: seat.player,
        early: seat.early,
        paths,
        opened: seat.opened,
        requested: None,
        play_accepted: None,
        first_frame: None,
        first_way: None,
        offered: None,
        first_switched_arrival: None,
        first_switched: None,
        join: None,
        frames: Vec::new(),
        changes: Vec::new(),
        stalls: Vec::new(),
        lost: 0,
        late: 0,
        repeated: 0,
        disordered: 0,
        repaired: 0,
        witness: None,
    };
    let layers: HashMap<u64, u8> = sent.iter().map(|frame| (frame.frame, frame.layer)).collect();
    for Record { t, event } in lines::<Record>(path) {
        match event {
            Event::PlayRequested { .. } => viewer.requested = viewer.requested.or(Some(t)),
            Event::PlayAccepted { .. } => viewer.play_accepted = viewer.play_accepted.or(Some(t)),
            Event::FirstFrame { way, .. } if viewer.first_frame.is_none() => {
                viewer.first_frame = Some(t);
                viewer.first_way = Some(way_of(way));
            }
            Event::FirstSwitched { .. } => {
                viewer.first_switched_arrival = viewer.first_switched_arrival.or(Some(t));
            }
            Event::Offer { .. } => viewer.offered = viewer.offered.or(Some(t)),
            Event::Frame(frame) => {
                let way = frame.way.map_or(Way::Cdn, way_of);
                if way == Way::Switch {
                    viewer.first_switched = viewer.first_switched.or(Some(t));
                }
                viewer.frames.push(Frame {
                    frame: frame.frame,
                    unit: frame.unit,
                    layer: frame.layer,
                    bytes: frame.bytes,
                    captured: frame.captured,
                    released: t,
                    played: None,
                    way,
                });
            }
            Event::Witnessed { unit, frame, captured, bytes, .. } => viewer.frames.push(Frame {
                frame,
                unit,
                layer: layers.get(&frame).copied().unwrap_or(0),
                bytes,
                captured,
                released: t,
                played: None,
                way: Way::Hls,
            }),
            Event::Way { from, to, reason, .. } => {
                if let Some(to) = relied_on(to) {
                    viewer.changes.push(WayChange { at: t, from: relied_on(from), to, reason });
                }
            }
            Event::Repair { chunks, .. } => viewer.repaired += u64::from(chunks),
            Event::Join { started, first_decodable, complete, chunks, bytes, .. } => {
                viewer.join.get_or_insert(Join {
                    started,
                    first_decodable: Some(first_decodable),
                    complete: Some(complete),
                    chunks,
                    bytes,
                });
            }
            _ => {}
        }
    }
    finish(&mut viewer, sent, whole);
    viewer
}

fn finish(viewer: &mut Viewer, sent: &[Sent], whole: bool) {
    let is_hls = viewer.frames.first().is_some_and(|frame| frame.way == Way::Hls);
    if let (true, Some(first)) = (is_hls, viewer.frames.first()) {
        viewer.first_frame = Some(first.released);
        viewer.first_way = Some(Way::Hls);
        play_hls(&mut viewer.frames);
    }
    let played = playback(&viewer.frames);
    viewer.stalls = played.stalls;
    viewer.lost = played.lost;
    viewer.late = played.late;
    viewer.repeated = played.repeated;
    viewer.disordered = played.disordered;
    if whole && !is_hls {
        let last = viewer.frames.iter().map(|frame| frame.frame).max();
        viewer.lost +=
            last.map_or(0, |last| sent.iter().filter(|frame| frame.frame > last).count() as u64);
    }
}

/// When a player that starts with the first frame and keeps real time shows each frame. It stands
/// still when one is not there, and is that much later from then on.
fn play_hls(frames: &mut [Frame]) {
    let mut shift = i128::MIN;
    for frame in frames {
        let delay = i128::from(frame.released) - i128::from(frame.captured);
        shift = shift.max(delay);
        frame.played = u64::try_from(i128::from(frame.captured) + shift).ok();
    }
}

fn way_of(way: events::Way) -> Way {
    match way {
        events::Way::Cdn => Way::Cdn,
        events::Way::Switch => Way::Switch,
        events::Way::Neighbour => Way::Neighbour,
        events::Way::Seed => Way::Seed,
    }
}

fn relied_on(path: events::Path) -> Option<Way> {
    match path {
        events::Path::Starting => None,
        events::Path::Cdn => Some(Way::Cdn),
        events::Path::Switch => Some(Way::Switch),
        events::Path::Bridge => Some(Way::Seed),
    }
}

/// The links that each way takes from the broadcaster to `viewer`.
pub(super) fn paths(topology: &Topology, broadcaster: &str, cdn: &str, viewer: &str) -> Vec<Route> {
    let hops = |from: &str, to: &str| -> Vec<Hop> {
        let path = topology.path(from, to);
        let hops = path.into_iter().flat_map(|path| path.hops);
        hops.map(|hop| Hop {
            from: hop.from,
            to: hop.to,
            rate: hop.params.rate.map(|rate| rate.bits_per_sec()),
            delay: hop.params.delay.as_nanos(),
        })
        .collect()
    };
    let around = [hops(broadcaster, cdn), hops(cdn, viewer)].concat();
    let across = hops(broadcaster, viewer);
    [
        (Way::Cdn, &around),
        (Way::Switch, &across),
        (Way::Neighbour, &across),
        (Way::Seed, &around),
        (Way::Hls, &around),
    ]
    .into_iter()
    .map(|(way, hops)| Route { way, hops: hops.clone() })
    .collect()
}

/// What the controller decided, in order and without what differs from run to run, and the messages
/// it counted.
pub(super) fn controller(path: &Path) -> Option<ControllerRecord> {
    let lines: Vec<serde_json::Map<String, Value>> = lines(path);
    if lines.is_empty() {
        return None;
    }
    let mut record = ControllerRecord::default();
    for mut line in lines {
        let is = |name: &str| line.get("event").and_then(Value::as_str) == Some(name);
        if is("summary") {
            for direction in ["sent", "received", "packet_ins"] {
                let counts = line.get(direction).and_then(Value::as_object).into_iter().flatten();
                let counts = counts.filter_map(|(kind, count)| {
                    Some((format!("{direction} {kind}"), count.as_u64()?))
                });
                record.messages.extend(counts);
            }
        } else if line.get("decision") == Some(&Value::Bool(true)) {
            for varies in ["t", "volatile", "decision"] {
                line.remove(varies);
            }
            record.decisions.push(Value::Object(line).to_string());
        }
    }
    Some(record)
}

/// How many frames that were sent from one second before a fault to five after it never came to
/// some viewer that was there.
pub(super) fn lost_at(fault_at: u64, sent: &[Sent], viewers: &[Viewer]) -> u64 {
    let around = fault_at.saturating_sub(1_000_000_000)..fault_at.saturating_add(5_000_000_000);
    let missing = |viewer: &Viewer| {
        let (Some(first), Some(last)) = (viewer.frames.first(), viewer.frames.last()) else {
            return 0;
        };
        let there: std::collections::HashSet<u64> =
            viewer.frames.iter().map(|frame| frame.frame).collect();
        let expected = sent.iter().filter(|frame| around.contains(&frame.captured));
        let expected = expected.filter(|frame| (first.frame..=last.frame).contains(&frame.frame));
        expected.filter(|frame| !there.contains(&frame.frame)).count() as u64
    };
    viewers.iter().map(missing).sum()
}

/// Puts the losses to each fault.
pub(super) fn faults(done: &[(String, u64)], sent: &[Sent], viewers: &[Viewer]) -> Vec<Fault> {
    let fault = |(what, at): &(String, u64)| Fault {
        what: what.clone(),
        at: *at,
        lost: lost_at(*at, sent, viewers),
    };
    done.iter().map(fault).collect()
}

/// Whether a file is there and has anything in it: a player that wrote nothing saw nothing.
pub(super) fn has_content(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.len() > 0)
}
