//! Connections of those who ask: how many, how long each may take, and how much it may say.
//!
//! Every bound is on what one asker can hold: a place (bounded in number, so the rest wait to be
//! accepted), memory (of a request's head and body), and time (to say what it wants, to be
//! answered, and to take the answer). Readers of the event stream stay as long as they read; one
//! that takes nothing for [`STALLED`] is let go like everybody else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::{North, api};

/// Connections at once, twice the readers of the event stream.
const CONNECTIONS: usize = 128;
/// Bytes of a request's line and headers.
const HEAD: usize = 16 << 10;
/// Bytes of a request's body: nothing that is asked has one.
const BODY: usize = 1 << 10;
/// How long a request may take to be said, and a connection to say the next.
const ASKING: Duration = Duration::from_secs(10);
/// How long an answer may take to be worked out.
const ANSWERING: Duration = Duration::from_secs(10);
/// How long a reader may take nothing of what it is answered.
const STALLED: Duration = Duration::from_secs(10);

/// Serves HTTP.
pub(crate) async fn serve(listener: TcpListener, north: North) {
    let router = api::router(north)
        .layer(RequestBodyLimitLayer::new(BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWERING));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Whoever finds no place waits to be accepted, until one of the others is done or out of
        // time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    let _place = place;
                    answer(stream, router).await;
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept an HTTP connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    let stream = TokioIo::new(Box::pin(stream));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_buf_size(HEAD)
        .serve_connection(stream, TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}
