//! The engine's words in the words of the event file.

use nearcast_engine::viewer;
use nearcast_media::StreamName;

use crate::events::{Event, Path, Way};
use crate::offers;

pub(super) fn way_of(way: viewer::Way) -> Way {
    match way {
        viewer::Way::Cdn => Way::Cdn,
        viewer::Way::Switch => Way::Switch,
        viewer::Way::Neighbour => Way::Neighbour,
        viewer::Way::Seed => Way::Seed,
    }
}

pub(super) fn path_of(path: viewer::Path) -> Path {
    match path {
        viewer::Path::Starting => Path::Starting,
        viewer::Path::Cdn => Path::Cdn,
        viewer::Path::Switch => Path::Switch,
        viewer::Path::Bridge => Path::Bridge,
    }
}

fn cause_of(cause: viewer::Cause) -> &'static str {
    match cause {
        viewer::Cause::Start => "start",
        viewer::Cause::Settled => "settled",
        viewer::Cause::Silence => "silence",
        viewer::Cause::Withdrawn => "withdrawn",
        viewer::Cause::Rejoined => "rejoined",
        viewer::Cause::CdnLost => "cdn_lost",
        viewer::Cause::Epoch => "epoch",
        viewer::Cause::Stuck => "stuck",
    }
}

/// `None` for what another event says already.
pub(super) fn event_of(name: &StreamName, event: viewer::Event) -> Option<Event> {
    let stream = name.to_string();
    Some(match event {
        // The offer and the answer, and the first frame.
        viewer::Event::Peered { .. } | viewer::Event::Started { .. } => return None,
        viewer::Event::Refused { from } => Event::Forged { from },
        viewer::Event::Unpeered { peering, reason } => {
            Event::Withdraw { peering, stream, reason: offers::reason(reason) }
        }
        viewer::Event::Path { from, to, unit, cause } => Event::Way {
            stream,
            from: path_of(from),
            to: path_of(to),
            unit,
            reason: cause_of(cause).to_owned(),
        },
        viewer::Event::Joined { holder, gop, began, first, complete, chunks, bytes } => {
            Event::Join {
                stream,
                holder: holder.into(),
                gop,
                started: began.as_nanos(),
                first_decodable: first.as_nanos(),
                complete: complete.as_nanos(),
                chunks: chunks.into(),
                bytes,
            }
        }
        viewer::Event::Asked { of, unit, chunks } => {
            Event::Repair { stream, unit, chunks, from: of.into() }
        }
        viewer::Event::Repaired { unit, chunks, way, after } => {
            Event::Repaired { stream, unit, chunks, way: way_of(way), after: after.as_nanos() }
        }
        viewer::Event::Skipped { from, to } => {
            Event::Lost { stream, first: from, units: to.saturating_sub(from) }
        }
        viewer::Event::Epoch { from, to } => {
            Event::Epoch { stream, from: from.into(), to: to.into() }
        }
        viewer::Event::Stalled { unit, span } => {
            Event::Late { stream, unit, span: span.as_nanos() }
        }
        viewer::Event::Ended => {
            Event::StreamEnded { stream, reason: "everything of it was released".to_owned() }
        }
    })
}
