//! A browser of the team subscribes to notifications, or no longer wants them.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::people::push;
use crate::web::error::ApiError;
use crate::wire::webpush::{self, PushError};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/push/key`: what browsers subscribe with.
pub async fn key(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let key = webpush::public_key(app.settings().text("push.vapid_key")).ok_or_else(|| ApiError::new(503, "no_key", "notifications are not ready yet"))?;
    Ok(Json(json!({"key": key})))
}

/// As the browser's `subscription.toJSON()`.
#[derive(Deserialize)]
pub struct Body {
    endpoint: String,
    keys: Option<Keys>,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let field = if error == PushError::BadKeys { "keys" } else { "endpoint" };
        Self::field(field, error.to_string())
    }
}

fn user_of(caller: &Caller) -> Result<i64, ApiError> {
    caller.user_id.ok_or_else(|| ApiError::new(403, "forbidden", "only somebody who is signed in can be notified"))
}

/// `POST /api/push/subscriptions`.
pub async fn subscribe(State(app): State<Arc<App>>, caller: Caller, headers: HeaderMap, JsonBody(body): JsonBody<Body>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let user_id = user_of(&caller)?;
    webpush::check_endpoint(&body.endpoint, app.settings().text("push.allow_hosts"))?;
    let keys = body.keys.ok_or_else(|| ApiError::field("keys", "keys: are missing"))?;
    let (p256dh, auth) = webpush::check_keys(&keys.p256dh, &keys.auth)?;
    let device = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    app.store.write(move |tx| push::subscribe(tx, user_id, &body.endpoint, &p256dh, &auth, &device)).await?;
    Ok((StatusCode::CREATED, Json(json!({"status": "subscribed"}))))
}

/// `DELETE /api/push/subscriptions {"endpoint"}`.
pub async fn unsubscribe(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Body>) -> Result<Json<Value>, ApiError> {
    let user_id = user_of(&caller)?;
    app.store.write(move |tx| push::unsubscribe(tx, user_id, &body.endpoint)).await?;
    Ok(Json(json!({"status": "unsubscribed"})))
}
