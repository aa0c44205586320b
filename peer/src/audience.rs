use nearcast_media::{Kind, Media, Unit};

use crate::queue::{Closed, Inlet, Item, Limit, Outlet, queue};

/// What one reader may be behind. At 4 Mbit/s this is half a minute.
const READER: Limit = Limit { messages: 4096, bytes: 16 << 20 };
/// The largest group of pictures that is kept for those who come later.
const GROUP: Limit = Limit { messages: 2048, bytes: 12 << 20 };

/// Everybody who reads one stream here: players, or the CDN. Whoever comes later gets the headers
/// and the current group of pictures at once, and is decodable from the first picture on.
#[derive(Default)]
pub(crate) struct Audience {
    readers: Vec<Reader>,
    /// The latest of each kind.
    headers: Vec<Media>,
    group: Group,
    /// Without video there is nothing to wait for.
    has_video: bool,
    cut_off: u64,
}

struct Reader {
    inlet: Inlet,
    /// It has to wait for the next keyframe.
    waits: bool,
}

impl Reader {
    /// Hands it `item`; `false` when it is not there any more, or was cut off just now.
    fn take(&self, item: Item, cut_off: &mut u64) -> bool {
        let pushed = self.inlet.push(item);
        *cut_off += u64::from(pushed == Err(Closed::Slow));
        pushed.is_ok()
    }
}

/// The units since the last keyframe.
#[derive(Default)]
struct Group {
    /// The headers as they were at the keyframe.
    headers: Vec<Media>,
    units: Vec<Item>,
    bytes: usize,
}

impl Audience {
    /// Takes a header that is no unit: one that stands before the stream, or that belongs to what
    /// comes after a skip. Who reads already gets it now.
    pub(crate) fn header(&mut self, media: Media) {
        let item = Item { unit: None, media: media.clone() };
        let cut_off = &mut self.cut_off;
        self.readers.retain(|reader| reader.waits || reader.take(item.clone(), cut_off));
        self.remember(media);
    }

    fn remember(&mut self, media: Media) {
        match self.headers.iter_mut().find(|header| header.kind == media.kind) {
            Some(header) => *header = media,
            None => self.headers.push(media),
        }
    }

    /// Hands the next unit to every reader.
    pub(crate) fn release(&mut self, unit: &Unit) {
        let item = Item { unit: Some(unit.number), media: unit.media() };
        if unit.header {
            self.remember(item.media.clone());
        }
        if unit.kind == Kind::Video {
            self.has_video = true;
            if unit.keyframe && !unit.header {
                self.group = Group { headers: self.headers.clone(), ..Group::default() };
                self.group.push(item.clone());
            } else {
                self.group.extend(item.clone());
            }
        } else {
            self.group.extend(item.clone());
        }

        let decodable = unit.keyframe && !unit.header && unit.kind == Kind::Video;
        let (headers, has_video, cut_off) = (&self.headers, self.has_video, &mut self.cut_off);
        self.readers.retain_mut(|reader| {
            if reader.waits && (decodable || !has_video && !unit.header) {
                // A queue that was empty until now takes a few headers; if its reader has left, the
                // unit behind them finds out.
                reader.inlet.begin(headers, &[], unit.timestamp).ok();
                reader.waits = false;
            }
            reader.waits || reader.take(item.clone(), cut_off)
        });
    }

    /// Another reader.
    pub(crate) fn join(&mut self) -> Outlet {
        let (inlet, outlet) = queue(READER);
        let begin = self.group.units.first().map(|first| {
            inlet.begin(&self.group.headers, &self.group.units, first.media.timestamp)
        });
        // A fresh queue is longer than a group, so it takes the whole.
        debug_assert!(!matches!(begin, Some(Err(_))));
        self.readers.push(Reader { inlet, waits: begin.is_none() });
        outlet
    }

    /// Readers that are still there.
    pub(crate) fn readers(&mut self) -> usize {
        self.readers.retain(|reader| reader.inlet.is_read());
        self.readers.len()
    }

    /// Readers that were dropped because they read too slowly.
    pub(crate) fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// The stream is over: each reader gets what waits for it and then the end. The next unit
    /// begins another stream.
    pub(crate) fn end(&mut self) {
        let cut_off = self.cut_off;
        *self = Audience { cut_off, ..Audience::default() };
    }
}

impl Group {
    fn push(&mut self, item: Item) {
        self.bytes += item.media.body.len();
        self.units.push(item);
    }

