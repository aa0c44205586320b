use axum::extract::{Form, State};
use axum::http::StatusCode;
use nearcast_media::StreamName;
use serde::Deserialize;

use super::Beside;
use crate::events::Event;

/// What nginx-rtmp posts, as far as it matters here (directives `on_publish`, `on_publish_done`).
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    call: String,
    app: String,
    /// The key, without its token.
    name: String,
    /// The publisher's number.
    clientid: Option<u64>,
    /// The publisher's address.
    #[serde(default)]
    addr: String,
}

/// `on_publish`: admits the publisher (2xx) or refuses it (403), and begins to play what it
/// publishes.
pub(super) async fn on_publish(
    State(beside): State<Beside>,
    Form(call): Form<Call>,
) -> (StatusCode, String) {
    if call.call != "publish" {
        return (StatusCode::BAD_REQUEST, format!("{} is not publish\n", call.call));
    }
    let admitted = StreamName::new(&call.app, &call.name)
        .map_err(|error| error.to_string())
        .and_then(|stream| match beside.args.allows(&stream) {
            true => beside.feed(&stream, call.clientid).map(|()| stream),
            false => Err(format!("{stream} is not allowed here")),
        });
    match admitted {
        Ok(stream) => {
            tracing::info!("{} publishes {stream}", call.addr);
            (StatusCode::OK, String::new())
        }
        Err(reason) => {
            let stream = format!("{}/{}", call.app, call.name);
            beside.journal.note(Event::PublishRefused { stream, reason: reason.clone() });
            (StatusCode::FORBIDDEN, format!("{reason}\n"))
        }
    }
}

/// `on_publish_done`: the publisher is gone.
pub(super) async fn on_publish_done(
    State(beside): State<Beside>,
    Form(call): Form<Call>,
) -> StatusCode {
    if call.call != "publish_done" {
        return StatusCode::BAD_REQUEST;
    }
    if let Ok(stream) = StreamName::new(&call.app, &call.name) {
        beside.node.with(|node, now| node.publisher_left(now, &stream, call.clientid));
    }
    StatusCode::OK
}
