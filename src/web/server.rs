//! The accept loop: a cap on connections, timeouts on everything, a drain at the end. hyper is used directly
//! because `axum::serve` has neither cap nor header timeout.

use crate::app::App;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// Connections at once (Reliability sheet §4).
const CONNECTIONS: usize = 1_024;
/// Time for the request head, which is also how long an idle connection is kept.
const HEADER: Duration = Duration::from_secs(10);
/// Head size and count.
const HEADER_BYTES: usize = 16 << 10;
const HEADERS: usize = 100;
/// Time for what is under way once the end has begun.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until the program is told to stop, then drains.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(HEADER_BYTES).max_headers(HEADERS);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stop = app.stop.subscribe();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit.expect("the semaphore is never closed"),
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await; // out of file descriptors: give some back first
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // slower, not wrong, without it
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut ends = app.stop.subscribe();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let is_ending = tokio::select! {
                _ = connection.as_mut() => false, // a broken connection is the peer's business
                _ = ends.wait_for(|stop| *stop) => true,
            };
            if is_ending {
                connection.as_mut().graceful_shutdown(); // what is under way ends, nothing new begins
                let _ = connection.await;
            }
            drop(permit);
        });
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN, permits.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}
