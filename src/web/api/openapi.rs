//! `GET /openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The description of every JSON contract; a test holds it against the route table.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The handler.
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
