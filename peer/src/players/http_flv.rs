use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use nearcast_media::{Kind, flv};
use tokio::sync::mpsc;

use super::stage::{Seat, Stage};
use crate::events::Protocol;
use crate::queue::Item;

/// Pieces between the stream and the HTTP connection; each is all that waited at one time.
const PIECES: usize = 4;
/// Where a piece ends even if more waits.
const PIECE: usize = 128 << 10;

/// `GET /app/key.flv`
pub(crate) async fn play(
    State(stage): State<Stage>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(path): Path<String>,
) -> Response {
    // A page of another origin may read the stream (mpegts.js and its kin).
    let open_to_all = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let Some((app, key)) = path.strip_suffix(".flv").and_then(|name| name.rsplit_once('/')) else {
        let words = "streams are at /app/key.flv, as in /live/cam.flv\n";
        return (StatusCode::NOT_FOUND, [open_to_all], words).into_response();
    };
    match stage.open(app, key, Some(from), Protocol::HttpFlv).await {
        Ok(seat) => {
            let (pieces, waiting) = mpsc::channel(PIECES);
            tokio::spawn(serve(seat, pieces));
            let headers = [
                open_to_all,
                (header::CONTENT_TYPE, "video/x-flv"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, Body::new(Pieces(waiting))).into_response()
        }
        Err(reason) => {
            (StatusCode::NOT_FOUND, [open_to_all], format!("{reason}\n")).into_response()
        }
    }
}

/// Writes the stream as FLV until it is over or the player is gone.
async fn serve(mut seat: Seat, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut begun = false;
    loop {
        let first = tokio::select! {
            item = seat.outlet.next() => item,
            () = pieces.closed() => return,
        };
        let Some(first) = first else { break };
        let mut items = vec![first];
        let mut length = 0;
        while length < PIECE
            && let Some(item) = seat.outlet.try_next()
        {
            length += item.media.body.len();
            items.push(item);
        }
        let mut piece = Vec::with_capacity(length + 1024);
        if !begun {
            begun = true;
            piece.extend(header(&items));
        }
        for item in &items {
            flv::encode_tag(&item.media, &mut piece);
        }
        tokio::select! {
            sent = pieces.send(Ok(piece.into())) => if sent.is_err() {
                return;
            },
            () = seat.outlet.cut_off() => break,
        }
    }
    if seat.outlet.was_cut_off() {
        // So that the player sees a broken stream, not one that ended well.
        pieces.try_send(Err(io::ErrorKind::TimedOut.into())).ok();
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

/// The pieces as the body of a response.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
