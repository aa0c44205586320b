use crate::result::{Frame, Stall, Viewer};

/// How much later than expected a frame may come before a person would call it late, ns: three
/// frames at 30 fps, and the most that a low-latency player buffers.
pub const TOLERANCE: u64 = 100_000_000;

/// What a player that buffers [`TOLERANCE`] makes of a series of frames.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Playback {
    /// Gaps.
    pub stalls: Vec<Stall>,
    /// Frames between the first and the last released one that are not there.
    pub lost: u64,
    /// Frames later than the median delay by more than [`TOLERANCE`].
    pub late: u64,
    /// Frames released again.
    pub repeated: u64,
    /// Frames released after one with a higher number.
    pub disordered: u64,
}

/// Plays the frames of one viewer, in the order they were released.
///
/// The player shows the first frame [`TOLERANCE`] after it came and the others at the distance they
/// were captured at; when one is not there in time it stands still until it is, and keeps that
/// distance from then on, as players do.
pub fn playback(frames: &[Frame]) -> Playback {
    let mut result = Playback::default();
    let Some(first) = frames.first() else { return result };
    let mut shift = first.released as i128 - i128::from(first.captured) + i128::from(TOLERANCE);
    let mut last = first.frame;
    for frame in &frames[1..] {
        match frame.frame.checked_sub(last) {
            Some(0) => result.repeated += 1,
            None => result.disordered += 1,
            Some(step) => {
                result.lost += step - 1;
                last = frame.frame;
                let due = i128::from(frame.captured) + shift;
                let wait = i128::from(frame.released) - due;
                if wait > 0 {
                    result.stalls.push(Stall {
                        frame: frame.frame,
                        at: u64::try_from(due).unwrap_or(0),
                        lasted: u64::try_from(wait).unwrap_or(u64::MAX),
                    });
                    shift += wait;
                }
            }
        }
    }
    let live = settled(frames);
    let mut delays: Vec<u64> = live.iter().map(|frame| frame.delay()).collect();
    delays.sort_unstable();
    if let Some(median) = delays.get(delays.len() / 2) {
        result.late = delays.iter().filter(|delay| **delay > median + TOLERANCE).count() as u64;
    }
    result
}

/// The frames that were captured after the viewer had its first one: those whose delay tells of the
/// way they came, and not of how long ago the stream began when the viewer joined.
pub fn settled(frames: &[Frame]) -> &[Frame] {
    let Some(first) = frames.first() else { return frames };
    let live = frames.iter().position(|frame| frame.captured >= first.released);
    &frames[live.unwrap_or(frames.len())..]
}

impl Viewer {
    /// The frames whose delay tells of the way they came; see [`settled`].
    pub fn settled(&self) -> &[Frame] {
        settled(&self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Way;

    const MS: u64 = 1_000_000;

    fn frame(number: u64, delay_ms: u64) -> Frame {
        let captured = 1_000 * MS + number * 33 * MS;
        Frame {
            frame: number,
            unit: number,
            layer: 1,
            bytes: 1000,
            captured,
            released: captured + delay_ms * MS,
            played: None,
            way: Way::Switch,
        }
    }

    #[test]
    fn steady_frames_play_without_a_stall() {
        let frames: Vec<Frame> = (0..90).map(|n| frame(n, 20)).collect();
        assert_eq!(playback(&frames), Playback::default());
    }

    #[test]
    fn one_long_delay_is_one_stall_and_one_late_frame() {
        let mut frames: Vec<Frame> = (0..90).map(|n| frame(n, 20)).collect();
        frames[40].released += 150 * MS;
        let played = playback(&frames);
        assert_eq!(played.stalls.len(), 1);
        assert_eq!((played.stalls[0].frame, played.stalls[0].lasted), (40, 50 * MS));
        assert_eq!((played.late, played.lost), (1, 0));
    }

    #[test]
    fn holes_repeats_and_disorder_are_told_apart() {
        let mut frames: Vec<Frame> = (0..30).map(|n| frame(n, 20)).collect();
        frames.remove(20);
        frames.insert(10, frames[9].clone());
        frames.swap(25, 26);
        let played = playback(&frames);
        assert_eq!(
            (played.lost, played.repeated, played.disordered),
            (2, 1, 1),
            "the swap skips one, then goes back"
        );
    }

    #[test]
    fn a_joiner_s_old_frames_do_not_count_as_delay() {
        // Joins at frame 30 and is given frames 0 to 29 at once.
        let now = frame(30, 0).captured;
        let mut frames: Vec<Frame> = (0..60).map(|n| frame(n, 20)).collect();
        for old in &mut frames[..30] {
            old.released = now;
        }
        assert_eq!(settled(&frames).first().map(|frame| frame.frame), Some(30));
        assert_eq!(playback(&frames).late, 0);
        assert!(playback(&frames).stalls.is_empty());
    }
}
