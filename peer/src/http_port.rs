use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::life::Life;
use crate::metrics;
use crate::pump::{Node, Shared};
use crate::rtmp_port::listen;

/// The longest body of a request: a form of nginx-rtmp.
const BODY: usize = 16 << 10;

/// Listens at `address`.
pub(crate) fn bind(address: SocketAddrV4) -> io::Result<TcpListener> {
    listen(address)
}

/// What a node is doing: `GET /status` as JSON, `GET /metrics` for Prometheus.
pub(crate) fn figures<N: Node, S: Clone + Send + Sync + 'static>(
    node: &Arc<Shared<N>>,
) -> Router<S> {
    let (told, counted) = (Arc::clone(node), Arc::clone(node));
    let status = move || async move { Json(told.with(|node, now| node.status(now))) };
    let metrics = move || async move {
        counted.with(|node, now| metrics::answer(&node.status(now), &node.gauges()))
    };
    Router::new().route("/status", get(status)).route("/metrics", get(metrics))
}

/// Answers requests until the program is to end.
pub(crate) fn serve(listener: TcpListener, router: Router, life: Life) {
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
    });
    let router = router.layer(DefaultBodyLimit::max(BODY));
    tokio::spawn(async move {
        let closing = life.clone();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listener, service)
            .with_graceful_shutdown(async move { closing.closing().await });
        if let Err(error) = served.await {
            tracing::error!("HTTP: {error}");
        }
        drop(life);
    });
}
