//! `GET|PUT /api/ai/prompts`, `POST /api/ai/prompts/rollback`: the five blocks, their versions and releases.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::prompt::{self, BLOCKS, PromptError, Release};
use crate::db::StoreError;
use crate::kernel::date;
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::State;
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

impl From<PromptError> for ApiError {
    fn from(error: PromptError) -> Self {
        let said = error.to_string();
        match error {
            PromptError::NoSuchBlock => Self::field("prompt_type", said),
            PromptError::BadContent => Self::field("content", said),
            PromptError::BadVersion => Self::field("version", said),
            PromptError::Exists(_) => Self::new(409, "version_exists", said).about("version"),
            PromptError::NoSuchRelease => Self::not_found("the release"),
            PromptError::Db(error) => error.into(),
        }
    }
}

fn shown(release: &Release, zone: Tz) -> Value {
    let time = |at: i64| date::rfc3339(at, zone);
    let blocks: serde_json::Map<String, Value> = release.blocks.iter().map(|block| (block.block.clone(), json!(block.version))).collect();
    json!({"prompt_version": release.version(), "release": release.id, "blocks": blocks, "active_from": (release.active_from > 0).then(|| time(release.active_from)), "cause": release.cause,
           "actor": release.actor, "created_at": time(release.at), "withdrawn_at": release.withdrawn_at.map(time)})
}

/// What is in force, and every version of every block.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let (now_ms, zone) = (app.now_ms(), app.settings().zone);
    let found = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let releases = prompt::releases(connection, 50)?;
            let active = releases.iter().find(|release| release.withdrawn_at.is_none() && release.active_from <= now_ms).map(|release| shown(release, zone));
            let mut versions = Vec::new();
            for name in BLOCKS {
                for block in prompt::versions(connection, name, 100)? {
                    versions.push(json!({"prompt_type": block.block, "version": block.version, "content": block.content, "updated_by": block.author, "created_at": date::rfc3339(block.at, zone)}));
                }
            }
            Ok(json!({"active": active, "releases": releases.iter().map(|release| shown(release, zone)).collect::<Vec<_>>(), "versions": versions}))
        })
        .await?;
    Ok(Json(found))
}

/// A new version of a block. `active_from`: RFC 3339; at once when absent or past.
#[derive(Deserialize)]
pub struct Put {
    prompt_type: String,
    content: String,
    version: String,
    updated_by: Option<String>,
    active_from: Option<String>,
}

/// Stores and releases it.
pub async fn put(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Put>) -> Result<Json<Value>, ApiError> {
    let zone = app.settings().zone;
    let active_from = match &body.active_from {
        Some(text) => Some(date::parse_instant(text, zone).ok_or_else(|| ApiError::field("active_from", "active_from: an RFC 3339 time"))?),
        None => None,
    };
    let author = body.updated_by.clone().map_or_else(|| caller.actor.clone(), |name| crate::kernel::text::clean(name.trim(), 100));
    let release = app.store.write(move |tx| prompt::put(tx, &caller.actor, &body.prompt_type, &body.version, &body.content, &author, active_from)).await?;
    let mut answer = shown(&release, zone);
    answer["status"] = json!(if release.cause == "schedule" { "scheduled" } else { "active" });
    Ok(Json(answer))
}

/// Which release comes back.
#[derive(Deserialize)]
pub struct Back {
    release: i64,
}

/// Makes an earlier release the present one again.
pub async fn roll_back(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Back>) -> Result<Json<Value>, ApiError> {
    let zone = app.settings().zone;
    let release = app.store.write(move |tx| prompt::roll_back(tx, &caller.actor, body.release)).await?;
    Ok(Json(shown(&release, zone)))
}
