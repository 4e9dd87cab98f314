//! `GET /api/conversations/{id}`, `POST …/messages` (a person's reply), `POST …/release` (back to the bot).

use super::auth;
use crate::app::App;
use crate::chat::message::Author;
use crate::chat::outbox::{self, Outgoing, Priority};
use crate::chat::{conversation, handover, thread};
use crate::web::error::ApiError;
use crate::web::policy::Action;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

fn id_of(text: &str) -> Result<i64, ApiError> {
    conversation::parse_id(text).ok_or_else(|| ApiError::not_found("the conversation"))
}

/// Messages, phase log, turns, escalations and handovers of one conversation.
pub async fn get(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    auth::allowed(&app, &headers, Action::View).await?;
    let (id, zone) = (id_of(&id)?, app.settings().zone);
    let found = app.store.read(move |connection| thread::export(connection, id, zone)).await?;
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

/// `POST /api/conversations/{id}/messages {"text"}`.
pub async fn send(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Json(body): Json<Value>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let caller = auth::allowed(&app, &headers, Action::Chat).await?;
    let id = id_of(&id)?;
    let text = body["text"].as_str().map(str::trim).unwrap_or("").to_owned();
    if text.is_empty() || text.chars().count() > LONGEST_REPLY {
        return Err(ApiError::field("text", "text: 1 to 20,000 characters"));
    }
    let message_id = app.store.write(move |tx| reply(tx, id, &text, &caller.actor, None)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "queued", "state": "due", "message": message_id, "conversation_id": format!("conv_{id}")}))))
}

/// `POST /api/conversations/{id}/release {"to":"bot"}`.
pub async fn release(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Json(body): Json<Value>) -> Result<Json<Value>, ApiError> {
    let caller = auth::allowed(&app, &headers, Action::Chat).await?;
    let id = id_of(&id)?;
    if body["to"].as_str().unwrap_or("bot") != "bot" {
        return Err(ApiError::field("to", "to: \"bot\""));
    }
    let done = app.store.write(move |tx| -> Result<bool, ApiError> { Ok(handover::to_bot(tx, id, &caller.actor, "released")?) }).await?;
    if done { Ok(Json(json!({"status": "released", "handler": "bot", "conversation_id": format!("conv_{id}")}))) } else { Err(ApiError::not_found("the conversation")) }
}
