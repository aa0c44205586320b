use nearcast_media::{Kind, flv};

use crate::queue::{Item, Outlet};

/// Where a piece ends even if more waits.
const PIECE: usize = 128 << 10;

/// A stream as FLV, in pieces: each is all that waits at one time.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    begun: bool,
}

impl Pieces {
    /// The piece that begins with `first`, which was taken from `outlet`.
    pub(super) fn next(&mut self, first: Item, outlet: &mut Outlet) -> Vec<u8> {
        let mut items = vec![first];
        let mut length = 0;
        while length < PIECE
            && let Some(item) = outlet.try_next()
        {
            length += item.media.body.len();
            items.push(item);
        }
        let mut piece = Vec::with_capacity(length + 1024);
        if !self.begun {
            self.begun = true;
            piece.extend(header(&items));
        }
        for item in &items {
            flv::encode_tag(&item.media, &mut piece);
        }
        piece
    }
}

/// The file header. Its flags say what there is, for some players wait for sound that is announced
/// and never comes (FLV E.2).
fn header(items: &[Item]) -> [u8; 13] {
    let has = |kind| items.iter().any(|item| item.media.kind == kind);
    let mut header = flv::HEADER;
    header[4] = u8::from(has(Kind::Audio)) << 2 | u8::from(has(Kind::Video));
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nearcast_media::Media;

    #[test]
    fn the_header_announces_only_what_there_is() {
        let item = |kind| Item {
            unit: None,
            media: Media { kind, timestamp: 0, body: Bytes::from_static(&[0; 8]) },
        };
        assert_eq!(header(&[item(Kind::Data), item(Kind::Video)])[4], 1);
        assert_eq!(header(&[item(Kind::Audio)])[4], 4);
        assert_eq!(header(&[item(Kind::Audio), item(Kind::Video)])[4], 5);
        assert_eq!(header(&[])[..4], *b"FLV\x01");
    }
}
