//! The accept loop: a cap on connections, timeouts on everything, a drain at the end. hyper is used directly
//! because `axum::serve` has neither cap nor header timeout.

use crate::app::App;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::io::InspectReader;
use tower::ServiceExt;

/// Connections at once (Reliability sheet §4).
const CONNECTIONS: usize = 1_024;
/// Time for the request head, from its first byte.
const HEADER_MS: i64 = 10_000;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Head size and count.
const HEADER_BYTES: usize = 16 << 10;
const HEADERS: usize = 100;
/// Time for what is under way once the end has begun.
const DRAIN: Duration = Duration::from_secs(10);

/// What a connection is at. hyper's one timer counts waiting for a request and reading its head together, and a head may
/// take far less time than a connection may lie idle; so the head has this clock of its own.
struct Phase {
    began: Instant,
    /// When the head must be whole, milliseconds after `began`; or one of the states below.
    at: AtomicI64,
}

impl Phase {
    const WAITING: i64 = -1;
    const ANSWERING: i64 = -2;
    /// A WebSocket now: it keeps its own time.
    const UPGRADED: i64 = -3;

    fn new() -> Self {
        Self { began: Instant::now(), at: AtomicI64::new(HEADER_MS) } // who connects has a request to send
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Bytes came: the first after a wait begin a head.
    fn heard(&self) {
        if self.at.load(Ordering::Relaxed) == Self::WAITING {
            self.at.store(self.elapsed_ms().saturating_add(HEADER_MS), Ordering::Relaxed);
        }
    }

    fn set(&self, state: i64) {
        self.at.store(state, Ordering::Relaxed);
    }

    /// Ends when a head took too long, to the second.
    async fn overdue(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match self.at.load(Ordering::Relaxed) {
                Self::UPGRADED => std::future::pending().await,
                due if due >= 0 && self.elapsed_ms() >= due => return,
                _ => {}
            }
        }
    }
}

/// Serves until the program is told to stop, then drains.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEADER_BYTES).max_headers(HEADERS);
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
        let phase = Arc::new(Phase::new());
        let (heard, served) = (Arc::clone(&phase), Arc::clone(&phase));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            served.set(Phase::ANSWERING);
            let served = Arc::clone(&served);
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            let answer = router.clone().oneshot(request.map(axum::body::Body::new));
            async move {
                let answer = answer.await;
                let is_upgrade = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS);
                served.set(if is_upgrade { Phase::UPGRADED } else { Phase::WAITING });
                answer
            }
        });
        let stream = InspectReader::new(stream, move |bytes| {
            if !bytes.is_empty() {
                heard.heard()
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut ends = app.stop.subscribe();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let is_ending = tokio::select! {
                _ = connection.as_mut() => false, // a broken connection is the peer's business
                () = phase.overdue() => false,
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
