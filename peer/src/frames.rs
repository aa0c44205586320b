use nearcast_media::{Kind, StreamName, Unit, stamp};

use crate::events::Frame;

/// The frame in a unit; `None` unless it holds a stamped picture.
pub(crate) fn frame_of(name: &StreamName, unit: &Unit) -> Option<Frame> {
    if unit.kind != Kind::Video || unit.header {
        return None;
    }
    let stamp = stamp::find(&unit.body)?;
    Some(Frame {
        stream: name.to_string(),
        epoch: unit.epoch.into(),
        unit: unit.number,
        frame: stamp.frame,
        layer: unit.layer.number(),
        bytes: unit.body.len() as u64,
        captured: stamp.captured.as_nanos(),
        way: None,
        keyframe: unit.keyframe,
        timestamp: unit.timestamp,
    })
}
