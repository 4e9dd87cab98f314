//! `GET /api/marketing/analytics?since=&until=`: RFC 3339 times or days; the last 90 days when not said.

use crate::app::App;
use crate::db::StoreError;
use crate::insight::analytics;
use crate::kernel::date;
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Span when none is given, ms.
const USUAL_MS: i64 = 90 * 86_400_000;

/// The span asked about.
#[derive(Deserialize)]
pub struct Span {
    since: Option<String>,
    until: Option<String>,
}

/// The handler.
pub async fn get(State(app): State<Arc<App>>, Query(span): Query<Span>) -> Result<Json<Value>, ApiError> {
    let (now_ms, zone) = (app.now_ms(), app.settings().zone);
    let instant = |text: &Option<String>, field: &'static str, usual: i64| match text {
        None => Ok(usual),
        Some(text) => date::parse_instant(text, zone).ok_or_else(|| ApiError::field(field, format!("{field}: an RFC 3339 time or a day such as 2027-01-31"))),
    };
    let until = instant(&span.until, "until", now_ms + 1)?;
    let since = instant(&span.since, "since", until - USUAL_MS)?;
    if since >= until {
        return Err(ApiError::field("since", "since: before until"));
    }
    let answer = app.store.read(move |connection| -> Result<Value, StoreError> { analytics::marketing(connection, since, until, now_ms) }).await?;
    Ok(Json(answer))
}
