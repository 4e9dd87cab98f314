//! The route table, readable in one sitting: every path, its method and what a caller must be allowed to do.

use super::error::ApiError;
use super::policy::Action::{Chat, EditBot, EditCatalog, EditContacts, EditLabels, View};
use super::{api, live};
use crate::app::App;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A whole request may take this long (Reliability sheet §4).
const REQUEST: Duration = Duration::from_secs(30);

/// The whole web.
pub fn router(app: Arc<App>) -> Router {
    let need = |action, route| api::auth::need(&app, action, route);
    let mut api = Router::new()
        .route("/api/ai/process-message", need(Chat, post(api::process_message::post)))
        .route("/api/ai/prompts", need(View, get(api::prompts::list)).merge(need(EditBot, put(api::prompts::put))))
        .route("/api/ai/prompts/rollback", need(EditBot, post(api::prompts::roll_back)))
        .route("/api/ai/faq", need(View, get(api::faq::list)))
        .route("/api/ai/faq/search", need(View, get(api::faq::search)))
        .route("/api/ai/faq/{key}", need(EditBot, put(api::faq::put)))
        .route("/api/ai/flows", need(View, get(api::flows::list)))
        .route("/api/ai/flows/{key}", need(View, get(api::flows::get)).merge(need(EditBot, put(api::flows::put))))
        .route("/api/packages", need(View, get(api::packages::list)))
        .route("/api/packages/{code}", need(View, get(api::packages::get)).merge(need(EditCatalog, put(api::packages::put).patch(api::packages::patch))))
        .route("/api/bookings", need(View, get(api::bookings::list)).merge(need(Chat, post(api::bookings::add))))
        .route("/api/bookings/{id}", need(View, get(api::bookings::get)).merge(need(EditCatalog, patch(api::bookings::patch))))
        .route("/api/bookings/{id}/cancel", need(EditCatalog, post(api::bookings::cancel)))
        .route("/api/bookings/{id}/payments", need(Chat, post(api::bookings::pay)))
        .route("/api/payments/{id}/void", need(EditCatalog, post(api::bookings::void)))
        .route("/api/marketing/leads", need(Chat, post(api::leads::post)))
        .route("/api/marketing/analytics", need(View, get(api::analytics::get)))
        .route("/api/marketing/dashboard", need(View, get(api::dashboard::get)))
        .route("/api/conversations/handover", need(Chat, post(api::handover::post)))
        .route("/api/conversations", need(View, get(api::conversations::list)))
        .route("/api/conversations/{id}", need(View, get(api::conversations::get)))
        .route("/api/conversations/{id}/claim", need(Chat, post(api::conversations::claim)))
        .route("/api/conversations/{id}/assign", need(Chat, post(api::conversations::assign)))
        .route("/api/conversations/{id}/notes", need(Chat, post(api::conversations::add_note)))
        .route("/api/contacts", need(EditContacts, post(api::contacts::create)))
        .route("/api/contacts/{id}", need(View, get(api::contacts::get)).merge(need(EditContacts, patch(api::contacts::patch))))
        .route("/api/contacts/{id}/merge", need(EditContacts, post(api::contacts::join)))
        .route("/api/contacts/{id}/labels/{label}", need(Chat, post(api::labels::put_on).delete(api::labels::take_off)))
        .route("/api/merges/{id}/undo", need(EditContacts, post(api::contacts::part)))
        .route("/api/labels", need(View, get(api::labels::list)).merge(need(EditLabels, post(api::labels::create))))
        .route("/api/labels/{label}", need(EditLabels, put(api::labels::change).delete(api::labels::retire)))
        .route("/api/push/key", need(View, get(api::push::key)))
        .route("/api/push/subscriptions", need(View, post(api::push::subscribe).delete(api::push::unsubscribe)))
        .route("/api/segments/count", need(View, get(api::contacts::count)))
        .route("/api/conversations/{id}/messages", need(Chat, post(api::conversations::send)))
        .route("/api/conversations/{id}/release", need(Chat, post(api::conversations::release)));
    if app.test_clock {
        api = api.route("/api/test/clock", post(api::clock::set));
    }
    let api = api.layer(middleware::from_fn(json_errors));
    let open = Router::new()
        .route("/healthz", get(api::health::healthz))
        .route("/readyz", get(api::health::readyz))
        .route("/metrics", get(api::health::metrics))
        .route("/openapi.json", get(api::openapi::document))
        .route("/c/{code}", get(api::short_link::follow));
    let pages = super::pages::router(Arc::clone(&app));
    let rest = api.merge(open).merge(pages).route("/live", get(live::open)).layer(middleware::from_fn_with_state(Arc::clone(&app), guard));
    // the hot path: no layers, it keeps the same rules by itself
    Router::new().route("/api/whatsapp/webhook", post(api::webhook::receive).fallback(wrong_method)).merge(rest).with_state(app)
}

/// Time limit, panics, one Host header, and the security headers of every answer.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = one_host(request.headers()) {
        return refusal.into_response();
    }
    let mut response = match tokio::time::timeout(REQUEST, caught(&app, next.run(request))).await {
        Ok(response) => response,
        Err(_) => ApiError::new(503, "too_slow", "this took too long; try again").into_response(),
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

/// Which site is meant must be clear: requests with no or several Host headers are refused.
pub fn one_host(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    if hosts.next().is_some() && hosts.next().is_none() { Ok(()) } else { Err(ApiError::new(400, "bad_host", "send exactly one Host header")) }
}

/// Runs a request to its answer; a panic, which has been printed with its place, is counted and answered 500.
pub async fn caught(app: &App, work: impl Future<Output = Response>) -> Response {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled,
        Err(_) => {
            tracing::error!("a request panicked");
            app.counters.panics.fetch_add(1, Ordering::Relaxed);
            std::task::Poll::Ready(ApiError::new(500, "internal", "something went wrong here; it has been logged").into_response())
        }
    })
    .await
}

async fn wrong_method() -> ApiError {
    ApiError::new(405, "method_not_allowed", "this address does not take this method")
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
        400 => ("bad_address", "a part of the address, or a value after its ?, is not of the kind expected here"),
        405 => ("method_not_allowed", "this address does not take this method"),
        404 => ("not_found", "there is nothing at this address"),
        _ => ("bad_request", "the request was not understood"),
    };
    ApiError::new(status.as_u16(), code, message).into_response()
}
