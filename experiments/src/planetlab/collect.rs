//! From what the peers wrote to what a result holds.

use std::path::Path;
use std::time::Duration;

use nearcast_peer::events::{Event, Frame, Progress, Record, Summary, Way};

use super::population::{Member, Population};
use super::result::{Flavour, LAYERS, PeerRecord, Sample};
use crate::run::lines;

/// What programs told in a run.
pub(super) struct Told<'a> {
    /// Where each host's events are.
    pub(super) events: &'a Path,
    /// When the stream began, CLOCK_REALTIME ns.
    pub(super) origin: u64,
    /// From one sample of a peer to the next.
    pub(super) step: Duration,
}

/// What a chunk holds at most.
const CHUNK: u64 = 1250;

impl Told<'_> {
    /// Every peer that joined.
    pub(super) fn peers(&self, population: &Population, system: Flavour) -> Vec<PeerRecord> {
        let sent: Vec<Frame> = match system {
            Flavour::Switched => self.sent(),
            _ => Vec::new(),
        };
        let members = population.members.iter();
        members.filter_map(|member| self.peer(member, system, &sent)).collect()
    }

    /// UDP payload that a host's program sent.
    pub(super) fn sent_bytes(&self, host: &str) -> u64 {
        let records = self.read(host);
        let summary = records.into_iter().find_map(|record| match record.event {
            Event::Summary(summary) => Some(summary),
            _ => None,
        });
        summary.map_or(0, |summary: Summary| summary.bytes_out)
    }

    fn read(&self, host: &str) -> Vec<Record> {
        lines(&self.events.join(format!("{host}.jsonl")))
    }

    fn sent(&self) -> Vec<Frame> {
        let records = self.read(super::network::SEED).into_iter();
        let frames = records.filter_map(|record| match record.event {
            Event::Sent(frame) => Some(frame),
            _ => None,
        });
        frames.collect()
    }

    fn second(&self, t: u64) -> f64 {
        (t as f64 - self.origin as f64) / 1e9
    }

    fn peer(&self, member: &Member, system: Flavour, sent: &[Frame]) -> Option<PeerRecord> {
        let records = self.read(&member.host);
        let first = records.first()?;
        let mut peer = PeerRecord {
            host: member.host.clone(),
            class: member.class,
            group: member.group,
            delay_ms: member.delay.as_millis_f64(),
            joined_s: self.second(first.t),
            series: Vec::new(),
            served_bytes: 0,
            sent_bytes: 0,
            duplicates: 0,
            late: 0,
            pictures: 0,
            disordered: 0,
            by_switch: None,
            quality: None,
        };
        let grouped = system == Flavour::Switched && member.group.is_some();
        let mut switched = 0u64;
        let mut played = Pictures::new(sent);
        let mut steps = Steps { step: self.step.as_secs_f64(), samples: Vec::new() };
        for Record { t, event } in &records {
            let at_s = self.second(*t);
            match event {
                Event::Progress(progress) => {
                    steps.add(sample(at_s, progress));
                    peer.served_bytes = progress.served_bytes;
                    peer.duplicates = progress.duplicates;
                    peer.late = progress.late;
                }
                Event::Frame(frame) => {
                    peer.pictures += 1;
                    if grouped {
                        switched += u64::from(frame.way == Some(Way::Switch));
                        steps.add(played.sample(at_s, frame));
                    }
                }
                Event::Summary(summary) => {
                    peer.sent_bytes = summary.bytes_out;
                    peer.disordered = summary.repeated + summary.disordered;
                }
                _ => {}
            }
        }
        if grouped && peer.pictures > 0 {
            peer.by_switch = Some(switched as f64 / peer.pictures as f64);
        }
        peer.series = steps.samples;
        Some(peer)
    }
}

fn sample(at_s: f64, progress: &Progress) -> Sample {
    let of = |counts: &[u64]| std::array::from_fn(|layer| counts.get(layer).copied().unwrap_or(0));
    Sample {
        at_s,
        due: of(&progress.due),
        played: of(&progress.played),
        bytes: of(&progress.played_bytes),
    }
}

/// Keeps a sample in each step, and the last.
struct Steps {
    step: f64,
    samples: Vec<Sample>,
}

impl Steps {
    fn add(&mut self, sample: Sample) {
        match self.samples.as_slice() {
            [.., before, last] if last.at_s - before.at_s < self.step => {
                let end = self.samples.len() - 1;
                self.samples[end] = sample;
            }
            _ => self.samples.push(sample),
        }
    }
}

/// What a peer that is fed by the switch has shown, counted in chunks of whole pictures: it plays
/// no others.
struct Pictures<'a> {
    sent: &'a [Frame],
    /// The next one that is due.
    next: Option<usize>,
    so_far: Sample,
}

impl Pictures<'_> {
    fn new(sent: &[Frame]) -> Pictures<'_> {
        Pictures { sent, next: None, so_far: Sample::default() }
    }

    fn sample(&mut self, at_s: f64, frame: &Frame) -> Sample {
        let place = |number: u64| self.sent.partition_point(|sent| sent.frame < number);
        let from = self.next.unwrap_or_else(|| place(frame.frame));
        let until = place(frame.frame + 1);
        for sent in self.sent.get(from..until).unwrap_or_default() {
            add(&mut self.so_far.due, sent.layer, sent.bytes.div_ceil(CHUNK));
        }
        self.next = Some(from.max(until));
        add(&mut self.so_far.played, frame.layer, frame.bytes.div_ceil(CHUNK));
        add(&mut self.so_far.bytes, frame.layer, frame.bytes);
        self.so_far.at_s = at_s;
        self.so_far
    }
}

fn add(counts: &mut [u64; LAYERS], layer: u8, more: u64) {
    if let Some(count) = counts.get_mut(usize::from(layer).wrapping_sub(1)) {
        *count += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, layer: u8, bytes: u64) -> Frame {
        Frame {
            stream: "live/cam".to_owned(),
            epoch: 1,
            unit: number,
            frame: number,
            layer,
            bytes,
            captured: 0,
            way: None,
            keyframe: number == 0,
            timestamp: 0,
        }
    }

    #[test]
    fn a_missing_picture_was_due_and_not_played() {
        let sent: Vec<Frame> = (0..6).map(|n| frame(n, 1 + (n % 3) as u8, 1300)).collect();
        let mut pictures = Pictures::new(&sent);
        // It joins with the second, and misses the fourth.
        pictures.sample(0.0, &sent[1]);
        pictures.sample(0.1, &sent[2]);
        let last = pictures.sample(0.2, &sent[4]);
        assert_eq!((last.due, last.played), ([2, 4, 2], [0, 4, 2]));
        assert_eq!(last.bytes, [0, 2 * 1300, 1300]);
    }

    #[test]
    fn a_step_keeps_its_last_sample() {
        let mut steps = Steps { step: 1.0, samples: Vec::new() };
        for tenth in 0..=25 {
            steps.add(Sample { at_s: f64::from(tenth) / 10.0, ..Sample::default() });
        }
        let times: Vec<f64> = steps.samples.iter().map(|sample| sample.at_s).collect();
        assert_eq!(times.first().copied(), Some(0.0));
        assert_eq!(times.last().copied(), Some(2.5), "the end is not lost");
        assert!(times.len() <= 4, "{times:?}");
    }
}
