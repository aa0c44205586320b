use crate::measure::{Summary, frame_floor, frame_ratio, packets, propagation};
use crate::result::{Outcome, Run, System, Viewer, Way};

/// One way that frames came in the runs of one scenario, system and number of viewers.
#[derive(Debug, Clone, PartialEq)]
pub struct WayRow {
    /// `fig3/assisted`; see [`Run::label`].
    pub run: String,
    /// `fig3`.
    pub scenario: String,
    /// How viewers got the stream.
    pub system: System,
    /// How many viewers there were.
    pub viewers: usize,
    /// How these frames came.
    pub way: Way,
    /// Frames.
    pub frames: usize,
    /// Propagation along the path, ms.
    pub propagation: Option<f64>,
    /// The median frame's physical minimum, ms.
    pub floor: Option<f64>,
    /// Delays, ms.
    pub delay: Summary,
    /// Delays divided by each frame's own physical minimum.
    pub ratio: Option<Summary>,
    /// HLS: delays until a player shows the frame, ms.
    pub played: Option<Summary>,
}

/// The delays of every way, run by run. Frames that were captured before their viewer had its first
/// one are left out: their delay tells when it joined.
pub fn way_rows(outcome: &Outcome) -> Vec<WayRow> {
    outcome.runs.iter().flat_map(rows_of).collect()
}

fn rows_of(run: &Run) -> Vec<WayRow> {
    let mut ways: Vec<Way> =
        run.viewers.iter().flat_map(|viewer| viewer.settled()).map(|frame| frame.way).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.into_iter().filter_map(|way| row_of(run, way)).collect()
}

fn row_of(run: &Run, way: Way) -> Option<WayRow> {
    let frames: Vec<_> = run
        .viewers
        .iter()
        .flat_map(|viewer| viewer.settled().iter().map(move |frame| (viewer, frame)))
        .filter(|(_, frame)| frame.way == way)
        .collect();
    let path = |viewer: &Viewer| viewer.paths.iter().find(|path| path.way == way).cloned();
    let floors = frames.iter().filter_map(|(viewer, frame)| {
        let path = path(viewer)?;
        Some(frame_floor(&path.hops, &packets(way, frame.bytes)) as f64 / 1e6)
    });
    let played = frames
        .iter()
        .filter_map(|(_, frame)| Some(frame.played?.saturating_sub(frame.captured) as f64 / 1e6));
    Some(WayRow {
        run: run.label(),
        scenario: run.scenario.clone(),
        system: run.system,
        viewers: run.viewers.len(),
        way,
        frames: frames.len(),
        propagation: frames
            .first()
            .and_then(|(viewer, _)| path(viewer))
            .map(|path| propagation(&path.hops) as f64 / 1e6),
        floor: Summary::of(floors).map(|floors| floors.median),
        delay: Summary::of(frames.iter().map(|(_, frame)| frame.delay() as f64 / 1e6))?,
        // A frame that waits for its HLS segment has no minimum worth dividing by.
        ratio: Summary::of(
            frames
                .iter()
                .filter(|_| way != Way::Hls)
                .filter_map(|(viewer, frame)| frame_ratio(viewer, frame)),
        ),
        played: Summary::of(played),
    })
}
