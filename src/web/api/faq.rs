//! `GET /api/ai/faq`, `PUT /api/ai/faq/{key}`, `GET /api/ai/faq/search?q=`: the published questions.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::faq::{self, Faq, FaqError};
use crate::db::StoreError;
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

impl From<FaqError> for ApiError {
    fn from(error: FaqError) -> Self {
        match error {
            FaqError::Invalid { field, problem } => Self::field(field, format!("{field}: {problem}")),
            FaqError::Db(error) => error.into(),
        }
    }
}

/// All of them.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let all = app.store.read(faq::list).await?;
    Ok(Json(json!({"faq": all})))
}

/// The body.
#[derive(Deserialize)]
pub struct Body {
    topic: String,
    question: String,
    #[serde(default)]
    variants: Vec<String>,
    answer: String,
    answer_en: Option<String>,
    status: Option<String>,
}

/// Writes one by its key.
pub async fn put(State(app): State<Arc<App>>, caller: Caller, Path(key): Path<String>, JsonBody(body): JsonBody<Body>) -> Result<Json<Value>, ApiError> {
    let faq = Faq {
        key,
        topic: body.topic,
        question: body.question,
        variants: body.variants,
        answer: body.answer,
        answer_en: body.answer_en,
        status: body.status.unwrap_or_else(|| "published".into()),
        ..Faq::default()
    };
    let key = faq.key.clone();
    let new = app.store.write(move |tx| faq::put(tx, &caller.actor, &faq)).await?;
    Ok(Json(json!({"status": if new { "created" } else { "updated" }, "key": key})))
}

/// A question.
#[derive(Deserialize)]
pub struct Search {
    q: String,
}

/// Which published questions it is like, with how alike.
pub async fn search(State(app): State<Arc<App>>, Query(search): Query<Search>) -> Result<Json<Value>, ApiError> {
    let hits = app.store.read(move |connection| -> Result<_, StoreError> { faq::search(connection, &search.q, 10) }).await?;
    let hits: Vec<Value> =
        hits.into_iter().map(|hit| json!({"key": hit.faq.key, "question": hit.faq.question, "answer": hit.faq.answer, "score": (hit.score * 1000.0).round() / 1000.0})).collect();
    Ok(Json(json!({"hits": hits})))
}
