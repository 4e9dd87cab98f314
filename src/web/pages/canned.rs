//! Answers kept ready for the reply box, with the file that goes along.

use super::{Refusal, enter, files, see};
use crate::app::App;
use crate::bot::style;
use crate::chat::canned::{self, CannedError};
use crate::web::policy::Action;
use axum::extract::{Multipart, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

async fn page(app: &Arc<App>, visitor: &super::Visitor, status: u16, wrong: Option<String>, typed: Value) -> Result<Response, Refusal> {
    let limit = usize::try_from(app.settings().int("bot.emoji_limit")).unwrap_or(1);
    let ready: Vec<Value> = app
        .store
        .read(canned::all)
        .await?
        .into_iter()
        .map(|one| {
            let mut value = json!(one);
            value["style"] = json!(style::check(&one.text, limit));
            value
        })
        .collect();
    Ok(visitor.page(status, "canned.html", "canned", json!({"ready": ready, "wrong": wrong, "typed": typed, "variables": canned::VARIABLES})).await)
}

/// The page.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, None, json!({})).await
}

/// Keeps one, or takes one away.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, form: Multipart) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditLabels).await?;
    let (sent, file) = files::sent(form).await?;
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    let id: Option<i64> = sent.get("id").and_then(|id| id.parse().ok());
    let actor = visitor.actor();
    let done = if sent.get("what").is_some_and(|what| what == "remove") {
        let id = id.ok_or(Refusal::NotFound)?;
        app.store.write(move |tx| canned::remove(tx, id, &actor)).await
    } else {
        let media_id = match file {
            Some((name, bytes)) => Some(files::keep(&app, &name, &bytes).await?),
            None => None,
        };
        let (shortcut, text, accounts) = (sent.get("shortcut").cloned().unwrap_or_default(), sent.get("text").cloned().unwrap_or_default(), app.settings().accounts());
        app.store.write(move |tx| canned::put(tx, id, &shortcut, &text, media_id, &accounts, &actor)).await.map(drop)
    };
    let wrong = match done {
        Ok(()) => return Ok(see("/canned")),
        Err(CannedError::Db(error)) => return Err(error.into()),
        Err(CannedError::NotFound) => return Err(Refusal::NotFound),
        Err(CannedError::BadShortcut) => "canned-bad-shortcut",
        Err(CannedError::BadText) => "canned-bad-text",
        Err(CannedError::UnknownVariable(_)) => "canned-bad-variable",
        Err(CannedError::UnknownAccount(_)) => "canned-bad-account",
        Err(CannedError::Taken(_)) => "canned-taken",
    };
    page(&app, &visitor, 422, Some(wrong.to_owned()), json!({"id": id, "shortcut": sent.get("shortcut"), "text": sent.get("text")})).await
}
