//! The dashboard's pages.

use crate::app::App;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// All pages.
pub fn router(_app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
}

/// 404.
pub async fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