    /// Adds to a group that has begun. One that grows too large is not kept: who comes later then
    /// waits for the next keyframe.
    fn extend(&mut self, item: Item) {
        if self.units.is_empty() {
            return;
        }
        self.push(item);
        if self.bytes > GROUP.bytes || self.units.len() > GROUP.messages {
            *self = Group::default();
        }
    }
}

impl Inlet {
    /// What a reader gets first. Headers take the time of what follows them, as servers do: some
    /// players take the first timestamp they see for the beginning.
    fn begin(&self, headers: &[Media], units: &[Item], timestamp: u32) -> Result<(), Closed> {
        for header in headers {
            self.push(Item { unit: None, media: Media { timestamp, ..header.clone() } })?;
        }
        units.iter().try_for_each(|unit| self.push(unit.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nearcast_media::Layer;

    fn unit(number: u64, kind: Kind, keyframe: bool, header: bool) -> Unit {
        let body = Bytes::from(vec![0; 100]);
        let timestamp = 40 * number as u32;
        let layer = Layer::One;
        Unit { epoch: 1, number, kind, layer, keyframe, header, timestamp, body }
    }

    fn video(number: u64) -> Unit {
        unit(number, Kind::Video, number.is_multiple_of(10), false)
    }

    /// The numbers that wait, headers as `None`.
    fn drain(outlet: &mut Outlet) -> Vec<Option<u64>> {
        std::iter::from_fn(|| outlet.try_next()).map(|item| item.unit).collect()
    }

    #[test]
    fn a_later_reader_begins_with_headers_and_the_current_group() {
        let mut audience = Audience::default();
        let mut first = audience.join();
        audience.header(unit(0, Kind::Data, false, true).media());
        audience.release(&unit(8, Kind::Video, true, true));
        assert_eq!(drain(&mut first), [], "nothing can be shown yet");
        (9..15).for_each(|number| audience.release(&video(number)));
        assert_eq!(
            drain(&mut first),
            [None, None, Some(10), Some(11), Some(12), Some(13), Some(14)]
        );

        let mut second = audience.join();
        let items: Vec<Item> = std::iter::from_fn(|| second.try_next()).collect();
        assert!(items.iter().take(3).all(|item| item.media.timestamp == 400));
        let numbers: Vec<_> = items.iter().map(|item| item.unit).collect();
        assert_eq!(numbers, [None, None, Some(10), Some(11), Some(12), Some(13), Some(14)]);
        audience.release(&video(15));
        assert_eq!(drain(&mut first), [Some(15)]);
        assert_eq!(drain(&mut second), [Some(15)]);
    }

    #[test]
    fn a_header_after_a_skip_reaches_those_who_read_already() {
        let mut audience = Audience::default();
        let mut reads = audience.join();
        audience.release(&video(10));
        assert_eq!(drain(&mut reads), [Some(10)]);
        audience.header(unit(0, Kind::Video, true, true).media());
        audience.release(&video(20));
        assert_eq!(drain(&mut reads), [None, Some(20)]);
        assert_eq!(drain(&mut audience.join()), [None, Some(20)]);
    }

    #[test]
    fn sound_alone_needs_no_keyframe() {
        let mut audience = Audience::default();
        audience.release(&unit(0, Kind::Audio, false, true));
        let mut reader = audience.join();
        audience.release(&unit(1, Kind::Audio, true, false));
        assert_eq!(drain(&mut reader), [None, Some(1)]);
    }

    #[test]
    fn a_group_without_end_is_not_kept() {
        let mut audience = Audience::default();
        (1..5000).for_each(|n| audience.release(&unit(n, Kind::Video, n == 1, false)));
        let mut late = audience.join();
        assert_eq!(drain(&mut late), []);
        audience.release(&unit(5000, Kind::Video, true, false));
        assert_eq!(drain(&mut late), [Some(5000)]);
    }

    #[tokio::test]
    async fn a_slow_reader_does_not_hold_up_the_others() {
        let mut audience = Audience::default();
        let (mut slow, mut quick) = (audience.join(), audience.join());
        for number in 0..10_000 {
            audience.release(&video(number));
            assert_eq!(drain(&mut quick), [Some(number)]);
        }
        assert_eq!(slow.next().await, None);
        assert!(slow.was_cut_off());
        assert_eq!((audience.readers(), audience.cut_off()), (1, 1));
        audience.end();
        assert_eq!(quick.next().await, None);
        assert!(!quick.was_cut_off());
    }
}
