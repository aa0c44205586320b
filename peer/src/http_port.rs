use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::life::Life;
use crate::rtmp_port::listen;

/// The longest body of a request: a form of nginx-rtmp.
const BODY: usize = 16 << 10;

/// Listens at `address`.
pub(crate) fn bind(address: SocketAddrV4) -> io::Result<TcpListener> {
    listen(address)
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
