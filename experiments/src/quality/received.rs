use nearcast_media::{Error, stamp};

use super::Timeline;
use super::timeline::each_picture;

/// Which part of a clip a recording is of, told by the stamps in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The recording's time of showing less the clip's, ms.
    pub shift: i64,
    /// The first picture that the recording holds, counted in the order of showing.
    pub first: usize,
    /// The last one.
    pub last: usize,
}

impl Received {
    /// Reads a recording, an FLV file; `None` if nothing in it is stamped.
    ///
    /// Pictures that lost their stamp with their first slice stand among stamped ones, at the same
    /// distance from the clip.
    ///
    /// # Errors
    /// If it is no FLV file.
    pub fn of(data: &[u8], clip: &Timeline) -> Result<Option<Received>, Error> {
        let mut shift = None;
        let mut times = Vec::new();
        each_picture(data, |media, time| {
            times.push(time);
            if let Some(frame) = stamp::find(&media.body).map(|stamp| stamp.frame)
                && let Some(shown) = clip.time_of(frame)
            {
                shift.get_or_insert(time - shown);
            }
        })?;
        let Some(shift) = shift else { return Ok(None) };
        let places = || times.iter().filter_map(|time| clip.at(time - shift));
        let ends = places().min().zip(places().max());
        Ok(ends.map(|(first, last)| Received { shift, first, last }))
    }
}
