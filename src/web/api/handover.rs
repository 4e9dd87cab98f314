//! `POST /api/conversations/handover`: a person gets a conversation, with a note, at once or not at all.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::assignment::{self, AssignError, Holder};
use crate::chat::conversation;
use crate::people::user;
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The body. Unknown fields are left alone.
#[derive(Deserialize)]
pub struct Body {
    conversation_id: String,
    assigned_to: Option<String>,
    handover_notes: Option<String>,
}

impl From<AssignError> for ApiError {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::NoSuchConversation => Self::not_found("the conversation"),
            AssignError::NoSuchUser(_) => Self::field("user", error.to_string()),
            AssignError::Taken { ref name, ref actor } => Self::new(409, "taken", error.to_string()).with(json!({"holder": {"name": name, "actor": actor}})),
            AssignError::Db(error) => error.into(),
        }
    }
}

/// The handler. A name nobody bears hands the conversation to the whole team, and says so.
pub async fn post(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Body>) -> Result<Json<Value>, ApiError> {
    let id = conversation::parse_id(&body.conversation_id).ok_or_else(|| ApiError::not_found("the conversation"))?;
    let wanted = body.assigned_to.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let note = body.handover_notes.map(|note| crate::kernel::text::clean(note.trim(), 4_000)).filter(|note| !note.is_empty());
    let named = wanted.clone();
    let assignee = app
        .store
        .write(move |tx| -> Result<Option<String>, ApiError> {
            let found = match &named {
                Some(name) => user::named(tx, name)?,
                None => None,
            };
            let note = match (&named, &found, &note) {
                (Some(name), None, note) => Some(format!("untuk {name}{}", note.as_ref().map_or(String::new(), |note| format!(": {note}")))),
                (.., note) => note.clone(),
            };
            match &found {
                Some(user) => assignment::give_if_free(tx, id, &Holder::user(user.id), note.as_deref(), &caller.actor)?,
                None => assignment::offer(tx, id, note.as_deref(), &caller.actor)?,
            }
            Ok(found.map(|user| user.name))
        })
        .await?;
    let waiting_for = if assignee.is_none() { "the team" } else { "assignee" };
    Ok(Json(json!({"status": "handed_over", "conversation_id": format!("conv_{id}"), "handler": "user", "assigned_to": wanted, "assignee": assignee, "waiting_for": waiting_for})))
}
