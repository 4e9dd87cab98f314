//! `GET /api/marketing/dashboard`: the figures of Beranda for other programs.

use crate::app::App;
use crate::db::StoreError;
use crate::insight::figures;
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;

/// The handler.
pub async fn get(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let now_ms = app.now_ms();
    let figures = app.store.read(move |connection| -> Result<Value, StoreError> { figures::marketing(connection, now_ms) }).await?;
    Ok(Json(figures))
}
