//! `GET /api/ai/flows`, `GET|PUT /api/ai/flows/{key}`: keyword flows as JSON, out and in again.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::bot::flow::{Flow, Node};
use crate::chat::flow::{self, FlowError};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let said = error.to_string();
        match error {
            FlowError::Invalid(_) => Self::field("nodes", said),
            FlowError::NoSuchFlow => Self::not_found("the flow"),
            FlowError::Db(error) => error.into(),
        }
    }
}

/// All of them.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let flows = app.store.read(flow::list).await?;
    Ok(Json(json!({"flows": flows})))
}

/// One.
pub async fn get(State(app): State<Arc<App>>, Path(key): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = app.store.read(move |connection| flow::find(connection, &key)).await?;
    found.map(|kept| Json(json!(kept))).ok_or_else(|| ApiError::not_found("the flow"))
}

/// The body.
#[derive(Deserialize)]
pub struct Body {
    name: String,
    nodes: Vec<Node>,
    #[serde(default)]
    publish: bool,
}

/// Writes one by its key, as a draft or for customers.
pub async fn put(State(app): State<Arc<App>>, caller: Caller, Path(key): Path<String>, JsonBody(body): JsonBody<Body>) -> Result<Json<Value>, ApiError> {
    let flow = Flow { key: key.clone(), name: body.name, nodes: body.nodes };
    let new = app.store.write(move |tx| flow::put(tx, &caller.actor, &flow, body.publish)).await?;
    Ok(Json(json!({"status": if new { "created" } else { "updated" }, "key": key, "published": body.publish})))
}
