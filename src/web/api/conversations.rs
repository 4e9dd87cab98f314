//! `GET /api/conversations/{id}`, `POST …/messages` (a person's reply), `POST …/release` (back to the bot).

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::reply::{self, Reply, ReplyError};
use crate::chat::{conversation, handover, thread};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn id_of(text: &str) -> Result<i64, ApiError> {
    conversation::parse_id(text).ok_or_else(|| ApiError::not_found("the conversation"))
}

/// Messages of one page.
const PAGE: usize = 200;

/// Which messages: a page before a message's `id`.
#[derive(Deserialize)]
pub struct Page {
    before: Option<i64>,
    limit: Option<usize>,
}

/// Messages, phase log, turns, escalations and handovers of one conversation.
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, Query(page): Query<Page>) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(ApiError::field("limit", "limit: 1 to 200"));
    }
    let (id, zone) = (id_of(&id)?, app.settings().zone);
    let found = app.store.read(move |connection| thread::export(connection, id, zone, page.before, limit)).await?;
    found.map(Json).ok_or_else(|| ApiError::not_found("the conversation"))
}

impl From<ReplyError> for ApiError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::NoSuchConversation => Self::not_found("the conversation"),
            ReplyError::UnknownAccount(_) => Self::new(422, "unknown_account", error.to_string()).about("text"),
            ReplyError::BadText => Self::field("text", error.to_string()),
            ReplyError::Db(error) => error.into(),
        }
    }
}

/// Queues a reply; a foreign account in it is reported.
pub async fn say(app: &App, reply: Reply) -> Result<Option<i64>, ReplyError> {
    let accounts = app.settings().accounts();
    let (id, actor) = (reply.conversation_id, reply.actor.clone());
    let said = app.store.write(move |tx| reply::send(tx, &reply, &accounts)).await;
    if let Err(ReplyError::UnknownAccount(quote)) = &said {
        let quote = quote.clone();
        app.store.write(move |tx| reply::report_account(tx, &actor, id, &quote, false)).await?;
    }
    said
}

/// A person's reply.
#[derive(Deserialize)]
pub struct Body {
    text: String,
}

/// `POST /api/conversations/{id}/messages {"text"}`. With an `Idempotency-Key` the same call again says nothing again.
pub async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = id_of(&id)?;
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|key| key.len() <= 200);
    let token = key.map(|key| format!("{}:{key}", caller.actor));
    let message_id = say(&app, Reply { conversation_id: id, text: body.text, actor: caller.actor, user_id: None, token }).await?;
    let status = if message_id.is_some() { "queued" } else { "duplicate" };
    Ok((StatusCode::ACCEPTED, Json(json!({"status": status, "state": "due", "message": message_id, "conversation_id": format!("conv_{id}")}))))
}

/// Who gets it back.
#[derive(Deserialize)]
pub struct Release {
    to: Option<String>,
}

/// `POST /api/conversations/{id}/release {"to":"bot"}`.
pub async fn release(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(body): JsonBody<Release>) -> Result<Json<Value>, ApiError> {
    let id = id_of(&id)?;
    if body.to.as_deref().unwrap_or("bot") != "bot" {
        return Err(ApiError::field("to", "to: \"bot\""));
    }
    let asks = app.settings().on("bot.ask_satisfaction");
    let done = app.store.write(move |tx| handover::give_back(tx, id, &caller.actor, asks)).await?;
    if done { Ok(Json(json!({"status": "released", "handler": "bot", "conversation_id": format!("conv_{id}")}))) } else { Err(ApiError::not_found("the conversation")) }
}
