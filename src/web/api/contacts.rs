//! `GET`/`PATCH /api/contacts/{id}`, merging two and undoing it, and `GET /api/segments/count`.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::kernel::date;
use crate::kernel::phone::Phone;
use crate::people::contact::{self, Change, Contact, ContactError};
use crate::people::segment::{self, SegmentError};
use crate::people::{identity, label, merge, timeline};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// `12` or `contact_12`.
pub fn id_of(text: &str) -> Result<i64, ApiError> {
    text.strip_prefix("contact_").unwrap_or(text).parse().ok().filter(|id| *id > 0).ok_or_else(|| ApiError::not_found("the contact"))
}

impl From<ContactError> for ApiError {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::NoSuchContact => Self::not_found("the contact"),
            ContactError::Invalid { ref field, .. } => Self::field(field.clone(), error.to_string()),
            ContactError::Known(id) => Self::new(409, "known", error.to_string()).about("phone").with(json!({"contact_id": id})),
            ContactError::Cannot(why) => Self::new(409, "cannot", why),
            ContactError::Db(error) => error.into(),
        }
    }
}

impl From<SegmentError> for ApiError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Db(error) => error.into(),
            other => Self::field("expr", other.to_string()),
        }
    }
}

fn visible(connection: &rusqlite::Connection, id: i64, scope: &Scope) -> Result<Option<Contact>, StoreError> {
    let Some(found) = contact::alive(connection, id)? else { return Ok(None) };
    Ok(if contact::seen_by(connection, found.id, scope)? { Some(found) } else { None })
}

/// A contact with his identities, labels, conversations, merges and what happened, newest first.
pub async fn get(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let (id, scope, zone, now_ms) = (id_of(&id)?, caller.scope(&app), app.settings().zone, app.now_ms());
    let found = app
        .store
        .read(move |connection| -> Result<Option<Value>, StoreError> {
            let Some(found) = visible(connection, id, &scope)? else { return Ok(None) };
            let time = |at: i64| date::rfc3339(at, zone);
            let identities: Vec<Value> = identity::of_contact(connection, found.id)?
                .into_iter()
                .map(|(kind, value)| if kind == "phone" { json!({"kind": kind, "value": format!("+{value}")}) } else { json!({"kind": kind, "value": format!("{value}@lid")}) })
                .collect();
            let conversations: Vec<String> = contact::conversations(connection, found.id)?.into_iter().map(|id| format!("conv_{id}")).collect();
            let events: Vec<Value> =
                timeline::of_contact(connection, found.id, None, 100)?.into_iter().map(|event| json!({"at": time(event.at), "kind": event.kind, "detail": event.detail})).collect();
            let merges: Vec<Value> = merge::into(connection, found.id)?
                .into_iter()
                .map(|merge| json!({"id": merge.id, "contact_id": merge.merged_id, "name": merge.merged_name, "cause": merge.cause, "at": time(merge.at)}))
                .collect();
            Ok(Some(json!({
                "id": found.id, "name": found.name, "name_source": found.name_source, "phone": found.phone.as_deref().and_then(Phone::from_digits).map(|phone| phone.e164()),
                "email": found.email, "address": found.address, "interest": found.interest, "status": if found.active(now_ms, segment::ACTIVE_DAYS) { "active" } else { "inactive" },
                "status_set_by_hand": found.is_active.is_some(), "opted_out_at": found.opted_out_at.map(time), "fields": found.fields, "identities": identities,
                "labels": label::of_contact(connection, found.id)?, "conversations": conversations, "merges": merges, "created_at": time(found.created_at), "timeline": events,
            })))
        })
        .await?;
    let found = found.ok_or_else(|| ApiError::not_found("the contact"))?;
    app.note_look(&caller.actor, found["id"].as_i64().unwrap_or(0));
    Ok(Json(found))
}

/// `POST /api/contacts {"phone", …}`: 201 with the new contact; 409 `known` names whose number it is.
pub async fn create(State(app): State<Arc<App>>, caller: Caller, JsonBody(change): JsonBody<Change>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let actor = caller.actor.clone();
    let id = app.store.write(move |tx| contact::add(tx, &change, &actor)).await?;
    Ok((StatusCode::CREATED, get(State(app), caller, Path(id.to_string())).await?))
}

/// `PATCH /api/contacts/{id}`: what is given is changed, an empty text takes away.
pub async fn patch(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(change): JsonBody<Change>) -> Result<Json<Value>, ApiError> {
    let (id, scope, actor) = (id_of(&id)?, caller.scope(&app), caller.actor.clone());
    let id = app
        .store
        .write(move |tx| -> Result<i64, ContactError> {
            let found = visible(tx, id, &scope)?.ok_or(ContactError::NoSuchContact)?;
            contact::edit(tx, found.id, &change, &actor)?;
            Ok(found.id)
        })
        .await?;
    get(State(app), caller, Path(id.to_string())).await
}

/// Who is the same person.
#[derive(Deserialize)]
pub struct Same {
    contact: i64,
}

/// `POST /api/contacts/{id}/merge {"contact"}`: that contact lives on in this one.
pub async fn join(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(same): JsonBody<Same>) -> Result<Json<Value>, ApiError> {
    let (id, scope) = (id_of(&id)?, caller.scope(&app));
    app.store
        .write(move |tx| -> Result<(), ContactError> {
            for one in [id, same.contact] {
                visible(tx, one, &scope)?.ok_or(ContactError::NoSuchContact)?;
            }
            merge::by_hand(tx, id, same.contact, &caller.actor)
        })
        .await?;
    Ok(Json(json!({"status": "merged", "contact_id": id, "merged": same.contact})))
}

/// `POST /api/merges/{id}/undo`.
pub async fn part(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<i64>) -> Result<Json<Value>, ApiError> {
    let scope = caller.scope(&app);
    let merged = app
        .store
        .write(move |tx| -> Result<i64, ContactError> {
            let kept = merge::kept(tx, id)?.ok_or(ContactError::NoSuchContact)?;
            visible(tx, kept, &scope)?.ok_or(ContactError::NoSuchContact)?;
            merge::undo(tx, id, &caller.actor)
        })
        .await?;
    Ok(Json(json!({"status": "undone", "contact_id": merged})))
}

/// The expression.
#[derive(Deserialize)]
pub struct Expression {
    expr: Option<String>,
}

/// `GET /api/segments/count?expr=`: how many contacts an expression over labels means.
pub async fn count(State(app): State<Arc<App>>, caller: Caller, Query(asked): Query<Expression>) -> Result<Json<Value>, ApiError> {
    let expr = asked.expr.ok_or_else(|| ApiError::field("expr", "expr: is missing"))?;
    let (now_ms, text, scope) = (app.now_ms(), expr.clone(), caller.scope(&app));
    let (count, opted_out) = app.store.read(move |connection| segment::count(connection, &text, &scope, now_ms)).await?;
    Ok(Json(json!({"count": count, "opted_out": opted_out, "expr": expr})))
}
