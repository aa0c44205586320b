//! Routes, each with its description made of the same types.

use std::convert::Infallible;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::openapi::Document;
use super::schema::{Counters, Health, Nothing, Page, Topology};
use super::{Busy, Glance, North, figures, token};

/// Flow entries in one answer, unless fewer or more are asked for, and at most.
const FLOWS: usize = 1000;
const FLOWS_MAX: usize = 10_000;

/// All that can be asked.
pub(super) fn router(north: North) -> Router {
    let mut api = Api { router: Router::new(), document: Document::new() };
    api.json("/v1/health", "Whether the controller does its work", |glance, _: Nothing| {
        Ok(Health {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: glance.started.elapsed().as_secs_f64(),
            role: glance.standing,
            switches_live: glance.fabric.statistics().switches_live,
        })
    });
    api.json("/v1/topology", "Switches and the links between them", |glance, _: Nothing| {
        Ok(Topology { switches: glance.fabric.switches(), links: glance.fabric.links() })
    });
    api.json("/v1/hosts", "The hosts, by MAC address", |glance, _: Nothing| {
        Ok(glance.fabric.hosts())
    });
    api.json("/v1/streams", "The streams, with what carries them", |glance, _: Nothing| {
        Ok(glance.fabric.streams())
    });
    api.json("/v1/peerings", "The peerings", |glance, _: Nothing| {
        let streams = glance.fabric.streams().into_iter();
        Ok(streams.filter_map(|stream| stream.peering).collect::<Vec<_>>())
    });
    api.json("/v1/flows", "The flow entries that switches should hold", flows);
    api.json("/v1/counters", "What was counted since the start", |glance, _: Nothing| {
        let (sent, received, events) = glance.journal.counts();
        Ok(Counters {
            fabric: glance.fabric.statistics(),
            sent: sent.clone(),
            received: received.clone(),
            events: events.clone(),
            endings: glance.journal.endings().clone(),
            queues: glance.queues.clone(),
        })
    });
    api.document.other(
        "/v1/events",
        "Events as they come, as server-sent events: the lines of the events file. A reader that \
         falls behind by more than 1024 of them gets an event `lost` with their number instead.",
        "text/event-stream",
    );
    api.document.other(
        "/metrics",
        "Figures for Prometheus, as OpenMetrics text",
        figures::CONTENT_TYPE,
    );
    api.document.other("/openapi.json", "This description", "application/json");
    let document = api.document.finish();
    let token = north.token;
    let router = api
        .router
        .route("/v1/events", get(events))
        .route("/metrics", get(figures))
        .route("/openapi.json", get(|| async move { Json(document) }))
        .with_state(north);
    match token {
        // Of what there is nothing, too, whoever does not know the token is told nothing.
        Some(token) => router.layer(middleware::from_fn_with_state(token, token::require)),
        None => router,
    }
}

/// Builds routes and their description together.
struct Api {
    router: Router<North>,
    document: Document,
}

impl Api {
    /// A route that answers with a `T`, or says what is wrong with the `Q` it was asked with.
    fn json<Q, T>(
        &mut self,
        path: &'static str,
        summary: &str,
        answer: fn(&Glance<'_>, Q) -> Result<T, String>,
    ) where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + Send + 'static,
    {
        self.document.json::<Q, T>(path, summary);
        let handler = move |State(north): State<North>, query: Result<Query<Q>, QueryRejection>| async move {
            let query = match query {
                Ok(Query(query)) => query,
                Err(error) => return problem(StatusCode::BAD_REQUEST, &error.body_text()),
            };
            match north.ask(move |glance| answer(glance, query)).await {
                Ok(Ok(answer)) => Json(answer).into_response(),
                Ok(Err(wrong)) => problem(StatusCode::BAD_REQUEST, &wrong),
                Err(busy) => busy.into_response(),
            }
        };
        let router = std::mem::take(&mut self.router);
        self.router = router.route(path, get(handler));
    }
}

fn flows(glance: &Glance<'_>, page: Page) -> Result<nearcast_fabric::FlowsView, String> {
    let switch = page.switch.map(|id| id.parse().map_err(|why: String| format!("switch: {why}")));
    let limit = page.limit.unwrap_or(FLOWS).min(FLOWS_MAX);
    Ok(glance.fabric.flow_views(switch.transpose()?, page.offset, limit))
}

async fn figures(State(north): State<North>) -> Response {
    match north.ask(figures::text).await {
        Ok(text) => ([(header::CONTENT_TYPE, figures::CONTENT_TYPE)], text).into_response(),
        Err(busy) => busy.into_response(),
    }
}

async fn events(State(north): State<North>) -> Response {
    let Ok(permit) = north.readers.clone().try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "there are as many readers as may be");
    };
    let receiver = north.events.subscribe();
    let lines = stream::unfold((receiver, permit), |(mut receiver, permit)| async move {
        let event = match receiver.recv().await {
            Ok(line) => Event::default().data(&*line),
            Err(RecvError::Lagged(lost)) => Event::default().event("lost").data(lost.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(event), (receiver, permit)))
    });
    Sse::new(lines).keep_alive(KeepAlive::default()).into_response()
}

impl IntoResponse for Busy {
    fn into_response(self) -> Response {
        problem(StatusCode::SERVICE_UNAVAILABLE, "too many questions at once; ask again")
    }
}

pub(super) fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
