//! `GET`/`POST /api/labels`, `PUT`/`DELETE /api/labels/{label}`, and labels on contacts.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::db::StoreError;
use crate::people::contact;
use crate::people::label::{self, Label, LabelError};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

impl From<LabelError> for ApiError {
    fn from(error: LabelError) -> Self {
        match error {
            LabelError::BadName => Self::field("name", error.to_string()),
            LabelError::Taken(_) => Self::new(409, "taken", error.to_string()).about("name"),
            LabelError::BadColor => Self::field("color", error.to_string()),
            LabelError::NoSuchLabel => Self::not_found("the label"),
            LabelError::NoSuchContact => Self::not_found("the contact"),
            LabelError::NoAddress => Self::new(409, "no_address", error.to_string()),
            LabelError::Db(error) => error.into(),
        }
    }
}

/// `GET /api/labels`: those in use.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let labels = app.store.read(label::all).await?;
    Ok(Json(json!({"labels": labels})))
}

/// A label's face.
#[derive(Deserialize)]
pub struct Face {
    name: String,
    color: Option<i64>,
}

/// `POST /api/labels {"name","color"?}`.
pub async fn create(State(app): State<Arc<App>>, caller: Caller, JsonBody(face): JsonBody<Face>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let label = app.store.write(move |tx| label::create(tx, &face.name, face.color, &caller.actor)).await?;
    Ok((StatusCode::CREATED, Json(json!(label))))
}

fn named(connection: &Connection, name: &str) -> Result<Label, LabelError> {
    label::named(connection, name)?.ok_or(LabelError::NoSuchLabel)
}

/// `PUT /api/labels/{label} {"name","color"?}`: renames or recolours; who carries it carries it still.
pub async fn change(State(app): State<Arc<App>>, caller: Caller, Path(which): Path<String>, JsonBody(face): JsonBody<Face>) -> Result<Json<Value>, ApiError> {
    let label = app
        .store
        .write(move |tx| -> Result<Label, LabelError> {
            let id = named(tx, &which)?.id;
            label::change(tx, id, &face.name, face.color, &caller.actor)?;
            named(tx, &face.name)
        })
        .await?;
    Ok(Json(json!(label)))
}

/// `DELETE /api/labels/{label}`: out of use; its history stays.
pub async fn retire(State(app): State<Arc<App>>, caller: Caller, Path(which): Path<String>) -> Result<Json<Value>, ApiError> {
    let label = app
        .store
        .write(move |tx| -> Result<Label, LabelError> {
            let label = named(tx, &which)?;
            label::retire(tx, label.id, &caller.actor)?;
            Ok(label)
        })
        .await?;
    Ok(Json(json!({"status": "deleted", "id": label.id, "name": label.name})))
}

async fn set(app: &App, caller: Caller, contact: &str, which: String, added: bool) -> Result<Json<Value>, ApiError> {
    let contact_id = super::contacts::id_of(contact)?;
    let scope = caller.scope(app);
    let (label, contact_id, news) = app
        .store
        .write(move |tx| -> Result<(Label, i64, bool), LabelError> {
            let found = contact::alive(tx, contact_id)?.filter(|found| contact::seen_by(tx, found.id, &scope).unwrap_or(false)).ok_or(LabelError::NoSuchContact)?;
            let label = match (label::named(tx, &which)?, added) {
                (Some(label), _) => label,
                // a name nobody has used yet makes the label; digits are an id, and a wrong one is a mistake
                (None, true) if !which.trim().chars().all(|c| c.is_ascii_digit()) => label::create(tx, &which, None, &caller.actor)?,
                (None, _) => return Err(LabelError::NoSuchLabel),
            };
            let news = label::set(tx, found.id, label.id, added, caller.source(), &caller.actor)?;
            Ok((label, found.id, news))
        })
        .await?;
    let labels = app.store.read(move |connection| -> Result<_, StoreError> { label::of_contact(connection, contact_id) }).await?;
    let status = match (news, added) {
        (false, _) => "unchanged",
        (true, true) => "added",
        (true, false) => "removed",
    };
    Ok(Json(json!({"status": status, "contact_id": contact_id, "label": {"id": label.id, "name": label.name}, "labels": labels})))
}

/// `POST /api/contacts/{id}/labels/{label}`: name or id; a new name makes the label.
pub async fn put_on(State(app): State<Arc<App>>, caller: Caller, Path((contact, which)): Path<(String, String)>) -> Result<Json<Value>, ApiError> {
    set(&app, caller, &contact, which, true).await
}

/// `DELETE /api/contacts/{id}/labels/{label}`.
pub async fn take_off(State(app): State<Arc<App>>, caller: Caller, Path((contact, which)): Path<(String, String)>) -> Result<Json<Value>, ApiError> {
    set(&app, caller, &contact, which, false).await
}
