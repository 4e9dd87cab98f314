//! `/assets/…` (ours, cached by hash) and `/files/{id}` (customers' and packages' files, never run as a page).

use super::{Refusal, enter};
use crate::app::App;
use crate::chat::media;
use crate::kernel::ids;
use crate::web::policy::Action;
use crate::web::view::Assets;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// A stylesheet or script; 304 when the browser has it.
pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let public = path.starts_with("css/") || path.starts_with("js/") || path.starts_with("img/");
    let Some(file) = Assets::get(&path).filter(|_| public) else { return StatusCode::NOT_FOUND.into_response() };
    let tag = format!("\"{}\"", ids::hex(&file.metadata.sha256_hash()[..12]));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag), (header::CACHE_CONTROL, "public, max-age=60, stale-while-revalidate=86400".to_owned())], file.data)
        .into_response()
}

/// A file by its row; images, sound, video and PDF in the page, the rest as a download.
pub async fn media(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>) -> Result<Response, Refusal> {
    enter(&app, &headers, Action::View).await?;
    let found = app.store.read(move |connection| media::find(connection, id)).await?.ok_or(Refusal::NotFound)?;
    let sha = found.sha256.filter(|_| found.state == "ready").ok_or(Refusal::NotFound)?;
    let path = media::path(&app.store.dir, &sha);
    let bytes = tokio::task::spawn_blocking(move || std::fs::read(path)).await.ok().and_then(Result::ok).ok_or(Refusal::NotFound)?;
    let inline = media::shows_inline(&found.mime);
    let disposition = if inline { "inline".to_owned() } else { format!("attachment; filename=\"berkas-{id}\"") };
    let mut response = bytes.into_response();
    let set = response.headers_mut();
    set.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(if inline { &found.mime } else { "application/octet-stream" }).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    set.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment")));
    set.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'"));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    Ok(response)
}
