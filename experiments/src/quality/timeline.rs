use std::time::Duration;

use nearcast_media::{Error, Kind, Layer, Media, Unit, flv};

/// The pictures of a clip: when each is shown, and in which layer it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// In the order of publishing, which is that of decoding.
    pictures: Vec<Shown>,
    /// Times of showing in ascending order, and whose they are.
    order: Vec<(i64, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    /// RTMP ms.
    time: i64,
    layer: Layer,
}

impl Timeline {
    /// Reads an FLV file.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(data: &[u8]) -> Result<Timeline, Error> {
        let mut pictures = Vec::new();
        each_picture(data, |media, time| {
            let layer = Unit::new(0, 0, media).layer;
            pictures.push(Shown { time, layer });
        })?;
        let mut order: Vec<_> = pictures.iter().zip(0..).map(|(p, at)| (p.time, at)).collect();
        order.sort_unstable();
        Ok(Timeline { pictures, order })
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// When the picture that is published as number `frame` is shown, in the clip's ms.
    pub(super) fn time_of(&self, frame: u64) -> Option<i64> {
        Some(self.pictures.get(usize::try_from(frame).ok()?)?.time)
    }

    /// The first picture that is shown `later` than picture `place`, or after that, both counted in
    /// the order of showing.
    pub(super) fn after(&self, place: usize, later: Duration) -> usize {
        let Some((time, _)) = self.order.get(place) else { return self.order.len() };
        let from = time.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX));
        self.order.partition_point(|(shown, _)| *shown < from)
    }

    /// Which picture, counted in the order of showing, is shown at `time`, give or take a
    /// millisecond: relays and players round.
    pub(super) fn at(&self, time: i64) -> Option<usize> {
        let place = self.order.partition_point(|(shown, _)| *shown < time - 1);
        self.order.get(place).filter(|(shown, _)| *shown <= time + 1).map(|_| place)
    }

    /// The layer of the picture that is shown as number `place`.
    pub fn layer(&self, place: usize) -> Option<Layer> {
        let (_, at) = self.order.get(place)?;
        Some(self.pictures[*at].layer)
    }
}

/// Calls `each` with every picture of an FLV file and when it is shown. A file that ends in the
/// middle of a tag, as a recording may, ends there.
pub(super) fn each_picture(data: &[u8], mut each: impl FnMut(Media, i64)) -> Result<(), Error> {
    let mut rest = data.get(flv::HEADER.len()..).unwrap_or_default();
    while !rest.is_empty() {
        let (media, taken) = match flv::parse_tag(rest) {
            Ok(tag) => tag,
            Err(Error::Incomplete { .. }) => break,
            Err(error) => return Err(error),
        };
        rest = &rest[taken..];
        let Some(media) = media.filter(|media| media.kind == Kind::Video) else { continue };
        let Some(header) = flv::BodyHeader::parse(media.kind, &media.body) else { continue };
        // Sequence headers, and the end of sequence that FFmpeg writes last, hold no picture.
        if header.sequence_header || media.body.len() <= header.payload {
            continue;
        }
        let time = i64::from(media.timestamp) + i64::from(header.composition);
        each(media, time);
    }
    Ok(())
}
