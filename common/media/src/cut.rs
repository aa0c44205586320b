use std::ops::Range;

use crate::Kind;

/// The most bytes of a unit that one chunk carries.
pub const CHUNK_MAX: usize = 1250;

/// Cuts the body of a unit into chunks: ranges of the body, in order, without gap or overlap.
///
/// Consecutive NAL units of H.264 are packed together while they fit into [`CHUNK_MAX`]; one that
/// does not fit alone is cut every `CHUNK_MAX` bytes, as is every other kind of body. A pure function
/// of its arguments, so that every node derives the same chunks. An empty body is one empty chunk.
pub fn cut(kind: Kind, body: &[u8]) -> Vec<Range<usize>> {
    let _ = (kind, body);
    unimplemented!()
}
