//! `GET /openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The description of every JSON contract.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The handler.
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
