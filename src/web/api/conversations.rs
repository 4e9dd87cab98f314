//! `GET /api/conversations/{id}`, `POST …/messages` (a person's reply), `POST …/release` (back to the bot).

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::message::Author;
use crate::chat::outbox::{self, Outgoing, Priority};
use crate::chat::{conversation, handover, thread};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
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

/// Longest reply a person may send, characters (WhatsApp's own limit is 65,536).
pub const LONGEST_REPLY: usize = 20_000;

/// Queues a person's reply; the bot is silent from here on.
pub fn reply(tx: &crate::db::writer::Tx<'_>, id: i64, text: &str, actor: &str, user_id: Option<i64>) -> Result<i64, ApiError> {
    let conversation = conversation::find(tx, id)?.ok_or_else(|| ApiError::not_found("the conversation"))?;
    handover::to_person(tx, &conversation, user_id, "taken")?;
    let message_id = outbox::enqueue(
        tx,
        &Outgoing {
            conversation_id: conversation.id,
            channel_id: conversation.channel_id,
            author: Author::User(user_id),
            kind: "text",
            text: Some(text),
            media_id: None,
            extra: None,
            render: None,
            generation: None,
            turn_id: None,
            campaign_code: None,
            priority: Priority::Person,
        },
    )?;
    conversation::wrote(tx, conversation.id, message_id, tx.now_ms)?;
    conversation::answered_by_person(tx, conversation.id, actor)?;
    Ok(message_id)
}

/// A person's reply.
#[derive(Deserialize)]
pub struct Reply {
    text: String,
}

/// `POST /api/conversations/{id}/messages {"text"}`.
pub async fn send(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(body): JsonBody<Reply>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = id_of(&id)?;
    let text = body.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > LONGEST_REPLY {
        return Err(ApiError::field("text", "text: 1 to 20,000 characters"));
    }
    let message_id = app.store.write(move |tx| reply(tx, id, &text, &caller.actor, None)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "queued", "state": "due", "message": message_id, "conversation_id": format!("conv_{id}")}))))
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
    let done = app.store.write(move |tx| -> Result<bool, ApiError> { Ok(handover::to_bot(tx, id, &caller.actor, "released")?) }).await?;
    if done { Ok(Json(json!({"status": "released", "handler": "bot", "conversation_id": format!("conv_{id}")}))) } else { Err(ApiError::not_found("the conversation")) }
}
