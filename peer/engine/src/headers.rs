use nearcast_media::{Kind, Media};

/// The longest header that is kept, in bytes; real ones have less than a tenth of that.
pub(crate) const HEADER_MAX: usize = 16 * 1024;

/// The newest metadata and sequence headers of a stream: what a player needs before its first unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers([Option<Media>; 3]);

impl Headers {
    /// Takes note of a header; answers whether it differs from what was known.
    pub(crate) fn learn(&mut self, header: Media) -> bool {
        if header.body.len() > HEADER_MAX {
            return false;
        }
        let place = &mut self.0[place(header.kind)];
        let news = place.as_ref().is_none_or(|known| known.body != header.body);
        if news {
            *place = Some(header);
        }
        news
    }

    /// The header of a kind.
    pub(crate) fn of(&self, kind: Kind) -> Option<&Media> {
        self.0[place(kind)].as_ref()
    }

    /// All of them, in the order in which players want them: metadata, video, audio.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Media> {
        self.0.iter().flatten()
    }

    /// Those that differ from `shown`.
    pub(crate) fn news<'a>(&'a self, shown: &'a Headers) -> impl Iterator<Item = &'a Media> {
        self.iter()
            .filter(|header| shown.of(header.kind).is_none_or(|known| known.body != header.body))
    }
}

fn place(kind: Kind) -> usize {
    match kind {
        Kind::Data => 0,
        Kind::Video => 1,
        Kind::Audio => 2,
    }
}
