//! The route table, readable in one sitting: every path, its method and what a caller must be allowed to do.

use super::{api, live};
use crate::app::App;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A whole request may take this long (Reliability sheet §4).
const REQUEST: Duration = Duration::from_secs(30);

/// The whole web.
pub fn router(app: Arc<App>) -> Router {
    let mut api = Router::new()
        .route("/api/ai/process-message", post(api::process_message::post))
        .route("/api/packages", get(api::packages::list))
        .route("/api/packages/{code}", get(api::packages::get).put(api::packages::put).patch(api::packages::patch))
        .route("/api/marketing/leads", post(api::leads::post))
        .route("/api/marketing/analytics", get(api::analytics::get))
        .route("/api/marketing/dashboard", get(api::dashboard::get))
        .route("/api/conversations/handover", post(api::handover::post))
        .route("/api/conversations/{id}", get(api::conversations::get))
        .route("/api/conversations/{id}/messages", post(api::conversations::send))
        .route("/api/conversations/{id}/release", post(api::conversations::release));
    if app.test_clock {
        api = api.route("/api/test/clock", post(api::clock::set));
    }
    let api = api.layer(DefaultBodyLimit::max(api::webhook::MAX_BODY)).layer(middleware::from_fn(json_errors));
    let open = Router::new()
        .route("/healthz", get(api::health::healthz))
        .route("/readyz", get(api::health::readyz))
        .route("/metrics", get(api::health::metrics))
        .route("/openapi.json", get(api::openapi::document))
        .route("/c/{code}", get(api::short_link::follow));
    let rest = api.merge(open).merge(super::pages::router(Arc::clone(&app))).fallback(super::pages::not_found).layer(middleware::from_fn_with_state(Arc::clone(&app), guard));
    Router::new()
        .route("/api/whatsapp/webhook", post(api::webhook::receive)) // the hot path: no layer it does not need
        .route("/live", get(live::open))
        .merge(rest)
        .with_state(app)
}

/// Time limit, panics, one Host header, and the security headers of every answer.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.headers().get_all(header::HOST).iter().count() != 1 {
        return (StatusCode::BAD_REQUEST, "exactly one Host header, please").into_response();
    }
    let work = futures_catch(AssertUnwindSafe(next.run(request)));
    let mut response = match tokio::time::timeout(REQUEST, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(())) => {
            app.counters.panics.fetch_add(1, Ordering::Relaxed);
            super::error::ApiError::new(500, "internal", "something went wrong here; it has been logged").into_response()
        }
        Err(_) => super::error::ApiError::new(503, "too_slow", "this took too long; try again").into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.settings().text("server.public_url").starts_with("https://") {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Polls a future with panics caught; the panic itself has been printed with its place.
async fn futures_catch<F: Future<Output = Response>>(future: AssertUnwindSafe<F>) -> Result<Response, ()> {
    let mut future = Box::pin(future.0);
    std::future::poll_fn(move |context| match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(std::task::Poll::Ready(response)) => std::task::Poll::Ready(Ok(response)),
        Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
        Err(_) => {
            tracing::error!("a request panicked");
            std::task::Poll::Ready(Err(()))
        }
    })
    .await
}

/// Refusals made by the framework (bad JSON, wrong content type, too large) in the shape of our own errors.
async fn json_errors(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !status.is_client_error() || is_ours {
        return response;
    }
    let (code, message) = match status.as_u16() {
        400 => ("bad_json", "the body is not valid JSON"),
        405 => ("method_not_allowed", "this address does not take this method"),
        413 => ("body_too_large", "the body is larger than 1 MiB"),
        415 => ("not_json", "send the body as application/json"),
        422 => ("bad_json", "the body is not the JSON that is wanted here"),
        404 => ("not_found", "there is nothing at this address"),
        _ => ("bad_request", "the request was not understood"),
    };
    super::error::ApiError::new(status.as_u16(), code, message).into_response()
}
