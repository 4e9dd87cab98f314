//! `GET /api/marketing/dashboard`: the figures of Beranda for other programs.

use super::auth;
use crate::app::App;
use crate::db::StoreError;
use crate::insight::figures;
use crate::web::error::ApiError;
use crate::web::policy::Action;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

/// The handler.
pub async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    auth::allowed(&app, &headers, Action::View).await?;
    let now_ms = app.now_ms();
    let figures = app.store.read(move |connection| -> Result<Value, StoreError> { figures::marketing(connection, now_ms) }).await?;
    Ok(Json(figures))
}
