//! `/assets/…` (ours, cached by hash) and `/files/{id}` (customers' and packages' files, never run as a page).

use super::{Refusal, enter};
use crate::app::App;
use crate::chat::media;
use crate::db::StoreError;
use crate::kernel::ids;
use crate::web::policy::Action;
use crate::web::view::Assets;
use axum::body::Bytes;
use axum::extract::{Multipart, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
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
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag), (header::CACHE_CONTROL, "public, max-age=60, stale-while-revalidate=86400".to_owned())], file.data)
        .into_response()
}

/// A file by its row; images, sound, video and PDF in the page, the rest as a download.
pub async fn media(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let scope = visitor.scope();
    let (found, whose) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let found = if media::seen_by(connection, id, &scope)? { media::find(connection, id)? } else { None };
            Ok((found, media::whose(connection, id)?))
        })
        .await?;
    let found = found.ok_or(Refusal::NotFound)?;
    if let Some(contact_id) = whose {
        app.note_look(&visitor.actor(), contact_id);
    }
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

/// What a form with a file brought: its fields, and the file's name and bytes if one was chosen.
pub async fn sent(mut form: Multipart) -> Result<(HashMap<String, String>, Option<(String, Bytes)>), Refusal> {
    let (mut fields, mut file) = (HashMap::new(), None);
    while let Some(part) = form.next_field().await.map_err(|_| Refusal::Notice(413, "file"))? {
        let name = part.name().unwrap_or("").to_owned();
        if name == "file" {
            let file_name = part.file_name().unwrap_or("").to_owned();
            let bytes = part.bytes().await.map_err(|_| Refusal::Notice(413, "file"))?;
            file = (!bytes.is_empty()).then_some((file_name, bytes));
        } else {
            fields.insert(name, part.text().await.map_err(|_| Refusal::Foreign)?);
        }
    }
    Ok((fields, file))
}

/// Keeps a file somebody of the team gives us; what its bytes do not show to be a picture, a film, a sound or a PDF is refused.
pub async fn keep(app: &Arc<App>, file_name: &str, bytes: &[u8]) -> Result<i64, Refusal> {
    let mime = media::sniff(bytes).ok_or(Refusal::Notice(422, "filetype"))?;
    let (dir, size, owned) = (app.store.dir.clone(), bytes.len(), bytes.to_vec());
    let kept = tokio::task::spawn_blocking(move || media::keep_bytes(&dir, &owned)).await.ok().and_then(Result::ok);
    let sha = kept.ok_or(Refusal::Trouble(StoreError::Unavailable("media".into())))?;
    let name = crate::kernel::text::clean_name(file_name).unwrap_or_else(|| "file".into());
    Ok(app.store.write(move |tx| media::own(tx, &sha, mime, size, &name)).await?)
}

/// The service worker, from the root so that it may serve every page.
pub async fn service_worker() -> Response {
    let script = crate::web::view::asset_text("js/sw.js");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], script).into_response()
}

/// What makes the dashboard an app on a phone.
pub async fn manifest(State(app): State<Arc<App>>) -> Response {
    let settings = app.settings();
    let icon =
        |size: &str, purpose: &str| serde_json::json!({"src": format!("/assets/img/icon-{size}.png"), "sizes": format!("{size}x{size}"), "type": "image/png", "purpose": purpose});
    let body = serde_json::json!({
        "id": "/", "name": format!("Kafilah · {}", settings.text("agency.name")), "short_name": "Kafilah", "start_url": "/chats?tab=mine", "scope": "/", "display": "standalone",
        "lang": settings.text("agency.language"), "theme_color": "#0F6B54", "background_color": "#F6F1E7", "icons": [icon("192", "any"), icon("512", "any"), icon("512", "maskable")],
    });
    ([(header::CONTENT_TYPE, "application/manifest+json"), (header::CACHE_CONTROL, "no-cache")], body.to_string()).into_response()
}

/// What a phone shows while it has no connection.
pub async fn offline() -> Response {
    super::notice(200, "offline")
}
