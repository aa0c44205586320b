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
use tokio::sync::mpsc;

use super::flv;
use super::stage::{Seat, Stage};
use crate::events::Protocol;

/// Pieces between the stream and the HTTP connection; each is all that waited at one time.
const PIECES: usize = 4;

/// `GET /app/key.flv`
pub(super) async fn play(
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
    let mut flv = flv::Pieces::default();
    loop {
        let first = tokio::select! {
            item = seat.outlet.next() => item,
            () = pieces.closed() => return,
        };
        let Some(first) = first else { break };
        let piece = flv.next(first, &mut seat.outlet);
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
