//! `POST /api/test/clock {"now": RFC3339}`: only with `--test-clock`. Sets the wall clock; timeouts do not move.

use super::auth;
use super::body::JsonBody;
use crate::app::App;
use crate::web::error::ApiError;
use crate::web::policy::Action;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::sync::Arc;

/// The handler.
pub async fn set(State(app): State<Arc<App>>, headers: HeaderMap, JsonBody(body): JsonBody<Value>) -> Result<Json<Value>, ApiError> {
    let loopback = app.listen.get().is_some_and(|address| address.ip().is_loopback());
    if auth::bearer(&headers).is_some() || !loopback {
        auth::allowed(&app, &Method::POST, &headers, Action::Administer).await?;
    }
    let wanted = body["now"].as_str().and_then(|now| crate::kernel::date::parse_instant(now, app.settings().zone));
    let now = wanted.ok_or_else(|| ApiError::field("now", "now: an RFC 3339 time"))?;
    app.store.clock.set_now_ms(now);
    Ok(Json(json!({"now": crate::kernel::date::rfc3339(app.now_ms(), app.settings().zone)})))
}
